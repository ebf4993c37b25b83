//! What can happen in a state, and what faults cost.

use models::faults::FaultKind;
use models::kube_controller_manager::ControllerStep;
use models::replica_set::ReplicaSetStep;

use crate::conform::open::{EVENT, SUGGESTED, UNSUGGESTED};
use crate::engine::star::{Action, Lag, PartId, Star, StarSystem, StreamId, served};
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState, Fault, Internal};

/// Whether a step takes no time.
pub(super) fn is_prompt(
    system: &StarSystem<Cluster>,
    state: &ClusterState,
    action: &ClusterAction,
) -> bool {
    match action {
        Action::Internal(step) => system.0.is_prompt(state, step),
        Action::Fault(_) => false,
        _ => true,
    }
}

/// Whether a step counts what a workload has, and writes it down.
pub(super) fn counts(action: &ClusterAction) -> bool {
    use ControllerStep::{DaemonSet, Deployment, Job, ReplicaSet, StatefulSet};
    let Action::Internal(Internal::Controller(step)) = action else { return false };
    match step {
        ReplicaSet(step) => matches!(step, ReplicaSetStep::Sync(_)),
        Deployment(_) | StatefulSet(_) | DaemonSet(_) | Job(_) => true,
        _ => false,
    }
}

/// Whether something else could be chosen in place of a step.
pub(super) fn is_choice(action: &ClusterAction) -> bool {
    matches!(action, Action::Internal(Internal::Scheduler(_)))
}

/// What can happen but for faults.
pub(super) fn steps(
    system: &StarSystem<Cluster>,
    state: &ClusterState,
    out: &mut Vec<ClusterAction>,
) {
    let star = &system.0;
    let waits = hub_waits(system, state);
    for process in state.processes() {
        if !waits {
            out.extend(served(star, state, process));
        }
        for (queue, stream) in state.inbox(process).0.iter().zip((0..).map(StreamId)) {
            if queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
                out.push(Action::Observe(process, stream));
            }
        }
    }
    let mut internals = Vec::new();
    for part in (0..star.internal_parts()).map(PartId) {
        star.internals(state, part, &mut internals);
    }
    internals.retain(|step| !(waits && star.is_of_hub(step)));
    out.extend(internals.into_iter().map(Action::Internal));
}

/// The faults that can strike.
pub(super) fn faults(
    system: &StarSystem<Cluster>,
    state: &ClusterState,
    out: &mut Vec<ClusterAction>,
) {
    let star = &system.0;
    let mut faults = Vec::new();
    for part in (0..star.fault_parts()).map(PartId) {
        star.faults(state, part, &mut faults);
    }
    let waits = hub_waits(system, state);
    faults.retain(|fault| !(waits && star.fault_is_of_hub(fault)));
    out.extend(faults.into_iter().map(Action::Fault));
}

/// Whether the hub waits for a stream that is as far behind as it may be.
fn hub_waits(system: &StarSystem<Cluster>, state: &ClusterState) -> bool {
    let Lag::AtMost(bound) = system.0.lag() else { return false };
    let mut inboxes = state.processes().map(|process| state.inbox(process));
    inboxes.any(|inbox| inbox.0.iter().flatten().any(|queue| queue.len() >= bound))
}

/// How many things happen from outside: heartbeats that are late are away and come back.
pub(super) fn faults_in(action: &ClusterAction) -> u32 {
    match action {
        Action::Fault(Fault { kind: FaultKind::SlowHeartbeat, .. }) => 2,
        Action::Fault(_) => 1,
        _ => 0,
    }
}

/// What a fault costs: little if the rest of the history suggests it, after how much, more in the
/// middle of work, more for what is rare.
pub(super) fn fault_cost(fault: &Fault, suggested: Option<u32>, calm: bool) -> i64 {
    let late = |after: u32| (SUGGESTED + i64::from(after) / 4).min(EVENT - 1);
    let mut cost = suggested.map_or(UNSUGGESTED, late);
    cost += match fault.kind {
        // What a partition does explains most of what the death of a kubelet does.
        FaultKind::KubeletCrash => 2 * EVENT,
        FaultKind::Partition => EVENT / 4,
        // A table's NotReady is more often of a node that is lost.
        FaultKind::RuntimeCrash | FaultKind::PowerOnNoNetwork => EVENT,
        FaultKind::SlowHeartbeat | FaultKind::SlowStart => 3 * EVENT,
        // Controllers delete pods far more often than people do.
        FaultKind::DeletePod | FaultKind::DeletePodNow | FaultKind::ForceDeletePod => 2 * EVENT,
        _ => 0,
    };
    for (applies, more) in [(!calm, 3 * EVENT), (!fault.kept.is_empty(), 3 * EVENT)] {
        cost += if applies { more } else { 0 };
    }
    cost
}
