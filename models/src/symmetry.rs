//! Renamings of nodes and of pods: what a state, a message or a step is after one.
//!
//! No component asks which id is the smaller, so that a renamed state does the renamed steps:
//! `step(π·s, π·a) = π·step(s, a)`. What is kept in the order of ids is sorted again; what is kept
//! in the order in which it happened (pods by age, requests, a zone's queue) keeps that order.
//!
//! Nodes may be exchanged that are alike in the configuration
//! ([`ClusterConfig::node_class`](crate::config::ClusterConfig::node_class)); pods, all but the bare
//! ones, whose names are fixed. Fields are named one by one, those without an id too: whoever adds
//! one has to say here which it is.

use std::collections::VecDeque;

use crate::api_server::ApiServer;
use crate::attach_detach::{AttachDetach, AttachDetachStep, Known};
use crate::cloud::CloudStep;
use crate::container_runtime::{ContainerRuntime, RuntimePod, RuntimeStep};
use crate::daemon_set::{DaemonKey, DaemonSetController, DaemonSetStep, DaemonSync};
use crate::effects::Effects;
use crate::environment::Environment;
use crate::garbage_collector::{Dependent, GarbageCollector, GarbageCollectorStep};
use crate::ids::{NameSet, NodeId, NodeSet, PodName, PodSet, PodUid};
use crate::informer_cache::InformerCache;
use crate::job::{JobController, JobKey, JobStep, JobSync};
use crate::kube_controller_manager::{ControllerManager, ControllerStep};
use crate::kubelet::{Kubelet, KubeletStep, PodWorker, StatusCall, Update};
use crate::node_lifecycle::{NodeLifecycle, NodeLifecycleStep, Pass, Zone};
use crate::objects::{Job, JobStatus, Node, Object, Owner, Pod, VolumeAttachment, WatchEvent};
use crate::pod_gc::{Collecting, PodGc, PodGcStep};
use crate::replica_set::{Key, ReplicaSetController, ReplicaSetStep, Sync};
use crate::requests::{Listing, Reply, Request};
use crate::scheduler::{Scheduler, SchedulerStep};
use crate::stateful_set::{StatefulKey, StatefulSetController};
use crate::taint_eviction::{Cause, PodUpdate, TaintEviction, TaintEvictionStep, Timer, Worker};

/// New ids for old ones: a permutation of the nodes and one of the uid slots. A generated name goes
/// with its uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renaming {
    nodes: [u8; NodeSet::CAPACITY],
    pods: [u8; PodSet::CAPACITY],
}

impl Default for Renaming {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl Renaming {
    /// The renaming that changes nothing.
    pub const IDENTITY: Renaming = {
        let mut identity = Renaming { nodes: [0; NodeSet::CAPACITY], pods: [0; PodSet::CAPACITY] };
        let mut id = 0;
        while id < PodSet::CAPACITY {
            if id < NodeSet::CAPACITY {
                identity.nodes[id] = id as u8;
            }
            identity.pods[id] = id as u8;
            id += 1;
        }
        identity
    };

    /// This renaming, and then these two nodes exchange their names.
    pub fn then_swap_nodes(mut self, a: NodeId, b: NodeId) -> Self {
        swap(&mut self.nodes, a.0, b.0);
        self
    }

    /// This renaming, and then these two uid slots exchange their names.
    pub fn then_swap_pods(mut self, a: PodUid, b: PodUid) -> Self {
        swap(&mut self.pods, a.0, b.0);
        self
    }

    /// The new name of a node.
    pub fn node(&self, id: NodeId) -> NodeId {
        NodeId(self.nodes[id.0 as usize])
    }

    /// The new name of a uid slot.
    pub fn pod(&self, uid: PodUid) -> PodUid {
        PodUid(self.pods[uid.0 as usize])
    }

    /// The renaming that takes this one back.
    pub fn inverse(&self) -> Self {
        let mut inverse = Self::IDENTITY;
        for (old, &new) in (0..).zip(&self.nodes) {
            inverse.nodes[new as usize] = old;
        }
        for (old, &new) in (0..).zip(&self.pods) {
            inverse.pods[new as usize] = old;
        }
        inverse
    }
}

/// Exchanges two values.
fn swap(names: &mut [u8], a: u8, b: u8) {
    for name in names {
        *name = match *name {
            name if name == a => b,
            name if name == b => a,
            name => name,
        };
    }
}

/// What names nodes or pods.
pub trait Permute {
    /// Gives every node and pod in it its new name.
    fn permute(&mut self, by: &Renaming);

    /// A renamed copy.
    fn permuted(&self, by: &Renaming) -> Self
    where
        Self: Clone,
    {
        let mut copy = self.clone();
        copy.permute(by);
        copy
    }
}

impl Permute for NodeId {
    fn permute(&mut self, by: &Renaming) {
        *self = by.node(*self);
    }
}

impl Permute for PodUid {
    fn permute(&mut self, by: &Renaming) {
        *self = by.pod(*self);
    }
}

impl Permute for PodName {
    fn permute(&mut self, by: &Renaming) {
        // Names that recur belong to whatever uid holds them.
        if let Some(uid) = self.slot() {
            *self = PodName::generated(by.pod(uid));
        }
    }
}

impl<T: Permute> Permute for Option<T> {
    fn permute(&mut self, by: &Renaming) {
        self.iter_mut().for_each(|content| content.permute(by));
    }
}

/// In the order in which it is.
impl<T: Permute> Permute for Vec<T> {
    fn permute(&mut self, by: &Renaming) {
        self.iter_mut().for_each(|item| item.permute(by));
    }
}

/// In the order in which it is.
impl<T: Permute> Permute for VecDeque<T> {
    fn permute(&mut self, by: &Renaming) {
        self.iter_mut().for_each(|item| item.permute(by));
    }
}

/// Sets of ids.
macro_rules! sets {
    ($($set:ident)*) => {
        $(impl Permute for $set {
            fn permute(&mut self, by: &Renaming) {
                *self = self.iter().map(|id| id.permuted(by)).collect();
            }
        })*
    };
}

sets! { NodeSet PodSet NameSet }

/// Structs: fields that name something, then those that do not. With `by_id`, vectors that are kept
/// in the order of these keys. A field that is named nowhere is an error ("pattern requires `..`").
macro_rules! structs {
    ($($name:ident {
        $($field:ident),*
        $(; by_id $($sorted:ident: $key:expr),*)?
        $(; plain $($plain:ident),*)?
    })*) => {
        $(impl Permute for $name {
            fn permute(&mut self, by: &Renaming) {
                let $name { $($field,)* $($($sorted,)*)? $($($plain: _,)*)? } = self;
                $($field.permute(by);)*
                $($({
                    $sorted.permute(by);
                    $sorted.sort_unstable_by_key($key);
                })*)?
            }
        })*
    };
}

structs! {
    Pod { uid, name, owner, node; plain template, deletion, tracked, disruption_target, status }
    Node { id; plain ready, taints, unschedulable, boot, attached, in_use }
    VolumeAttachment { node; plain volume }
    WatchEvent { object; plain kind }
    Listing {
        pods, jobs;
        by_id nodes: |node| node.id, attachments: |attachment| *attachment;
        plain replica_sets, deployments, stateful_sets, daemon_sets
    }
    ApiServer {
        pods, removing, jobs;
        by_id nodes: |node| node.id, attachments: |attachment| *attachment;
        plain replica_sets, deployments, stateful_sets, daemon_sets
    }
    InformerCache {
        pods, jobs;
        by_id nodes: |node| node.id, attachments: |attachment| *attachment;
        plain replica_sets, deployments, stateful_sets, daemon_sets
    }
    Environment {
        partitioned, silent, slow_heartbeat, slow_start, stopped, gone, shutting_down,
        evicting;
        by_id outages: |(node, _)| *node;
        plain budget
    }
    Effects { requests, events, calls; plain rules, unhandled }

    Zone { queue, queued; plain state, token, stopped }
    Pass { done, tainted, unknown, busy, clearing }
    NodeLifecycle {
        known, pass, assigned, marking, marking_sent, retry, tainting, no_schedule, zones;
        plain master_disruption
    }

    Cause { uid, node; plain template, interrupted, unfounded, after }
    Timer { name, cause; plain due, outlasts }
    Worker { name, cause }
    PodUpdate { name, node }
    TaintEviction {
        node_updates;
        by_id tainted: |(node, _)| *node, pod_updates: |update| *update,
            timers: |timer| timer.name, workers: |worker| worker.name, markers: |name| *name
    }

    Collecting { uid, name }
    PodGc { quarantine, ripe, orphans; by_id collecting: |pod| pod.uid }

    Key {
        expected_deletions, sync;
        by_id available: |(uid, _)| *uid;
        plain expected_creations, writing_status, unseen_status
    }
    Sync { deleting; plain to_create, batch, waiting, status }
    ReplicaSetController { keys }

    GarbageCollector { ; by_id collecting: |dependent| *dependent; plain finishing }

    StatefulKey { unseen; plain sync, writing_status, unseen_status }
    StatefulSetController { keys }

    JobStatus {
        uncounted_succeeded, uncounted_failed;
        plain succeeded, failed, condition, active, ready, terminating
    }
    Job { status; plain id, finalizer }
    JobSync { pods, surplus; plain to_create, batch, waiting }
    JobKey {
        released, doomed, sync;
        plain expected_creations, expected_deletions, writing_status, unseen_status
    }
    JobController { keys, releasing }

    Known { attachment; plain state, overdue }
    AttachDetach { to_list; by_id known: |known| known.attachment; plain writing }

    DaemonSync { to_create, to_delete, deleting; plain creating }
    DaemonKey {
        sync, backoff;
        plain expected_creations, expected_deletions, writing_status, unseen_status
    }
    DaemonSetController { keys }

    ControllerManager {
        cache, node_lifecycle, taint_eviction, pod_gc, replica_set, stateful_set, daemon_set,
        job, garbage_collector, attach_detach;
        plain up, deployment
    }

    Scheduler { cache, assumed }
    SchedulerStep { uid, node }

    PodWorker {
        uid, name, update;
        plain template, configured, deletion, state, stop_requested, shut_down, volumes, call, seen,
            status, dirty, refused, terminating_in_first_list
    }
    Kubelet {
        node, status_call, verifying;
        by_id pods: |worker| worker.uid;
        plain missed, up, heartbeat, watch, status, registered, missing, shutting_down, shutdown_group, sources_ready,
            posted, taints, attached, in_use, posting
    }

    RuntimePod { uid, name; plain template, sandbox, attempt, container, starts, call }
    ContainerRuntime { ; by_id pods: |pod| pod.uid; plain powered, up, network, boot }
}

/// A key with a value that names nothing.
impl<K: Permute, V: Unnamed> Permute for (K, V) {
    fn permute(&mut self, by: &Renaming) {
        self.0.permute(by);
    }
}

/// Values that can name neither a node nor a pod.
pub trait Unnamed {}

impl Unnamed for u8 {}
impl Unnamed for crate::ids::Seconds {}
impl Unnamed for crate::ids::TaintSet {}
impl Unnamed for crate::container_runtime::Call {}

impl Permute for Object {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Object::Pod(pod) => pod.permute(by),
            Object::Node(node) => node.permute(by),
            Object::Job(job) => job.permute(by),
            Object::VolumeAttachment(attachment) => attachment.permute(by),
            Object::ReplicaSet(_)
            | Object::Deployment(_)
            | Object::StatefulSet(_)
            | Object::DaemonSet(_) => {}
        }
    }
}

impl Permute for Owner {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Owner::None | Owner::ReplicaSet(_) | Owner::StatefulSet(_) | Owner::Job(_) => {}
            Owner::DaemonSet(_, node) => node.permute(by),
        }
    }
}

impl Permute for Request {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Request::GetReplicaSet { id: _ }
            | Request::PutReplicaSetStatus { seen: _, status: _ }
            | Request::CreateReplicaSet { id: _, replicas: _, desired: _ }
            | Request::PutReplicaSet { seen: _, replicas: _, desired: _ }
            | Request::PutDeploymentStatus { seen: _, status: _ }
            | Request::PutStatefulSetStatus { id: _, seen: _, status: _ }
            | Request::PutDaemonSetStatus { id: _, seen: _, status: _ }
            | Request::PatchDeploymentTemplate { id: _ }
            | Request::PatchScale { workload: _, replicas: _ }
            | Request::DeleteWorkload { workload: _, propagation: _ }
            | Request::RemoveFinalizer { owner: _ } => {}
            Request::GetOwner { owner: _, dependent }
            | Request::PatchOwner { owner: _, dependent } => {
                dependent.permute(by);
            }
            Request::CreatePod { owner, template: _, name: _ } => owner.permute(by),
            Request::BindPod { name, uid, node } => {
                name.permute(by);
                uid.permute(by);
                node.permute(by);
            }
            Request::PutJobStatus { id: _, seen, status } => {
                seen.permute(by);
                status.permute(by);
            }
            Request::GetPod { name }
            | Request::EvictPod { name }
            | Request::PatchPodFinalizer { name } => name.permute(by),
            Request::PatchPodStatus { name, uid, seen: _, status: _, disruption: _ } => {
                name.permute(by);
                uid.permute(by);
            }
            Request::PutPodNotReady { seen } => seen.permute(by),
            Request::PatchPodDisruption { name, uid, reason: _ }
            | Request::PatchPodFailed { name, uid, disruption: _ }
            | Request::DeletePod { name, uid, grace: _ } => {
                name.permute(by);
                uid.permute(by);
            }
            Request::GetNode { node }
            | Request::ListPodsOfNode { node }
            | Request::RegisterNode { node, boot: _ }
            | Request::DeleteNode { node }
            | Request::PatchNodeStatus { node, ready: _, boot: _, in_use: _ }
            | Request::GetAttachedVolumes { node }
            | Request::PatchVolumesAttached { node, seen: _, attached: _ }
            | Request::PatchNodeUnschedulable { node, unschedulable: _ }
            | Request::PatchNodeTaints { node, add: _, remove: _, then_remove: _, writer: _ } => {
                node.permute(by);
            }
            Request::PutNodeUnknown { seen } => seen.permute(by),
            Request::CreateVolumeAttachment { attachment }
            | Request::DeleteVolumeAttachment { attachment } => attachment.permute(by),
        }
    }
}

impl Permute for Reply {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Reply::Pod(pod) => pod.permute(by),
            Reply::Node(node) => node.permute(by),
            // By age.
            Reply::Pods(pods, _) => pods.permute(by),
            Reply::Done
            | Reply::ReplicaSet(_)
            | Reply::Owner(_)
            | Reply::Volumes(_)
            | Reply::NotFound
            | Reply::Conflict
            | Reply::AlreadyExists
            | Reply::TooManyRequests => {}
        }
    }
}

impl Permute for Update {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Update::Set(pod) => pod.permute(by),
            Update::Remove => {}
        }
    }
}

impl Permute for StatusCall {
    fn permute(&mut self, by: &Renaming) {
        match self {
            StatusCall::Get(uid, _) | StatusCall::Patch(uid) | StatusCall::Delete(uid) => {
                uid.permute(by)
            }
        }
    }
}

impl Permute for NodeLifecycleStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            NodeLifecycleStep::Monitor { node, expired: _ }
            | NodeLifecycleStep::Clear(node)
            | NodeLifecycleStep::TaintNoSchedule(node) => node.permute(by),
            NodeLifecycleStep::HandlePod(uid) | NodeLifecycleStep::MarkPod(uid) => uid.permute(by),
            NodeLifecycleStep::EndPass | NodeLifecycleStep::TaintNoExecute(_) => {}
        }
    }
}

impl Permute for TaintEvictionStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            TaintEvictionStep::HandleNode(node) => node.permute(by),
            TaintEvictionStep::HandlePod(update) => update.permute(by),
            TaintEvictionStep::Fire(name) => name.permute(by),
        }
    }
}

impl Permute for PodGcStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            PodGcStep::Quarantine(node) | PodGcStep::Confirm(node) => node.permute(by),
            PodGcStep::Collect(uid) => uid.permute(by),
        }
    }
}

impl Permute for ReplicaSetStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            ReplicaSetStep::Sync(_) => {}
            ReplicaSetStep::Available(_, uid) => uid.permute(by),
        }
    }
}

impl Permute for Dependent {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Dependent::Pod(uid) => uid.permute(by),
            Dependent::Workload(_) => {}
        }
    }
}

impl Permute for GarbageCollectorStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            GarbageCollectorStep::Collect(dependent) => dependent.permute(by),
            GarbageCollectorStep::Finish(_) => {}
        }
    }
}

impl Permute for AttachDetachStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            AttachDetachStep::Attach(attachment)
            | AttachDetachStep::Verify(attachment)
            | AttachDetachStep::Detach { attachment, forced: _ } => attachment.permute(by),
            AttachDetachStep::List(node) => node.permute(by),
        }
    }
}

impl Permute for DaemonSetStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            DaemonSetStep::Sync(_) | DaemonSetStep::Finish(_) => {}
            DaemonSetStep::Create(_, node) | DaemonSetStep::BackoffOver(_, node) => {
                node.permute(by)
            }
        }
    }
}

impl Permute for ControllerStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            ControllerStep::NodeLifecycle(step) => step.permute(by),
            ControllerStep::TaintEviction(step) => step.permute(by),
            ControllerStep::PodGc(step) => step.permute(by),
            ControllerStep::ReplicaSet(step) => step.permute(by),
            ControllerStep::GarbageCollector(step) => step.permute(by),
            ControllerStep::Deployment(_)
            | ControllerStep::StatefulSet(_)
            | ControllerStep::Job(JobStep::Manage(_) | JobStep::Track(_)) => {}
            ControllerStep::Job(JobStep::Release(uid)) => uid.permute(by),
            ControllerStep::DaemonSet(step) => step.permute(by),
            ControllerStep::AttachDetach(step) => step.permute(by),
        }
    }
}

impl Permute for CloudStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            CloudStep::DeleteNode(node) | CloudStep::Taint(node) | CloudStep::Untaint(node) => {
                node.permute(by)
            }
        }
    }
}

impl Permute for KubeletStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            KubeletStep::ConnectHeartbeat
            | KubeletStep::ConnectWatch
            | KubeletStep::ConnectStatus
            | KubeletStep::EndNextGroup
            | KubeletStep::PostNodeStatus => {}
            KubeletStep::HandlePod(uid)
            | KubeletStep::Relist(uid)
            | KubeletStep::SyncPod(uid)
            | KubeletStep::VerifyVolumes(uid)
            | KubeletStep::KillPod(uid)
            | KubeletStep::FinishPod(uid)
            | KubeletStep::Housekeep(uid)
            | KubeletStep::SyncStatus(uid) => uid.permute(by),
        }
    }
}

impl Permute for RuntimeStep {
    fn permute(&mut self, by: &Renaming) {
        match self {
            RuntimeStep::RunSandbox(uid)
            | RuntimeStep::StartContainer(uid)
            | RuntimeStep::Complete(uid)
            | RuntimeStep::StopContainer(uid)
            | RuntimeStep::StopSandbox(uid) => uid.permute(by),
        }
    }
}
