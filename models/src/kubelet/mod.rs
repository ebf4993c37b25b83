//! The kubelet of one node: start-up and syncLoop (KL-1 … KL-5), and what holds the pod workers,
//! the status manager and the node status together.
//!
//! Upstream: `pkg/kubelet/kubelet.go`. Everything here is memory of the process: a crash loses it.
//! Left out: static pods, probes, images, resource admission.

mod node_shutdown;
mod node_status;
mod pod_workers;
mod status_manager;
mod volume_manager;

pub use pod_workers::{Observation, PodWorker, Update, WorkerState};
pub use volume_manager::Volumes;

use crate::config::ClusterConfig;
use crate::container_runtime::{Call, Container, ContainerRuntime};
use crate::effects::Effects;
use crate::ids::{NodeId, PodSet, PodUid, TaintSet, VolumeSet};
use crate::objects::{EventType, Node, NodeReady, Object, Pod, PodReason, PodStatus, WatchEvent};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// One of the kubelet's connections to the API server. They recover independently (12.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// Not established.
    Down,
    /// The first request is on its way.
    Connecting,
    /// Works.
    Up,
}

/// A request of the status manager that is on its way; it has one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusCall {
    /// SM-1: the live GET before this status is written.
    Get(PodUid, PodStatus),
    /// SM-1: the PATCH.
    Patch(PodUid),
    /// SM-2.
    Delete(PodUid),
}

/// A kubelet process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kubelet {
    /// Which node it serves.
    pub node: NodeId,
    /// Whether the process runs.
    pub up: bool,
    /// Heartbeats: lease and node status.
    pub heartbeat: Connection,
    /// The pod watch.
    pub watch: Connection,
    /// The status manager's connection.
    pub status: Connection,
    /// KL-5 is done.
    pub registered: bool,
    /// The Node object was deleted under this process, which creates it only once (KL-5).
    pub missing: bool,
    /// The node is shutting down (12.9).
    pub shutting_down: bool,
    /// Which group of pods is being ended, or was the last.
    pub shutdown_group: u8,
    /// KL-4: the first pod list of this process has arrived.
    pub sources_ready: bool,
    /// Ready and bootID of the Node object, as far as this process knows.
    pub posted: Option<(NodeReady, u8)>,
    /// Taints of the Node object for which pods may be refused, as far as this process knows.
    pub taints: TaintSet,
    /// `volumesAttached` of the Node object, as far as this process knows.
    pub attached: VolumeSet,
    /// `volumesInUse` of the Node object, as far as this process knows.
    pub in_use: VolumeSet,
    /// A node status is on its way.
    pub posting: bool,
    /// The pod for whose volumes a look at the Node object is on its way.
    pub verifying: Option<PodUid>,
    /// The last look was in vain although the Node object promised otherwise: the next one takes its
    /// time.
    pub missed: bool,
    /// The status manager's request.
    pub status_call: Option<StatusCall>,
    /// Pods, by uid.
    pub pods: Vec<PodWorker>,
}

/// A step of the kubelet on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KubeletStep {
    /// Establish the heartbeat connection: register, or read the own Node (KL-5, 12.7).
    ConnectHeartbeat,
    /// List and watch the node's pods (KL-1).
    ConnectWatch,
    /// Establish the status manager's connection (12.7).
    ConnectStatus,
    /// Post the node status (KL-7, KL-8).
    PostNodeStatus,
    /// Handle a pod update that waited for the runtime (KL-2).
    HandlePod(PodUid),
    /// See what the runtime did (PLEG).
    Relist(PodUid),
    /// See whether the volumes of a pod are attached, and mount them (AD-V3).
    VerifyVolumes(PodUid),
    /// Start what should run (PW-3).
    SyncPod(PodUid),
    /// Stop what runs (PW-4).
    KillPod(PodUid),
    /// Free what the pod held (PW-5).
    FinishPod(PodUid),
    /// Find containers of a pod that is not in the configuration (PW-8).
    Housekeep(PodUid),
    /// Write a pod status (SM-1).
    SyncStatus(PodUid),
    /// End the next group of pods (12.9).
    EndNextGroup,
}

impl Kubelet {
    /// The process of `node` before it has done anything; `connected` while there is a network.
    pub fn start(node: NodeId, connected: bool) -> Self {
        Kubelet {
            node,
            up: true,
            heartbeat: Connection::Down,
            watch: Connection::Down,
            status: if connected { Connection::Up } else { Connection::Down },
            registered: false,
            missing: false,
            shutting_down: false,
            shutdown_group: 0,
            sources_ready: false,
            posted: None,
            taints: TaintSet::EMPTY,
            attached: VolumeSet::EMPTY,
            in_use: VolumeSet::EMPTY,
            posting: false,
            verifying: None,
            missed: false,
            status_call: None,
            pods: Vec::new(),
        }
    }

    /// No process: nothing is remembered.
    pub fn dead(node: NodeId) -> Self {
        Kubelet { up: false, ..Kubelet::start(node, false) }
    }

    /// Whether the lease can be renewed, which is all that is modelled of it (KL-6).
    pub fn renews_lease(&self) -> bool {
        self.up && self.heartbeat == Connection::Up
    }

    /// Whether an event would tell the kubelet nothing: an echo of what it wrote itself.
    pub fn knows(&self, config: &ClusterConfig, event: &WatchEvent) -> bool {
        match (event.kind, event.object) {
            (EventType::Modified, Object::Pod(pod)) => self.pod(pod.uid).is_some_and(|worker| {
                worker.update.is_none()
                    && worker.configured
                    && worker.deletion == pod.deletion
                    && worker.status == pod.status
            }),
            (EventType::Deleted, Object::Node(_)) => self.missing,
            (_, Object::Node(node)) => {
                !self.missing
                    && self.posted == Some((node.ready, node.boot))
                    && self.taints == config.refusing(node.taints)
                    && (self.attached, self.in_use) == (node.attached, node.in_use)
            }
            _ => false,
        }
    }

    /// The worker of a pod.
    pub fn pod(&self, uid: PodUid) -> Option<&PodWorker> {
        self.pods.iter().find(|worker| worker.uid == uid)
    }

    pub(crate) fn pod_mut(&mut self, uid: PodUid) -> Option<&mut PodWorker> {
        self.pods.iter_mut().find(|worker| worker.uid == uid)
    }

    /// Uids that the kubelet names.
    pub fn mentions(&self) -> PodSet {
        let asked = self.status_call.map(|call| match call {
            StatusCall::Get(uid, _) | StatusCall::Patch(uid) | StatusCall::Delete(uid) => uid,
        });
        self.pods.iter().map(|worker| worker.uid).chain(asked).chain(self.verifying).collect()
    }

    /// The steps that the process can take, given its runtime and whether its node has a network.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        connected: bool,
        out: &mut Vec<KubeletStep>,
    ) {
        if !self.up {
            return;
        }
        if connected {
            self.connection_steps(config, runtime, out);
        }
        for worker in &self.pods {
            worker.steps(config, runtime, out);
            if self.may_sync_status(worker) {
                out.push(KubeletStep::SyncStatus(worker.uid));
            }
            if self.may_verify(config, runtime, worker) {
                out.push(KubeletStep::VerifyVolumes(worker.uid));
            }
        }
        if self.has_later_group(config)
            && (self.group_has_ended(config) || self.group_may_be_late(config, runtime))
        {
            out.push(KubeletStep::EndNextGroup);
        }
        if self.sources_ready && runtime.up {
            let unknown = runtime.pods.iter().filter(|pod| self.pod(pod.uid).is_none());
            out.extend(unknown.map(|pod| KubeletStep::Housekeep(pod.uid)));
        }
    }

    fn connection_steps(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        out: &mut Vec<KubeletStep>,
    ) {
        if self.heartbeat == Connection::Down {
            out.push(KubeletStep::ConnectHeartbeat);
        }
        if self.watch == Connection::Down {
            out.push(KubeletStep::ConnectWatch);
        }
        if self.status == Connection::Down {
            out.push(KubeletStep::ConnectStatus);
        }
        if self.may_post(config, runtime) {
            out.push(KubeletStep::PostNodeStatus);
        }
    }

    /// Takes a step. `runtime` is what the kubelet sees of it in this step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        step: KubeletStep,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        match step {
            KubeletStep::ConnectHeartbeat => {
                self.heartbeat = Connection::Connecting;
                if self.registered {
                    fx.rule(Rule::Partition);
                    fx.send(Request::GetNode { node: self.node });
                } else {
                    fx.rule(Rule::Kl5);
                    fx.send(Request::RegisterNode { node: self.node, boot: runtime.boot });
                }
            }
            KubeletStep::ConnectWatch => {
                fx.rule(if self.sources_ready { Rule::Partition } else { Rule::Kl1 });
                self.watch = Connection::Connecting;
                fx.send(Request::ListPodsOfNode { node: self.node });
            }
            KubeletStep::ConnectStatus => {
                fx.rule(Rule::Partition);
                self.status = Connection::Up;
            }
            KubeletStep::PostNodeStatus => self.post_node_status(config, runtime, fx),
            KubeletStep::HandlePod(uid) => {
                fx.rule(Rule::Kl2);
                self.dispatch(config, uid, runtime, fx);
            }
            KubeletStep::SyncStatus(uid) => self.sync_status(uid, fx),
            KubeletStep::EndNextGroup => self.end_next_group(config, fx),
            KubeletStep::VerifyVolumes(uid) => self.verify_volumes(uid, fx),
            KubeletStep::Housekeep(uid) => self.housekeep(config, uid, runtime, fx),
            KubeletStep::Relist(uid)
            | KubeletStep::SyncPod(uid)
            | KubeletStep::KillPod(uid)
            | KubeletStep::FinishPod(uid) => {
                let Some(worker) = self.pod_mut(uid) else {
                    fx.unhandled("a kubelet was to act on a pod that it does not know");
                    return;
                };
                worker.step(config, step, runtime, fx);
                self.forget_if_gone(uid, runtime, fx);
            }
        }
    }

    /// Whether something is new of a pod that the runtime has just worked on: then it is looked at in
    /// the same step. Upstream the relist comes up to a second later, but what it shows then is the
    /// same, and what the worker does meanwhile waits for it, too.
    pub fn notices(&self, uid: PodUid, runtime: &ContainerRuntime) -> bool {
        let due = |worker: &PodWorker| worker.relist_due(runtime);
        self.up && runtime.up && self.pod(uid).is_some_and(due)
    }

    /// A watch event of the node's pods or of its own Node object.
    pub fn observe(
        &mut self,
        config: &ClusterConfig,
        event: &WatchEvent,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        match event.object {
            Object::Pod(pod) => {
                let pod_now = (event.kind != EventType::Deleted).then_some(pod);
                self.update(config, pod.uid, pod_now, runtime, fx);
            }
            Object::Node(_) if event.kind == EventType::Deleted => self.node_gone(),
            Object::Node(node) => self.node_seen(config, &node),
            _ => {
                fx.unhandled("a kubelet does not watch workloads");
            }
        }
    }

    /// The answer to a request.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        request: &Request,
        reply: &Reply,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        match (request, reply) {
            (Request::RegisterNode { .. }, Reply::AlreadyExists) => {
                self.registered = true;
                self.heartbeat = Connection::Up;
            }
            (Request::RegisterNode { .. }, Reply::Node(node)) => {
                self.registered = true;
                self.heartbeat = Connection::Up;
                self.node_seen(config, node);
            }
            (Request::GetNode { .. }, Reply::Node(node)) => {
                self.heartbeat = Connection::Up;
                self.node_seen(config, node);
            }
            (Request::GetNode { .. }, Reply::NotFound) => {
                fx.rule(Rule::Kl5);
                self.heartbeat = Connection::Up;
                self.node_gone();
            }
            (Request::PatchNodeStatus { .. }, Reply::NotFound) => {
                fx.rule(Rule::Kl5);
                self.posting = false;
                self.node_gone();
            }
            (Request::PatchNodeStatus { .. }, Reply::Node(node)) => {
                self.posting = false;
                self.posted = Some((node.ready, node.boot));
                self.attached = node.attached;
                self.in_use = node.in_use;
            }
            (Request::GetAttachedVolumes { .. }, _) => {
                self.volumes_verified(config, runtime, reply, fx);
            }
            (Request::ListPodsOfNode { .. }, Reply::Pods(pods, taints)) => {
                self.taints = *taints;
                self.listed(config, pods, runtime, fx)
            }
            (Request::GetPod { .. }, _) => self.status_read(config, reply, fx),
            (Request::PatchPodStatus { uid, status, .. }, _) => {
                let pod = if let Reply::Pod(pod) = reply { Some(pod) } else { None };
                self.status_written(config, *uid, status, pod, fx);
            }
            (Request::DeletePod { .. }, _) => self.status_call = None,
            _ => {
                fx.unhandled("a kubelet got an answer to a question that it never asks");
            }
        }
    }

    /// The Node object as it is now, or was at the latest event.
    fn node_seen(&mut self, config: &ClusterConfig, node: &Node) {
        self.missing = false;
        self.posted = Some((node.ready, node.boot));
        self.taints = config.refusing(node.taints);
        self.missed &= self.attached == node.attached;
        self.attached = node.attached;
        self.in_use = node.in_use;
    }

    /// The Node object is gone. There is nothing to post a status to, and pods are admitted as by a
    /// kubelet that has not seen its Node yet (`getNodeAnyWay`).
    fn node_gone(&mut self) {
        self.missing = true;
        self.posted = None;
        self.taints = TaintSet::EMPTY;
        self.attached = VolumeSet::EMPTY;
        self.in_use = VolumeSet::EMPTY;
    }

    /// The network is gone: what was on its way is lost, and every connection must recover.
    pub fn disconnect(&mut self) {
        self.heartbeat = Connection::Down;
        self.watch = Connection::Down;
        self.status = Connection::Down;
        self.posting = false;
        self.verifying = None;
        if let Some(StatusCall::Get(uid, _) | StatusCall::Patch(uid) | StatusCall::Delete(uid)) =
            self.status_call.take()
            && let Some(worker) = self.pod_mut(uid)
        {
            worker.dirty = true;
        }
    }

    /// The pod list that a watch begins with: additions, updates, and what is missing is removed.
    fn listed(
        &mut self,
        config: &ClusterConfig,
        pods: &[Pod],
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        let first = !self.sources_ready;
        self.watch = Connection::Up;
        self.sources_ready = true;
        if first {
            fx.rule(Rule::Kl4);
        }
        let known: PodSet = self.pods.iter().map(|worker| worker.uid).collect();
        for uid in known.iter() {
            // A worker whose pod left the configuration earlier is not told twice.
            let configured = self.pod(uid).is_some_and(|worker| worker.configured);
            if configured && !pods.iter().any(|pod| pod.uid == uid) {
                self.update(config, uid, None, runtime, fx);
            }
        }
        // KL-3: oldest first, the order of the list.
        for pod in pods {
            self.update(config, pod.uid, Some(*pod), runtime, fx);
            if first
                && pod.is_terminating()
                && let Some(worker) = self.pod_mut(pod.uid)
            {
                worker.terminating_in_first_list = !worker.is_past_sync();
            }
        }
    }

    /// Records the API's word on a pod and, unless the runtime is down (KL-2), acts on it.
    fn update(
        &mut self,
        config: &ClusterConfig,
        uid: PodUid,
        pod: Option<Pod>,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        let at = match (self.pods.binary_search_by_key(&uid, |worker| worker.uid), pod) {
            (Ok(at), _) => at,
            (Err(_), None) => return,
            (Err(at), Some(pod)) => {
                self.pods.insert(at, PodWorker::new(&pod));
                at
            }
        };
        self.pods[at].update = Some(pod.map_or(Update::Remove, Update::Set));
        if runtime.up {
            self.dispatch(config, uid, runtime, fx);
        }
    }

    /// syncLoop hands one pod to its worker.
    fn dispatch(
        &mut self,
        config: &ClusterConfig,
        uid: PodUid,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        let place =
            Place { node: self.node, taints: self.taints, shutting_down: self.shutting_down };
        let of_its_name = |other: &PodWorker| {
            let is_new = |worker: &PodWorker| worker.state == WorkerState::New;
            let new = self.pod(uid).filter(|worker| is_new(worker));
            new.is_some_and(|worker| worker.name == other.name) && other.uid != uid
        };
        if self.pods.iter().any(|other| of_its_name(other) && other.state < WorkerState::Finished) {
            fx.rule(Rule::Pw7);
        }
        if let Some(worker) = self.pod_mut(uid) {
            worker.handle(config, place, runtime, fx);
        }
        self.forget_if_gone(uid, runtime, fx);
    }

    /// A pod that left the configuration and has nothing left on the node is forgotten. Its dead
    /// containers are removed if the runtime answers, else when PW-8 finds them.
    fn forget_if_gone(&mut self, uid: PodUid, runtime: &ContainerRuntime, fx: &mut Effects) {
        let gone = |worker: &PodWorker| {
            !worker.configured && worker.update.is_none() && worker.state == WorkerState::Finished
        };
        if self.pod(uid).is_some_and(gone) {
            self.pods.retain(|worker| worker.uid != uid);
            if runtime.up {
                fx.call(uid, Call::Remove);
            }
        }
        // That a look was in vain says something of who looks again only.
        self.missed &= self.pods.iter().any(PodWorker::waits_for_volumes);
    }

    /// PW-8: what the runtime has and nobody asked for is stopped, or its remains are removed.
    fn housekeep(
        &mut self,
        config: &ClusterConfig,
        uid: PodUid,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Pw8);
        let Some(pod) = runtime.pod(uid) else { return };
        let runs = pod.container == Container::Running || pod.call.is_some();
        if runs || pod.sandbox == crate::container_runtime::Sandbox::Ready {
            let at = self.pods.partition_point(|worker| worker.uid < uid);
            self.pods.insert(at, PodWorker::orphan(config, pod));
        } else {
            fx.call(uid, Call::Remove);
        }
    }
}

/// Where a pod asks to be admitted.
#[derive(Clone, Copy)]
struct Place {
    node: NodeId,
    taints: TaintSet,
    shutting_down: bool,
}

/// KL-3: why the kubelet of a node with these taints refuses a pod, if it does.
fn admission(
    config: &ClusterConfig,
    Place { node, taints, shutting_down }: Place,
    pod: &Pod,
) -> Option<PodReason> {
    if shutting_down {
        return Some(PodReason::NodeShutdown);
    }
    let pinned = pod.pinned().is_none_or(|pinned| pinned == node);
    if !pinned || !config.template(pod.template).selected.contains(node) {
        return Some(PodReason::NodeAffinity);
    }
    (!config.untolerated(pod.template, taints).is_empty()).then_some(PodReason::TaintToleration)
}
