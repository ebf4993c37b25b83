//! Workloads in the store: their status, their scale, and how they are deleted (ST-7).

use super::ApiServer;
use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::garbage_collector::Dependent;
use crate::ids::{DaemonSetId, DeploymentId, JobId, ReplicaSetId, StatefulSetId};
use crate::objects::{
    DaemonSet, Deployment, EventType, Finalizer, Job, Object, Owner, ReplicaSet, ReplicaSetStatus,
    StatefulSet, Workload,
};
use crate::requests::{Propagation, Reply, Request};
use crate::rules::Rule;

impl ApiServer {
    /// Serves a request about a workload.
    pub(super) fn serve_workload(
        &mut self,
        config: &ClusterConfig,
        request: &Request,
        fx: &mut Effects,
    ) -> Reply {
        match *request {
            Request::GetReplicaSet { id } => match self.replica_set(id) {
                Some(set) => Reply::ReplicaSet(*set),
                None => Reply::NotFound,
            },
            Request::PutReplicaSetStatus { seen, status } => {
                self.write_replica_set(&seen, fx, |set| set.status = status)
            }
            Request::CreateReplicaSet { id, replicas, desired } => {
                self.create_replica_set(config, (id, replicas, desired), fx)
            }
            Request::PutReplicaSet { seen, replicas, desired } => {
                self.write_replica_set(&seen, fx, |set| {
                    set.replicas = replicas;
                    set.desired = desired;
                })
            }
            Request::PutDeploymentStatus { seen, status } => {
                if self.deployment(seen.id).is_some_and(|stored| *stored != seen) {
                    fx.rule(Rule::St1);
                    return Reply::Conflict;
                }
                self.write_deployment(seen.id, fx, |deployment| deployment.status = status)
            }
            Request::PutStatefulSetStatus { id, seen, status } => match self.stateful_set(id) {
                Some(set) if set.status != seen => conflict(fx),
                _ => self.write_stateful_set(id, fx, |set| set.status = status),
            },
            Request::PutDaemonSetStatus { id, seen, status } => match self.daemon_set(id) {
                Some(set) if set.status != seen => conflict(fx),
                _ => self.write_daemon_set(id, fx, |set| set.status = status),
            },
            Request::PutJobStatus { id, seen, status } => match self.job(id) {
                Some(job) if job.status != seen => conflict(fx),
                _ => self.write_job(id, fx, |job| job.status = status),
            },
            Request::PatchDeploymentTemplate { id } => {
                self.write_deployment(id, fx, |deployment| deployment.revision += 1)
            }
            Request::PatchScale { workload, replicas } => self.scale(workload, replicas, fx),
            Request::DeleteWorkload { workload, propagation } => {
                self.delete_workload(workload, propagation, fx)
            }
            Request::GetOwner { owner, .. } => {
                self.finalizer(owner).map_or(Reply::NotFound, Reply::Owner)
            }
            Request::PatchOwner { dependent, .. } => self.disown(dependent, fx),
            Request::RemoveFinalizer { owner } => {
                fx.rule(Rule::St7);
                self.remove_workload(owner, fx)
            }
            _ => {
                fx.unhandled("the API server got a request that it does not know");
                Reply::NotFound
            }
        }
    }

    fn create_replica_set(
        &mut self,
        config: &ClusterConfig,
        (id, replicas, desired): (ReplicaSetId, u8, u8),
        fx: &mut Effects,
    ) -> Reply {
        if self.replica_set(id).is_some() {
            return Reply::AlreadyExists;
        }
        let status = ReplicaSetStatus::default();
        let owner = config.deployment_of(id);
        let set = ReplicaSet { id, replicas, desired, owner, finalizer: None, status };
        let at = self.replica_sets.partition_point(|other| other.id < id);
        self.replica_sets.insert(at, set);
        fx.publish(EventType::Added, Object::ReplicaSet(set));
        Reply::Done
    }

    /// Changes a ReplicaSet if it still is what was read.
    fn write_replica_set(
        &mut self,
        seen: &ReplicaSet,
        fx: &mut Effects,
        change: impl FnOnce(&mut ReplicaSet),
    ) -> Reply {
        let Some(set) = self.replica_sets.iter_mut().find(|set| set.id == seen.id) else {
            return Reply::NotFound;
        };
        if set != seen {
            fx.rule(Rule::St1);
            return Reply::Conflict;
        }
        change(set);
        if set != seen {
            fx.publish(EventType::Modified, Object::ReplicaSet(*set));
        }
        Reply::Done
    }

    fn write_deployment(
        &mut self,
        id: DeploymentId,
        fx: &mut Effects,
        change: impl FnOnce(&mut Deployment),
    ) -> Reply {
        let Some(deployment) = self.deployments.iter_mut().find(|stored| stored.id == id) else {
            return Reply::NotFound;
        };
        let before = *deployment;
        change(deployment);
        if *deployment != before {
            fx.publish(EventType::Modified, Object::Deployment(*deployment));
        }
        Reply::Done
    }

    fn write_stateful_set(
        &mut self,
        id: StatefulSetId,
        fx: &mut Effects,
        change: impl FnOnce(&mut StatefulSet),
    ) -> Reply {
        write(&mut self.stateful_sets, |set| set.id == id, Object::StatefulSet, fx, change)
    }

    fn write_daemon_set(
        &mut self,
        id: DaemonSetId,
        fx: &mut Effects,
        change: impl FnOnce(&mut DaemonSet),
    ) -> Reply {
        write(&mut self.daemon_sets, |set| set.id == id, Object::DaemonSet, fx, change)
    }

    fn write_job(&mut self, id: JobId, fx: &mut Effects, change: impl FnOnce(&mut Job)) -> Reply {
        write(&mut self.jobs, |job| job.id == id, Object::Job, fx, change)
    }

    fn scale(&mut self, workload: Workload, replicas: u8, fx: &mut Effects) -> Reply {
        match workload {
            Workload::Deployment(id) => {
                self.write_deployment(id, fx, |deployment| deployment.replicas = replicas)
            }
            Workload::ReplicaSet(id) => match self.replica_set(id).copied() {
                Some(seen) => self.write_replica_set(&seen, fx, |set| set.replicas = replicas),
                None => Reply::NotFound,
            },
            Workload::StatefulSet(id) => {
                self.write_stateful_set(id, fx, |set| set.replicas = replicas)
            }
            Workload::DaemonSet(_) | Workload::Job(_) => Reply::NotFound,
        }
    }

    /// ST-7: with propagation in the foreground, or to orphans, a finalizer keeps the object.
    fn delete_workload(
        &mut self,
        workload: Workload,
        propagation: Propagation,
        fx: &mut Effects,
    ) -> Reply {
        let finalizer = match propagation {
            Propagation::Background => return self.remove_workload(workload, fx),
            Propagation::Foreground => Some(Finalizer::Foreground),
            Propagation::Orphan => Some(Finalizer::Orphan),
        };
        fx.rule(Rule::St7);
        match workload {
            Workload::ReplicaSet(id) => match self.replica_set(id).copied() {
                Some(seen) => self.write_replica_set(&seen, fx, |set| set.finalizer = finalizer),
                None => Reply::NotFound,
            },
            Workload::Deployment(id) => {
                self.write_deployment(id, fx, |deployment| deployment.finalizer = finalizer)
            }
            Workload::StatefulSet(id) => {
                self.write_stateful_set(id, fx, |set| set.finalizer = finalizer)
            }
            Workload::DaemonSet(id) => {
                self.write_daemon_set(id, fx, |set| set.finalizer = finalizer)
            }
            Workload::Job(id) => self.write_job(id, fx, |job| job.finalizer = finalizer),
        }
    }

    fn remove_workload(&mut self, workload: Workload, fx: &mut Effects) -> Reply {
        let object = match workload {
            Workload::ReplicaSet(id) => {
                take(&mut self.replica_sets, |set| set.id == id).map(Object::ReplicaSet)
            }
            Workload::Deployment(id) => {
                take(&mut self.deployments, |stored| stored.id == id).map(Object::Deployment)
            }
            Workload::StatefulSet(id) => {
                take(&mut self.stateful_sets, |set| set.id == id).map(Object::StatefulSet)
            }
            Workload::DaemonSet(id) => {
                take(&mut self.daemon_sets, |set| set.id == id).map(Object::DaemonSet)
            }
            Workload::Job(id) => take(&mut self.jobs, |job| job.id == id).map(Object::Job),
        };
        let Some(object) = object else { return Reply::NotFound };
        fx.publish(EventType::Deleted, object);
        Reply::Done
    }

    /// Takes the owner reference out of a dependent, if it is the one that was meant.
    fn disown(&mut self, dependent: Dependent, fx: &mut Effects) -> Reply {
        match dependent {
            Dependent::Pod(uid) => match self.pod(uid).copied() {
                Some(pod) => self.write_pod(pod.name, Some(uid), fx, |pod| pod.owner = Owner::None),
                None => Reply::NotFound,
            },
            Dependent::Workload(Workload::ReplicaSet(id)) => match self.replica_set(id).copied() {
                Some(seen) => self.write_replica_set(&seen, fx, |set| set.owner = None),
                None => Reply::NotFound,
            },
            // Nothing owns these.
            Dependent::Workload(_) => Reply::NotFound,
        }
    }
}

fn conflict(fx: &mut Effects) -> Reply {
    fx.rule(Rule::St1);
    Reply::Conflict
}

/// Changes one of these, and tells those who watch.
fn write<T: Copy + PartialEq>(
    list: &mut [T],
    is_it: impl Fn(&T) -> bool,
    object: fn(T) -> Object,
    fx: &mut Effects,
    change: impl FnOnce(&mut T),
) -> Reply {
    let Some(stored) = list.iter_mut().find(|stored| is_it(stored)) else {
        return Reply::NotFound;
    };
    let before = *stored;
    change(stored);
    if *stored != before {
        fx.publish(EventType::Modified, object(*stored));
    }
    Reply::Done
}

/// Takes one of these out.
fn take<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    list.iter().position(is_it).map(|at| list.remove(at))
}
