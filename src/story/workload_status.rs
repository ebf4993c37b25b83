//! The status of ReplicaSets, Deployments and DaemonSets in runs that were found without it.
//!
//! Nothing but `kubectl` reads what RS-7, DP-1 and DS-3 write, so a search leaves these writes out
//! ([`ClusterConfig::workload_status`](models::config::ClusterConfig)); for the tables they are
//! put in again: as soon as they can happen, between the steps of the run, each under its own rule.
//! The status of ReplicaSets that a rollout reads is in the run already.

use std::collections::VecDeque;

use models::config::ClusterConfig;
use models::daemon_set::DaemonSetStep;
use models::deployment::DeploymentStep;
use models::faults::FaultKind;
use models::kube_controller_manager::ControllerStep;
use models::objects::{Deployment, Object, ReplicaSet};
use models::replica_set::ReplicaSetStep;
use models::requests::Request;
use models::stateful_set::StatefulSetStep;

use crate::engine::search::Path;
use crate::engine::star::{Action, Inbox, StarSystem, StreamId};
use crate::engine::system::System;
use crate::scenario::cluster::{
    Addressed, CONTROLLER_MANAGER_PROCESS, Cluster, ClusterAction, ClusterState, DAEMON_SETS,
    DEPLOYMENTS, Fault, Internal, Kept, REPLICA_SETS, STATEFUL_SETS,
};

/// The run with the status writes in it, and the system that it is a run of. Where they fit into
/// no place, and where they are in it already, the run as it is.
pub fn with_workload_status(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
) -> (StarSystem<Cluster>, Path<StarSystem<Cluster>>) {
    let mut config = system.0.config.clone();
    if !config.workload_status {
        config.workload_status = true;
        let full = StarSystem(Cluster { config });
        if let Some(told) = weave(&full, &system.0.config, path) {
            return (full, told);
        }
    }
    (StarSystem(system.0.clone()), path.clone())
}

/// Most steps of status between two steps of a run.
const MOST_WRITES: usize = 100;

fn weave(
    system: &StarSystem<Cluster>,
    searched: &ClusterConfig,
    path: &Path<StarSystem<Cluster>>,
) -> Option<Path<StarSystem<Cluster>>> {
    let mut told = Path { start: path.start.clone(), steps: Vec::new() };
    for (action, _) in &path.steps {
        let before = told.steps.len();
        while let Some(status) = status_work(system, searched, told.end()) {
            if told.steps.len() - before == MOST_WRITES {
                // Writers that answer each other for ever: no place for them in this run.
                return None;
            }
            take(system, &mut told, status);
        }
        let action = counted(searched, told.end(), action);
        let mut enabled = Vec::new();
        system.actions(told.end(), &mut enabled);
        if !enabled.contains(&action) {
            return None;
        }
        take(system, &mut told, action);
    }
    Some(told)
}

fn take(system: &StarSystem<Cluster>, path: &mut Path<StarSystem<Cluster>>, action: ClusterAction) {
    let after = system.step(path.end(), &action).state;
    path.steps.push((action, after));
}

/// Something that moves a status write on and does nothing else.
fn status_work(
    system: &StarSystem<Cluster>,
    searched: &ClusterConfig,
    at: &ClusterState,
) -> Option<ClusterAction> {
    let mut actions = Vec::new();
    system.actions(at, &mut actions);
    let outbox = at.outbox(CONTROLLER_MANAGER_PROCESS);
    let is_status = |addressed: &Addressed| is_status(searched, addressed);
    // A write that would wait behind other requests could hold up the syncs of the run.
    let can_write = outbox.live.is_empty();
    let works = |action: &ClusterAction| match action {
        Action::Serve(CONTROLLER_MANAGER_PROCESS, request)
        | Action::ServeOrphan(CONTROLLER_MANAGER_PROCESS, request) => is_status(request),
        Action::Observe(CONTROLLER_MANAGER_PROCESS, stream) => {
            [REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS].contains(stream)
                && tells_status(system, searched, at, *stream)
        }
        Action::Internal(Internal::Controller(
            ControllerStep::ReplicaSet(ReplicaSetStep::Sync(_))
            | ControllerStep::Deployment(DeploymentStep(_))
            | ControllerStep::StatefulSet(StatefulSetStep(_))
            | ControllerStep::DaemonSet(DaemonSetStep::Sync(_) | DaemonSetStep::Finish(_)),
        )) => {
            let sent = || system.detail(at, action).sent;
            can_write && sent().iter().all(|(_, request)| is_status(request))
        }
        _ => false,
    };
    // A Deployment follows its ReplicaSet before that changes again, as it mostly does.
    let is_own_sync = |action: &ClusterAction| {
        matches!(action, Action::Internal(Internal::Controller(ControllerStep::ReplicaSet(_))))
    };
    actions.into_iter().filter(works).min_by_key(is_own_sync)
}

/// Whether the next event of a stream shows nothing but status that was not searched.
fn tells_status(
    system: &StarSystem<Cluster>,
    searched: &ClusterConfig,
    at: &ClusterState,
    stream: StreamId,
) -> bool {
    let cache = &system.0.view(at).controller_manager().cache;
    let Inbox(streams) = at.inbox(CONTROLLER_MANAGER_PROCESS);
    let event = streams.get(stream.0).and_then(Option::as_ref).and_then(VecDeque::front);
    match event.map(|event| event.object) {
        Some(Object::ReplicaSet(set)) => {
            let same = |old: &ReplicaSet| ReplicaSet { status: set.status, ..*old } == set;
            !searched.reports_status(set.id) && cache.replica_set(set.id).is_some_and(same)
        }
        Some(Object::Deployment(set)) => {
            let same = |old: &Deployment| Deployment { status: set.status, ..*old } == set;
            cache.deployment(set.id).is_some_and(same)
        }
        Some(Object::StatefulSet(_) | Object::DaemonSet(_)) => true,
        _ => false,
    }
}

fn is_status(searched: &ClusterConfig, addressed: &Addressed) -> bool {
    match addressed.request {
        Request::PutReplicaSetStatus { seen: ReplicaSet { id, .. }, .. }
        | Request::GetReplicaSet { id } => !searched.reports_status(id),
        Request::PutDeploymentStatus { .. }
        | Request::PutStatefulSetStatus { .. }
        | Request::PutDaemonSetStatus { .. } => true,
        _ => false,
    }
}

/// A crash keeps the same requests of the run: those of status writes between them are lost.
fn counted(searched: &ClusterConfig, at: &ClusterState, action: &ClusterAction) -> ClusterAction {
    match action {
        Action::Fault(fault) if fault.kind == FaultKind::ControllerManagerCrash => {
            let live = &at.outbox(CONTROLLER_MANAGER_PROCESS).live;
            let others = live.iter().enumerate().filter(|(_, sent)| !is_status(searched, sent));
            let kept = others.enumerate().filter(|(at, _)| fault.kept.contains(*at));
            let kept = kept.fold(Kept::NONE, |kept, (_, (at, _))| kept.with(at));
            Action::Fault(Fault { kept, ..*fault })
        }
        other => other.clone(),
    }
}
