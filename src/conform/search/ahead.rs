//! What a step prepares: a request that is sent now may be served when other things have happened, and
//! what it writes then was decided now.

use models::requests::Request;

use crate::conform::facts::Facts;
use crate::conform::history::{Expected, History, Position};
use crate::engine::star::StarSystem;
use crate::scenario::cluster::{CONTROLLER_MANAGER_PROCESS, Cluster, ClusterState};

/// How many events after the next one a request may be served.
const AHEAD: usize = 12;

/// Whether the controller manager has sent something in a step that writes what is soon seen.
pub(super) fn prepares(
    system: &StarSystem<Cluster>,
    history: &History,
    at: &Position,
    (before, after): (&ClusterState, &ClusterState),
) -> bool {
    let [stream] = history.streams.as_slice() else { return false };
    let sent = |state: &ClusterState| state.outbox(CONTROLLER_MANAGER_PROCESS).live.len();
    if sent(after) <= sent(before) {
        return false;
    }
    let Some(request) = after.outbox(CONTROLLER_MANAGER_PROCESS).live.back() else { return false };
    let api = system.0.view(before).api();
    let next = stream.entries.iter().skip(at.seen[0] as usize).take(AHEAD);
    let mut facts = next.filter_map(|entry| match &entry.expected {
        Expected::Event(_, facts) => Some(facts),
        Expected::Row(_) => None,
    });
    let written = facts.find_map(|facts| match (facts, &request.request) {
        (Facts::ReplicaSet(id, facts), Request::PutReplicaSetStatus { seen, status }) => {
            (seen.id == *id).then_some(facts.status == *status)
        }
        (Facts::Deployment(id, facts), Request::PutDeploymentStatus { seen, status }) => {
            (seen.id == *id).then_some(facts.status == *status)
        }
        (Facts::StatefulSet(known, facts), Request::PutStatefulSetStatus { id, status, .. }) => {
            (known == id).then_some(facts == status)
        }
        (Facts::DaemonSet(known, facts), Request::PutDaemonSetStatus { id, status, .. }) => {
            (known == id).then_some(facts == status)
        }
        (Facts::Node(facts), Request::PatchNodeTaints { node, .. }) => {
            let stored = api.node(facts.node).map(|node| node.taints);
            (facts.node == *node).then_some(stored != Some(facts.taints))
        }
        _ => None,
    });
    written == Some(true)
}
