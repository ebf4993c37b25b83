//! Other stories that explain a history as well: would it look the same had the node been cut off
//! instead of losing power?

use models::faults::FaultKind;

use crate::conform::history::History;
use crate::conform::search::{Answer, Limits, explain_likely};
use crate::engine::star::Action;

/// States to keep in the search for another story.
const LIMITS: Limits = Limits { states: 20_000 };

/// What takes a node away, each in its own way.
const LOSSES: [FaultKind; 3] = [FaultKind::PowerOff, FaultKind::Partition, FaultKind::KubeletCrash];

/// The kinds of fault in a story, what was before the history included, each once, in the order in
/// which they come.
pub fn kinds(answer: &Answer) -> Vec<FaultKind> {
    let mut kinds = Vec::new();
    for (action, _) in answer.beginning.past.steps.iter().chain(&answer.path.steps) {
        if let Action::Fault(fault) = action
            && !kinds.contains(&fault.kind)
        {
            kinds.push(fault.kind);
        }
    }
    kinds
}

/// Runs that explain the history without some way to lose a node that `answer` uses, together with
/// what they do without. At most one for each set of kinds.
pub fn others(history: &History, answer: &Answer) -> Vec<(FaultKind, Answer)> {
    if history.tells_faults() {
        return Vec::new();
    }
    let used = kinds(answer);
    let mut found: Vec<(FaultKind, Answer)> = Vec::new();
    for without in LOSSES.into_iter().filter(|kind| used.contains(kind)) {
        let mut left = vec![without];
        // What explains it next may be done without as well.
        loop {
            let mut other = history.clone();
            other.config.faults.retain(|budget| !left.contains(&budget.kind));
            let answer = explain_likely(&other, LIMITS, answer);
            if !answer.conforms {
                break;
            }
            let next = kinds(&answer);
            let known = found.iter().any(|(_, known)| kinds(known) == next);
            if !known {
                found.push((without, answer));
            }
            match LOSSES.into_iter().find(|kind| next.contains(kind)) {
                Some(kind) if !known => left.push(kind),
                _ => break,
            }
        }
    }
    found
}
