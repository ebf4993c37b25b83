//! What is printed is a function of what is stored and what really runs.

use models::environment::Environment;
use models::kube_controller_manager::ControllerManager;
use models::kubelet::Kubelet;
use models::scheduler::Scheduler;
use node_recovery::engine::simulate::Random;
use node_recovery::engine::star::Inbox;
use node_recovery::engine::system::System as _;
use node_recovery::scenario::cluster::{Cluster, ClusterAction, ClusterState, Local};
use node_recovery::story::tables::{Table, Tables, snapshot};
use proptest::prelude::*;

use crate::generated::{System, cases, runs};

/// The state with everything forgotten that no person can see: the memory of every process, and
/// what is on its way.
fn forgotten(cluster: &Cluster, state: &ClusterState) -> ClusterState {
    let forget = |local: &Local| match local {
        Local::ApiServer(_) | Local::ContainerRuntime(_) => local.clone(),
        Local::Environment(environment) => Local::Environment(Environment {
            partitioned: environment.partitioned,
            ..Environment::start(&cluster.config)
        }),
        Local::ControllerManager(_) => {
            Local::ControllerManager(ControllerManager::dead(&cluster.config))
        }
        Local::Scheduler(_) => Local::Scheduler(Scheduler::default()),
        Local::Kubelet(kubelet) => {
            Local::Kubelet(Kubelet { up: kubelet.up, ..Kubelet::dead(kubelet.node) })
        }
    };
    let inboxes = state.processes().map(|_| Inbox::new(4, false)).collect();
    ClusterState::new(state.locals().map(forget).collect(), inboxes)
}

fn enabled(system: &System, state: &ClusterState, action: &ClusterAction) -> bool {
    let mut actions = Vec::new();
    system.actions(state, &mut actions);
    actions.contains(action)
}

/// Where two actions, each possible after the other, lead in either order.
fn both_ways(
    system: &System,
    state: &ClusterState,
    [a, b]: [&ClusterAction; 2],
) -> Option<[ClusterState; 2]> {
    let one_way = |first, second| {
        let between = system.step(state, first).state;
        enabled(system, &between, second).then(|| system.step(&between, second).state)
    };
    Some([one_way(a, b)?, one_way(b, a)?])
}

fn rendered((tables, reality): &(Tables, Table)) -> String {
    let all = [&tables.pods, &tables.nodes, &tables.deployments, &tables.replica_sets, reality];
    all.map(Table::render).join("\n")
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn nothing_that_is_hidden_is_printed(run in runs()) {
        let (system, path, _) = run.take(150);
        for (_, state) in &path.steps {
            let (shown, kept) = (snapshot(&system.0, state), forgotten(&system.0, state));
            prop_assert_eq!(&snapshot(&system.0, &kept), &shown);
            prop_assert!(rendered(&shown).lines().all(|line| line == line.trim_end()));
        }
    }

    #[test]
    fn a_state_prints_the_same_however_it_was_reached(run in runs()) {
        let (system, path, _) = run.take(150);
        let mut random = Random::new(run.seed);
        for (_, state) in &path.steps {
            let mut actions = Vec::new();
            system.actions(state, &mut actions);
            if actions.len() < 2 {
                continue;
            }
            let a = actions.swap_remove(random.below(actions.len()));
            let b = actions.swap_remove(random.below(actions.len()));
            let Some([ab, ba]) = both_ways(&system, state, [&a, &b]) else { continue };
            if ab == ba {
                prop_assert_eq!(ab.fingerprint(), ba.fingerprint());
                prop_assert_eq!(snapshot(&system.0, &ab), snapshot(&system.0, &ba));
            }
        }
    }
}
