//! The taint-eviction controller (TEC-1 … TEC-7, TEC-9, TEC-10).
//!
//! Upstream: `pkg/controller/tainteviction/{taint_eviction,timed_workers}.go` (1.28 and older:
//! `pkg/controller/nodelifecycle/scheduler/taint_manager.go`). Timers are keyed by pod *name* and
//! outlive what they were armed for (TEC-8 needs names that recur). Left out: API write errors, so
//! that TEC-5's five attempts never run out.

use crate::config::{CONDITION_NO_EXECUTE, ClusterConfig, Effect, PROMPT};
use crate::effects::Effects;
use crate::ids::{NodeId, NodeSet, PodName, PodSet, PodUid, Seconds, TaintSet, TemplateId};
use crate::informer_cache::InformerCache;
use crate::objects::{DisruptionReason, EventType, Node, NodeReady, Pod};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// What a timer or a worker was started for. History, for properties only: no handler reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The uid that was judged.
    pub uid: PodUid,
    /// The node it was on.
    pub node: NodeId,
    /// Its spec, for the tolerations.
    pub template: TemplateId,
    /// Since then, the node in etcd has once been free of a NoExecute taint that counts.
    pub interrupted: bool,
    /// Since then, the node in etcd has once had no NoExecute taint that would evict so early.
    pub unfounded: bool,
    /// The toleration that was granted.
    pub after: Seconds,
}

/// An armed eviction timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    /// Its key.
    pub name: PodName,
    /// Why it was armed.
    pub cause: Cause,
    /// Its time may have passed. Set by [`elapse`](TaintEviction::elapse) and read by no handler:
    /// it guards [`TaintEvictionStep::Fire`].
    pub due: bool,
    /// It was armed before the present outage of its node, whose end says nothing of it then.
    pub outlasts: bool,
}

/// A worker whose timer has fired: out of reach of cancellation (TEC-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Worker {
    /// Its key; it acts on whatever pod has this name.
    pub name: PodName,
    /// Why its timer was armed.
    pub cause: Cause,
}

/// A pod update in the controller's queue: the name, and the node that the event named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodUpdate {
    /// Pod name.
    pub name: PodName,
    /// Its node when the event came.
    pub node: NodeId,
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaintEviction {
    /// NoExecute taints per node, as last processed; nodes without any are absent.
    pub tainted: Vec<(NodeId, TaintSet)>,
    /// Nodes to look at.
    pub node_updates: NodeSet,
    /// Pods to look at, sorted.
    pub pod_updates: Vec<PodUpdate>,
    /// Armed timers, by name.
    pub timers: Vec<Timer>,
    /// Fired ones, by name.
    pub workers: Vec<Worker>,
    /// TEC-6, 1.32 and older: names whose eviction succeeded and whose delete event is to come.
    pub markers: Vec<PodName>,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaintEvictionStep {
    /// TEC-1: process a node update.
    HandleNode(NodeId),
    /// TEC-2: process a pod update.
    HandlePod(PodUpdate),
    /// TEC-5: a timer fires.
    Fire(PodName),
}

impl TaintEviction {
    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        let armed = self.timers.iter().map(|timer| (timer.name, timer.cause.uid));
        let fired = self.workers.iter().map(|worker| (worker.name, worker.cause.uid));
        let named = armed.chain(fired).flat_map(|(name, uid)| [name.slot(), Some(uid)]);
        let queued = self.pod_updates.iter().map(|update| update.name.slot());
        let marked = self.markers.iter().map(|name| name.slot());
        named.chain(queued).chain(marked).flatten().collect()
    }

    fn taints_of(&self, node: NodeId) -> TaintSet {
        self.tainted
            .iter()
            .find(|(id, _)| *id == node)
            .map_or(TaintSet::EMPTY, |(_, taints)| *taints)
    }

    /// The steps that the controller can take.
    pub fn steps(&self, out: &mut Vec<TaintEvictionStep>) {
        out.extend(self.node_updates.iter().map(TaintEvictionStep::HandleNode));
        // A worker takes the node updates of its nodes first.
        let ready =
            self.pod_updates.iter().filter(|update| !self.node_updates.contains(update.node));
        out.extend(ready.map(|&update| TaintEvictionStep::HandlePod(update)));
        let due = self.timers.iter().filter(|timer| timer.due);
        out.extend(due.map(|timer| TaintEvictionStep::Fire(timer.name)));
    }

    /// A node event: TEC-1 queues it if its NoExecute taints may differ from the processed ones. A
    /// Node that does not exist, before or after, has none.
    pub fn node_changed(
        &mut self,
        config: &ClusterConfig,
        node: NodeId,
        before: TaintSet,
        after: TaintSet,
    ) {
        let no_execute = |taints| config.with_effect(taints, Effect::NoExecute);
        if no_execute(before) != no_execute(after) {
            self.node_updates.insert(node);
        }
    }

    /// A look at a node without taints, or at a pod on it, that would cancel nothing and find no
    /// worker at work is taken at once, and is no step: nobody could tell when it came.
    pub fn skip_idle_updates(&mut self, config: &ClusterConfig, cache: &InformerCache) {
        if !self.timers.is_empty() || !self.workers.is_empty() || !self.markers.is_empty() {
            return;
        }
        for node in self.node_updates.iter() {
            let taints = cache.node(node).map_or(TaintSet::EMPTY, |node| node.taints);
            if config.with_effect(taints, Effect::NoExecute).is_empty() {
                self.node_updates.remove(node);
                self.tainted.retain(|(tainted, _)| *tainted != node);
            }
        }
        let TaintEviction { tainted, node_updates, pod_updates, .. } = self;
        pod_updates.retain(|update| {
            let is_tainted = tainted.iter().any(|(node, _)| *node == update.node);
            is_tainted || node_updates.contains(update.node)
        });
    }

    /// A Node object is new: TEC-1 looks at it whatever its taints are, which may end timers that
    /// outlived a Node object of that name.
    pub fn node_added(&mut self, config: &ClusterConfig, node: NodeId, taints: TaintSet) {
        self.node_changed(config, node, TaintSet::EMPTY, taints);
        if self.timers.iter().any(|timer| timer.cause.node == node) {
            self.node_updates.insert(node);
        }
    }

    /// A pod event: TEC-2 queues it if processing it could do anything.
    pub fn pod_changed(&mut self, kind: EventType, before: Option<&Pod>, pod: &Pod) {
        let Some(node) = pod.node else { return };
        let assigned = before.is_none_or(|before| before.node != pod.node);
        let has_timer = self.timers.iter().any(|timer| timer.name == pod.name)
            || self.markers.contains(&pod.name);
        let matters = match kind {
            EventType::Deleted => has_timer,
            _ => assigned && !self.taints_of(node).is_empty(),
        };
        let update = PodUpdate { name: pod.name, node };
        if matters && let Err(at) = self.pod_updates.binary_search(&update) {
            self.pod_updates.insert(at, update);
        }
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: TaintEvictionStep,
        fx: &mut Effects,
    ) {
        match step {
            TaintEvictionStep::HandleNode(node) => self.handle_node(config, cache, node, fx),
            TaintEvictionStep::HandlePod(update) => self.handle_pod(config, cache, update, fx),
            TaintEvictionStep::Fire(name) => {
                fx.rule(Rule::Tec5);
                let Some(at) = self.timers.iter().position(|timer| timer.name == name) else {
                    return;
                };
                let Timer { name, cause, .. } = self.timers.remove(at);
                if cache.node(cause.node).is_some_and(awaits_untainting) {
                    fx.rule(Rule::Tec9);
                }
                self.start_worker(name, cause, fx);
            }
        }
    }

    fn start_worker(&mut self, name: PodName, cause: Cause, fx: &mut Effects) {
        let at = self.workers.partition_point(|worker| worker.name < name);
        self.workers.insert(at, Worker { name, cause });
        fx.send(Request::GetPod { name });
    }

    /// TEC-1.
    fn handle_node(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: NodeId,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Tec1);
        self.node_updates.remove(id);
        let taints = cache
            .node(id)
            .map_or(TaintSet::EMPTY, |node| config.with_effect(node.taints, Effect::NoExecute));
        self.tainted.retain(|(node, _)| *node != id);
        if cache.node(id).is_none() {
            // Node gone: its taints are forgotten, timers stay armed.
            return;
        }
        if taints.is_empty() {
            for pod in cache.pods_on(id) {
                self.cancel(pod.name, fx);
            }
            return;
        }
        let at = self.tainted.partition_point(|(node, _)| *node < id);
        self.tainted.insert(at, (id, taints));
        for pod in cache.pods_on(id) {
            self.decide(config, pod, id, taints, fx);
        }
    }

    /// TEC-2.
    fn handle_pod(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        update: PodUpdate,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Tec2);
        self.pod_updates.retain(|queued| *queued != update);
        let Some(pod) = cache.pod_named(update.name) else {
            self.markers.retain(|name| *name != update.name);
            self.cancel(update.name, fx);
            return;
        };
        let taints = self.taints_of(update.node);
        if pod.node != Some(update.node) && self.timers.iter().any(|t| t.name == update.name) {
            // The next pod of the name is there already: what was armed for the last one stays.
            fx.rule(Rule::Tec8);
        }
        if pod.node == Some(update.node) && !taints.is_empty() {
            self.decide(config, pod, update.node, taints, fx);
        }
    }

    /// TEC-3.
    fn decide(
        &mut self,
        config: &ClusterConfig,
        pod: &Pod,
        node: NodeId,
        taints: TaintSet,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Tec3);
        let granted = toleration(config, pod.template, taints);
        let cause = |after| Cause {
            uid: pod.uid,
            node,
            template: pod.template,
            interrupted: false,
            unfounded: false,
            after,
        };
        match granted {
            Granted::Nothing => {
                self.cancel(pod.name, fx);
                if !self.holds_key(pod.name) {
                    self.start_worker(pod.name, cause(Seconds(0)), fx);
                }
            }
            Granted::ForEver => self.cancel(pod.name, fx),
            Granted::For(seconds) => {
                // An armed timer is kept unchanged; a fired one or a marker holds the key.
                if !self.holds_key(pod.name) {
                    let at = self.timers.partition_point(|timer| timer.name < pod.name);
                    self.timers.insert(
                        at,
                        Timer {
                            name: pod.name,
                            cause: cause(seconds),
                            due: seconds < PROMPT,
                            outlasts: false,
                        },
                    );
                }
            }
        }
    }

    fn holds_key(&self, name: PodName) -> bool {
        self.timers.iter().any(|timer| timer.name == name)
            || self.workers.iter().any(|worker| worker.name == name)
            || self.markers.contains(&name)
    }

    /// TEC-4; a worker whose timer has fired is out of reach (TEC-10).
    fn cancel(&mut self, name: PodName, fx: &mut Effects) {
        if self.timers.iter().any(|timer| timer.name == name) {
            fx.rule(Rule::Tec4);
            self.timers.retain(|timer| timer.name != name);
        }
        if self.workers.iter().any(|worker| worker.name == name) {
            fx.rule(Rule::Tec10);
        }
    }

    /// The answer to a request of TEC-5: GET, then PATCH, then DELETE, all by name.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Tec5);
        match (request, reply) {
            (Request::GetPod { name }, Reply::Pod(pod)) => {
                let reason = DisruptionReason::DeletionByTaintManager;
                if pod.disruption_target == Some(reason) {
                    fx.send(Request::DeletePod { name: *name, uid: None, grace: None });
                } else {
                    let uid = config.version.disruption_patch_has_uid().then_some(pod.uid);
                    fx.send(Request::PatchPodDisruption { name: *name, uid, reason });
                }
            }
            (Request::PatchPodDisruption { name, .. }, Reply::Pod(_)) => {
                fx.send(Request::DeletePod { name: *name, uid: None, grace: None });
            }
            (Request::PatchPodDisruption { name, .. }, _) => {
                fx.send(Request::GetPod { name: *name })
            }
            (Request::GetPod { name }, _) => self.workers.retain(|worker| worker.name != *name),
            (Request::DeletePod { name, .. }, _) => {
                fx.rule(Rule::Tec6);
                self.workers.retain(|worker| worker.name != *name);
                if config.version.eviction_leaves_marker() && matches!(reply, Reply::Pod(_)) {
                    self.markers.push(*name);
                    self.markers.sort_unstable();
                    self.markers.dedup();
                }
            }
            _ => {
                fx.unhandled("taint eviction got an answer to a question that it never asks");
            }
        }
    }

    /// Everybody has had the time to do what could be done at once: any timer may be due now, of
    /// those that can run out.
    pub fn elapse(&mut self, can_run_out: impl Fn(&Cause) -> bool) {
        let elapses = |timer: &Timer| timer.outlasts || can_run_out(&timer.cause);
        self.timers.iter_mut().for_each(|timer| timer.due |= elapses(timer));
    }

    /// An outage begins on a node: timers that are armed already have nothing to do with its length.
    pub fn outage_begins(&mut self, node: NodeId) {
        let armed = self.timers.iter_mut().filter(|timer| timer.cause.node == node);
        armed.for_each(|timer| timer.outlasts = true);
    }

    /// History only: whether [`note_interruption`](Self::note_interruption) has anything to note.
    pub fn is_interrupted_by(
        &self,
        config: &ClusterConfig,
        node: NodeId,
        taints: TaintSet,
    ) -> bool {
        let timers = self.timers.iter().map(|timer| &timer.cause);
        let mut causes = timers.chain(self.workers.iter().map(|worker| &worker.cause));
        causes.any(|cause| cause.with(config, node, taints) != *cause)
    }

    /// History only: marks what was armed for a node that has no taint any more that could evict.
    pub fn note_interruption(&mut self, config: &ClusterConfig, node: NodeId, taints: TaintSet) {
        let timers = self.timers.iter_mut().map(|timer| &mut timer.cause);
        for cause in timers.chain(self.workers.iter_mut().map(|worker| &mut worker.cause)) {
            *cause = cause.with(config, node, taints);
        }
    }
}

impl Cause {
    /// This cause after a moment at which a node has these taints.
    fn with(mut self, config: &ClusterConfig, node: NodeId, taints: TaintSet) -> Self {
        if self.node == node {
            let no_execute = config.with_effect(taints, Effect::NoExecute);
            let granted = toleration(config, self.template, no_execute);
            self.interrupted |= matches!(granted, Granted::ForEver);
            self.unfounded |= match granted {
                Granted::Nothing => false,
                Granted::For(seconds) => seconds > self.after,
                Granted::ForEver => true,
            };
        }
        self
    }
}

/// TEC-9: the node is Ready again, and NLC-6 has not taken its taint off yet.
fn awaits_untainting(node: &Node) -> bool {
    node.ready == NodeReady::True && !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty()
}

/// How long a pod's tolerations let it stay on a node with these NoExecute taints.
enum Granted {
    /// Some taint is not tolerated at all.
    Nothing,
    /// The least `tolerationSeconds` of the tolerations used.
    For(Seconds),
    /// All taints are tolerated without limit.
    ForEver,
}

/// The first matching toleration in list order counts for each taint (TEC-3).
fn toleration(config: &ClusterConfig, template: TemplateId, taints: TaintSet) -> Granted {
    let tolerations = &config.template(template).tolerations;
    let mut least: Option<i64> = None;
    for id in taints.iter() {
        let taint = &config.taints[id.0 as usize];
        let Some(used) = tolerations.iter().find(|toleration| toleration.tolerates(taint)) else {
            return Granted::Nothing;
        };
        if let Some(seconds) = used.seconds {
            least = Some(least.map_or(seconds, |least| least.min(seconds)));
        }
    }
    match least {
        None => Granted::ForEver,
        Some(seconds) => Granted::For(Seconds(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))),
    }
}
