//! The Job controller alone: what it asks for, given what its caches show.

use models::config::{ClusterConfig, FailureAction, FailureRule, Replacement};
use models::effects::Effects;
use models::ids::{JobId, PodName, PodSet, PodUid, Seconds, TemplateId};
use models::informer_cache::InformerCache;
use models::job::{JobController, JobStep, has_no_orphans, is_content};
use models::objects::{
    ContainerState, DisruptionReason, EventType, Exit, Finalizer, JobCondition, JobStatus, Owner,
    Phase,
};
use models::requests::{Reply, Request};
use models::version::Version;
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::system::System as _;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::{Input, load};

const ID: JobId = JobId(0);

/// A Job of one pod, which runs, in a version.
fn running(minor: u8) -> (ClusterConfig, InformerCache) {
    let text = format!(
        "
{{apiVersion: batch/v1, kind: Job, metadata: {{name: work}}, spec: {{template: {{
  spec: {{restartPolicy: Never, containers: [{{name: c}}]}}}}}}}}
---
{{apiVersion: node-recovery/v1, kind: Scenario, metadata: {{name: s}},
  spec: {{nodes: [a], kubernetes: \"1.{minor}\"}}}}
"
    );
    let scenarios = load(&[Input { name: "s.yaml".into(), text }]);
    let config = scenarios.unwrap_or_else(|error| panic!("{error}")).remove(0).config;
    let system = StarSystem(Cluster { config: config.clone() });
    let start = system.initial_states().remove(0);
    let cache = system.0.view(&start).api().list().into();
    (config, cache)
}

fn steps(config: &ClusterConfig, cache: &InformerCache) -> Vec<JobStep> {
    let mut steps = Vec::new();
    JobController::start(config).steps(config, cache, &mut steps);
    steps
}

fn requests(config: &ClusterConfig, cache: &InformerCache, step: JobStep) -> Vec<Request> {
    let mut fx = Effects::default();
    JobController::start(config).step(config, cache, step, &mut fx);
    fx.requests
}

/// What the status is to become.
fn written(config: &ClusterConfig, cache: &InformerCache) -> JobStatus {
    match requests(config, cache, JobStep::Track(ID))[..] {
        [Request::PutJobStatus { status, .. }] => status,
        ref other => panic!("{other:?}"),
    }
}

fn create() -> Request {
    Request::CreatePod { owner: Owner::Job(ID), template: TemplateId(0), name: None }
}

#[test]
fn a_running_job_wants_nothing() {
    let (config, cache) = running(36);
    assert!(cache.pods[0].tracked && cache.pods[0].is_active());
    assert_eq!(steps(&config, &cache), []);
    assert!(is_content(&config, &cache, ID));
}

#[test]
fn a_terminating_pod_counts_as_failed_and_is_replaced_by_default() {
    let (config, mut cache) = running(36);
    cache.pods[0].deletion = Some(Seconds(30));
    assert_eq!(steps(&config, &cache), [JobStep::Manage(ID), JobStep::Track(ID)]);
    assert_eq!(requests(&config, &cache, JobStep::Manage(ID)), [create()]);
    assert!(JobController::start(&config).backs_off(&config, &cache, ID));
    assert_eq!(written(&config, &cache).uncounted_failed, PodSet::EMPTY.with(PodUid(0)));
}

#[test]
fn by_the_policy_failed_a_terminal_phase_is_waited_for_from_1_29_on() {
    for (minor, replaced) in [(28, true), (29, false), (36, false)] {
        let (mut config, mut cache) = running(minor);
        config.jobs[0].replacement = Some(Replacement::Failed);
        cache.pods[0].deletion = Some(Seconds(30));
        let manages = steps(&config, &cache).contains(&JobStep::Manage(ID));
        assert_eq!(manages, replaced, "1.{minor}");
        cache.pods[0].status.phase = Phase::Failed;
        assert!(steps(&config, &cache).contains(&JobStep::Manage(ID)), "1.{minor}");
    }
}

#[test]
fn a_pod_is_noted_then_released_then_counted() {
    let (config, mut cache) = running(36);
    cache.pods[0].status.phase = Phase::Succeeded;
    let noted = written(&config, &cache);
    assert_eq!(noted.uncounted_succeeded, PodSet::EMPTY.with(PodUid(0)));
    assert_eq!((noted.succeeded, noted.condition), (0, JobCondition::SuccessCriteriaMet));
    cache.jobs[0].status = noted;
    let release = Request::PatchPodFinalizer { name: PodName(0) };
    assert_eq!(requests(&config, &cache, JobStep::Track(ID)), [release]);
    cache.pods[0].tracked = false;
    let counted = written(&config, &cache);
    assert_eq!((counted.succeeded, counted.condition), (1, JobCondition::Complete));
    assert!(counted.uncounted().is_empty());
    cache.jobs[0].status = counted;
    assert_eq!(steps(&config, &cache), []);
}

#[test]
fn a_pod_that_a_finished_job_left_behind_is_let_go_when_it_is_deleted() {
    let (config, mut cache) = running(36);
    cache.jobs[0].status.condition = JobCondition::Failed;
    assert_eq!(steps(&config, &cache), []);
    cache.pods[0].deletion = Some(Seconds(0));
    assert_eq!(steps(&config, &cache), [JobStep::Track(ID)]);
    assert!(!is_content(&config, &cache, ID));
    let release = Request::PatchPodFinalizer { name: PodName(0) };
    assert_eq!(requests(&config, &cache, JobStep::Track(ID)), [release]);
    cache.pods[0].tracked = false;
    assert_eq!(steps(&config, &cache), []);
}

#[test]
fn a_failure_policy_judges_failed_pods_only() {
    let (mut config, mut cache) = running(36);
    config.jobs[0].backoff_limit = 0;
    let rule = |action| FailureRule { action, on_disruption: true, exit_codes: None };
    config.jobs[0].failure_policy = Some(vec![rule(FailureAction::Ignore)]);
    cache.pods[0].deletion = Some(Seconds(30));
    cache.pods[0].disruption_target = Some(DisruptionReason::DeletionByTaintManager);
    assert_eq!(steps(&config, &cache), []);
    cache.pods[0].status.phase = Phase::Failed;
    // Ignored: it loses its finalizer and counts for nothing.
    let release = Request::PatchPodFinalizer { name: PodName(0) };
    assert_eq!(requests(&config, &cache, JobStep::Track(ID)), [release]);
    config.jobs[0].failure_policy = Some(vec![rule(FailureAction::Count)]);
    assert_eq!(written(&config, &cache).condition, JobCondition::FailureTarget);
    config.jobs[0].backoff_limit = 6;
    assert_eq!(written(&config, &cache).condition, JobCondition::None);
    config.jobs[0].failure_policy = Some(vec![rule(FailureAction::FailJob)]);
    assert_eq!(written(&config, &cache).condition, JobCondition::FailureTarget);
}

#[test]
fn exit_codes_are_judged_too() {
    let (mut config, mut cache) = running(36);
    cache.pods[0].status.phase = Phase::Failed;
    cache.pods[0].status.container = ContainerState::Terminated(Exit::Unknown);
    for (listed, codes, fails) in
        [(true, vec![255], true), (true, vec![1], false), (false, vec![1], true)]
    {
        let exit_codes = Some((listed, codes));
        let rule = FailureRule { action: FailureAction::FailJob, on_disruption: false, exit_codes };
        config.jobs[0].failure_policy = Some(vec![rule.clone()]);
        let over = written(&config, &cache).condition == JobCondition::FailureTarget;
        assert_eq!(over, fails, "{rule:?}");
    }
}

#[test]
fn a_failed_job_waits_for_its_pods_from_1_31_on() {
    for (minor, condition) in [(30, JobCondition::Failed), (31, JobCondition::FailureTarget)] {
        let (mut config, mut cache) = running(minor);
        config.version = Version::new(minor).expect("a modelled version");
        cache.pods[0].deletion = Some(Seconds(30));
        cache.pods[0].tracked = false;
        cache.jobs[0].status = JobStatus {
            uncounted_failed: PodSet::EMPTY.with(PodUid(0)),
            condition: JobCondition::FailureTarget,
            ..cache.jobs[0].status
        };
        let status = written(&config, &cache);
        assert_eq!((status.failed, status.condition), (1, condition), "1.{minor}");
    }
}

/// Two pods at once, of which the first has failed for good, and a third that was asked for.
fn failing(minor: u8) -> (ClusterConfig, InformerCache, JobController) {
    let (mut config, mut cache) = running(minor);
    config.jobs[0].backoff_limit = 0;
    config.jobs[0].completions = Some(2);
    config.jobs[0].parallelism = 2;
    let mut other = cache.pods[0];
    (other.uid, other.name) = (PodUid(1), PodName(1));
    cache.pods[0].status.phase = Phase::Failed;
    cache.pods.push(other);
    let controller = JobController::start(&config);
    (config, cache, controller)
}

fn take(
    controller: &mut JobController,
    config: &ClusterConfig,
    cache: &InformerCache,
    step: JobStep,
) -> Vec<Request> {
    let mut fx = Effects::default();
    controller.step(config, cache, step, &mut fx);
    fx.requests
}

fn offered(
    controller: &JobController,
    config: &ClusterConfig,
    cache: &InformerCache,
) -> Vec<JobStep> {
    let mut steps = Vec::new();
    controller.steps(config, cache, &mut steps);
    steps
}

/// The condition that the next status says.
fn condition(requests: &[Request]) -> JobCondition {
    match requests {
        [Request::PutJobStatus { status, .. }] => status.condition,
        other => panic!("{other:?}"),
    }
}

fn delete(uid: u8) -> Request {
    Request::DeletePod { name: PodName(uid), uid: None, grace: None }
}

#[test]
fn a_job_that_fails_deletes_its_pods_and_says_so_before_they_are_seen_to_go() {
    for minor in [30, 36] {
        let (config, cache, mut controller) = failing(minor);
        assert_eq!(offered(&controller, &config, &cache), [JobStep::Manage(ID)], "1.{minor}");
        let deletes = take(&mut controller, &config, &cache, JobStep::Manage(ID));
        assert_eq!(deletes, [delete(1)]);
        assert_eq!(offered(&controller, &config, &cache), []);
        let going = cache.pods[1];
        let mut fx = Effects::default();
        controller.reply(&config, &cache, &delete(1), &Reply::Pod(going), &mut fx);
        assert_eq!(offered(&controller, &config, &cache), [JobStep::Track(ID)], "1.{minor}");
        let status = take(&mut controller, &config, &cache, JobStep::Track(ID));
        assert_eq!(condition(&status), JobCondition::FailureTarget, "1.{minor}");
    }
}

/// Until the cache shows what was created, a Job is not declared to have failed, though its pods are
/// deleted and counted.
#[test]
fn a_job_does_not_fail_while_it_expects_a_pod() {
    let (config, mut cache, mut controller) = failing(35);
    controller.keys[0].expected_creations = 1;
    assert_eq!(offered(&controller, &config, &cache), [JobStep::Manage(ID)]);
    take(&mut controller, &config, &cache, JobStep::Manage(ID));
    let mut fx = Effects::default();
    controller.reply(&config, &cache, &delete(1), &Reply::Pod(cache.pods[1]), &mut fx);
    cache.pods[1].deletion = Some(Seconds(30));
    controller.pod_changed(EventType::Modified, Some(&cache.pods[1]), &cache.pods[1]);
    let status = take(&mut controller, &config, &cache, JobStep::Track(ID));
    assert_eq!(condition(&status), JobCondition::None);

    let mut third = cache.pods[1];
    (third.uid, third.name, third.deletion) = (PodUid(2), PodName(2), None);
    let (mut controller, mut seen) = (JobController::start(&config), cache.clone());
    controller.keys[0].expected_creations = 1;
    seen.pods.push(third);
    controller.pod_changed(EventType::Added, None, &third);
    assert_eq!(offered(&controller, &config, &seen), [JobStep::Manage(ID)]);
    assert_eq!(take(&mut controller, &config, &seen, JobStep::Manage(ID)), [delete(2)]);
}

/// A pod that comes to light after enough have succeeded goes, too.
#[test]
fn a_pod_that_shows_up_late_is_deleted_when_the_job_has_succeeded() {
    let (config, mut cache) = running(35);
    cache.jobs[0].status.condition = JobCondition::SuccessCriteriaMet;
    cache.jobs[0].status.succeeded = 1;
    assert_eq!(steps(&config, &cache), [JobStep::Manage(ID)]);
    assert_eq!(requests(&config, &cache, JobStep::Manage(ID)), [delete(0)]);
    cache.pods[0].deletion = Some(Seconds(30));
    assert_eq!(steps(&config, &cache), [JobStep::Track(ID)]);
}

/// Of pods that are too many nobody is to hear: they lose their finalizers before they are deleted.
#[test]
fn a_surplus_pod_loses_its_finalizer_first() {
    let (mut config, mut cache, mut controller) = failing(36);
    config.jobs[0].backoff_limit = 6;
    config.jobs[0].completions = Some(1);
    cache.pods[0].status.phase = Phase::Running;
    assert_eq!(offered(&controller, &config, &cache), [JobStep::Manage(ID)]);
    let release = Request::PatchPodFinalizer { name: PodName(1) };
    let sent = take(&mut controller, &config, &cache, JobStep::Manage(ID));
    assert_eq!(sent, [release]);
    let mut fx = Effects::default();
    controller.reply(&config, &cache, &release, &Reply::Pod(cache.pods[1]), &mut fx);
    assert_eq!(fx.requests, [delete(1)]);
    controller.reply(&config, &cache, &delete(1), &Reply::NotFound, &mut Effects::default());
    assert_eq!(controller.keys[0].expected_deletions, 0);
    assert_eq!(controller.keys[0].sync, None);
}

/// Pods of a Job that is gone, and pods that it has released, lose their finalizers.
#[test]
fn a_pod_without_its_job_is_let_go() {
    let (config, mut cache) = running(36);
    assert!(has_no_orphans(&cache));
    let mut released = cache.clone();
    released.pods[0].owner = Owner::None;
    cache.jobs.clear();
    for mut cache in [cache, released] {
        let mut controller = JobController::start(&config);
        assert!(!has_no_orphans(&cache));
        // A Job that is there wants another pod for the one that it has lost.
        let releases = |controller: &JobController, cache: &InformerCache| -> Vec<JobStep> {
            let steps = offered(controller, &config, cache).into_iter();
            steps.filter(|step| matches!(step, JobStep::Release(_))).collect()
        };
        let steps = releases(&controller, &cache);
        assert_eq!(steps, [JobStep::Release(PodUid(0))]);
        let release = Request::PatchPodFinalizer { name: PodName(0) };
        assert_eq!(take(&mut controller, &config, &cache, steps[0]), [release]);
        assert_eq!(releases(&controller, &cache), []);
        let mut fx = Effects::default();
        controller.reply(&config, &cache, &release, &Reply::Pod(cache.pods[0]), &mut fx);
        assert_eq!(releases(&controller, &cache), []);
        cache.pods[0].tracked = false;
        controller.pod_changed(EventType::Modified, Some(&cache.pods[0]), &cache.pods[0]);
        assert_eq!(controller.releasing, PodSet::EMPTY);
    }
}

/// A Job that is being deleted makes no pods, and lets go of those it has without counting them.
#[test]
fn a_job_that_is_being_deleted_lets_go_of_its_pods() {
    let (config, mut cache) = running(36);
    cache.jobs[0].finalizer = Some(Finalizer::Foreground);
    let release = Request::PatchPodFinalizer { name: PodName(0) };
    assert_eq!(steps(&config, &cache), [JobStep::Track(ID)]);
    assert_eq!(requests(&config, &cache, JobStep::Track(ID)), [release]);
    cache.pods.clear();
    assert_eq!(steps(&config, &cache), []);
}
