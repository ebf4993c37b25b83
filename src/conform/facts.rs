//! What is compared of an object: the projection of a recorded object and of a model's one.

use std::collections::HashMap;

use serde_json::Value;

use models::config::ClusterConfig;
use models::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, PodName, ReplicaSetId, StatefulSetId, TaintSet,
};
use models::objects::{
    ContainerState, DaemonSetStatus, Deployment, DeploymentStatus, DisruptionReason, Exit,
    Finalizer, JobCondition, JobStatus, Node, NodeReady, Owner, Phase, Pod, PodReady, PodReason,
    ReplicaSet, ReplicaSetStatus, StatefulSetStatus,
};

/// A string of the log, by number: a uid, an address, a boot id.
pub type Symbol = u32;

/// Strings of the log, numbered in the order in which they come.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    texts: Vec<String>,
    numbers: HashMap<String, Symbol>,
}

impl Symbols {
    /// The number of a string.
    pub fn of(&mut self, text: &str) -> Symbol {
        self.known(text).unwrap_or_else(|| {
            let number = self.texts.len() as Symbol;
            self.texts.push(text.to_string());
            self.numbers.insert(text.to_string(), number);
            number
        })
    }

    /// The number of a string that has one.
    pub fn known(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied()
    }

    /// The string with a number.
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol as usize]
    }
}

/// What is compared of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// `metadata.uid`.
    pub uid: Symbol,
    /// The identity in its StatefulSet, if it has one.
    pub identity: Option<PodName>,
    /// `spec.nodeName`.
    pub node: Option<NodeId>,
    /// `deletionGracePeriodSeconds` of a Terminating pod.
    pub deletion: Option<u32>,
    /// Whether it has the finalizer of Jobs.
    pub tracked: bool,
    /// Whether it has an owner reference.
    pub owned: bool,
    /// Reason of the condition DisruptionTarget.
    pub disruption: Option<DisruptionReason>,
    /// `status.phase`.
    pub phase: Phase,
    /// `status.reason`.
    pub reason: Option<PodReason>,
    /// Condition Ready, if there is one.
    pub ready: Option<bool>,
    /// State of the container.
    pub container: ContainerState,
    /// `restartCount`.
    pub restarts: u8,
    /// `podIP`.
    pub ip: Option<Symbol>,
}

/// What is compared of a Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// `active`, `ready`, `terminating`, `succeeded`, `failed`.
    pub counts: [u8; 5],
    /// How many pods are in `uncountedTerminatedPods`, succeeded and failed.
    pub uncounted: [usize; 2],
    /// The last condition.
    pub condition: JobCondition,
}

impl From<&JobStatus> for JobFacts {
    fn from(status: &JobStatus) -> Self {
        let JobStatus { active, ready, terminating, succeeded, failed, .. } = *status;
        JobFacts {
            counts: [active, ready, terminating, succeeded, failed],
            uncounted: [status.uncounted_succeeded.len(), status.uncounted_failed.len()],
            condition: status.condition,
        }
    }
}

/// The facts of a recorded Job.
pub fn job(object: &Value) -> JobFacts {
    let status = &object["status"];
    let count = |field: &str| status[field].as_u64().unwrap_or(0).min(255) as u8;
    let uncounted =
        |field: &str| status["uncountedTerminatedPods"][field].as_array().map_or(0, Vec::len);
    let conditions = [
        ("Complete", JobCondition::Complete),
        ("Failed", JobCondition::Failed),
        ("SuccessCriteriaMet", JobCondition::SuccessCriteriaMet),
        ("FailureTarget", JobCondition::FailureTarget),
    ];
    let met = |(name, _): &&(&str, JobCondition)| {
        condition(object, name).is_some_and(|(status, _)| status == "True")
    };
    JobFacts {
        counts: ["active", "ready", "terminating", "succeeded", "failed"].map(count),
        uncounted: ["succeeded", "failed"].map(uncounted),
        condition: conditions.iter().find(met).map_or(JobCondition::None, |(_, met)| *met),
    }
}

/// The uids of the pods that a recorded Job has still to count, succeeded and failed.
pub fn uncounted(symbols: &mut Symbols, object: &Value) -> [Vec<Symbol>; 2] {
    ["succeeded", "failed"].map(|field| {
        let uids = object["status"]["uncountedTerminatedPods"][field].as_array();
        let uids = uids.into_iter().flatten().filter_map(Value::as_str);
        uids.map(|uid| symbols.of(uid)).collect()
    })
}

/// What is compared of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Which node.
    pub node: NodeId,
    /// Condition Ready.
    pub ready: NodeReady,
    /// `spec.taints`.
    pub taints: TaintSet,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `bootID`.
    pub boot: Symbol,
}

/// What is compared of a ReplicaSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaSetFacts {
    /// `spec.replicas`.
    pub replicas: u8,
    /// Whether it has an owner reference.
    pub owned: bool,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: ReplicaSetStatus,
}

impl From<&ReplicaSet> for ReplicaSetFacts {
    fn from(set: &ReplicaSet) -> Self {
        let ReplicaSet { replicas, owner, finalizer, status, .. } = *set;
        ReplicaSetFacts { replicas, owned: owner.is_some(), finalizer, status }
    }
}

/// What is compared of a Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// `spec.replicas`.
    pub replicas: u8,
    /// How often `spec.template` has been changed.
    pub revision: u8,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: DeploymentStatus,
}

impl From<&Deployment> for DeploymentFacts {
    fn from(deployment: &Deployment) -> Self {
        let Deployment { replicas, revision, finalizer, status, .. } = *deployment;
        DeploymentFacts { replicas, revision, finalizer, status }
    }
}

/// What is compared of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    /// A pod.
    Pod(PodFacts),
    /// A node.
    Node(NodeFacts),
    /// A ReplicaSet.
    ReplicaSet(ReplicaSetId, ReplicaSetFacts),
    /// A Deployment.
    Deployment(DeploymentId, DeploymentFacts),
    /// The status of a StatefulSet.
    StatefulSet(StatefulSetId, StatefulSetStatus),
    /// The status of a DaemonSet.
    DaemonSet(DaemonSetId, DaemonSetStatus),
    /// The status of a Job.
    Job(JobId, JobFacts),
}

impl Facts {
    /// Whether both are of the same workload.
    pub fn is_of_object_of(&self, other: &Facts) -> bool {
        match (self, other) {
            (Facts::ReplicaSet(a, _), Facts::ReplicaSet(b, _)) => a == b,
            (Facts::Deployment(a, _), Facts::Deployment(b, _)) => a == b,
            (Facts::StatefulSet(a, _), Facts::StatefulSet(b, _)) => a == b,
            (Facts::DaemonSet(a, _), Facts::DaemonSet(b, _)) => a == b,
            (Facts::Job(a, _), Facts::Job(b, _)) => a == b,
            _ => false,
        }
    }
}

/// The finalizer of the pods of Jobs.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// Something in a log that the model does not have.
pub type NotModelled = String;

/// The status of the condition of a type, and its reason.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some((found["status"].as_str()?, found["reason"].as_str().unwrap_or_default()))
}

/// The facts of a recorded pod.
pub fn pod(
    config: &ClusterConfig,
    symbols: &mut Symbols,
    object: &Value,
) -> Result<PodFacts, NotModelled> {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let deletion = (!metadata["deletionTimestamp"].is_null())
        .then(|| metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or(0))
        .map(|grace| grace.min(u64::from(u32::MAX)) as u32);
    let phase = match status["phase"].as_str().unwrap_or("Pending") {
        "Pending" => Phase::Pending,
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        other => return Err(format!("pod phase {other}")),
    };
    let reason = match status["reason"].as_str() {
        None => None,
        Some("TaintToleration") => Some(PodReason::TaintToleration),
        Some("NodeAffinity") => Some(PodReason::NodeAffinity),
        Some("NodeShutdown") => Some(PodReason::NodeShutdown),
        Some("Terminated") => Some(PodReason::Terminated),
        Some(other) => return Err(format!("pod reason {other}")),
    };
    let disruption = match condition(object, "DisruptionTarget") {
        Some(("True", "DeletionByTaintManager")) => Some(DisruptionReason::DeletionByTaintManager),
        Some(("True", "DeletionByPodGC")) => Some(DisruptionReason::DeletionByPodGC),
        Some(("True", "TerminationByKubelet")) => Some(DisruptionReason::TerminationByKubelet),
        Some(("True", "EvictionByEvictionAPI")) => Some(DisruptionReason::EvictionByEvictionAPI),
        Some(("True", other)) => return Err(format!("DisruptionTarget with reason {other}")),
        _ => None,
    };
    let node = match object["spec"]["nodeName"].as_str() {
        None => None,
        Some(name) => Some(node_named(config, name)?),
    };
    let container = &status["containerStatuses"][0];
    Ok(PodFacts {
        uid: symbols.of(metadata["uid"].as_str().unwrap_or_default()),
        identity: identity(config, metadata["name"].as_str().unwrap_or_default()),
        node,
        deletion,
        tracked: metadata["finalizers"]
            .as_array()
            .is_some_and(|all| all.iter().any(|f| f == TRACKING)),
        owned: is_owned(object),
        disruption,
        phase,
        reason,
        ready: condition(object, "Ready").map(|(status, _)| status == "True"),
        container: container_state(container)?,
        restarts: container["restartCount"].as_u64().unwrap_or(0).min(255) as u8,
        ip: status["podIP"].as_str().map(|ip| symbols.of(ip)),
    })
}

/// The model's name for `<set>-<ordinal>`.
pub fn identity(config: &ClusterConfig, name: &str) -> Option<PodName> {
    let (set, ordinal) = name.rsplit_once('-')?;
    let set = config.stateful_sets.iter().find(|known| known.name == set)?;
    set.names().nth(ordinal.parse().ok()?)
}

fn container_state(status: &Value) -> Result<ContainerState, NotModelled> {
    if status.is_null() {
        return Ok(ContainerState::Absent);
    }
    let state = &status["state"];
    if let Some(waiting) = state["waiting"].as_object() {
        return match waiting.get("reason").and_then(Value::as_str) {
            Some("ContainerCreating") | None => Ok(ContainerState::Creating),
            Some(other) => Err(format!("a container that waits with reason {other}")),
        };
    }
    if state["running"].is_object() {
        return Ok(ContainerState::Running);
    }
    let ended = &state["terminated"];
    let (reason, code) = (ended["reason"].as_str().unwrap_or_default(), ended["exitCode"].as_u64());
    let exits = [Exit::Completed, Exit::Killed, Exit::Unknown, Exit::Lost];
    exits
        .into_iter()
        .find(|exit| exit.reason() == reason && Some(u64::from(exit.code())) == code)
        .map(ContainerState::Terminated)
        .ok_or_else(|| format!("a container that ended with {reason} {}", code.unwrap_or(0)))
}

/// The node with a name.
pub fn node_named(config: &ClusterConfig, name: &str) -> Result<NodeId, NotModelled> {
    let at = config.nodes.iter().position(|node| node.name == name);
    at.map(|at| NodeId(at as u8)).ok_or_else(|| format!("node {name}, which was not there first"))
}

/// The facts of a recorded node.
pub fn node(
    config: &ClusterConfig,
    symbols: &mut Symbols,
    object: &Value,
) -> Result<NodeFacts, NotModelled> {
    let ready = match condition(object, "Ready") {
        Some(("True", "KubeletReady")) => NodeReady::True,
        Some(("False", "KubeletNotReady")) => NodeReady::False,
        Some(("Unknown", "NodeStatusUnknown")) => NodeReady::Unknown,
        other => return Err(format!("a node condition Ready of {other:?}")),
    };
    let spec = &object["spec"];
    let mut taints = TaintSet::EMPTY;
    for taint in spec["taints"].as_array().into_iter().flatten() {
        taints.insert(crate::conform::derive::taint_id(&config.taints, taint)?);
    }
    Ok(NodeFacts {
        node: node_named(config, object["metadata"]["name"].as_str().unwrap_or_default())?,
        ready,
        taints,
        unschedulable: spec["unschedulable"].as_bool() == Some(true),
        boot: symbols.of(object["status"]["nodeInfo"]["bootID"].as_str().unwrap_or_default()),
    })
}

fn is_owned(object: &Value) -> bool {
    object["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty())
}

/// What a workload that is being deleted waits for.
fn finalizer(object: &Value) -> Option<Finalizer> {
    let metadata = &object["metadata"];
    let has = |name: &str| {
        let finalizers = metadata["finalizers"].as_array();
        finalizers.is_some_and(|all| all.iter().any(|finalizer| finalizer == name))
    };
    match () {
        _ if metadata["deletionTimestamp"].is_null() => None,
        _ if has("foregroundDeletion") => Some(Finalizer::Foreground),
        _ if has("orphan") => Some(Finalizer::Orphan),
        _ => None,
    }
}

fn replicas(object: &Value) -> u8 {
    object["spec"]["replicas"].as_u64().unwrap_or(1).min(255) as u8
}

/// What is compared of a recorded ReplicaSet.
pub fn replica_set(object: &Value) -> ReplicaSetFacts {
    let count = |field: &str| count(object, field);
    let status = ReplicaSetStatus {
        replicas: count("replicas"),
        ready: count("readyReplicas"),
        available: count("availableReplicas"),
        terminating: count("terminatingReplicas"),
    };
    let (owned, finalizer) = (is_owned(object), finalizer(object));
    ReplicaSetFacts { replicas: replicas(object), owned, finalizer, status }
}

/// What is compared of a recorded Deployment, whose template has been changed so often.
pub fn deployment(object: &Value, revision: u8) -> DeploymentFacts {
    let count = |field: &str| count(object, field);
    let status = DeploymentStatus {
        replicas: count("replicas"),
        updated: count("updatedReplicas"),
        ready: count("readyReplicas"),
        available: count("availableReplicas"),
        terminating: count("terminatingReplicas"),
    };
    let (replicas, finalizer) = (replicas(object), finalizer(object));
    DeploymentFacts { replicas, revision, finalizer, status }
}

fn count(object: &Value, field: &str) -> u8 {
    object["status"][field].as_u64().unwrap_or(0).min(255) as u8
}

/// The compared status of a recorded StatefulSet.
pub fn stateful_set_status(object: &Value) -> StatefulSetStatus {
    let count = |field: &str| count(object, field);
    StatefulSetStatus {
        replicas: count("replicas"),
        ready: count("readyReplicas"),
        available: count("availableReplicas"),
        current: count("currentReplicas"),
    }
}

/// The compared status of a recorded DaemonSet. Pods that are not available, or not of the newest
/// template, although they are ready are not modelled.
pub fn daemon_set_status(object: &Value) -> Result<DaemonSetStatus, NotModelled> {
    let count = |field: &str| count(object, field);
    let status = DaemonSetStatus {
        desired: count("desiredNumberScheduled"),
        current: count("currentNumberScheduled"),
        ready: count("numberReady"),
        misscheduled: count("numberMisscheduled"),
    };
    if count("updatedNumberScheduled") != status.current {
        return Err("the update of a DaemonSet".to_string());
    }
    if count("numberAvailable") != status.ready {
        return Err("pods of a DaemonSet that are ready and not available".to_string());
    }
    Ok(status)
}

/// Which things of the model stand for which names of the log; made on first sight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bindings {
    /// Uid slots, each with the uid that it stands for now.
    pub pods: Vec<(u8, Symbol)>,
    /// Addresses: uid, number of the sandbox, address.
    pub ips: Vec<(Symbol, u8, Symbol)>,
    /// Boots: node, number of the boot, boot id.
    pub boots: Vec<(u8, u8, Symbol)>,
    /// Names of nodes, in tables.
    pub nodes: Vec<Symbol>,
    /// Names of Deployments, in tables.
    pub deployments: Vec<Symbol>,
    /// Names of Jobs, in tables.
    pub jobs: Vec<Symbol>,
    /// Names of DaemonSets, in tables.
    pub daemon_sets: Vec<Symbol>,
    /// Names of ReplicaSets, in tables.
    pub replica_sets: Vec<Symbol>,
    /// Names of StatefulSets, in tables.
    pub stateful_sets: Vec<Symbol>,
}

/// Binds a key to a value, both ways unique; false if either is bound otherwise.
fn bind<K: PartialEq + Copy>(
    known: &mut Vec<(K, u8, Symbol)>,
    key: K,
    number: u8,
    symbol: Symbol,
) -> bool {
    let mut related = known.iter().filter(|(k, n, s)| *k == key && (*n == number || *s == symbol));
    match related.next() {
        None => {
            known.push((key, number, symbol));
            true
        }
        Some((_, n, s)) => *n == number && *s == symbol && related.next().is_none(),
    }
}

impl Bindings {
    /// Makes a uid slot stand for a new pod.
    pub fn added(&mut self, slot: u8, uid: Symbol) {
        self.pods.retain(|(known, _)| *known != slot);
        self.pods.push((slot, uid));
        self.pods.sort_unstable();
    }

    /// A pod is removed: its addresses are not seen again.
    pub fn removed(&mut self, uid: Symbol) {
        self.ips.retain(|(of, ..)| *of != uid);
    }

    /// The uid that a slot stands for.
    pub fn uid(&self, slot: u8) -> Option<Symbol> {
        self.pods.iter().find(|(known, _)| *known == slot).map(|(_, uid)| *uid)
    }

    /// Whether a pod of the model has these facts; binds its address.
    pub fn pod_is(&mut self, pod: &Pod, facts: &PodFacts) -> bool {
        let ready = match pod.status.ready {
            PodReady::Absent => None,
            PodReady::False => Some(false),
            PodReady::True { .. } => Some(true),
        };
        self.uid(pod.uid.0) == Some(facts.uid)
            && (pod.name.slot().is_some() || facts.identity == Some(pod.name))
            && pod.node == facts.node
            && pod.deletion.map(|grace| grace.0) == facts.deletion
            && pod.tracked == facts.tracked
            && (pod.owner != Owner::None) == facts.owned
            && pod.disruption_target == facts.disruption
            && pod.status.phase == facts.phase
            && pod.status.reason == facts.reason
            && ready == facts.ready
            && pod.status.container == facts.container
            && pod.status.restart_count == facts.restarts
            && self.address_is(facts.uid, pod.status.ip, facts.ip)
    }

    /// Whether the address of a sandbox of a pod is this one.
    pub fn address_is(&mut self, uid: Symbol, sandbox: Option<u8>, ip: Option<Symbol>) -> bool {
        match (sandbox, ip) {
            (None, None) => true,
            (Some(sandbox), Some(ip)) => bind(&mut self.ips, uid, sandbox, ip),
            _ => false,
        }
    }

    /// Whether a boot of a node has this id. Only the latest is kept: that no boot id comes back is
    /// seen to before.
    fn boot_is(&mut self, node: u8, number: u8, id: Symbol) -> bool {
        match self.boots.iter_mut().find(|(of, ..)| *of == node) {
            None => {
                self.boots.push((node, number, id));
                true
            }
            Some((_, known, boot)) if *known == number => *boot == id,
            Some((_, known, boot)) => {
                let new = *boot != id;
                (*known, *boot) = (number, id);
                new
            }
        }
    }

    /// Whether a node of the model has these facts; binds its boot.
    pub fn node_is(&mut self, node: &Node, facts: &NodeFacts) -> bool {
        node.id == facts.node
            && node.ready == facts.ready
            && node.taints == facts.taints
            && node.unschedulable == facts.unschedulable
            && self.boot_is(node.id.0, node.boot, facts.boot)
    }
}
