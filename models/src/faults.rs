//! What may go wrong, and how often.

use crate::ids::{NodeSet, Seconds};

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
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 14] = [
        FaultKind::PowerOff,
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
        }
    }

    /// The fault that this one mends, if it is a recovery.
    pub fn mends(self) -> Option<FaultKind> {
        match self {
            FaultKind::PowerOn | FaultKind::PowerOnNoNetwork => Some(FaultKind::PowerOff),
            FaultKind::NetworkConfigured => Some(FaultKind::PowerOnNoNetwork),
            FaultKind::KubeletRestart => Some(FaultKind::KubeletCrash),
            FaultKind::RuntimeRestart => Some(FaultKind::RuntimeCrash),
            FaultKind::Heal => Some(FaultKind::Partition),
            FaultKind::ControllerManagerRestart => Some(FaultKind::ControllerManagerCrash),
            _ => None,
        }
    }

    /// Whether it ends the heartbeats of a node.
    pub fn silences(self) -> bool {
        matches!(self, FaultKind::PowerOff | FaultKind::KubeletCrash | FaultKind::Partition)
    }

    /// Whether it strikes one node (else the control plane).
    pub fn is_per_node(self) -> bool {
        !matches!(self, FaultKind::ControllerManagerCrash | FaultKind::ControllerManagerRestart)
    }
}

/// How often a kind of fault may happen, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultBudget {
    /// What may happen.
    pub kind: FaultKind,
    /// How often in one run.
    pub count: u8,
    /// On which nodes (ignored for faults of the control plane).
    pub nodes: NodeSet,
    /// Heartbeats are back within this time after it struck; none for no such promise.
    pub outage: Option<Seconds>,
}
