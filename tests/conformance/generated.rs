//! Long logs, made of the model's own runs: incident after incident on one cluster.

use models::config::ClusterConfig;
use models::faults::FaultKind;
use models::objects::Object;
use node_recovery::conform::source::LogFile;
use node_recovery::engine::star::{Action, StarSystem};
use node_recovery::engine::system::System;
use node_recovery::scenario::cluster::{Cluster, ClusterAction, ClusterState, Fault, Internal};

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

/// One in so many steps is a fault while a controller waits for a timer.
const SUDDEN: usize = 8;

fn word(kind: FaultKind) -> Option<&'static str> {
    BEFALLS.iter().find(|(known, _)| *known == kind).map(|(_, word)| *word)
}

/// One of how many steps that wait longest comes next.
const AT_ONCE: usize = 3;

/// Who decides what happens next.
struct Fate {
    dice: Dice,
    /// Nodes that are down or cut off.
    broken: usize,
    /// What can be done at once, that which has waited longest first.
    waiting: Vec<ClusterAction>,
}

impl Fate {
    /// What happens next. As in a real cluster, what takes no time is done before a timer fires, and
    /// what waits longest is done soon. Faults strike when all that is left to do is to wait, two
    /// nodes at a time at most.
    fn choose(
        &mut self,
        system: &StarSystem<Cluster>,
        state: &ClusterState,
        actions: &[ClusterAction],
    ) -> Option<ClusterAction> {
        let fits = |fault: &Fault| {
            let mends = !fault.kind.mends().is_empty();
            word(fault.kind).is_some() && fault.kept.is_empty() && (mends || self.broken < 2)
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
        self.waiting.retain(|action| prompt.contains(&action));
        let new = prompt.into_iter().filter(|action| !self.waiting.contains(action));
        let new: Vec<ClusterAction> = new.cloned().collect();
        self.waiting.extend(new);
        if !self.waiting.is_empty() {
            let at = self.dice.roll(self.waiting.len().min(AT_ONCE));
            return Some(self.waiting.remove(at));
        }
        let waits =
            |action: &&ClusterAction| matches!(action, Action::Internal(Internal::Controller(_)));
        let rests = timers.iter().all(waits);
        let strikes = rests && (timers.is_empty() || self.dice.roll(SUDDEN) == 0);
        let from = if strikes { faults } else { timers };
        if from.is_empty() {
            return None;
        }
        let action = from[self.dice.roll(from.len())].clone();
        if let Action::Fault(fault) = &action {
            let mends = !fault.kind.mends().is_empty();
            self.broken = if mends { self.broken.saturating_sub(1) } else { self.broken + 1 };
        }
        Some(action)
    }
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
    let mut fate = Fate { dice: Dice::new(seed), broken: 0, waiting: Vec::new() };
    let mut written = 0;
    while written < events {
        let mut actions = Vec::new();
        system.actions(&state, &mut actions);
        let Some(action) = fate.choose(&system, &state, &actions) else { break };
        if let Action::Fault(fault) = &action
            && let (Some(word), Some(node)) = (word(fault.kind), fault.node)
        {
            writer.fault(&format!("{word} {}", config.nodes[node.0 as usize].name));
        }
        let detail = system.detail(&state, &action);
        written += detail.events.len();
        detail.events.iter().for_each(|event| writer.event(event));
        state = detail.step.state;
    }
    writer.finish()
}
