//! The StatefulSet controller (SS-1 … SS-6).
//!
//! Upstream: `pkg/controller/statefulset/stateful_set_control.go`. An identity is a name: at most one
//! *object* has it, for the store refuses a second. A sync that would change nothing is no step:
//! every change that matters marks the key dirty again. Left out: rolling updates, `minReadySeconds`,
//! an ordinal other than 0 to start with, claims and their retention.

use crate::config::{ClusterConfig, StatefulSetConfig};
use crate::effects::Effects;
use crate::ids::{NameSet, PodName, PodSet, StatefulSetId};
use crate::informer_cache::InformerCache;
use crate::objects::{EventType, Owner, Phase, Pod, StatefulSetStatus};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// A sync that waits for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulSync {
    /// Identities whose POST or DELETE has not been answered.
    pub waiting: NameSet,
    /// The status computed when the sync began, to be written at its end.
    pub status: StatefulSetStatus,
}

/// The controller's memory of one StatefulSet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulKey {
    /// The sync under way.
    pub sync: Option<StatefulSync>,
    /// A status write is on its way.
    pub writing_status: bool,
    /// SS-1, 1.36 and later: pods whose creation or deletion by this process the cache does not
    /// show yet.
    pub unseen: PodSet,
    /// SS-1, 1.36 and later: the cache does not show this process's own status write yet.
    pub unseen_status: bool,
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulSetController {
    /// By StatefulSet.
    pub keys: Vec<StatefulKey>,
}

/// A step of the controller on its own: a sync of one StatefulSet (SS-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulSetStep(pub StatefulSetId);

/// What a sync does about one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Create(PodName),
    Delete(PodName),
}

impl StatefulSetController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        StatefulSetController { keys: vec![StatefulKey::default(); config.stateful_sets.len()] }
    }

    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        self.keys.iter().fold(PodSet::EMPTY, |all, key| all.union(key.unseen))
    }

    /// The steps that the controller can take.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        out: &mut Vec<StatefulSetStep>,
    ) {
        for (key, id) in self.keys.iter().zip((0..).map(StatefulSetId)) {
            let Some(set) = cache.stateful_set(id) else { continue };
            let acts = || !plan(config, cache, id).is_empty();
            let differs = || wanted_status(config, cache, id) != set.status;
            if key.may_sync(config) && (acts() || differs()) {
                out.push(StatefulSetStep(id));
            }
        }
    }

    /// SS-1: reads the cache, acts on identities, and writes the status at the end.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: StatefulSetStep,
        fx: &mut Effects,
    ) {
        let StatefulSetStep(id) = step;
        fx.rule(Rule::Ss1);
        let set = &config.stateful_sets[id.0 as usize];
        let status = wanted_status(config, cache, id);
        let mut waiting = NameSet::EMPTY;
        for act in plan(config, cache, id) {
            let (Act::Create(name) | Act::Delete(name)) = act;
            waiting.insert(name);
            match act {
                Act::Create(name) => {
                    fx.rule(Rule::Ss3);
                    fx.send(Request::CreatePod {
                        owner: Owner::StatefulSet(id),
                        template: set.template,
                        name: Some(name),
                    });
                }
                Act::Delete(name) => {
                    if set.ordinal(name).is_some_and(|ordinal| ordinal < replicas(cache, id)) {
                        fx.rule(Rule::Ss2);
                    }
                    fx.send(Request::DeletePod { name, uid: None, grace: None });
                }
            }
        }
        fx.rule(if set.ordered { Rule::Ss4 } else { Rule::Ss3 });
        self.keys[id.0 as usize].sync = Some(StatefulSync { waiting, status });
        self.finish(cache, id, fx);
    }

    /// The end of a sync.
    fn finish(&mut self, cache: &InformerCache, id: StatefulSetId, fx: &mut Effects) {
        let key = &mut self.keys[id.0 as usize];
        let Some(sync) = key.sync.filter(|sync| sync.waiting.is_empty()) else { return };
        key.sync = None;
        let Some(seen) = cache.stateful_set(id).map(|set| set.status) else { return };
        if sync.status != seen {
            key.writing_status = true;
            fx.send(Request::PutStatefulSetStatus { id, seen, status: sync.status });
        }
    }

    /// The answer to a request. What failed is repaired by the next sync.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let name = match *request {
            Request::PutStatefulSetStatus { id, status, .. } => {
                let is_seen = cache.stateful_set(id).is_none_or(|set| set.status == status);
                let key = &mut self.keys[id.0 as usize];
                key.writing_status = false;
                key.unseen_status = *reply == Reply::Done && !is_seen;
                return;
            }
            Request::CreatePod { name: Some(name), .. } | Request::DeletePod { name, .. } => name,
            _ => {
                fx.unhandled(
                    "the StatefulSet controller got an answer to a question that it never asks",
                );
                return;
            }
        };
        let Some((id, _)) = config.identity(name) else { return };
        let key = &mut self.keys[id.0 as usize];
        if let Some(sync) = &mut key.sync {
            sync.waiting.remove(name);
        }
        if let Reply::Pod(pod) = reply
            && !shows(cache, pod)
        {
            key.unseen.insert(pod.uid);
        }
        self.finish(cache, id, fx);
    }

    /// SS-1, 1.36 and later: the cache shows a pod as this process wrote it.
    pub fn pod_changed(&mut self, kind: EventType, pod: &Pod) {
        let Owner::StatefulSet(id) = pod.owner else { return };
        let key = &mut self.keys[id.0 as usize];
        match kind {
            EventType::Modified if !pod.is_terminating() => {}
            _ => {
                key.unseen.remove(pod.uid);
            }
        }
    }

    /// The cache shows that a StatefulSet is gone: nothing of it is waited for any more.
    pub fn set_gone(&mut self, id: StatefulSetId) {
        let key = &mut self.keys[id.0 as usize];
        (key.unseen, key.unseen_status) = (PodSet::EMPTY, false);
    }

    /// SS-1, 1.36 and later: the cache shows a StatefulSet as it was written.
    pub fn status_seen(&mut self, id: StatefulSetId) {
        self.keys[id.0 as usize].unseen_status = false;
    }
}

impl StatefulKey {
    /// Whether a sync may begin: from 1.36 on not before the caches show this process's own writes
    /// (KEP-5647); before that nothing is waited for.
    fn may_sync(&self, config: &ClusterConfig) -> bool {
        let consistent = self.unseen.is_empty() && !self.unseen_status;
        self.sync.is_none()
            && !self.writing_status
            && (consistent || !config.version.controllers_read_own_writes())
    }
}

/// Whether the cache is at least as new as this answer, for a pod that was created or deleted.
fn shows(cache: &InformerCache, written: &Pod) -> bool {
    match cache.pod(written.uid) {
        Some(pod) => pod.is_terminating() || !written.is_terminating(),
        None => written.is_terminating(),
    }
}

fn replicas(cache: &InformerCache, id: StatefulSetId) -> u8 {
    cache.stateful_set(id).map_or(0, |set| set.replicas)
}

/// Running and Ready.
fn is_healthy(pod: &Pod) -> bool {
    pod.status.phase == Phase::Running && pod.status.ready.is_true()
}

/// SS-2 … SS-6: what a sync does. One thing at a time where the set is ordered; nothing if the set is
/// being deleted.
fn plan(config: &ClusterConfig, cache: &InformerCache, id: StatefulSetId) -> Vec<Act> {
    let set = &config.stateful_sets[id.0 as usize];
    if cache.stateful_set(id).is_none_or(|set| set.finalizer.is_some()) {
        return Vec::new();
    }
    let replicas = replicas(cache, id);
    let pod_of =
        |name: PodName| cache.pod_named(name).filter(|pod| pod.owner == Owner::StatefulSet(id));
    let mut acts = Vec::new();
    for name in set.names().take(replicas as usize) {
        match pod_of(name) {
            Some(pod) if is_over(config, pod) => {
                if !pod.is_terminating() {
                    acts.push(Act::Delete(name));
                }
            }
            None => acts.push(Act::Create(name)),
            // SS-4, SS-5: an ordered set waits for each of its pods.
            Some(pod) if pod.is_terminating() || !is_healthy(pod) => {}
            Some(_) => continue,
        }
        if set.ordered {
            return acts;
        }
    }
    // Scaled down: from the highest ordinal; an ordered set one by one, and past an unhealthy pod
    // only if it is the first of them.
    let surplus: Vec<&Pod> = set.names().skip(replicas as usize).filter_map(pod_of).collect();
    let is_well = |pod: &&&Pod| is_healthy(pod) && !pod.is_terminating();
    let first_unhealthy = surplus.iter().find(|pod| !is_well(pod)).map(|pod| pod.uid);
    for pod in surplus.iter().rev() {
        if set.ordered && (pod.is_terminating() || !is_healthy(pod)) {
            if !pod.is_terminating() && first_unhealthy == Some(pod.uid) {
                acts.push(Act::Delete(pod.name));
            }
            return acts;
        }
        if !pod.is_terminating() {
            acts.push(Act::Delete(pod.name));
            if set.ordered {
                return acts;
            }
        }
    }
    acts
}

/// Whether a sync would do nothing about the pods, if caches show this.
pub fn is_idle(config: &ClusterConfig, cache: &InformerCache, id: StatefulSetId) -> bool {
    plan(config, cache, id).is_empty()
}

/// SS-2: a pod that is replaced as soon as its object is gone.
fn is_over(config: &ClusterConfig, pod: &Pod) -> bool {
    match pod.status.phase {
        Phase::Failed => true,
        Phase::Succeeded => config.version.stateful_set_replaces_succeeded(),
        _ => false,
    }
}

/// The status that the cache asks for; `replicas` are all pods that exist, Terminating or not.
fn wanted_status(
    config: &ClusterConfig,
    cache: &InformerCache,
    id: StatefulSetId,
) -> StatefulSetStatus {
    if !config.workload_status {
        return cache.stateful_set(id).map_or_else(StatefulSetStatus::default, |set| set.status);
    }
    let own = || cache.pods.iter().filter(|pod| pod.owner == Owner::StatefulSet(id));
    let ready = own().filter(|pod| is_healthy(pod)).count() as u8;
    StatefulSetStatus {
        replicas: own().count() as u8,
        ready,
        available: ready,
        current: own().filter(|pod| !pod.is_terminating()).count() as u8,
    }
}

impl StatefulSetConfig {
    /// The names of its identities, by ordinal: all that it can ever be asked for.
    pub fn names(&self) -> impl Iterator<Item = PodName> + use<> {
        let first = self.first_name.0;
        (first..first + self.identities).map(PodName)
    }

    /// The ordinal of a name, if it is one of this set's.
    pub fn ordinal(&self, name: PodName) -> Option<u8> {
        self.names().position(|own| own == name).map(|ordinal| ordinal as u8)
    }
}
