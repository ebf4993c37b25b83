//! A person at `kubectl`, or a cloud provider: what they ask of the API server.
//!
//! A request of theirs is served in the step in which it is made: that it could be on its way for
//! long is the same as making it later. Nothing waits for the answer.
//!
//! Upstream: `staging/src/k8s.io/kubectl/pkg/cmd/{delete,taint,drain,set,scale}`.

use crate::api_server::ApiServer;
use crate::config::{ClusterConfig, OUT_OF_SERVICE};
use crate::faults::FaultKind;
use crate::ids::{NodeId, PodName, PodSet, Seconds, TaintId, TaintSet};
use crate::objects::{Owner, Pod};
use crate::requests::{Request, TaintWriter};

/// What is deleted, tainted, cordoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A pod: people name it, and know nothing of uids.
    Pod(PodName),
    /// A node.
    Node(NodeId),
    /// The workload that the kind names.
    Workload,
}

/// The request that something people do consists of; none if it makes no sense.
pub fn request(config: &ClusterConfig, kind: FaultKind, target: Target) -> Option<Request> {
    let delete = |name, grace| Request::DeletePod { name, uid: None, grace };
    let taint = |node, add, remove| Request::PatchNodeTaints {
        node,
        add,
        remove,
        then_remove: TaintSet::EMPTY,
        writer: TaintWriter::Operator,
    };
    let out_of_service = || Some(TaintSet::EMPTY.with(out_of_service(config)?));
    match (kind, target) {
        (FaultKind::DeletePod, Target::Pod(name)) => Some(delete(name, None)),
        (FaultKind::DeletePodNow, Target::Pod(name)) => Some(delete(name, Some(Seconds(1)))),
        (FaultKind::ForceDeletePod, Target::Pod(name)) => Some(delete(name, Some(Seconds(0)))),
        (FaultKind::OutOfService, Target::Node(node)) => {
            Some(taint(node, out_of_service()?, TaintSet::EMPTY))
        }
        (FaultKind::BackInService, Target::Node(node)) => {
            Some(taint(node, TaintSet::EMPTY, out_of_service()?))
        }
        (FaultKind::Taint(id), Target::Node(node)) => {
            Some(taint(node, TaintSet::EMPTY.with(id), TaintSet::EMPTY))
        }
        (FaultKind::Untaint(id), Target::Node(node)) => {
            Some(taint(node, TaintSet::EMPTY, TaintSet::EMPTY.with(id)))
        }
        (FaultKind::DeleteNode, Target::Node(node)) => Some(Request::DeleteNode { node }),
        (FaultKind::Cordon | FaultKind::Drain, Target::Node(node)) => {
            Some(Request::PatchNodeUnschedulable { node, unschedulable: true })
        }
        (FaultKind::Uncordon, Target::Node(node)) => {
            Some(Request::PatchNodeUnschedulable { node, unschedulable: false })
        }
        (FaultKind::Rollout(id), Target::Workload) => Some(Request::PatchDeploymentTemplate { id }),
        (FaultKind::Scale(workload, replicas), Target::Workload) => {
            Some(Request::PatchScale { workload, replicas })
        }
        (FaultKind::DeleteWorkload(workload, propagation), Target::Workload) => {
            Some(Request::DeleteWorkload { workload, propagation })
        }
        _ => None,
    }
}

/// What `kubectl drain` evicts after it has cordoned a node, without `--force`: nothing if there is a
/// pod that nobody would replace; else every pod on the node that does not go already, those of
/// DaemonSets (`--ignore-daemonsets`) left out.
pub fn drained(api: &ApiServer, node: NodeId) -> PodSet {
    let pods = || api.pods.iter().filter(move |pod| pod.node == Some(node));
    let unmanaged = |pod: &Pod| pod.owner == Owner::None && !pod.status.phase.is_terminal();
    if pods().any(unmanaged) {
        return PodSet::EMPTY;
    }
    let evicted = |pod: &&Pod| !pod.is_terminating() && !matches!(pod.owner, Owner::DaemonSet(..));
    pods().filter(evicted).map(|pod| pod.uid).collect()
}

/// The taint that people put on a node that is out of service.
pub fn out_of_service(config: &ClusterConfig) -> Option<TaintId> {
    config.taint(OUT_OF_SERVICE, crate::config::Effect::NoExecute)
}
