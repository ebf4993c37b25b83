//! Inputs to scenarios: which documents belong together, and what the model makes of them.

use models::config::{
    BarePodConfig, ClusterConfig, DaemonSetConfig, DeploymentConfig, Effect, JobConfig, NOT_READY,
    PodTemplate, ReplicaSetConfig, Settings, Start, StatefulSetConfig, Toleration, UNREACHABLE,
};
use models::faults::{FaultBudget, FaultKind};
use models::ids::{
    DeploymentId, NameSet, PodName, ReplicaSetId, Seconds, StatefulSetId, TemplateId, VolumeId,
    VolumeSet,
};
use models::objects::Workload as Scaled;

use super::cursor::Cursor;
use super::disruption_budget::{is_budget, read_budgets};
use super::error::{InputError, Warning};
use super::expectation::Expectation;
use super::file::{MAX_PODS, ScenarioFile};
use super::manifest::{Kind, Workload, not_modelled};
use super::nodes::Nodes;
use super::placement::read_start;
use super::source::{Input, Node};
use super::start;
use super::volumes::{self, Claim, is_claim, read_claims};
use super::workload_operations::read_operations;

/// Nodes of the cluster that a bare manifest gets.
const DEFAULT_NODES: usize = 3;

/// Most workloads of a scenario.
const MAX_WORKLOADS: usize = 32;

/// Room for pods beyond those that the manifests ask for, at least.
const SPARE_PODS: usize = 2;

/// Most room for pods that is given without being asked for.
const MAX_DEFAULT_PODS: usize = 12;

/// A cluster to be checked, and what is expected of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `metadata.name`, or the file without folder and ending.
    pub name: String,
    /// One line about it.
    pub title: String,
    /// More about it.
    pub description: String,
    /// The file with the scenario, or the first file.
    pub file: String,
    /// The cluster.
    pub config: ClusterConfig,
    /// Properties that the scenario names, in its order.
    pub expectations: Vec<Expectation>,
    /// What is set and not taken into account.
    pub warnings: Vec<Warning>,
    /// Why a run of all scenarios leaves this one out.
    pub skip: Option<String>,
    /// Whether there is a document of `kind: Scenario`.
    pub explicit: bool,
}

/// Reads scenarios. Files with at most one `kind: Scenario` among them are one scenario together;
/// otherwise each file is one.
///
/// ```
/// use node_recovery::scenario::{Input, load};
///
/// let text =
///     "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c}]}}";
/// let input = Input { name: "web.yaml".into(), text: text.into() };
/// let scenarios = load(&[input]).unwrap();
/// assert_eq!(scenarios[0].config.pods[0].name, "web");
/// ```
pub fn load(inputs: &[Input]) -> Result<Vec<Scenario>, InputError> {
    let trees: Vec<(&Input, Vec<Node>)> = inputs
        .iter()
        .map(|input| Ok((input, input.documents()?)))
        .collect::<Result<_, InputError>>()?;
    let mut files = Vec::new();
    for (input, nodes) in &trees {
        let mut documents = Vec::new();
        for node in nodes {
            flatten(Cursor::document(input, node), &mut documents)?;
        }
        let mut scenarios = documents.iter().filter(|doc| ScenarioFile::is_scenario(doc));
        let first = scenarios.next().map(|document| document.place().line);
        if let (Some(line), Some(second)) = (first, scenarios.next()) {
            let error = second.error(format!("is a second Scenario, the first is on line {line}"));
            return Err(error.with_help("one file holds one scenario: split the file"));
        }
        files.push((*input, documents, first.is_some()));
    }
    if files.is_empty() {
        return Err(InputError::of_file("<none>", "no input"));
    }
    if files.iter().filter(|(.., explicit)| *explicit).count() < 2 {
        let main = files.iter().find(|(.., explicit)| *explicit).unwrap_or(&files[0]).0;
        let documents: Vec<_> =
            files.iter().flat_map(|(_, documents, _)| documents.clone()).collect();
        return Ok(vec![build(main, &documents)?]);
    }
    if let Some((input, ..)) = files.iter().find(|(.., explicit)| !explicit) {
        let error =
            InputError::of_file(&input.name, "belongs to no scenario: several files have one");
        return Err(error.with_help("pass one Scenario with its manifests, or complete files only"));
    }
    files.iter().map(|(input, documents, _)| build(input, documents)).collect()
}

/// Takes lists apart; an item of a `DeploymentList` may leave its kind to the list.
fn flatten<'a>(document: Cursor<'a>, documents: &mut Vec<Cursor<'a>>) -> Result<(), InputError> {
    document.mapping().map_err(|_| {
        let what = document.node.describe();
        let error = document.error(format!("is {what}, not a Kubernetes object"));
        error.with_help("an object begins with `apiVersion:` and `kind:`")
    })?;
    let kind = document.get("kind").and_then(|kind| kind.text().ok()).unwrap_or_default();
    match document.get("items").filter(|_| kind.ends_with("List")) {
        None => documents.push(document),
        Some(items) => {
            for item in items.items()? {
                flatten(item, documents)?;
            }
        }
    }
    Ok(())
}

/// One scenario from its documents.
fn build(main: &Input, documents: &[Cursor<'_>]) -> Result<Scenario, InputError> {
    let mut warnings = Vec::new();
    let workloads = read_workloads(main, documents, &mut warnings)?;
    let claims = read_claims(documents, &mut warnings)?;
    let document = documents.iter().find(|document| ScenarioFile::is_scenario(document));
    let mut file = match document {
        Some(document) => ScenarioFile::read(document)?,
        None => ScenarioFile::default_for(default_cluster(&workloads)?),
    };
    let title = file.title.take().unwrap_or_else(|| describe(&workloads));
    let mut scenario = Scenario {
        name: file.name.take().unwrap_or_else(|| main.stem()),
        title,
        description: std::mem::take(&mut file.description),
        file: main.name.clone(),
        expectations: std::mem::take(&mut file.expectations),
        skip: file.skip.take(),
        explicit: document.is_some(),
        config: configure(file, &workloads, &claims, &mut warnings)?,
        warnings: Vec::new(),
    };
    scenario.config.disruption_budgets = read_budgets(documents, &workloads, &mut warnings)?;
    scenario.warnings = warnings;
    Ok(scenario)
}

/// All workloads among the documents, in their order: ids follow it.
fn read_workloads<'a>(
    main: &Input,
    documents: &[Cursor<'a>],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Workload<'a>>, InputError> {
    let mut workloads: Vec<Workload<'a>> = Vec::new();
    let mut strangers = Vec::new();
    let others = |document: &&Cursor<'_>| {
        !ScenarioFile::is_scenario(document) && !is_budget(document) && !is_claim(document)
    };
    for document in documents.iter().filter(others) {
        let Some(workload) = Workload::read(document, warnings)? else {
            let error = not_modelled(document);
            // A misspelt Scenario must not turn into the default one.
            let api_version = document.get("apiVersion").map(|version| version.text());
            if matches!(api_version, Some(Ok(text)) if text.starts_with("node-recovery/")) {
                return Err(error);
            }
            strangers.push(error);
            continue;
        };
        let same = |other: &&Workload<'_>| {
            (other.kind, &other.namespace, &other.name)
                == (workload.kind, &workload.namespace, &workload.name)
        };
        if let Some(first) = workloads.iter().find(same) {
            let (what, place) = (workload.describe(), first.at.place());
            let name = document.toward(&["metadata", "name"]);
            return Err(name.error(format!("is used twice: {what} is also in {place}")));
        }
        if workloads.len() == MAX_WORKLOADS {
            return Err(workload
                .at
                .error(format!("is one workload too many: at most {MAX_WORKLOADS}")));
        }
        workloads.push(workload);
    }
    if workloads.is_empty() {
        let nothing = || InputError::of_file(&main.name, "no workload to check");
        return Err(strangers.into_iter().next().unwrap_or_else(nothing));
    }
    warnings.extend(strangers.into_iter().map(|error| Warning::at(error.place, error.message)));
    leave_out_owned(&mut workloads, warnings);
    warn_of_adoption(&workloads, warnings);
    Ok(workloads)
}

/// `kubectl get all` prints pods along with what creates them; the model creates them itself.
fn leave_out_owned(workloads: &mut Vec<Workload<'_>>, warnings: &mut Vec<Warning>) {
    let present: Vec<(String, String)> =
        workloads.iter().map(|w| (w.kind.name().to_string(), w.name.clone())).collect();
    workloads.retain(|workload| {
        let Some(owner) = &workload.owner else { return true };
        let (what, (kind, name)) = (workload.describe(), owner);
        let at = workload.at.toward(&["metadata", "ownerReferences"]).place();
        if present.contains(owner) {
            warnings.push(Warning::at(at, format!("{what} is left out: {kind} {name} creates it")));
            return false;
        }
        let alone =
            format!("{what} is checked as if nobody had made it: {kind} {name} is not here");
        warnings.push(Warning::at(at, alone));
        true
    });
}

/// A pod without an owner that a ReplicaSet selects would be adopted.
fn warn_of_adoption(workloads: &[Workload<'_>], warnings: &mut Vec<Warning>) {
    for pod in workloads.iter().filter(|workload| workload.kind == Kind::Pod) {
        let selects = |other: &&Workload<'_>| {
            let selector = other.selector.as_ref().filter(|_| other.namespace == pod.namespace);
            selector.is_some_and(|selector| selector.matches(&pod.labels))
                && matches!(other.kind, Kind::ReplicaSet | Kind::StatefulSet)
        };
        if let Some(other) = workloads.iter().find(selects) {
            let message =
                format!("is selected by {}, whose adopting it is not modelled", other.describe());
            let at = pod.at.toward(&["metadata", "labels"]).place();
            warnings.push(Warning::at(at, format!("{} {message}", pod.describe())));
        }
    }
}

/// Three workers, of which the manifests may name some.
fn default_cluster(workloads: &[Workload<'_>]) -> Result<Nodes, InputError> {
    let mut names: Vec<String> = Vec::new();
    for workload in workloads {
        let selected = workload.pod.node_selector.get("kubernetes.io/hostname");
        for name in workload.pod.node_name.iter().chain(selected) {
            if !name.is_empty() && !names.contains(name) {
                names.push(name.clone());
            }
        }
        if names.len() > models::ids::NodeSet::CAPACITY {
            return Err(workload.pod_at.error("names one node too many"));
        }
    }
    let numbered = (1..).map(|number| format!("node-{number}"));
    let missing = DEFAULT_NODES.saturating_sub(names.len());
    let fresh: Vec<String> = numbered.filter(|name| !names.contains(name)).take(missing).collect();
    names.extend(fresh);
    Ok(Nodes::workers(names))
}

/// `Deployment web (2 replicas), Pod probe`.
fn describe(workloads: &[Workload<'_>]) -> String {
    let one = |workload: &Workload<'_>| match (workload.kind, workload.replicas) {
        (Kind::Pod | Kind::DaemonSet | Kind::Job, _) => workload.describe(),
        (_, 1) => format!("{} (1 replica)", workload.describe()),
        (_, count) => format!("{} ({count} replicas)", workload.describe()),
    };
    workloads.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The configuration of the model.
fn configure(
    file: ScenarioFile<'_>,
    workloads: &[Workload<'_>],
    claims: &[Claim<'_>],
    warnings: &mut Vec<Warning>,
) -> Result<ClusterConfig, InputError> {
    let ScenarioFile { cluster, settings, .. } = &file;
    let mut faults = file.faults.clone();
    faults.extend(read_operations(file.operator.as_ref(), workloads)?);
    let total: usize = workloads.iter().map(|workload| pods_of(workload, cluster)).sum();
    if total + SPARE_PODS > MAX_PODS as usize {
        let most = MAX_PODS as usize - SPARE_PODS;
        let at = workloads[workloads.len() - 1].at.toward(&["spec", "replicas"]);
        return Err(at.error(format!("makes {total} pods in all, more than {most}")));
    }
    let max_pods = match &file.max_pods {
        Some((most, at)) if usize::from(*most) < total => {
            return Err(at.error(format!("must be at least {total}, the pods of the manifests")));
        }
        Some((most, _)) => *most,
        None => default_max_pods(total, &faults, workloads),
    };
    // Availability takes time, so that it cannot be put into a run afterwards.
    let takes_time = workloads.iter().any(|workload| workload.min_ready > Seconds(0));
    let mut config = ClusterConfig {
        workload_status: file.workload_status || takes_time,
        version: file.version,
        nodes: Vec::new(),
        zones: Vec::new(),
        taints: Vec::new(),
        templates: Vec::new(),
        replica_sets: Vec::new(),
        deployments: Vec::new(),
        stateful_sets: Vec::new(),
        daemon_sets: Vec::new(),
        jobs: Vec::new(),
        pods: Vec::new(),
        volumes: Vec::new(),
        disruption_budgets: Vec::new(),
        settings: settings.clone(),
        faults,
        watch: file.watch,
        start: Start::Converged,
        max_pods,
    };
    for workload in workloads {
        let template = template(workload, cluster, settings, file.ends_on_sigterm)?;
        warn_if_homeless(workload, &template, cluster, warnings);
        config.templates.push(template);
        add_workload(workload, &mut config);
    }
    let identities: u8 = config.stateful_sets.iter().map(|set| set.identities).sum();
    if identities > NameSet::CAPACITY as u8 - PodName::FIRST_RECURRING.0 {
        let at = &workloads[workloads.len() - 1].at;
        return Err(at.error("more identities of StatefulSets than there is room for"));
    }
    volumes::assign(claims, workloads, &mut config, warnings)?;
    add_later_revisions(workloads, &mut config);
    config.start = read_start(file.start.as_ref(), workloads, cluster, &config)?;
    (config.nodes, config.zones, config.taints) = file.cluster.into_config();
    if let Some(at) = file.start.as_ref().filter(|_| !start::is_possible(&config)) {
        let error = at.error("places pods that share a volume on several nodes");
        return Err(error.with_help("a ReadWriteOnce volume is attached to one node at a time"));
    }
    Ok(config)
}

/// How many pods a workload has at the start.
fn pods_of(workload: &Workload<'_>, cluster: &Nodes) -> usize {
    match workload.kind {
        Kind::DaemonSet => {
            let effects = [Effect::NoSchedule, Effect::NoExecute];
            let repelling = cluster.repelling(&workload.pod.tolerations, &effects);
            cluster.selected(&workload.pod).minus(repelling).len()
        }
        _ => usize::from(workload.replicas),
    }
}

/// Room for the pods of the manifests and for what replaces them, twice for each fault that can
/// take a node out, and once for each rollout and each scaling.
fn default_max_pods(total: usize, faults: &[FaultBudget], workloads: &[Workload<'_>]) -> u8 {
    let takes_out = |budget: &&FaultBudget| {
        matches!(
            budget.kind,
            FaultKind::PowerOff
                | FaultKind::Shutdown
                | FaultKind::InstanceStopped
                | FaultKind::InstanceGone
                | FaultKind::Partition
                | FaultKind::KubeletCrash
                | FaultKind::RuntimeCrash
                | FaultKind::SlowHeartbeat
        )
    };
    let outages: usize = faults.iter().filter(takes_out).map(|b| usize::from(b.count)).sum();
    // A rollout may have all old pods Terminating, and all new ones and a surge beside them.
    let rolled = |id: DeploymentId| {
        let mut deployments = workloads.iter().filter(|w| w.kind == Kind::Deployment);
        deployments.nth(id.0 as usize).map_or(0, |workload| {
            usize::from(workload.replicas + workload.strategy.bounds(workload.replicas).0)
        })
    };
    let rollouts = faults.iter().map(|budget| match budget.kind {
        FaultKind::Rollout(id) => usize::from(budget.count) * rolled(id),
        FaultKind::Scale(_, replicas) => usize::from(replicas),
        _ => 0,
    });
    let total = total + rollouts.sum::<usize>();
    (total + 2 * outages).min(MAX_DEFAULT_PODS).max(total + SPARE_PODS) as u8
}

/// The pod template of a workload, admitted (AD-1).
fn template(
    workload: &Workload<'_>,
    cluster: &Nodes,
    settings: &Settings,
    ends_on_sigterm: bool,
) -> Result<PodTemplate, InputError> {
    let pod = &workload.pod;
    let node_name = match &pod.node_name {
        Some(_) => Some(cluster.find(&workload.pod_at.required("nodeName")?)?),
        None => None,
    };
    let mut tolerations = pod.tolerations.clone();
    add_default_toleration(&mut tolerations, NOT_READY, settings.default_not_ready_toleration);
    add_default_toleration(&mut tolerations, UNREACHABLE, settings.default_unreachable_toleration);
    Ok(PodTemplate {
        tolerations,
        grace: pod.grace,
        restart_policy: pod.restart_policy,
        min_ready: workload.min_ready,
        completes: workload.kind == Kind::Job,
        node_name,
        priority: pod.priority,
        volumes: VolumeSet::EMPTY,
        selected: cluster.selected(pod),
        container: pod.container.clone(),
        image: pod.image.clone(),
        ends_on_sigterm,
    })
}

/// AD-1. Whether a toleration counts as one for `key` is decided by key and effect alone: one that
/// asks for a value the taint never has suppresses the default too
/// (`plugin/pkg/admission/defaulttolerationseconds`).
fn add_default_toleration(tolerations: &mut Vec<Toleration>, key: &str, seconds: Seconds) {
    let has_own = tolerations.iter().any(|toleration| {
        toleration.key.as_deref().is_none_or(|own| own == key)
            && toleration.effect.is_none_or(|effect| effect == Effect::NoExecute)
    });
    if !has_own {
        tolerations.push(Toleration {
            key: Some(key.to_string()),
            value: None,
            effect: Some(Effect::NoExecute),
            seconds: Some(i64::from(seconds.0)),
        });
    }
}

/// Warns if pods of `workload` can run nowhere.
fn warn_if_homeless(
    workload: &Workload<'_>,
    template: &PodTemplate,
    cluster: &Nodes,
    warnings: &mut Vec<Warning>,
) {
    let repelling =
        cluster.repelling(&template.tolerations, &[Effect::NoSchedule, Effect::NoExecute]);
    let home = match template.node_name {
        Some(node) => template.selected.contains(node),
        None => !template.selected.minus(repelling).is_empty(),
    };
    if !home {
        let message = format!("no node can host the pods of {}", workload.describe());
        warnings.push(Warning::at(workload.at.place(), message));
    }
}

/// Adds a workload whose template is the last one.
fn add_workload(workload: &Workload<'_>, config: &mut ClusterConfig) {
    let template = TemplateId(config.templates.len() as u8 - 1);
    let name = workload.name.clone();
    if let Some(job) = &workload.job {
        config.jobs.push(JobConfig { name, template, ..job.clone() });
        return;
    }
    let Some(selector) = &workload.selector else {
        config.pods.push(BarePodConfig { name, template });
        return;
    };
    if workload.kind == Kind::StatefulSet {
        let taken: u8 = config.stateful_sets.iter().map(|set| set.identities).sum();
        config.stateful_sets.push(StatefulSetConfig {
            name,
            template,
            replicas: workload.replicas,
            ordered: workload.ordered,
            first_name: PodName(PodName::FIRST_RECURRING.0 + taken),
            identities: workload.replicas.max(scaled_to(config)),
            first_volume: VolumeId(0),
            claims: 0,
        });
        return;
    }
    if workload.kind == Kind::DaemonSet {
        let labels = workload.pod.node_selector.iter();
        let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
        config.daemon_sets.push(DaemonSetConfig {
            name,
            template,
            selector: selector.to_string(),
            node_selector: labels.join(","),
        });
        return;
    }
    let replica_set = ReplicaSetId(config.replica_sets.len() as u8);
    let mut replica_set_config = ReplicaSetConfig {
        name: name.clone(),
        template,
        replicas: workload.replicas,
        min_ready: workload.min_ready,
        selector: selector.to_string(),
    };
    if workload.kind == Kind::Deployment {
        let hash = workload.template_hash(0);
        replica_set_config.name = format!("{name}-{hash}");
        replica_set_config.selector = selector.with("pod-template-hash", &hash).to_string();
        config.deployments.push(DeploymentConfig {
            name,
            replica_set,
            later: Vec::new(),
            strategy: workload.strategy,
            selector: selector.to_string(),
        });
    }
    config.replica_sets.push(replica_set_config);
}

/// The most replicas that the next StatefulSet is ever scaled to.
fn scaled_to(config: &ClusterConfig) -> u8 {
    let id = StatefulSetId(config.stateful_sets.len() as u8);
    let scaled = config.faults.iter().filter_map(|budget| match budget.kind {
        FaultKind::Scale(Scaled::StatefulSet(set), replicas) if set == id => Some(replicas),
        _ => None,
    });
    scaled.max().unwrap_or(0)
}

/// Adds the ReplicaSets that rollouts make. The pods of each have a template of their own, which is
/// what changes; the model does not read what differs (image, environment).
fn add_later_revisions(workloads: &[Workload<'_>], config: &mut ClusterConfig) {
    let deployments = workloads.iter().filter(|workload| workload.kind == Kind::Deployment);
    for (workload, id) in deployments.zip((0..).map(DeploymentId)) {
        let rollouts = config.faults.iter().filter(|budget| budget.kind == FaultKind::Rollout(id));
        let count: u8 = rollouts.map(|budget| budget.count).sum();
        let first = config.deployments[id.0 as usize].replica_set;
        for revision in 1..=count {
            let hash = workload.template_hash(revision);
            let first = config.replica_sets[first.0 as usize].clone();
            let template = TemplateId(config.templates.len() as u8);
            config.templates.push(config.template(first.template).clone());
            let selector = workload.selector.as_ref();
            let selector = selector.map(|s| s.with("pod-template-hash", &hash).to_string());
            config.deployments[id.0 as usize]
                .later
                .push(ReplicaSetId(config.replica_sets.len() as u8));
            config.replica_sets.push(ReplicaSetConfig {
                name: format!("{}-{hash}", workload.name),
                template,
                replicas: 0,
                selector: selector.unwrap_or_default(),
                ..first
            });
        }
    }
}
