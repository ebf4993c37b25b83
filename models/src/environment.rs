//! What surrounds the components: power, cables, and how much may still go wrong.

use crate::config::{ClusterConfig, PROMPT};
use crate::faults::{FaultBudget, FaultKind};
use crate::ids::{NodeId, NodeSet, PodSet, Seconds};

/// The environment. Which nodes have power and which processes run is in the actors' own states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment {
    /// Nodes that are cut off from the API server.
    pub partitioned: NodeSet,
    /// Nodes whose lease may not have been renewed for the grace period (a guard of NLC-3).
    pub silent: NodeSet,
    /// Nodes whose heartbeats are late although they are sent.
    pub slow_heartbeat: NodeSet,
    /// Nodes on which starting a container may take longer than a node time-out.
    pub slow_start: NodeSet,
    /// Nodes whose instance is stopped, by its cloud's word.
    pub stopped: NodeSet,
    /// Nodes whose instance is gone.
    pub gone: NodeSet,
    /// Nodes that power down when nothing holds it up any more.
    pub shutting_down: NodeSet,
    /// Pods that somebody who drains a node still has to evict.
    pub evicting: PodSet,
    /// Outages that end in time, by node: heartbeats are back this long after they ended. An outage
    /// is over when what follows from their return is done.
    pub outages: Vec<(NodeId, Seconds)>,
    /// What is left of each budget, in the order of [`ClusterConfig::faults`].
    pub budget: Vec<u8>,
}

impl Environment {
    /// All budgets full.
    pub fn start(config: &ClusterConfig) -> Self {
        Environment {
            partitioned: NodeSet::EMPTY,
            silent: NodeSet::EMPTY,
            slow_heartbeat: NodeSet::EMPTY,
            slow_start: NodeSet::EMPTY,
            stopped: NodeSet::EMPTY,
            gone: NodeSet::EMPTY,
            shutting_down: NodeSet::EMPTY,
            evicting: PodSet::EMPTY,
            outages: Vec::new(),
            budget: config.faults.iter().map(|fault| fault.count).collect(),
        }
    }

    /// Whether a fault of this kind may still strike this node (none for the control plane).
    pub fn allows(&self, config: &ClusterConfig, kind: FaultKind, node: Option<NodeId>) -> bool {
        self.budget(config, kind, node).is_some()
    }

    /// The budget out of which a fault of this kind that strikes this node would be taken.
    pub fn budget<'a>(
        &self,
        config: &'a ClusterConfig,
        kind: FaultKind,
        node: Option<NodeId>,
    ) -> Option<&'a FaultBudget> {
        let of_kind =
            config.faults.iter().zip(&self.budget).filter(|(fault, _)| fault.kind == kind);
        let mut fits =
            of_kind.filter(|(fault, _)| node.is_none_or(|node| fault.nodes.contains(node)));
        fits.find(|(_, left)| **left > 0).map(|(fault, _)| fault)
    }

    /// How long the outage of a node lasts at most, if it is in one that ends in time.
    pub fn outage(&self, node: NodeId) -> Option<Seconds> {
        self.outages.iter().find(|(id, _)| *id == node).map(|(_, most)| *most)
    }

    /// A fault has ended the heartbeats of a node: for this long, or without a limit. One that
    /// strikes before an outage is over prolongs it.
    pub fn begin_outage(&mut self, node: NodeId, most: Option<Seconds>) {
        let before = self.outage(node).map_or(0, |before| before.0.saturating_add(PROMPT.0));
        let most = most.map(|most| Seconds(before.saturating_add(most.0)));
        self.end_outages(NodeSet::EMPTY.with(node));
        let at = self.outages.partition_point(|(id, _)| *id < node);
        self.outages.splice(at..at, most.map(|most| (node, most)));
    }

    /// Heartbeats of these nodes are back.
    pub fn end_outages(&mut self, nodes: NodeSet) {
        self.outages.retain(|(id, _)| !nodes.contains(*id));
    }

    /// Takes one fault out of its budget.
    pub fn spend(&mut self, config: &ClusterConfig, kind: FaultKind, node: Option<NodeId>) {
        let of_kind =
            config.faults.iter().zip(&mut self.budget).filter(|(fault, _)| fault.kind == kind);
        let mut fits =
            of_kind.filter(|(fault, _)| node.is_none_or(|node| fault.nodes.contains(node)));
        if let Some((fault, left)) = fits.find(|(_, left)| **left > 0)
            && fault.count != FaultBudget::UNLIMITED
        {
            *left -= 1;
        }
    }
}
