//! The API objects as far as node failure can change them: what etcd stores, caches copy and
//! `kubectl` prints.
//!
//! Resource versions, timestamps, names and addresses are abstracted; `specs/abstractions.md` says
//! how, and why no property can tell.

use crate::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, PodName, PodSet, PodUid, ReplicaSetId, Seconds,
    StatefulSetId, TaintSet, TemplateId, VolumeId, VolumeSet,
};

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// Bound, and at least one container started (or restarting).
    Running,
    /// All containers ended with 0 and will not be restarted.
    Succeeded,
    /// All containers ended, at least one in failure; or refused by the kubelet; or by pod GC.
    Failed,
}

impl Phase {
    /// Succeeded or Failed.
    pub fn is_terminal(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed)
    }
}

/// `status.reason` of a pod, as far as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodReason {
    /// The kubelet refused the pod: an untolerated NoExecute taint (KL-3).
    TaintToleration,
    /// The kubelet refused the pod: its node selector does not match (KL-3).
    NodeAffinity,
    /// The kubelet refused the pod: its node is shutting down (12.9).
    NodeShutdown,
    /// The kubelet stopped the pod since its node was shutting down (12.9).
    Terminated,
}

/// The condition Ready of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodReady {
    /// The kubelet has not written a status yet.
    Absent,
    /// Ready=False.
    False,
    /// Ready=True. `since` stands for `lastTransitionTime`: it is a new number each time the
    /// kubelet sees the pod become ready, and always 0 where `minReadySeconds` is 0.
    True {
        /// Number of this stretch of readiness.
        since: u8,
    },
}

impl PodReady {
    /// Whether the condition is True.
    pub fn is_true(self) -> bool {
        matches!(self, PodReady::True { .. })
    }
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Exit code 0, reason `Completed`.
    Completed,
    /// Exit code 137 after the grace period, reason `Error`.
    Killed,
    /// Exit code 255, reason `Unknown`: containerd found no task after a reboot (RB-1).
    Unknown,
    /// Exit code 137, reason `ContainerStatusUnknown`: it never ran, or the runtime lost it (PW-5).
    Lost,
}

impl Exit {
    /// The exit code that the container status shows.
    pub fn code(self) -> u8 {
        match self {
            Exit::Completed => 0,
            Exit::Killed | Exit::Lost => 137,
            Exit::Unknown => 255,
        }
    }

    /// `state.terminated.reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Exit::Completed => "Completed",
            Exit::Killed => "Error",
            Exit::Unknown => "Unknown",
            Exit::Lost => "ContainerStatusUnknown",
        }
    }
}

/// `status.containerStatuses[0].state`. A pod is modelled with one container; more are named in a
/// warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerState {
    /// No container status yet.
    Absent,
    /// Waiting, reason `ContainerCreating`.
    Creating,
    /// Running.
    Running,
    /// Terminated.
    Terminated(Exit),
}

/// The part of a pod's status that its kubelet writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodStatus {
    /// `phase`.
    pub phase: Phase,
    /// `reason`.
    pub reason: Option<PodReason>,
    /// Condition Ready.
    pub ready: PodReady,
    /// `containerStatuses[0].state`.
    pub container: ContainerState,
    /// `containerStatuses[0].restartCount`.
    pub restart_count: u8,
    /// The number of the sandbox whose address `podIP` is, if there is one. Addresses differ
    /// exactly when (uid, sandbox) differ.
    pub ip: Option<u8>,
}

impl PodStatus {
    /// The status of a pod that no kubelet has seen.
    pub const NEW: PodStatus = PodStatus {
        phase: Phase::Pending,
        reason: None,
        ready: PodReady::Absent,
        container: ContainerState::Absent,
        restart_count: 0,
        ip: None,
    };

    /// This status after a patch computed between `old` and `new`. The list of container statuses
    /// is replaced as a whole; conditions and scalar fields are merged one by one.
    /// (`apimachinery/pkg/util/strategicpatch`, `pkg/util/pod` `PatchPodStatus`)
    pub fn patched(self, old: &PodStatus, new: &PodStatus) -> PodStatus {
        fn pick<T: PartialEq>(stored: T, old: T, new: T) -> T {
            if old == new { stored } else { new }
        }
        let containers = |status: &PodStatus| (status.container, status.restart_count);
        let (container, restart_count) = pick(containers(&self), containers(old), containers(new));
        PodStatus {
            phase: pick(self.phase, old.phase, new.phase),
            reason: pick(self.reason, old.reason, new.reason),
            ready: pick(self.ready, old.ready, new.ready),
            container,
            restart_count,
            ip: pick(self.ip, old.ip, new.ip),
        }
    }
}

/// Reason of the condition DisruptionTarget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisruptionReason {
    /// Taint eviction (TEC-5).
    DeletionByTaintManager,
    /// Pod GC, orphaned pod (GC-1).
    DeletionByPodGC,
    /// The eviction API (EV-1).
    EvictionByEvictionAPI,
    /// A graceful node shutdown (12.9).
    TerminationByKubelet,
}

/// What created a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A person, from a Pod manifest.
    None,
    /// A ReplicaSet.
    ReplicaSet(ReplicaSetId),
    /// A StatefulSet.
    StatefulSet(StatefulSetId),
    /// A DaemonSet, for this node, which the pod names in its node affinity.
    DaemonSet(DaemonSetId, NodeId),
    /// A Job.
    Job(JobId),
}

/// A stored pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pod {
    /// `metadata.uid`.
    pub uid: PodUid,
    /// `metadata.name`.
    pub name: PodName,
    /// `metadata.ownerReferences`.
    pub owner: Owner,
    /// What does not change in its spec.
    pub template: TemplateId,
    /// `spec.nodeName`.
    pub node: Option<NodeId>,
    /// Terminating: `deletionTimestamp` is set, with this `deletionGracePeriodSeconds`.
    pub deletion: Option<Seconds>,
    /// It has the finalizer `batch.kubernetes.io/job-tracking` (ST-7).
    pub tracked: bool,
    /// Condition DisruptionTarget=True with this reason.
    pub disruption_target: Option<DisruptionReason>,
    /// What the kubelet reports (and NLC-4 and GC-0 overwrite).
    pub status: PodStatus,
}

impl Pod {
    /// Whether `deletionTimestamp` is set.
    pub fn is_terminating(&self) -> bool {
        self.deletion.is_some()
    }

    /// The node for which a DaemonSet made it: the pod fits no other.
    pub fn pinned(&self) -> Option<NodeId> {
        match self.owner {
            Owner::DaemonSet(_, node) => Some(node),
            _ => None,
        }
    }

    /// RS-1: neither terminal nor Terminating.
    pub fn is_active(&self) -> bool {
        !self.is_terminating() && !self.status.phase.is_terminal()
    }
}

/// The condition Ready of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeReady {
    /// Ready=True, reason KubeletReady.
    True,
    /// Ready=False, reason KubeletNotReady: posted by the kubelet (KL-7).
    False,
    /// Ready=Unknown, reason NodeStatusUnknown: set by the node lifecycle controller (NLC-3).
    Unknown,
}

/// A stored node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Which node.
    pub id: NodeId,
    /// Condition Ready.
    pub ready: NodeReady,
    /// `spec.taints`.
    pub taints: TaintSet,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `status.nodeInfo.bootID`, counted from 0.
    pub boot: u8,
    /// `status.volumesAttached`, which the attach/detach controller writes.
    pub attached: VolumeSet,
    /// `status.volumesInUse`, which the kubelet writes.
    pub in_use: VolumeSet,
}

/// A stored VolumeAttachment: the volume is attached to the node.
///
/// The external attacher, and the storage behind it, does what one asks for in the step that stores
/// or removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeAttachment {
    /// The volume.
    pub volume: VolumeId,
    /// Where it is attached.
    pub node: NodeId,
}

/// `status` of a ReplicaSet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaSetStatus {
    /// Active pods.
    pub replicas: u8,
    /// Active pods with Ready=True.
    pub ready: u8,
    /// Active pods that have been Ready for `minReadySeconds`.
    pub available: u8,
    /// Non-terminal Terminating pods; reported from 1.35 on (RS-7).
    pub terminating: u8,
}

/// What keeps a deleted workload stored, its `deletionTimestamp` set (ST-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finalizer {
    /// `foregroundDeletion`: its dependents go first.
    Foreground,
    /// `orphan`: its dependents are released first.
    Orphan,
}

/// A stored ReplicaSet.
///
/// An id stands for one incarnation: a ReplicaSet that is gone does not come back under its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaSet {
    /// Which one.
    pub id: ReplicaSetId,
    /// `spec.replicas`.
    pub replicas: u8,
    /// Annotation `deployment.kubernetes.io/desired-replicas`: the replicas of its Deployment when
    /// that scaled it last; its own where it has none.
    pub desired: u8,
    /// `metadata.ownerReferences`.
    pub owner: Option<DeploymentId>,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: ReplicaSetStatus,
}

/// A workload that people name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Workload {
    /// A ReplicaSet.
    ReplicaSet(ReplicaSetId),
    /// A Deployment.
    Deployment(DeploymentId),
    /// A StatefulSet.
    StatefulSet(StatefulSetId),
    /// A DaemonSet.
    DaemonSet(DaemonSetId),
    /// A Job.
    Job(JobId),
}

/// `status` of a Deployment: sums over its ReplicaSets (DP-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentStatus {
    /// Active pods.
    pub replicas: u8,
    /// Active pods that have the newest template.
    pub updated: u8,
    /// Active pods with Ready=True.
    pub ready: u8,
    /// Active pods that have been Ready for `minReadySeconds`.
    pub available: u8,
    /// Non-terminal Terminating pods; reported from 1.35 on.
    pub terminating: u8,
}

/// A stored Deployment.
/// `status` of a StatefulSet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulSetStatus {
    /// Pods that exist.
    pub replicas: u8,
    /// Pods that are Running and Ready, Terminating ones too.
    pub ready: u8,
    /// The same, for there is no `minReadySeconds`.
    pub available: u8,
    /// Pods that are not Terminating; also `updatedReplicas`.
    pub current: u8,
}

/// A stored StatefulSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulSet {
    /// Which one.
    pub id: StatefulSetId,
    /// `spec.replicas`.
    pub replicas: u8,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: StatefulSetStatus,
}

/// A stored Deployment. Its status has the shape of its one ReplicaSet's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deployment {
    /// Which one.
    pub id: DeploymentId,
    /// `spec.replicas`.
    pub replicas: u8,
    /// `spec.template`: how often it has been changed.
    pub revision: u8,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: DeploymentStatus,
}

/// `status` of a DaemonSet. `updatedNumberScheduled` is `current`: templates do not change; and
/// `numberAvailable` is `ready`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaemonSetStatus {
    /// Nodes that are to have a pod.
    pub desired: u8,
    /// Those of them that have one.
    pub current: u8,
    /// Those whose pod is Ready.
    pub ready: u8,
    /// Nodes that have a pod and are not to have one.
    pub misscheduled: u8,
}

/// A stored DaemonSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaemonSet {
    /// Which one.
    pub id: DaemonSetId,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: DaemonSetStatus,
}

/// The condition of a Job that says that it is over, or is about to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobCondition {
    /// It goes on.
    #[default]
    None,
    /// Enough pods succeeded; others may still have to end.
    SuccessCriteriaMet,
    /// It is over.
    Complete,
    /// It will fail: its pods are being ended.
    FailureTarget,
    /// It is over.
    Failed,
}

impl JobCondition {
    /// Whether nothing is done for the Job any more.
    pub fn is_final(self) -> bool {
        matches!(self, JobCondition::Complete | JobCondition::Failed)
    }

    /// What follows when all pods have ended.
    pub fn concluded(self) -> JobCondition {
        match self {
            JobCondition::SuccessCriteriaMet => JobCondition::Complete,
            JobCondition::FailureTarget => JobCondition::Failed,
            other => other,
        }
    }
}

/// `status` of a Job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobStatus {
    /// Pods that were counted as succeeded.
    pub succeeded: u8,
    /// Pods that were counted as failed.
    pub failed: u8,
    /// Pods that succeeded and may still have their finalizer.
    pub uncounted_succeeded: PodSet,
    /// Pods that failed and may still have their finalizer.
    pub uncounted_failed: PodSet,
    /// The last of its conditions.
    pub condition: JobCondition,
    /// Active pods; written only where the status of workloads is.
    pub active: u8,
    /// Active pods that are Ready; likewise.
    pub ready: u8,
    /// Non-terminal Terminating pods; likewise, from 1.28 on.
    pub terminating: u8,
}

impl JobStatus {
    /// Pods that it names.
    pub fn uncounted(&self) -> PodSet {
        self.uncounted_succeeded.union(self.uncounted_failed)
    }
}

/// A stored Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    /// Which one.
    pub id: JobId,
    /// Being deleted, and what that waits for.
    pub finalizer: Option<Finalizer>,
    /// `status`.
    pub status: JobStatus,
}

/// Any stored object, as a watch event carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A pod.
    Pod(Pod),
    /// A node.
    Node(Node),
    /// A ReplicaSet.
    ReplicaSet(ReplicaSet),
    /// A Deployment.
    Deployment(Deployment),
    /// A StatefulSet.
    StatefulSet(StatefulSet),
    /// A DaemonSet.
    DaemonSet(DaemonSet),
    /// A Job.
    Job(Job),
    /// A VolumeAttachment.
    VolumeAttachment(VolumeAttachment),
}

/// The type of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// ADDED.
    Added,
    /// MODIFIED.
    Modified,
    /// DELETED; carries the last stored content (ST-12).
    Deleted,
}

/// A watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchEvent {
    /// ADDED, MODIFIED or DELETED.
    pub kind: EventType,
    /// The object after the change.
    pub object: Object,
}
