//! The garbage collector (GCOL-1): what becomes of the dependents of a deleted workload.
//!
//! Upstream: `pkg/controller/garbagecollector/{garbagecollector,graph_builder}.go`. The graph of
//! owners and dependents is read from the shared caches; every deletion is preceded by a live read of
//! the owner. Left out: owners of other kinds
//! (nobody deletes those here), cycles, the live read of the dependent itself (its
//! DELETE carries its uid).

use crate::effects::Effects;
use crate::ids::{PodSet, PodUid};
use crate::informer_cache::InformerCache;
use crate::objects::{EventType, Finalizer, Object, Owner, Pod, Workload};
use crate::requests::{Propagation, Reply, Request};
use crate::rules::Rule;

/// Something that has an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependent {
    /// A pod.
    Pod(PodUid),
    /// A workload.
    Workload(Workload),
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GarbageCollector {
    /// Dependents that a worker looks after: until the watch shows that they go.
    pub collecting: Vec<Dependent>,
    /// Owners whose finalizer is being seen to, and how many of their dependents have still to be
    /// released.
    pub finishing: Vec<(Workload, u8)>,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GarbageCollectorStep {
    /// A dependent of an owner that is gone, or that waits for its dependents.
    Collect(Dependent),
    /// An owner that waits for its dependents to be released, or to be gone.
    Finish(Workload),
}

impl GarbageCollector {
    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        let uid = |dependent: &Dependent| match dependent {
            Dependent::Pod(uid) => Some(*uid),
            Dependent::Workload(_) => None,
        };
        self.collecting.iter().filter_map(uid).collect()
    }

    /// The steps that the controller can take.
    pub fn steps(&self, cache: &InformerCache, out: &mut Vec<GarbageCollectorStep>) {
        for dependent in dependents(cache) {
            let goes = is_going(cache, dependent) || self.collecting.contains(&dependent);
            let Some(owner) = owner_of(cache, dependent).filter(|_| !goes) else { continue };
            if matches!(cache.finalizer(owner), None | Some(Some(Finalizer::Foreground))) {
                out.push(GarbageCollectorStep::Collect(dependent));
            }
        }
        for owner in workloads(cache) {
            let busy = self.finishing.iter().any(|(other, _)| *other == owner);
            let ends = match cache.finalizer(owner).flatten() {
                Some(Finalizer::Orphan) => true,
                Some(Finalizer::Foreground) => dependents_of(cache, owner).next().is_none(),
                None => false,
            };
            if ends && !busy {
                out.push(GarbageCollectorStep::Finish(owner));
            }
        }
    }

    /// Takes a step.
    pub fn step(&mut self, cache: &InformerCache, step: GarbageCollectorStep, fx: &mut Effects) {
        fx.rule(Rule::Gcol1);
        match step {
            GarbageCollectorStep::Collect(dependent) => {
                let Some(owner) = owner_of(cache, dependent) else { return };
                let at = self.collecting.partition_point(|other| *other < dependent);
                self.collecting.insert(at, dependent);
                fx.send(Request::GetOwner { owner, dependent });
            }
            GarbageCollectorStep::Finish(owner) => {
                let mut released = 0;
                if cache.finalizer(owner).flatten() == Some(Finalizer::Orphan) {
                    for dependent in dependents_of(cache, owner) {
                        released += 1;
                        fx.send(Request::PatchOwner { owner, dependent });
                    }
                }
                if released == 0 {
                    fx.send(Request::RemoveFinalizer { owner });
                }
                let at = self.finishing.partition_point(|(other, _)| *other < owner);
                self.finishing.insert(at, (owner, released));
            }
        }
    }

    /// The answer to a request.
    pub fn reply(
        &mut self,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        match *request {
            Request::GetOwner { dependent, .. } => self.owner_read(cache, dependent, reply, fx),
            Request::DeletePod { uid: Some(uid), .. } => {
                let gone = cache.pod(uid).is_none_or(Pod::is_terminating);
                self.deleted(Dependent::Pod(uid), gone, reply);
            }
            Request::DeleteWorkload { workload, .. } => {
                let gone = is_going(cache, Dependent::Workload(workload));
                self.deleted(Dependent::Workload(workload), gone, reply);
            }
            Request::PatchOwner { owner, .. } => {
                let Some((_, left)) = self.finishing.iter_mut().find(|(id, _)| *id == owner) else {
                    return;
                };
                *left = left.saturating_sub(1);
                if *left == 0 {
                    fx.rule(Rule::Gcol1);
                    fx.send(Request::RemoveFinalizer { owner });
                }
            }
            Request::RemoveFinalizer { owner } => {
                if cache.finalizer(owner).is_none() {
                    self.finishing.retain(|(other, _)| *other != owner);
                }
            }
            _ => {
                fx.unhandled("the garbage collector got an answer to a question it never asks");
            }
        }
    }

    /// The owner as it is: the dependent goes if there is none, or if it waits for its dependents.
    fn owner_read(
        &mut self,
        cache: &InformerCache,
        dependent: Dependent,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let waits = match reply {
            Reply::NotFound => false,
            Reply::Owner(Some(Finalizer::Foreground)) => true,
            _ => {
                self.collecting.retain(|other| *other != dependent);
                return;
            }
        };
        fx.rule(Rule::Gcol1);
        match dependent {
            Dependent::Pod(uid) => match cache.pod(uid) {
                Some(pod) => {
                    fx.send(Request::DeletePod { name: pod.name, uid: Some(uid), grace: None })
                }
                None => self.collecting.retain(|other| *other != dependent),
            },
            Dependent::Workload(workload) => {
                // What has dependents of its own takes them along before it goes.
                let has = dependents_of(cache, workload).next().is_some();
                let propagation =
                    if waits && has { Propagation::Foreground } else { Propagation::Background };
                fx.send(Request::DeleteWorkload { workload, propagation });
            }
        }
    }

    /// A DELETE is answered: a worker has done its part, which the watch is to show.
    fn deleted(&mut self, dependent: Dependent, seen: bool, reply: &Reply) {
        if seen || matches!(reply, Reply::NotFound | Reply::Conflict) {
            self.collecting.retain(|other| *other != dependent);
        }
    }

    /// The watch shows a change: what goes needs no worker any more.
    pub fn changed(&mut self, kind: EventType, object: &Object) {
        let gone = kind == EventType::Deleted;
        let (dependent, goes, workload) = match object {
            Object::Pod(pod) => (Dependent::Pod(pod.uid), pod.is_terminating(), None),
            Object::ReplicaSet(set) => {
                let workload = Workload::ReplicaSet(set.id);
                (Dependent::Workload(workload), set.finalizer.is_some(), Some(workload))
            }
            Object::Deployment(stored) => {
                let workload = Workload::Deployment(stored.id);
                (Dependent::Workload(workload), stored.finalizer.is_some(), Some(workload))
            }
            Object::StatefulSet(set) => {
                let workload = Workload::StatefulSet(set.id);
                (Dependent::Workload(workload), set.finalizer.is_some(), Some(workload))
            }
            Object::DaemonSet(set) => {
                let workload = Workload::DaemonSet(set.id);
                (Dependent::Workload(workload), set.finalizer.is_some(), Some(workload))
            }
            Object::Job(job) => {
                let workload = Workload::Job(job.id);
                (Dependent::Workload(workload), job.finalizer.is_some(), Some(workload))
            }
            Object::Node(_) | Object::VolumeAttachment(_) => return,
        };
        if gone || goes {
            self.collecting.retain(|other| *other != dependent);
        }
        if gone {
            self.finishing.retain(|(owner, _)| Some(*owner) != workload);
        }
    }
}

/// Everything that could have an owner.
fn dependents(cache: &InformerCache) -> impl Iterator<Item = Dependent> {
    let pods = cache.pods.iter().map(|pod| Dependent::Pod(pod.uid));
    let sets = cache.replica_sets.iter().map(|set| Workload::ReplicaSet(set.id));
    pods.chain(sets.map(Dependent::Workload))
}

fn workloads(cache: &InformerCache) -> impl Iterator<Item = Workload> {
    let sets = cache.replica_sets.iter().map(|set| Workload::ReplicaSet(set.id));
    let deployments = cache.deployments.iter().map(|stored| Workload::Deployment(stored.id));
    let stateful_sets = cache.stateful_sets.iter().map(|set| Workload::StatefulSet(set.id));
    let daemon_sets = cache.daemon_sets.iter().map(|set| Workload::DaemonSet(set.id));
    let jobs = cache.jobs.iter().map(|job| Workload::Job(job.id));
    sets.chain(deployments).chain(stateful_sets).chain(daemon_sets).chain(jobs)
}

/// What a dependent's owner reference names.
fn owner_of(cache: &InformerCache, dependent: Dependent) -> Option<Workload> {
    match dependent {
        Dependent::Pod(uid) => match cache.pod(uid)?.owner {
            Owner::ReplicaSet(id) => Some(Workload::ReplicaSet(id)),
            Owner::StatefulSet(id) => Some(Workload::StatefulSet(id)),
            Owner::DaemonSet(id, _) => Some(Workload::DaemonSet(id)),
            Owner::Job(id) => Some(Workload::Job(id)),
            Owner::None => None,
        },
        Dependent::Workload(Workload::ReplicaSet(id)) => {
            cache.replica_set(id)?.owner.map(Workload::Deployment)
        }
        Dependent::Workload(_) => None,
    }
}

fn dependents_of(cache: &InformerCache, owner: Workload) -> impl Iterator<Item = Dependent> {
    dependents(cache).filter(move |dependent| owner_of(cache, *dependent) == Some(owner))
}

/// Whether the cache shows that something is being deleted, or gone.
fn is_going(cache: &InformerCache, dependent: Dependent) -> bool {
    match dependent {
        Dependent::Pod(uid) => cache.pod(uid).is_none_or(Pod::is_terminating),
        Dependent::Workload(workload) => {
            cache.finalizer(workload).is_none_or(|finalizer| finalizer.is_some())
        }
    }
}
