//! What comes from outside, and how often: what may go wrong, and what people do.

use crate::ids::{DeploymentId, NodeSet, Seconds, TaintId};
use crate::objects::Workload;
use crate::requests::Propagation;

/// Something that happens to a cluster from outside. Each kind has a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A node loses power: everything on it dies, its disk stays.
    PowerOff,
    /// A node boots again.
    PowerOn,
    /// A node boots again without a configured network: its kubelet posts Ready=False.
    PowerOnNoNetwork,
    /// The network of a node that booted without one is configured.
    NetworkConfigured,
    /// The kubelet process dies; containers go on.
    KubeletCrash,
    /// The kubelet process starts again.
    KubeletRestart,
    /// The container runtime daemon dies; containers go on.
    RuntimeCrash,
    /// The container runtime daemon starts again.
    RuntimeRestart,
    /// A node is cut off from the API server.
    Partition,
    /// The cut is mended; each connection of the kubelet recovers on its own.
    Heal,
    /// The controller manager dies.
    ControllerManagerCrash,
    /// The controller manager starts again.
    ControllerManagerRestart,
    /// A container start on a node takes longer than a node time-out.
    SlowStart,
    /// Heartbeats of a live, connected node arrive too late.
    SlowHeartbeat,
    /// A node is shut down in order: its kubelet is told first (12.9).
    Shutdown,
    /// Somebody stops the instance of a node in its cloud.
    InstanceStopped,
    /// The instance of a node is deleted in its cloud: the node never returns.
    InstanceGone,
    /// A person deletes a pod with its own grace period.
    DeletePod,
    /// A person deletes a pod with a grace period of one second (`--grace-period=1`, and what
    /// `kubectl` makes of `--grace-period=0` without `--force`).
    DeletePodNow,
    /// A person deletes a pod by force: grace period 0.
    ForceDeletePod,
    /// A person puts the taint out-of-service on a node.
    OutOfService,
    /// A person takes the taint out-of-service off a node.
    BackInService,
    /// A person makes a node unschedulable.
    Cordon,
    /// A person makes a node schedulable again.
    Uncordon,
    /// A person changes the template of a Deployment (`kubectl set image`, `rollout restart`).
    Rollout(DeploymentId),
    /// A person scales a workload to so many replicas.
    Scale(Workload, u8),
    /// A person deletes a workload.
    DeleteWorkload(Workload, Propagation),
    /// A person deletes a Node object.
    DeleteNode,
    /// A person drains a node: it is cordoned, and its pods are evicted (EV-1).
    Drain,
    /// A person puts this taint on a node.
    Taint(TaintId),
    /// A person takes this taint off a node.
    Untaint(TaintId),
}

/// Faults after which a node can boot again.
const POWER_LOSSES: [FaultKind; 3] =
    [FaultKind::PowerOff, FaultKind::Shutdown, FaultKind::InstanceStopped];

/// What something from outside is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One node.
    Node,
    /// The control plane.
    ControlPlane,
    /// One pod.
    Pod,
    /// One workload, which the kind names.
    Workload,
}

impl FaultKind {
    /// All kinds but those that name a taint or a workload; one that is mended stands before what
    /// mends it.
    pub const ALL: [FaultKind; 26] = [
        FaultKind::PowerOff,
        FaultKind::Shutdown,
        FaultKind::InstanceStopped,
        FaultKind::InstanceGone,
        FaultKind::PowerOn,
        FaultKind::PowerOnNoNetwork,
        FaultKind::NetworkConfigured,
        FaultKind::KubeletCrash,
        FaultKind::KubeletRestart,
        FaultKind::RuntimeCrash,
        FaultKind::RuntimeRestart,
        FaultKind::Partition,
        FaultKind::Heal,
        FaultKind::ControllerManagerCrash,
        FaultKind::ControllerManagerRestart,
        FaultKind::SlowStart,
        FaultKind::SlowHeartbeat,
        FaultKind::DeletePod,
        FaultKind::DeletePodNow,
        FaultKind::ForceDeletePod,
        FaultKind::OutOfService,
        FaultKind::BackInService,
        FaultKind::Cordon,
        FaultKind::Uncordon,
        FaultKind::DeleteNode,
        FaultKind::Drain,
    ];

    /// Its name in a scenario file.
    pub fn field(self) -> &'static str {
        match self {
            FaultKind::PowerOff => "powerOff",
            FaultKind::PowerOn => "powerOn",
            FaultKind::PowerOnNoNetwork => "powerOnNoNetwork",
            FaultKind::NetworkConfigured => "networkConfigured",
            FaultKind::KubeletCrash => "kubeletCrash",
            FaultKind::KubeletRestart => "kubeletRestart",
            FaultKind::RuntimeCrash => "runtimeCrash",
            FaultKind::RuntimeRestart => "runtimeRestart",
            FaultKind::Partition => "partition",
            FaultKind::Heal => "heal",
            FaultKind::ControllerManagerCrash => "controllerManagerCrash",
            FaultKind::ControllerManagerRestart => "controllerManagerRestart",
            FaultKind::SlowStart => "slowStart",
            FaultKind::SlowHeartbeat => "slowHeartbeat",
            FaultKind::Shutdown => "shutdown",
            FaultKind::InstanceStopped => "instanceStopped",
            FaultKind::InstanceGone => "instanceGone",
            FaultKind::DeletePod => "deletePod",
            FaultKind::DeletePodNow => "deletePodNow",
            FaultKind::ForceDeletePod => "forceDeletePod",
            FaultKind::OutOfService => "outOfService",
            FaultKind::BackInService => "backInService",
            FaultKind::Cordon => "cordon",
            FaultKind::Uncordon => "uncordon",
            FaultKind::Rollout(_) => "rollout",
            FaultKind::Scale(..) => "scale",
            FaultKind::DeleteWorkload(..) => "deleteWorkload",
            FaultKind::DeleteNode => "deleteNode",
            FaultKind::Drain => "drain",
            FaultKind::Taint(_) => "taint",
            FaultKind::Untaint(_) => "untaint",
        }
    }

    /// The faults that this one mends, if it is a recovery.
    pub fn mends(self) -> &'static [FaultKind] {
        match self {
            FaultKind::PowerOn | FaultKind::PowerOnNoNetwork => &POWER_LOSSES,
            FaultKind::NetworkConfigured => &[FaultKind::PowerOnNoNetwork],
            FaultKind::KubeletRestart => &[FaultKind::KubeletCrash],
            FaultKind::RuntimeRestart => &[FaultKind::RuntimeCrash],
            FaultKind::Heal => &[FaultKind::Partition],
            FaultKind::ControllerManagerRestart => &[FaultKind::ControllerManagerCrash],
            FaultKind::BackInService => &[FaultKind::OutOfService],
            FaultKind::Uncordon => &[FaultKind::Cordon],
            _ => &[],
        }
    }

    /// Whether it happens in a cloud, which is asked about it.
    pub fn is_by_cloud(self) -> bool {
        matches!(self, FaultKind::InstanceStopped | FaultKind::InstanceGone)
    }

    /// Whether a node has no power after it.
    pub fn takes_power(self) -> bool {
        self == FaultKind::InstanceGone || POWER_LOSSES.contains(&self)
    }

    /// Whether a person or a cloud provider does it, by a request to the API server; else it is a
    /// fault, or the end of one.
    pub fn is_by_operator(self) -> bool {
        self >= FaultKind::DeletePod
    }

    /// Whether it takes pods out of the API that perhaps still run.
    pub fn is_by_force(self) -> bool {
        matches!(self, FaultKind::ForceDeletePod | FaultKind::OutOfService | FaultKind::DeleteNode)
    }

    /// What it is done to.
    pub fn scope(self) -> Scope {
        match self {
            FaultKind::ControllerManagerCrash | FaultKind::ControllerManagerRestart => {
                Scope::ControlPlane
            }
            FaultKind::DeletePod | FaultKind::DeletePodNow | FaultKind::ForceDeletePod => {
                Scope::Pod
            }
            FaultKind::Rollout(_) | FaultKind::Scale(..) | FaultKind::DeleteWorkload(..) => {
                Scope::Workload
            }
            _ => Scope::Node,
        }
    }

    /// Whether it ends the heartbeats of a node.
    pub fn silences(self) -> bool {
        matches!(self, FaultKind::KubeletCrash | FaultKind::Partition)
            || (self.takes_power() && self != FaultKind::Shutdown)
    }
}

/// When a person does something, of all the times at which it could be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// At any time.
    #[default]
    Always,
    /// While the API says of the node (of a pod's node) that it is not Ready.
    NotReady,
    /// While the node (the pod's node) has no power: somebody went there and looked.
    PoweredOff,
    /// While the pod is Terminating.
    Terminating,
}

/// How often a kind of fault may happen, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultBudget {
    /// What may happen.
    pub kind: FaultKind,
    /// How often in one run; [`FaultBudget::UNLIMITED`] for as often as need be.
    pub count: u8,
    /// On which nodes (ignored for faults of the control plane).
    pub nodes: NodeSet,
    /// Heartbeats are back within this time after it struck; none for no such promise.
    pub outage: Option<Seconds>,
    /// When it may happen; anything but [`When::Always`] is for what people do.
    pub when: When,
}

impl FaultBudget {
    /// A budget that is never used up, and of which nothing is remembered.
    pub const UNLIMITED: u8 = u8::MAX;
}
