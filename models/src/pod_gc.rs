//! Pod garbage collection (GC-0 … GC-2, GC-4).
//!
//! Upstream: `pkg/controller/podgc/gc_controller.go`. A pass every 20 s in which nothing would be
//! collected is no step. Left out: the threshold of terminated pods (GC-3).

use crate::config::{ClusterConfig, OUT_OF_SERVICE};
use crate::effects::Effects;
use crate::ids::{NodeId, NodeSet, PodName, PodSet, PodUid, Seconds};
use crate::informer_cache::InformerCache;
use crate::objects::{DisruptionReason, NodeReady, Pod};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodGc {
    /// Nodes that pods name and that did not exist: seen, and waiting for 40 s (GC-1).
    pub quarantine: NodeSet,
    /// Those of them whose wait may be over. Read by no handler: it guards [`PodGcStep::Confirm`].
    pub ripe: NodeSet,
    /// Pods that the pass under way has found on a node that a live GET did not find either.
    pub orphans: PodSet,
    /// Pods being collected, by uid.
    pub collecting: Vec<Collecting>,
}

/// A pod being collected: looked at by its uid, written to by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collecting {
    /// The pod that the pass saw.
    pub uid: PodUid,
    /// Its name.
    pub name: PodName,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodGcStep {
    /// GC-1: a node is missing; wait.
    Quarantine(NodeId),
    /// GC-1: the wait is over; look live, unless the cache shows the node again.
    Confirm(NodeId),
    /// GC-0 on one pod.
    Collect(PodUid),
}

impl PodGc {
    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        self.collected().union(self.orphans)
    }

    fn collected(&self) -> PodSet {
        self.collecting.iter().map(|pod| pod.uid).collect()
    }

    /// The steps that the controller can take.
    pub fn steps(&self, config: &ClusterConfig, cache: &InformerCache, out: &mut Vec<PodGcStep>) {
        let mut absent = NodeSet::EMPTY;
        for pod in &cache.pods {
            if self.collected().contains(pod.uid) {
                continue;
            }
            if self.cause(config, cache, pod).is_some() {
                out.push(PodGcStep::Collect(pod.uid));
            } else if let Some(node) = pod.node.filter(|&node| cache.node(node).is_none()) {
                absent.insert(node);
            }
        }
        out.extend(absent.minus(self.quarantine).iter().map(PodGcStep::Quarantine));
        out.extend(self.ripe.iter().map(PodGcStep::Confirm));
    }

    /// Whether a quarantine is under way that could be over when time passes.
    pub fn waits(&self) -> bool {
        !self.quarantine.minus(self.ripe).is_empty()
    }

    /// Everybody has had the time to do what could be done at once: any quarantine may be over.
    pub fn elapse(&mut self) {
        self.ripe = self.quarantine;
    }

    /// Why a pod is to be collected, and the DisruptionTarget that it gets.
    fn cause(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        pod: &Pod,
    ) -> Option<(Rule, Option<DisruptionReason>)> {
        if self.orphans.contains(pod.uid) {
            return Some((Rule::Gc1, Some(DisruptionReason::DeletionByPodGC)));
        }
        let Some(id) = pod.node else {
            // A finalizer holds it: without one its first DELETE would have removed it.
            let held = pod.is_terminating() && pod.tracked;
            return held.then_some((Rule::Gc4, None));
        };
        let node = cache.node(id)?;
        let out_of_service = pod.is_terminating()
            && node.ready != NodeReady::True
            && config.has_key(node.taints, OUT_OF_SERVICE);
        out_of_service.then_some((Rule::Gc2, None))
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: PodGcStep,
        fx: &mut Effects,
    ) {
        match step {
            PodGcStep::Quarantine(node) => {
                fx.rule(Rule::Gc1);
                self.quarantine.insert(node);
            }
            PodGcStep::Confirm(node) => {
                fx.rule(Rule::Gc1);
                self.ripe.remove(node);
                if cache.node(node).is_some() {
                    self.quarantine.remove(node);
                } else {
                    fx.send(Request::GetNode { node });
                }
            }
            PodGcStep::Collect(uid) => {
                let Some(pod) = cache.pod(uid) else { return };
                let Some((rule, disruption)) = self.cause(config, cache, pod) else { return };
                fx.rule(rule);
                fx.rule(Rule::Gc0);
                self.orphans.remove(uid);
                let at = self.collecting.partition_point(|other| other.uid < uid);
                self.collecting.insert(at, Collecting { uid, name: pod.name });
                if pod.status.phase.is_terminal() {
                    fx.send(final_delete(pod));
                } else {
                    let uid = config.version.disruption_patch_has_uid().then_some(uid);
                    fx.send(Request::PatchPodFailed { name: pod.name, uid, disruption });
                }
            }
        }
    }

    /// The watch shows that a pod is removed.
    pub fn pod_gone(&mut self, uid: PodUid) {
        self.collecting.retain(|pod| pod.uid != uid);
        self.orphans.remove(uid);
    }

    /// The answer to a request of GC-0 or GC-1.
    pub fn reply(
        &mut self,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        match (request, reply) {
            (Request::GetNode { node }, Reply::NotFound) => {
                // The pass collects what it has listed; whoever comes later waits anew.
                self.quarantine.remove(*node);
                let listed = cache.pods_on(*node).map(|pod| pod.uid).collect::<PodSet>();
                self.orphans = self.orphans.union(listed.minus(self.collected()));
            }
            (Request::GetNode { node }, _) => {
                self.quarantine.remove(*node);
            }
            (Request::PatchPodFailed { .. }, Reply::Pod(pod)) => {
                fx.rule(Rule::Gc0);
                fx.send(final_delete(pod));
            }
            (Request::DeletePod { .. }, Reply::Pod(pod)) if cache.pod(pod.uid).is_some() => {
                // The next pass comes in 20 s: the watch shows the removal long before.
            }
            (Request::PatchPodFailed { name, .. } | Request::DeletePod { name, .. }, _) => {
                // Errors are retried by the next pass.
                self.collecting.retain(|pod| pod.name != *name);
            }
            _ => {
                fx.unhandled("pod GC got an answer to a question that it never asks");
            }
        }
    }
}

/// GC-0 (b): by name, grace 0, no UID precondition.
fn final_delete(pod: &Pod) -> Request {
    Request::DeletePod { name: pod.name, uid: None, grace: Some(Seconds(0)) }
}
