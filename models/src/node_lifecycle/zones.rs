//! Zones: their disruption, their limiters, and the end of a pass (NLC-9 … NLC-12).

use super::{NodeLifecycle, Pass};
use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::ids::{NodeId, NodeSet};
use crate::informer_cache::InformerCache;
use crate::objects::NodeReady;
use crate::rules::Rule;

/// Disruption state of a zone (NLC-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneState {
    /// Not computed yet by this process.
    Initial,
    /// Enough Ready nodes.
    Normal,
    /// More than two nodes and at least the threshold not Ready.
    Partial,
    /// No node Ready.
    Full,
}

/// A zone's taint queue and limiter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone {
    /// Disruption state.
    pub state: ZoneState,
    /// Nodes to taint, in order.
    pub queue: Vec<NodeId>,
    /// Nodes that may not be queued again (the queue's unique set outlives the queue).
    pub queued: NodeSet,
    /// A token is there: the next node may be tainted.
    pub token: bool,
    /// The limiter refuses everything (NLC-10, NLC-11).
    pub stopped: bool,
}

impl Zone {
    pub(super) const fn new(state: ZoneState) -> Self {
        Zone { state, queue: Vec::new(), queued: NodeSet::EMPTY, token: true, stopped: false }
    }

    /// Adds a node unless the unique set has it.
    pub(super) fn add(&mut self, node: NodeId) {
        if self.queued.insert(node) {
            self.queue.push(node);
        }
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        self.queued.remove(node);
        self.queue.retain(|&queued| queued != node);
    }
}

impl NodeLifecycle {
    /// NLC-9: the zones' states as this pass sees them.
    fn zone_states(&self, config: &ClusterConfig, cache: &InformerCache) -> Vec<Option<ZoneState>> {
        let unknown = self.pass.map(|pass| pass.unknown).unwrap_or_default();
        let mut counts = vec![(0u32, 0u32); config.zones.len()];
        for node in &cache.nodes {
            let count = &mut counts[Self::zone_of(config, node.id)];
            count.0 += 1;
            count.1 += u32::from(node.ready != NodeReady::True || unknown.contains(node.id));
        }
        let threshold = u32::from(config.settings.unhealthy_zone_percent);
        counts
            .into_iter()
            .map(|(nodes, not_ready)| match not_ready {
                _ if nodes == 0 => None,
                _ if not_ready == nodes => Some(ZoneState::Full),
                3.. if not_ready * 100 >= threshold * nodes => Some(ZoneState::Partial),
                _ => Some(ZoneState::Normal),
            })
            .collect()
    }

    /// Whether the end of a pass would change a zone, or what is known.
    pub(super) fn zones_would_change(&self, config: &ClusterConfig, cache: &InformerCache) -> bool {
        !self.vanished(cache).is_empty()
            || self
                .zone_states(config, cache)
                .iter()
                .zip(&self.zones)
                .any(|(new, zone)| new.unwrap_or(ZoneState::Initial) != zone.state)
    }

    /// handleDisruption: NLC-9, NLC-10, NLC-11, NLC-12; and time passes for the limiters.
    pub(super) fn end_pass(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Nlc9);
        let pass = self.begin_pass(config, cache, fx);
        let states = self.zone_states(config, cache);
        let present = || states.iter().flatten();
        let all_full = present().all(|&state| state == ZoneState::Full);
        let were_full = self
            .zones
            .iter()
            .zip(&states)
            .all(|(zone, new)| new.is_none() || zone.state == ZoneState::Full);
        for zone in &mut self.zones {
            zone.token = true;
        }
        self.pass = None;
        // A zone without nodes is forgotten.
        for (zone, _) in self.zones.iter_mut().zip(&states).filter(|(_, new)| new.is_none()) {
            zone.state = ZoneState::Initial;
        }
        if all_full && !were_full {
            fx.rule(Rule::Nlc11);
            let nodes = cache.nodes.iter().map(|node| node.id).collect::<NodeSet>();
            let mut clearing = Pass { tainted: pass.tainted, ..Pass::default() };
            // Nodes without a taint in the list send nothing and only leave the queue.
            for node in nodes.minus(pass.tainted).iter() {
                self.zones[Self::zone_of(config, node)].remove(node);
            }
            clearing.clearing = Some(pass.tainted);
            self.pass = Some(clearing);
            self.end_clearing(fx);
            return;
        }
        if were_full && !all_full {
            fx.rule(Rule::Nlc12);
            self.master_disruption = false;
            for (zone, new) in self.zones.iter_mut().zip(&states) {
                set_limiter(config, zone, *new, fx);
                // The limiter that refused everything leaves no token behind.
                zone.token = !paced(config);
            }
            return;
        }
        for (zone, new) in self.zones.iter_mut().zip(&states) {
            if new.is_some_and(|new| new != zone.state) && !all_full {
                set_limiter(config, zone, *new, fx);
            }
        }
    }

    /// NLC-11 is over when the last removal has been answered: all limiters stop.
    pub(super) fn end_clearing(&mut self, fx: &mut Effects) {
        let Some(pass) = self.pass else { return };
        if pass.clearing.is_some_and(NodeSet::is_empty) && pass.busy.is_empty() {
            fx.rule(Rule::Nlc11);
            self.pass = None;
            self.master_disruption = true;
            for zone in &mut self.zones {
                zone.state = ZoneState::Full;
                zone.stopped = true;
            }
        }
    }
}

/// NLC-10: the limiter that suits a zone's new state.
fn set_limiter(
    config: &ClusterConfig,
    zone: &mut Zone,
    state: Option<ZoneState>,
    fx: &mut Effects,
) {
    let Some(state) = state else { return };
    fx.rule(Rule::Nlc10);
    let small = config.nodes.len() <= config.settings.large_cluster_size as usize;
    zone.stopped = state == ZoneState::Partial && small;
    zone.state = state;
}

/// Whether the limiter holds a zone's next tainting back beyond the end of a pass.
pub(super) fn paced(config: &ClusterConfig) -> bool {
    config.settings.seconds_per_eviction >= config.settings.node_monitor_period
}
