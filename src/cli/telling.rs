//! Runs, told.

use crate::cli::checking::System;
use crate::engine::search::Path;
use crate::report::Trace;
use crate::scenario::cluster::ClusterAction;
use crate::story::Story;
use crate::story::workload_status::with_workload_status;

/// Tells a run, status writes included; `again` is the command that shows it again.
pub(super) fn tell(system: &System, path: &Path<System>, again: String) -> Trace {
    let (system, path) = with_workload_status(system, path);
    let config = &system.0.config;
    let without = config.replica_sets.is_empty() && config.stateful_sets.is_empty();
    let has_workload_status = config.workload_status || without;
    Trace { story: Story::tell(&system, &path), again, has_workload_status }
}

/// What each step of a run is, in words.
pub(super) fn words(system: &System, path: &Path<System>) -> Vec<String> {
    let story = Story::tell(system, path);
    story.steps.into_iter().map(|step| format!("{}: {}", step.actor, step.action)).collect()
}

/// What an action at the end of a run is, in words.
pub(super) fn next_words(system: &System, path: &Path<System>, action: &ClusterAction) -> String {
    let mut longer = path.clone();
    let after = system.detail(path.end(), action).step.state;
    longer.steps.push((action.clone(), after));
    words(system, &longer).pop().unwrap_or_default()
}
