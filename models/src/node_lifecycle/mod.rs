//! The node lifecycle controller (NLC-1 … NLC-14).
//!
//! Upstream: `pkg/controller/nodelifecycle/node_lifecycle_controller.go`. One pass of
//! monitorNodeHealth looks at every node (in parallel, so in any order) and then at the zones; a
//! pass in which nothing would change is no step, and neither is an end that changes nothing. Left
//! out: failed patches.

mod zones;

pub use zones::{Zone, ZoneState};

use zones::paced;

use crate::config::{
    CONDITION_NO_EXECUTE, CONDITION_NO_SCHEDULE, ClusterConfig, Effect, NOT_READY_NO_EXECUTE,
    NOT_READY_NO_SCHEDULE, UNREACHABLE_NO_EXECUTE, UNREACHABLE_NO_SCHEDULE, UNSCHEDULABLE,
};
use crate::effects::Effects;
use crate::ids::{NodeId, NodeSet, PodSet, PodUid, TaintId, TaintSet, ZoneId};
use crate::informer_cache::InformerCache;
use crate::objects::{Node, NodeReady, Pod};
use crate::requests::{Reply, Request, TaintWriter};
use crate::rules::Rule;

/// A pass of monitorNodeHealth that has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pass {
    /// Nodes looked at.
    pub done: NodeSet,
    /// Nodes with a NoExecute condition taint in the list that the pass works on.
    pub tainted: NodeSet,
    /// Nodes that this pass has set Unknown.
    pub unknown: NodeSet,
    /// Nodes with a request on its way.
    pub busy: NodeSet,
    /// NLC-11 is under way: nodes whose taints are still to be removed.
    pub clearing: Option<NodeSet>,
}

/// The controller's memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeLifecycle {
    /// Nodes that this process has seen (NLC-1).
    pub known: NodeSet,
    /// The pass under way.
    pub pass: Option<Pass>,
    /// Pods that were bound to a node that is not Ready: to be looked at (NLC-5).
    pub assigned: PodSet,
    /// Pods to mark not ready (NLC-4, NLC-5).
    pub marking: PodSet,
    /// Pods whose marking is on its way.
    pub marking_sent: PodSet,
    /// Nodes with a pod that could not be marked (nodesToRetry).
    pub retry: NodeSet,
    /// Nodes with a NoExecute patch of NLC-7 on its way.
    pub tainting: NodeSet,
    /// Nodes with a NoSchedule patch of NLC-8 on its way.
    pub no_schedule: NodeSet,
    /// Zones.
    pub zones: Vec<Zone>,
    /// All zones are fully disrupted: evictions are stopped (between NLC-11 and NLC-12).
    pub master_disruption: bool,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeLifecycleStep {
    /// Look at one node. `expired`: its lease has not been renewed for the grace period.
    Monitor {
        /// Which node.
        node: NodeId,
        /// Guarded: only while the lease cannot be renewed.
        expired: bool,
    },
    /// Look at the zones: the end of a pass.
    EndPass,
    /// NLC-11: remove one node's NoExecute taints.
    Clear(NodeId),
    /// NLC-5: look at a pod that was bound.
    HandlePod(PodUid),
    /// NLC-4, NLC-5: mark one pod.
    MarkPod(PodUid),
    /// NLC-7: taint the first node of a zone's queue.
    TaintNoExecute(ZoneId),
    /// NLC-8: make one node's NoSchedule taints match its conditions.
    TaintNoSchedule(NodeId),
}

impl NodeLifecycle {
    /// The memory of a process that has just started (NLC-13).
    pub fn start(config: &ClusterConfig) -> Self {
        NodeLifecycle {
            known: NodeSet::EMPTY,
            pass: None,
            assigned: PodSet::EMPTY,
            marking: PodSet::EMPTY,
            marking_sent: PodSet::EMPTY,
            retry: NodeSet::EMPTY,
            tainting: NodeSet::EMPTY,
            no_schedule: NodeSet::EMPTY,
            zones: config.zones.iter().map(|_| Zone::new(ZoneState::Initial)).collect(),
            master_disruption: false,
        }
    }

    /// The memory of a process that has been running in a healthy cluster.
    pub fn converged(config: &ClusterConfig) -> Self {
        NodeLifecycle {
            known: config.node_ids().collect(),
            zones: config.zones.iter().map(|_| Zone::new(ZoneState::Normal)).collect(),
            ..Self::start(config)
        }
    }

    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        self.marking.union(self.marking_sent).union(self.assigned)
    }

    /// The steps that the controller can take; `may_expire` are nodes whose lease cannot be
    /// renewed.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        may_expire: NodeSet,
        out: &mut Vec<NodeLifecycleStep>,
    ) {
        if let Some(clearing) = self.pass.and_then(|pass| pass.clearing) {
            out.extend(clearing.iter().map(NodeLifecycleStep::Clear));
        } else {
            self.monitor_steps(config, cache, may_expire, out);
        }
        out.extend(self.assigned.iter().map(NodeLifecycleStep::HandlePod));
        let unsent = self.marking.minus(self.marking_sent);
        out.extend(unsent.iter().map(NodeLifecycleStep::MarkPod));
        for (zone, id) in self.zones.iter().zip(0..) {
            let first = zone.queue.first();
            if first.is_some_and(|&node| !self.tainting.contains(node))
                && zone.token
                && !zone.stopped
            {
                out.push(NodeLifecycleStep::TaintNoExecute(ZoneId(id)));
            }
        }
        for node in &cache.nodes {
            if !self.no_schedule.contains(node.id)
                && no_schedule_change(config, node) != (TaintSet::EMPTY, TaintSet::EMPTY)
            {
                out.push(NodeLifecycleStep::TaintNoSchedule(node.id));
            }
        }
    }

    fn monitor_steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        may_expire: NodeSet,
        out: &mut Vec<NodeLifecycleStep>,
    ) {
        let pass = self.pass.unwrap_or_default();
        for node in &cache.nodes {
            if pass.done.contains(node.id) {
                continue;
            }
            // NLC-2, NLC-13: the clock of a node begins when a pass of this process first sees it.
            let clock_runs = self.known.contains(node.id) && may_expire.contains(node.id);
            if clock_runs && node.ready != NodeReady::Unknown {
                out.push(NodeLifecycleStep::Monitor { node: node.id, expired: true });
            }
            if self.would_act(config, cache, node) {
                out.push(NodeLifecycleStep::Monitor { node: node.id, expired: false });
            }
        }
        if pass.busy.is_empty()
            && self.marking_in_pass().is_empty()
            && (self.pass.is_some() || self.zones_would_change(config, cache))
        {
            out.push(NodeLifecycleStep::EndPass);
        }
    }

    /// A pass of which nothing is on its way, whose end would change no zone, and that knows nothing
    /// that the next one would not know, is over at once: what it could still do, the next one can,
    /// and the limiters have a token again. Which Ready nodes were tainted does not count: with a
    /// Ready node in its list, a pass does not come to NLC-11, where it would be asked.
    pub(crate) fn end_idle_pass(&mut self, config: &ClusterConfig, cache: &InformerCache) {
        if self.pass.is_some_and(|pass| self.is_needed(&pass, cache))
            || self.zones_would_change(config, cache)
        {
            return;
        }
        self.pass = None;
        self.zones.iter_mut().for_each(|zone| zone.token = true);
    }

    /// Whether something of a pass is on its way, or it knows more than the cache.
    fn is_needed(&self, pass: &Pass, cache: &InformerCache) -> bool {
        let unready = cache.nodes.iter().filter(|node| node.ready != NodeReady::True);
        let unready: NodeSet = unready.map(|node| node.id).collect();
        let tainted = condition_tainted(cache).intersection(unready);
        !pass.busy.is_empty()
            || pass.clearing.is_some()
            || !self.marking_in_pass().is_empty()
            || pass.tainted.intersection(unready) != tainted
            || !pass.unknown.minus(unready).is_empty()
    }

    /// MarkPodsNotReady runs inside the pass, which waits for it.
    fn marking_in_pass(&self) -> PodSet {
        if self.pass.is_some() { self.marking.union(self.marking_sent) } else { PodSet::EMPTY }
    }

    fn zone_of(config: &ClusterConfig, node: NodeId) -> usize {
        config.nodes[node.0 as usize].zone.0 as usize
    }

    /// Whether a look at a node whose lease has not expired would do anything.
    fn would_act(&self, config: &ClusterConfig, cache: &InformerCache, node: &Node) -> bool {
        let zone = &self.zones[Self::zone_of(config, node.id)];
        let taints = node.taints.intersection(CONDITION_NO_EXECUTE);
        if !self.known.contains(node.id) && !taints.is_empty() {
            return true;
        }
        let retry = self.retry.contains(node.id)
            && node.ready != NodeReady::True
            && cache.pods_on(node.id).any(|pod| pod.status.ready.is_true());
        retry
            || match condition_taint(node.ready) {
                None => !taints.is_empty() || zone.queued.contains(node.id),
                Some((wanted, other)) => {
                    node.taints.contains(other)
                        || (!node.taints.contains(wanted)
                            && !zone.queue.contains(&node.id)
                            && !self.tainting.contains(node.id))
                        || !zone.queued.contains(node.id)
                }
            }
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: NodeLifecycleStep,
        fx: &mut Effects,
    ) {
        match step {
            NodeLifecycleStep::Monitor { node, expired } => {
                self.monitor(config, cache, node, expired, fx)
            }
            NodeLifecycleStep::EndPass => self.end_pass(config, cache, fx),
            NodeLifecycleStep::Clear(node) => {
                fx.rule(Rule::Nlc11);
                self.zones[Self::zone_of(config, node)].remove(node);
                let pass = self.pass.get_or_insert_default();
                if let Some(clearing) = &mut pass.clearing {
                    clearing.remove(node);
                }
                if pass.tainted.contains(node) {
                    pass.busy.insert(node);
                    send_removal(node, CONDITION_NO_EXECUTE, TaintWriter::MasterDisruption, fx);
                }
                self.end_clearing(fx);
            }
            NodeLifecycleStep::HandlePod(uid) => self.handle_pod(cache, uid, fx),
            NodeLifecycleStep::MarkPod(uid) => self.mark_pod(cache, uid, fx),
            NodeLifecycleStep::TaintNoExecute(zone) => {
                self.taint_no_execute(config, cache, zone, fx)
            }
            NodeLifecycleStep::TaintNoSchedule(id) => {
                fx.rule(Rule::Nlc8);
                let Some(node) = cache.node(id) else { return };
                let (add, remove) = no_schedule_change(config, node);
                self.no_schedule.insert(id);
                send_swap(id, add, remove, TaintWriter::NoSchedulePass, fx);
            }
        }
    }

    /// A pod was bound, or is new to this process: NLC-5 queues it. That its node is not Ready is
    /// asked here already, though a worker asks later: what it would do for a Ready node is nothing.
    pub fn pod_assigned(&mut self, cache: &InformerCache, pod: &Pod) {
        if self.is_unready(cache, pod) {
            self.assigned.insert(pod.uid);
        }
    }

    /// Whether a pod's node is known not to be Ready. At the start of a process no health is known.
    fn is_unready(&self, cache: &InformerCache, pod: &Pod) -> bool {
        let node = pod.node.and_then(|node| cache.node(node));
        node.is_some_and(|node| self.known.contains(node.id) && node.ready != NodeReady::True)
    }

    /// NLC-5: a worker reads the pod from the cache.
    fn handle_pod(&mut self, cache: &InformerCache, uid: PodUid, fx: &mut Effects) {
        fx.rule(Rule::Nlc5);
        self.assigned.remove(uid);
        let ready = |pod: &&Pod| pod.status.ready.is_true() && self.is_unready(cache, pod);
        if cache.pod(uid).filter(ready).is_some() {
            self.marking.insert(uid);
        }
    }

    /// A pod is gone: nothing is left to mark.
    pub fn pod_gone(&mut self, uid: PodUid) {
        self.assigned.remove(uid);
        if !self.marking_sent.contains(uid) {
            self.marking.remove(uid);
        }
    }

    /// The watch shows that a Node object is gone; the next pass forgets the node (NLC-14).
    pub fn node_gone(&mut self, node: NodeId) {
        self.retry.remove(node);
    }

    /// Known nodes that are not in the cache any more.
    pub(super) fn vanished(&self, cache: &InformerCache) -> NodeSet {
        self.known.minus(cache.nodes.iter().map(|node| node.id).collect())
    }

    /// NLC-1, NLC-3, NLC-6: one node in a pass.
    fn monitor(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: NodeId,
        expired: bool,
        fx: &mut Effects,
    ) {
        let Some(node) = cache.node(id).copied() else { return };
        let mut pass = self.begin_pass(config, cache, fx);
        pass.done.insert(id);
        if self.known.insert(id) {
            fx.rule(Rule::Nlc1);
            self.zones[Self::zone_of(config, id)].remove(id);
            if !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty() {
                pass.busy.insert(id);
                send_removal(
                    id,
                    node.taints.intersection(CONDITION_NO_EXECUTE),
                    TaintWriter::NewNode,
                    fx,
                );
            }
        }
        if expired {
            fx.rule(Rule::Nlc3);
            fx.rule(Rule::Nlc2);
            pass.busy.insert(id);
            fx.send(Request::PutNodeUnknown { seen: node });
        } else {
            if self.retry.remove(id) && node.ready != NodeReady::True {
                self.mark_pods_of(cache, id, fx);
            }
            self.taint_by_condition(config, &node, node.ready, &mut pass, fx);
        }
        self.pass = Some(pass);
    }

    /// The pass under way, or a new one over the cached node list.
    fn begin_pass(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        fx: &mut Effects,
    ) -> Pass {
        if let Some(pass) = self.pass {
            return pass;
        }
        let vanished = self.vanished(cache);
        if !vanished.is_empty() {
            fx.rule(Rule::Nlc14);
            self.known = self.known.minus(vanished);
        }
        let tainted = condition_tainted(cache);
        // NLC-1 sends nothing for a node without such a taint.
        let untainted = cache.nodes.iter().map(|node| node.id).collect::<NodeSet>().minus(tainted);
        for node in untainted.minus(self.known).iter() {
            self.zones[Self::zone_of(config, node)].remove(node);
        }
        self.known = self.known.union(untainted);
        Pass { tainted, ..Pass::default() }
    }

    /// NLC-6: processTaintBaseEviction.
    fn taint_by_condition(
        &mut self,
        config: &ClusterConfig,
        node: &Node,
        ready: NodeReady,
        pass: &mut Pass,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Nlc6);
        let zone = &mut self.zones[Self::zone_of(config, node.id)];
        let Some((wanted, other)) = condition_taint(ready) else {
            zone.remove(node.id);
            let taints = node.taints.intersection(CONDITION_NO_EXECUTE);
            if !taints.is_empty() {
                pass.busy.insert(node.id);
                send_removal(node.id, taints, TaintWriter::Monitor, fx);
            }
            return;
        };
        if node.taints.contains(other) {
            // Not rate-limited, not suppressed in full disruption.
            pass.busy.insert(node.id);
            let (add, remove) = (TaintSet::EMPTY.with(wanted), TaintSet::EMPTY.with(other));
            send_swap(node.id, add, remove, TaintWriter::Monitor, fx);
            return;
        }
        if !node.taints.contains(wanted) {
            zone.remove(node.id);
        }
        zone.add(node.id);
    }

    /// NLC-7.
    fn taint_no_execute(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        zone: ZoneId,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Nlc7);
        let paced = paced(config);
        let zone = &mut self.zones[zone.0 as usize];
        // The token is consumed before the node is looked at.
        zone.token = !paced;
        let Some(&id) = zone.queue.first() else { return };
        let wanted = cache.node(id).and_then(|node| condition_taint(node.ready).zip(Some(node)));
        let Some(((wanted, other), node)) = wanted else {
            zone.queue.remove(0);
            return;
        };
        self.tainting.insert(id);
        let remove = node.taints.intersection(TaintSet::EMPTY.with(other));
        send_swap(id, TaintSet::EMPTY.with(wanted), remove, TaintWriter::NoExecutePass, fx);
    }

    /// NLC-4, NLC-5: one pod's condition Ready becomes False.
    fn mark_pod(&mut self, cache: &InformerCache, uid: PodUid, fx: &mut Effects) {
        fx.rule(Rule::Nlc4);
        match cache.pod(uid) {
            Some(pod) if pod.status.ready.is_true() => {
                self.marking_sent.insert(uid);
                fx.send(Request::PutPodNotReady { seen: *pod });
            }
            _ => {
                self.marking.remove(uid);
            }
        }
    }

    fn mark_pods_of(&mut self, cache: &InformerCache, node: NodeId, fx: &mut Effects) {
        let ready = cache.pods_on(node).filter(|pod| pod.status.ready.is_true());
        let pods: PodSet = ready.map(|pod| pod.uid).collect();
        if !pods.is_empty() {
            fx.rule(Rule::Nlc4);
        }
        self.marking = self.marking.union(pods);
    }

    /// The answer to a request.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        match *request {
            Request::PutNodeUnknown { seen } => self.set_unknown(config, cache, &seen, reply, fx),
            Request::PutPodNotReady { seen } => {
                self.marking.remove(seen.uid);
                self.marking_sent.remove(seen.uid);
                if let (Reply::Conflict, Some(node)) = (reply, seen.node) {
                    self.retry.insert(node);
                }
            }
            Request::PatchNodeTaints { node, then_remove, writer, .. } => {
                if !then_remove.is_empty() && *reply != Reply::NotFound {
                    send_removal(node, then_remove, writer, fx);
                    return;
                }
                match writer {
                    TaintWriter::NoSchedulePass => {
                        self.no_schedule.remove(node);
                    }
                    TaintWriter::NoExecutePass => {
                        self.tainting.remove(node);
                        let zone = &mut self.zones[Self::zone_of(config, node)];
                        zone.queue.retain(|&queued| queued != node);
                    }
                    TaintWriter::NewNode => {
                        // The same pass goes on with this node: NLC-6.
                        if let (Some(mut pass), Some(node)) = (self.pass, cache.node(node).copied())
                        {
                            pass.busy.remove(node.id);
                            self.taint_by_condition(config, &node, node.ready, &mut pass, fx);
                            self.pass = Some(pass);
                        }
                    }
                    TaintWriter::Monitor | TaintWriter::MasterDisruption => {
                        if let Some(pass) = &mut self.pass {
                            pass.busy.remove(node);
                        }
                        self.end_clearing(fx);
                    }
                    TaintWriter::Operator | TaintWriter::Cloud => {
                        fx.unhandled("node lifecycle got the answer to somebody else's request");
                    }
                }
            }
            _ => {
                fx.unhandled("node lifecycle got an answer to a question that it never asks");
            }
        }
    }

    /// NLC-3 has been answered: NLC-6 and NLC-4 follow in the same pass.
    fn set_unknown(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        seen: &Node,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let Some(mut pass) = self.pass else { return };
        pass.busy.remove(seen.id);
        if let Reply::Node(_) = reply {
            pass.unknown.insert(seen.id);
            if config.version.taints_by_current_condition() {
                self.taint_by_condition(config, seen, NodeReady::Unknown, &mut pass, fx);
            }
            if seen.ready == NodeReady::True {
                self.mark_pods_of(cache, seen.id, fx);
            }
        }
        self.pass = Some(pass);
    }
}

/// Nodes with a NoExecute taint that mirrors a condition.
fn condition_tainted(cache: &InformerCache) -> NodeSet {
    let has_taint = |node: &&Node| !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty();
    cache.nodes.iter().filter(has_taint).map(|node| node.id).collect()
}

/// The NoExecute taint that mirrors a Ready condition, and the opposite one.
fn condition_taint(ready: NodeReady) -> Option<(TaintId, TaintId)> {
    match ready {
        NodeReady::True => None,
        NodeReady::False => Some((NOT_READY_NO_EXECUTE, UNREACHABLE_NO_EXECUTE)),
        NodeReady::Unknown => Some((UNREACHABLE_NO_EXECUTE, NOT_READY_NO_EXECUTE)),
    }
}

/// NLC-8: NoSchedule taints to add to and to remove from a node.
fn no_schedule_change(config: &ClusterConfig, node: &Node) -> (TaintSet, TaintSet) {
    let mut wanted = match node.ready {
        NodeReady::True => TaintSet::EMPTY,
        NodeReady::False => TaintSet::EMPTY.with(NOT_READY_NO_SCHEDULE),
        NodeReady::Unknown => TaintSet::EMPTY.with(UNREACHABLE_NO_SCHEDULE),
    };
    let mut mirrored = CONDITION_NO_SCHEDULE;
    if let Some(cordoned) = config.taint(UNSCHEDULABLE, Effect::NoSchedule) {
        mirrored.insert(cordoned);
        if node.unschedulable {
            wanted.insert(cordoned);
        }
    }
    let present = node.taints.intersection(mirrored);
    (wanted.minus(present), present.minus(wanted))
}

/// Adds and then removes, in two patches.
fn send_swap(node: NodeId, add: TaintSet, remove: TaintSet, writer: TaintWriter, fx: &mut Effects) {
    if add.is_empty() {
        return send_removal(node, remove, writer, fx);
    }
    fx.send(Request::PatchNodeTaints {
        node,
        add,
        remove: TaintSet::EMPTY,
        then_remove: remove,
        writer,
    });
}

/// Removes taints, unreachable first, each in a patch of its own.
fn send_removal(node: NodeId, taints: TaintSet, writer: TaintWriter, fx: &mut Effects) {
    let unreachable = taints
        .intersection(TaintSet::EMPTY.with(UNREACHABLE_NO_EXECUTE).with(UNREACHABLE_NO_SCHEDULE));
    let rest = taints.minus(unreachable);
    let (remove, then_remove) =
        if unreachable.is_empty() { (rest, TaintSet::EMPTY) } else { (unreachable, rest) };
    fx.send(Request::PatchNodeTaints { node, add: TaintSet::EMPTY, remove, then_remove, writer });
}
