//! A cluster as a star: which actors there are, how their requests and events travel, and what
//! faults do to them.

use std::collections::VecDeque;

use models::api_server::ApiServer;
use models::config::{ClusterConfig, WatchMode};
use models::container_runtime::{Call, ContainerRuntime, RuntimeStep};
use models::effects::Effects;
use models::environment::Environment;
use models::faults::FaultKind;
use models::ids::{NodeId, NodeSet, PodSet, PodUid};
use models::kube_controller_manager::{Controller, ControllerManager, ControllerStep};
use models::kubelet::{Kubelet, KubeletStep};
use models::node_lifecycle::NodeLifecycleStep;
use models::objects::{Node, Object, WatchEvent};
use models::requests::{Reply, Request};
use models::rules::Rule;
use models::scheduler::{Scheduler, SchedulerStep};
use models::view::{ClusterView, Spokes};

use crate::engine::star::{ActionOf, Context, Lag, LinkOf, ProcessId, Star, State, StreamId};
use crate::scenario::{quiet, start};

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
}

/// Something that happens from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Where; none for the control plane.
    pub node: Option<NodeId>,
    /// How many requests of a process that dies are still on their way and will arrive.
    pub kept: u8,
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

const API_SERVER: usize = 0;
const ENVIRONMENT: usize = 1;
const CONTROLLER_MANAGER: usize = 2;
const SCHEDULER: usize = 3;
const FIRST_NODE: usize = 4;

/// The controller manager as a process.
pub const CONTROLLER_MANAGER_PROCESS: ProcessId = ProcessId(0);
/// The scheduler as a process.
pub const SCHEDULER_PROCESS: ProcessId = ProcessId(1);
const FIRST_KUBELET: usize = 2;

/// Streams, by kind of object.
const PODS: StreamId = StreamId(0);
const NODES: StreamId = StreamId(1);
const REPLICA_SETS: StreamId = StreamId(2);
const DEPLOYMENTS: StreamId = StreamId(3);

fn kubelet_slot(node: NodeId) -> usize {
    FIRST_NODE + 2 * node.0 as usize
}

fn runtime_slot(node: NodeId) -> usize {
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
        fn $name(state: &ClusterState $(, $node: NodeId)?) -> &$type {
            match state.local($slot) {
                Local::$variant(local) => local,
                other => unreachable!("slots are laid out once, in start.rs; found {other:?}"),
            }
        }

        fn $change<'c>(cx: &'c mut Context<'_, Cluster> $(, $node: NodeId)?) -> &'c mut $type {
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

impl Spokes for ClusterState {
    fn kubelet(&self, node: NodeId) -> &Kubelet {
        kubelet(self, node)
    }

    fn runtime(&self, node: NodeId) -> &ContainerRuntime {
        runtime(self, node)
    }

    fn controller_requests(&self) -> Box<dyn Iterator<Item = (Controller, &Request)> + '_> {
        let link = self.link(CONTROLLER_MANAGER_PROCESS);
        let sent = link.orphans.iter().chain(&link.outbox);
        Box::new(sent.filter_map(|sent| sent.controller.zip(Some(&sent.request))))
    }
}

impl Cluster {
    /// A look at a state.
    pub fn view<'a>(&'a self, state: &'a ClusterState) -> ClusterView<'a> {
        ClusterView {
            config: &self.config,
            api: api_server(state),
            controller_manager: controller_manager(state),
            scheduler: scheduler(state),
            environment: environment(state),
            spokes: state,
        }
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
            Local::Environment(_) => PodSet::EMPTY,
        };
        let actors = state.locals().map(local).fold(PodSet::EMPTY, PodSet::union);
        // Bare pods keep their uid for ever: their names are fixed.
        let bare: PodSet = (0..self.config.pods.len() as u8).map(PodUid).collect();
        state.links().map(|link| mentioned_in_link(link)).fold(actors.union(bare), PodSet::union)
    }

    /// Whether a node has a network to the API server.
    pub fn is_connected(state: &ClusterState, node: NodeId) -> bool {
        !environment(state).partitioned.contains(node)
    }

    /// The guard of NLC-3: nodes whose lease is really not renewed, or late by a fault, and has
    /// been so for long enough.
    pub fn may_expire(&self, state: &ClusterState) -> NodeSet {
        environment(state).silent.intersection(self.late(state))
    }

    /// Takes over what a handler did: rules, requests, events, calls to the node's runtime.
    fn apply(&self, cx: &mut Context<'_, Self>, by: Actor, fx: Effects) {
        for rule in &fx.rules {
            cx.rule(rule.index() as u8);
        }
        if let Some(what) = fx.unhandled {
            cx.error(what);
        }
        for event in fx.events {
            cx.publish(event);
        }
        let (process, controller) = match by {
            Actor::Hub => return,
            Actor::Controller(controller) => (CONTROLLER_MANAGER_PROCESS, controller),
            Actor::Scheduler => (SCHEDULER_PROCESS, None),
            Actor::Node(node) => (kubelet_process(node), None),
        };
        for request in fx.requests {
            cx.send(process, Addressed { controller, request });
        }
        if let Actor::Node(node) = by {
            self.call_runtime(cx, node, fx.calls);
        }
    }

    fn call_runtime(&self, cx: &mut Context<'_, Self>, node: NodeId, calls: Vec<(PodUid, Call)>) {
        let mut fx = Effects::default();
        for (uid, call) in calls {
            let worker = kubelet(cx.state(), node).pod(uid).map(|worker| worker.template);
            let known = runtime(cx.state(), node).pod(uid).map(|pod| pod.template);
            match worker.or(known) {
                Some(template) => runtime_mut(cx, node).accept(uid, template, call, &mut fx),
                None if call == Call::Remove => {}
                None => cx.error("a runtime was called for a pod that nobody knows"),
            }
        }
        self.apply(cx, Actor::Hub, fx);
    }

    fn change_kubelet(
        &self,
        cx: &mut Context<'_, Self>,
        node: NodeId,
        change: impl FnOnce(&mut Kubelet, &ContainerRuntime, &mut Effects),
    ) {
        let mut fx = Effects::default();
        let runtime = cx.share(runtime_slot(node));
        let Local::ContainerRuntime(runtime) = runtime.get() else {
            unreachable!("slots are laid out once, in start.rs")
        };
        change(kubelet_mut(cx, node), runtime, &mut fx);
        self.apply(cx, Actor::Node(node), fx);
    }

    fn change_controller_manager(
        &self,
        cx: &mut Context<'_, Self>,
        controller: Option<Controller>,
        change: impl FnOnce(&mut ControllerManager, &mut Effects),
    ) {
        let mut fx = Effects::default();
        change(controller_manager_mut(cx), &mut fx);
        self.apply(cx, Actor::Controller(controller), fx);
    }

    fn change_scheduler(
        &self,
        cx: &mut Context<'_, Self>,
        change: impl FnOnce(&mut Scheduler, &mut Effects),
    ) {
        let mut fx = Effects::default();
        change(scheduler_mut(cx), &mut fx);
        self.apply(cx, Actor::Scheduler, fx);
    }

    fn change_runtime(
        &self,
        cx: &mut Context<'_, Self>,
        node: NodeId,
        change: impl FnOnce(&mut ContainerRuntime, &mut Effects),
    ) {
        let mut fx = Effects::default();
        change(runtime_mut(cx, node), &mut fx);
        self.apply(cx, Actor::Hub, fx);
    }

    fn reply(
        &self,
        cx: &mut Context<'_, Self>,
        from: ProcessId,
        addressed: &Addressed,
        reply: &Reply,
    ) {
        let Addressed { controller, request } = addressed;
        match (node_of(from), controller) {
            (Some(node), _) => {
                match request {
                    Request::ListPodsOfNode { .. } => cx.connect(from, PODS),
                    Request::RegisterNode { .. } | Request::GetNode { .. } => {
                        cx.connect(from, NODES)
                    }
                    _ => {}
                }
                self.change_kubelet(cx, node, |kubelet, runtime, fx| {
                    kubelet.reply(&self.config, request, reply, runtime, fx);
                });
            }
            (None, Some(controller)) => {
                self.change_controller_manager(cx, Some(*controller), |process, fx| {
                    process.reply(&self.config, *controller, request, reply, fx);
                });
            }
            (None, None) => {
                self.change_scheduler(cx, |scheduler, fx| scheduler.reply(request, reply, fx));
            }
        }
    }

    /// What may go wrong with one node.
    fn node_faults(&self, at: &ClusterState, node: NodeId, out: &mut Vec<Fault>) {
        let environment = environment(at);
        let (kubelet, runtime) = (kubelet(at, node), runtime(at, node));
        let partitioned = environment.partitioned.contains(node);
        let on = runtime.powered;
        let sent = at.link(kubelet_process(node)).outbox.len() as u8;
        let mut offer = |kind, enabled: bool, kept: u8| {
            if enabled && environment.allows(&self.config, kind, Some(node)) {
                out.extend((0..=kept).map(|kept| Fault { kind, node: Some(node), kept }));
            }
        };
        offer(FaultKind::PowerOff, on, sent);
        offer(FaultKind::PowerOn, !on, 0);
        offer(FaultKind::PowerOnNoNetwork, !on, 0);
        offer(FaultKind::NetworkConfigured, on && runtime.up && !runtime.network, 0);
        offer(FaultKind::KubeletCrash, on && kubelet.up, sent);
        offer(FaultKind::KubeletRestart, on && !kubelet.up, 0);
        offer(FaultKind::RuntimeCrash, on && runtime.up, 0);
        offer(FaultKind::RuntimeRestart, on && !runtime.up, 0);
        offer(FaultKind::Partition, on && !partitioned, 0);
        offer(FaultKind::Heal, partitioned, 0);
        offer(FaultKind::SlowStart, on && !environment.slow_start.contains(node), 0);
        let renews = kubelet.renews_lease() && !environment.slow_heartbeat.contains(node);
        offer(FaultKind::SlowHeartbeat, renews, 0);
    }

    fn strike_node(&self, cx: &mut Context<'_, Self>, fault: &Fault, node: NodeId) {
        let process = kubelet_process(node);
        let connected = Self::is_connected(cx.state(), node);
        match fault.kind {
            FaultKind::PowerOff => {
                cx.crash(process, fault.kept as usize);
                *kubelet_mut(cx, node) = Kubelet::dead(node);
                self.change_runtime(cx, node, |runtime, _| runtime.power_off());
                let environment = environment_mut(cx);
                environment.slow_heartbeat.remove(node);
                environment.slow_start.remove(node);
            }
            FaultKind::PowerOn | FaultKind::PowerOnNoNetwork => {
                let network = fault.kind == FaultKind::PowerOn;
                self.change_runtime(cx, node, |runtime, _| runtime.power_on(network));
                *kubelet_mut(cx, node) = Kubelet::start(node, connected);
            }
            FaultKind::NetworkConfigured => {
                self.change_runtime(cx, node, |runtime, _| runtime.network = true)
            }
            FaultKind::KubeletCrash => {
                cx.crash(process, fault.kept as usize);
                *kubelet_mut(cx, node) = Kubelet::dead(node);
            }
            FaultKind::KubeletRestart => {
                *kubelet_mut(cx, node) = Kubelet::start(node, connected);
            }
            FaultKind::RuntimeCrash => self.change_runtime(cx, node, |runtime, _| runtime.crash()),
            FaultKind::RuntimeRestart => {
                self.change_runtime(cx, node, |runtime, _| runtime.up = true)
            }
            FaultKind::Partition => {
                cx.cut(process);
                environment_mut(cx).partitioned.insert(node);
                self.change_kubelet(cx, node, |kubelet, _, _| kubelet.disconnect());
            }
            FaultKind::Heal => {
                environment_mut(cx).partitioned.remove(node);
            }
            FaultKind::SlowStart => {
                environment_mut(cx).slow_start.insert(node);
            }
            FaultKind::SlowHeartbeat => {
                environment_mut(cx).slow_heartbeat.insert(node);
            }
            FaultKind::ControllerManagerCrash | FaultKind::ControllerManagerRestart => {
                cx.error("a fault of the control plane struck a node");
            }
        }
    }
}

/// Whose handler ran.
enum Actor {
    /// The API server, or an actor that sends no requests.
    Hub,
    Controller(Option<Controller>),
    Scheduler,
    Node(NodeId),
}

/// The rule label of a fault.
pub fn fault_rule(kind: FaultKind) -> Rule {
    match kind {
        FaultKind::PowerOff => Rule::FPowerOff,
        FaultKind::PowerOn => Rule::FPowerOn,
        FaultKind::PowerOnNoNetwork => Rule::FPowerOnNoNetwork,
        FaultKind::NetworkConfigured => Rule::FNetworkConfigured,
        FaultKind::KubeletCrash => Rule::FKubeletCrash,
        FaultKind::KubeletRestart => Rule::FKubeletRestart,
        FaultKind::RuntimeCrash => Rule::FRuntimeCrash,
        FaultKind::RuntimeRestart => Rule::FRuntimeRestart,
        FaultKind::Partition => Rule::FPartition,
        FaultKind::Heal => Rule::FHeal,
        FaultKind::ControllerManagerCrash => Rule::FControllerManagerCrash,
        FaultKind::ControllerManagerRestart => Rule::FControllerManagerRestart,
        FaultKind::SlowStart => Rule::FSlowStart,
        FaultKind::SlowHeartbeat => Rule::FSlowHeartbeat,
    }
}

/// Whether the history of an eviction changes: its node has lost what it was armed for.
fn evictions_interrupted(cluster: &Cluster, state: &ClusterState, node: &Node) -> bool {
    let evictions = &controller_manager(state).taint_eviction;
    evictions.is_interrupted_by(&cluster.config, node.id, node.taints)
}

/// Uids named by requests and events on their way.
fn mentioned_in_link(link: &LinkOf<Cluster>) -> PodSet {
    let requests =
        link.outbox.iter().chain(&link.orphans).filter_map(|addressed| addressed.request.names());
    let events = link.streams.iter().flatten().flatten().filter_map(|event| match event.object {
        Object::Pod(pod) => Some(pod.uid),
        _ => None,
    });
    requests.chain(events).collect()
}

/// Whether the last event of a queue about the same object, or else the cache, shows `same`.
fn already_known(
    queue: &VecDeque<WatchEvent>,
    event: &WatchEvent,
    same: impl Fn(&Object) -> bool,
    cached: Option<Object>,
) -> bool {
    let of_object = |queued: &&WatchEvent| match (queued.object, event.object) {
        (Object::Pod(a), Object::Pod(b)) => a.uid == b.uid,
        (Object::Node(a), Object::Node(b)) => a.id == b.id,
        _ => false,
    };
    let last = queue.iter().rev().find(of_object).map(|queued| queued.object).or(cached);
    last.is_some_and(|last| same(&last))
}

impl Star for Cluster {
    type Local = Local;
    type Request = Addressed;
    type Event = WatchEvent;
    type Internal = Internal;
    type Fault = Fault;

    fn lag(&self) -> Lag {
        match self.config.watch {
            WatchMode::Fresh => Lag::Fresh,
            WatchMode::Lag(bound) => Lag::AtMost(bound as usize),
            WatchMode::Unbounded => Lag::Unbounded,
        }
    }

    fn initial(&self) -> Vec<(Vec<Local>, Vec<LinkOf<Self>>)> {
        start::initial(&self.config)
    }

    fn internals(&self, at: &ClusterState, out: &mut Vec<Internal>) {
        out.extend(api_server(at).removing.iter().map(Internal::RemovePod));
        let mut controllers = Vec::new();
        controller_manager(at).steps(&self.config, self.may_expire(at), &mut controllers);
        out.extend(controllers.into_iter().map(Internal::Controller));
        let mut placements = Vec::new();
        scheduler(at).steps(&self.config, &mut placements);
        out.extend(placements.into_iter().map(Internal::Scheduler));
        for node in self.config.node_ids() {
            let (runtime, connected) = (runtime(at, node), Self::is_connected(at, node));
            let mut steps = Vec::new();
            kubelet(at, node).steps(&self.config, runtime, connected, &mut steps);
            out.extend(steps.into_iter().map(|step| Internal::Kubelet(node, step)));
            let mut steps = Vec::new();
            runtime.steps(&mut steps);
            out.extend(steps.into_iter().map(|step| Internal::Runtime(node, step)));
        }
    }

    fn is_of_hub(&self, step: &Internal) -> bool {
        matches!(step, Internal::RemovePod(_))
    }

    fn can_serve(&self, at: &ClusterState, addressed: &Addressed) -> bool {
        !matches!(addressed.request, Request::CreatePod { .. }) || self.fresh_uid(at).is_some()
    }

    fn faults(&self, at: &ClusterState, out: &mut Vec<Fault>) {
        for node in self.config.node_ids() {
            self.node_faults(at, node, out);
        }
        let up = controller_manager(at).up;
        let kind = if up {
            FaultKind::ControllerManagerCrash
        } else {
            FaultKind::ControllerManagerRestart
        };
        if environment(at).allows(&self.config, kind, None) {
            let sent = at.link(CONTROLLER_MANAGER_PROCESS).outbox.len() as u8;
            out.extend((0..=if up { sent } else { 0 }).map(|kept| Fault {
                kind,
                node: None,
                kept,
            }));
        }
    }

    fn internal(&self, cx: &mut Context<'_, Self>, step: &Internal) {
        match *step {
            Internal::RemovePod(uid) => {
                let mut fx = Effects::default();
                api_server_mut(cx).remove(uid, &mut fx);
                self.apply(cx, Actor::Hub, fx);
            }
            Internal::Controller(step) => {
                if let ControllerStep::NodeLifecycle(NodeLifecycleStep::Monitor {
                    node,
                    expired: true,
                }) = step
                {
                    // Late heartbeats are late once.
                    environment_mut(cx).slow_heartbeat.remove(node);
                }
                self.change_controller_manager(cx, Some(step.controller()), |process, fx| {
                    process.step(&self.config, step, fx);
                });
            }
            Internal::Scheduler(step) => {
                self.change_scheduler(cx, |scheduler, fx| scheduler.step(step, fx));
            }
            Internal::Kubelet(node, step) => {
                self.change_kubelet(cx, node, |kubelet, runtime, fx| {
                    kubelet.step(&self.config, step, runtime, fx);
                })
            }
            Internal::Runtime(node, step) => {
                self.change_runtime(cx, node, |runtime, fx| runtime.step(&self.config, step, fx));
            }
        }
    }

    fn serve(
        &self,
        cx: &mut Context<'_, Self>,
        from: ProcessId,
        orphan: bool,
        addressed: &Addressed,
    ) {
        let mut fx = Effects::default();
        let fresh = match addressed.request {
            Request::CreatePod { .. } => self.fresh_uid(cx.state()),
            _ => None,
        };
        let reply = api_server_mut(cx).serve(&self.config, &addressed.request, fresh, &mut fx);
        self.apply(cx, Actor::Hub, fx);
        if !orphan {
            self.reply(cx, from, addressed, &reply);
        }
    }

    fn subscribers(
        &self,
        at: &ClusterState,
        event: &WatchEvent,
        out: &mut Vec<(ProcessId, StreamId)>,
    ) {
        let queue = |process, stream: StreamId| at.link(process).streams[stream.0].as_ref();
        match event.object {
            Object::Pod(pod) => {
                out.push((CONTROLLER_MANAGER_PROCESS, PODS));
                // The scheduler reads nodeName and deletionTimestamp only.
                let same = |old: &Object| matches!(old, Object::Pod(old) if old.node == pod.node && old.is_terminating() == pod.is_terminating());
                let cached = scheduler(at).cache.pod(pod.uid).copied().map(Object::Pod);
                let modified = event.kind == models::objects::EventType::Modified;
                let known = queue(SCHEDULER_PROCESS, PODS)
                    .is_none_or(|queue| already_known(queue, event, same, cached));
                if !(modified && known) {
                    out.push((SCHEDULER_PROCESS, PODS));
                }
                if let Some(node) = pod.node
                    && queue(kubelet_process(node), PODS)
                        .is_some_and(|queue| !queue.is_empty() || !kubelet(at, node).knows(event))
                {
                    out.push((kubelet_process(node), PODS));
                }
            }
            Object::Node(node) => {
                out.push((CONTROLLER_MANAGER_PROCESS, NODES));
                let same = |old: &Object| matches!(old, Object::Node(old) if old.taints == node.taints && old.unschedulable == node.unschedulable);
                let cached = scheduler(at).cache.node(node.id).copied().map(Object::Node);
                if !queue(SCHEDULER_PROCESS, NODES)
                    .is_none_or(|queue| already_known(queue, event, same, cached))
                {
                    out.push((SCHEDULER_PROCESS, NODES));
                }
                let process = kubelet_process(node.id);
                if queue(process, NODES)
                    .is_some_and(|queue| !queue.is_empty() || !kubelet(at, node.id).knows(event))
                {
                    out.push((process, NODES));
                }
            }
            Object::ReplicaSet(_) => out.push((CONTROLLER_MANAGER_PROCESS, REPLICA_SETS)),
            Object::Deployment(_) => out.push((CONTROLLER_MANAGER_PROCESS, DEPLOYMENTS)),
        }
    }

    fn observe(&self, cx: &mut Context<'_, Self>, process: ProcessId, event: &WatchEvent) {
        match node_of(process) {
            Some(node) => self.change_kubelet(cx, node, |kubelet, runtime, fx| {
                kubelet.observe(&self.config, event, runtime, fx);
            }),
            None if process == CONTROLLER_MANAGER_PROCESS => {
                self.change_controller_manager(cx, None, |process, fx| {
                    process.observe(&self.config, event, fx)
                });
            }
            None => self.change_scheduler(cx, |scheduler, _| scheduler.observe(event)),
        }
    }

    fn fault(&self, cx: &mut Context<'_, Self>, fault: &Fault) {
        cx.rule(fault_rule(fault.kind).index() as u8);
        environment_mut(cx).spend(&self.config, fault.kind, fault.node);
        match (fault.kind, fault.node) {
            (_, Some(node)) => self.strike_node(cx, fault, node),
            (FaultKind::ControllerManagerCrash, None) => {
                cx.crash(CONTROLLER_MANAGER_PROCESS, fault.kept as usize);
                *controller_manager_mut(cx) = ControllerManager::dead(&self.config);
            }
            (FaultKind::ControllerManagerRestart, None) => {
                for stream in [PODS, NODES, REPLICA_SETS, DEPLOYMENTS] {
                    cx.connect(CONTROLLER_MANAGER_PROCESS, stream);
                }
                let listing = api_server(cx.state()).list();
                self.change_controller_manager(cx, None, |process, fx| {
                    *process = ControllerManager::start(&self.config, listing, fx);
                });
            }
            (_, None) => cx.error("a fault of a node struck the control plane"),
        }
    }

    fn remember(&self, cx: &mut Context<'_, Self>) {
        let (silent, due) = self.elapsed(cx.state());
        if silent != environment(cx.state()).silent {
            environment_mut(cx).silent = silent;
        }
        if due {
            controller_manager_mut(cx).taint_eviction.elapse();
        }
        let evictions = &controller_manager(cx.state()).taint_eviction;
        if evictions.timers.is_empty() && evictions.workers.is_empty() {
            return;
        }
        let api = cx.share(API_SERVER);
        let Local::ApiServer(api) = api.get() else {
            unreachable!("slots are laid out once, in start.rs")
        };
        for node in &api.nodes {
            if evictions_interrupted(self, cx.state(), node) {
                controller_manager_mut(cx).taint_eviction.note_interruption(
                    &self.config,
                    node.id,
                    node.taints,
                );
            }
        }
    }

    fn is_quiet(&self, at: &ClusterState) -> bool {
        quiet::is_quiet(&self.view(at))
    }
}
