//! The Job controller (JB-1 … JB-6).
//!
//! Upstream: `pkg/controller/job/{job_controller,pod_failure_policy}.go`. A pod carries a tracking
//! finalizer until it is counted: its uid is first written into the status, then the finalizer
//! goes, then the count is written. What upstream does in one sync are several here, each of which
//! goes one stage on, as a sync that was interrupted would. Left out: Indexed Jobs, suspension,
//! `activeDeadlineSeconds`, `successPolicy`, `ttlSecondsAfterFinished`, failing creations.

use std::cmp::Reverse;

use crate::config::{ClusterConfig, FailureAction, JobConfig, Replacement, RestartPolicy};
use crate::effects::Effects;
use crate::ids::{JobId, PodSet, PodUid};
use crate::informer_cache::InformerCache;
use crate::objects::{ContainerState, EventType, JobCondition, JobStatus, Owner, Phase, Pod};
use crate::requests::{Reply, Request};
use crate::rules::Rule;
use crate::version::Version;

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
}

/// The controller's memory of one Job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// Creations not yet observed.
    pub expected_creations: u8,
    /// Deletions not yet observed: any pod of the Job that is seen to go counts.
    pub expected_deletions: u8,
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
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobStep {
    /// JB-2, JB-3: pods are created or deleted.
    Manage(JobId),
    /// JB-6: finished pods lose their finalizers, or the status is written; of a Job that is over,
    /// pods that are deleted.
    Track(JobId),
}

/// Whether only pods that are terminal are replaced (JB-1, JB-3): by `podReplacementPolicy`, which
/// is read from 1.29 on, or because a `podFailurePolicy` is set.
pub fn only_replaces_failed(version: Version, job: &JobConfig) -> bool {
    let asked = job.replacement == Some(Replacement::Failed);
    job.failure_policy.is_some() || (asked && version.reads_pod_replacement_policy())
}

/// JB-1.
fn is_failed(version: Version, job: &JobConfig, pod: &Pod) -> bool {
    match pod.status.phase {
        Phase::Failed => true,
        Phase::Succeeded => false,
        _ => pod.is_terminating() && !only_replaces_failed(version, job),
    }
}

/// JB-4: what the `podFailurePolicy` says of a failed pod; without one, or a rule that matches, it
/// counts.
fn judged(job: &JobConfig, pod: &Pod) -> FailureAction {
    let code = match pod.status.container {
        ContainerState::Terminated(exit) if exit.code() != 0 => Some(exit.code()),
        _ => None,
    };
    let rules = job.failure_policy.iter().flatten();
    let mut matching = rules.filter(|rule| {
        let by_condition = rule.on_disruption && pod.disruption_target.is_some();
        let by_code = rule.exit_codes.as_ref().is_some_and(|(listed, codes)| {
            code.is_some_and(|code| codes.contains(&i32::from(code)) == *listed)
        });
        by_condition || by_code
    });
    matching.next().map_or(FailureAction::Count, |rule| rule.action)
}

/// What the controller makes of a pod that still has its finalizer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Succeeded,
    Failed,
    /// It loses the finalizer and is not counted.
    Ignored,
}

/// What a Job's pods amount to.
struct Tally {
    active: u8,
    ready: u8,
    terminating: u8,
    /// Pods that are to lose their finalizers, with what becomes of them.
    due: Vec<(PodUid, Fate)>,
    succeeded: u8,
    failed: u8,
    /// Why the Job is over, if it is and the status does not say so yet.
    over: Option<JobCondition>,
}

fn pods(cache: &InformerCache, id: JobId) -> impl Iterator<Item = &Pod> {
    cache.pods.iter().filter(move |pod| pod.owner == Owner::Job(id))
}

/// Pods that are deleted when their Job is over: no sync looks at them any more, but they lose their
/// finalizers as those of a Job that is gone do (`syncOrphanPod` in
/// pkg/controller/job/job_controller.go).
fn left_behind(cache: &InformerCache, id: JobId, released: PodSet) -> impl Iterator<Item = &Pod> {
    let held = move |pod: &&Pod| pod.tracked && !released.contains(pod.uid);
    pods(cache, id).filter(|pod| pod.is_terminating()).filter(held)
}

fn is_terminating(pod: &Pod) -> bool {
    pod.is_terminating() && !pod.status.phase.is_terminal()
}

fn tally(config: &ClusterConfig, cache: &InformerCache, id: JobId, released: PodSet) -> Tally {
    let job = &config.jobs[id.0 as usize];
    let status = &cache.jobs[id.0 as usize].status;
    let tracked = |pod: &&Pod| pod.tracked && !released.contains(pod.uid);
    let known = status.uncounted_succeeded.union(status.uncounted_failed);
    let new = |fate| {
        let of_fate = pods(cache, id).filter(tracked).filter(|pod| !known.contains(pod.uid));
        of_fate.filter(|pod| fate_of(config, job, status, pod) == Some(fate)).count() as u8
    };
    let count = |test: &dyn Fn(&&Pod) -> bool| pods(cache, id).filter(test).count() as u8;
    let mut tally = Tally {
        active: count(&|pod| pod.is_active()),
        ready: count(&|pod| pod.is_active() && pod.status.ready.is_true()),
        terminating: count(&|pod| is_terminating(pod)),
        due: Vec::new(),
        succeeded: status.succeeded + status.uncounted_succeeded.len() as u8 + new(Fate::Succeeded),
        failed: status.failed + status.uncounted_failed.len() as u8 + new(Fate::Failed),
        over: None,
    };
    if status.condition == JobCondition::None {
        tally.over = over(config, cache, id, &tally);
    }
    let stopping = JobStatus { condition: tally.over.unwrap_or(status.condition), ..*status };
    let fate = |pod: &Pod| fate_of(config, job, &stopping, pod).map(|fate| (pod.uid, fate));
    tally.due = pods(cache, id).filter(tracked).filter_map(fate).collect();
    tally
}

/// JB-5: whether a Job is over, by what is known of its pods.
fn over(
    config: &ClusterConfig,
    cache: &InformerCache,
    id: JobId,
    tally: &Tally,
) -> Option<JobCondition> {
    let job = &config.jobs[id.0 as usize];
    let failed = |pod: &&Pod| is_failed(config.version, job, pod);
    let fails_job = |pod: &Pod| judged(job, pod) == FailureAction::FailJob;
    let restarts = pods(cache, id).filter(|pod| !pod.status.phase.is_terminal());
    let restarts: u32 = restarts.map(|pod| u32::from(pod.status.restart_count)).sum();
    let restarted = config.template(job.template).restart_policy == RestartPolicy::OnFailure
        && restarts > 0
        && restarts >= job.backoff_limit;
    if pods(cache, id).filter(failed).any(fails_job)
        || u32::from(tally.failed) > job.backoff_limit
        || restarted
    {
        return Some(JobCondition::FailureTarget);
    }
    let enough = match job.completions {
        Some(completions) => tally.succeeded >= completions,
        None => tally.succeeded > 0,
    };
    (enough && tally.active == 0).then_some(JobCondition::SuccessCriteriaMet)
}

/// What becomes of a pod with a finalizer; none if it is to keep it.
fn fate_of(config: &ClusterConfig, job: &JobConfig, status: &JobStatus, pod: &Pod) -> Option<Fate> {
    let fails = status.condition == JobCondition::FailureTarget;
    let counted_failed = status.uncounted_failed.contains(pod.uid);
    match pod.status.phase {
        // What was taken for failed stays so, even if it ends well after that.
        _ if counted_failed => Some(Fate::Failed),
        Phase::Succeeded => Some(Fate::Succeeded),
        _ if fails || is_failed(config.version, job, pod) => Some(match judged(job, pod) {
            FailureAction::Ignore => Fate::Ignored,
            _ => Fate::Failed,
        }),
        // Nothing holds a pod of a Job that is over.
        _ if status.condition != JobCondition::None => Some(Fate::Ignored),
        _ => None,
    }
}

impl Tally {
    /// How many pods are to be created (or, below 0, deleted).
    fn wanted(&self, version: Version, job: &JobConfig, condition: JobCondition) -> i8 {
        let active = self.active as i8;
        match self.over.unwrap_or(condition) {
            JobCondition::None => {}
            JobCondition::FailureTarget => return -active,
            _ => return 0,
        }
        let want = match job.completions {
            Some(completions) => completions.saturating_sub(self.succeeded).min(job.parallelism),
            None if self.succeeded > 0 => self.active,
            None => job.parallelism,
        } as i8;
        let waits = only_replaces_failed(version, job) && version.job_waits_for_terminating();
        let terminating = if waits { self.terminating as i8 } else { 0 };
        if want < active { want - active } else { (want - active - terminating).max(0) }
    }

    /// The status that the cache asks for.
    fn status(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: JobId,
        released: PodSet,
    ) -> JobStatus {
        let mut status = cache.jobs[id.0 as usize].status;
        if status.condition.is_final() {
            return status;
        }
        let held = pods(cache, id).filter(|pod| pod.tracked && !released.contains(pod.uid));
        let held: PodSet = held.map(|pod| pod.uid).collect();
        // Those whose finalizers are gone are counted.
        status.succeeded += status.uncounted_succeeded.minus(held).len() as u8;
        status.failed += status.uncounted_failed.minus(held).len() as u8;
        status.uncounted_succeeded = status.uncounted_succeeded.intersection(held);
        status.uncounted_failed = status.uncounted_failed.intersection(held);
        for &(uid, fate) in &self.due {
            match fate {
                Fate::Succeeded => status.uncounted_succeeded.insert(uid),
                Fate::Failed => status.uncounted_failed.insert(uid),
                Fate::Ignored => false,
            };
        }
        let uncounted = status.uncounted_succeeded.union(status.uncounted_failed);
        let drained = self.terminating == 0 || !config.version.job_ends_when_pods_have();
        if uncounted.is_empty() && self.due.is_empty() && drained && self.active == 0 {
            status.condition = status.condition.concluded();
        }
        status.condition = self.over.unwrap_or(status.condition);
        if config.workload_status {
            let ended = status.condition.is_final();
            status.active = if ended { 0 } else { self.active };
            status.ready = if ended { 0 } else { self.ready };
            let reports = config.version.job_waits_for_terminating();
            status.terminating = if reports { self.terminating } else { 0 };
        }
        status
    }

    /// Pods whose finalizers can go: the status already says what becomes of them.
    fn to_release(&self, status: &JobStatus) -> Vec<PodUid> {
        let written = |(uid, fate): &&(PodUid, Fate)| match fate {
            Fate::Succeeded => status.uncounted_succeeded.contains(*uid),
            Fate::Failed => status.uncounted_failed.contains(*uid),
            Fate::Ignored => self.over.is_none(),
        };
        self.due.iter().filter(written).map(|(uid, _)| *uid).collect()
    }
}

impl JobController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        JobController { keys: vec![JobKey::default(); config.jobs.len()] }
    }

    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        self.keys.iter().fold(PodSet::EMPTY, |all, key| {
            all.union(key.released).union(key.sync.map_or(PodSet::EMPTY, |sync| sync.pods))
        })
    }

    /// The steps that the controller can take.
    pub fn steps(&self, config: &ClusterConfig, cache: &InformerCache, out: &mut Vec<JobStep>) {
        for (key, id) in self.keys.iter().zip((0..).map(JobId)) {
            let Some(job) = cache.jobs.get(id.0 as usize) else { continue };
            if job.status.condition.is_final() {
                if key.sync.is_none() && left_behind(cache, id, key.released).next().is_some() {
                    out.push(JobStep::Track(id));
                }
                continue;
            }
            if !key.may_sync(config) {
                continue;
            }
            let tally = tally(config, cache, id, key.released);
            let manifest = &config.jobs[id.0 as usize];
            let wanted = tally.wanted(config.version, manifest, job.status.condition);
            let manages = key.fulfilled() && wanted != 0;
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
    }

    /// Whether what a Job is to create has to wait for its back-off (JB-2), which may be over at any
    /// time: it is counted from the moment at which the pod was last known to be ready.
    pub fn backs_off(&self, config: &ClusterConfig, cache: &InformerCache, id: JobId) -> bool {
        let tally = tally(config, cache, id, self.keys[id.0 as usize].released);
        let condition = cache.jobs[id.0 as usize].status.condition;
        let manifest = &config.jobs[id.0 as usize];
        tally.must_back_off(tally.wanted(config.version, manifest, condition))
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
        let tally = tally(config, cache, id, key.released);
        let condition = cache.jobs[id.0 as usize].status.condition;
        let wanted = tally.wanted(config.version, manifest, condition);
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
            for pod in to_delete(cache, id, wanted.unsigned_abs()) {
                key.expected_deletions += 1;
                sync.pods.insert(pod.uid);
                fx.send(Request::DeletePod { name: pod.name, uid: None, grace: None });
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
        let seen = cache.jobs[id.0 as usize].status;
        let tally = tally(config, cache, id, key.released);
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
        if tally.over.is_some() || status.condition != seen.condition {
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
                let is_seen = cache.jobs[id.0 as usize].status == status;
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
                let Some(key) = self.keys.iter_mut().find(asks) else { return };
                if let Some(sync) = &mut key.sync {
                    sync.pods.remove(uid);
                }
                let deletes = matches!(request, Request::DeletePod { .. });
                if deletes && !matches!(reply, Reply::Pod(_)) {
                    key.expected_deletions = key.expected_deletions.saturating_sub(1);
                }
                if !deletes && cache.pod(uid).is_some_and(|pod| pod.tracked) {
                    key.released.insert(uid);
                }
                key.end_if_answered();
            }
            _ => {
                fx.unhandled("the Job controller got an answer to a question that it never asks");
            }
        }
    }

    /// Expectations are met by what the watch shows.
    pub fn pod_changed(&mut self, kind: EventType, before: Option<&Pod>, pod: &Pod) {
        let Owner::Job(id) = pod.owner else { return };
        let key = &mut self.keys[id.0 as usize];
        if kind == EventType::Deleted || !pod.tracked {
            key.released.remove(pod.uid);
        }
        if kind == EventType::Deleted || pod.is_terminating() {
            key.expected_deletions = key.expected_deletions.saturating_sub(1);
        } else if before.is_none() {
            key.expected_creations = key.expected_creations.saturating_sub(1);
        }
    }

    /// The cache shows a Job as it was written.
    pub fn status_seen(&mut self, id: JobId) {
        self.keys[id.0 as usize].unseen_status = false;
    }
}

impl Tally {
    /// JB-2: a pod has failed; the next one waits for 10 s, 20 s, 40 s … after that.
    fn must_back_off(&self, wanted: i8) -> bool {
        wanted > 0 && self.failed > 0
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
fn to_delete(cache: &InformerCache, id: JobId, count: u8) -> Vec<&Pod> {
    let active = pods(cache, id).filter(|pod| pod.is_active());
    let mut pods: Vec<(usize, &Pod)> = active.enumerate().collect();
    pods.sort_by_key(|(age, pod)| {
        let started = pod.status.phase != Phase::Pending;
        (pod.node.is_some(), started, pod.status.ready.is_true(), Reverse(*age))
    });
    pods.into_iter().map(|(_, pod)| pod).take(count as usize).collect()
}

/// Whether nothing is left to do for a Job, if caches show this.
pub fn is_content(config: &ClusterConfig, cache: &InformerCache, id: JobId) -> bool {
    let status = &cache.jobs[id.0 as usize].status;
    if status.condition.is_final() {
        return left_behind(cache, id, PodSet::EMPTY).next().is_none();
    }
    let tally = tally(config, cache, id, PodSet::EMPTY);
    let wanted = tally.wanted(config.version, &config.jobs[id.0 as usize], status.condition);
    let written = tally.status(config, cache, id, PodSet::EMPTY) == *status;
    wanted == 0 && tally.due.is_empty() && written
}

/// The status of a Job whose pods have been running since before the start.
pub fn status_at_start(config: &ClusterConfig, cache: &InformerCache, id: JobId) -> JobStatus {
    tally(config, cache, id, PodSet::EMPTY).status(config, cache, id, PodSet::EMPTY)
}
