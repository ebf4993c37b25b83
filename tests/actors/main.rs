//! The components as actors of stateright do the same as the steps of the star: along random runs,
//! each step is done a second time by sending messages to the adaptors and firing their timers.

mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::stateright::actor::{Actor, Out};
use models::actors::*;
use models::config::{ClusterConfig, WatchMode};
use models::ids::NodeId;
use models::requests::Listing;
use node_recovery::engine::simulate::random_run;
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::system::System as _;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::{Input, catalogue, load};

use crate::stage::{Stage, sent};

/// One of everything that can go wrong.
const EVERYTHING: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: node-recovery/v1
kind: Scenario
metadata: {name: everything}
spec:
  nodes: [node-a, node-b]
  faults:
    powerOff: 2
    powerOn: 1
    powerOnNoNetwork: 1
    networkConfigured: 1
    kubeletCrash: 1
    kubeletRestart: 1
    runtimeCrash: 1
    runtimeRestart: 1
    partition: 1
    heal: 1
    controllerManagerCrash: 1
    controllerManagerRestart: 1
    slowStart: 1
    slowHeartbeat: 1
";

fn compare_along_random_runs(
    config: ClusterConfig,
    seeds: u64,
    driven: &mut BTreeMap<&'static str, usize>,
) {
    let shared = Arc::new(config.clone());
    let system = StarSystem(Cluster { config });
    for seed in 0..seeds {
        let run = random_run(&system, seed, 300).unwrap();
        let mut before = &run.path.start;
        for ((action, after), number) in run.path.steps.iter().zip(1..) {
            let detail = system.detail(before, action);
            assert_eq!(detail.step.state, *after);
            let mut stage = Stage::of(&system.0, Arc::clone(&shared), before, driven);
            stage.play(before, action);
            stage.compare(&detail, &format!("seed {seed}, step {number}, {action:?}"));
            before = after;
        }
    }
}

#[test]
fn driving_the_adaptors_is_taking_the_steps_of_the_star() {
    let mut driven = BTreeMap::new();
    for bundled in catalogue::SCENARIOS {
        compare_along_random_runs(bundled.load().unwrap().config, 10, &mut driven);
    }
    let input = Input { name: "everything.yaml".into(), text: EVERYTHING.into() };
    let config = load(&[input]).unwrap().swap_remove(0).config;
    for watch in [WatchMode::Fresh, WatchMode::Lag(1), WatchMode::Unbounded] {
        compare_along_random_runs(ClusterConfig { watch, ..config.clone() }, 60, &mut driven);
    }
    let expected = [
        "boot",
        "call",
        "disconnection",
        "event",
        "reply",
        "request",
        "start of a kubelet",
        "start of the controller manager",
        "timer of a container runtime",
        "timer of a kubelet",
        "timer of the API server",
        "timer of the controller manager",
        "timer of the scheduler",
    ];
    assert!(driven.keys().copied().eq(expected), "not all, or others, were driven: {driven:?}");
}

#[test]
fn the_cluster_starts_as_the_actors_start() {
    let scenario = catalogue::SCENARIOS[0].load().unwrap();
    let config = Arc::new(scenario.config.clone());
    let system = StarSystem(Cluster { config: scenario.config });
    let start = system.initial_states().swap_remove(0);
    let view = system.0.view(&start);
    let (stored, listing) = (view.api().clone(), view.api().list());
    let api = ApiServerActor { config: Arc::clone(&config), stored, watchers: Vec::new() };
    assert_eq!(api.on_start(api_server_id(), &None, &mut Out::new()), *view.api());
    let mut out = Out::new();
    let manager = ControllerManagerActor {
        config: Arc::clone(&config),
        listing: listing.clone(),
        converged: true,
    };
    let started = manager.on_start(controller_manager_id(), &None, &mut out);
    assert_eq!(started, *view.controller_manager());
    assert!(sent(out).is_empty());
    let Listing { pods, nodes, .. } = listing;
    let listing = Listing { pods, nodes, ..Listing::default() };
    let scheduler = SchedulerActor { config: Arc::clone(&config), listing };
    assert_eq!(scheduler.on_start(scheduler_id(), &None, &mut Out::new()), *view.scheduler());
}

#[test]
fn a_message_that_is_not_for_an_actor_is_reported() {
    let mut driven = BTreeMap::new();
    let scenario = catalogue::SCENARIOS[0].load().unwrap();
    let config = Arc::new(scenario.config.clone());
    let system = StarSystem(Cluster { config: scenario.config });
    let start = system.initial_states().swap_remove(0);
    for to in [controller_manager_id(), scheduler_id(), kubelet_id(NodeId(1))] {
        let mut stage = Stage::of(&system.0, Arc::clone(&config), &start, &mut driven);
        stage.to(to, Message::Unhandled("nonsense"));
        assert!(stage.unhandled.is_some(), "{to:?}");
    }
}
