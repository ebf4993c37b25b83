//! Components do not care about names: `step(π·s, π·a) = π·step(s, a)`.

use std::collections::BTreeSet;

use models::ids::{NodeId, PodUid};
use models::symmetry::{Permute, Renaming};
use node_recovery::engine::simulate::Random;
use node_recovery::engine::star::{Detail, StarSystem};
use node_recovery::engine::system::System as _;
use node_recovery::scenario::cluster::{Cluster, ClusterAction, ClusterState};
use proptest::prelude::*;

use crate::generated::{GeneratedScenario, Run, System, cases, runs};

/// A random renaming of nodes that are alike, and of uid slots that are not those of bare pods.
pub fn renaming(cluster: &Cluster, random: &mut Random) -> Renaming {
    let config = &cluster.config;
    let mut renaming = Renaming::IDENTITY;
    let nodes: Vec<NodeId> = config.node_ids().collect();
    for &node in &nodes {
        let like = |other: &&NodeId| config.node_class(**other) == config.node_class(node);
        let likes: Vec<NodeId> = nodes.iter().filter(like).copied().collect();
        renaming = renaming.then_swap_nodes(node, likes[random.below(likes.len())]);
    }
    let slots: Vec<PodUid> = (config.pods.len() as u8..config.max_pods).map(PodUid).collect();
    for &slot in &slots {
        renaming = renaming.then_swap_pods(slot, slots[random.below(slots.len())]);
    }
    renaming
}

/// Both sides of the equation for one action. A new pod gets the first slot that nothing names, and
/// which one that is depends on names: after `renaming`, the two are exchanged.
fn check(
    system: &System,
    state: &ClusterState,
    action: &ClusterAction,
    renaming: &Renaming,
) -> Result<(), TestCaseError> {
    let renamed = state.permuted(renaming);
    let after = match (system.0.fresh_uid(state), system.0.fresh_uid(&renamed)) {
        (Some(here), Some(there)) => renaming.then_swap_pods(renaming.pod(here), there),
        _ => *renaming,
    };
    let Detail { step, events, sent } = system.detail(state, action);
    let there = system.detail(&renamed, &action.permuted(renaming));
    prop_assert_eq!(&there.step.rules, &step.rules, "rules of {:?}", action);
    prop_assert_eq!(there.step.error, step.error, "error of {:?}", action);
    prop_assert_eq!(there.events, events.permuted(&after), "events of {:?}", action);
    let sent: Vec<_> = sent.iter().map(|(p, r)| (p.permuted(&after), r.permuted(&after))).collect();
    prop_assert_eq!(there.sent, sent, "requests of {:?}", action);
    prop_assert_eq!(there.step.state, step.state.permuted(&after), "state after {:?}", action);
    Ok(())
}

fn actions(system: &System, state: &ClusterState) -> Vec<ClusterAction> {
    let mut actions = Vec::new();
    system.actions(state, &mut actions);
    actions
}

/// Every action that is possible on a run, from a renamed state.
fn check_run(run: &Run, steps: usize) -> Result<BTreeSet<u8>, TestCaseError> {
    let (system, path, _) = run.take(steps);
    let mut random = Random::new(run.seed);
    let mut rules = BTreeSet::new();
    let mut state = &path.start;
    for (_, next) in &path.steps {
        let renaming = renaming(&system.0, &mut random);
        let renamed = state.permuted(&renaming);
        prop_assert_eq!(&renamed.permuted(&renaming.inverse()), state);
        let here = actions(&system, state);
        let there = actions(&system, &renamed);
        prop_assert_eq!(there.len(), here.len());
        for action in &here {
            prop_assert!(there.contains(&action.permuted(&renaming)), "{:?} is missing", action);
            check(&system, state, action, &renaming)?;
            rules.extend(system.step(state, action).rules);
        }
        state = next;
    }
    Ok(rules)
}

/// That the equation can fail: a node that faults may strike is not like one that they may not.
#[test]
fn unlike_nodes_are_told_apart() {
    let text = "
{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}
---
{apiVersion: node-recovery/v1, kind: Scenario, spec: {nodes: [a, b], faults: {powerOff: {nodes: [a]}}}}
";
    let scenario = GeneratedScenario { text: text.into(), workload_status: true };
    let system = StarSystem(Cluster { config: scenario.config() });
    let swap = Renaming::IDENTITY.then_swap_nodes(NodeId(0), NodeId(1));
    let start = &system.initial_states()[0];
    let here = actions(&system, start);
    let there = actions(&system, &start.permuted(&swap));
    assert!(here.iter().any(|action| !there.contains(&action.permuted(&swap))));
    assert_ne!(system.0.config.node_class(NodeId(0)), system.0.config.node_class(NodeId(1)));
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn names_of_nodes_and_pods_do_not_matter(run in runs()) {
        check_run(&run, 300)?;
    }
}
