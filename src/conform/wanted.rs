//! Why the model cannot go on as the log does: which rule would write what comes next, and what its
//! guard finds in the state that was reached.

use models::api_server::ApiServer;
use models::ids::NodeId;
use models::objects::{NodeReady, Object, Phase, Pod};
use models::rules::Rule;
use models::scheduler;
use models::view::ClusterView;

use crate::conform::content;
use crate::conform::facts::{Bindings, Facts, NodeFacts, PodFacts};
use crate::conform::history::{Entry, Expected, History};
use crate::conform::record::Change;
use crate::conform::search::Answer;
use crate::engine::star::StarSystem;
use crate::scenario::cluster::Cluster;

/// What the log wants, and what stands against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The change, from what was reached to what the log shows.
    pub change: String,
    /// The rule that writes such things.
    pub rule: Rule,
    /// What it asks for, and what was found.
    pub guard: String,
}

/// What stands against an entry of a log of watch events where a run ended.
pub fn wanted(history: &History, answer: &Answer, entry: &Entry) -> Option<Wanted> {
    let Expected::Event(change, facts) = &entry.expected else { return None };
    let cluster = Cluster { config: history.config.clone() };
    let system = StarSystem(cluster);
    let view = system.0.view(answer.path.end());
    let (bound, api) = (&answer.bound, view.api());
    let stored = match facts {
        Facts::Pod(pod) => stored_pod(api, bound, pod).map(Object::Pod),
        Facts::Node(node) => api.node(node.node).copied().map(Object::Node),
        Facts::ReplicaSet(id, _) => {
            api.replica_sets.iter().find(|set| set.id == *id).copied().map(Object::ReplicaSet)
        }
        Facts::Deployment(id, _) => {
            api.deployments.iter().find(|set| set.id == *id).copied().map(Object::Deployment)
        }
        Facts::StatefulSet(id, _) => {
            api.stateful_sets.iter().find(|set| set.id == *id).copied().map(Object::StatefulSet)
        }
        Facts::Job(id, _) => api.jobs.iter().find(|job| job.id == *id).copied().map(Object::Job),
        Facts::DaemonSet(id, _) => {
            api.daemon_sets.iter().find(|set| set.id == *id).copied().map(Object::DaemonSet)
        }
    };
    let after = content::of_facts(&history.config, &history.symbols, Some(bound), facts);
    let difference = match &stored {
        Some(stored) if *change != Change::Deleted => {
            content::changes(&content::of_object(history, bound, stored), &after)
        }
        Some(_) => "its removal".to_string(),
        None => content::whole(&after),
    };
    let (rule, guard) = match (facts, stored) {
        (Facts::Pod(_), Some(Object::Pod(pod))) if *change == Change::Deleted => removal(&pod),
        (Facts::Pod(facts), Some(Object::Pod(pod))) => pod_write(&view, &pod, facts),
        (Facts::Pod(_), _) => creation(&view),
        (Facts::Node(facts), Some(Object::Node(node))) => node_write(&view, node.ready, facts),
        (Facts::StatefulSet(..), _) => (Rule::Ss1, "it counts the pods in its cache".to_string()),
        (Facts::Job(..), _) => (Rule::Jb6, "it counts the pods in its cache".to_string()),
        (Facts::DaemonSet(..), _) => (Rule::Ds2, "it counts the pods in its cache".to_string()),
        (Facts::Deployment(..), _) => (Rule::Dp1, "it copies what its ReplicaSet says".to_string()),
        _ => (Rule::Rs7, "it counts the pods that the controller has seen".to_string()),
    };
    Some(Wanted { change: difference, rule, guard })
}

fn stored_pod(api: &ApiServer, bound: &Bindings, facts: &PodFacts) -> Option<Pod> {
    api.pods.iter().find(|pod| bound.uid(pod.uid.0) == Some(facts.uid)).copied()
}

fn creation(view: &ClusterView<'_>) -> (Rule, String) {
    let counts = view.api().replica_sets.iter().map(|set| {
        let pods = view.pods_of(models::objects::Owner::ReplicaSet(set.id));
        let active = pods.filter(|pod| pod.is_active()).count();
        let name = &view.config.replica_sets[set.id.0 as usize].name;
        format!("{name} has {active} of {}", set.replicas)
    });
    let counts: Vec<String> = counts.collect();
    (Rule::Rs2, format!("fewer active pods than are wanted: {}", counts.join(", ")))
}

fn removal(pod: &Pod) -> (Rule, String) {
    let found = match pod.deletion {
        None => "it is not Terminating".to_string(),
        Some(grace) => format!("it is {} s", grace.0),
    };
    (Rule::St2, format!("a grace period of 0: {found}"))
}

/// Who would write a change of a pod, in the order in which a pod lives.
fn pod_write(view: &ClusterView<'_>, pod: &Pod, facts: &PodFacts) -> (Rule, String) {
    if pod.node.is_none() && facts.node.is_some() {
        return binding(view, pod, facts);
    }
    if pod.disruption_target != facts.disruption {
        return eviction(view, pod);
    }
    if pod.deletion.map(|grace| grace.0) != facts.deletion {
        return match facts.deletion {
            Some(0) if facts.phase.is_terminal() => {
                (Rule::Sm2, kubelet(view, pod, "a terminal phase, posted"))
            }
            Some(_) if pod.disruption_target.is_some() => eviction(view, pod),
            _ => (Rule::OpDeletePod, "somebody deletes it, or a set has too many pods".to_string()),
        };
    }
    if facts.phase.is_terminal() && !pod.status.phase.is_terminal() {
        return (Rule::Sm1, kubelet(view, pod, "containers that ended"));
    }
    if pod.status.ready.is_true() && facts.ready == Some(false) && facts.phase == Phase::Running {
        let node = pod.node.and_then(|node| view.api().node(node));
        let found = node.map_or("none".to_string(), |node| format!("{:?}", node.ready));
        return (Rule::Nlc4, format!("a node that is Unknown: Ready is {found}"));
    }
    (Rule::Sm1, kubelet(view, pod, "containers that are so"))
}

fn binding(view: &ClusterView<'_>, pod: &Pod, facts: &PodFacts) -> (Rule, String) {
    let node = facts.node.and_then(|node| view.api().node(node));
    let fits = node.is_some_and(|node| scheduler::is_feasible(view.config, pod, node));
    let found = if fits { "it is; another was chosen" } else { "it is not" };
    (Rule::Sc1, format!("a node that is schedulable and without untolerated taints: {found}"))
}

fn eviction(view: &ClusterView<'_>, pod: &Pod) -> (Rule, String) {
    let evictions = &view.controller_manager().taint_eviction;
    let tainted = pod.node.is_some_and(|node| evictions.tainted.iter().any(|(n, _)| *n == node));
    let found = match evictions.timers.iter().find(|timer| timer.name == pod.name) {
        _ if !view.controller_manager().up => "kube-controller-manager is dead",
        _ if !tainted => "the controller has seen no NoExecute taint on its node",
        None => "no timer is armed for it",
        Some(timer) if !timer.due => "its timer cannot be due yet",
        Some(_) => "its timer is due",
    };
    (Rule::Tec5, format!("a timer that a NoExecute taint has armed: {found}"))
}

/// What the kubelet of a pod's node would need.
fn kubelet(view: &ClusterView<'_>, pod: &Pod, wanted: &str) -> String {
    let Some(node) = pod.node else { return format!("{wanted}, and a node: it is not bound") };
    let runs = if view.runtime(node).running().contains(pod.uid) { "runs" } else { "does not run" };
    format!("{wanted}: its container {runs}; {}", condition(view, node))
}

/// What befell a node.
fn condition(view: &ClusterView<'_>, node: NodeId) -> &'static str {
    match () {
        _ if !view.is_powered(node) => "its node has no power",
        _ if !view.kubelet(node).up => "its kubelet is dead",
        _ if view.environment().partitioned.contains(node) => "its node is cut off",
        _ if !view.runtime(node).up => "its container runtime is dead",
        _ if !view.runtime(node).network => "its pod network is not configured",
        _ => "its kubelet works",
    }
}

fn node_write(view: &ClusterView<'_>, ready: NodeReady, facts: &NodeFacts) -> (Rule, String) {
    let node = facts.node;
    match (ready, facts.ready) {
        (before, NodeReady::Unknown) if before != NodeReady::Unknown => {
            let silent = view.environment().silent.contains(node);
            let found = if silent { "it is" } else { "it is not" };
            (Rule::Nlc3, format!("a node that is silent for the grace period: {found}"))
        }
        (before, after) if before != after => {
            (Rule::Kl7, format!("a kubelet that lives and is connected: {}", condition(view, node)))
        }
        _ if !view.controller_manager().up => {
            (Rule::Nlc8, "kube-controller-manager lives: it is dead".to_string())
        }
        _ => (Rule::Nlc8, format!("a node whose condition asks for it: Ready is {ready:?}")),
    }
}
