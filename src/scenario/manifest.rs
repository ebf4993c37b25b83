//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and Pods, as `kubectl get -o yaml` prints them.

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DeploymentSpec, ReplicaSetSpec, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use models::config::{
    IntOrPercent, JobConfig, RestartPolicy, Strategy, Toleration, daemon_tolerations,
};
use models::ids::Seconds;

use super::cursor::Cursor;
use super::decode::decode;
use super::error::{InputError, Warning, did_you_mean};
use super::job;
use super::pod::PodShape;
use super::selector::{Labels, Selector};
use super::source::{Node, Value};
use super::unmodelled::{
    warn_daemon_set, warn_deployment, warn_metadata, warn_pod, warn_replica_set, warn_stateful_set,
};

/// Most replicas of one workload: the search could not visit the states of more.
pub(super) const MAX_REPLICAS: i64 = 8;

/// `progressDeadlineSeconds` where a manifest has none.
const DEFAULT_PROGRESS_DEADLINE_SECONDS: i32 = 600;

/// The kinds that are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    Pod,
}

impl Kind {
    const ALL: [(&'static str, Kind, &'static str); 6] = [
        ("Deployment", Kind::Deployment, "apps/v1"),
        ("ReplicaSet", Kind::ReplicaSet, "apps/v1"),
        ("StatefulSet", Kind::StatefulSet, "apps/v1"),
        ("DaemonSet", Kind::DaemonSet, "apps/v1"),
        ("Job", Kind::Job, "batch/v1"),
        ("Pod", Kind::Pod, "v1"),
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            Kind::Job => "Job",
            Kind::Pod => "Pod",
        }
    }

    /// The kind that a document says it has; none if it is not modelled.
    fn of(document: &Cursor<'_>) -> Result<Option<Kind>, InputError> {
        let name = document.required("kind")?.text()?;
        let api_version = document.required("apiVersion")?;
        let known = Kind::ALL.iter().find(|(known, ..)| *known == name);
        let Some((_, kind, version)) = known else { return Ok(None) };
        match api_version.text()? {
            text if text == *version => Ok(Some(*kind)),
            text => Err(api_version
                .error(format!("of a {name} must be {version}, is {}", text.escape_debug()))),
        }
    }
}

/// What to say of a document whose kind is not modelled.
pub(super) fn not_modelled(document: &Cursor<'_>) -> InputError {
    let kind = document.toward(&["kind"]);
    let name = kind.text().unwrap_or_default();
    let names = Kind::ALL.iter().map(|(known, ..)| *known).chain(["Scenario"]);
    let help = did_you_mean(name, names).unwrap_or_else(|| {
        let known = Kind::ALL.map(|(known, ..)| known).join(", ");
        format!("modelled are {known}; a Scenario says what may go wrong")
    });
    kind.error(format!("\"{}\" is not modelled", name.escape_debug())).with_help(help)
}

/// A workload that was read and checked, before the nodes are known.
#[derive(Clone, Debug)]
pub(super) struct Workload<'a> {
    /// Its kind.
    pub kind: Kind,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `spec.replicas`; 1 for a pod. Nodes decide how many pods a DaemonSet has.
    pub replicas: u8,
    /// `spec.minReadySeconds`.
    pub min_ready: Seconds,
    /// `spec.selector`; none for a pod.
    pub selector: Option<Selector>,
    /// Labels of its pods.
    pub labels: Labels,
    /// `spec.podManagementPolicy` of a StatefulSet is OrderedReady, the default.
    pub ordered: bool,
    /// A Job's spec, without its name and template.
    pub job: Option<JobConfig>,
    /// What it starts.
    pub pod: PodShape,
    /// `spec.strategy` of a Deployment.
    pub strategy: Strategy,
    /// The document.
    pub at: Cursor<'a>,
    /// The spec of its pods.
    pub pod_at: Cursor<'a>,
    /// Kind and name of the controller that made it.
    pub owner: Option<(String, String)>,
}

impl<'a> Workload<'a> {
    /// Reads a document; none if its kind is not modelled.
    pub(super) fn read(
        document: &Cursor<'a>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Self>, InputError> {
        let Some(kind) = Kind::of(document)? else { return Ok(None) };
        document.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
        let metadata_at = document.required("metadata")?;
        let metadata: ObjectMeta = decode(&metadata_at, warnings)?;
        warn_metadata(&metadata_at, warnings);
        metadata_at.required("name")?.object_name()?;
        let spec = document.required("spec")?;
        let mut workload = match kind {
            Kind::Deployment => deployment(document, &spec, warnings)?,
            Kind::ReplicaSet => replica_set(document, &spec, warnings)?,
            Kind::StatefulSet => stateful_set(document, &spec, warnings)?,
            Kind::DaemonSet => daemon_set(document, &spec, warnings)?,
            Kind::Job => job::read(document, &spec, warnings)?,
            Kind::Pod => bare_pod(document, &spec, warnings)?,
        };
        let owners = metadata.owner_references.unwrap_or_default();
        let owner = owners.into_iter().find(|owner| owner.controller == Some(true));
        workload.owner = owner.map(|owner| (owner.kind, owner.name));
        workload.name = metadata.name.unwrap_or_default();
        workload.namespace = metadata.namespace.unwrap_or_default();
        if kind == Kind::Pod {
            workload.labels = metadata.labels.unwrap_or_default();
        }
        Ok(Some(workload))
    }

    /// `Deployment web`.
    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.kind.name(), self.name)
    }

    /// The hash in the names of a Deployment's ReplicaSet and pods: a function of the template, as
    /// it is at the start or after so many changes, in the alphabet that Kubernetes uses (no vowels: names should spell nothing).
    pub(super) fn template_hash(&self, revision: u8) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut hash = Fnv::new();
        if let Some(template) = self.at.toward(&["spec"]).get("template") {
            hash.node(template.node);
        }
        if revision > 0 {
            hash.bytes(&[revision]);
        }
        let mut rest = hash.0;
        (0..10)
            .map(|_| {
                let letter = ALPHABET[(rest % 27) as usize] as char;
                rest /= 27;
                letter
            })
            .collect()
    }
}

fn deployment<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let spec: DeploymentSpec = decode(at, warnings)?;
    warn_deployment(at, warnings);
    let deadline = spec.progress_deadline_seconds.unwrap_or(DEFAULT_PROGRESS_DEADLINE_SECONDS);
    if spec.min_ready_seconds.unwrap_or(0) >= deadline {
        let at = at.toward(&["minReadySeconds"]);
        return Err(at.error(format!("must be less than progressDeadlineSeconds, {deadline}")));
    }
    let strategy = read_strategy(at)?;
    let workload =
        controller(document, at, Kind::Deployment, &spec.selector, &spec.template, warnings)?;
    Ok(Workload { strategy, ..workload })
}

fn replica_set<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let spec: ReplicaSetSpec = decode(at, warnings)?;
    warn_replica_set(at, warnings);
    let template = spec.template.unwrap_or_default();
    controller(document, at, Kind::ReplicaSet, &spec.selector, &template, warnings)
}

/// `spec.strategy`, as the API server defaults and validates it.
fn read_strategy(at: &Cursor<'_>) -> Result<Strategy, InputError> {
    let Some(strategy) = at.get("strategy") else { return Ok(Strategy::DEFAULT) };
    let recreate = match strategy.get("type") {
        Some(kind) => kind.word(&[("Recreate", true), ("RollingUpdate", false)])?,
        None => false,
    };
    let bounds = strategy.get("rollingUpdate").filter(|bounds| !bounds.node.is_null());
    match (recreate, bounds) {
        (true, Some(bounds)) => Err(bounds.error("may not be there where `type` is Recreate")),
        (true, None) => Ok(Strategy::Recreate),
        (false, None) => Ok(Strategy::DEFAULT),
        (false, Some(bounds)) => {
            let bound = |name: &str| match bounds.get(name) {
                Some(bound) => int_or_percent(&bound),
                None => Ok(IntOrPercent::Percent(25)),
            };
            let (max_surge, max_unavailable) = (bound("maxSurge")?, bound("maxUnavailable")?);
            let none = |bound| matches!(bound, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
            if none(max_surge) && none(max_unavailable) {
                let error = bounds.error("allows neither a surge nor unavailable pods");
                return Err(
                    error.with_help("the API server refuses this: no pod could be replaced")
                );
            }
            if matches!(max_unavailable, IntOrPercent::Percent(101..)) {
                let at = bounds.toward(&["maxUnavailable"]);
                return Err(at.error("must not be more than 100%"));
            }
            Ok(Strategy::RollingUpdate { max_surge, max_unavailable })
        }
    }
}

/// `1`, or `25%`.
fn int_or_percent(at: &Cursor<'_>) -> Result<IntOrPercent, InputError> {
    match at.text().ok().and_then(|text| text.strip_suffix('%')) {
        Some(percent) => match percent.parse::<u16>() {
            Ok(percent) => Ok(IntOrPercent::Percent(percent.into())),
            Err(_) => Err(at.error("must be a number, or one in percent, e.g. 25%")),
        },
        None => Ok(IntOrPercent::Int(at.integer(0..=i64::from(i32::MAX))? as u32)),
    }
}

/// What Deployments and ReplicaSets have in common. Their names come later.
fn stateful_set<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let spec: StatefulSetSpec = decode(at, warnings)?;
    warn_stateful_set(at, warnings);
    let ordered = match at.get("podManagementPolicy") {
        Some(policy) => policy.word(&[("OrderedReady", true), ("Parallel", false)])?,
        None => true,
    };
    let kind = Kind::StatefulSet;
    let common = controller(document, at, kind, &spec.selector, &spec.template, warnings)?;
    // Time is not counted here: a pod is available as soon as it is ready (warned of).
    Ok(Workload { ordered, min_ready: Seconds(0), ..common })
}

fn daemon_set<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let spec: DaemonSetSpec = decode(at, warnings)?;
    warn_daemon_set(at, warnings);
    let template = &spec.template;
    let mut read = controller(document, at, Kind::DaemonSet, &spec.selector, template, warnings)?;
    read.min_ready = Seconds(0);
    // DS-1: what the manifest says of the same taint is replaced where it stands.
    for toleration in daemon_tolerations() {
        let same = |own: &&mut Toleration| {
            own.key == toleration.key
                && own.effect == toleration.effect
                && own.value == toleration.value
        };
        match read.pod.tolerations.iter_mut().find(same) {
            Some(own) => *own = toleration,
            None => read.pod.tolerations.push(toleration),
        }
    }
    Ok(read)
}

/// What controllers have in common. Their names come later.
fn controller<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    kind: Kind,
    selector: &LabelSelector,
    template: &PodTemplateSpec,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let template_at = at.required("template")?;
    let pod_at = template_at.required("spec")?;
    let selector_at = at.required("selector")?;
    let selector = Selector::new(selector).map_err(|problem| selector_at.error(problem))?;
    let metadata = template.metadata.clone().unwrap_or_default();
    let labels = metadata.labels.unwrap_or_default();
    if !selector.matches(&labels) {
        let error = selector_at.error("does not match the labels of the template");
        return Err(error.with_help("the API server refuses this: make both the same"));
    }
    if let Some(metadata) = template_at.get("metadata") {
        warn_metadata(&metadata, warnings);
    }
    let pod = pod_shape(&template.spec.clone().unwrap_or_default(), &pod_at, warnings)?;
    if pod.restart_policy != RestartPolicy::Always {
        let at = pod_at.toward(&["restartPolicy"]);
        return Err(at.error(format!("of a {} must be Always", kind.name())));
    }
    let number = |name: &str, most: i64, default: i64| match at.get(name) {
        Some(field) => field.integer(0..=most),
        None => Ok(default),
    };
    Ok(Workload {
        kind,
        name: String::new(),
        namespace: String::new(),
        replicas: number("replicas", MAX_REPLICAS, 1)? as u8,
        min_ready: Seconds(number("minReadySeconds", i64::from(i32::MAX), 0)? as u32),
        selector: Some(selector),
        labels,
        ordered: false,
        job: None,
        pod,
        strategy: Strategy::DEFAULT,
        at: document.clone(),
        pod_at,
        owner: None,
    })
}

fn bare_pod<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let spec: PodSpec = decode(at, warnings)?;
    Ok(Workload {
        kind: Kind::Pod,
        name: String::new(),
        namespace: String::new(),
        replicas: 1,
        min_ready: Seconds(0),
        selector: None,
        labels: Labels::new(),
        ordered: false,
        job: None,
        pod: pod_shape(&spec, at, warnings)?,
        strategy: Strategy::DEFAULT,
        at: document.clone(),
        pod_at: at.clone(),
        owner: None,
    })
}

pub(super) fn pod_shape(
    spec: &PodSpec,
    at: &Cursor<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<PodShape, InputError> {
    let shape = PodShape::read(spec, at, warnings)?;
    warn_pod(at, warnings);
    Ok(shape)
}

/// FNV-1a, over the content of a value: neither its place nor the order of its fields counts.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar { text, .. } => {
                self.bytes(b"s");
                self.text(text);
            }
            Value::Sequence(items) => {
                self.bytes(b"[");
                items.iter().for_each(|item| self.node(item));
                self.bytes(b"]");
            }
            Value::Mapping(entries) => {
                let mut entries: Vec<_> = entries.iter().filter(|(_, v)| !v.is_null()).collect();
                entries.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
                self.bytes(b"{");
                for (key, value) in entries {
                    self.text(&key.name);
                    self.node(value);
                }
                self.bytes(b"}");
            }
        }
    }
}
