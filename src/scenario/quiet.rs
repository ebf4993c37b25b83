//! Proper ends: nothing but faults can happen, and no live component has an unmet goal.
//!
//! This looks at goals, not at enabled steps, so that a step that is wrongly never enabled shows
//! up as a deadlock, an error of the model.

use models::attach_detach::wanted;
use models::daemon_set::{counts, eligible};
use models::deployment;
use models::garbage_collector::GarbageCollector;
use models::ids::{NodeId, Seconds, VolumeSet};
use models::informer_cache::InformerCache;
use models::job::{has_no_orphans, is_content};
use models::kubelet::Connection;
use models::objects::{NodeReady, Owner, Phase, Pod, ReplicaSet, VolumeAttachment};
use models::requests::Request;
use models::scheduler::{claims_are_free, is_feasible};
use models::view::ClusterView;

/// Whether every component that lives has what it wants.
pub fn is_quiet(view: &ClusterView<'_>) -> bool {
    // A create that waits for a free uid slot (`maxPods`) is the end of what can be searched.
    let mut requests = view.parts.controller_requests();
    let quota_waits = requests.any(|(_, request)| matches!(request, Request::CreatePod { .. }));
    let controllers = !view.controller_manager().up || quota_waits || controllers_content(view);
    let nodes =
        view.config.node_ids().all(|node| !node_works(view, node) || node_content(view, node));
    view.api().removing.is_empty() && controllers && scheduler_content(view) && nodes
}

fn controllers_content(view: &ClusterView<'_>) -> bool {
    let sets = view.api().replica_sets.iter().all(|set| set_content(view, set));
    let cache = InformerCache::from(view.api().list());
    let deployments = view.api().deployments.iter().all(|deployment| {
        // DP-2: what a Deployment wants next depends on what it has: nothing, if that is the end.
        deployment::requests(view.config, &cache, deployment).is_empty()
    });
    let nodes = view.api().nodes.iter().all(|node| {
        let alive = view.kubelet(node.id).renews_lease();
        let returns = view.environment().outage(node.id).is_some();
        alive || returns || node.ready == NodeReady::Unknown
    });
    // GCOL-1: nothing waits for an owner that is gone, no owner for dependents that are.
    let mut garbage = Vec::new();
    GarbageCollector::default().steps(&cache, &mut garbage);
    let orphan = |pod: &Pod| pod.node.is_some_and(|node| view.api().node(node).is_none());
    let orphans = view.api().pods.iter().any(orphan);
    let others = volumes_content(view)
        && stateful_sets_content(view)
        && daemons_content(view)
        && jobs_content(view);
    sets && deployments && garbage.is_empty() && nodes && others && !orphans
}

/// A ReplicaSet has as many active pods as it wants, and says so.
fn set_content(view: &ClusterView<'_>, set: &ReplicaSet) -> bool {
    let active = || view.pods_of(Owner::ReplicaSet(set.id)).filter(|pod| pod.is_active());
    let ready = active().filter(|pod| pod.status.ready.is_true()).count();
    let reported = !view.config.reports_status(set.id)
        || (set.status.replicas as usize, set.status.ready as usize) == (active().count(), ready);
    let counted = set.finalizer.is_some() || active().count() == set.replicas as usize;
    counted && reported
}

/// A StatefulSet wants a pod for each ordinal and none beyond; one that is ordered may wait for a pod
/// that cannot get well.
fn stateful_sets_content(view: &ClusterView<'_>) -> bool {
    view.api().stateful_sets.iter().filter(|set| set.finalizer.is_none()).all(|set| {
        let manifest = &view.config.stateful_sets[set.id.0 as usize];
        let pod = |name| view.api().pod_named(name);
        let wanted = || manifest.names().take(set.replicas as usize).map(pod);
        let own = |pod: &&Pod| pod.owner == Owner::StatefulSet(set.id);
        let surplus = manifest.names().skip(set.replicas as usize).filter_map(pod).filter(own);
        let surplus: Vec<&Pod> = surplus.collect();
        let waits = |pod: &Pod| pod.is_terminating() || !pod.status.ready.is_true();
        let held_up = manifest.ordered && wanted().flatten().any(waits);
        let over = |pod: &Pod| pod.status.phase.is_terminal() && !pod.is_terminating();
        let there = wanted().all(|pod| pod.is_some_and(|pod| !over(pod)));
        // From the highest ordinal down, and past a pod that is not well only if it is the lowest such.
        let last = surplus.last().filter(|pod| waits(pod));
        let lower = surplus.iter().rev().skip(1).any(|pod| waits(pod));
        let hangs = last.is_some_and(|last| last.is_terminating() || lower);
        let gone = surplus.iter().all(|pod| pod.is_terminating());
        held_up || (there && (gone || (manifest.ordered && hangs)))
    })
}

/// DS-2: each node that is to have a pod has one, and none has what it is not to keep.
fn daemons_content(view: &ClusterView<'_>) -> bool {
    let api = view.api();
    api.daemon_sets.iter().filter(|set| set.finalizer.is_none()).all(|set| {
        let template = view.config.daemon_sets[set.id.0 as usize].template;
        api.nodes.iter().all(|node| {
            let pods = || view.pods_of(Owner::DaemonSet(set.id, node.id));
            let (runs, stays) = eligible(view.config, template, node.id, node.taints);
            let kept = pods().filter(|pod| !pod.is_terminating()).count();
            (!runs || pods().any(counts)) && kept <= usize::from(stays)
        })
    })
}

/// JB-6: every ended pod is counted, and as many are active as are wanted.
fn jobs_content(view: &ClusterView<'_>) -> bool {
    let truth = InformerCache::from(view.api().list());
    let jobs = &view.api().jobs;
    has_no_orphans(&truth) && jobs.iter().all(|job| is_content(view.config, &truth, job.id))
}

fn scheduler_content(view: &ClusterView<'_>) -> bool {
    let waits = |pod: &&Pod| pod.node.is_none() && !pod.is_terminating();
    let fits = |pod: &Pod| {
        let nodes = &view.api().nodes;
        claims_are_free(view.config, &view.api().pods, pod)
            && nodes.iter().any(|node| is_feasible(view.config, pod, node))
    };
    !view.api().pods.iter().filter(waits).any(fits)
}

/// Whether a node has all that its kubelet needs.
fn node_works(view: &ClusterView<'_>, node: NodeId) -> bool {
    let runtime = view.runtime(node);
    let connected = !view.environment().partitioned.contains(node);
    view.kubelet(node).up && runtime.up && runtime.network && connected
}

/// AD-V3, AD-V4: whether a node has the volumes of a pod, and no other pod has them mounted that should
/// be alone. One that has not waits, and so does whoever would detach them from where they are.
fn has_its_volumes(view: &ClusterView<'_>, pod: &Pod, node: NodeId) -> bool {
    let volumes = view.config.volumes_of(pod.template, pod.name);
    let listed = view.api().node(node).map_or(VolumeSet::EMPTY, |node| node.attached);
    volumes.minus(view.api().attached(node).intersection(listed)).is_empty()
        && !view.kubelet(node).has_with_another(view.config, view.runtime(node), pod.uid, volumes)
}

/// A volume that is wanted and attached nowhere is attached; one that is not wanted is detached, if
/// its node does not use it. Whether the node lists it is not asked: a request of a controller manager
/// that has died may take it off the list when its successor has seen it there.
fn volumes_content(view: &ClusterView<'_>) -> bool {
    let api = view.api();
    let wanted = wanted(view.config, &InformerCache::from(api.list()));
    let attached = |volume| api.attachments.iter().any(|known| known.volume == volume);
    let in_use = |what: &VolumeAttachment| {
        api.node(what.node).is_none_or(|node| node.in_use.contains(what.volume))
    };
    wanted.iter().all(|what| attached(what.volume))
        && api.attachments.iter().all(|what| wanted.contains(what) || in_use(what))
}

fn node_content(view: &ClusterView<'_>, node: NodeId) -> bool {
    let kubelet = view.kubelet(node);
    let pods = view.api().pods.iter().filter(|pod| pod.node == Some(node));
    let early = !view.config.version.terminal_phase_before_delete();
    let settled = |pod: &Pod| match pod.status.phase {
        // What is left of a pod of a Job is its controller's to do. Up to 1.26 its kubelet is done
        // with it in any phase (SM-2).
        _ if pod.is_terminating() => {
            let ended =
                pod.status.phase.is_terminal() || (early && view.runs_on(pod.uid).is_none());
            ended && pod.tracked && pod.deletion == Some(Seconds(0))
        }
        Phase::Pending | Phase::Running if view.runs_on(pod.uid).is_none() => {
            !has_its_volumes(view, pod, node)
        }
        Phase::Pending => false,
        Phase::Running => view.runs_on(pod.uid) == Some(node) && pod.status.ready.is_true(),
        Phase::Succeeded | Phase::Failed => view.runs_on(pod.uid) != Some(node),
    };
    let ready = match view.api().node(node) {
        Some(node) => node.ready == NodeReady::True,
        // A kubelet creates its Node object once (KL-5).
        None => kubelet.registered && kubelet.missing,
    };
    let stored = |uid| view.api().pod(uid).is_some();
    let no_orphans = view.runtime(node).running().iter().all(stored);
    kubelet.watch == Connection::Up && pods.copied().all(|pod| settled(&pod)) && ready && no_orphans
}
