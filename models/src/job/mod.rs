//! The Job controller (JB-1 … JB-6).
//!
//! Upstream: `pkg/controller/job/{job_controller,pod_failure_policy}.go`. A pod carries a tracking
//! finalizer until it is counted: its uid is first written into the status, then the finalizer
//! goes, then the count is written. What upstream does in one sync are several here, each of which
//! goes one stage on, as a sync that was interrupted would. Left out: Indexed Jobs, suspension,
//! `activeDeadlineSeconds`, `successPolicy`, `ttlSecondsAfterFinished`, failing creations.

use std::cmp::Reverse;

use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::ids::{JobId, PodName, PodSet, PodUid};
use crate::informer_cache::InformerCache;
use crate::objects::{EventType, JobStatus, Owner, Phase, Pod};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

use tally::{left_behind, orphans, pods, tally};

pub use tally::only_replaces_failed;

mod tally;

/// Creations or deletions that wait for answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobSync {
    /// Pods still to be created after this batch.
    pub to_create: u8,
    /// Size of the batch on its way (slow start: 1, 2, 4 …).
    pub batch: u8,
    /// Creations of this batch that have not been answered.
    pub waiting: u8,
    /// Pods whose DELETE, or whose loss of the finalizer, has not been answered.
    pub pods: PodSet,
    /// Those of them that are too many, and are deleted when they have lost their finalizers.
    pub surplus: PodSet,
}

/// The controller's memory of one Job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// Creations not yet observed.
    pub expected_creations: u8,
    /// Deletions of pods that are too many, not yet observed: any pod of the Job that is seen to go
    /// counts.
    pub expected_deletions: u8,
    /// Pods that were deleted, which the cache does not show to go yet: the sync that deleted them
    /// takes them for gone.
    pub doomed: PodSet,
    /// Pods whose finalizer is gone, which the cache does not show yet.
    pub released: PodSet,
    /// The sync under way.
    pub sync: Option<JobSync>,
    /// A status write is on its way.
    pub writing_status: bool,
    /// The cache does not show this process's own status write yet.
    pub unseen_status: bool,
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobController {
    /// By Job.
    pub keys: Vec<JobKey>,
    /// Pods without a Job that are to lose, or have lost, their finalizers, as long as the cache shows
    /// these.
    pub releasing: PodSet,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobStep {
    /// JB-2, JB-3: pods are created or deleted.
    Manage(JobId),
    /// JB-6: finished pods lose their finalizers, or the status is written; of a Job that is over,
    /// pods that are deleted.
    Track(JobId),
    /// A pod whose Job is gone, or that was released by it, loses its finalizer.
    Release(PodUid),
}

impl JobController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        JobController { keys: vec![JobKey::default(); config.jobs.len()], releasing: PodSet::EMPTY }
    }

    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        self.keys.iter().fold(self.releasing, |all, key| {
            let syncing = key.sync.map_or(PodSet::EMPTY, |sync| sync.pods);
            all.union(key.released).union(key.doomed).union(syncing)
        })
    }

    /// The steps that the controller can take.
    pub fn steps(&self, config: &ClusterConfig, cache: &InformerCache, out: &mut Vec<JobStep>) {
        for (key, id) in self.keys.iter().zip((0..).map(JobId)) {
            let Some(job) = cache.job(id) else { continue };
            if job.status.condition.is_final() {
                if key.sync.is_none() && left_behind(cache, id, key.released).next().is_some() {
                    out.push(JobStep::Track(id));
                }
                continue;
            }
            if !key.may_sync(config) {
                continue;
            }
            let tally = tally(config, cache, id, key);
            let manifest = &config.jobs[id.0 as usize];
            let wanted = tally.wanted(config.version, manifest);
            let manages = wanted != 0 && (key.fulfilled() || tally.over.is_some());
            if manages {
                out.push(JobStep::Manage(id));
            }
            // A sync creates and deletes first; if it must wait with that, it goes on.
            let blocked = manages && !tally.must_back_off(wanted);
            let tracks = tally.status(config, cache, id, key.released) != job.status
                || !tally.to_release(&job.status).is_empty();
            if tracks && !blocked {
                out.push(JobStep::Track(id));
            }
        }
        let orphans = orphans(cache).filter(|pod| !self.releasing.contains(pod.uid));
        out.extend(orphans.map(|pod| JobStep::Release(pod.uid)));
    }

    /// Whether what a Job is to create has to wait for its back-off (JB-2), which may be over at any
    /// time: it is counted from the moment at which the pod was last known to be ready.
    pub fn backs_off(&self, config: &ClusterConfig, cache: &InformerCache, id: JobId) -> bool {
        let tally = tally(config, cache, id, &self.keys[id.0 as usize]);
        tally.must_back_off(tally.wanted(config.version, &config.jobs[id.0 as usize]))
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: JobStep,
        fx: &mut Effects,
    ) {
        match step {
            JobStep::Manage(id) => self.manage(config, cache, id, fx),
            JobStep::Track(id) => self.track(config, cache, id, fx),
            JobStep::Release(uid) => {
                fx.rule(Rule::Jb6);
                self.releasing.insert(uid);
                fx.send(Request::PatchPodFinalizer { name: PodName::generated(uid) });
            }
        }
    }

    fn manage(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: JobId,
        fx: &mut Effects,
    ) {
        let manifest = &config.jobs[id.0 as usize];
        let key = &mut self.keys[id.0 as usize];
        let tally = tally(config, cache, id, key);
        let wanted = tally.wanted(config.version, manifest);
        let only_failed = only_replaces_failed(config.version, manifest);
        fx.rule(match wanted {
            1.. if only_failed => Rule::Jb3,
            1.. => Rule::Jb2,
            _ => Rule::Jb5,
        });
        let mut sync = JobSync::default();
        if wanted > 0 {
            sync.to_create = wanted.unsigned_abs();
            key.expected_creations = sync.to_create;
            sync.send_batch(config, id, fx);
        } else {
            // Of pods that are too many nobody is to hear, those of a Job that is over are counted.
            for pod in to_delete(cache, id, key.doomed, wanted.unsigned_abs()) {
                sync.pods.insert(pod.uid);
                key.doomed.insert(pod.uid);
                if tally.over.is_none() {
                    key.expected_deletions += 1;
                    sync.surplus.insert(pod.uid);
                }
                fx.send(match tally.over.is_none() && pod.tracked {
                    true => Request::PatchPodFinalizer { name: pod.name },
                    false => Request::DeletePod { name: pod.name, uid: None, grace: None },
                });
            }
        }
        key.sync = Some(sync);
    }

    /// JB-6.
    fn track(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: JobId,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Jb6);
        let key = &mut self.keys[id.0 as usize];
        let Some(seen) = cache.job(id).map(|job| job.status) else { return };
        let tally = tally(config, cache, id, key);
        let over = seen.condition.is_final();
        let release = match over {
            true => left_behind(cache, id, key.released).map(|pod| pod.uid).collect(),
            false => tally.to_release(&seen),
        };
        if !release.is_empty() {
            key.sync =
                Some(JobSync { pods: release.iter().copied().collect(), ..JobSync::default() });
            for uid in release {
                if let Some(pod) = cache.pod(uid) {
                    // Of a Job that is over, nothing is counted or judged any more.
                    if !over {
                        fx.rule(Rule::Jb1);
                    }
                    if !over && config.jobs[id.0 as usize].failure_policy.is_some() {
                        fx.rule(Rule::Jb4);
                    }
                    fx.send(Request::PatchPodFinalizer { name: pod.name });
                }
            }
            return;
        }
        let status = tally.status(config, cache, id, key.released);
        if status.condition != seen.condition {
            fx.rule(Rule::Jb5);
        }
        key.writing_status = true;
        fx.send(Request::PutJobStatus { id, seen, status });
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
        match *request {
            Request::PutJobStatus { id, status, .. } => {
                let key = &mut self.keys[id.0 as usize];
                let is_seen = cache.job(id).is_none_or(|job| job.status == status);
                key.writing_status = false;
                key.unseen_status = *reply == Reply::Done && !is_seen;
            }
            Request::CreatePod { owner: Owner::Job(id), .. } => {
                let key = &mut self.keys[id.0 as usize];
                if let Some(sync) = &mut key.sync {
                    sync.waiting -= 1;
                    if sync.waiting == 0 && sync.to_create > 0 {
                        fx.rule(Rule::Jb2);
                        sync.send_batch(config, id, fx);
                    }
                }
                key.end_if_answered();
            }
            Request::DeletePod { name, .. } | Request::PatchPodFinalizer { name } => {
                let Some(uid) = name.slot() else { return };
                let asks = |key: &&mut JobKey| key.sync.is_some_and(|sync| sync.pods.contains(uid));
                let Some(key) = self.keys.iter_mut().find(asks) else {
                    if !cache.pod(uid).is_some_and(|pod| pod.tracked) {
                        self.releasing.remove(uid);
                    }
                    return;
                };
                let deletes = matches!(request, Request::DeletePod { .. });
                key.answered(cache, uid, deletes, reply, fx);
                key.end_if_answered();
            }
            _ => {
                fx.unhandled("the Job controller got an answer to a question that it never asks");
            }
        }
    }

    /// Expectations are met by what the watch shows.
    pub fn pod_changed(&mut self, kind: EventType, before: Option<&Pod>, pod: &Pod) {
        if kind == EventType::Deleted || !pod.tracked {
            self.releasing.remove(pod.uid);
        }
        let Owner::Job(id) = pod.owner else { return };
        let key = &mut self.keys[id.0 as usize];
        if kind == EventType::Deleted || !pod.tracked {
            key.released.remove(pod.uid);
        }
        if kind == EventType::Deleted || !pod.is_active() {
            key.doomed.remove(pod.uid);
        }
        if kind == EventType::Deleted || pod.is_terminating() {
            key.expected_deletions = key.expected_deletions.saturating_sub(1);
        } else if before.is_none() {
            key.expected_creations = key.expected_creations.saturating_sub(1);
        }
    }

    /// The cache shows that a Job is gone: nothing is expected of it any more.
    pub fn job_gone(&mut self, id: JobId) {
        let JobKey { sync, writing_status, .. } = self.keys[id.0 as usize];
        self.keys[id.0 as usize] = JobKey { sync, writing_status, ..JobKey::default() };
    }

    /// The cache shows a Job as it was written.
    pub fn status_seen(&mut self, id: JobId) {
        self.keys[id.0 as usize].unseen_status = false;
    }
}

impl JobKey {
    /// Whether a sync may begin. 1.36 and later: not before the caches show this process's own
    /// writes (KEP-5647); before that, only creations and deletions waited.
    fn may_sync(&self, config: &ClusterConfig) -> bool {
        let reads_own_writes = config.version.job_reads_own_writes();
        let consistent = self.expected_creations == 0 && !self.unseen_status;
        self.sync.is_none() && !self.writing_status && (consistent || !reads_own_writes)
    }

    fn fulfilled(&self) -> bool {
        self.expected_creations == 0 && self.expected_deletions == 0
    }

    /// A pod has been deleted, or has lost its finalizer.
    fn answered(
        &mut self,
        cache: &InformerCache,
        uid: PodUid,
        deletes: bool,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let Some(sync) = &mut self.sync else { return };
        let surplus = sync.surplus.contains(uid);
        let done = matches!(reply, Reply::Pod(_));
        if surplus && !deletes && done {
            fx.rule(Rule::Jb5);
            fx.send(Request::DeletePod { name: PodName::generated(uid), uid: None, grace: None });
            return;
        }
        sync.pods.remove(uid);
        sync.surplus.remove(uid);
        if surplus && !done {
            self.expected_deletions = self.expected_deletions.saturating_sub(1);
        }
        let shown = cache.pod(uid);
        if !shown.is_some_and(Pod::is_active) {
            self.doomed.remove(uid);
        }
        if !deletes && !surplus && shown.is_some_and(|pod| pod.tracked) {
            self.released.insert(uid);
        }
    }

    fn end_if_answered(&mut self) {
        let answered =
            |sync: &JobSync| sync.waiting == 0 && sync.to_create == 0 && sync.pods.is_empty();
        self.sync = self.sync.filter(|sync| !answered(sync));
    }
}

impl JobSync {
    /// The next batch of the slow start.
    fn send_batch(&mut self, config: &ClusterConfig, id: JobId, fx: &mut Effects) {
        self.batch = if self.batch == 0 { 1 } else { self.batch * 2 }.min(self.to_create);
        self.to_create -= self.batch;
        self.waiting = self.batch;
        let template = config.jobs[id.0 as usize].template;
        for _ in 0..self.batch {
            fx.send(Request::CreatePod { owner: Owner::Job(id), template, name: None });
        }
    }
}

/// Which pods go first: those that are not bound, not started, not ready, the youngest.
fn to_delete(cache: &InformerCache, id: JobId, doomed: PodSet, count: u8) -> Vec<&Pod> {
    let active = pods(cache, id).filter(|pod| pod.is_active() && !doomed.contains(pod.uid));
    let mut pods: Vec<(usize, &Pod)> = active.enumerate().collect();
    pods.sort_by_key(|(age, pod)| {
        let started = pod.status.phase != Phase::Pending;
        (pod.node.is_some(), started, pod.status.ready.is_true(), Reverse(*age))
    });
    pods.into_iter().map(|(_, pod)| pod).take(count as usize).collect()
}

/// Whether nothing is left to do for a Job, if caches show this.
pub fn is_content(config: &ClusterConfig, cache: &InformerCache, id: JobId) -> bool {
    let Some(status) = cache.job(id).map(|job| &job.status) else { return true };
    if status.condition.is_final() {
        return left_behind(cache, id, PodSet::EMPTY).next().is_none();
    }
    let tally = tally(config, cache, id, &JobKey::default());
    let wanted = tally.wanted(config.version, &config.jobs[id.0 as usize]);
    let written = tally.status(config, cache, id, PodSet::EMPTY) == *status;
    wanted == 0 && tally.due.is_empty() && written
}

/// Whether no pod waits to be let go by a Job that is not there, if caches show this.
pub fn has_no_orphans(cache: &InformerCache) -> bool {
    orphans(cache).next().is_none()
}

/// The status of a Job whose pods have been running since before the start.
pub fn status_at_start(config: &ClusterConfig, cache: &InformerCache, id: JobId) -> JobStatus {
    tally(config, cache, id, &JobKey::default()).status(config, cache, id, PodSet::EMPTY)
}
