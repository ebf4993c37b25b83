//! What the guarantees about rollouts, scaling and deleted workloads look for.

use super::predicates::versions;
use super::{Guarantee, GuaranteeKind, Test, Transition};
use crate::ids::DeploymentId;
use crate::objects::{Deployment, Finalizer, NodeReady, Owner, Pod, ReplicaSet, Workload};
use crate::stateful_set;
use crate::view::ClusterView;

/// See its title.
pub(super) const P18: Guarantee = Guarantee {
    name: "P18",
    title: "a ReplicaSet creates no pod that it does not lack",
    kind: GuaranteeKind::Step,
    meaning: "no pod of a ReplicaSet is stored while the API has as many active pods of it as its \
              spec.replicas asks for",
    promised: |_| false,
    rules: "RS-4 RS-6",
    test: Test::Step(|t| !creates_too_many(t)),
};

/// See its title.
pub(super) const R35: Guarantee = Guarantee {
    name: "R35",
    title: "a rollout waits for a dead node",
    kind: GuaranteeKind::Sometimes,
    meaning: "a Deployment with a changed template asks for no pod, old or new, and an old pod is \
              Terminating on a node that is not Ready",
    promised: |_| false,
    rules: "DP-2",
    test: Test::State(rollout_hangs),
};

/// See its title.
pub(super) const R36: Guarantee = Guarantee {
    name: "R36",
    title: "rolled out beside a dead node",
    kind: GuaranteeKind::Sometimes,
    meaning: "all pods that a Deployment with a changed template asks for are new and Ready, and an \
              old one is Terminating on a node that is not Ready",
    promised: |_| false,
    rules: "DP-2",
    test: Test::State(rolled_out_beside_the_dead),
};

/// See its title.
pub(super) const R37: Guarantee = Guarantee {
    name: "R37",
    title: "the pod of a dead node goes first",
    kind: GuaranteeKind::Sometimes,
    meaning: "a ReplicaSet that asks for fewer pods has one deleted whose node is not Ready, although \
              another is Ready",
    promised: |_| false,
    rules: "RS-5",
    test: Test::Step(scales_down_the_dead),
};

/// See its title.
pub(super) const R38: Guarantee = Guarantee {
    name: "R38",
    title: "a pod outlives its workload",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod is Terminating on a node that is not Ready, and its workload is gone",
    promised: |_| false,
    rules: "GCOL-1",
    test: Test::State(outlives_its_owner),
};

/// See its title.
pub(super) const R39: Guarantee = Guarantee {
    name: "R39",
    title: "a deletion waits for a dead node",
    kind: GuaranteeKind::Sometimes,
    meaning: "a workload is being deleted in the foreground, and a pod of it is Terminating on a \
              node that is not Ready",
    promised: |_| false,
    rules: "GCOL-1 ST-7",
    test: Test::State(deletion_hangs),
};

/// See its title.
pub(super) const R50: Guarantee = Guarantee {
    name: "R50",
    title: "a scale-down waits for a dead node",
    kind: GuaranteeKind::Sometimes,
    meaning: "a StatefulSet has a Ready pod beyond spec.replicas, on a Ready node, and its controller \
              would do nothing about it, while another pod of it is on a node that is not Ready",
    promised: |_| false,
    rules: "SS-4 SS-5",
    test: Test::State(scale_down_hangs),
};

/// See its title.
pub(super) const R51: Guarantee = Guarantee {
    name: "R51",
    title: "an orphan is lost with its node",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod whose workload was deleted and left it behind is Terminating on a node that is \
              not Ready",
    promised: |_| false,
    rules: "GCOL-1 TEC-5",
    test: Test::State(orphan_is_lost),
};

/// Whether the step stores a pod of a ReplicaSet that has all the active pods that it asks for.
fn creates_too_many(t: &Transition<'_>) -> bool {
    let (before, after) = (t.before.api(), t.after.api());
    let changed = if std::ptr::eq(before, after) { &[][..] } else { &after.pods[..] };
    changed.iter().filter(|pod| before.pod(pod.uid).is_none()).any(|pod| match pod.owner {
        Owner::ReplicaSet(id) => before.replica_set(id).is_some_and(|set| {
            let active = t.before.pods_of(pod.owner).filter(|pod| pod.is_active());
            active.count() >= set.replicas as usize
        }),
        _ => false,
    })
}

/// Whether a pod is Terminating, and not terminal, on a node that is not Ready.
fn is_stuck(view: &ClusterView<'_>, pod: &Pod) -> bool {
    let node = pod.node.and_then(|node| view.api().node(node));
    pod.is_terminating()
        && !pod.status.phase.is_terminal()
        && node.is_some_and(|node| node.ready != NodeReady::True)
}

/// Deployments whose template has changed.
fn rolled<'a>(view: &ClusterView<'a>) -> impl Iterator<Item = &'a Deployment> {
    view.api().deployments.iter().filter(|deployment| deployment.revision > 0)
}

/// The stored ReplicaSets of a Deployment: of the current template, and of older ones.
fn sets<'a>(
    view: &ClusterView<'a>,
    deployment: &Deployment,
) -> (Option<&'a ReplicaSet>, Vec<&'a ReplicaSet>) {
    let newest = view.config.revisions(deployment.id).nth(deployment.revision as usize);
    let own =
        |id: DeploymentId| view.api().replica_sets.iter().filter(move |set| set.owner == Some(id));
    let new = own(deployment.id).find(|set| Some(set.id) == newest);
    (new, own(deployment.id).filter(|set| Some(set.id) != newest).collect())
}

/// Whether an old pod of a Deployment is stuck on a node that is not Ready.
fn old_pod_is_stuck(view: &ClusterView<'_>, old: &[&ReplicaSet]) -> bool {
    let is_old = |pod: &Pod| old.iter().any(|set| pod.owner == Owner::ReplicaSet(set.id));
    view.api().pods.iter().any(|pod| is_old(pod) && is_stuck(view, pod))
}

/// A rollout that has taken all old pods away, has not asked for a new one, and waits for a dead
/// node.
fn rollout_hangs(view: &ClusterView<'_>) -> bool {
    rolled(view).any(|deployment| {
        let (new, old) = sets(view, deployment);
        deployment.replicas > 0
            && new.is_none_or(|set| set.replicas == 0)
            && old.iter().all(|set| set.replicas == 0)
            && old_pod_is_stuck(view, &old)
    })
}

/// A rollout whose new pods are all Ready, and nothing old is asked for, although an old pod is
/// stuck.
fn rolled_out_beside_the_dead(view: &ClusterView<'_>) -> bool {
    rolled(view).any(|deployment| {
        let (new, old) = sets(view, deployment);
        let ready = |set: &ReplicaSet| {
            let pods = view.pods_of(Owner::ReplicaSet(set.id));
            pods.filter(|pod| pod.is_active() && pod.status.ready.is_true()).count()
        };
        new.is_some_and(|set| {
            set.replicas == deployment.replicas && ready(set) == set.replicas as usize
        }) && old.iter().all(|set| set.replicas == 0)
            && old_pod_is_stuck(view, &old)
    })
}

/// A scale-down that takes the pod of a node that is not Ready, and leaves a Ready one.
fn scales_down_the_dead(t: &Transition<'_>) -> bool {
    versions(t).any(|(old, new)| {
        let Owner::ReplicaSet(id) = new.owner else { return false };
        let set = t.before.api().replica_set(id);
        let active = || t.before.pods_of(new.owner).filter(|pod| pod.is_active());
        !old.is_terminating()
            && new.disruption_target.is_none()
            && !old.status.ready.is_true()
            && is_stuck(&t.after, new)
            && set.is_some_and(|set| active().count() > set.replicas as usize)
            && active().any(|pod| pod.status.ready.is_true())
    })
}

/// The workload that a pod's owner reference names.
fn owner(pod: &Pod) -> Option<Workload> {
    match pod.owner {
        Owner::ReplicaSet(id) => Some(Workload::ReplicaSet(id)),
        Owner::StatefulSet(id) => Some(Workload::StatefulSet(id)),
        Owner::DaemonSet(id, _) => Some(Workload::DaemonSet(id)),
        Owner::Job(id) => Some(Workload::Job(id)),
        Owner::None => None,
    }
}

/// A workload is gone, and a pod of it is stuck.
fn outlives_its_owner(view: &ClusterView<'_>) -> bool {
    let gone = |pod: &Pod| owner(pod).is_some_and(|owner| view.api().finalizer(owner).is_none());
    view.api().pods.iter().any(|pod| gone(pod) && is_stuck(view, pod))
}

/// A workload that is being deleted in the foreground, and a pod of it that is stuck.
fn deletion_hangs(view: &ClusterView<'_>) -> bool {
    let foreground = |pod: &Pod| {
        let finalizer = owner(pod).and_then(|owner| view.api().finalizer(owner));
        finalizer == Some(Some(Finalizer::Foreground))
    };
    view.api().pods.iter().any(|pod| foreground(pod) && is_stuck(view, pod))
}

/// A StatefulSet that is to be smaller, and is not made so.
fn scale_down_hangs(view: &ClusterView<'_>) -> bool {
    view.api().stateful_sets.iter().filter(|set| set.finalizer.is_none()).any(|set| {
        let manifest = &view.config.stateful_sets[set.id.0 as usize];
        let own = |pod: &&Pod| pod.owner == Owner::StatefulSet(set.id);
        let pod = |name| view.api().pod_named(name).filter(own);
        let mut surplus = manifest.names().skip(set.replicas as usize).filter_map(pod);
        let silent = |pod: &Pod| {
            let node = pod.node.and_then(|node| view.api().node(node));
            node.is_some_and(|node| node.ready != NodeReady::True)
        };
        surplus.any(|pod| pod.is_active() && pod.status.ready.is_true() && !silent(pod))
            && view.pods_of(Owner::StatefulSet(set.id)).any(silent)
            && stateful_set::is_idle(view.config, &view.api().list().into(), set.id)
    })
}

/// A pod whose workload was deleted without it, and that is stuck.
fn orphan_is_lost(view: &ClusterView<'_>) -> bool {
    let bare = |pod: &Pod| view.config.pods.iter().any(|bare| bare.template == pod.template);
    let orphan = |pod: &&Pod| pod.owner == Owner::None && !bare(pod);
    view.api().pods.iter().filter(orphan).any(|pod| is_stuck(view, pod))
}
