//! What people do to a cluster, and when they may.

use models::api_server::ApiServer;
use models::cloud;
use models::disruption::allows;
use models::effects::Effects;
use models::faults::{FaultKind, Scope, When};
use models::ids::{NodeId, PodUid};
use models::objects::{NodeReady, Pod};
use models::operator::{self, Target};
use models::requests::Request;

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
                    out.push(Fault { kind, node: None, pod: Some(pod.uid), kept: Kept::NONE });
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
                out.push(Fault { kind, node: None, pod: None, kept: Kept::NONE });
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
                out.push(Fault { kind, node: Some(node), pod: None, kept: Kept::NONE });
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
            FaultKind::Taint(taint) => !stored.taints.contains(taint),
            FaultKind::Untaint(taint) => stored.taints.contains(taint),
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
        self.ask(cx, &request);
        if let (FaultKind::Drain, Some(node)) = (fault.kind, fault.node) {
            let pods = operator::drained(api_server(cx.state()), node);
            let evicting = &mut environment_mut(cx).evicting;
            *evicting = evicting.union(pods);
        }
    }

    /// Somebody who drains a node has a pod evicted.
    pub(super) fn evict(&self, cx: &mut Context<'_, Self>, uid: PodUid) {
        environment_mut(cx).evicting.remove(uid);
        match api_server(cx.state()).pod(uid).map(|pod| pod.name) {
            Some(name) => self.ask(cx, &Request::EvictPod { name }),
            None => cx.error("somebody who drains a node remembers a pod that is not there"),
        }
    }

    /// What the cloud and those who wait for something do next.
    pub(super) fn outside_steps(&self, at: &ClusterState, out: &mut Vec<Internal>) {
        let kinds = |of: fn(FaultKind) -> bool| self.config.faults.iter().any(|b| of(b.kind));
        if kinds(|kind| kind == FaultKind::Drain) {
            // What is refused is asked again every 5 s: it is a step when it is not refused.
            let api = api_server(at);
            let waiting = environment(at).evicting.iter().filter_map(|uid| api.pod(uid));
            let mut allowed = waiting.filter(|pod| !pod.is_terminating());
            let allowed = allowed.by_ref().filter(|pod| allows(&self.config, api, pod));
            out.extend(allowed.map(|pod| Internal::Evict(pod.uid)));
        }
        if kinds(FaultKind::is_by_cloud) {
            let mut steps = Vec::new();
            cloud::steps(&self.config, environment(at), api_server(at), &mut steps);
            out.extend(steps.into_iter().map(Internal::Cloud));
        }
    }

    /// A request from outside the cluster, served at once.
    pub(super) fn ask(&self, cx: &mut Context<'_, Self>, request: &Request) {
        let mut fx = Effects::default();
        api_server_mut(cx).serve(&self.config, request, None, &mut fx);
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
