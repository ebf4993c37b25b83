//! What would tell two stories of one history apart: the first event, after the end of the log,
//! that could come after one of them and not after the other.

use std::collections::HashSet;

use models::objects::{EventType, Object};

use crate::conform::content;
use crate::conform::facts::Bindings;
use crate::conform::history::History;
use crate::conform::search::Answer;
use crate::engine::star::{Action, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterState};

/// The first difference between two stories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The event.
    pub event: String,
    /// Whether it could come after the first story; else after the second.
    pub after_first: bool,
    /// How many events come before it that could follow both.
    pub common: usize,
}

/// States to look at in all.
const STATES: usize = 20_000;

/// How many events after the end of the log are looked at.
const AHEAD: usize = 6;

type Held = (ClusterState, Bindings);

/// What could be published next, and the states after it.
type Futures = Vec<(String, Vec<Held>)>;

/// Looks for the first event that tells two stories apart, if what failed is mended and nothing
/// else fails. None if there is none within reach.
pub fn difference(history: &History, one: &Answer, other: &Answer) -> Option<Difference> {
    let system = StarSystem(Cluster { config: history.config.clone() });
    let end = |answer: &Answer| (answer.path.end().clone(), answer.bound.clone());
    let mut left = STATES;
    // Pairs of sets of states that the same events lead to.
    let mut pairs = vec![(vec![end(one)], vec![end(other)])];
    for common in 0..AHEAD {
        let mut next = Vec::new();
        for (one, other) in pairs {
            let one = futures(&system, history, one, &mut left)?;
            let mut other = futures(&system, history, other, &mut left)?;
            let has = |list: &Futures, event: &str| list.iter().any(|(known, _)| known == event);
            if let Some((event, _)) = one.iter().find(|(event, _)| !has(&other, event)) {
                return Some(Difference { event: event.clone(), after_first: true, common });
            }
            if let Some((event, _)) = other.iter().find(|(event, _)| !has(&one, event)) {
                return Some(Difference { event: event.clone(), after_first: false, common });
            }
            for (event, states) in one {
                let at = other.iter().position(|(known, _)| *known == event)?;
                next.push((states, std::mem::take(&mut other[at].1)));
            }
        }
        pairs = next;
    }
    None
}

/// What could be published next after any of these states, in the order of nearness; none if there
/// are too many states.
fn futures(
    system: &StarSystem<Cluster>,
    history: &History,
    mut states: Vec<Held>,
    left: &mut usize,
) -> Option<Futures> {
    let mut seen: HashSet<_> = states.iter().map(|(state, _)| system.fingerprint(state)).collect();
    let mut futures: Futures = Vec::new();
    let mut at = 0;
    while at < states.len() {
        *left = left.checked_sub(1)?;
        let (state, bound) = states[at].clone();
        at += 1;
        let mut actions = Vec::new();
        system.actions(&state, &mut actions);
        for action in actions {
            if let Action::Fault(fault) = &action
                && (fault.kind.mends().is_empty() || fault.kind.is_by_operator())
            {
                continue;
            }
            let detail = system.detail(&state, &action);
            let after = detail.step.state;
            let Some(event) = detail.events.first() else {
                if seen.insert(system.fingerprint(&after)) {
                    states.push((after, bound.clone()));
                }
                continue;
            };
            let words = words(system, history, &state, &bound, event.kind, &event.object);
            match futures.iter_mut().find(|(known, _)| *known == words) {
                Some((_, states)) => {
                    let print = system.fingerprint(&after);
                    if states.iter().all(|(known, _)| system.fingerprint(known) != print) {
                        states.push((after, bound.clone()));
                    }
                }
                None => futures.push((words, vec![(after, bound.clone())])),
            }
        }
    }
    Some(futures)
}

/// An event as the change that it tells of.
fn words(
    system: &StarSystem<Cluster>,
    history: &History,
    before: &ClusterState,
    bound: &Bindings,
    kind: EventType,
    object: &Object,
) -> String {
    let api = system.0.view(before).api();
    let stored = match object {
        Object::Pod(pod) => api.pod(pod.uid).copied().map(Object::Pod),
        Object::Node(node) => api.node(node.id).copied().map(Object::Node),
        Object::ReplicaSet(set) => {
            api.replica_sets.get(set.id.0 as usize).copied().map(Object::ReplicaSet)
        }
        Object::Deployment(set) => {
            api.deployments.get(set.id.0 as usize).copied().map(Object::Deployment)
        }
        Object::StatefulSet(set) => {
            api.stateful_sets.get(set.id.0 as usize).copied().map(Object::StatefulSet)
        }
        Object::Job(job) => api.jobs.get(job.id.0 as usize).copied().map(Object::Job),
        Object::VolumeAttachment(attachment) => {
            api.attachments.contains(attachment).then_some(*object)
        }
        Object::DaemonSet(set) => {
            api.daemon_sets.get(set.id.0 as usize).copied().map(Object::DaemonSet)
        }
    };
    let name = content::name_of(history, bound, object);
    let after = content::of_object(history, bound, object);
    match (kind, stored) {
        (EventType::Deleted, _) => format!("{name} is removed"),
        (EventType::Modified, Some(stored)) => {
            let before = content::of_object(history, bound, &stored);
            format!("{name}: {}", content::changes(&before, &after))
        }
        _ => format!("{name} is added: {}", content::whole(&after)),
    }
}
