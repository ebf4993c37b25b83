//! A cluster as a star: which actors there are, and what travels between them.

use models::api_server::ApiServer;
use models::cloud::CloudStep;
use models::config::ClusterConfig;
use models::container_runtime::{ContainerRuntime, RuntimeStep};
use models::environment::Environment;
use models::faults::FaultKind;
use models::ids::{NodeId, NodeSet, PodSet, PodUid};
use models::kube_controller_manager::{Controller, ControllerManager, ControllerStep};
use models::kubelet::{Kubelet, KubeletStep};
use models::objects::Object;
use models::requests::{Reply, Request};
use models::scheduler::{Scheduler, SchedulerStep};
use models::view::{ClusterView, Parts};

use crate::engine::slots::MAX_SLOTS;
use crate::engine::star::{ActionOf, Context, PartId, ProcessId, State, StreamId};

/// The state of one actor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Local {
    /// The hub.
    ApiServer(ApiServer),
    /// Power, cables, budgets.
    Environment(Environment),
    /// kube-controller-manager.
    ControllerManager(ControllerManager),
    /// kube-scheduler.
    Scheduler(Scheduler),
    /// A kubelet.
    Kubelet(Kubelet),
    /// A container runtime.
    ContainerRuntime(ContainerRuntime),
}

/// A request, and which controller of a process with several made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Addressed {
    /// The controller, for requests of the controller manager.
    pub controller: Option<Controller>,
    /// What is asked.
    pub request: Request,
}

/// A step that an actor takes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Internal {
    /// The API server removes the key of a pod with grace 0 (ST-2).
    RemovePod(PodUid),
    /// A controller.
    Controller(ControllerStep),
    /// The scheduler.
    Scheduler(SchedulerStep),
    /// A kubelet.
    Kubelet(NodeId, KubeletStep),
    /// A container runtime.
    Runtime(NodeId, RuntimeStep),
    /// A node that shuts down has no power any more.
    PowerDown(NodeId),
    /// Somebody who drains a node evicts a pod (EV-1).
    Evict(PodUid),
    /// The cloud's node lifecycle controller (CN-1).
    Cloud(CloudStep),
}

/// A part of a step that comes after another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// A process handles the reply to its request.
    Reply(ProcessId, Addressed, Reply),
    /// Nodes have been silent for long, and armed eviction timers are due if so asked.
    Elapse {
        /// The nodes that have been silent for the grace period.
        silent: NodeSet,
        /// Whether armed eviction timers are due.
        due: bool,
    },
    /// Heartbeats of these nodes are back before anybody missed them for too long.
    EndOutages(NodeSet),
    /// Evictions whose node has lost what they were armed for are marked.
    NoteInterruptions,
}

/// A question about a state, asked at the end of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Nodes that are silent, and those whose heartbeats are late by a fault.
    Heartbeats,
    /// Nodes in an outage that ends in time, and those whose outage is too short for a time-out.
    Outages,
    /// Whether the controller manager lives, and what its timers wait for.
    Timers,
    /// Whether a kubelet renews its lease.
    Renews(NodeId),
    /// Whether something is on its way between a process and the hub, and can arrive.
    Delivers(ProcessId),
    /// Whether some internal step of a group needs no waiting.
    Prompt(PartId),
    /// Whether an eviction is to be marked as interrupted.
    Interrupted,
}

/// Something that happens from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Where; none for the control plane and for a pod.
    pub node: Option<NodeId>,
    /// Which pod, for what people do with pods.
    pub pod: Option<PodUid>,
    /// Which requests of a process that dies are still on their way and will arrive.
    pub kept: Kept,
}

/// Some of the requests that a process has sent, as they stand in its outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kept(u8);

impl Kept {
    /// None of them.
    pub const NONE: Kept = Kept(0);

    /// Any of so many; of more than eight, those after the eighth are lost.
    pub(super) fn any_of(sent: usize) -> impl Iterator<Item = Kept> {
        let all = (1u16 << sent.min(u8::BITS as usize)) - 1;
        (0..=all).map(|kept| Kept(kept as u8))
    }

    /// Whether the one at this place is among them.
    pub fn contains(self, at: usize) -> bool {
        at < u8::BITS as usize && self.0 >> at & 1 == 1
    }

    /// With the one at this place.
    pub fn with(self, at: usize) -> Kept {
        Kept(self.0 | 1 << at)
    }

    /// How many.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A state of a cluster.
pub type ClusterState = State<Cluster>;
/// Something that can happen in a cluster.
pub type ClusterAction = ActionOf<Cluster>;

/// The star of a cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Everything that does not change.
    pub config: ClusterConfig,
}

pub(super) const API_SERVER: usize = 0;
const ENVIRONMENT: usize = 1;
const CONTROLLER_MANAGER: usize = 2;
const SCHEDULER: usize = 3;
const FIRST_NODE: usize = 4;

/// The controller manager as a process.
pub const CONTROLLER_MANAGER_PROCESS: ProcessId = ProcessId(0);
/// The scheduler as a process.
pub const SCHEDULER_PROCESS: ProcessId = ProcessId(1);
pub(super) const FIRST_KUBELET: usize = 2;

/// Most nodes of a cluster. Each takes four slots of a state: its kubelet, its runtime, and the two
/// channels of the kubelet.
pub const MAX_NODES: usize = (MAX_SLOTS - FIRST_NODE - 2 * FIRST_KUBELET) / 4;
const _: () = assert!(MAX_NODES <= NodeSet::CAPACITY);

/// Streams, by kind of object.
pub(super) const PODS: StreamId = StreamId(0);
pub(super) const NODES: StreamId = StreamId(1);
pub(crate) const REPLICA_SETS: StreamId = StreamId(2);
pub(crate) const DEPLOYMENTS: StreamId = StreamId(3);
pub(crate) const STATEFUL_SETS: StreamId = StreamId(4);
pub(crate) const DAEMON_SETS: StreamId = StreamId(5);
pub(super) const JOBS: StreamId = StreamId(6);

pub(super) const VOLUME_ATTACHMENTS: StreamId = StreamId(7);

/// How many streams the controller manager has. Where there are no volumes, one less.
pub(super) fn watched_kinds(config: &ClusterConfig) -> usize {
    7 + usize::from(!config.volumes.is_empty())
}

pub(super) fn kubelet_slot(node: NodeId) -> usize {
    FIRST_NODE + 2 * node.0 as usize
}

pub(super) fn runtime_slot(node: NodeId) -> usize {
    kubelet_slot(node) + 1
}

/// The kubelet of a node as a process.
pub fn kubelet_process(node: NodeId) -> ProcessId {
    ProcessId(FIRST_KUBELET + node.0 as usize)
}

/// The node whose kubelet a process is.
pub fn node_of(process: ProcessId) -> Option<NodeId> {
    process.0.checked_sub(FIRST_KUBELET).map(|node| NodeId(node as u8))
}

/// Gives typed access to one actor: in a state, and for changing in a step.
macro_rules! accessor {
    ($name:ident, $change:ident, $variant:ident, $type:ty, $slot:expr $(, $node:ident: NodeId)?) => {
        pub(super) fn $name(state: &ClusterState $(, $node: NodeId)?) -> &$type {
            match state.local($slot) {
                Local::$variant(local) => local,
                other => unreachable!("slots are laid out once, in start.rs; found {other:?}"),
            }
        }

        pub(super) fn $change<'c>(cx: &'c mut Context<'_, Cluster> $(, $node: NodeId)?) -> &'c mut $type {
            match cx.modify($slot) {
                Local::$variant(local) => local,
                other => unreachable!("slots are laid out once, in start.rs; found {other:?}"),
            }
        }
    };
}

accessor!(api_server, api_server_mut, ApiServer, ApiServer, API_SERVER);
accessor!(environment, environment_mut, Environment, Environment, ENVIRONMENT);
accessor!(
    controller_manager,
    controller_manager_mut,
    ControllerManager,
    ControllerManager,
    CONTROLLER_MANAGER
);
accessor!(scheduler, scheduler_mut, Scheduler, Scheduler, SCHEDULER);
accessor!(kubelet, kubelet_mut, Kubelet, Kubelet, kubelet_slot(node), node: NodeId);
accessor!(
    runtime, runtime_mut, ContainerRuntime, ContainerRuntime, runtime_slot(node), node: NodeId
);

impl Parts for ClusterState {
    fn api_server(&self) -> &ApiServer {
        api_server(self)
    }

    fn controller_manager(&self) -> &ControllerManager {
        controller_manager(self)
    }

    fn scheduler(&self) -> &Scheduler {
        scheduler(self)
    }

    fn environment(&self) -> &Environment {
        environment(self)
    }

    fn kubelet(&self, node: NodeId) -> &Kubelet {
        kubelet(self, node)
    }

    fn runtime(&self, node: NodeId) -> &ContainerRuntime {
        runtime(self, node)
    }

    fn controller_requests(&self) -> Box<dyn Iterator<Item = (Controller, &Request)> + '_> {
        let outbox = self.outbox(CONTROLLER_MANAGER_PROCESS);
        let sent = outbox.orphans.iter().chain(&outbox.live);
        Box::new(sent.filter_map(|sent| sent.controller.zip(Some(&sent.request))))
    }
}

impl Cluster {
    /// A look at a state.
    pub fn view<'a>(&'a self, state: &'a ClusterState) -> ClusterView<'a> {
        ClusterView { config: &self.config, parts: state }
    }

    /// A uid that nothing in the cluster names, for the next pod.
    pub fn fresh_uid(&self, state: &ClusterState) -> Option<PodUid> {
        let named = self.mentioned(state);
        (0..self.config.max_pods).map(PodUid).find(|uid| !named.contains(*uid))
    }

    /// Uids that anything in the cluster names: a slot is reused only when this is over.
    fn mentioned(&self, state: &ClusterState) -> PodSet {
        let local = |local: &Local| match local {
            Local::ApiServer(api) => api.mentions(),
            Local::ControllerManager(process) => process.mentions(),
            Local::Scheduler(process) => process.mentions(),
            Local::Kubelet(process) => process.mentions(),
            Local::ContainerRuntime(runtime) => runtime.mentions(),
            Local::Environment(environment) => environment.evicting,
        };
        let actors = state.locals().map(local).fold(PodSet::EMPTY, PodSet::union);
        // Bare pods keep their uid for ever: their names are fixed.
        let bare: PodSet = (0..self.config.pods.len() as u8).map(PodUid).collect();
        let channels = state.processes().map(|process| mentioned_in_channels(state, process));
        channels.fold(actors.union(bare), PodSet::union)
    }

    /// Whether a node has a network to the API server.
    pub fn is_connected(state: &ClusterState, node: NodeId) -> bool {
        !environment(state).partitioned.contains(node)
    }
}

/// Uids named by requests and events on their way.
fn mentioned_in_channels(state: &ClusterState, process: ProcessId) -> PodSet {
    let outbox = state.outbox(process);
    let requests = outbox.live.iter().chain(&outbox.orphans);
    let requests = requests.map(|addressed| addressed.request.names());
    let events = state.inbox(process).0.iter().flatten().flatten();
    let events = events.map(|event| match event.object {
        Object::Pod(pod) => PodSet::EMPTY.with(pod.uid),
        Object::Job(job) => job.status.uncounted(),
        _ => PodSet::EMPTY,
    });
    requests.chain(events).fold(PodSet::EMPTY, PodSet::union)
}
