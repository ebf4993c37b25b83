//! The scheduler (SC-1 … SC-3).
//!
//! Upstream: `pkg/scheduler`. Scores are not modelled: any feasible node may be chosen. A pod that
//! fits nowhere waits, and an attempt is possible whenever it would succeed (SC-4).

use crate::config::{ClusterConfig, Effect};
use crate::effects::Effects;
use crate::ids::{NodeId, PodSet, PodUid, Seconds, TaintSet};
use crate::informer_cache::InformerCache;
use crate::objects::{Node, NodeReady, Object, Pod, PodStatus, WatchEvent};
use crate::requests::{Listing, Reply, Request};
use crate::rules::Rule;

/// A scheduler process: its caches and what it has assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheduler {
    /// Its own watch caches.
    pub cache: InformerCache,
    /// SC-2: pods whose binding is on its way.
    pub assumed: PodSet,
}

/// A step of the scheduler on its own: place a pod on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchedulerStep {
    /// Which pod.
    pub uid: PodUid,
    /// A feasible node.
    pub node: NodeId,
}

/// What the scheduler reads of a pod; the rest is as it was at creation, whatever the cache holds.
pub fn of_interest(pod: &Pod) -> Pod {
    Pod {
        deletion: pod.deletion.map(|_| Seconds(0)),
        disruption_target: None,
        status: PodStatus::NEW,
        ..*pod
    }
}

impl Scheduler {
    /// A scheduler whose caches hold this.
    pub fn with_cache(listing: Listing) -> Self {
        let mut scheduler = Scheduler { cache: listing.into(), assumed: PodSet::EMPTY };
        scheduler.cache.pods.iter_mut().for_each(|pod| *pod = of_interest(pod));
        scheduler
    }

    /// A watch event.
    pub fn observe(&mut self, event: &WatchEvent) {
        let object = match event.object {
            Object::Pod(pod) => Object::Pod(of_interest(&pod)),
            Object::Node(node) => Object::Node(Node { ready: NodeReady::True, boot: 0, ..node }),
            other => other,
        };
        self.cache.apply(&WatchEvent { object, ..*event });
        if let Object::Pod(pod) = object
            && self.cache.pod(pod.uid).is_none_or(|pod| pod.node.is_some())
        {
            self.assumed.remove(pod.uid);
        }
    }

    /// Uids that the scheduler names.
    pub fn mentions(&self) -> PodSet {
        self.cache.mentions().union(self.assumed)
    }

    /// The steps that the scheduler can take.
    pub fn steps(&self, config: &ClusterConfig, out: &mut Vec<SchedulerStep>) {
        for pod in &self.cache.pods {
            let waits =
                pod.node.is_none() && !pod.is_terminating() && !self.assumed.contains(pod.uid);
            if waits {
                let feasible =
                    self.cache.nodes.iter().filter(|node| is_feasible(config, pod, node));
                out.extend(feasible.map(|node| SchedulerStep { uid: pod.uid, node: node.id }));
            }
        }
    }

    /// SC-2: assume, then bind.
    pub fn step(&mut self, step: SchedulerStep, fx: &mut Effects) {
        fx.rule(Rule::Sc2);
        fx.rule(Rule::Sc1);
        let Some(pod) = self.cache.pod(step.uid) else { return };
        fx.send(Request::BindPod { name: pod.name, uid: pod.uid, node: step.node });
        self.assumed.insert(step.uid);
    }

    /// The answer to a binding.
    pub fn reply(&mut self, request: &Request, reply: &Reply, fx: &mut Effects) {
        let Request::BindPod { uid, .. } = *request else {
            fx.unhandled("the scheduler got an answer to a question that it never asks");
            return;
        };
        let bound = matches!(reply, Reply::Pod(_));
        if !bound {
            fx.rule(Rule::Sc3);
        }
        // An assumption holds until the watch shows the binding.
        if !bound || self.cache.pod(uid).is_none_or(|pod| pod.node.is_some()) {
            self.assumed.remove(uid);
        }
    }
}

/// SC-1: TaintToleration, NodeUnschedulable, NodeAffinity. The condition Ready is not looked at.
pub fn is_feasible(config: &ClusterConfig, pod: &Pod, node: &Node) -> bool {
    let hard = |effect| config.with_effect(node.taints, effect);
    let taints: TaintSet = hard(Effect::NoSchedule).union(hard(Effect::NoExecute));
    config.template(pod.template).selected.contains(node.id)
        && pod.pinned().is_none_or(|pinned| pinned == node.id)
        && (!node.unschedulable || config.tolerates_cordon(pod.template))
        && config.untolerated(pod.template, taints).is_empty()
}
