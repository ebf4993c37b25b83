//! What people do to a cluster, and when they may.

use models::api_server::ApiServer;
use models::effects::Effects;
use models::faults::{FaultKind, Scope, When};
use models::ids::NodeId;
use models::objects::{NodeReady, Pod};
use models::operator::{self, Target};

use crate::engine::star::Context;
use crate::scenario::cluster::*;
use crate::scenario::wiring::Actor;

impl Cluster {
    /// What people may do to pods.
    pub(super) fn pod_operations(&self, at: &ClusterState, out: &mut Vec<Fault>) {
        let kinds = self.config.faults.iter().map(|budget| budget.kind);
        for kind in kinds.filter(|kind| kind.scope() == Scope::Pod) {
            for pod in &api_server(at).pods {
                if self.may_operate(at, kind, pod.node, Some(pod)) && changes_pod(kind, pod) {
                    out.push(Fault { kind, node: None, pod: Some(pod.uid), kept: 0 });
                }
            }
        }
    }

    /// What people may do to workloads.
    pub(super) fn workload_operations(&self, at: &ClusterState, out: &mut Vec<Fault>) {
        let kinds = self.config.faults.iter().map(|budget| budget.kind);
        for kind in kinds.filter(|kind| kind.scope() == Scope::Workload) {
            let possible = match kind {
                FaultKind::Rollout(id) => api_server(at).deployment(id).is_some(),
                FaultKind::Scale(workload, replicas) => {
                    api_server(at).replicas(workload).is_some_and(|now| now != replicas)
                }
                FaultKind::DeleteWorkload(workload, _) => {
                    api_server(at).finalizer(workload) == Some(None)
                }
                _ => false,
            };
            if possible && environment(at).allows(&self.config, kind, None) {
                out.push(Fault { kind, node: None, pod: None, kept: 0 });
            }
        }
    }

    /// What people may do to a node.
    pub(super) fn node_operations(&self, at: &ClusterState, node: NodeId, out: &mut Vec<Fault>) {
        let kinds = self.config.faults.iter().map(|budget| budget.kind);
        for kind in kinds.filter(|kind| kind.is_by_operator() && kind.scope() == Scope::Node) {
            if self.may_operate(at, kind, Some(node), None)
                && self.changes_node(api_server(at), kind, node)
            {
                out.push(Fault { kind, node: Some(node), pod: None, kept: 0 });
            }
        }
    }

    /// Whether there is a budget for it, and it is time.
    fn may_operate(
        &self,
        at: &ClusterState,
        kind: FaultKind,
        node: Option<NodeId>,
        pod: Option<&Pod>,
    ) -> bool {
        let Some(budget) = environment(at).budget(&self.config, kind, node) else { return false };
        // Somebody who may touch pods of some nodes only leaves those alone that have none yet.
        let everywhere = self.config.node_ids().all(|node| budget.nodes.contains(node));
        let is_time = match budget.when {
            When::Always => true,
            When::NotReady => node
                .and_then(|node| api_server(at).node(node))
                .is_some_and(|node| node.ready != NodeReady::True),
            When::PoweredOff => node.is_some_and(|node| !runtime(at, node).powered),
            When::Terminating => pod.is_some_and(Pod::is_terminating),
        };
        (node.is_some() || everywhere) && is_time
    }

    /// Whether a request about a node would change anything.
    fn changes_node(&self, api: &ApiServer, kind: FaultKind, node: NodeId) -> bool {
        let Some(stored) = api.node(node) else { return false };
        let tainted = operator::out_of_service(&self.config)
            .is_some_and(|taint| stored.taints.contains(taint));
        match kind {
            FaultKind::OutOfService => !tainted,
            FaultKind::BackInService => tainted,
            FaultKind::Cordon => !stored.unschedulable,
            FaultKind::Uncordon => stored.unschedulable,
            _ => true,
        }
    }

    /// A person does something: the API server serves the request at once.
    pub(super) fn operate(&self, cx: &mut Context<'_, Self>, fault: &Fault) {
        let pod = fault.pod.and_then(|uid| api_server(cx.state()).pod(uid).copied());
        let target = match (fault.node, pod) {
            (Some(node), _) => Target::Node(node),
            (None, Some(pod)) => Target::Pod(pod.name),
            (None, None) if fault.kind.scope() == Scope::Workload => Target::Workload,
            (None, None) => return cx.error("a person did something to a pod that is not there"),
        };
        let node = fault.node.or(pod.and_then(|pod| pod.node));
        environment_mut(cx).spend(&self.config, fault.kind, node);
        let Some(request) = operator::request(&self.config, fault.kind, target) else {
            return cx.error("a person did something that makes no request");
        };
        let mut fx = Effects::default();
        api_server_mut(cx).serve(&self.config, &request, None, &mut fx);
        self.apply(cx, Actor::Hub, fx);
    }
}

/// Whether deleting a pod would change it: one that goes already goes no sooner, unless its grace
/// period gets shorter (ST-3).
fn changes_pod(kind: FaultKind, pod: &Pod) -> bool {
    let Some(stored) = pod.deletion else { return true };
    match kind {
        FaultKind::DeletePod => false,
        FaultKind::DeletePodNow => stored.0 > 1,
        _ => stored.0 > 0,
    }
}
