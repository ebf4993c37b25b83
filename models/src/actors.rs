//! The components as actors of stateright: thin adaptors, one for each component.
//!
//! A message is what reaches a component: a request, a reply, a watch event, a call to a container
//! runtime. A timer is a step that a component takes by itself. What it has to say is sent to the
//! API server, and by a kubelet also to the container runtime of its node. Nothing is ever left to
//! a random choice: that type has no values.
//!
//! The adaptors set no timers. Whether a step can be taken depends on more than its actor (power,
//! cables, a lease that somebody renews), and stateright's timers know no such guards; who drives
//! the actors asks the components for their `steps`. Nor do commands have a place for the rules that
//! a step implements: who wants those calls the components themselves.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use stateright::actor::{Actor, Id, Out};

use crate::api_server::ApiServer;
use crate::config::ClusterConfig;
use crate::container_runtime::{Call, ContainerRuntime, RuntimeStep};
use crate::effects::Effects;
use crate::ids::{NodeId, PodName, PodUid, TemplateId};
use crate::kube_controller_manager::{Controller, ControllerManager, ControllerStep};
use crate::kubelet::{Kubelet, KubeletStep};
use crate::objects::WatchEvent;
use crate::requests::{Listing, Reply, Request};
use crate::scheduler::{Scheduler, SchedulerStep};

/// What travels between actors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// To the API server.
    Request {
        /// Which controller asks, if it is one.
        controller: Option<Controller>,
        /// What is asked.
        request: Request,
        /// For a pod that is created: a uid that nothing names, chosen by who knows all names.
        fresh: Option<PodUid>,
    },
    /// From the API server, to who asked.
    Reply {
        /// Which controller asked, if it was one.
        controller: Option<Controller>,
        /// What was asked.
        request: Request,
        /// The answer.
        reply: Reply,
    },
    /// From the API server, to who watches.
    Event(WatchEvent),
    /// From a kubelet to its container runtime.
    Call {
        /// Whose containers.
        pod: (PodUid, PodName),
        /// Their spec.
        template: TemplateId,
        /// What is to be done.
        call: Call,
    },
    /// What a container runtime answers when its kubelet asks how things are.
    Seen(ContainerRuntime),
    /// How things are after a container runtime has worked on a pod.
    Worked(PodUid, ContainerRuntime),
    /// To a kubelet: its connections are gone. To a container runtime: its kubelet is.
    Disconnected,
    /// To the API server, from an actor that got a message which it cannot handle: an error of the
    /// model.
    Unhandled(&'static str),
}

/// The API server's address.
pub fn api_server_id() -> Id {
    Id::from(0)
}

/// The controller manager's address.
pub fn controller_manager_id() -> Id {
    Id::from(1)
}

/// The scheduler's address.
pub fn scheduler_id() -> Id {
    Id::from(2)
}

/// The address of a node's kubelet.
pub fn kubelet_id(node: NodeId) -> Id {
    Id::from(3 + 2 * node.0 as usize)
}

/// The address of a node's container runtime.
pub fn container_runtime_id(node: NodeId) -> Id {
    Id::from(4 + 2 * node.0 as usize)
}

/// Runs a handler; a state that it does not change stays borrowed, which is how stateright knows.
fn change<S: Clone + PartialEq>(
    state: &mut Cow<'_, S>,
    handler: impl FnOnce(&mut S, &mut Effects),
) -> Effects {
    let mut fx = Effects::default();
    let mut next = S::clone(state);
    handler(&mut next, &mut fx);
    if next != **state {
        *state = Cow::Owned(next);
    }
    fx
}

/// Sends the requests of a client, and says if it could not handle something.
fn send_requests<A: Actor<Msg = Message>>(
    out: &mut Out<A>,
    controller: Option<Controller>,
    fx: &Effects,
) {
    for &request in &fx.requests {
        out.send(api_server_id(), Message::Request { controller, request, fresh: None });
    }
    send_error(out, fx);
}

fn send_error<A: Actor<Msg = Message>>(out: &mut Out<A>, fx: &Effects) {
    if let Some(what) = fx.unhandled {
        out.send(api_server_id(), Message::Unhandled(what));
    }
}

/// The API server and etcd.
#[derive(Clone, Debug)]
pub struct ApiServerActor {
    /// What does not change.
    pub config: Arc<ClusterConfig>,
    /// What etcd holds at the start.
    pub stored: ApiServer,
    /// Who watches. Which events concern whom is up to the network.
    pub watchers: Vec<Id>,
}

impl ApiServerActor {
    fn publish(&self, out: &mut Out<Self>, fx: &Effects) {
        for event in &fx.events {
            out.broadcast(&self.watchers, &Message::Event(*event));
        }
        send_error(out, fx);
    }
}

impl Actor for ApiServerActor {
    type Msg = Message;
    /// ST-2: the second write of a deletion.
    type Timer = PodUid;
    type State = ApiServer;
    type Storage = ();
    type Random = Infallible;

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Self>) -> ApiServer {
        self.stored.clone()
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, ApiServer>,
        from: Id,
        message: Message,
        out: &mut Out<Self>,
    ) {
        let mut answer = None;
        let fx = change(state, |store, fx| match message {
            Message::Request { controller, request, fresh } => {
                let reply = store.serve(&self.config, &request, fresh, fx);
                answer = Some(Message::Reply { controller, request, reply });
            }
            _ => {
                fx.unhandled("the API server takes requests only");
            }
        });
        self.publish(out, &fx);
        if let Some(answer) = answer {
            out.send(from, answer);
        }
    }

    fn on_timeout(&self, _: Id, state: &mut Cow<'_, ApiServer>, uid: &PodUid, out: &mut Out<Self>) {
        let fx = change(state, |store, fx| store.remove(*uid, fx));
        self.publish(out, &fx);
    }

    fn name(&self) -> String {
        "api-server".to_string()
    }
}

/// kube-controller-manager.
#[derive(Clone, Debug)]
pub struct ControllerManagerActor {
    /// What does not change.
    pub config: Arc<ClusterConfig>,
    /// What its informers list first.
    pub listing: Listing,
    /// Whether it has been running since before the start, rather than being new.
    pub converged: bool,
}

impl Actor for ControllerManagerActor {
    type Msg = Message;
    type Timer = ControllerStep;
    type State = ControllerManager;
    type Storage = ();
    type Random = Infallible;

    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> ControllerManager {
        if self.converged {
            return ControllerManager::converged(&self.config, self.listing.clone());
        }
        let mut fx = Effects::default();
        let process = ControllerManager::start(&self.config, self.listing.clone(), &mut fx);
        send_requests(out, None, &fx);
        process
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, ControllerManager>,
        _: Id,
        message: Message,
        out: &mut Out<Self>,
    ) {
        let mut controller = None;
        let fx = change(state, |process, fx| match message {
            Message::Event(event) => process.observe(&self.config, &event, fx),
            Message::Reply { controller: Some(asker), request, reply } => {
                controller = Some(asker);
                process.reply(&self.config, asker, &request, &reply, fx);
            }
            _ => {
                fx.unhandled("the controller manager takes events and replies only");
            }
        });
        send_requests(out, controller, &fx);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, ControllerManager>,
        step: &ControllerStep,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |process, fx| process.step(&self.config, *step, fx));
        send_requests(out, Some(step.controller()), &fx);
    }

    fn name(&self) -> String {
        "controller-manager".to_string()
    }
}

/// kube-scheduler.
#[derive(Clone, Debug)]
pub struct SchedulerActor {
    /// What does not change.
    pub config: Arc<ClusterConfig>,
    /// What its informers list first.
    pub listing: Listing,
}

impl Actor for SchedulerActor {
    type Msg = Message;
    type Timer = SchedulerStep;
    type State = Scheduler;
    type Storage = ();
    type Random = Infallible;

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Self>) -> Scheduler {
        Scheduler::with_cache(&self.config, self.listing.clone())
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, Scheduler>,
        _: Id,
        message: Message,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |scheduler, fx| match message {
            Message::Event(event) => scheduler.observe(&self.config, &event),
            Message::Reply { request, reply, .. } => scheduler.reply(&request, &reply, fx),
            _ => {
                fx.unhandled("the scheduler takes events and replies only");
            }
        });
        send_requests(out, None, &fx);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, Scheduler>,
        step: &SchedulerStep,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |scheduler, fx| scheduler.step(&self.config, *step, fx));
        send_requests(out, None, &fx);
    }

    fn name(&self) -> String {
        "scheduler".to_string()
    }
}

/// A kubelet, and what it last saw of its container runtime.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KubeletOnNode {
    /// The process.
    pub kubelet: Kubelet,
    /// The runtime, as it last answered.
    pub seen: ContainerRuntime,
}

/// The kubelet of one node.
#[derive(Clone, Debug)]
pub struct KubeletActor {
    /// What does not change.
    pub config: Arc<ClusterConfig>,
    /// Which node.
    pub node: NodeId,
    /// Whether there is a network when it starts.
    pub connected: bool,
    /// The runtime that it finds.
    pub runtime: ContainerRuntime,
}

impl KubeletActor {
    fn send(&self, out: &mut Out<Self>, state: &KubeletOnNode, fx: &Effects) {
        send_requests(out, None, fx);
        for &(uid, call) in &fx.calls {
            let worker = state.kubelet.pod(uid).map(|worker| (worker.name, worker.template));
            let known = state.seen.pod(uid).map(|pod| (pod.name, pod.template));
            match worker.or(known) {
                Some((name, template)) => {
                    let call = Message::Call { pod: (uid, name), template, call };
                    out.send(container_runtime_id(self.node), call);
                }
                None if call == Call::Remove => {}
                None => {
                    let what = "a runtime was called for a pod that nobody knows";
                    out.send(api_server_id(), Message::Unhandled(what));
                }
            }
        }
    }
}

impl Actor for KubeletActor {
    type Msg = Message;
    type Timer = KubeletStep;
    type State = KubeletOnNode;
    type Storage = ();
    type Random = Infallible;

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Self>) -> KubeletOnNode {
        let kubelet = Kubelet::start(self.node, self.connected);
        KubeletOnNode { kubelet, seen: self.runtime.clone() }
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, KubeletOnNode>,
        _: Id,
        message: Message,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |KubeletOnNode { kubelet, seen }, fx| match message {
            Message::Event(event) => kubelet.observe(&self.config, &event, seen, fx),
            Message::Reply { request, reply, .. } => {
                kubelet.reply(&self.config, &request, &reply, seen, fx)
            }
            Message::Seen(runtime) => *seen = runtime,
            Message::Worked(uid, runtime) => {
                *seen = runtime;
                if kubelet.notices(uid, seen) {
                    kubelet.step(&self.config, KubeletStep::Relist(uid), seen, fx);
                }
            }
            Message::Disconnected => kubelet.disconnect(),
            _ => {
                fx.unhandled("a kubelet takes events and replies only");
            }
        });
        self.send(out, state, &fx);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, KubeletOnNode>,
        step: &KubeletStep,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |KubeletOnNode { kubelet, seen }, fx| {
            kubelet.step(&self.config, *step, seen, fx);
        });
        self.send(out, state, &fx);
    }

    fn name(&self) -> String {
        format!("kubelet {}", self.config.nodes[self.node.0 as usize].name)
    }
}

/// The container runtime of one node. What it has on disk outlives a power-off.
#[derive(Clone, Debug)]
pub struct ContainerRuntimeActor {
    /// What does not change.
    pub config: Arc<ClusterConfig>,
    /// Which node.
    pub node: NodeId,
    /// Whether the pod network is configured at boot.
    pub network: bool,
}

impl ContainerRuntimeActor {
    /// The end of a handler: what changed, changed on the disk, too.
    fn finish(&self, out: &mut Out<Self>, changed: Option<&ContainerRuntime>, fx: &Effects) {
        send_error(out, fx);
        changed.into_iter().for_each(|state| out.save(state.clone()));
    }
}

impl Actor for ContainerRuntimeActor {
    type Msg = Message;
    type Timer = RuntimeStep;
    type State = ContainerRuntime;
    /// Metadata of sandboxes and containers.
    type Storage = ContainerRuntime;
    type Random = Infallible;

    /// A node that runs for the first time; or that boots after it lost power.
    fn on_start(
        &self,
        _: Id,
        disk: &Option<ContainerRuntime>,
        _: &mut Out<Self>,
    ) -> ContainerRuntime {
        let Some(disk) = disk else { return ContainerRuntime::default() };
        let mut runtime = disk.clone();
        runtime.power_off(&self.config);
        runtime.power_on(self.network);
        runtime
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, ContainerRuntime>,
        _: Id,
        message: Message,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |runtime, fx| match message {
            Message::Call { pod, template, call } => runtime.accept(pod, template, call, fx),
            Message::Disconnected => runtime.lose_calls(&self.config),
            _ => {
                fx.unhandled("a container runtime takes calls only");
            }
        });
        let changed = matches!(state, Cow::Owned(_)).then_some(&**state);
        self.finish(out, changed, &fx);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, ContainerRuntime>,
        step: &RuntimeStep,
        out: &mut Out<Self>,
    ) {
        let fx = change(state, |runtime, fx| runtime.step(&self.config, *step, fx));
        let changed = matches!(state, Cow::Owned(_)).then_some(&**state);
        self.finish(out, changed, &fx);
        out.send(kubelet_id(self.node), Message::Worked(step.uid(), (**state).clone()));
    }

    fn name(&self) -> String {
        format!("containerd {}", self.config.nodes[self.node.0 as usize].name)
    }
}
