//! What `spec.operator` lets people do to workloads: what, and to which.

use models::faults::{FaultBudget, FaultKind, When};
use models::ids::{DaemonSetId, DeploymentId, JobId, NodeSet, ReplicaSetId, StatefulSetId};
use models::objects::Workload as Stored;
use models::requests::Propagation;

use super::cursor::Cursor;
use super::error::InputError;
use super::faults::MAX_COUNT;
use super::manifest::{Kind, MAX_REPLICAS, Workload};
use super::placement::find_workload;
use super::source::Value;

/// The fields of `operator` that are about workloads.
pub(super) const FIELDS: [&str; 3] = ["rollout", "scale", "deleteWorkload"];

/// Most rollouts: each makes a ReplicaSet.
const MAX_ROLLOUTS: i64 = 3;

/// Reads what may be done to workloads.
pub(super) fn read_operations(
    operator: Option<&Cursor<'_>>,
    workloads: &[Workload<'_>],
) -> Result<Vec<FaultBudget>, InputError> {
    let mut budgets = Vec::new();
    for name in FIELDS {
        let Some(field) = operator.and_then(|operator| operator.get(name)) else { continue };
        let count = read_count(name, &field)?;
        let kind = match name {
            "rollout" => {
                let at = read_workload(&field, workloads, |kind| kind == Kind::Deployment)?;
                FaultKind::Rollout(deployment(workloads, at))
            }
            "deleteWorkload" => {
                let at = read_workload(&field, workloads, |kind| kind != Kind::Pod)?;
                FaultKind::DeleteWorkload(stored(workloads, at), read_propagation(&field)?)
            }
            _ => {
                let at = read_workload(&field, workloads, has_scale)?;
                let replicas = field.required("replicas")?.integer(0..=MAX_REPLICAS)? as u8;
                FaultKind::Scale(stored(workloads, at), replicas)
            }
        };
        if count > 0 {
            let nodes = NodeSet(u16::MAX);
            budgets.push(FaultBudget { kind, count, nodes, outage: None, when: When::Always });
        }
    }
    Ok(budgets)
}

/// A number, or `{count, workload}` and what else there is to say.
fn read_count(name: &str, field: &Cursor<'_>) -> Result<u8, InputError> {
    let most = if name == "rollout" { MAX_ROLLOUTS } else { MAX_COUNT };
    if name != "scale" && !matches!(field.node.value, Value::Mapping(_)) {
        return Ok(field.integer(0..=most)? as u8);
    }
    field.only(match name {
        "rollout" => &["count", "workload"],
        "deleteWorkload" => &["count", "workload", "propagation"],
        _ => &["count", "workload", "replicas"],
    })?;
    match field.get("count") {
        Some(count) => Ok(count.integer(0..=most)? as u8),
        None => Ok(1),
    }
}

/// `propagation`, as `kubectl delete --cascade` has it.
fn read_propagation(field: &Cursor<'_>) -> Result<Propagation, InputError> {
    let words = [
        ("background", Propagation::Background),
        ("foreground", Propagation::Foreground),
        ("orphan", Propagation::Orphan),
    ];
    let given = match field.node.value {
        Value::Mapping(_) => field.get("propagation"),
        _ => None,
    };
    given.map_or(Ok(Propagation::Background), |given| given.word(&words))
}

/// The workload that is named, or the only one of its kinds.
fn read_workload(
    field: &Cursor<'_>,
    workloads: &[Workload<'_>],
    fits: fn(Kind) -> bool,
) -> Result<usize, InputError> {
    if let Value::Mapping(_) = field.node.value
        && let Some(name) = field.get("workload")
    {
        let found = find_workload(name.text()?, workloads);
        let at = found.map_err(|(problem, help)| name.error(problem).with_help(help))?;
        return match fits(workloads[at].kind) {
            true => Ok(at),
            false => {
                let what = workloads[at].describe();
                Err(name.error(format!("names {what}, for which it is not modelled")))
            }
        };
    }
    let all: Vec<usize> = (0..workloads.len()).filter(|&at| fits(workloads[at].kind)).collect();
    match all[..] {
        [only] => Ok(only),
        [] => Err(field.error("makes no sense: there is no such workload")),
        _ => {
            let names: Vec<String> = all.iter().map(|&at| workloads[at].describe()).collect();
            let help = format!("say which with `workload`: {}", names.join(", "));
            Err(field.error("could mean several workloads").with_help(help))
        }
    }
}

/// The Deployment that this workload is.
fn deployment(workloads: &[Workload<'_>], at: usize) -> DeploymentId {
    DeploymentId(number(workloads, at, |kind| kind == Kind::Deployment))
}

/// How many workloads of these kinds stand before this one.
fn number(workloads: &[Workload<'_>], at: usize, of: fn(Kind) -> bool) -> u8 {
    workloads[..at].iter().filter(|workload| of(workload.kind)).count() as u8
}

/// Kinds that have the subresource `scale`.
fn has_scale(kind: Kind) -> bool {
    matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet)
}

/// The stored object that this workload is; bare pods are none.
fn stored(workloads: &[Workload<'_>], at: usize) -> Stored {
    let id = |of| number(workloads, at, of);
    match workloads[at].kind {
        Kind::Deployment => Stored::Deployment(deployment(workloads, at)),
        Kind::StatefulSet => {
            Stored::StatefulSet(StatefulSetId(id(|kind| kind == Kind::StatefulSet)))
        }
        Kind::DaemonSet => Stored::DaemonSet(DaemonSetId(id(|kind| kind == Kind::DaemonSet))),
        Kind::Job => Stored::Job(JobId(id(|kind| kind == Kind::Job))),
        // Each Deployment has a ReplicaSet.
        Kind::ReplicaSet | Kind::Pod => Stored::ReplicaSet(ReplicaSetId(id(|kind| {
            matches!(kind, Kind::Deployment | Kind::ReplicaSet)
        }))),
    }
}
