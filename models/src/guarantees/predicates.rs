//! What the guarantees look for.

use super::Transition;
use crate::config::{CONDITION_NO_EXECUTE, JobConfig, ReplicaSetConfig};
use crate::container_runtime::Container;
use crate::ids::{JobId, NodeId, PodName, PodUid, ReplicaSetId, Seconds};
use crate::job::only_replaces_failed;
use crate::kube_controller_manager::Controller;
use crate::kubelet::{PodWorker, WorkerState};
use crate::objects::{ContainerState, Exit, Job, JobCondition, Node, NodeReady, Owner, Phase, Pod};
use crate::requests::Request;
use crate::taint_eviction::Cause;
use crate::view::ClusterView;

pub(super) fn sets<'a>(
    view: &ClusterView<'a>,
) -> impl Iterator<Item = (ReplicaSetId, &'a ReplicaSetConfig, u8)> {
    let stored = view.api().replica_sets.iter();
    stored.map(|set| (set.id, &view.config.replica_sets[set.id.0 as usize], set.replicas))
}

pub(super) fn at_most_replicas_by_api(view: &ClusterView<'_>) -> bool {
    sets(view).all(|(id, _, replicas)| {
        view.running_by_api(Owner::ReplicaSet(id)).count() <= replicas as usize
    })
}

/// Identities whose containers run for more than one pod.
pub(super) fn one_pod_per_identity(view: &ClusterView<'_>) -> bool {
    let running = || {
        let pods = view.config.node_ids().flat_map(|node| &view.runtime(node).pods);
        pods.filter(|pod| pod.container == Container::Running && pod.name.slot().is_none())
    };
    running().all(|pod| running().all(|other| other.name != pod.name || other.uid == pod.uid))
}

/// A pod that the step makes Terminating or removes by a DELETE of taint eviction, and why.
pub(super) fn evicted<'a>(t: &Transition<'a>) -> impl Iterator<Item = (&'a Pod, Cause)> + use<'a> {
    let deletes: Vec<PodName> = if std::ptr::eq(t.before.api(), t.after.api()) {
        Vec::new()
    } else {
        evictions(&t.before).collect()
    };
    let served = deletes.iter().copied().find(|name| {
        let count = |view| evictions(view).filter(|other| other == name).count();
        count(&t.after) < count(&t.before)
    });
    let workers = &t.before.controller_manager().taint_eviction.workers;
    let cause = served.and_then(|name| workers.iter().find(|worker| worker.name == name));
    let changed = versions(t).filter(|(old, new)| !old.is_terminating() && new.is_terminating());
    changed.filter_map(move |(old, _)| {
        cause.filter(|worker| worker.name == old.name).map(|worker| (old, worker.cause))
    })
}

/// Whether the step serves a kubelet's DELETE of a pod that still runs.
pub(super) fn deleted_alive(t: &Transition<'_>) -> bool {
    cut_short(t).any(|pod| !forced(t, pod.name) && t.before.running().contains(pod.uid))
}

/// Pods of an ordered StatefulSet that the step creates while one with a lower ordinal is not well.
pub(super) fn created_out_of_order(t: &Transition<'_>) -> bool {
    if std::ptr::eq(t.before.api(), t.after.api()) {
        return false;
    }
    let (before, after) = (t.before.api(), t.after.api());
    let created = after.pods.iter().filter(|pod| before.pod(pod.uid).is_none());
    created.filter_map(|pod| t.after.config.identity(pod.name)).any(|(id, ordinal)| {
        let set = &t.after.config.stateful_sets[id.0 as usize];
        set.ordered
            && set.names().take(ordinal as usize).any(|name| before.pod_named(name).is_none())
    })
}

/// Containers of a pod that the API has not any more, on a node whose kubelet knows that it is gone
/// and has done what it had to.
pub(super) fn outlived(view: &ClusterView<'_>) -> bool {
    view.config.node_ids().any(|node| {
        let (kubelet, runtime) = (view.kubelet(node), view.runtime(node));
        let synced = kubelet.up && kubelet.sources_ready && runtime.up;
        synced
            && runtime.running().iter().any(|uid| {
                view.api().pod(uid).is_none()
                    && kubelet.pod(uid).is_some_and(|worker| worker.state == WorkerState::Finished)
            })
    })
}

pub(super) fn at_most_replicas_in_reality(view: &ClusterView<'_>) -> bool {
    sets(view).all(|(_, config, replicas)| {
        let pods = view.config.node_ids().flat_map(|node| &view.runtime(node).pods);
        let running = pods
            .filter(|pod| pod.container == Container::Running && pod.template == config.template);
        running.count() <= replicas as usize
    })
}

/// Pods of DaemonSets, each with the others for the same node.
fn daemons<'a>(
    view: &ClusterView<'a>,
) -> impl Iterator<Item = (&'a Pod, impl Iterator<Item = &'a Pod> + use<'a>)> + use<'a> {
    let pods = &view.api().pods;
    pods.iter().filter(|pod| pod.pinned().is_some()).map(move |pod| {
        let others = pods.iter().filter(|other| other.owner == pod.owner && other.uid != pod.uid);
        (pod, others)
    })
}

pub(super) fn one_daemon_for_each_node(view: &ClusterView<'_>) -> bool {
    daemons(view)
        .filter(|(pod, _)| !pod.is_terminating())
        .all(|(_, mut others)| others.all(Pod::is_terminating))
}

pub(super) fn daemon_stays(view: &ClusterView<'_>) -> bool {
    let node = |pod: &Pod| pod.node.and_then(|node| view.api().node(node));
    daemons(view).filter(|(pod, _)| !pod.is_terminating()).any(|(pod, _)| {
        node(pod).is_some_and(|node| !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty())
    })
}

pub(super) fn daemon_is_missed(view: &ClusterView<'_>) -> bool {
    let node = |pod: &Pod| pod.node.and_then(|node| view.api().node(node));
    daemons(view).any(|(pod, mut others)| {
        pod.is_terminating()
            && !pod.status.phase.is_terminal()
            && others.next().is_none()
            && node(pod).is_some_and(|node| node.ready != NodeReady::True)
    })
}

/// Pods of a Job that are stored and not terminal.
fn unfinished<'a>(view: &ClusterView<'a>, id: JobId) -> impl Iterator<Item = &'a Pod> + use<'a> {
    let pods = view.api().pods.iter();
    pods.filter(move |pod| pod.owner == Owner::Job(id) && !pod.status.phase.is_terminal())
}

/// Jobs that count Terminating pods before they create.
fn careful_jobs<'a>(
    view: &ClusterView<'a>,
) -> impl Iterator<Item = (&'a Job, &'a JobConfig)> + use<'a> {
    let config = view.config;
    let jobs = view.api().jobs.iter().zip(&config.jobs);
    jobs.filter(move |(_, job)| only_replaces_failed(config.version, job))
}

pub(super) fn job_within_parallelism(view: &ClusterView<'_>) -> bool {
    careful_jobs(view)
        .all(|(job, config)| unfinished(view, job.id).count() <= config.parallelism as usize)
}

pub(super) fn job_runs_twice(view: &ClusterView<'_>) -> bool {
    view.config.jobs.iter().any(|job| {
        let pods = view.config.node_ids().flat_map(|node| &view.runtime(node).pods);
        let running =
            pods.filter(|pod| pod.container == Container::Running && pod.template == job.template);
        running.count() > job.parallelism as usize
    })
}

pub(super) fn job_waits(view: &ClusterView<'_>) -> bool {
    careful_jobs(view).any(|(job, _)| {
        let mut pods = unfinished(view, job.id).peekable();
        let over = job.status.condition != JobCondition::None;
        !over && pods.peek().is_some() && pods.all(Pod::is_terminating)
    })
}

pub(super) fn job_fails(view: &ClusterView<'_>) -> bool {
    let fails = [JobCondition::FailureTarget, JobCondition::Failed];
    view.api().jobs.iter().any(|job| fails.contains(&job.status.condition))
}

/// Containers that the step starts.
pub(super) fn starts<'a>(t: &Transition<'a>) -> impl Iterator<Item = (NodeId, PodUid)> + use<'a> {
    let Transition { before, after } = *t;
    after.config.node_ids().flat_map(move |node| {
        let (old, new) = (before.runtime(node), after.runtime(node));
        let changed = if std::ptr::eq(old, new) { &[][..] } else { &new.pods[..] };
        let started = changed.iter().filter(|pod| {
            pod.container == Container::Running
                && old.pod(pod.uid).is_none_or(|old| old.starts < pod.starts)
        });
        started.map(move |pod| (node, pod.uid))
    })
}

pub(super) fn worker_past_sync(view: &ClusterView<'_>, node: NodeId, uid: PodUid) -> bool {
    view.kubelet(node).pod(uid).is_some_and(PodWorker::is_past_sync)
}

/// Pods that the step rewrites: the version before, and the version after.
pub(super) fn versions<'a>(
    t: &Transition<'a>,
) -> impl Iterator<Item = (&'a Pod, &'a Pod)> + use<'a> {
    let Transition { before, after } = *t;
    let changed =
        if std::ptr::eq(before.api(), after.api()) { &[][..] } else { &before.api().pods[..] };
    changed.iter().filter_map(move |old| after.api().pod(old.uid).map(|new| (old, new)))
}

/// Pods that the step removes from the API.
pub(super) fn removed<'a>(t: &Transition<'a>) -> impl Iterator<Item = &'a Pod> + use<'a> {
    let Transition { before, after } = *t;
    let changed =
        if std::ptr::eq(before.api(), after.api()) { &[][..] } else { &before.api().pods[..] };
    changed.iter().filter(move |old| after.api().pod(old.uid).is_none())
}

pub(super) fn deletion_is_monotone(t: &Transition<'_>) -> bool {
    versions(t).all(|(old, new)| match (old.deletion, new.deletion) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => new <= old,
    })
}

/// Terminating pods whose grace period the step shortens to 0, which removes them.
pub(super) fn cut_short<'a>(t: &Transition<'a>) -> impl Iterator<Item = &'a Pod> + use<'a> {
    let shortened = |(old, new): &(&Pod, &Pod)| {
        old.deletion.is_some_and(|grace| grace > Seconds(0)) && new.deletion == Some(Seconds(0))
    };
    versions(t).filter(shortened).map(|(old, _)| old)
}

/// DELETEs of a controller that are on their way.
fn deletes<'a>(view: &ClusterView<'a>, of: Controller) -> impl Iterator<Item = PodName> + use<'a> {
    view.parts.controller_requests().filter_map(move |(controller, request)| match request {
        Request::DeletePod { name, .. } if controller == of => Some(*name),
        _ => None,
    })
}

/// Whether the step serves a DELETE of pod GC or of a person: nobody but them and kubelets shortens
/// a grace period.
pub(super) fn forced(t: &Transition<'_>, name: PodName) -> bool {
    let count = |view| deletes(view, Controller::PodGc).filter(|deleted| *deleted == name).count();
    let from_outside = t.before.environment().budget != t.after.environment().budget;
    from_outside || count(&t.after) < count(&t.before)
}

/// DELETEs of taint eviction that are on their way.
fn evictions<'a>(view: &ClusterView<'a>) -> impl Iterator<Item = PodName> + use<'a> {
    deletes(view, Controller::TaintEviction)
}

/// The eviction whose DELETE the step puts on its way.
pub(super) fn eviction_issued(t: &Transition<'_>) -> Option<Cause> {
    let workers = &t.before.controller_manager().taint_eviction.workers;
    if workers.is_empty() || evictions(&t.after).count() <= evictions(&t.before).count() {
        return None;
    }
    // It follows the answer to a PATCH (or GET), and is then the last that the controller has sent.
    let name = evictions(&t.after).last()?;
    workers.iter().find(|worker| worker.name == name).map(|worker| worker.cause)
}

/// The eviction timer that the step fires.
pub(super) fn fired(t: &Transition<'_>) -> Option<Cause> {
    let (before, after) = (
        &t.before.controller_manager().taint_eviction,
        &t.after.controller_manager().taint_eviction,
    );
    let fires = |name| after.workers.iter().any(|worker| worker.name == name);
    let gone = |name| after.timers.iter().all(|timer| timer.name != name);
    let timer = before.timers.iter().find(|timer| gone(timer.name) && fires(timer.name));
    timer.map(|timer| timer.cause)
}

pub(super) fn is_tainted(view: &ClusterView<'_>, node: NodeId) -> bool {
    view.api().node(node).is_some_and(|node| {
        !view.config.with_effect(node.taints, crate::config::Effect::NoExecute).is_empty()
    })
}

/// Whether a pod's node has rebooted and is Ready again.
pub(super) fn node_is_back(view: &ClusterView<'_>, pod: &Pod) -> bool {
    let node = pod.node.and_then(|node| view.api().node(node));
    node.is_some_and(|node| node.boot > 0 && node.ready == NodeReady::True)
}

pub(super) fn recovered_in_place(view: &ClusterView<'_>) -> bool {
    sets(view).any(|(id, _, replicas)| {
        let alone = view.pods_of(Owner::ReplicaSet(id)).count() == replicas as usize;
        let restarted = |pod: &Pod| {
            pod.status.restart_count > 0
                && pod.is_active()
                && pod.status.phase == Phase::Running
                && pod.status.ready.is_true()
                && node_is_back(view, pod)
        };
        alone && view.pods_of(Owner::ReplicaSet(id)).any(restarted)
    })
}

/// Pairs of different pods of one ReplicaSet.
pub(super) fn pairs<'a>(view: &ClusterView<'a>) -> impl Iterator<Item = (&'a Pod, &'a Pod)> {
    let pods = &view.api().pods;
    pods.iter().flat_map(move |old| {
        let mates = pods.iter().filter(move |new| new.uid != old.uid && new.owner == old.owner);
        mates.filter(|new| new.owner != Owner::None).map(move |new| (old, new))
    })
}

/// A rebooted node's pod is still Terminating, seen dead, and its replacement is elsewhere.
pub(super) fn recovered_late(view: &ClusterView<'_>, replacement: fn(&Pod) -> bool) -> bool {
    pairs(view).any(|(old, new)| {
        old.is_terminating()
            && node_is_back(view, old)
            && old.status.container == ContainerState::Terminated(Exit::Unknown)
            && new.is_active()
            && new.node.is_some()
            && new.node != old.node
            && replacement(new)
    })
}

/// Whether a pod's node is Ready=False by its own kubelet's word.
fn is_declared_not_ready(view: &ClusterView<'_>, pod: &Pod) -> bool {
    let node = pod.node.and_then(|node| view.api().node(node));
    node.is_some_and(|node| node.ready == NodeReady::False)
}

/// Pods that are evicted although the API still says that they are Ready.
pub(super) fn evicted_while_ready(view: &ClusterView<'_>) -> bool {
    view.api().pods.iter().any(|pod| {
        pod.is_terminating() && pod.status.ready.is_true() && is_declared_not_ready(view, pod)
    })
}

/// Nodes that the step rewrites: the version before, and the version after.
pub(super) fn node_versions<'a>(
    t: &Transition<'a>,
) -> impl Iterator<Item = (&'a Node, &'a Node)> + use<'a> {
    let Transition { before, after } = *t;
    let changed =
        if std::ptr::eq(before.api(), after.api()) { &[][..] } else { &before.api().nodes[..] };
    changed.iter().filter_map(move |old| after.api().node(old.id).map(|new| (old, new)))
}

/// Whether the step takes the last NoExecute taint off a node that is not Ready.
pub(super) fn taint_withdrawn(t: &Transition<'_>) -> bool {
    let tainted = |node: &Node| !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty();
    node_versions(t).any(|(old, new)| new.ready != NodeReady::True && tainted(old) && !tainted(new))
}

/// Whether the step disarms an eviction timer that has not fired.
pub(super) fn eviction_cancelled(t: &Transition<'_>) -> bool {
    let (before, after) = (t.before.controller_manager(), t.after.controller_manager());
    if std::ptr::eq(before, after) || !after.up {
        return false;
    }
    let (old, new) = (&before.taint_eviction, &after.taint_eviction);
    old.timers.iter().any(|timer| {
        new.timers.iter().all(|other| other.name != timer.name)
            && new.workers.iter().all(|worker| worker.name != timer.name)
    })
}
