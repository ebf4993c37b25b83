//! Guarantees about what people do, and about Node objects that come and go.

use super::predicates::{removed, versions};
use super::{Guarantee, GuaranteeKind, Test, Transition};
use crate::config::INSTANCE_STOPPED;
use crate::disruption;
use crate::ids::NodeId;
use crate::node_lifecycle::ZoneState;
use crate::objects::{DisruptionReason, NodeReady, Pod, PodReason};
use crate::view::ClusterView;

pub(super) const P15: Guarantee = Guarantee {
    name: "P15",
    title: "pods of an Unknown node are marked not Ready",
    kind: GuaranteeKind::State,
    meaning: "no pod is Ready on a node that is silent and whose condition Ready is Unknown, unless \
              the controller manager is down, does not know it yet, or is about to mark the pod",
    promised: |_| false,
    rules: "NLC-3 NLC-4 NLC-5",
    test: Test::State(all_are_marked),
};

pub(super) const R40: Guarantee = Guarantee {
    name: "R40",
    title: "collected as an orphan",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod leaves the API because its Node object is gone",
    promised: |_| false,
    rules: "GC-0 GC-1",
    test: Test::Step(|t| {
        let orphan = Some(DisruptionReason::DeletionByPodGC);
        removed(t).any(|pod| pod.disruption_target == orphan)
    }),
};

pub(super) const R41: Guarantee = Guarantee {
    name: "R41",
    title: "running on a node that is not there",
    kind: GuaranteeKind::Sometimes,
    meaning: "a container runs on a node whose Node object is gone",
    promised: |_| false,
    rules: "GC-1 KL-5",
    test: Test::State(|view| view.config.node_ids().any(|node| runs_without_node(view, node))),
};

pub(super) const R42: Guarantee = Guarantee {
    name: "R42",
    title: "registered anew",
    kind: GuaranteeKind::Sometimes,
    meaning: "a kubelet creates a Node object that was deleted",
    promised: |_| false,
    rules: "KL-5 ST-11",
    test: Test::Step(|t| registered(t).next().is_some()),
};

pub(super) const R43: Guarantee = Guarantee {
    name: "R43",
    title: "a new Node object keeps old pods",
    kind: GuaranteeKind::Sometimes,
    meaning: "a kubelet creates a Node object anew while a pod that is bound to the node still runs \
              there and is not Terminating",
    promised: |_| false,
    rules: "KL-5 GC-1",
    test: Test::Step(|t| {
        let keeps = |pod: &Pod, node| pod.node == Some(node) && pod.is_active();
        registered(t).any(|node| {
            let mut pods = t.after.api().pods.iter().filter(|pod| keeps(pod, node));
            pods.any(|pod| t.after.runs_on(pod.uid) == Some(node))
        })
    }),
};

pub(super) const R44: Guarantee = Guarantee {
    name: "R44",
    title: "evicted by a drain",
    kind: GuaranteeKind::Sometimes,
    meaning: "the eviction API deletes a pod",
    promised: |_| false,
    rules: "EV-1",
    test: Test::Step(|t| {
        let evicted = Some(DisruptionReason::EvictionByEvictionAPI);
        versions(t).any(|(old, new)| {
            old.disruption_target != new.disruption_target && new.disruption_target == evicted
        })
    }),
};

pub(super) const R45: Guarantee = Guarantee {
    name: "R45",
    title: "a drain is refused",
    kind: GuaranteeKind::Sometimes,
    meaning: "somebody who drains a node wants a pod evicted, and a PodDisruptionBudget forbids it",
    promised: |_| false,
    rules: "EV-1",
    test: Test::State(|view| {
        let mut pods = view.environment().evicting.iter().filter_map(|uid| view.api().pod(uid));
        pods.any(|pod| !disruption::allows(view.config, view.api(), pod))
    }),
};

pub(super) const R46: Guarantee = Guarantee {
    name: "R46",
    title: "refused by a node that shuts down",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod is Failed with reason NodeShutdown",
    promised: |_| false,
    rules: "12.9 KL-3",
    test: Test::State(|view| has_reason(view, PodReason::NodeShutdown)),
};

pub(super) const R47: Guarantee = Guarantee {
    name: "R47",
    title: "ended by a shutdown",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod is Failed with reason Terminated",
    promised: |_| false,
    rules: "12.9",
    test: Test::State(|view| has_reason(view, PodReason::Terminated)),
};

pub(super) const R48: Guarantee = Guarantee {
    name: "R48",
    title: "tainted by its cloud",
    kind: GuaranteeKind::Sometimes,
    meaning: "a node has the taint of a stopped instance",
    promised: |_| false,
    rules: "CN-1",
    test: Test::State(|view| {
        let nodes = &view.api().nodes;
        nodes.iter().any(|node| view.config.has_key(node.taints, INSTANCE_STOPPED))
    }),
};

pub(super) const R49: Guarantee = Guarantee {
    name: "R49",
    title: "a zone is partially disrupted, and tainting stops",
    kind: GuaranteeKind::Sometimes,
    meaning: "a zone is partially disrupted, its limiter refuses everything, and a node waits in its \
              queue",
    promised: |_| false,
    rules: "NLC-9 NLC-10",
    test: Test::State(|view| {
        let mut zones = view.controller_manager().node_lifecycle.zones.iter();
        zones.any(|zone| zone.state == ZoneState::Partial && zone.stopped && !zone.queue.is_empty())
    }),
};

fn has_reason(view: &ClusterView<'_>, reason: PodReason) -> bool {
    view.api().pods.iter().any(|pod| pod.status.reason == Some(reason))
}

/// Nodes whose Node object the step creates.
fn registered<'a>(t: &Transition<'a>) -> impl Iterator<Item = NodeId> + use<'a> {
    let Transition { before, after } = *t;
    let created = move |node: &NodeId| before.api().node(*node).is_none();
    let nodes = after.api().nodes.iter().map(|node| node.id);
    let same = std::ptr::eq(before.api(), after.api());
    nodes.filter(created).take(if same { 0 } else { usize::MAX })
}

fn runs_without_node(view: &ClusterView<'_>, node: NodeId) -> bool {
    view.api().node(node).is_none() && !view.runtime(node).running().is_empty()
}

/// P15: whoever is left Ready on an Unknown node will be marked.
fn all_are_marked(view: &ClusterView<'_>) -> bool {
    let manager = view.controller_manager();
    let lifecycle = &manager.node_lifecycle;
    if !manager.up || lifecycle.pass.is_some() {
        return true;
    }
    let forgotten = |pod: &Pod| {
        let node = pod.node.and_then(|node| view.api().node(node));
        let Some(node) = node.filter(|node| node.ready == NodeReady::Unknown) else { return false };
        let known = manager.cache.node(node.id) == Some(node)
            && manager.cache.pod(pod.uid).is_some_and(|cached| cached == pod);
        let works = lifecycle.mentions().contains(pod.uid) || lifecycle.retry.contains(node.id);
        let cut = view.environment().partitioned.contains(node.id);
        let silent = cut || !view.kubelet(node.id).up;
        pod.status.ready.is_true() && known && silent && !works
    };
    !view.api().pods.iter().any(forgotten)
}
