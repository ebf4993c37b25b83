//! Who would write what comes next: a guess that orders the search and decides nothing.

use models::api_server::ApiServer;
use models::ids::{NodeId, PodSet, PodUid};
use models::kube_controller_manager::{Controller, ControllerStep};
use models::kubelet::KubeletStep;
use models::node_lifecycle::NodeLifecycleStep;
use models::objects::{NodeReady, Owner};
use models::taint_eviction::TaintEvictionStep;

use crate::conform::facts::{Bindings, Facts, NodeFacts, PodFacts};
use crate::conform::history::{Expected, History, Position};
use crate::conform::record::Change;
use crate::conform::rows::Kind;
use crate::engine::star::{Action, ProcessId};
use crate::scenario::cluster::{
    CONTROLLER_MANAGER_PROCESS, ClusterAction, Internal, SCHEDULER_PROCESS, node_of,
};

/// Who may have written what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    /// Controllers of the controller manager, as bits.
    controllers: u16,
    scheduler: bool,
    /// The API server by itself, or people who drain a node.
    hub: bool,
    /// Kubelets and what they run, as bits.
    nodes: u16,
    /// Pods of which they write.
    pods: PodSet,
    /// Kubelets that write of their nodes, as bits.
    heartbeats: u16,
    /// Nodes that time out, as bits.
    silent: u16,
    /// A timer of an eviction fires.
    evicts: bool,
    /// Timers fire when nothing else is left to do.
    rests: bool,
    /// Nobody can tell.
    anybody: bool,
}

fn bit(controller: Controller) -> u16 {
    1 << controller as u16
}

/// The pod that a step of a kubelet is about.
fn pod_of(step: KubeletStep) -> Option<PodUid> {
    match step {
        KubeletStep::HandlePod(uid)
        | KubeletStep::Relist(uid)
        | KubeletStep::VerifyVolumes(uid)
        | KubeletStep::SyncPod(uid)
        | KubeletStep::KillPod(uid)
        | KubeletStep::FinishPod(uid)
        | KubeletStep::Housekeep(uid)
        | KubeletStep::SyncStatus(uid) => Some(uid),
        KubeletStep::ConnectHeartbeat
        | KubeletStep::ConnectWatch
        | KubeletStep::ConnectStatus
        | KubeletStep::PostNodeStatus
        | KubeletStep::EndNextGroup => None,
    }
}

impl Writers {
    /// Who may have written the next entries, where the store holds `api`.
    pub fn of(history: &History, at: &Position, bound: &Bindings, api: &ApiServer) -> Self {
        let mut writers = Writers::default();
        for entry in history.next(at) {
            match &entry.expected {
                Expected::Event(change, facts) => writers.event(*change, facts, bound, api),
                Expected::Row(row) => writers.row(row.kind),
            }
        }
        writers
    }

    /// Whether what comes next happens when nothing else is left to do.
    pub fn wait_for_rest(&self) -> bool {
        self.rests
    }

    fn controller(&mut self, controller: Controller) {
        self.controllers |= bit(controller);
    }

    fn any_of(&mut self, controllers: &[Controller]) {
        controllers.iter().for_each(|controller| self.controller(*controller));
    }

    fn node(&mut self, node: Option<NodeId>) {
        self.nodes |= node.map_or(0, |node| 1 << node.0);
    }

    fn event(&mut self, change: Change, facts: &Facts, bound: &Bindings, api: &ApiServer) {
        use Controller::*;
        match facts {
            Facts::Pod(facts) => self.pod(change, facts, bound, api),
            Facts::Node(facts) => self.of_node(facts, api),
            Facts::ReplicaSet(id, facts) => {
                let stored = api.replica_set(*id);
                let only_counts = stored.is_some_and(|set| set.replicas == facts.replicas);
                match (change, only_counts) {
                    (Change::Deleted, _) => self.controller(GarbageCollector),
                    (Change::Modified, true) => self.controller(ReplicaSet),
                    _ => self.controller(Deployment),
                }
            }
            Facts::Deployment(..) => self.controller(Deployment),
            Facts::StatefulSet(..) => self.controller(StatefulSet),
            Facts::DaemonSet(..) => self.controller(DaemonSet),
            Facts::Job(..) => self.controller(Job),
        }
    }

    fn makers(&mut self) {
        use Controller::*;
        self.any_of(&[ReplicaSet, StatefulSet, DaemonSet, Job]);
    }

    fn pod(&mut self, change: Change, facts: &PodFacts, bound: &Bindings, api: &ApiServer) {
        use Controller::*;
        let stored = api.pods.iter().find(|pod| bound.uid(pod.uid.0) == Some(facts.uid));
        let Some(stored) = stored else { return self.makers() };
        self.pods.insert(stored.uid);
        if change == Change::Deleted {
            self.hub = true;
            return self.controller(Job);
        }
        if stored.node != facts.node {
            self.scheduler = true;
        }
        if stored.disruption_target != facts.disruption {
            self.evicts = true;
            self.rests = true;
            self.any_of(&[TaintEviction, PodGc]);
            self.hub = true;
            self.node(facts.node);
        }
        if stored.tracked != facts.tracked || (stored.owner != Owner::None) != facts.owned {
            self.any_of(&[Job, GarbageCollector]);
        }
        if stored.deletion.map(|grace| grace.0) != facts.deletion {
            match (facts.deletion, facts.phase.is_terminal()) {
                (Some(0), true) => {
                    self.controller(PodGc);
                    self.node(facts.node);
                }
                _ => {
                    self.makers();
                    self.any_of(&[TaintEviction, PodGc, GarbageCollector]);
                    self.hub = true;
                }
            }
        }
        let status = &stored.status;
        let ready = facts.ready == Some(true);
        let only_ready = status.phase == facts.phase && status.container == facts.container;
        if status.ready.is_true() && !ready && only_ready {
            self.controller(NodeLifecycle);
        }
        if status.ready.is_true() != ready
            || !only_ready
            || status.ip.is_some() != facts.ip.is_some()
        {
            self.node(facts.node);
        }
        if facts.phase.is_terminal() && !status.phase.is_terminal() {
            self.controller(PodGc);
        }
        if *self == (Writers { pods: self.pods, ..Writers::default() }) {
            self.node(facts.node);
        }
    }

    fn of_node(&mut self, facts: &NodeFacts, api: &ApiServer) {
        match api.node(facts.node) {
            Some(stored) if stored.ready != facts.ready => match facts.ready {
                NodeReady::Unknown => {
                    self.controller(Controller::NodeLifecycle);
                    self.silent |= 1 << facts.node.0;
                    self.rests = true;
                }
                _ => self.heartbeats |= 1 << facts.node.0,
            },
            Some(stored) if stored.taints != facts.taints => {
                self.controller(Controller::NodeLifecycle);
            }
            _ => self.heartbeats |= 1 << facts.node.0,
        }
    }

    /// Of a table it is known only who writes objects of its kind.
    fn row(&mut self, kind: Kind) {
        use Controller::*;
        match kind {
            Kind::Pods | Kind::Nodes => self.anybody = true,
            Kind::Deployments => self.controller(Deployment),
            Kind::ReplicaSets => self.any_of(&[ReplicaSet, Deployment]),
            Kind::StatefulSets => self.controller(StatefulSet),
            Kind::DaemonSets => self.controller(DaemonSet),
            Kind::Jobs => self.controller(Job),
            Kind::VolumeAttachments => self.controller(AttachDetach),
        }
    }

    /// Whether a step may bring nearer what comes next; `prompt` is said of steps that take no time.
    pub fn wait_for(&self, action: &ClusterAction, prompt: bool) -> bool {
        let has = |set: u16, node: NodeId| set >> node.0 & 1 == 1;
        let of_process = |process: ProcessId| match node_of(process) {
            Some(node) => has(self.nodes | self.heartbeats, node),
            None if process == CONTROLLER_MANAGER_PROCESS => self.controllers != 0,
            None => process == SCHEDULER_PROCESS && self.scheduler,
        };
        if self.anybody || (prompt && self.rests) {
            return true;
        }
        match action {
            Action::Serve(process, _) | Action::ServeOrphan(process, _) => of_process(*process),
            // The hub waits for who is behind.
            Action::Observe(..) => true,
            Action::Internal(step) => match step {
                Internal::Controller(step) => match step {
                    ControllerStep::NodeLifecycle(NodeLifecycleStep::Monitor {
                        node,
                        expired: true,
                    }) => has(self.silent, *node),
                    ControllerStep::TaintEviction(TaintEvictionStep::Fire(_)) => self.evicts,
                    step => self.controllers & bit(step.controller()) != 0,
                },
                Internal::Scheduler(_) => self.scheduler,
                // A new process registers its node before it does anything else.
                Internal::Kubelet(node, KubeletStep::ConnectHeartbeat) => {
                    has(self.heartbeats, *node) || (prompt && has(self.nodes, *node))
                }
                Internal::Kubelet(node, KubeletStep::PostNodeStatus) => has(self.heartbeats, *node),
                // What a kubelet does for other pods does not bring this one nearer.
                Internal::Kubelet(node, step) => {
                    has(self.nodes, *node)
                        && pod_of(*step).is_none_or(|uid| self.pods.contains(uid))
                }
                Internal::Runtime(node, step) => {
                    has(self.nodes, *node) && self.pods.contains(step.uid())
                }
                Internal::PowerDown(node) => has(self.nodes, *node),
                Internal::RemovePod(_) | Internal::Evict(_) | Internal::Cloud(_) => self.hub,
            },
            Action::Fault(_) => true,
        }
    }
}
