//! `spec.start`: where runs begin.

use models::config::{ClusterConfig, Effect, Start};
use models::ids::{JobId, NodeId, ReplicaSetId, StatefulSetId};
use models::objects::Owner;

use super::cursor::Cursor;
use super::error::{InputError, did_you_mean};
use super::manifest::{Kind, Workload};
use super::nodes::Nodes;
use super::source::Value;

/// Reads `start`: `converged`, `empty`, or the nodes of each workload's pods.
///
/// `config` has the templates, in the order of the workloads.
pub(super) fn read_start(
    start: Option<&Cursor<'_>>,
    workloads: &[Workload<'_>],
    cluster: &Nodes,
    config: &ClusterConfig,
) -> Result<Start, InputError> {
    let Some(start) = start else { return Ok(Start::Converged) };
    if !matches!(start.node.value, Value::Mapping(_)) {
        return match start.text() {
            Ok("converged") => Ok(Start::Converged),
            Ok("empty") => Ok(Start::Empty),
            _ => Err(start.error(format!(
                "must be converged, empty or a mapping of workloads to nodes, is {}",
                start.node.describe()
            ))),
        };
    }
    let mut placed: Vec<Option<Vec<NodeId>>> = vec![None; workloads.len()];
    for (key, field) in start.fields()? {
        let index = find_workload(&key.name, workloads).map_err(|(problem, help)| {
            InputError::at(field.place_at(key.at), format!("{}: {problem}", start.path))
                .with_help(help)
        })?;
        if placed[index].is_some() {
            return Err(field.error("places the same workload twice"));
        }
        if workloads[index].kind == Kind::DaemonSet {
            return Err(field.error("is a DaemonSet: its pods are where its nodes are"));
        }
        placed[index] = Some(read_nodes(&field, index, &workloads[index], cluster, config)?);
    }
    owners(start, workloads, placed, config)
}

/// The workload of that name: `web`, or `deployment/web` where two kinds share a name.
pub(super) fn find_workload(
    name: &str,
    workloads: &[Workload<'_>],
) -> Result<usize, (String, String)> {
    let full = |workload: &Workload<'_>| {
        format!("{}/{}", workload.kind.name().to_lowercase(), workload.name)
    };
    let names = |workload: &Workload<'_>| {
        workload.name == name || full(workload).eq_ignore_ascii_case(name)
    };
    let found: Vec<usize> = (0..workloads.len()).filter(|&i| names(&workloads[i])).collect();
    let shown = name.escape_debug();
    match found[..] {
        [index] => Ok(index),
        [] => {
            let names = || workloads.iter().map(|workload| workload.name.as_str());
            let all = names().collect::<Vec<_>>().join(", ");
            let help =
                did_you_mean(name, names()).unwrap_or_else(|| format!("workloads are {all}"));
            Err((format!("unknown workload `{shown}`"), help))
        }
        _ => {
            let all = found.iter().map(|&i| full(&workloads[i])).collect::<Vec<_>>().join(" or ");
            Err((format!("several workloads are named `{shown}`"), format!("say {all}")))
        }
    }
}

/// The nodes of one workload's pods: as many as pods, and each one that would keep them.
fn read_nodes(
    field: &Cursor<'_>,
    index: usize,
    workload: &Workload<'_>,
    cluster: &Nodes,
    config: &ClusterConfig,
) -> Result<Vec<NodeId>, InputError> {
    let items = match &field.node.value {
        Value::Sequence(_) => field.items()?,
        _ => vec![field.clone()],
    };
    if items.len() != usize::from(workload.replicas) {
        let (nodes, pods) = (items.len(), workload.replicas);
        return Err(field.error(format!("must name a node for each of {pods} pods, names {nodes}")));
    }
    let template = &config.templates[index];
    // A NoSchedule taint may have come after the pods did; a NoExecute taint drives them away.
    let evicting = cluster.repelling(&template.tolerations, &[Effect::NoExecute]);
    let mut nodes = Vec::new();
    for item in items {
        let node = cluster.find(&item)?;
        let name = cluster.name(node);
        if !template.selected.contains(node) {
            return Err(item.error(format!("names {name}, which nodeSelector does not match")));
        }
        if template.node_name.is_some_and(|bound| bound != node) {
            return Err(item.error(format!("names {name}, but nodeName says otherwise")));
        }
        if evicting.contains(node) {
            return Err(item.error(format!("names {name}, whose NoExecute taint is not tolerated")));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// Placements by owner. Bare pods have none to tell them apart, so they are placed all or none.
fn owners(
    start: &Cursor<'_>,
    workloads: &[Workload<'_>],
    placed: Vec<Option<Vec<NodeId>>>,
    config: &ClusterConfig,
) -> Result<Start, InputError> {
    let mut result = Vec::new();
    let mut bare: Vec<Option<NodeId>> = Vec::new();
    let mut replica_sets = (0..).map(ReplicaSetId);
    let mut stateful_sets = (0..).map(StatefulSetId);
    let mut jobs = (0..).map(JobId);
    for ((workload, nodes), template) in workloads.iter().zip(placed).zip(&config.templates) {
        let owner = match workload.kind {
            Kind::Pod => {
                bare.push(nodes.map(|nodes| nodes[0]).or(template.node_name));
                continue;
            }
            Kind::DaemonSet => continue,
            Kind::Job => jobs.next().map(Owner::Job),
            Kind::Deployment | Kind::ReplicaSet => replica_sets.next().map(Owner::ReplicaSet),
            Kind::StatefulSet => stateful_sets.next().map(Owner::StatefulSet),
        };
        result.extend(owner.zip(nodes));
    }
    if bare.iter().any(Option::is_some) {
        let all: Option<Vec<NodeId>> = bare.into_iter().collect();
        let missing = || start.error("must place all bare pods, or none of them");
        result.push((Owner::None, all.ok_or_else(missing)?));
    }
    Ok(Start::Placed(result))
}
