//! StatefulSets: their controller alone, and what becomes of a name that recurs.

use models::config::ClusterConfig;
use models::effects::Effects;
use models::guarantees::{Guarantee, GuaranteeKind, Test};
use models::ids::{NodeId, PodName, PodUid, StatefulSetId, TemplateId};
use models::informer_cache::InformerCache;
use models::objects::{
    ContainerState, EventType, Finalizer, Owner, Phase, Pod, PodReady, PodStatus, StatefulSet,
    StatefulSetStatus,
};
use models::requests::{Reply, Request};
use models::stateful_set::{StatefulSetController, StatefulSetStep};
use node_recovery::engine::compact;
use node_recovery::engine::property::Verdict;
use node_recovery::engine::search::Options;
use node_recovery::engine::star::StarSystem;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::properties::property;
use node_recovery::scenario::{Input, catalogue, load};

const ID: StatefulSetId = StatefulSetId(0);

fn config(policy: &str, kubernetes: &str) -> ClusterConfig {
    let text = format!(
        "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: db}}, spec: {{replicas: 3,
  podManagementPolicy: {policy}, selector: {{matchLabels: {{x: a}}}},
  template: {{metadata: {{labels: {{x: a}}}}, spec: {{containers: [{{name: c}}]}}}}}}}}
---
{{apiVersion: node-recovery/v1, kind: Scenario, spec: {{nodes: 3, kubernetes: '{kubernetes}'}}}}
"
    );
    let input = Input { name: "test.yaml".into(), text };
    load(&[input]).unwrap_or_else(|error| panic!("{error}")).swap_remove(0).config
}

/// The name of an ordinal.
fn name(ordinal: u8) -> PodName {
    PodName(PodName::FIRST_RECURRING.0 + ordinal)
}

/// A pod that is Running and Ready.
fn pod(ordinal: u8) -> Pod {
    Pod {
        uid: PodUid(ordinal),
        name: name(ordinal),
        owner: Owner::StatefulSet(ID),
        template: TemplateId(0),
        node: Some(NodeId(ordinal)),
        deletion: None,
        disruption_target: None,
        tracked: false,
        status: PodStatus {
            phase: Phase::Running,
            ready: PodReady::True { since: 0 },
            container: ContainerState::Running,
            ..PodStatus::NEW
        },
    }
}

fn terminating(pod: Pod, config: &ClusterConfig) -> Pod {
    Pod { deletion: Some(config.template(pod.template).grace), ..pod }
}

fn in_phase(pod: Pod, phase: Phase) -> Pod {
    Pod { status: PodStatus { phase, ready: PodReady::False, ..pod.status }, ..pod }
}

fn cache(pods: &[Pod]) -> InformerCache {
    let status = StatefulSetStatus::default();
    let set = StatefulSet { id: ID, replicas: 3, finalizer: None, status };
    InformerCache { pods: pods.to_vec(), stateful_sets: vec![set], ..InformerCache::default() }
}

/// What a controller asks for in one sync; nothing if it has nothing to do.
fn asked(
    controller: &mut StatefulSetController,
    config: &ClusterConfig,
    cache: &InformerCache,
) -> Vec<Request> {
    let mut steps = Vec::new();
    controller.steps(config, cache, &mut steps);
    let mut fx = Effects::default();
    for step in steps {
        controller.step(config, cache, step, &mut fx);
    }
    fx.requests
}

/// The same, of a process that has just started.
fn asked_first(config: &ClusterConfig, pods: &[Pod]) -> Vec<Request> {
    asked(&mut StatefulSetController::start(config), config, &cache(pods))
}

fn create(ordinal: u8) -> Request {
    let (owner, template) = (Owner::StatefulSet(ID), TemplateId(0));
    Request::CreatePod { owner, template, name: Some(name(ordinal)) }
}

fn delete(ordinal: u8) -> Request {
    Request::DeletePod { name: name(ordinal), uid: None, grace: None }
}

/// SS-3: an ordered set creates one pod in a sync, the lowest; a parallel one all.
#[test]
fn missing_ordinals_are_created_in_order_or_at_once() {
    let ordered = config("OrderedReady", "1.36");
    assert_eq!(asked_first(&ordered, &[]), [create(0)]);
    assert_eq!(asked_first(&ordered, &[pod(0)]), [create(1)]);
    let parallel = config("Parallel", "1.36");
    assert_eq!(asked_first(&parallel, &[pod(1)]), [create(0), create(2)]);
}

/// A StatefulSet that is to have one pod, as the cache shows it.
fn scaled_down(pods: &[Pod]) -> InformerCache {
    let mut cache = cache(pods);
    cache.stateful_sets[0].replicas = 1;
    cache
}

fn asked_when_scaled_down(config: &ClusterConfig, pods: &[Pod]) -> Vec<Request> {
    asked(&mut StatefulSetController::start(config), config, &scaled_down(pods))
}

/// SS-4: pods that are too many go one by one from the highest ordinal, or all at once.
#[test]
fn a_scale_down_goes_from_the_highest_ordinal() {
    let ordered = config("OrderedReady", "1.36");
    let parallel = config("Parallel", "1.36");
    let well = [pod(0), pod(1), pod(2)];
    assert_eq!(asked_when_scaled_down(&ordered, &well), [delete(2)]);
    assert_eq!(asked_when_scaled_down(&parallel, &well), [delete(2), delete(1)]);
    let hanging = [pod(0), pod(1), terminating(pod(2), &ordered)];
    assert_eq!(asked_when_scaled_down(&ordered, &hanging), []);
    assert_eq!(asked_when_scaled_down(&parallel, &hanging), [delete(1)]);
    // What is not well goes if it is the first of that kind, and waits for a lower one.
    let ill = |ordinal| in_phase(pod(ordinal), Phase::Running);
    assert_eq!(asked_when_scaled_down(&ordered, &[pod(0), pod(1), ill(2)]), [delete(2)]);
    assert_eq!(asked_when_scaled_down(&ordered, &[pod(0), ill(1), ill(2)]), []);
    assert_eq!(asked_when_scaled_down(&ordered, &[ill(0), pod(1), pod(2)]), []);
    assert_eq!(asked_when_scaled_down(&parallel, &[ill(0), pod(1)]), [delete(1)]);
}

/// A StatefulSet that is being deleted, or gone, asks for nothing.
#[test]
fn one_that_goes_makes_no_pods() {
    let parallel = config("Parallel", "1.36");
    let mut cache = cache(&[pod(1)]);
    cache.stateful_sets[0].finalizer = Some(Finalizer::Orphan);
    assert_eq!(asked(&mut StatefulSetController::start(&parallel), &parallel, &cache), []);
    cache.stateful_sets.clear();
    assert_eq!(asked(&mut StatefulSetController::start(&parallel), &parallel, &cache), []);
}

/// SS-4, SS-5: a pod that hangs or is not Ready holds up the higher ordinals of an ordered set.
#[test]
fn an_unhealthy_pod_holds_up_an_ordered_set() {
    for held in [
        |pod, config: &ClusterConfig| terminating(pod, config),
        |pod, _: &ClusterConfig| in_phase(pod, Phase::Running),
        |pod, _: &ClusterConfig| in_phase(pod, Phase::Pending),
    ] {
        let ordered = config("OrderedReady", "1.36");
        assert_eq!(asked_first(&ordered, &[pod(0), held(pod(1), &ordered)]), []);
        // What is lower comes first.
        assert_eq!(asked_first(&ordered, &[held(pod(1), &ordered)]), [create(0)]);
        let parallel = config("Parallel", "1.36");
        assert_eq!(asked_first(&parallel, &[pod(0), held(pod(1), &parallel)]), [create(2)]);
    }
}

/// SS-2: a terminal pod is deleted by name; while it hangs, its name is waited for.
#[test]
fn a_terminal_pod_is_deleted_and_waited_for() {
    for version in ["1.26", "1.28", "1.29", "1.36"] {
        let config = config("Parallel", version);
        let others = |pod| [self::pod(0), pod, self::pod(2)];
        let failed = in_phase(pod(1), Phase::Failed);
        assert_eq!(asked_first(&config, &others(failed)), [delete(1)]);
        assert_eq!(asked_first(&config, &others(terminating(failed, &config))), []);
        let succeeded = asked_first(&config, &others(in_phase(pod(1), Phase::Succeeded)));
        let replaces = matches!(version, "1.29" | "1.36");
        assert_eq!(succeeded, if replaces { vec![delete(1)] } else { vec![] }, "{version}");
    }
}

/// SS-3: a name that is still taken is asked for again.
#[test]
fn a_name_that_is_taken_is_asked_for_again() {
    let config = config("OrderedReady", "1.36");
    let cache = cache(&[]);
    let mut controller = StatefulSetController::start(&config);
    let [request] = asked(&mut controller, &config, &cache)[..] else { panic!("one POST") };
    assert_eq!(asked(&mut controller, &config, &cache), [], "the answer is waited for");
    let mut fx = Effects::default();
    controller.reply(&config, &cache, &request, &Reply::AlreadyExists, &mut fx);
    assert_eq!(asked(&mut controller, &config, &cache), [create(0)]);
}

/// SS-1: from 1.36 on a sync waits until the cache shows what this process has written.
#[test]
fn own_writes_are_read_from_1_36_on() {
    for (version, waits) in [("1.35", false), ("1.36", true)] {
        let config = config("OrderedReady", version);
        let mut controller = StatefulSetController::start(&config);
        let requests = asked(&mut controller, &config, &cache(&[]));
        let created = Pod { node: None, status: PodStatus::NEW, ..pod(0) };
        let mut fx = Effects::default();
        controller.reply(&config, &cache(&[]), &requests[0], &Reply::Pod(created), &mut fx);
        let mut steps = Vec::new();
        controller.steps(&config, &cache(&[]), &mut steps);
        assert_eq!(steps.is_empty(), waits, "{version}");
        // The watch shows it, and later that it is gone again.
        controller.pod_changed(EventType::Added, &created);
        steps.clear();
        controller.steps(&config, &cache(&[]), &mut steps);
        assert_eq!(steps, [StatefulSetStep(ID)], "{version}");
    }
}

/// The verdict on a statement about a bundled scenario, all of which is searched.
fn verdict(scenario: &str, test: Test) -> Verdict {
    let config = catalogue::find(scenario).expect("bundled").load().expect("valid").config;
    let statement = Guarantee {
        name: "T",
        title: "a statement of this test",
        kind: GuaranteeKind::Sometimes,
        meaning: "",
        promised: |_| false,
        rules: "",
        test,
    };
    let system = StarSystem(Cluster { config });
    let outcome = compact::breadth_first(&system, &[property(&statement)], &Options::default());
    outcome.findings[0].verdict
}

/// SS-4: the object of a pod on a node that is lost keeps its name from a successor for ever.
#[test]
fn a_name_is_free_again_only_if_its_node_returns() {
    // The start state has all pods on node-b.
    let succeeded = Test::State(|view| view.api().pods.iter().any(|pod| pod.node.is_none()));
    let expected = [
        ("30-statefulset-power-off-for-ever", Verdict::Unreachable),
        ("31-statefulset-power-off-and-on", Verdict::Reachable),
        ("33-statefulset-force-delete-behind-a-cut", Verdict::Reachable),
    ];
    for (scenario, expected) in expected {
        assert_eq!(verdict(scenario, succeeded), expected, "{scenario}");
    }
}

/// TEC-8: a timer that was armed for one pod of a name is still armed when the next one runs on
/// another node, and fires; nothing but a force delete leads there.
#[test]
fn a_timer_outlives_its_pod() {
    let fired_at_another = Test::Step(|t| {
        let (before, after) = (t.before.controller_manager(), t.after.controller_manager());
        before.taint_eviction.timers.iter().any(|timer| {
            let workers = &after.taint_eviction.workers;
            let fires = workers.iter().any(|worker| worker.name == timer.name)
                && !before.taint_eviction.workers.iter().any(|worker| worker.name == timer.name);
            let next = before.cache.pod_named(timer.name);
            fires
                && next.is_some_and(|next| {
                    next.uid != timer.cause.uid
                        && next.node != Some(timer.cause.node)
                        && next.status.ready.is_true()
                })
        })
    });
    let expected = [
        ("31-statefulset-power-off-and-on", Verdict::Unreachable),
        ("33-statefulset-force-delete-behind-a-cut", Verdict::Reachable),
        ("35-statefulset-out-of-service-behind-a-cut", Verdict::Unreachable),
    ];
    for (scenario, expected) in expected {
        assert_eq!(verdict(scenario, fired_at_another), expected, "{scenario}");
    }
}
