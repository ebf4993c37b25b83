//! A cluster made of the objects of a log: nodes, taints, workloads, tolerations, version.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use models::config::{
    ClusterConfig, Effect, NodeConfig, OUT_OF_SERVICE, Settings, Start, Taint, UNSCHEDULABLE,
    WatchMode, well_known_taints,
};
use models::ids::{
<<<<<<< HEAD
    NameSet, NodeId, NodeSet, PodName, PodSet, ReplicaSetId, Seconds, TaintId, TaintSet,
    TemplateId, VolumeId, VolumeSet, ZoneId,
=======
    DaemonSetId, DeploymentId, JobId, NodeId, NodeSet, ReplicaSetId, StatefulSetId, TaintId,
    TaintSet, ZoneId,
>>>>>>> conform
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
                if some("spec") || some("status") {
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
        volumes: Vec::new(),
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
            let at = known_taint(&mut taints, read_taint(taint)?)?;
            if at < condition {
                return Err(format!("a node that is not Ready at the start ({})", name(object)));
            }
            own.insert(TaintId(at as u8));
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

<<<<<<< HEAD
fn workloads(seen: &Seen<'_>, config: &mut ClusterConfig) -> Result<(), NotModelled> {
    let mut ids: BTreeMap<&str, ReplicaSetId> = BTreeMap::new();
    for set in &seen.replica_sets {
        let id = ReplicaSetId(config.replica_sets.len() as u8);
        if let Some(deployment) = owner(set, "Deployment")
            && ids.insert(deployment, id).is_some()
        {
            return Err(format!("the rollout of a Deployment ({deployment})"));
        }
        let pod = seen.pods.iter().find(|pod| owner(pod, "ReplicaSet") == Some(name(set)));
        let min_ready = set["spec"]["minReadySeconds"].as_u64().unwrap_or(0).min(MANY) as u32;
        let killed = seen.killed.iter().any(|pod| pod.starts_with(name(set)));
        let spec = pod.map_or(&set["spec"]["template"]["spec"], |pod| &pod["spec"]);
        config.templates.push(template(seen, spec, min_ready, !killed)?);
        config.replica_sets.push(ReplicaSetConfig {
            name: name(set).to_string(),
            template: TemplateId(id.0),
            replicas: set["spec"]["replicas"].as_u64().unwrap_or(1).min(255) as u8,
            min_ready: Seconds(min_ready),
            selector: selector(set),
        });
    }
    for deployment in &seen.deployments {
        let Some(&replica_set) = ids.get(name(deployment)) else {
            return Err(format!("a Deployment without a ReplicaSet ({})", name(deployment)));
        };
        config.deployments.push(DeploymentConfig {
            name: name(deployment).to_string(),
            replica_set,
            later: Vec::new(),
            strategy: Strategy::DEFAULT,
            selector: selector(deployment),
        });
    }
    for set in &seen.stateful_sets {
        let set = stateful_set(seen, set, config)?;
        config.stateful_sets.push(set);
    }
    for job in &seen.jobs {
        let job = self::job(seen, job, config)?;
        config.jobs.push(job);
    }
    for set in &seen.daemon_sets {
        config.daemon_sets.push(DaemonSetConfig {
            name: name(set).to_string(),
            template: TemplateId(config.templates.len() as u8),
            selector: selector(set),
            node_selector: String::new(),
        });
        let pod = seen.pods.iter().find(|pod| owner(pod, "DaemonSet") == Some(name(set)));
        let killed = seen.killed.iter().any(|pod| pod.starts_with(name(set)));
        let spec = pod.map_or(&set["spec"]["template"]["spec"], |pod| &pod["spec"]);
        config.templates.push(template(seen, spec, 0, !killed)?);
    }
    for pod in &seen.pods {
        if pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty) {
            let killed = seen.killed.contains(&name(pod));
            let template_id = TemplateId(config.templates.len() as u8);
            config.templates.push(template(seen, &pod["spec"], 0, !killed)?);
            config.pods.push(BarePodConfig { name: name(pod).to_string(), template: template_id });
        }
    }
    Ok(())
}

/// A StatefulSet, whose template is added.
fn stateful_set(
    seen: &Seen<'_>,
    set: &Value,
    config: &mut ClusterConfig,
) -> Result<StatefulSetConfig, NotModelled> {
    let pod = seen.pods.iter().find(|pod| owner(pod, "StatefulSet") == Some(name(set)));
    let killed = seen
        .killed
        .iter()
        .any(|pod| pod.rsplit_once('-').is_some_and(|(parent, _)| parent == name(set)));
    if set["spec"]["minReadySeconds"].as_u64().unwrap_or(0) > 0 {
        return Err(format!("minReadySeconds of a StatefulSet ({})", name(set)));
    }
    let spec = pod.map_or(&set["spec"]["template"]["spec"], |pod| &pod["spec"]);
    let template_id = TemplateId(config.templates.len() as u8);
    config.templates.push(template(seen, spec, 0, !killed)?);
    let replicas = set["spec"]["replicas"].as_u64().unwrap_or(1).min(255) as u8;
    let taken: u8 = config.stateful_sets.iter().map(|set| set.identities).sum();
    if usize::from(taken) + usize::from(replicas) > NameSet::CAPACITY - PodSet::CAPACITY {
        return Err("more identities of StatefulSets than there is room for".to_string());
    }
    Ok(StatefulSetConfig {
        name: name(set).to_string(),
        template: template_id,
        replicas,
        ordered: set["spec"]["podManagementPolicy"] != "Parallel",
        first_name: PodName(PodName::FIRST_RECURRING.0 + taken),
        identities: replicas,
        first_volume: VolumeId(0),
        claims: 0,
    })
}

/// A Job and, at the end of the templates, its own.
fn job(
    seen: &Seen<'_>,
    object: &Value,
    config: &mut ClusterConfig,
) -> Result<JobConfig, NotModelled> {
    let spec = &object["spec"];
    if spec["podFailurePolicy"].is_object() {
        return Err(format!("the podFailurePolicy of a Job ({})", name(object)));
    }
    let pod = seen.pods.iter().find(|pod| owner(pod, "Job") == Some(name(object)));
    let killed = seen.killed.iter().any(|pod| pod.starts_with(name(object)));
    let pod_spec = pod.map_or(&spec["template"]["spec"], |pod| &pod["spec"]);
    let template_id = TemplateId(config.templates.len() as u8);
    let template = template(seen, pod_spec, 0, !killed)?;
    config.templates.push(PodTemplate { completes: true, ..template });
    let count = |field: &str| spec[field].as_u64().map(|count| count.min(255) as u8);
    Ok(JobConfig {
        name: name(object).to_string(),
        template: template_id,
        parallelism: count("parallelism").unwrap_or(1),
        completions: count("completions"),
        backoff_limit: spec["backoffLimit"].as_u64().unwrap_or(6) as u32,
        replacement: match spec["podReplacementPolicy"].as_str() {
            Some("Failed") => Some(Replacement::Failed),
            _ => None,
        },
        failure_policy: None,
        selector: selector(object),
    })
}

fn selector(workload: &Value) -> String {
    let labels = workload["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    labels.collect::<Vec<_>>().join(",")
}

fn template(
    seen: &Seen<'_>,
    spec: &Value,
    min_ready: u32,
    ends_on_sigterm: bool,
) -> Result<PodTemplate, NotModelled> {
    let tolerations = spec["tolerations"].as_array().into_iter().flatten().map(toleration);
    let containers = spec["containers"].as_array().map_or(0, Vec::len);
    if containers > 1 {
        return Err(format!("pods of {containers} containers"));
    }
    let container = &spec["containers"][0];
    let wanted = spec["nodeSelector"].as_object();
    let selects = |node: &Value| {
        wanted
            .into_iter()
            .flatten()
            .all(|(key, value)| node["metadata"]["labels"][key.as_str()] == *value)
    };
    let nodes = seen.nodes.iter().zip((0..).map(NodeId)).filter(|(node, _)| selects(node));
    Ok(PodTemplate {
        tolerations: tolerations.collect::<Result<_, _>>()?,
        grace: Seconds(
            spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30).min(MANY) as u32
        ),
        restart_policy: match spec["restartPolicy"].as_str() {
            Some("Never") => RestartPolicy::Never,
            Some("OnFailure") => RestartPolicy::OnFailure,
            _ => RestartPolicy::Always,
        },
        min_ready: Seconds(min_ready),
        completes: false,
        node_name: None,
        volumes: VolumeSet::EMPTY,
        selected: nodes.map(|(_, id)| id).collect(),
        container: container["name"].as_str().unwrap_or_default().to_string(),
        image: container["image"].as_str().unwrap_or_default().to_string(),
        ends_on_sigterm,
    })
}

fn toleration(toleration: &Value) -> Result<Toleration, NotModelled> {
    let exists = toleration["operator"].as_str() == Some("Exists");
    let wanted = &toleration["effect"];
    Ok(Toleration {
        key: text(&toleration["key"]),
        value: (!exists).then(|| toleration["value"].as_str().unwrap_or_default().to_string()),
        effect: if text(wanted).is_some() { Some(effect(wanted)?) } else { None },
        seconds: toleration["tolerationSeconds"].as_i64(),
    })
}

=======
>>>>>>> conform
/// Nodes of which the log shows anything that a fault could explain.
fn struck(seen: &Seen<'_>, events: &[&ObjectEvent]) -> NodeSet {
    let id = |name: &str| {
        let at = seen.nodes.iter().position(|node| self::name(node) == name);
        at.map(|at| NodeId(at as u8))
    };
    let changed = events.iter().filter(|event| !event.initial);
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
