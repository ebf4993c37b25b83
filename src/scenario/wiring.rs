//! How the actors of a cluster are wired: requests, replies and events find their way, and the
//! effects of a handler are carried out.

use std::collections::VecDeque;

use models::cloud;
use models::config::{ClusterConfig, WatchMode};
use models::container_runtime::{Call, ContainerRuntime};
use models::effects::Effects;
use models::ids::{NodeId, PodUid};
use models::kube_controller_manager::{Controller, ControllerManager, ControllerStep};
use models::kubelet::{Kubelet, KubeletStep};
use models::node_lifecycle::NodeLifecycleStep;
use models::objects::{EventType, Object, Pod, WatchEvent};
use models::requests::{Reply, Request};
use models::rules::Rule;
use models::scheduler::{Scheduler, of_interest};

use crate::engine::star::{Context, Lag, PartId, ProcessId, Settle, Star, StreamId, Symmetries};
use crate::scenario::cluster::*;
use crate::scenario::{quiet, start};

/// Whose handler ran.
pub(super) enum Actor {
    /// The API server, or an actor that sends no requests.
    Hub,
    /// One of the controllers.
    Controller(Option<Controller>),
    /// The scheduler.
    Scheduler,
    /// A kubelet.
    Node(NodeId),
}

impl Cluster {
    /// Takes over what a handler did: rules, requests, events, calls to the node's runtime.
    pub(super) fn apply(&self, cx: &mut Context<'_, Self>, by: Actor, fx: Effects) {
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
            let worker = kubelet(cx.state(), node).pod(uid);
            let worker = worker.map(|worker| (worker.name, worker.template));
            let known = runtime(cx.state(), node).pod(uid).map(|pod| (pod.name, pod.template));
            match worker.or(known) {
                Some((name, template)) => {
                    runtime_mut(cx, node).accept((uid, name), template, call, &mut fx);
                }
                None if call == Call::Remove => {}
                None => cx.error("a runtime was called for a pod that nobody knows"),
            }
        }
        self.apply(cx, Actor::Hub, fx);
    }

    pub(super) fn change_kubelet(
        &self,
        cx: &mut Context<'_, Self>,
        node: NodeId,
        change: impl FnOnce(&mut Kubelet, &ContainerRuntime, &mut Effects),
    ) {
        let mut fx = Effects::default();
        let (kubelet, runtime) = cx.modify_beside(kubelet_slot(node), runtime_slot(node));
        let (Local::Kubelet(kubelet), Local::ContainerRuntime(runtime)) = (kubelet, runtime.get())
        else {
            unreachable!("slots are laid out once, in start.rs")
        };
        change(kubelet, runtime, &mut fx);
        self.apply(cx, Actor::Node(node), fx);
    }

    pub(super) fn change_controller_manager(
        &self,
        cx: &mut Context<'_, Self>,
        controller: Option<Controller>,
        change: impl FnOnce(&mut ControllerManager, &mut Effects),
    ) {
        let mut fx = Effects::default();
        change(controller_manager_mut(cx), &mut fx);
        self.apply(cx, Actor::Controller(controller), fx);
    }

    pub(super) fn change_scheduler(
        &self,
        cx: &mut Context<'_, Self>,
        change: impl FnOnce(&mut Scheduler, &mut Effects),
    ) {
        let mut fx = Effects::default();
        change(scheduler_mut(cx), &mut fx);
        self.apply(cx, Actor::Scheduler, fx);
    }

    pub(super) fn change_runtime(
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
}

/// Whether the scheduler, which reads little of an object, would learn nothing from an event.
fn scheduler_knows(
    config: &ClusterConfig,
    scheduler: &Scheduler,
    queue: &VecDeque<WatchEvent>,
    event: &WatchEvent,
) -> bool {
    let queued = |same: &dyn Fn(&Object) -> bool| {
        queue.iter().rev().map(|queued| queued.object).find(|object| same(object))
    };
    let phase = |pod: &Pod| of_interest(config, pod).status.phase;
    match event.object {
        Object::Pod(pod) => {
            let last = queued(&|object| matches!(object, Object::Pod(old) if old.uid == pod.uid));
            let last = last.or(scheduler.cache.pod(pod.uid).copied().map(Object::Pod));
            event.kind == EventType::Modified
                && matches!(last, Some(Object::Pod(old)) if old.node == pod.node
                    && old.is_terminating() == pod.is_terminating()
                    && phase(&old) == phase(&pod))
        }
        Object::Node(node) => {
            let last = queued(&|object| matches!(object, Object::Node(old) if old.id == node.id));
            let last = last.or(scheduler.cache.node(node.id).copied().map(Object::Node));
            event.kind == EventType::Modified
                && matches!(last, Some(Object::Node(old)) if old.taints == node.taints && old.unschedulable == node.unschedulable)
        }
        Object::ReplicaSet(_)
        | Object::Deployment(_)
        | Object::StatefulSet(_)
        | Object::DaemonSet(_)
        | Object::Job(_)
        | Object::VolumeAttachment(_) => true,
    }
}

impl Star for Cluster {
    type Local = Local;
    type Request = Addressed;
    type Event = WatchEvent;
    type Internal = Internal;
    type Fault = Fault;
    type Task = Task;
    type Probe = Probe;

    fn lag(&self) -> Lag {
        match self.config.watch {
            WatchMode::Fresh => Lag::Fresh,
            WatchMode::Lag(bound) => Lag::AtMost(bound as usize),
            WatchMode::Unbounded => Lag::Unbounded,
        }
    }

    fn initial(&self) -> Vec<ClusterState> {
        let starts = start::initial(&self.config).into_iter();
        starts.map(|(actors, inboxes)| ClusterState::new(actors, inboxes)).collect()
    }

    fn internal_parts(&self) -> usize {
        3 + 2 * self.config.nodes.len()
    }

    fn internals(&self, at: &ClusterState, part: PartId, out: &mut Vec<Internal>) {
        match part.0 {
            0 => {
                out.extend(api_server(at).removing.iter().map(Internal::RemovePod));
                self.outside_steps(at, out);
            }
            1 => {
                // NLC-3: only a lease that is really not renewed, or late by a fault, runs out.
                let may_expire = environment(at).silent;
                let mut steps = Vec::new();
                controller_manager(at).steps(&self.config, may_expire, &mut steps);
                out.extend(steps.into_iter().map(Internal::Controller));
            }
            2 => {
                let mut steps = Vec::new();
                scheduler(at).steps(&self.config, &mut steps);
                out.extend(steps.into_iter().map(Internal::Scheduler));
            }
            part => {
                let node = NodeId(((part - 3) / 2) as u8);
                let runtime = runtime(at, node);
                if part % 2 == 1 {
                    let connected = Self::is_connected(at, node);
                    let mut steps = Vec::new();
                    kubelet(at, node).steps(&self.config, runtime, connected, &mut steps);
                    out.extend(steps.into_iter().map(|step| Internal::Kubelet(node, step)));
                } else {
                    let mut steps = Vec::new();
                    runtime.steps(&self.config, &mut steps);
                    out.extend(steps.into_iter().map(|step| Internal::Runtime(node, step)));
                    out.extend(self.powers_down(at, node).then_some(Internal::PowerDown(node)));
                }
            }
        }
    }

    fn is_of_hub(&self, step: &Internal) -> bool {
        matches!(step, Internal::RemovePod(_) | Internal::Evict(_) | Internal::Cloud(_))
    }

    fn fault_is_of_hub(&self, fault: &Fault) -> bool {
        fault.kind.is_by_operator()
    }

    fn overtakes(&self, later: &Addressed, earlier: &Addressed) -> bool {
        // Each worker of a process waits for its own replies only. One goroutine writes what nodes
        // say of their volumes, and asks before it detaches.
        let of_volumes = Some(Controller::AttachDetach);
        later.controller != of_volumes || earlier.controller != of_volumes
    }

    fn rank(&self, Addressed { controller, request }: &Addressed) -> u8 {
        const CONTROLLERS: u8 = 16;
        match (controller, request) {
            (_, Request::PatchNodeTaints { writer, .. }) => 2 * CONTROLLERS + *writer as u8,
            (_, Request::PutPodNotReady { .. }) => CONTROLLERS - 1,
            (Some(controller), _) => CONTROLLERS + *controller as u8,
            // The parts of a kubelet.
            (None, Request::ListPodsOfNode { .. }) => 1,
            (None, Request::PatchNodeStatus { .. }) => 2,
            (None, Request::GetAttachedVolumes { .. }) => 3,
            (None, Request::GetNode { .. } | Request::RegisterNode { .. }) => 4,
            (None, _) => 0,
        }
    }

    fn can_serve(&self, at: &ClusterState, addressed: &Addressed) -> bool {
        !matches!(addressed.request, Request::CreatePod { .. }) || self.fresh_uid(at).is_some()
    }

    fn fault_parts(&self) -> usize {
        1 + self.config.nodes.len()
    }

    fn faults(&self, at: &ClusterState, part: PartId, out: &mut Vec<Fault>) {
        match part.0.checked_sub(1) {
            None => {
                self.control_plane_faults(at, out);
                self.pod_operations(at, out);
                self.workload_operations(at, out);
            }
            Some(node) => {
                let node = NodeId(node as u8);
                self.node_faults(at, node, out);
                self.node_operations(at, node, out);
            }
        }
    }

    fn internal(&self, cx: &mut Context<'_, Self>, step: &Internal) {
        match *step {
            Internal::RemovePod(uid) => {
                let mut fx = Effects::default();
                api_server_mut(cx).remove(uid, &mut fx);
                if environment(cx.state()).evicting.contains(uid) {
                    environment_mut(cx).evicting.remove(uid);
                }
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
            Internal::Evict(uid) => self.evict(cx, uid),
            Internal::PowerDown(node) => self.power_down(cx, node),
            Internal::Cloud(step) => {
                cx.rule(Rule::Cn1.index() as u8);
                self.ask(cx, &cloud::request(&self.config, step));
            }
            Internal::Scheduler(step) => {
                self.change_scheduler(cx, |scheduler, fx| scheduler.step(&self.config, step, fx));
            }
            Internal::Kubelet(node, step) => {
                self.change_kubelet(cx, node, |kubelet, runtime, fx| {
                    kubelet.step(&self.config, step, runtime, fx);
                })
            }
            Internal::Runtime(node, step) => {
                self.change_runtime(cx, node, |runtime, fx| runtime.step(&self.config, step, fx));
                if kubelet(cx.state(), node).notices(step.uid(), runtime(cx.state(), node)) {
                    self.change_kubelet(cx, node, |kubelet, runtime, fx| {
                        kubelet.step(&self.config, KubeletStep::Relist(step.uid()), runtime, fx);
                    });
                }
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
            cx.then(Task::Reply(from, *addressed, reply));
        }
    }

    fn task(&self, cx: &mut Context<'_, Self>, task: &Task) {
        match task {
            Task::Reply(process, addressed, reply) => self.reply(cx, *process, addressed, reply),
            Task::Elapse { silent, due } => {
                environment_mut(cx).silent = *silent;
                if *due {
                    self.evictions_due(cx);
                }
            }
            Task::EndOutages(nodes) => environment_mut(cx).end_outages(*nodes),
            Task::NoteInterruptions => self.note_interruptions(cx),
        }
    }

    fn subscribers(&self, event: &WatchEvent, out: &mut Vec<(ProcessId, StreamId)>) {
        match event.object {
            Object::Pod(pod) => {
                out.extend([(CONTROLLER_MANAGER_PROCESS, PODS), (SCHEDULER_PROCESS, PODS)]);
                out.extend(pod.node.map(|node| (kubelet_process(node), PODS)));
            }
            Object::Node(node) => out.extend([
                (CONTROLLER_MANAGER_PROCESS, NODES),
                (SCHEDULER_PROCESS, NODES),
                (kubelet_process(node.id), NODES),
            ]),
            Object::ReplicaSet(_) => out.push((CONTROLLER_MANAGER_PROCESS, REPLICA_SETS)),
            Object::Deployment(_) => out.push((CONTROLLER_MANAGER_PROCESS, DEPLOYMENTS)),
            Object::StatefulSet(_) => out.push((CONTROLLER_MANAGER_PROCESS, STATEFUL_SETS)),
            Object::DaemonSet(_) => out.push((CONTROLLER_MANAGER_PROCESS, DAEMON_SETS)),
            Object::Job(_) => out.push((CONTROLLER_MANAGER_PROCESS, JOBS)),
            Object::VolumeAttachment(_) => {
                out.push((CONTROLLER_MANAGER_PROCESS, VOLUME_ATTACHMENTS))
            }
        }
    }

    fn concerns(
        &self,
        at: &ClusterState,
        process: ProcessId,
        queue: &VecDeque<WatchEvent>,
        event: &WatchEvent,
    ) -> bool {
        match node_of(process) {
            Some(node) => !queue.is_empty() || !kubelet(at, node).knows(&self.config, event),
            None if process == SCHEDULER_PROCESS => {
                !scheduler_knows(&self.config, scheduler(at), queue, event)
            }
            None => true,
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
            None => {
                self.change_scheduler(cx, |scheduler, _| scheduler.observe(&self.config, event))
            }
        }
    }

    fn fault(&self, cx: &mut Context<'_, Self>, fault: &Fault) {
        self.strike(cx, fault);
    }

    fn settle(&self, at: &mut dyn Settle<Self>) {
        self.pass_time(at);
    }

    fn probe(&self, at: &ClusterState, probe: &Probe) -> u64 {
        self.answer(at, *probe)
    }

    fn is_quiet(&self, at: &ClusterState) -> bool {
        quiet::is_quiet(&self.view(at))
    }

    // Nothing is said of what actions may touch (`reach`): each ends with `settle`, which looks at
    // all actors and channels until it finds something prompt, and may change the timers of the
    // controller manager. No action can wait for another.

    fn symmetries(&self) -> Symmetries<Self> {
        // Nodes that are alike differ once something has happened to one of them. Pods are mostly
        // told apart by their ages, or created in an order.
        let symmetry = |by| self.symmetry(by);
        let [sure, others] = self.renamings().map(|of| of.into_iter().map(symmetry).collect());
        Symmetries { sure, others }
    }
}
