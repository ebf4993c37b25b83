//! Long logs, made of the model's own runs: incident after incident on one cluster.

use models::config::ClusterConfig;
use models::faults::FaultKind;
use models::objects::Object;
use node_recovery::conform::source::LogFile;
use node_recovery::engine::star::{Action, StarSystem};
use node_recovery::engine::system::System;
use node_recovery::scenario::cluster::{Cluster, ClusterAction, ClusterState, Fault};

use crate::dice::Dice;
use crate::writer::Writer;

/// What befalls the nodes of a generated run, and how a log tells of it.
const BEFALLS: [(FaultKind, &str); 6] = [
    (FaultKind::PowerOff, "poweroff"),
    (FaultKind::PowerOn, "poweron"),
    (FaultKind::Partition, "partition"),
    (FaultKind::Heal, "heal"),
    (FaultKind::KubeletCrash, "kill-kubelet"),
    (FaultKind::KubeletRestart, "start-kubelet"),
];

/// One in so many steps is a fault in the middle of work.
const SUDDEN: usize = 400;

fn word(kind: FaultKind) -> Option<&'static str> {
    BEFALLS.iter().find(|(known, _)| *known == kind).map(|(_, word)| *word)
}

/// What happens next: as in a real cluster, what takes no time is done before a timer fires, and
/// most faults strike a cluster at rest, two nodes at a time at most.
fn choose<'a>(
    system: &StarSystem<Cluster>,
    state: &ClusterState,
    actions: &'a [ClusterAction],
    (dice, broken): (&mut Dice, usize),
) -> Option<&'a ClusterAction> {
    let fits = |fault: &Fault| {
        let mends = !fault.kind.mends().is_empty();
        word(fault.kind).is_some() && fault.kept == 0 && (mends || broken < 2)
    };
    let (mut prompt, mut timers, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for action in actions {
        match action {
            Action::Fault(fault) if fits(fault) => faults.push(action),
            Action::Fault(_) => {}
            Action::Internal(step) if !system.0.is_prompt(state, step) => timers.push(action),
            _ => prompt.push(action),
        }
    }
    let strikes = dice.roll(if prompt.is_empty() { 3 } else { SUDDEN }) == 0;
    let from = match (strikes && !faults.is_empty(), prompt.is_empty(), timers.is_empty()) {
        (true, ..) => faults,
        (_, false, _) => prompt,
        (_, true, false) => timers,
        _ => faults,
    };
    if from.is_empty() { None } else { Some(from[dice.roll(from.len())]) }
}

/// A random run of at least so many events, as a log that tells of its faults.
pub fn generated(config: &ClusterConfig, seed: u64, events: usize) -> LogFile {
    let system = StarSystem(Cluster { config: config.clone() });
    let mut state: ClusterState = system.initial_states().remove(0);
    let api = system.0.view(&state).api();
    let start: Vec<Object> = (api.nodes.iter().copied().map(Object::Node))
        .chain(api.replica_sets.iter().copied().map(Object::ReplicaSet))
        .chain(api.deployments.iter().copied().map(Object::Deployment))
        .chain(api.stateful_sets.iter().copied().map(Object::StatefulSet))
        .collect();
    let mut writer = Writer::new(config, &start);
    let (mut dice, mut written, mut broken) = (Dice::new(seed), 0, 0usize);
    while written < events {
        let mut actions = Vec::new();
        system.actions(&state, &mut actions);
        let Some(action) = choose(&system, &state, &actions, (&mut dice, broken)) else { break };
        if let Action::Fault(fault) = action {
            let mends = !fault.kind.mends().is_empty();
            broken = if mends { broken.saturating_sub(1) } else { broken + 1 };
            if let (Some(word), Some(node)) = (word(fault.kind), fault.node) {
                writer.fault(&format!("{word} {}", config.nodes[node.0 as usize].name));
            }
        }
        let detail = system.detail(&state, action);
        written += detail.events.len();
        detail.events.iter().for_each(|event| writer.event(event));
        state = detail.step.state;
    }
    writer.finish()
}
