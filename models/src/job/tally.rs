//! What the pods of a Job amount to, by the caches: who failed (JB-1, JB-4), whether it is over (JB-5),
//! how many pods it wants (JB-2, JB-3), and the status that follows (JB-6).

use crate::config::{ClusterConfig, FailureAction, JobConfig, Replacement, RestartPolicy};
use crate::ids::{JobId, PodSet, PodUid};
use crate::informer_cache::InformerCache;
use crate::objects::{ContainerState, JobCondition, JobStatus, Owner, Phase, Pod};
use crate::version::Version;

use super::JobKey;

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
pub(super) enum Fate {
    Succeeded,
    Failed,
    /// It loses the finalizer and is not counted.
    Ignored,
}

/// What a Job's pods amount to.
pub(super) struct Tally {
    active: u8,
    ready: u8,
    terminating: u8,
    /// Pods that are to lose their finalizers, with what becomes of them.
    pub(super) due: Vec<(PodUid, Fate)>,
    succeeded: u8,
    failed: u8,
    /// Why the Job is over, if it is: what the status says already, or what it is to say.
    pub(super) over: Option<JobCondition>,
    /// Whether that may be written, and acted on: not as long as there are pods that are still to be
    /// deleted, or that the cache does not show yet.
    declared: bool,
    /// Whether the status does not say it yet.
    news: bool,
    /// Whether the Job is being deleted: it asks for no pods, and lets go of those it has.
    goes: bool,
}

pub(super) fn pods(cache: &InformerCache, id: JobId) -> impl Iterator<Item = &Pod> {
    cache.pods.iter().filter(move |pod| pod.owner == Owner::Job(id))
}

/// Pods that are deleted when their Job is over: no sync looks at them any more, but they lose their
/// finalizers as those of a Job that is gone do (`syncOrphanPod` in
/// pkg/controller/job/job_controller.go).
pub(super) fn left_behind(
    cache: &InformerCache,
    id: JobId,
    released: PodSet,
) -> impl Iterator<Item = &Pod> {
    let held = move |pod: &&Pod| pod.tracked && !released.contains(pod.uid);
    pods(cache, id).filter(|pod| pod.is_terminating()).filter(held)
}

/// Pods with a finalizer whose Job is gone, or which it has released (`syncOrphanPod`).
pub(super) fn orphans(cache: &InformerCache) -> impl Iterator<Item = &Pod> {
    cache.pods.iter().filter(|pod| {
        let owned = match pod.owner {
            Owner::Job(id) => cache.job(id).is_some(),
            _ => false,
        };
        pod.tracked && !owned
    })
}

fn is_terminating(pod: &Pod) -> bool {
    pod.is_terminating() && !pod.status.phase.is_terminal()
}

pub(super) fn tally(
    config: &ClusterConfig,
    cache: &InformerCache,
    id: JobId,
    key: &JobKey,
) -> Tally {
    let job = &config.jobs[id.0 as usize];
    let job_now = cache.job(id);
    let status = &job_now.map(|job| job.status).unwrap_or_default();
    let tracked = |pod: &&Pod| pod.tracked && !key.released.contains(pod.uid);
    let known = status.uncounted_succeeded.union(status.uncounted_failed);
    let new = |fate| {
        let of_fate = pods(cache, id).filter(tracked).filter(|pod| !known.contains(pod.uid));
        of_fate.filter(|pod| fate_of(config, job, status, pod) == Some(fate)).count() as u8
    };
    let count = |test: &dyn Fn(&&Pod) -> bool| pods(cache, id).filter(test).count() as u8;
    let doomed = |pod: &&Pod| pod.is_active() && key.doomed.contains(pod.uid);
    let active = |pod: &&Pod| pod.is_active() && !key.doomed.contains(pod.uid);
    let mut tally = Tally {
        active: count(&active),
        ready: count(&|pod| active(pod) && pod.status.ready.is_true()),
        terminating: count(&|pod| is_terminating(pod) || doomed(pod)),
        due: Vec::new(),
        succeeded: status.succeeded + status.uncounted_succeeded.len() as u8 + new(Fate::Succeeded),
        failed: status.failed + status.uncounted_failed.len() as u8 + new(Fate::Failed),
        over: Some(status.condition).filter(|condition| *condition != JobCondition::None),
        declared: false,
        news: status.condition == JobCondition::None,
        goes: job_now.is_some_and(|job| job.finalizer.is_some()),
    };
    if tally.news {
        tally.over = over(config, cache, id, &tally);
    }
    // That enough pods have succeeded needs no more than this.
    let waits = !tally.news || tally.over == Some(JobCondition::FailureTarget);
    tally.declared = tally.over.is_some() && (!waits || key.fulfilled() && tally.active == 0);
    let condition = tally.over.filter(|_| tally.declared).unwrap_or(JobCondition::None);
    let stopping = JobStatus { condition, ..*status };
    let let_go = tally.goes.then_some(Fate::Ignored);
    let fate =
        |pod: &Pod| fate_of(config, job, &stopping, pod).or(let_go).map(|fate| (pod.uid, fate));
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
    pub(super) fn wanted(&self, version: Version, job: &JobConfig) -> i8 {
        let active = self.active as i8;
        if self.over.is_some() {
            return -active;
        }
        if self.goes {
            return 0;
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
    pub(super) fn status(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: JobId,
        released: PodSet,
    ) -> JobStatus {
        let mut status = cache.job(id).map(|job| job.status).unwrap_or_default();
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
        if let Some(over) = self.over.filter(|_| self.declared) {
            let done = uncounted.is_empty() && self.due.is_empty() && drained && self.active == 0;
            status.condition = if done && !self.news { over.concluded() } else { over };
        }
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
    pub(super) fn to_release(&self, status: &JobStatus) -> Vec<PodUid> {
        let written = |(uid, fate): &&(PodUid, Fate)| match fate {
            Fate::Succeeded => status.uncounted_succeeded.contains(*uid),
            Fate::Failed => status.uncounted_failed.contains(*uid),
            Fate::Ignored => !(self.declared && self.news),
        };
        self.due.iter().filter(written).map(|(uid, _)| *uid).collect()
    }

    /// JB-2: a pod has failed; the next one waits for 10 s, 20 s, 40 s … after that.
    pub(super) fn must_back_off(&self, wanted: i8) -> bool {
        wanted > 0 && self.failed > 0
    }
}
