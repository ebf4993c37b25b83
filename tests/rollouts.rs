//! The Deployment controller alone: what a sync asks for, with everything that it reads given.

use models::api_server::ApiServer;
use models::config::{ClusterConfig, IntOrPercent, Strategy};
use models::deployment::requests;
use models::effects::Effects;
use models::ids::{DeploymentId, NodeId, PodName, PodUid, ReplicaSetId, Seconds, TemplateId};
use models::informer_cache::InformerCache;
use models::objects::{
    Deployment, DeploymentStatus, Owner, Pod, PodStatus, ReplicaSet, ReplicaSetStatus,
};
use node_recovery::scenario::{Input, load};

const OLD: ReplicaSetId = ReplicaSetId(0);
const NEW: ReplicaSetId = ReplicaSetId(1);

/// A Deployment that may be rolled out once.
fn config(strategy: Strategy) -> ClusterConfig {
    let text = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1,
  selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: node-recovery/v1, kind: Scenario, spec: {nodes: [a], operator: {rollout: 1}}}
";
    let input = Input { name: "test.yaml".into(), text: text.into() };
    let mut config = load(&[input]).unwrap_or_else(|error| panic!("{error}")).swap_remove(0).config;
    config.deployments[0].strategy = strategy;
    config
}

/// A store with a Deployment whose template has changed, and these ReplicaSets: id, replicas, and
/// how many of them are available.
fn store(replicas: u8, sets: &[(ReplicaSetId, u8, u8)]) -> ApiServer {
    let set = |&(id, size, available): &(ReplicaSetId, u8, u8)| ReplicaSet {
        id,
        replicas: size,
        desired: replicas,
        owner: Some(DeploymentId(0)),
        finalizer: None,
        status: ReplicaSetStatus { replicas: size, ready: available, available, terminating: 0 },
    };
    let deployment = Deployment {
        id: DeploymentId(0),
        replicas,
        revision: 1,
        finalizer: None,
        status: DeploymentStatus::default(),
    };
    ApiServer {
        deployments: vec![deployment],
        replica_sets: sets.iter().map(set).collect(),
        ..ApiServer::default()
    }
}

/// A sync, all of whose requests are served; the replicas of the old and the new ReplicaSet then.
fn sync(config: &ClusterConfig, store: &mut ApiServer) -> Option<(u8, Option<u8>)> {
    let cache = InformerCache::from(store.list());
    let asked = requests(config, &cache, &store.deployments[0]);
    for request in &asked {
        store.serve(config, request, None, &mut Effects::default());
    }
    let size = |id| store.replica_set(id).map(|set| set.replicas);
    (!asked.is_empty()).then(|| (size(OLD).unwrap_or(0), size(NEW)))
}

fn becomes_available(store: &mut ApiServer, id: ReplicaSetId) {
    let set = store.replica_sets.iter_mut().find(|set| set.id == id).expect("it is there");
    let replicas = set.replicas;
    set.status =
        ReplicaSetStatus { replicas, ready: replicas, available: replicas, terminating: 0 };
}

fn rolling(max_surge: IntOrPercent, max_unavailable: IntOrPercent) -> Strategy {
    Strategy::RollingUpdate { max_surge, max_unavailable }
}

/// A part of a pod counts as one for the surge and as none for what may be unavailable.
#[test]
fn bounds_are_rounded_as_the_api_rounds_them() {
    use IntOrPercent::{Int, Percent};
    let quarter = (Percent(25), Percent(25));
    for ((surge, unavailable), replicas, bounds) in [
        (quarter, 0, (0, 0)),
        (quarter, 1, (1, 0)),
        (quarter, 3, (1, 0)),
        (quarter, 4, (1, 1)),
        (quarter, 5, (2, 1)),
        ((Int(0), Percent(25)), 3, (0, 1)),
        ((Int(2), Int(9)), 3, (2, 3)),
        ((Percent(100), Percent(100)), 3, (3, 3)),
    ] {
        assert_eq!(rolling(surge, unavailable).bounds(replicas), bounds, "of {replicas}");
    }
    assert_eq!(Strategy::Recreate.bounds(3), (0, 0));
}

#[test]
fn a_rolling_update_goes_up_when_there_is_room_and_down_when_enough_are_available() {
    let config = config(rolling(IntOrPercent::Int(1), IntOrPercent::Int(0)));
    let mut store = store(2, &[(OLD, 2, 2)]);
    assert_eq!(sync(&config, &mut store), Some((2, Some(1))), "one more than two");
    assert_eq!(sync(&config, &mut store), None, "the new pod is not available yet");
    becomes_available(&mut store, NEW);
    assert_eq!(sync(&config, &mut store), Some((1, Some(1))));
    becomes_available(&mut store, OLD);
    assert_eq!(sync(&config, &mut store), Some((1, Some(2))));
    becomes_available(&mut store, NEW);
    assert_eq!(sync(&config, &mut store), Some((0, Some(2))));
    becomes_available(&mut store, OLD);
    assert_eq!(sync(&config, &mut store), None, "that is all");
}

/// An old pod that is not available goes at once: that makes nothing less available.
#[test]
fn unhealthy_old_pods_go_first() {
    let config = config(rolling(IntOrPercent::Int(1), IntOrPercent::Int(1)));
    let mut store = store(3, &[(OLD, 3, 1), (NEW, 1, 1)]);
    assert_eq!(sync(&config, &mut store), Some((1, Some(1))), "two of three are available still");
    let mut none_new = self::store(3, &[(OLD, 3, 1), (NEW, 1, 0)]);
    assert_eq!(sync(&config, &mut none_new), Some((2, Some(1))), "a new one is missing, too");
}

/// DP-2: a pod that is Terminating on a dead node holds up Recreate until it is terminal.
#[test]
fn recreate_waits_for_every_old_pod_that_is_not_terminal() {
    let config = config(Strategy::Recreate);
    let mut store = store(1, &[(OLD, 1, 1)]);
    store.pods.push(Pod {
        uid: PodUid(0),
        name: PodName(0),
        owner: Owner::ReplicaSet(OLD),
        template: TemplateId(0),
        node: Some(NodeId(0)),
        deletion: Some(Seconds(30)),
        tracked: false,
        disruption_target: None,
        status: PodStatus::NEW,
    });
    assert_eq!(sync(&config, &mut store), Some((0, None)));
    assert_eq!(sync(&config, &mut store), None, "the old ReplicaSet says that it has a pod");
    becomes_available(&mut store, OLD);
    assert_eq!(sync(&config, &mut store), None, "there is one that is Terminating");
    store.pods[0].status.phase = models::objects::Phase::Failed;
    assert_eq!(sync(&config, &mut store), Some((0, Some(1))));
}

/// The example of the documentation: ten replicas in the middle of a rollout become fifteen.
#[test]
fn a_scaled_deployment_scales_its_replica_sets_in_proportion() {
    let config = config(rolling(IntOrPercent::Int(3), IntOrPercent::Int(2)));
    let mut store = store(10, &[(OLD, 8, 8), (NEW, 5, 0)]);
    assert_eq!(sync(&config, &mut store), None);
    store.deployments[0].replicas = 15;
    assert_eq!(sync(&config, &mut store), Some((11, Some(7))));
    assert!(store.replica_sets.iter().all(|set| set.desired == 15));
    assert_eq!(sync(&config, &mut store), None, "it has been scaled");
    store.deployments[0].replicas = 0;
    assert_eq!(sync(&config, &mut store), Some((0, Some(0))));
}

#[test]
fn a_deployment_that_is_being_deleted_scales_nothing() {
    let config = config(Strategy::Recreate);
    let mut store = store(1, &[(OLD, 1, 1)]);
    store.deployments[0].finalizer = Some(models::objects::Finalizer::Foreground);
    assert_eq!(sync(&config, &mut store), None);
}
