//! What components ask of the API server, and what it answers.

use crate::garbage_collector::Dependent;
use crate::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, PodName, PodSet, PodUid, ReplicaSetId, Seconds,
    StatefulSetId, TaintSet, TemplateId, VolumeSet,
};
use crate::objects::{
    DaemonSet, DaemonSetStatus, Deployment, DeploymentStatus, DisruptionReason, Finalizer, Job,
    JobStatus, Node, NodeReady, Owner, Pod, PodStatus, ReplicaSet, ReplicaSetStatus, StatefulSet,
    StatefulSetStatus, VolumeAttachment, Workload,
};

/// Which routine of the node lifecycle controller writes a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaintWriter {
    /// NLC-1: a node new to this process loses its NoExecute condition taints.
    NewNode,
    /// NLC-6: the node is Ready again, or the taint must be swapped.
    Monitor,
    /// NLC-7: the rate-limited NoExecute pass.
    NoExecutePass,
    /// NLC-8: the NoSchedule pass.
    NoSchedulePass,
    /// NLC-11: all zones are fully disrupted.
    MasterDisruption,
    /// No controller of the controller manager, but a person.
    Operator,
    /// CN-1: the cloud's node lifecycle controller.
    Cloud,
}

/// A request to the API server. Writes guarded by a resourceVersion carry the object as it was
/// read; the store compares contents (ST-1; see `specs/abstractions.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// POST pods, with `generateName` or a name.
    CreatePod {
        /// The controller.
        owner: Owner,
        /// The pod's spec.
        template: TemplateId,
        /// `metadata.name`; none for a generated one.
        name: Option<PodName>,
    },
    /// POST pods/binding with a UID (ST-9).
    BindPod {
        /// Pod name.
        name: PodName,
        /// Uid that must match.
        uid: PodUid,
        /// Chosen node.
        node: NodeId,
    },
    /// GET pods/name from etcd.
    GetPod {
        /// Pod name.
        name: PodName,
    },
    /// GET nodes/name from etcd.
    GetNode {
        /// Which node.
        node: NodeId,
    },
    /// The kubelet's PATCH pods/status with a UID precondition (SM-1). It carries what differs
    /// between the two statuses, field by field; the rest stays as it is stored.
    PatchPodStatus {
        /// Pod name.
        name: PodName,
        /// Uid that must match.
        uid: PodUid,
        /// The status that the live GET showed.
        seen: PodStatus,
        /// The status to write.
        status: PodStatus,
        /// DisruptionTarget to set with it.
        disruption: Option<DisruptionReason>,
    },
    /// PUT pods/status with Ready=False under the cached resourceVersion (NLC-4, NLC-5).
    PutPodNotReady {
        /// The pod as read from the cache.
        seen: Pod,
    },
    /// PATCH pods/status with condition DisruptionTarget (TEC-5).
    PatchPodDisruption {
        /// Pod name.
        name: PodName,
        /// Uid that must match (1.28 on).
        uid: Option<PodUid>,
        /// The condition's reason.
        reason: DisruptionReason,
    },
    /// PATCH pods/status with phase Failed (GC-0).
    PatchPodFailed {
        /// Pod name.
        name: PodName,
        /// Uid that must match (1.28 on).
        uid: Option<PodUid>,
        /// DisruptionTarget to set with it.
        disruption: Option<DisruptionReason>,
    },
    /// DELETE pods/name.
    DeletePod {
        /// Pod name.
        name: PodName,
        /// UID precondition; without one, whatever holds the name is deleted (ST-5).
        uid: Option<PodUid>,
        /// `gracePeriodSeconds`; none for the pod's own.
        grace: Option<Seconds>,
    },
    /// POST pods/name/eviction (EV-1), without preconditions.
    EvictPod {
        /// Pod name.
        name: PodName,
    },
    /// LIST and WATCH pods with field selector `spec.nodeName` (KL-1, ST-13).
    ListPodsOfNode {
        /// Whose pods.
        node: NodeId,
    },
    /// POST nodes: AlreadyExists for a node that returns (KL-5).
    RegisterNode {
        /// Which node.
        node: NodeId,
        /// `bootID`.
        boot: u8,
    },
    /// DELETE nodes/name.
    DeleteNode {
        /// Which node.
        node: NodeId,
    },
    /// The kubelet's PATCH nodes/status (KL-7).
    PatchNodeStatus {
        /// Which node.
        node: NodeId,
        /// Condition Ready.
        ready: NodeReady,
        /// `bootID`.
        boot: u8,
        /// `volumesInUse`; none to leave it as it is, while the kubelet does not know it yet.
        in_use: Option<VolumeSet>,
    },
    /// GET nodes/name and its VolumeAttachments from etcd: which volumes a kubelet may mount (AD-V3).
    GetAttachedVolumes {
        /// Which node.
        node: NodeId,
    },
    /// PATCH nodes/status with `volumesAttached` (AD-V2, AD-V3). The list is replaced if it is not
    /// what was read.
    PatchVolumesAttached {
        /// Which node.
        node: NodeId,
        /// The list as read from the cache.
        seen: VolumeSet,
        /// The list to write.
        attached: VolumeSet,
    },
    /// POST volumeattachments (AD-V3).
    CreateVolumeAttachment {
        /// What is attached where.
        attachment: VolumeAttachment,
    },
    /// DELETE volumeattachments (AD-V2).
    DeleteVolumeAttachment {
        /// What is detached from where.
        attachment: VolumeAttachment,
    },
    /// PUT nodes/status with Ready=Unknown under the cached resourceVersion (NLC-3).
    PutNodeUnknown {
        /// The node as read from the cache.
        seen: Node,
    },
    /// PATCH nodes with taints added or removed.
    PatchNodeTaints {
        /// Which node.
        node: NodeId,
        /// Taints to add.
        add: TaintSet,
        /// Taints to remove.
        remove: TaintSet,
        /// What the same routine removes next, in a patch of its own.
        then_remove: TaintSet,
        /// The routine.
        writer: TaintWriter,
    },
    /// PATCH nodes with `spec.unschedulable` (`kubectl cordon`, `kubectl uncordon`).
    PatchNodeUnschedulable {
        /// Which node.
        node: NodeId,
        /// The value to write.
        unschedulable: bool,
    },
    /// GET replicasets/name from etcd (RS-7, after a conflict).
    GetReplicaSet {
        /// Which ReplicaSet.
        id: ReplicaSetId,
    },
    /// PUT replicasets/status under the cached resourceVersion (RS-7).
    PutReplicaSetStatus {
        /// The ReplicaSet as read.
        seen: ReplicaSet,
        /// The status to write.
        status: ReplicaSetStatus,
    },
    /// POST replicasets, for a template of a Deployment that has none yet (DP-2). The name is made
    /// from the template, so that a second POST finds it taken.
    CreateReplicaSet {
        /// Which ReplicaSet.
        id: ReplicaSetId,
        /// `spec.replicas`.
        replicas: u8,
        /// The replicas of its Deployment.
        desired: u8,
    },
    /// PUT replicasets under the cached resourceVersion: a Deployment scales it (DP-2).
    PutReplicaSet {
        /// The ReplicaSet as read.
        seen: ReplicaSet,
        /// `spec.replicas`.
        replicas: u8,
        /// The replicas of its Deployment.
        desired: u8,
    },
    /// PUT statefulsets/status under the cached resourceVersion (SS-1).
    PutStatefulSetStatus {
        /// Which StatefulSet.
        id: StatefulSetId,
        /// The status as read from the cache.
        seen: StatefulSetStatus,
        /// The status to write.
        status: StatefulSetStatus,
    },
    /// PUT deployments/status under the cached resourceVersion (DP-1).
    PutDeploymentStatus {
        /// The Deployment as read.
        seen: Deployment,
        /// The status to write.
        status: DeploymentStatus,
    },
    /// PATCH deployments with another `spec.template`.
    PatchDeploymentTemplate {
        /// Which Deployment.
        id: DeploymentId,
    },
    /// PATCH the subresource `scale` of a workload.
    PatchScale {
        /// Which workload.
        workload: Workload,
        /// `spec.replicas`.
        replicas: u8,
    },
    /// DELETE a workload; the garbage collector's has a UID precondition, which an id is.
    DeleteWorkload {
        /// Which workload.
        workload: Workload,
        /// What becomes of its dependents.
        propagation: Propagation,
    },
    /// GET the owner of something from etcd (GCOL-1).
    GetOwner {
        /// The owner.
        owner: Workload,
        /// Whose owner it is.
        dependent: Dependent,
    },
    /// PATCH a dependent: the reference to this owner is taken out (GCOL-1).
    PatchOwner {
        /// The owner.
        owner: Workload,
        /// Whose owner it is.
        dependent: Dependent,
    },
    /// PATCH a workload that is being deleted: its finalizer is taken out, and with it the workload
    /// (ST-7).
    RemoveFinalizer {
        /// Which workload.
        owner: Workload,
    },
    /// PUT daemonsets/status under the cached resourceVersion (DS-3).
    PutDaemonSetStatus {
        /// Which DaemonSet.
        id: DaemonSetId,
        /// The status as read from the cache.
        seen: DaemonSetStatus,
        /// The status to write.
        status: DaemonSetStatus,
    },
    /// PUT jobs/status under the cached resourceVersion (JB-6).
    PutJobStatus {
        /// Which Job.
        id: JobId,
        /// The status as read from the cache.
        seen: JobStatus,
        /// The status to write.
        status: JobStatus,
    },
    /// PATCH pods without the tracking finalizer (JB-6); by name.
    PatchPodFinalizer {
        /// Pod name.
        name: PodName,
    },
}

/// `propagationPolicy` of a DELETE: what becomes of the dependents of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Propagation {
    /// They go after it: what `kubectl delete` asks for.
    Background,
    /// They go before it.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

impl Request {
    /// The uid slots that a request names, by uid or by a generated name.
    pub fn names(&self) -> PodSet {
        if let Request::PutJobStatus { seen, status, .. } = self {
            return seen.uncounted().union(status.uncounted());
        }
        self.names_pod().into_iter().collect()
    }

    fn names_pod(&self) -> Option<PodUid> {
        match *self {
            Request::BindPod { uid, .. } | Request::PatchPodStatus { uid, .. } => Some(uid),
            Request::PutPodNotReady { seen } => Some(seen.uid),
            Request::GetOwner { dependent: Dependent::Pod(uid), .. }
            | Request::PatchOwner { dependent: Dependent::Pod(uid), .. } => Some(uid),
            Request::GetPod { name }
            | Request::EvictPod { name }
            | Request::PatchPodFinalizer { name } => name.slot(),
            Request::PatchPodDisruption { name, uid, .. }
            | Request::PatchPodFailed { name, uid, .. }
            | Request::DeletePod { name, uid, .. } => uid.or(name.slot()),
            _ => None,
        }
    }
}

/// The API server's answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// Success.
    Done,
    /// Success, with the pod as it is now.
    Pod(Pod),
    /// Success, with the node as it is now.
    Node(Node),
    /// Success, with the ReplicaSet as it is now.
    ReplicaSet(ReplicaSet),
    /// Success, with what keeps an owner stored, if it is being deleted.
    Owner(Option<Finalizer>),
    /// Success, with the pods of a node, and the taints for which its kubelet may refuse pods
    /// ([`ClusterConfig::refusing`](crate::config::ClusterConfig::refusing)): a kubelet lists its
    /// Node before it lists pods (KL-1). The watch goes on from here.
    Pods(Vec<Pod>, TaintSet),
    /// Success, with the volumes that are attached to a node and reported so in its status.
    Volumes(VolumeSet),
    /// 404.
    NotFound,
    /// 409 Conflict: a precondition or resourceVersion did not match.
    Conflict,
    /// 409 AlreadyExists.
    AlreadyExists,
    /// 429: a PodDisruptionBudget forbids the eviction.
    TooManyRequests,
}

/// The first list of everything that the controller manager or the scheduler caches.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listing {
    /// Pods, oldest first.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// StatefulSets.
    pub stateful_sets: Vec<StatefulSet>,
    /// DaemonSets.
    pub daemon_sets: Vec<DaemonSet>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// VolumeAttachments.
    pub attachments: Vec<VolumeAttachment>,
}
