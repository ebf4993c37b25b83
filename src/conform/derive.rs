//! A cluster made of the objects of a log: nodes, taints, workloads, tolerations, version.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use models::config::{
    ClusterConfig, Effect, NodeConfig, OUT_OF_SERVICE, Settings, Start, Taint, UNSCHEDULABLE,
    WatchMode, well_known_taints,
};
use models::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, NodeSet, ReplicaSetId, StatefulSetId, TaintId,
    TaintSet, ZoneId,
};
use models::version::Version;

use crate::conform::facts::NotModelled;
use crate::conform::record::{Change, ObjectEvent};
use crate::scenario::cluster::MAX_NODES;

mod people;
mod workloads;

pub use people::hidden_faults;

/// Most pods at once that a model has room for.
const MAX_PODS: usize = 32;

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// The owner reference of the controller of an object.
pub fn controller(object: &Value) -> Option<&Value> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true).or_else(|| owners.first())
}

/// The uid of the controller of an object.
fn owner(object: &Value) -> Option<&str> {
    Some(controller(object)?["uid"].as_str().unwrap_or_default())
}

/// Which workload of the model an object of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadId {
    /// A ReplicaSet.
    ReplicaSet(ReplicaSetId),
    /// A Deployment.
    Deployment(DeploymentId),
    /// A StatefulSet.
    StatefulSet(StatefulSetId),
    /// A DaemonSet.
    DaemonSet(DaemonSetId),
    /// A Job.
    Job(JobId),
}

/// The workloads of a log that the model has, by uid.
pub type Workloads = BTreeMap<String, WorkloadId>;

fn effect(value: &Value) -> Result<Effect, NotModelled> {
    match value.as_str() {
        Some("NoSchedule") => Ok(Effect::NoSchedule),
        Some("PreferNoSchedule") => Ok(Effect::PreferNoSchedule),
        Some("NoExecute") => Ok(Effect::NoExecute),
        other => Err(format!("taint effect {other:?}")),
    }
}

/// The id of a recorded taint.
pub fn taint_id(known: &[Taint], taint: &Value) -> Result<TaintId, NotModelled> {
    let wanted = read_taint(taint)?;
    let at = known.iter().position(|taint| *taint == wanted);
    at.map(|at| TaintId(at as u8)).ok_or_else(|| {
        format!("the taint {}, which nobody but a person or a cloud sets", wanted.key)
    })
}

fn read_taint(taint: &Value) -> Result<Taint, NotModelled> {
    Ok(Taint {
        key: taint["key"].as_str().unwrap_or_default().to_string(),
        value: taint["value"].as_str().unwrap_or_default().to_string(),
        effect: effect(&taint["effect"])?,
    })
}

/// The objects of a log by kind, as they were first seen.
#[derive(Default)]
struct Seen<'a> {
    nodes: Vec<&'a Value>,
    replica_sets: Vec<&'a Value>,
    deployments: Vec<&'a Value>,
    stateful_sets: Vec<&'a Value>,
    daemon_sets: Vec<&'a Value>,
    jobs: Vec<&'a Value>,
    pods: Vec<&'a Value>,
    /// The templates that each Deployment has had, by its uid, in order.
    templates: BTreeMap<&'a str, Vec<&'a Value>>,
    /// Uids of ReplicaSets that had pods, or were to have some.
    busy: BTreeSet<&'a str>,
    /// Uids of what is gone.
    gone: BTreeSet<&'a str>,
    /// Every object, by kind and uid (nodes: by name).
    first: BTreeMap<[&'a str; 2], &'a Value>,
    /// Owners of pods that SIGTERM did not end; the pods themselves where they have none.
    killed: BTreeSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(events: &[&'a ObjectEvent]) -> Result<Self, NotModelled> {
        let mut seen = Seen::default();
        for event in events {
            seen.object(event)?;
            seen.event(event)?;
        }
        // What nothing in the log owns or has to do with is no concern of the model.
        let of = |list: &[&Value], owner: &str| list.iter().any(|object| uid(object) == owner);
        let pods = std::mem::take(&mut seen.pods);
        let lists = [&seen.replica_sets, &seen.stateful_sets, &seen.daemon_sets, &seen.jobs];
        let known = |pod: &&Value| match owner(pod) {
            None => true,
            Some(owner) => lists.iter().any(|list| of(list, owner)),
        };
        seen.pods = pods.into_iter().filter(known).collect();
        Ok(seen)
    }

    /// Takes the object up, if it is new.
    fn object(&mut self, event: &'a ObjectEvent) -> Result<(), NotModelled> {
        let object = &event.object;
        let kind = object["kind"].as_str().unwrap_or_default();
        let list = match kind {
            "Node" => &mut self.nodes,
            "ReplicaSet" => &mut self.replica_sets,
            "Deployment" => &mut self.deployments,
            "DaemonSet" => &mut self.daemon_sets,
            "Pod" => &mut self.pods,
            "StatefulSet" => &mut self.stateful_sets,
            "Job" => &mut self.jobs,
            _ => return Ok(()),
        };
        // A Node object may be created anew under its name.
        let key = [kind, if kind == "Node" { name(object) } else { uid(object) }];
        let Some(known) = self.first.get(&key) else {
            let (own, all) = (&object["metadata"], ["name", "namespace"]);
            let named = |known: &&Value| all.iter().all(|at| known["metadata"][at] == own[at]);
            if kind != "Pod" && list.iter().any(named) {
                return Err(format!("a {kind} that is created again ({})", name(object)));
            }
            self.first.insert(key, object);
            list.push(object);
            return Ok(());
        };
        let changed = |field: &str| known["spec"][field] != object["spec"][field];
        let fixed: &[(&str, &str)] = match kind {
            "StatefulSet" => {
                &[("replicas", "a changed number of replicas"), ("template", "the update")]
            }
            "Job" => &[("parallelism", "a changed parallelism"), ("suspend", "the suspension")],
            "DaemonSet" => &[("template", "the update")],
            "ReplicaSet" => &[("template", "a changed template")],
            _ => &[],
        };
        match fixed.iter().find(|(field, _)| changed(field)) {
            Some((_, what)) => Err(format!("{what} of a {kind} ({})", name(object))),
            None => Ok(()),
        }
    }

    /// Takes up what an event shows to have happened.
    fn event(&mut self, event: &'a ObjectEvent) -> Result<(), NotModelled> {
        let object = &event.object;
        let kind = object["kind"].as_str().unwrap_or_default();
        let own = uid(object);
        match kind {
            "Pod" => {
                let ended = &object["status"]["containerStatuses"][0]["state"]["terminated"];
                if ended["reason"] == "Error" && ended["exitCode"] == 137 {
                    self.killed.insert(owner(object).unwrap_or(own));
                }
            }
            "ReplicaSet" => {
                let some = |part: &str| object[part]["replicas"].as_u64().unwrap_or(0) > 0;
                let ends = object["status"]["terminatingReplicas"].as_u64().unwrap_or(0) > 0;
                if some("spec") || some("status") || ends {
                    self.busy.insert(own);
                }
            }
            "Deployment" => {
                if object["spec"]["paused"] == true {
                    return Err(format!("a Deployment that is paused ({})", name(object)));
                }
                let template = &object["spec"]["template"];
                let had = self.templates.entry(own).or_default();
                if had.last() != Some(&template) {
                    if had.contains(&template) {
                        let what = "a Deployment that gets an earlier template again";
                        return Err(format!("{what} ({})", name(object)));
                    }
                    had.push(template);
                }
            }
            _ => {}
        }
        if event.change == Change::Deleted {
            let goes_with = owner(object).is_none_or(|owner| self.gone.contains(owner));
            match kind {
                "StatefulSet" | "DaemonSet" | "Job" => {
                    return Err(format!("the deletion of a {kind} ({})", name(object)));
                }
                "ReplicaSet" if !goes_with && self.busy.contains(own) => {
                    let what = "the deletion of a ReplicaSet whose Deployment stays";
                    return Err(format!("{what} ({})", name(object)));
                }
                _ => self.gone.insert(own),
            };
        }
        Ok(())
    }
}

/// Refuses a cluster that is larger than what the model has room for.
pub fn fits(config: &ClusterConfig) -> Result<(), NotModelled> {
    let wanted: usize = config.replica_sets.iter().map(|set| set.replicas as usize).sum();
    let daemons = config.daemon_sets.len() * config.nodes.len();
    for (count, most, what) in [
        (config.nodes.len(), MAX_NODES, "nodes"),
        (config.taints.len(), TaintSet::CAPACITY, "different taints"),
        (config.templates.len(), MAX_PODS, "workloads"),
        (config.pods.len() + wanted + daemons, MAX_PODS, "pods at once"),
    ] {
        if count > most {
            return Err(format!("more than {most} {what} ({count})"));
        }
    }
    Ok(())
}

/// The cluster whose objects these are, in the order of their versions. Faults may strike the nodes
/// of which the log shows anything that a fault could explain, or `anywhere`.
pub fn cluster(
    events: &[&ObjectEvent],
    anywhere: bool,
) -> Result<(ClusterConfig, Workloads), NotModelled> {
    let seen = Seen::of(events)?;
    if seen.nodes.len() > MAX_NODES {
        return Err(format!("more than {MAX_NODES} nodes ({})", seen.nodes.len()));
    }
    if seen.nodes.is_empty() {
        return Err("a history without nodes".to_string());
    }
    let version = version(&seen)?;
    let (nodes, zones, mut taints) = nodes(&seen, events)?;
    let set_by_people = later_taints(&mut taints, events)?;
    let mut config = ClusterConfig {
        volumes: Vec::new(),
        version,
        faults: Vec::new(),
        nodes,
        zones,
        taints,
        templates: Vec::new(),
        replica_sets: Vec::new(),
        deployments: Vec::new(),
        stateful_sets: Vec::new(),
        daemon_sets: Vec::new(),
        jobs: Vec::new(),
        pods: Vec::new(),
        disruption_budgets: Vec::new(),
        settings: Settings::defaults(version),
        // The status of a DaemonSet is counted when its pods have been created, and not all of them
        // need have been seen by then.
        watch: if seen.daemon_sets.is_empty() { WatchMode::Fresh } else { WatchMode::Lag(1) },
        workload_status: true,
        start: Start::Empty,
        max_pods: (seen.pods.len() + 1).min(MAX_PODS) as u8,
    };
    let workloads = workloads::workloads(&seen, &mut config)?;
    fits(&config)?;
    let struck = if anywhere { config.node_ids().collect() } else { struck(&seen, events) };
    config.faults = hidden_faults(&config, struck);
    config.faults.extend(people::operations(&config, &workloads, events));
    config.faults.extend(people::node_operations(struck, &set_by_people, events));
    Ok((config, workloads))
}

fn version(seen: &Seen<'_>) -> Result<Version, NotModelled> {
    let text = seen.nodes[0]["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap_or_default();
    text.parse()
}

type NodeTables = (Vec<NodeConfig>, Vec<String>, Vec<Taint>);

fn nodes(seen: &Seen<'_>, events: &[&ObjectEvent]) -> Result<NodeTables, NotModelled> {
    let mut taints = well_known_taints();
    let condition = taints.len();
    let mut zones: Vec<String> = Vec::new();
    let mut nodes = Vec::new();
    for object in &seen.nodes {
        let mut own = TaintSet::EMPTY;
        for taint in object["spec"]["taints"].as_array().into_iter().flatten() {
            let taint = read_taint(taint)?;
            let comes_and_goes = [OUT_OF_SERVICE, UNSCHEDULABLE].contains(&taint.key.as_str());
            let at = known_taint(&mut taints, taint)?;
            if at >= condition && !comes_and_goes {
                own.insert(TaintId(at as u8));
            }
        }
        let zone = &object["metadata"]["labels"]["topology.kubernetes.io/zone"];
        let zone = zone.as_str().unwrap_or_default();
        let at = zones.iter().position(|known| known == zone).unwrap_or_else(|| {
            zones.push(zone.to_string());
            zones.len() - 1
        });
        nodes.push(NodeConfig {
            name: name(object).to_string(),
            zone: ZoneId(at as u8),
            taints: own,
            roles: roles(object),
        });
    }
    for taint in events.iter().flat_map(|event| event.object["spec"]["taints"].as_array()).flatten()
    {
        let taint = read_taint(taint)?;
        if [OUT_OF_SERVICE, UNSCHEDULABLE].contains(&taint.key.as_str()) {
            known_taint(&mut taints, taint)?;
        }
    }
    if !taints.iter().any(|taint| taint.key == UNSCHEDULABLE) {
        // What NLC-9 puts on a node that is cordoned, though the log may end before it does.
        let (key, value) = (UNSCHEDULABLE.to_string(), String::new());
        known_taint(&mut taints, Taint { key, value, effect: Effect::NoSchedule })?;
    }
    Ok((nodes, zones, taints))
}

/// Where a taint is in a list, at the end if it is new.
fn known_taint(taints: &mut Vec<Taint>, taint: Taint) -> Result<usize, NotModelled> {
    if let Some(at) = taints.iter().position(|known| *known == taint) {
        return Ok(at);
    }
    taints.push(taint);
    if taints.len() > TaintSet::CAPACITY {
        return Err(format!("more than {} different taints", TaintSet::CAPACITY));
    }
    Ok(taints.len() - 1)
}

fn roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"));
    let roles: Vec<&str> = roles.collect();
    if roles.is_empty() { "<none>".to_string() } else { roles.join(",") }
}

/// Nodes of which the log shows anything that a fault could explain: they, or what is on them,
/// change, or they are not well when it begins.
fn struck(seen: &Seen<'_>, events: &[&ObjectEvent]) -> NodeSet {
    let id = |name: &str| {
        let at = seen.nodes.iter().position(|node| self::name(node) == name);
        at.map(|at| NodeId(at as u8))
    };
    let ill = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
        object["kind"] == "Node" && ready.any(|condition| condition["status"] != "True")
    };
    let changed = events.iter().filter(|event| !event.initial || ill(&event.object));
    let named = changed.filter_map(|event| match event.object["kind"].as_str() {
        Some("Node") => id(name(&event.object)),
        Some("Pod") => event.object["spec"]["nodeName"].as_str().and_then(id),
        _ => None,
    });
    named.collect()
}

/// Taints that nodes get later, and that no controller sets; new ones become known.
fn later_taints(
    taints: &mut Vec<Taint>,
    events: &[&ObjectEvent],
) -> Result<Vec<TaintId>, NotModelled> {
    let known = taints.len();
    let nodes = events.iter().filter(|event| event.object["kind"] == "Node");
    for taint in nodes.flat_map(|event| event.object["spec"]["taints"].as_array()).flatten() {
        let taint = read_taint(taint)?;
        if !taints.contains(&taint) {
            taints.push(taint);
        }
    }
    let later = (known..taints.len()).filter(|at| taints[*at].key != UNSCHEDULABLE);
    Ok(later.map(|at| TaintId(at as u8)).collect())
}
