//! The scheduler (SC-1 … SC-3, SC-5).
//!
//! Upstream: `pkg/scheduler`. Scores are not modelled: any feasible node may be chosen. A pod that
//! fits nowhere waits, and an attempt is possible whenever it would succeed (SC-4).

use crate::config::{ClusterConfig, Effect};
use crate::effects::Effects;
use crate::ids::{NodeId, PodSet, PodUid, Seconds, TaintSet, VolumeSet};
use crate::informer_cache::InformerCache;
use crate::objects::{Node, NodeReady, Object, Owner, Pod, PodStatus, WatchEvent};
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

/// What the scheduler reads of a pod; the rest is as it was at creation, whatever the cache holds. That
/// a pod is over matters to those that wait for its claims.
pub fn of_interest(config: &ClusterConfig, pod: &Pod) -> Pod {
    let volumes = config.volumes_of(pod.template, pod.name);
    let over = pod.status.phase.is_terminal() && !config.once_per_pod(volumes).is_empty();
    let phase = if over { pod.status.phase } else { PodStatus::NEW.phase };
    Pod {
        deletion: pod.deletion.map(|_| Seconds(0)),
        disruption_target: None,
        status: PodStatus { phase, ..PodStatus::NEW },
        ..*pod
    }
}

/// What the scheduler reads of a node.
fn of_node(node: &Node) -> Node {
    let (attached, in_use) = (VolumeSet::EMPTY, VolumeSet::EMPTY);
    Node { ready: NodeReady::True, boot: 0, attached, in_use, ..*node }
}

impl Scheduler {
    /// A scheduler whose caches hold this.
    pub fn with_cache(config: &ClusterConfig, listing: Listing) -> Self {
        let mut scheduler = Scheduler { cache: listing.into(), assumed: PodSet::EMPTY };
        scheduler.cache.pods.iter_mut().for_each(|pod| *pod = of_interest(config, pod));
        scheduler.cache.nodes.iter_mut().for_each(|node| *node = of_node(node));
        scheduler
    }

    /// A watch event.
    pub fn observe(&mut self, config: &ClusterConfig, event: &WatchEvent) {
        let object = match event.object {
            Object::Pod(pod) => Object::Pod(of_interest(config, &pod)),
            Object::Node(node) => Object::Node(of_node(&node)),
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
            if waits && self.claims_are_free(config, pod) {
                let feasible =
                    self.cache.nodes.iter().filter(|node| is_feasible(config, pod, node));
                out.extend(feasible.map(|node| SchedulerStep { uid: pod.uid, node: node.id }));
            }
        }
    }

    /// SC-5, a pod whose binding is on its way counts as scheduled.
    fn claims_are_free(&self, config: &ClusterConfig, pod: &Pod) -> bool {
        let assumed = self.assumed.iter().filter_map(|uid| self.cache.pod(uid));
        claims_are_free(config, &self.cache.pods, pod)
            && !assumed.into_iter().any(|other| shares_claim(config, pod, other))
    }

    /// SC-2: assume, then bind.
    pub fn step(&mut self, config: &ClusterConfig, step: SchedulerStep, fx: &mut Effects) {
        fx.rule(Rule::Sc2);
        fx.rule(Rule::Sc1);
        let Some(pod) = self.cache.pod(step.uid) else { return };
        if !config.once_per_pod(config.volumes_of(pod.template, pod.name)).is_empty() {
            fx.rule(Rule::Sc5);
        }
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

/// SC-5: whether no scheduled pod among these uses a ReadWriteOncePod claim of this one. A Terminating
/// pod does, one that is terminal does not.
pub fn claims_are_free(config: &ClusterConfig, pods: &[Pod], pod: &Pod) -> bool {
    let scheduled = |other: &&Pod| other.node.is_some() && !other.status.phase.is_terminal();
    config.volumes.is_empty()
        || !pods.iter().filter(scheduled).any(|other| shares_claim(config, pod, other))
}

fn shares_claim(config: &ClusterConfig, pod: &Pod, other: &Pod) -> bool {
    let volumes = |pod: &Pod| config.volumes_of(pod.template, pod.name);
    let shared = volumes(pod).intersection(volumes(other));
    pod.uid != other.uid && !config.once_per_pod(shared).is_empty()
}

/// SC-1: TaintToleration, NodeUnschedulable, NodeAffinity. The condition Ready is not looked at.
pub fn is_feasible(config: &ClusterConfig, pod: &Pod, node: &Node) -> bool {
    let hard = |effect| config.with_effect(node.taints, effect);
    let taints: TaintSet = hard(Effect::NoSchedule).union(hard(Effect::NoExecute));
    let of_daemon = || config.daemon_sets.iter().any(|set| set.template == pod.template);
    // A DaemonSet's pod keeps its node affinity when it is released, but not here.
    let released = pod.owner == Owner::None && of_daemon();
    !released
        && config.template(pod.template).selected.contains(node.id)
        && pod.pinned().is_none_or(|pinned| pinned == node.id)
        && (!node.unschedulable || config.tolerates_cordon(pod.template))
        && config.untolerated(pod.template, taints).is_empty()
}
