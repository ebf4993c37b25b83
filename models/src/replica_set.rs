//! The ReplicaSet controller (RS-1 … RS-7).
//!
//! Upstream: `pkg/controller/replicaset/replica_set.go`, `pkg/controller/controller_utils.go`. A
//! sync that would change nothing is no step: every change that matters marks the key dirty again.
//! Left out: adoption of orphans (RS-3: nothing here makes one), failing creations, expectations
//! that expire after five minutes.

use std::cmp::Reverse;

use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::ids::{PodSet, PodUid, ReplicaSetId};
use crate::informer_cache::InformerCache;
use crate::objects::{EventType, Owner, Phase, Pod, PodReady, ReplicaSet, ReplicaSetStatus};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// A sync that waits for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sync {
    /// Pods still to be created after this batch.
    pub to_create: u8,
    /// Size of the batch on its way (slow start: 1, 2, 4 …).
    pub batch: u8,
    /// Creations of this batch that have not been answered.
    pub waiting: u8,
    /// Pods whose DELETE has not been answered.
    pub deleting: PodSet,
    /// The status computed when the sync began, to be written at its end.
    pub status: ReplicaSetStatus,
}

/// The controller's memory of one ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// RS-6: creations not yet observed.
    pub expected_creations: u8,
    /// RS-6: deletions not yet observed.
    pub expected_deletions: PodSet,
    /// The sync under way.
    pub sync: Option<Sync>,
    /// RS-7: the status that is being written, and whether the write is the second try.
    pub writing_status: Option<(ReplicaSetStatus, bool)>,
    /// RS-2, 1.36 and later: this process's own status write, which the cache does not show yet.
    pub unseen_status: Option<ReplicaSetStatus>,
    /// Pods that have been ready for `minReadySeconds`, with the stretch of readiness.
    pub available: Vec<(PodUid, u8)>,
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaSetController {
    /// By ReplicaSet.
    pub keys: Vec<Key>,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicaSetStep {
    /// RS-2.
    Sync(ReplicaSetId),
    /// RS-7: `minReadySeconds` of a pod have passed.
    Available(ReplicaSetId, PodUid),
}

impl ReplicaSetController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        ReplicaSetController { keys: vec![Key::default(); config.replica_sets.len()] }
    }

    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        let of = |key: &Key| {
            let available = key.available.iter().map(|(uid, _)| *uid).collect::<PodSet>();
            let deleting = key.sync.map_or(PodSet::EMPTY, |sync| sync.deleting);
            available.union(key.expected_deletions).union(deleting)
        };
        self.keys.iter().map(of).fold(PodSet::EMPTY, PodSet::union)
    }

    /// The steps that the controller can take.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        out: &mut Vec<ReplicaSetStep>,
    ) {
        for (key, id) in self.keys.iter().zip((0..).map(ReplicaSetId)) {
            let Some(set) = cache.replica_set(id) else { continue };
            let surplus = surplus(cache, set);
            if key.may_sync(config)
                && ((key.fulfilled() && surplus != 0)
                    || self.status(config, cache, id) != set.status)
            {
                out.push(ReplicaSetStep::Sync(id));
            }
            for pod in active(cache, id).filter(|_| config.reports_status(id)) {
                if waits_for_availability(config, key, pod).is_some() {
                    out.push(ReplicaSetStep::Available(id, pod.uid));
                }
            }
        }
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: ReplicaSetStep,
        fx: &mut Effects,
    ) {
        match step {
            ReplicaSetStep::Sync(id) => self.sync(config, cache, id, fx),
            ReplicaSetStep::Available(id, uid) => {
                fx.rule(Rule::Rs7);
                let key = &mut self.keys[id.0 as usize];
                let since = cache.pod(uid).and_then(|pod| waits_for_availability(config, key, pod));
                if let Some(since) = since {
                    key.available.retain(|(known, _)| *known != uid);
                    let at = key.available.partition_point(|(known, _)| *known < uid);
                    key.available.insert(at, (uid, since));
                }
            }
        }
    }

    /// RS-2: reads the cache, creates or deletes, and writes the status at the end.
    fn sync(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: ReplicaSetId,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Rs2);
        fx.rule(Rule::Rs1);
        let Some(set) = cache.replica_set(id) else { return };
        let status = self.status(config, cache, id);
        let surplus = surplus(cache, set);
        let key = &mut self.keys[id.0 as usize];
        let mut sync = Sync { to_create: 0, batch: 0, waiting: 0, deleting: PodSet::EMPTY, status };
        if key.fulfilled() && surplus < 0 {
            fx.rule(Rule::Rs4);
            sync.to_create = surplus.unsigned_abs();
            key.expected_creations = sync.to_create;
            sync.send_batch(config, id, fx);
        } else if key.fulfilled() && surplus > 0 {
            fx.rule(Rule::Rs5);
            for pod in to_delete(config, cache, id, surplus.unsigned_abs()) {
                key.expected_deletions.insert(pod.uid);
                sync.deleting.insert(pod.uid);
                fx.send(Request::DeletePod { name: pod.name, uid: None, grace: None });
            }
        }
        key.sync = Some(sync);
        self.finish(cache, id, fx);
    }

    /// The end of a sync: RS-7.
    fn finish(&mut self, cache: &InformerCache, id: ReplicaSetId, fx: &mut Effects) {
        let key = &mut self.keys[id.0 as usize];
        let Some(sync) = key.sync.filter(Sync::is_answered) else { return };
        key.sync = None;
        let Some(&seen) = cache.replica_set(id) else { return };
        if sync.status != seen.status {
            fx.rule(Rule::Rs7);
            key.writing_status = Some((sync.status, false));
            fx.send(Request::PutReplicaSetStatus { seen, status: sync.status });
        }
    }

    /// The answer to a request.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let id = match *request {
            Request::PutReplicaSetStatus { seen: ReplicaSet { id, .. }, status } => {
                let is_seen = cache.replica_set(id).is_none_or(|set| set.status == status);
                self.keys[id.0 as usize].status_written(id, (status, is_seen), reply, fx);
                return;
            }
            Request::GetReplicaSet { id } => {
                self.keys[id.0 as usize].write_status_again(reply, fx);
                return;
            }
            Request::CreatePod { owner: Owner::ReplicaSet(id), .. } => {
                if let Some(sync) = &mut self.keys[id.0 as usize].sync {
                    sync.waiting -= 1;
                    if sync.waiting == 0 && sync.to_create > 0 {
                        fx.rule(Rule::Rs4);
                        sync.send_batch(config, id, fx);
                    }
                }
                id
            }
            Request::DeletePod { name, .. } => {
                let Some(uid) = name.slot() else { return };
                let deletes = |key: &Key| key.sync.is_some_and(|sync| sync.deleting.contains(uid));
                let Some(at) = self.keys.iter().position(deletes) else { return };
                let key = &mut self.keys[at];
                if let Some(sync) = &mut key.sync {
                    sync.deleting.remove(uid);
                }
                if !matches!(reply, Reply::Pod(_)) {
                    key.expected_deletions.remove(uid);
                }
                ReplicaSetId(at as u8)
            }
            _ => {
                fx.unhandled(
                    "the ReplicaSet controller got an answer to a question that it never asks",
                );
                return;
            }
        };
        self.finish(cache, id, fx);
    }

    /// RS-6: expectations are met by what the watch shows.
    pub fn pod_changed(&mut self, kind: EventType, before: Option<&Pod>, pod: &Pod) {
        let Owner::ReplicaSet(id) = pod.owner else { return };
        let key = &mut self.keys[id.0 as usize];
        let was_terminating = before.is_some_and(Pod::is_terminating);
        match kind {
            EventType::Added if before.is_none() && !pod.is_terminating() => {
                key.expected_creations = key.expected_creations.saturating_sub(1);
            }
            EventType::Deleted => {
                key.expected_deletions.remove(pod.uid);
                key.available.retain(|(uid, _)| *uid != pod.uid);
            }
            _ if pod.is_terminating() && !was_terminating => {
                key.expected_deletions.remove(pod.uid);
            }
            _ => {}
        }
    }

    /// RS-2, 1.36 and later: the cache shows a ReplicaSet as it was written.
    pub fn status_seen(&mut self, set: &ReplicaSet) {
        let unseen = &mut self.keys[set.id.0 as usize].unseen_status;
        *unseen = unseen.filter(|status| *status != set.status);
    }

    /// The cache shows that a ReplicaSet is gone: nothing is expected of it any more.
    pub fn set_gone(&mut self, id: ReplicaSetId) {
        let Key { sync, writing_status, .. } = self.keys[id.0 as usize];
        self.keys[id.0 as usize] = Key { sync, writing_status, ..Key::default() };
    }

    /// RS-7: the status that the cache asks for.
    fn status(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: ReplicaSetId,
    ) -> ReplicaSetStatus {
        let key = &self.keys[id.0 as usize];
        let ready = |pod: &&Pod| pod.status.ready.is_true();
        let available =
            |pod: &&Pod| ready(pod) && waits_for_availability(config, key, pod).is_none();
        let terminating = |pod: &&Pod| {
            pod.owner == Owner::ReplicaSet(id)
                && pod.is_terminating()
                && !pod.status.phase.is_terminal()
        };
        let reports = config.version.reports_terminating_replicas();
        if !config.reports_status(id) {
            return cache.replica_set(id).map_or_else(ReplicaSetStatus::default, |set| set.status);
        }
        ReplicaSetStatus {
            replicas: active(cache, id).count() as u8,
            ready: active(cache, id).filter(ready).count() as u8,
            available: active(cache, id).filter(available).count() as u8,
            terminating: if reports {
                cache.pods.iter().filter(terminating).count() as u8
            } else {
                0
            },
        }
    }
}

impl Key {
    /// Whether a sync may begin. RS-2, 1.36 and later: not before the caches show this process's
    /// own writes (KEP-5647); before that, only creations and deletions waited.
    fn may_sync(&self, config: &ClusterConfig) -> bool {
        let reads_own_writes = config.version.controllers_read_own_writes();
        let consistent = self.expected_creations == 0 && self.unseen_status.is_none();
        self.sync.is_none() && self.writing_status.is_none() && (consistent || !reads_own_writes)
    }

    /// The answer to a status write: a conflict is answered by one more try on a live read; what is
    /// still wrong then is repaired by the next sync.
    fn status_written(
        &mut self,
        id: ReplicaSetId,
        (written, is_seen): (ReplicaSetStatus, bool),
        reply: &Reply,
        fx: &mut Effects,
    ) {
        if let (Reply::Conflict, Some((status, false))) = (reply, self.writing_status) {
            fx.rule(Rule::Rs7);
            fx.send(Request::GetReplicaSet { id });
            self.writing_status = Some((status, true));
            return;
        }
        self.unseen_status = (*reply == Reply::Done && !is_seen).then_some(written);
        self.writing_status = None;
    }

    /// The answer to the live read.
    fn write_status_again(&mut self, reply: &Reply, fx: &mut Effects) {
        match (reply, self.writing_status) {
            (Reply::ReplicaSet(set), Some((status, _))) => {
                fx.rule(Rule::Rs7);
                fx.send(Request::PutReplicaSetStatus { seen: *set, status });
            }
            _ => self.writing_status = None,
        }
    }

    fn fulfilled(&self) -> bool {
        self.expected_creations == 0 && self.expected_deletions.is_empty()
    }
}

impl Sync {
    /// Whether nothing is on its way or still to be sent.
    fn is_answered(&self) -> bool {
        self.waiting == 0 && self.to_create == 0 && self.deleting.is_empty()
    }

    /// RS-4: the next batch of the slow start.
    fn send_batch(&mut self, config: &ClusterConfig, id: ReplicaSetId, fx: &mut Effects) {
        self.batch = if self.batch == 0 { 1 } else { self.batch * 2 }.min(self.to_create);
        self.to_create -= self.batch;
        self.waiting = self.batch;
        let template = config.replica_sets[id.0 as usize].template;
        for _ in 0..self.batch {
            fx.send(Request::CreatePod { owner: Owner::ReplicaSet(id), template, name: None });
        }
    }
}

/// RS-1, RS-3: the pods that count.
fn active(cache: &InformerCache, id: ReplicaSetId) -> impl Iterator<Item = &Pod> {
    cache.pods.iter().filter(move |pod| pod.owner == Owner::ReplicaSet(id) && pod.is_active())
}

/// Active pods less replicas; one that is being deleted leaves its pods alone.
fn surplus(cache: &InformerCache, set: &ReplicaSet) -> i8 {
    match set.finalizer {
        None => active(cache, set.id).count() as i8 - set.replicas as i8,
        Some(_) => 0,
    }
}

/// RS-5: which pods go first. Deletion cost is not modelled; the youngest is the last in the list.
fn to_delete<'a>(
    config: &ClusterConfig,
    cache: &'a InformerCache,
    id: ReplicaSetId,
    count: u8,
) -> Vec<&'a Pod> {
    let mut pods: Vec<(usize, &Pod)> = active(cache, id).enumerate().collect();
    // Pods of the other ReplicaSets of the same Deployment count, too.
    let related: Vec<ReplicaSetId> = match config.deployment_of(id) {
        Some(deployment) => config.revisions(deployment).collect(),
        None => vec![id],
    };
    let on_node = |pod: &Pod| {
        let related = related.iter().flat_map(|&id| active(cache, id));
        related.filter(|other| other.node == pod.node).count()
    };
    pods.sort_by_key(|(age, pod)| {
        let phase = match pod.status.phase {
            Phase::Pending => 0,
            _ => 1,
        };
        (
            pod.node.is_some(),
            phase,
            pod.status.ready.is_true(),
            Reverse(on_node(pod)),
            Reverse(pod.status.restart_count),
            Reverse(*age),
        )
    });
    pods.into_iter().map(|(_, pod)| pod).take(count as usize).collect()
}

/// The stretch of readiness whose `minReadySeconds` have not passed yet.
fn waits_for_availability(config: &ClusterConfig, key: &Key, pod: &Pod) -> Option<u8> {
    let PodReady::True { since } = pod.status.ready else { return None };
    let waits = config.template(pod.template).min_ready.0 > 0;
    (waits && !key.available.contains(&(pod.uid, since))).then_some(since)
}
