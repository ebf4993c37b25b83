//! The spec of a pod, as far as the model reads it.

use k8s_openapi::api::core::v1::{PodSpec, Toleration as ManifestToleration};
use models::config::{Effect, RestartPolicy, Toleration};
use models::ids::Seconds;

use super::cursor::Cursor;
use super::error::{InputError, Warning};
use super::selector::Labels;

/// `terminationGracePeriodSeconds` where a manifest has none.
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// What the model needs to know of a pod spec, before the nodes are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodShape {
    /// The manifest's tolerations, without the defaults of AD-1.
    pub tolerations: Vec<Toleration>,
    /// `terminationGracePeriodSeconds`.
    pub grace: Seconds,
    /// `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// `nodeName`.
    pub node_name: Option<String>,
    /// `nodeSelector`.
    pub node_selector: Labels,
    /// `priority`, or that of the class of this name.
    pub priority: i32,
    /// Name of the first container.
    pub container: String,
    /// Its image.
    pub image: String,
}

/// The effects of taints by name.
pub(super) const EFFECTS: [(&str, Effect); 3] = [
    ("NoSchedule", Effect::NoSchedule),
    ("PreferNoSchedule", Effect::PreferNoSchedule),
    ("NoExecute", Effect::NoExecute),
];

impl PodShape {
    /// Checks a pod spec as the API server does, as far as it is read.
    pub(super) fn read(
        spec: &PodSpec,
        at: &Cursor<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, InputError> {
        let Some(container) = spec.containers.first() else {
            return Err(at.toward(&["containers"]).error("has no containers"));
        };
        if container.name.is_empty() {
            return Err(at.toward(&["containers"]).error("has a container without `name`"));
        }
        let mut tolerations = Vec::new();
        for (index, toleration) in spec.tolerations.iter().flatten().enumerate() {
            let at = at.required("tolerations")?.items()?.remove(index);
            tolerations.push(read_toleration(toleration, &at)?);
        }
        let restart_policies = [
            ("Always", RestartPolicy::Always),
            ("OnFailure", RestartPolicy::OnFailure),
            ("Never", RestartPolicy::Never),
        ];
        let restart_policy = match at.get("restartPolicy") {
            Some(policy) => policy.word(&restart_policies)?,
            None => RestartPolicy::Always,
        };
        if let Some(name) = at.get("nodeName").filter(|name| !name.node.is_empty()) {
            name.object_name()?;
        }
        Ok(PodShape {
            tolerations,
            grace: read_grace(spec, at, warnings)?,
            restart_policy,
            node_name: spec.node_name.clone().filter(|name| !name.is_empty()),
            node_selector: spec.node_selector.clone().unwrap_or_default(),
            priority: read_priority(spec, at, warnings),
            container: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
        })
    }
}

/// `priority`, as admission fills it in; before that, the value of a class that is always there.
fn read_priority(spec: &PodSpec, at: &Cursor<'_>, warnings: &mut Vec<Warning>) -> i32 {
    let class = spec.priority_class_name.as_deref().filter(|class| !class.is_empty());
    match (spec.priority, class) {
        (Some(priority), _) => priority,
        (None, Some("system-cluster-critical")) => SYSTEM_CRITICAL,
        (None, Some("system-node-critical")) => SYSTEM_CRITICAL + 1000,
        (None, Some(_)) => {
            let at = at.toward(&["priorityClassName"]);
            warnings.push(at.warning("names a class that is not known here: say its `priority`"));
            0
        }
        (None, None) => 0,
    }
}

/// The lowest priority of what a cluster cannot do without.
pub(super) const SYSTEM_CRITICAL: i32 = 2_000_000_000;

/// `terminationGracePeriodSeconds`; the API server takes a negative one as 1 (ST-2).
fn read_grace(
    spec: &PodSpec,
    at: &Cursor<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Seconds, InputError> {
    let seconds = spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
    let at = at.toward(&["terminationGracePeriodSeconds"]);
    if seconds < 0 {
        warnings.push(at.warning("is negative: Kubernetes takes it as 1"));
        return Ok(Seconds(1));
    }
    u32::try_from(seconds).map(Seconds).map_err(|_| at.error(format!("is too large: {seconds}")))
}

/// A toleration, with what the API server would refuse.
fn read_toleration(
    toleration: &ManifestToleration,
    at: &Cursor<'_>,
) -> Result<Toleration, InputError> {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let effect = match at.get("effect").filter(|effect| !effect.node.is_empty()) {
        Some(effect) => Some(effect.word(&EFFECTS)?),
        None => None,
    };
    let key = present(&toleration.key);
    let value = match present(&toleration.operator).as_deref() {
        Some("Exists") => {
            if present(&toleration.value).is_some() {
                return Err(at.toward(&["value"]).error("must be empty with operator Exists"));
            }
            None
        }
        Some("Equal") | None => {
            if key.is_none() {
                let help = "without a key, the operator must be Exists: it tolerates everything";
                return Err(at.error("has neither a key nor operator Exists").with_help(help));
            }
            Some(toleration.value.clone().unwrap_or_default())
        }
        Some("Lt" | "Gt") => {
            return Err(at
                .toward(&["operator"])
                .error("compares numbers, which is not modelled")
                .with_help("operators Exists and Equal are modelled"));
        }
        Some(_) => {
            let words = [("Exists", ()), ("Equal", ())];
            at.required("operator")?.word(&words)?;
            None
        }
    };
    if toleration.toleration_seconds.is_some() && effect != Some(Effect::NoExecute) {
        let help = "only running pods are tolerated for a time: say `effect: NoExecute`";
        return Err(at.error("has tolerationSeconds without effect NoExecute").with_help(help));
    }
    Ok(Toleration { key, value, effect, seconds: toleration.toleration_seconds })
}
