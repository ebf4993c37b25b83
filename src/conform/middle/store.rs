//! What the objects of a beginning say, as the store holds it, and what may be on its way there.

use models::api_server::ApiServer;
use models::config::ClusterConfig;
use models::ids::{JobId, PodName, PodSet, PodUid, Seconds};
use models::kube_controller_manager::Controller;
use models::objects::{JobStatus, Owner, Pod, PodReady, PodStatus};
use models::requests::Request;

use crate::conform::begin::FirstPod;
use crate::conform::facts::{
    Bindings, DeploymentFacts, Facts, JobFacts, NotModelled, ReplicaSetFacts, Symbol,
};
use crate::scenario::cluster::Addressed;

/// The pods of a beginning, oldest first; those of one second in one order and the other.
pub(super) fn both_orders(given: &[FirstPod], bound: &Bindings, pods: &[Pod]) -> Vec<Vec<Pod>> {
    let created = |pod: &Pod| {
        let uid = bound.uid(pod.uid.0);
        given.iter().find(|first| Some(first.facts.uid) == uid).map(|first| &first.created)
    };
    let mut other: Vec<Pod> = pods.iter().rev().copied().collect();
    other.sort_by(|a, b| created(a).cmp(&created(b)));
    let other = Some(other).filter(|other| other.as_slice() != pods);
    std::iter::once(pods.to_vec()).chain(other).collect()
}

/// The pods of a beginning, oldest first.
pub(super) fn pods(
    config: &ClusterConfig,
    given: &[FirstPod],
    bound: &mut Bindings,
) -> Result<Vec<Pod>, NotModelled> {
    let mut next = config.pods.len() as u8..config.max_pods;
    let mut pods = Vec::new();
    let mut given: Vec<&FirstPod> = given.iter().collect();
    given.sort_by(|a, b| a.created.cmp(&b.created));
    for FirstPod { owner, name, bare, facts, .. } in given {
        let Some(uid) = bare.or_else(|| next.next()).map(PodUid) else {
            return Err("more pods at once than there is room for".to_string());
        };
        let template = match *owner {
            Owner::None => config.pods[uid.0 as usize].template,
            Owner::ReplicaSet(id) => config.replica_sets[id.0 as usize].template,
            Owner::StatefulSet(id) => config.stateful_sets[id.0 as usize].template,
            Owner::DaemonSet(id, _) => config.daemon_sets[id.0 as usize].template,
            Owner::Job(id) => config.jobs[id.0 as usize].template,
        };
        let since = u8::from(config.template(template).min_ready.0 > 0);
        let status = PodStatus {
            phase: facts.phase,
            reason: facts.reason,
            ready: match facts.ready {
                None => PodReady::Absent,
                Some(false) => PodReady::False,
                Some(true) => PodReady::True { since },
            },
            container: facts.container,
            restart_count: facts.restarts,
            ip: facts.ip.map(|_| 0),
        };
        let pod = Pod {
            uid,
            name: facts.identity.unwrap_or(PodName::generated(uid)),
            owner: *owner,
            template,
            node: facts.node,
            deletion: facts.deletion.map(Seconds),
            tracked: facts.tracked,
            disruption_target: facts.disruption,
            status,
        };
        bound.added(uid.0, facts.uid);
        if !bound.pod_is(&pod, facts) {
            return Err(format!("a history that begins with pod {name} as it is"));
        }
        pods.push(pod);
    }
    Ok(pods)
}

/// Takes up what a workload says.
pub(super) fn workload(config: &ClusterConfig, store: &mut ApiServer, facts: &Facts) {
    match facts {
        Facts::ReplicaSet(id, facts) => {
            let of_deployment = config.deployment_of(*id).filter(|_| facts.owned);
            let desired = of_deployment.and_then(|id| store.deployment(id)).map(|d| d.replicas);
            if let Some(set) = store.replica_sets.iter_mut().find(|set| set.id == *id) {
                (set.replicas, set.status) = (facts.replicas, facts.status);
                (set.owner, set.finalizer) = (of_deployment, facts.finalizer);
                set.desired = desired.unwrap_or(facts.replicas);
            }
        }
        Facts::Deployment(id, facts) => {
            if let Some(set) = store.deployments.iter_mut().find(|set| set.id == *id) {
                (set.replicas, set.status) = (facts.replicas, facts.status);
                set.finalizer = facts.finalizer;
            }
        }
        Facts::StatefulSet(id, status) => {
            let set = store.stateful_sets.iter_mut().find(|set| set.id == *id);
            set.into_iter().for_each(|set| set.status = *status);
        }
        Facts::DaemonSet(id, status) => {
            let set = store.daemon_sets.iter_mut().find(|set| set.id == *id);
            set.into_iter().for_each(|set| set.status = *status);
        }
        Facts::Job(id, facts) => {
            let job = store.jobs.iter_mut().find(|job| job.id == *id);
            job.into_iter().for_each(|job| job.status = job_status(facts, job.status));
        }
        Facts::Pod(_) | Facts::Node(_) => {}
    }
}

/// The status of a Job, of which `known` has the uncounted pods.
fn job_status(facts: &JobFacts, known: JobStatus) -> JobStatus {
    let [active, ready, terminating, succeeded, failed] = facts.counts;
    JobStatus { succeeded, failed, condition: facts.condition, active, ready, terminating, ..known }
}

/// Takes up which pods a Job has still to count.
pub(super) fn uncounted(
    store: &mut ApiServer,
    bound: &Bindings,
    (id, [succeeded, failed]): &(JobId, [Vec<Symbol>; 2]),
) -> Result<(), NotModelled> {
    let pods = |uids: &[Symbol]| {
        let slot = |uid: &Symbol| bound.pods.iter().find(|(_, known)| known == uid);
        let slots = uids.iter().map(slot);
        let pods =
            slots.map(|slot| slot.map(|(slot, _)| PodUid(*slot))).collect::<Option<PodSet>>();
        pods.ok_or("a Job that has still to count pods that are gone".to_string())
    };
    let (succeeded, failed) = (pods(succeeded)?, pods(failed)?);
    for job in store.jobs.iter_mut().filter(|job| job.id == *id) {
        (job.status.uncounted_succeeded, job.status.uncounted_failed) = (succeeded, failed);
    }
    Ok(())
}

/// A status that may be on its way when the history begins, by the first one that is seen to be
/// written: a controller computed it from what it had seen before.
pub(super) fn on_its_way(store: &ApiServer, first: &Facts) -> Option<Addressed> {
    let (controller, request) = match first {
        Facts::ReplicaSet(id, facts) => {
            let seen = *store.replica_set(*id)?;
            let status = facts.status;
            if (ReplicaSetFacts { status: seen.status, ..*facts }) != ReplicaSetFacts::from(&seen) {
                return None;
            }
            (Controller::ReplicaSet, Request::PutReplicaSetStatus { seen, status })
        }
        Facts::Deployment(id, facts) => {
            let seen = *store.deployment(*id)?;
            let status = facts.status;
            if (DeploymentFacts { status: seen.status, ..*facts }) != DeploymentFacts::from(&seen) {
                return None;
            }
            (Controller::Deployment, Request::PutDeploymentStatus { seen, status })
        }
        Facts::StatefulSet(id, status) => {
            let seen = store.stateful_sets.iter().find(|set| set.id == *id)?.status;
            let (id, status) = (*id, *status);
            (Controller::StatefulSet, Request::PutStatefulSetStatus { id, seen, status })
        }
        Facts::DaemonSet(id, status) => {
            let seen = store.daemon_sets.iter().find(|set| set.id == *id)?.status;
            let (id, status) = (*id, *status);
            (Controller::DaemonSet, Request::PutDaemonSetStatus { id, seen, status })
        }
        // Which pods it counts is not seen.
        Facts::Job(..) | Facts::Pod(_) | Facts::Node(_) => return None,
    };
    Some(Addressed { controller: Some(controller), request })
}
