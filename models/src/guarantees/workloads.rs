//! What the guarantees about rollouts, scaling and deleted workloads look for.

use super::Transition;
use super::predicates::versions;
use crate::ids::DeploymentId;
use crate::objects::{Deployment, Finalizer, NodeReady, Owner, Pod, ReplicaSet};
use crate::view::ClusterView;

/// Whether the step stores a pod of a ReplicaSet that has all the active pods that it asks for.
pub(super) fn creates_too_many(t: &Transition<'_>) -> bool {
    let (before, after) = (t.before.api(), t.after.api());
    let changed = if std::ptr::eq(before, after) { &[][..] } else { &after.pods[..] };
    changed.iter().filter(|pod| before.pod(pod.uid).is_none()).any(|pod| match pod.owner {
        Owner::ReplicaSet(id) => before.replica_set(id).is_some_and(|set| {
            let active = t.before.pods_of(pod.owner).filter(|pod| pod.is_active());
            active.count() >= set.replicas as usize
        }),
        Owner::None => false,
    })
}

/// Whether a pod is Terminating, and not terminal, on a node that is not Ready.
pub(super) fn is_stuck(view: &ClusterView<'_>, pod: &Pod) -> bool {
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
pub(super) fn rollout_hangs(view: &ClusterView<'_>) -> bool {
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
pub(super) fn rolled_out_beside_the_dead(view: &ClusterView<'_>) -> bool {
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
pub(super) fn scales_down_the_dead(t: &Transition<'_>) -> bool {
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

/// A workload is gone, and a pod of it is stuck.
pub(super) fn outlives_its_owner(view: &ClusterView<'_>) -> bool {
    view.api().pods.iter().any(|pod| match pod.owner {
        Owner::ReplicaSet(id) => view.api().replica_set(id).is_none() && is_stuck(view, pod),
        Owner::None => false,
    })
}

/// A workload that is being deleted in the foreground, and a pod of it that is stuck.
pub(super) fn deletion_hangs(view: &ClusterView<'_>) -> bool {
    let foreground = |set: &ReplicaSet| set.finalizer == Some(Finalizer::Foreground);
    view.api().replica_sets.iter().filter(|set| foreground(set)).any(|set| {
        let mut pods = view.pods_of(Owner::ReplicaSet(set.id));
        pods.any(|pod| is_stuck(view, pod))
    })
}
