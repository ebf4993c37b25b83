//! A stage on which the adaptors act: the star's part, what travels and whom it reaches, without the
//! star's handlers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use ::stateright::actor::{Actor, Command, Id, Out};
use models::actors::*;
use models::api_server::ApiServer;
use models::cloud;
use models::config::ClusterConfig;
use models::container_runtime::ContainerRuntime;
use models::faults::FaultKind;
use models::ids::NodeId;
use models::kube_controller_manager::ControllerManager;
use models::kubelet::Kubelet;
use models::objects::WatchEvent;
use models::operator::{self, Target};
use models::requests::{Listing, Request};
use models::scheduler::Scheduler;
use node_recovery::engine::star::{Action, Detail, Inbox, Lag, ProcessId, Star};
use node_recovery::scenario::cluster::{
    Addressed, CONTROLLER_MANAGER_PROCESS, Cluster, ClusterAction, ClusterState, Fault, Internal,
    Local, SCHEDULER_PROCESS, kubelet_process, node_of,
};

/// What a kubelet's adaptor is to do.
type ActOfKubelet<'a> =
    dyn FnOnce(&KubeletActor, &mut Cow<'_, KubeletOnNode>, &mut Out<KubeletActor>) + 'a;

/// The actors in one state of a run, and what they have said since.
pub struct Stage<'a> {
    cluster: &'a Cluster,
    config: Arc<ClusterConfig>,
    api: ApiServer,
    manager: ControllerManager,
    scheduler: Scheduler,
    kubelets: Vec<Kubelet>,
    runtimes: Vec<ContainerRuntime>,
    inboxes: Vec<Inbox<WatchEvent>>,
    environment: Local,
    /// Actors that a fault has put into another state, which no handler does.
    struck: BTreeSet<Id>,
    sent: Vec<(ProcessId, Addressed)>,
    events: Vec<WatchEvent>,
    pub unhandled: Option<&'static str>,
    /// What was driven, and how often.
    driven: &'a mut BTreeMap<&'static str, usize>,
}

fn environment_of(state: &ClusterState) -> Local {
    let found = state.locals().find(|local| matches!(local, Local::Environment(_)));
    found.cloned().unwrap()
}

impl<'a> Stage<'a> {
    pub fn of(
        cluster: &'a Cluster,
        config: Arc<ClusterConfig>,
        state: &ClusterState,
        driven: &'a mut BTreeMap<&'static str, usize>,
    ) -> Self {
        let view = cluster.view(state);
        Stage {
            cluster,
            api: view.api().clone(),
            manager: view.controller_manager().clone(),
            scheduler: view.scheduler().clone(),
            kubelets: config.node_ids().map(|node| view.kubelet(node).clone()).collect(),
            runtimes: config.node_ids().map(|node| view.runtime(node).clone()).collect(),
            inboxes: state.processes().map(|process| state.inbox(process).clone()).collect(),
            environment: environment_of(state),
            struck: BTreeSet::new(),
            sent: Vec::new(),
            events: Vec::new(),
            unhandled: None,
            driven,
            config,
        }
    }

    /// The state that the actors are in, for questions to the star.
    fn state(&self) -> ClusterState {
        let mut locals = vec![
            Local::ApiServer(self.api.clone()),
            self.environment.clone(),
            Local::ControllerManager(self.manager.clone()),
            Local::Scheduler(self.scheduler.clone()),
        ];
        for (kubelet, runtime) in self.kubelets.iter().zip(&self.runtimes) {
            locals.push(Local::Kubelet(kubelet.clone()));
            locals.push(Local::ContainerRuntime(runtime.clone()));
        }
        ClusterState::new(locals, self.inboxes.clone())
    }

    fn count(&mut self, what: &'static str) {
        *self.driven.entry(what).or_default() += 1;
    }

    fn api_actor(&self) -> ApiServerActor {
        // One watcher stands for all: the star knows whom an event concerns.
        let watchers = vec![controller_manager_id()];
        let stored = self.api.clone();
        ApiServerActor { config: Arc::clone(&self.config), stored, watchers }
    }

    fn scheduler_actor(&self) -> SchedulerActor {
        SchedulerActor { config: Arc::clone(&self.config), listing: Listing::default() }
    }

    fn manager_actor(&self, converged: bool) -> ControllerManagerActor {
        let listing = self.api.list();
        ControllerManagerActor { config: Arc::clone(&self.config), listing, converged }
    }

    fn kubelet_actor(&self, node: NodeId) -> KubeletActor {
        KubeletActor {
            config: Arc::clone(&self.config),
            node,
            connected: Cluster::is_connected(&self.state(), node),
            runtime: self.runtimes[node.0 as usize].clone(),
        }
    }

    fn runtime_actor(&self, node: NodeId, network: bool) -> ContainerRuntimeActor {
        ContainerRuntimeActor { config: Arc::clone(&self.config), node, network }
    }

    /// Lets the API server act; what it says is passed on.
    fn drive_api(
        &mut self,
        act: impl FnOnce(&ApiServerActor, &mut Cow<'_, ApiServer>, &mut Out<ApiServerActor>),
    ) {
        let (actor, mut out) = (self.api_actor(), Out::new());
        let before = self.api.clone();
        let mut state = Cow::Borrowed(&before);
        act(&actor, &mut state, &mut out);
        self.api = state.into_owned();
        let mut replies = Vec::new();
        for (to, message) in sent(out) {
            match message {
                Message::Event(event) => {
                    self.events.push(event);
                    self.deliver(&event);
                }
                Message::Unhandled(what) => self.unhandled = Some(what),
                reply => replies.push((to, reply)),
            }
        }
        for (to, reply) in replies {
            let Message::Reply { .. } = reply else { panic!("the hub sent {reply:?}") };
            // To a process that has died: nobody is there.
            if to != api_server_id() {
                self.to(to, reply);
            }
        }
    }

    /// An event enters the streams that it concerns, or is taken at once.
    fn deliver(&mut self, event: &WatchEvent) {
        let mut subscribers = Vec::new();
        self.cluster.subscribers(event, &mut subscribers);
        for (process, stream) in subscribers {
            let Some(queue) = self.inboxes[process.0].0[stream.0].clone() else { continue };
            if !self.cluster.concerns(&self.state(), process, &queue, event) {
                continue;
            }
            if self.cluster.lag() == Lag::Fresh {
                self.to(id_of(process), Message::Event(*event));
            } else {
                self.inboxes[process.0].0[stream.0].as_mut().unwrap().push_back(*event);
            }
        }
    }

    /// A message reaches a client of the API server.
    pub fn to(&mut self, to: Id, message: Message) {
        let hub = api_server_id();
        self.count(match message {
            Message::Event(_) => "event",
            Message::Reply { .. } => "reply",
            Message::Disconnected => "disconnection",
            _ => "other",
        });
        if to == controller_manager_id() {
            self.drive_manager(|actor, state, out| actor.on_msg(to, state, hub, message, out));
        } else if to == scheduler_id() {
            self.drive_scheduler(|actor, state, out| actor.on_msg(to, state, hub, message, out));
        } else {
            let node = self.node_with(to);
            self.drive_kubelet(node, |actor, state, out| {
                actor.on_msg(to, state, hub, message, out)
            });
        }
    }

    fn node_with(&self, kubelet: Id) -> NodeId {
        self.config.node_ids().find(|node| kubelet_id(*node) == kubelet).unwrap()
    }

    fn drive_manager(
        &mut self,
        act: impl FnOnce(
            &ControllerManagerActor,
            &mut Cow<'_, ControllerManager>,
            &mut Out<ControllerManagerActor>,
        ),
    ) {
        let (actor, mut out) = (self.manager_actor(true), Out::new());
        let before = self.manager.clone();
        let mut state = Cow::Borrowed(&before);
        act(&actor, &mut state, &mut out);
        self.manager = state.into_owned();
        self.take_requests(CONTROLLER_MANAGER_PROCESS, sent(out));
    }

    fn drive_scheduler(
        &mut self,
        act: impl FnOnce(&SchedulerActor, &mut Cow<'_, Scheduler>, &mut Out<SchedulerActor>),
    ) {
        let (actor, mut out) = (self.scheduler_actor(), Out::new());
        let before = self.scheduler.clone();
        let mut state = Cow::Borrowed(&before);
        act(&actor, &mut state, &mut out);
        self.scheduler = state.into_owned();
        self.take_requests(SCHEDULER_PROCESS, sent(out));
    }

    /// Lets a kubelet act, which has just looked at its runtime; its calls reach the runtime.
    fn drive_kubelet(
        &mut self,
        node: NodeId,
        act: impl FnOnce(&KubeletActor, &mut Cow<'_, KubeletOnNode>, &mut Out<KubeletActor>),
    ) {
        let at = node.0 as usize;
        let (actor, mut out) = (self.kubelet_actor(node), Out::new());
        let kubelet = self.kubelets[at].clone();
        let before = KubeletOnNode { kubelet, seen: ContainerRuntime::default() };
        let mut state = Cow::Borrowed(&before);
        let answer = Message::Seen(self.runtimes[at].clone());
        let (own, runtime) = (kubelet_id(node), container_runtime_id(node));
        actor.on_msg(own, &mut state, runtime, answer, &mut out);
        act(&actor, &mut state, &mut out);
        self.kubelets[at] = state.into_owned().kubelet;
        let (calls, others): (Vec<_>, Vec<_>) =
            sent(out).into_iter().partition(|(to, _)| *to == runtime);
        self.take_requests(kubelet_process(node), others);
        for (_, call) in calls {
            self.count("call");
            self.drive_runtime(node, |actor, state, out| {
                actor.on_msg(runtime, state, own, call, out);
            });
        }
    }

    fn drive_runtime(
        &mut self,
        node: NodeId,
        act: impl FnOnce(
            &ContainerRuntimeActor,
            &mut Cow<'_, ContainerRuntime>,
            &mut Out<ContainerRuntimeActor>,
        ),
    ) {
        let at = node.0 as usize;
        let (actor, mut out) = (self.runtime_actor(node, true), Out::new());
        let before = self.runtimes[at].clone();
        let mut state = Cow::Borrowed(&before);
        act(&actor, &mut state, &mut out);
        self.runtimes[at] = state.into_owned();
        for command in out {
            match command {
                Command::Save(disk) => assert_eq!(disk, self.runtimes[at]),
                Command::Send(_, Message::Unhandled(what)) => self.unhandled = Some(what),
                Command::Send(to, message @ Message::Worked(..)) if to == kubelet_id(node) => {
                    let from = container_runtime_id(node);
                    let hear: Box<ActOfKubelet> =
                        Box::new(|actor, state, out| actor.on_msg(to, state, from, message, out));
                    self.drive_kubelet(node, hear);
                }
                other => panic!("a container runtime said {other:?}"),
            }
        }
    }

    fn take_requests(&mut self, process: ProcessId, sent: Vec<(Id, Message)>) {
        for (to, message) in sent {
            assert_eq!(to, api_server_id(), "{message:?}");
            match message {
                Message::Request { controller, request, fresh: None } => {
                    self.sent.push((process, Addressed { controller, request }));
                }
                Message::Unhandled(what) => self.unhandled = Some(what),
                other => panic!("a client of the API server sent {other:?}"),
            }
        }
    }

    /// Does a step of the star.
    pub fn play(&mut self, before: &ClusterState, action: &ClusterAction) {
        match action {
            Action::Serve(process, request) => self.serve(before, id_of(*process), *request),
            Action::ServeOrphan(_, request) => self.serve(before, api_server_id(), *request),
            Action::Observe(process, stream) => {
                let queue = self.inboxes[process.0].0[stream.0].as_mut().unwrap();
                let event = queue.pop_front().unwrap();
                self.to(id_of(*process), Message::Event(event));
            }
            Action::Internal(step) => self.internal(before, step),
            Action::Fault(fault) if fault.kind.is_by_operator() => self.operate(before, fault),
            Action::Fault(fault) => self.strike(fault),
        }
    }

    /// What people ask is a request like any other, whose answer nobody waits for.
    fn operate(&mut self, before: &ClusterState, fault: &Fault) {
        let pod = fault.pod.map(|uid| self.cluster.view(before).api().pod(uid).unwrap().name);
        let target = fault.node.map(Target::Node).or(pod.map(Target::Pod));
        let target = target.unwrap_or(Target::Workload);
        let request = operator::request(&self.config, fault.kind, target).unwrap();
        self.serve(before, api_server_id(), Addressed { controller: None, request });
    }

    /// A request of somebody outside the cluster: it creates no pods.
    fn serve_outside(&mut self, request: Request) {
        let message = Message::Request { controller: None, request, fresh: None };
        self.drive_api(|actor, state, out| {
            actor.on_msg(api_server_id(), state, api_server_id(), message, out);
        });
    }

    fn serve(&mut self, before: &ClusterState, from: Id, addressed: Addressed) {
        self.count("request");
        let Addressed { controller, request } = addressed;
        let creates = matches!(request, Request::CreatePod { .. });
        let fresh = if creates { self.cluster.fresh_uid(before) } else { None };
        let message = Message::Request { controller, request, fresh };
        self.drive_api(|actor, state, out| {
            actor.on_msg(api_server_id(), state, from, message, out);
        });
    }

    fn internal(&mut self, before: &ClusterState, step: &Internal) {
        match *step {
            Internal::RemovePod(uid) => {
                self.count("timer of the API server");
                let id = api_server_id();
                self.drive_api(|actor, state, out| actor.on_timeout(id, state, &uid, out));
            }
            Internal::Controller(step) => {
                self.count("timer of the controller manager");
                let id = controller_manager_id();
                self.drive_manager(|actor, state, out| actor.on_timeout(id, state, &step, out));
            }
            Internal::Evict(uid) => {
                let name = self.cluster.view(before).api().pod(uid).unwrap().name;
                self.serve_outside(Request::EvictPod { name });
            }
            Internal::PowerDown(node) => {
                self.struck.insert(kubelet_id(node));
                self.struck.insert(container_runtime_id(node));
            }
            Internal::Cloud(step) => {
                let request = cloud::request(&self.config, step);
                self.serve_outside(request);
            }
            Internal::Scheduler(step) => {
                self.count("timer of the scheduler");
                let id = scheduler_id();
                self.drive_scheduler(|actor, state, out| actor.on_timeout(id, state, &step, out));
            }
            Internal::Kubelet(node, step) => {
                self.count("timer of a kubelet");
                let id = kubelet_id(node);
                self.drive_kubelet(node, |actor, state, out| {
                    actor.on_timeout(id, state, &step, out);
                });
            }
            Internal::Runtime(node, step) => {
                self.count("timer of a container runtime");
                let id = container_runtime_id(node);
                self.drive_runtime(node, |actor, state, out| {
                    actor.on_timeout(id, state, &step, out);
                });
            }
        }
    }

    /// A fault ends actors, or starts them; only the latter is up to them.
    fn strike(&mut self, fault: &Fault) {
        let Some(node) = fault.node else {
            if fault.kind == FaultKind::ControllerManagerRestart {
                self.count("start of the controller manager");
                let mut out = Out::new();
                let actor = self.manager_actor(false);
                self.manager = actor.on_start(controller_manager_id(), &None, &mut out);
                self.take_requests(CONTROLLER_MANAGER_PROCESS, sent(out));
            } else {
                self.struck.insert(controller_manager_id());
            }
            return;
        };
        match fault.kind {
            FaultKind::PowerOn | FaultKind::PowerOnNoNetwork => {
                self.count("boot");
                let actor = self.runtime_actor(node, fault.kind == FaultKind::PowerOn);
                let disk = Some(self.runtimes[node.0 as usize].clone());
                let id = container_runtime_id(node);
                self.runtimes[node.0 as usize] = actor.on_start(id, &disk, &mut Out::new());
                self.start_kubelet(node);
            }
            FaultKind::KubeletCrash => {
                let id = container_runtime_id(node);
                self.drive_runtime(node, |actor, state, out| {
                    actor.on_msg(id, state, kubelet_id(node), Message::Disconnected, out);
                });
                self.struck.insert(kubelet_id(node));
            }
            FaultKind::KubeletRestart => self.start_kubelet(node),
            FaultKind::Partition => self.to(kubelet_id(node), Message::Disconnected),
            _ => {
                self.struck.insert(kubelet_id(node));
                self.struck.insert(container_runtime_id(node));
            }
        }
    }

    fn start_kubelet(&mut self, node: NodeId) {
        self.count("start of a kubelet");
        let mut out = Out::new();
        let started = self.kubelet_actor(node).on_start(kubelet_id(node), &None, &mut out);
        assert!(sent(out).is_empty());
        assert_eq!(started.seen, self.runtimes[node.0 as usize]);
        self.kubelets[node.0 as usize] = started.kubelet;
    }

    /// The star came to the same.
    pub fn compare(&mut self, detail: &Detail<Cluster>, what: &str) {
        let view = self.cluster.view(&detail.step.state);
        self.take_over_history(view.controller_manager());
        assert_eq!(self.api, *view.api(), "{what}");
        if !self.struck.contains(&controller_manager_id()) {
            assert_eq!(self.manager, *view.controller_manager(), "{what}");
        }
        assert_eq!(self.scheduler, *view.scheduler(), "{what}");
        for node in self.config.node_ids() {
            if !self.struck.contains(&kubelet_id(node)) {
                assert_eq!(self.kubelets[node.0 as usize], *view.kubelet(node), "{what}");
                assert_eq!(self.runtimes[node.0 as usize], *view.runtime(node), "{what}");
            }
        }
        assert_eq!(self.sent, detail.sent, "{what}: requests");
        assert_eq!(self.events, detail.events, "{what}: events");
        assert_eq!(self.unhandled, detail.step.error, "{what}: errors");
    }

    /// At the end of a step the star notes which timers may be due and which evictions were
    /// interrupted, or unfounded: guards and history, which no handler reads.
    fn take_over_history(&mut self, theirs: &ControllerManager) {
        self.manager.pod_gc.ripe = theirs.pod_gc.ripe;
        let known = self.manager.attach_detach.known.iter_mut();
        for (own, theirs) in known.zip(&theirs.attach_detach.known) {
            own.overdue = theirs.overdue;
        }
        let theirs = &theirs.taint_eviction;
        let own = &mut self.manager.taint_eviction;
        for (own, theirs) in own.timers.iter_mut().zip(&theirs.timers) {
            own.due = theirs.due;
            own.outlasts = theirs.outlasts;
            own.cause.interrupted = theirs.cause.interrupted;
            own.cause.unfounded = theirs.cause.unfounded;
        }
        for (own, theirs) in own.workers.iter_mut().zip(&theirs.workers) {
            own.cause.interrupted = theirs.cause.interrupted;
            own.cause.unfounded = theirs.cause.unfounded;
        }
    }
}

fn id_of(process: ProcessId) -> Id {
    match node_of(process) {
        Some(node) => kubelet_id(node),
        None if process == CONTROLLER_MANAGER_PROCESS => controller_manager_id(),
        None => scheduler_id(),
    }
}

/// The messages among what an actor said. It says nothing else: no timers, nothing random.
pub fn sent<A: Actor<Msg = Message, Random = Infallible>>(out: Out<A>) -> Vec<(Id, Message)> {
    let message = |command| match command {
        Command::Send(to, message) => (to, message),
        Command::ChooseRandom(_, choices) => match choices.first() {
            Some(impossible) => match *impossible {},
            None => panic!("an actor withdrew a random choice"),
        },
        Command::SetTimer(..) | Command::CancelTimer(_) | Command::Save(_) => {
            panic!("an actor set a timer, or saved something")
        }
    };
    out.into_iter().map(message).collect()
}
