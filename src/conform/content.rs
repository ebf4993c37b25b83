//! What is compared of an object, field by field, in words: of a recorded one, of a model's one,
//! and what differs between two.

use models::config::ClusterConfig;
use models::ids::{NodeId, TaintSet};
use models::objects::{
    ContainerState, DaemonSetStatus, Finalizer, NodeReady, Object, Owner, PodReady,
    StatefulSetStatus,
};

use crate::conform::facts::{
    Bindings, DeploymentFacts, Facts, JobFacts, ReplicaSetFacts, Symbol, Symbols,
};
use crate::conform::history::History;

/// A field and what it says.
pub type Fields = Vec<(&'static str, String)>;

const NONE: &str = "none";
const NEW: &str = "a new one";

fn or_none<T>(value: Option<T>, words: impl FnOnce(T) -> String) -> String {
    value.map_or(NONE.to_string(), words)
}

fn node_name(config: &ClusterConfig, node: NodeId) -> String {
    config.nodes[node.0 as usize].name.clone()
}

fn container(state: ContainerState) -> String {
    match state {
        ContainerState::Absent => NONE.to_string(),
        ContainerState::Creating => "waiting (ContainerCreating)".to_string(),
        ContainerState::Running => "running".to_string(),
        ContainerState::Terminated(exit) => {
            format!("terminated ({}, {})", exit.reason(), exit.code())
        }
    }
}

fn taints(config: &ClusterConfig, set: TaintSet) -> String {
    let word = |id: models::ids::TaintId| {
        let taint = &config.taints[id.0 as usize];
        let key = taint.key.trim_start_matches("node.kubernetes.io/");
        format!("{key}:{:?}", taint.effect)
    };
    let words: Vec<String> = set.iter().map(word).collect();
    if words.is_empty() { NONE.to_string() } else { words.join(" ") }
}

fn ready(ready: NodeReady) -> String {
    format!("{ready:?}")
}

fn yes(value: bool) -> String {
    if value { "True" } else { "False" }.to_string()
}

/// What a workload that is being deleted waits for.
fn finalizer(finalizer: Option<Finalizer>) -> (&'static str, String) {
    ("deletion waits for", or_none(finalizer, |finalizer| format!("{finalizer:?}")))
}

fn replica_set(facts: &ReplicaSetFacts) -> Fields {
    let ReplicaSetFacts { replicas, owned, finalizer: waits, status } = facts;
    vec![
        ("wanted", replicas.to_string()),
        ("owned", yes(*owned)),
        finalizer(*waits),
        ("replicas", status.replicas.to_string()),
        ("ready", status.ready.to_string()),
        ("available", status.available.to_string()),
        ("terminating", status.terminating.to_string()),
    ]
}

fn deployment(facts: &DeploymentFacts) -> Fields {
    let DeploymentFacts { replicas, revision, finalizer: waits, status } = facts;
    vec![
        ("wanted", replicas.to_string()),
        ("changes of its template", revision.to_string()),
        finalizer(*waits),
        ("replicas", status.replicas.to_string()),
        ("updated", status.updated.to_string()),
        ("ready", status.ready.to_string()),
        ("available", status.available.to_string()),
        ("terminating", status.terminating.to_string()),
    ]
}

fn stateful_status(status: &StatefulSetStatus) -> Fields {
    vec![
        ("replicas", status.replicas.to_string()),
        ("ready", status.ready.to_string()),
        ("available", status.available.to_string()),
        ("current", status.current.to_string()),
    ]
}

fn job_status(facts: &JobFacts) -> Fields {
    let [active, ready, terminating, succeeded, failed] = facts.counts;
    let [uncounted_succeeded, uncounted_failed] = facts.uncounted;
    vec![
        ("active", active.to_string()),
        ("ready", ready.to_string()),
        ("terminating", terminating.to_string()),
        ("succeeded", succeeded.to_string()),
        ("failed", failed.to_string()),
        ("to be counted as succeeded", uncounted_succeeded.to_string()),
        ("to be counted as failed", uncounted_failed.to_string()),
        ("condition", format!("{:?}", facts.condition)),
    ]
}

fn daemon_status(status: &DaemonSetStatus) -> Fields {
    vec![
        ("desired", status.desired.to_string()),
        ("current", status.current.to_string()),
        ("ready", status.ready.to_string()),
        ("misscheduled", status.misscheduled.to_string()),
    ]
}

/// What recorded facts say. With bindings, an address or boot that is new is said to be so.
pub fn of_facts(
    config: &ClusterConfig,
    symbols: &Symbols,
    bound: Option<&Bindings>,
    facts: &Facts,
) -> Fields {
    match facts {
        Facts::Pod(pod) => {
            let known = |ip: Symbol| {
                bound.is_none_or(|b| b.ips.iter().any(|(uid, _, i)| (*uid, *i) == (pod.uid, ip)))
            };
            let address =
                |ip| if known(ip) { symbols.text(ip).to_string() } else { NEW.to_string() };
            vec![
                ("node", or_none(pod.node, |node| node_name(config, node))),
                ("phase", format!("{:?}", pod.phase)),
                ("reason", or_none(pod.reason, |reason| format!("{reason:?}"))),
                ("Ready", or_none(pod.ready, yes)),
                ("container", container(pod.container)),
                ("restarts", pod.restarts.to_string()),
                ("podIP", or_none(pod.ip, address)),
                ("deletion with grace", or_none(pod.deletion, |grace| format!("{grace} s"))),
                ("finalizer", yes(pod.tracked)),
                ("owned", yes(pod.owned)),
                ("DisruptionTarget", or_none(pod.disruption, |reason| format!("{reason:?}"))),
            ]
        }
        Facts::Node(node) => {
            let known = bound.is_none_or(|b| {
                b.boots.iter().any(|(n, _, s)| (*n, *s) == (node.node.0, node.boot))
            });
            let boot = if known { symbols.text(node.boot) } else { NEW };
            vec![
                ("Ready", ready(node.ready)),
                ("taints", taints(config, node.taints)),
                ("unschedulable", yes(node.unschedulable)),
                ("boot id", boot.to_string()),
            ]
        }
        Facts::ReplicaSet(_, facts) => replica_set(facts),
        Facts::Deployment(_, facts) => deployment(facts),
        Facts::StatefulSet(_, counts) => stateful_status(counts),
        Facts::DaemonSet(_, counts) => daemon_status(counts),
        Facts::Job(_, facts) => job_status(facts),
    }
}

/// What an object of the model says.
pub fn of_object(history: &History, bound: &Bindings, object: &Object) -> Fields {
    let (config, symbols) = (&history.config, &history.symbols);
    match object {
        Object::Pod(pod) => {
            let uid = bound.uid(pod.uid.0);
            let address = |sandbox: u8| {
                let mut known = bound.ips.iter();
                let ip = known.find(|(u, n, _)| Some(*u) == uid && *n == sandbox);
                ip.map_or(NEW.to_string(), |(.., ip)| symbols.text(*ip).to_string())
            };
            vec![
                ("node", or_none(pod.node, |node| node_name(config, node))),
                ("phase", format!("{:?}", pod.status.phase)),
                ("reason", or_none(pod.status.reason, |reason| format!("{reason:?}"))),
                (
                    "Ready",
                    match pod.status.ready {
                        PodReady::Absent => NONE.to_string(),
                        PodReady::False => yes(false),
                        PodReady::True { .. } => yes(true),
                    },
                ),
                ("container", container(pod.status.container)),
                ("restarts", pod.status.restart_count.to_string()),
                ("podIP", or_none(pod.status.ip, address)),
                ("deletion with grace", or_none(pod.deletion, |grace| format!("{} s", grace.0))),
                ("finalizer", yes(pod.tracked)),
                ("owned", yes(pod.owner != Owner::None)),
                (
                    "DisruptionTarget",
                    or_none(pod.disruption_target, |reason| format!("{reason:?}")),
                ),
            ]
        }
        Object::Node(node) => {
            let mut known = bound.boots.iter();
            let boot = known.find(|(n, number, _)| (*n, *number) == (node.id.0, node.boot));
            let boot = boot.map_or(NEW, |(.., boot)| symbols.text(*boot));
            vec![
                ("Ready", ready(node.ready)),
                ("taints", taints(config, node.taints)),
                ("unschedulable", yes(node.unschedulable)),
                ("boot id", boot.to_string()),
            ]
        }
        Object::ReplicaSet(set) => replica_set(&ReplicaSetFacts::from(set)),
        Object::Deployment(set) => deployment(&DeploymentFacts::from(set)),
        Object::StatefulSet(set) => stateful_status(&set.status),
        Object::DaemonSet(set) => daemon_status(&set.status),
        Object::Job(job) => job_status(&JobFacts::from(&job.status)),
        Object::VolumeAttachment(_) => vec![("attached", yes(true))],
    }
}

/// The kind and name of an object of the model.
pub fn name_of(history: &History, bound: &Bindings, object: &Object) -> String {
    let config = &history.config;
    match object {
        Object::Pod(pod) => match bound.uid(pod.uid.0).and_then(|uid| history.pod_name(uid)) {
            Some(name) => format!("Pod {name}"),
            None => "a new Pod".to_string(),
        },
        Object::Node(node) => format!("Node {}", node_name(config, node.id)),
        Object::ReplicaSet(set) => {
            format!("ReplicaSet {}", config.replica_sets[set.id.0 as usize].name)
        }
        Object::Deployment(set) => {
            format!("Deployment {}", config.deployments[set.id.0 as usize].name)
        }
        Object::StatefulSet(set) => {
            format!("StatefulSet {}", config.stateful_sets[set.id.0 as usize].name)
        }
        Object::Job(job) => format!("Job {}", config.jobs[job.id.0 as usize].name),
        Object::VolumeAttachment(attachment) => {
            let claim = &config.volumes[attachment.volume.0 as usize].claim;
            format!("VolumeAttachment of {claim} to {}", node_name(config, attachment.node))
        }
        Object::DaemonSet(set) => {
            format!("DaemonSet {}", config.daemon_sets[set.id.0 as usize].name)
        }
    }
}

/// The fields that differ, as `field: one -> other`.
pub fn changes(one: &Fields, other: &Fields) -> String {
    let differ = one.iter().zip(other).filter(|(one, other)| one.1 != other.1);
    let words = differ.map(|((field, one), (_, other))| format!("{field}: {one} -> {other}"));
    words.collect::<Vec<_>>().join(", ")
}

/// All fields that say something.
pub fn whole(fields: &Fields) -> String {
    let said = fields.iter().filter(|(_, value)| value != NONE && value != "False" && value != "0");
    let words = said.map(|(field, value)| format!("{field}: {value}"));
    words.collect::<Vec<_>>().join(", ")
}
