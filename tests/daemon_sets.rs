//! The DaemonSet controller alone: what it asks for, given what its caches show.

use models::api_server::ApiServer;
use models::config::ClusterConfig;
use models::daemon_set::{DaemonSetController, DaemonSetStep, eligible};
use models::effects::Effects;
use models::ids::{DaemonSetId, NodeId, PodName, PodUid, Seconds, TaintSet, TemplateId};
use models::informer_cache::InformerCache;
use models::objects::{EventType, Finalizer, Owner, Phase, Pod};
use models::requests::{Reply, Request};
use models::version::Version;
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::system::System as _;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::{Input, load};

const ID: DaemonSetId = DaemonSetId(0);

fn config(spec: &str) -> ClusterConfig {
    let text = format!(
        "
{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: agent}}, spec: {{
  selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}},
  spec: {{containers: [{{name: c}}]}}}}}}}}
---
{{apiVersion: node-recovery/v1, kind: Scenario, metadata: {{name: s}}, spec: {{{spec}}}}}
"
    );
    let scenarios = load(&[Input { name: "s.yaml".into(), text }]);
    scenarios.unwrap_or_else(|error| panic!("{error}")).remove(0).config
}

/// A cluster at its start, as the controller manager sees it.
fn cache(config: &ClusterConfig) -> InformerCache {
    let system = StarSystem(Cluster { config: config.clone() });
    let start = system.initial_states().remove(0);
    let api: ApiServer = system.0.view(&start).api().clone();
    api.list().into()
}

fn steps(
    controller: &DaemonSetController,
    config: &ClusterConfig,
    cache: &InformerCache,
) -> Vec<DaemonSetStep> {
    let mut steps = Vec::new();
    controller.steps(config, cache, &mut steps);
    steps
}

fn sync(
    controller: &mut DaemonSetController,
    config: &ClusterConfig,
    cache: &InformerCache,
) -> Vec<Request> {
    let mut fx = Effects::default();
    controller.step(config, cache, DaemonSetStep::Sync(ID), &mut fx);
    fx.requests
}

fn delete(uid: u8) -> Request {
    Request::DeletePod { name: PodName(uid), uid: None, grace: None }
}

#[test]
fn nodes_get_one_pod_each_and_want_nothing_more() {
    let config = config("nodes: [a, b]");
    let cache = cache(&config);
    let owners: Vec<Owner> = cache.pods.iter().map(|pod| pod.owner).collect();
    let on = |node| Owner::DaemonSet(ID, NodeId(node));
    assert_eq!(owners, [on(0), on(1)]);
    assert!(cache.pods.iter().all(|pod| pod.node == pod.pinned()));
    assert!(steps(&DaemonSetController::start(&config), &config, &cache).is_empty());
}

#[test]
fn condition_taints_are_tolerated_for_ever_and_out_of_service_is_not() {
    let config = config("nodes: [a], operator: {outOfService: 1}");
    let on = |key: &str, effect| {
        let taint = config.taint(key, effect).expect("a taint of the cluster");
        eligible(&config, TemplateId(0), NodeId(0), TaintSet::EMPTY.with(taint))
    };
    use models::config::Effect::{NoExecute, NoSchedule};
    use models::config::{NOT_READY, OUT_OF_SERVICE, UNREACHABLE};
    for key in [NOT_READY, UNREACHABLE] {
        assert_eq!(on(key, NoExecute), (true, true));
        // Recorded: DESIRED falls by one, and the pod stays.
        assert_eq!(on(key, NoSchedule), (false, true));
    }
    assert_eq!(on(OUT_OF_SERVICE, NoExecute), (false, false));
    let template = config.template(TemplateId(0));
    assert!(template.tolerations.iter().all(|toleration| toleration.seconds.is_none()));
}

#[test]
fn a_terminating_pod_is_in_the_way_until_it_is_terminal() {
    let config = config("nodes: [a]");
    let mut cache = cache(&config);
    let controller = DaemonSetController::start(&config);
    cache.pods[0].deletion = Some(Seconds(30));
    assert!(steps(&controller, &config, &cache).is_empty());
    cache.pods[0].status.phase = Phase::Failed;
    assert_eq!(steps(&controller, &config, &cache), [DaemonSetStep::Sync(ID)]);
}

#[test]
fn of_two_pods_the_older_stays() {
    let config = config("nodes: [a]");
    let mut cache = cache(&config);
    let second = Pod { uid: PodUid(1), name: PodName(1), ..cache.pods[0] };
    cache.pods.push(second);
    let mut controller = DaemonSetController::start(&config);
    assert_eq!(sync(&mut controller, &config, &cache), [delete(1)]);
}

#[test]
fn a_failed_pod_is_deleted_at_once_and_the_next_one_after_a_back_off() {
    let config = config("nodes: [a]");
    let mut cache = cache(&config);
    cache.pods[0].status.phase = Phase::Failed;
    let mut controller = DaemonSetController::start(&config);
    assert_eq!(sync(&mut controller, &config, &cache), [delete(0)]);
    let gone = cache.pods.remove(0);
    let mut fx = Effects::default();
    controller.reply(&config, &cache, &delete(0), &Reply::Pod(gone), &mut fx);
    controller.pod_changed(EventType::Deleted, Some(&gone), &gone);
    let second = Pod { uid: PodUid(1), name: PodName(1), ..gone };
    cache.pods.push(second);
    let over = DaemonSetStep::BackoffOver(ID, NodeId(0));
    assert_eq!(steps(&controller, &config, &cache), [over]);
    controller.step(&config, &cache, over, &mut fx);
    assert_eq!(steps(&controller, &config, &cache), [DaemonSetStep::Sync(ID)]);
    assert_eq!(sync(&mut controller, &config, &cache), [delete(1)]);
}

#[test]
fn a_pod_that_succeeded_is_deleted_from_1_27_on() {
    for (minor, expected) in [(26, vec![]), (27, vec![DaemonSetStep::Sync(ID)])] {
        let mut config = config("nodes: [a]");
        config.version = Version::new(minor).expect("a modelled version");
        let mut cache = cache(&config);
        cache.pods[0].status.phase = Phase::Succeeded;
        let controller = DaemonSetController::start(&config);
        assert_eq!(steps(&controller, &config, &cache), expected, "1.{minor}");
    }
}

#[test]
fn nothing_is_done_before_what_was_done_is_seen() {
    let config = config("nodes: [a, b], start: empty");
    let cache = cache(&config);
    let mut controller = DaemonSetController::start(&config);
    assert!(sync(&mut controller, &config, &cache).is_empty());
    let create = |node| DaemonSetStep::Create(ID, NodeId(node));
    assert_eq!(steps(&controller, &config, &cache), [create(0), create(1)]);
    for node in [1, 0] {
        let mut fx = Effects::default();
        controller.step(&config, &cache, create(node), &mut fx);
        let owner = Owner::DaemonSet(ID, NodeId(node));
        let request = Request::CreatePod { owner, template: TemplateId(0), name: None };
        assert_eq!(fx.requests, [request]);
        controller.reply(&config, &cache, &request, &Reply::Done, &mut fx);
    }
    // Both are stored, and the cache shows neither.
    assert!(steps(&controller, &config, &cache).is_empty());
}

/// A DaemonSet that is being deleted, or gone, asks for nothing.
#[test]
fn one_that_goes_makes_no_pods() {
    let config = config("nodes: [a, b]");
    let mut cache = cache(&config);
    cache.pods.clear();
    let controller = DaemonSetController::start(&config);
    assert_eq!(steps(&controller, &config, &cache), [DaemonSetStep::Sync(ID)]);
    cache.daemon_sets[0].finalizer = Some(Finalizer::Foreground);
    assert_eq!(steps(&controller, &config, &cache), []);
    cache.daemon_sets.clear();
    assert_eq!(steps(&controller, &config, &cache), []);
}
