//! What may have happened unseen, and what people may have done: as much as the log suggests.

use std::collections::BTreeMap;

use models::config::{ClusterConfig, OUT_OF_SERVICE};
use models::faults::{FaultBudget, FaultKind, Scope, When};
use models::ids::{NodeSet, TaintId};
use models::objects::Workload;
use models::requests::Propagation;

use super::{WorkloadId, Workloads, uid};
use crate::conform::record::{Change, ObjectEvent};

/// What people must have done to nodes, by what the log shows.
pub(super) fn node_operations(
    nodes: NodeSet,
    taints: &[TaintId],
    events: &[&ObjectEvent],
) -> Vec<FaultBudget> {
    let of = |kind: &'static str| events.iter().filter(move |event| event.object["kind"] == kind);
    let mut kinds = Vec::new();
    if of("Node").any(|event| event.change == Change::Deleted) {
        kinds.push(FaultKind::DeleteNode);
    }
    let evicted = |event: &&ObjectEvent| {
        let conditions = event.object["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|c| c["reason"] == "EvictionByEvictionAPI")
    };
    if of("Pod").copied().any(|event| evicted(&event)) {
        kinds.push(FaultKind::Drain);
    }
    kinds.extend(taints.iter().flat_map(|id| [FaultKind::Taint(*id), FaultKind::Untaint(*id)]));
    kinds.into_iter().map(|kind| hidden(kind, nodes)).collect()
}

fn hidden(kind: FaultKind, nodes: NodeSet) -> FaultBudget {
    FaultBudget { kind, count: FaultBudget::UNLIMITED, outage: None, when: When::Always, nodes }
}

/// Every fault, as often as need be, on nodes that could be struck.
pub fn hidden_faults(config: &ClusterConfig, nodes: NodeSet) -> Vec<FaultBudget> {
    let all = config.node_ids().collect();
    let where_to = |kind: FaultKind| if kind.scope() == Scope::Node { nodes } else { all };
    let kinds = FaultKind::ALL.into_iter();
    let kinds = kinds.filter(|kind| !kind.is_by_operator() && !kind.is_by_cloud());
    let kinds = kinds.filter(|kind| *kind != FaultKind::Shutdown);
    kinds.map(|kind| hidden(kind, where_to(kind))).collect()
}

/// What people may have done: only what an event shows to have been done.
pub(super) fn operations(
    config: &ClusterConfig,
    workloads: &Workloads,
    events: &[&ObjectEvent],
) -> Vec<FaultBudget> {
    let mut shown = [false; 3];
    for event in events {
        let object = &event.object;
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let disrupted = conditions.into_iter().any(|found| found["type"] == "DisruptionTarget");
        let grace = &object["metadata"]["deletionGracePeriodSeconds"];
        shown[0] |= object["kind"] == "Pod" && grace.is_u64() && (!disrupted || *grace == 0);
        shown[1] |= object["spec"]["unschedulable"] == true;
        let mut taints = object["spec"]["taints"].as_array().into_iter().flatten();
        shown[2] |= taints.any(|taint| taint["key"] == OUT_OF_SERVICE);
    }
    let kinds = FaultKind::ALL.into_iter().filter(|kind| match kind {
        _ if !kind.is_by_operator() => false,
        FaultKind::Cordon | FaultKind::Uncordon => shown[1],
        FaultKind::OutOfService | FaultKind::BackInService => shown[2],
        _ => shown[0] && kind.scope() == Scope::Pod,
    });
    let nodes = config.node_ids().collect();
    kinds.chain(on_workloads(workloads, events)).map(|kind| hidden(kind, nodes)).collect()
}

/// What people may have done to workloads: templates that were changed, sizes that were seen, and
/// deletions.
fn on_workloads(workloads: &Workloads, events: &[&ObjectEvent]) -> Vec<FaultKind> {
    let mut kinds = Vec::new();
    let mut before: BTreeMap<&str, &ObjectEvent> = BTreeMap::new();
    for event in events {
        let object = &event.object;
        let workload = match workloads.get(uid(object)) {
            Some(WorkloadId::Deployment(id)) => Workload::Deployment(*id),
            Some(WorkloadId::ReplicaSet(id)) => Workload::ReplicaSet(*id),
            _ => continue,
        };
        let owned = super::controller(object).is_some();
        let before = before.insert(uid(object), event).map(|event| &event.object);
        let changed =
            |field: &str| before.is_some_and(|old| old["spec"][field] != object["spec"][field]);
        let mut add = |kind| {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        };
        if let Workload::Deployment(id) = workload
            && changed("template")
        {
            add(FaultKind::Rollout(id));
        }
        if let Some(replicas) = object["spec"]["replicas"].as_u64()
            && changed("replicas")
            && !owned
        {
            add(FaultKind::Scale(workload, replicas.min(255) as u8));
        }
        let finalizers = object["metadata"]["finalizers"].as_array().into_iter().flatten();
        let waits = |name: &str| finalizers.clone().any(|finalizer| finalizer == name);
        let going = !object["metadata"]["deletionTimestamp"].is_null();
        let propagation = match event.change {
            _ if going && waits("foregroundDeletion") => Some(Propagation::Foreground),
            _ if going && waits("orphan") => Some(Propagation::Orphan),
            Change::Deleted => Some(Propagation::Background),
            _ => None,
        };
        if let (Some(propagation), false) = (propagation, owned) {
            add(FaultKind::DeleteWorkload(workload, propagation));
        }
    }
    kinds
}
