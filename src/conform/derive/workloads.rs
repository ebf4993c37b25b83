//! The workloads of a log: their templates, sizes and owners.

use serde_json::Value;

use models::config::{
    BarePodConfig, ClusterConfig, DaemonSetConfig, DeploymentConfig, IntOrPercent, JobConfig,
    PodTemplate, Replacement, ReplicaSetConfig, RestartPolicy, StatefulSetConfig, Strategy,
    Toleration,
};
use models::ids::{
    DaemonSetId, DeploymentId, JobId, NameSet, NodeId, PodName, PodSet, ReplicaSetId, Seconds,
    StatefulSetId, TemplateId, VolumeId, VolumeSet,
};

use super::{Seen, WorkloadId, Workloads, effect, name, owner, uid};
use crate::conform::facts::NotModelled;

/// More seconds than anything takes: beyond it they are all alike.
const MANY: u64 = u32::MAX as u64;

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_string)
}

/// Takes up the workloads of a log.
pub(super) fn workloads(
    seen: &Seen<'_>,
    config: &mut ClusterConfig,
) -> Result<Workloads, NotModelled> {
    let mut known = Workloads::new();
    let of_deployments = deployments(seen)?;
    let owned = |set: &Value| {
        owner(set).is_some_and(|owner| seen.deployments.iter().any(|known| uid(known) == owner))
    };
    for set in seen.replica_sets.iter().filter(|set| !owned(set)) {
        let id = replica_set(seen, name(set), Some(set), set, config)?;
        known.insert(uid(set).to_string(), WorkloadId::ReplicaSet(id));
    }
    for (deployment, revisions) in &of_deployments {
        let first = revisions[0].1;
        let replica_set =
            replica_set(seen, &revisions[0].0, first, first.unwrap_or(deployment), config)?;
        let id = DeploymentId(config.deployments.len() as u8);
        known.insert(uid(deployment).to_string(), WorkloadId::Deployment(id));
        known.extend(first.map(|set| (uid(set).to_string(), WorkloadId::ReplicaSet(replica_set))));
        config.deployments.push(DeploymentConfig {
            name: name(deployment).to_string(),
            replica_set,
            later: Vec::new(),
            strategy: strategy(deployment),
            selector: selector(deployment),
        });
    }
    // What rollouts make comes last.
    for (at, (deployment, revisions)) in of_deployments.iter().enumerate() {
        for (name, set) in &revisions[1..] {
            let id = replica_set(seen, name, *set, set.unwrap_or(deployment), config)?;
            // It is not there yet.
            config.replica_sets[id.0 as usize].replicas = 0;
            known.extend(set.map(|set| (uid(set).to_string(), WorkloadId::ReplicaSet(id))));
            config.deployments[at].later.push(id);
        }
    }
    for (set, id) in seen.stateful_sets.iter().zip((0..).map(StatefulSetId)) {
        let config_of = stateful_set(seen, set, config)?;
        config.stateful_sets.push(config_of);
        known.insert(uid(set).to_string(), WorkloadId::StatefulSet(id));
    }
    for (object, id) in seen.jobs.iter().zip((0..).map(JobId)) {
        let config_of = job(seen, object, config)?;
        config.jobs.push(config_of);
        known.insert(uid(object).to_string(), WorkloadId::Job(id));
    }
    for (set, id) in seen.daemon_sets.iter().zip((0..).map(DaemonSetId)) {
        config.daemon_sets.push(DaemonSetConfig {
            name: name(set).to_string(),
            template: TemplateId(config.templates.len() as u8),
            selector: selector(set),
            node_selector: String::new(),
        });
        let template = template_of(seen, set, 0)?;
        config.templates.push(template);
        known.insert(uid(set).to_string(), WorkloadId::DaemonSet(id));
    }
    for pod in seen.pods.iter().filter(|pod| owner(pod).is_none()) {
        let killed = seen.killed.contains(uid(pod));
        let template_id = TemplateId(config.templates.len() as u8);
        config.templates.push(template(seen, &pod["spec"], 0, !killed)?);
        config.pods.push(BarePodConfig { name: name(pod).to_string(), template: template_id });
    }
    Ok(known)
}

/// A template of a Deployment: the name of its ReplicaSet, and the ReplicaSet if there ever is one.
type Revision<'a> = (String, Option<&'a Value>);

/// The Deployments of a log, each with the templates that it had, oldest first.
fn deployments<'a>(seen: &Seen<'a>) -> Result<Vec<(&'a Value, Vec<Revision<'a>>)>, NotModelled> {
    let mut deployments = Vec::new();
    for &deployment in &seen.deployments {
        let own = seen.replica_sets.iter().filter(|set| owner(set) == Some(uid(deployment)));
        let mut own: Vec<&Value> = own.copied().collect();
        let mut revisions: Vec<Revision<'_>> = Vec::new();
        for (template, number) in seen.templates[uid(deployment)].iter().zip(1..) {
            let at =
                own.iter().position(|set| without_hash(&set["spec"]["template"]) == **template);
            let set = at.map(|at| own.remove(at));
            let made_up = format!("{}-{number}", name(deployment));
            revisions.push((set.map_or(made_up, |set| name(set).to_string()), set));
        }
        // Old ones without pods are kept for a return to their template, which is not modelled.
        if let Some(old) = own.iter().find(|set| seen.busy.contains(uid(set))) {
            let what = "a ReplicaSet of an earlier template that still has pods";
            return Err(format!("{what} ({})", name(old)));
        }
        if revisions[0].1.is_none() {
            return Err(format!("a Deployment without a ReplicaSet ({})", name(deployment)));
        }
        deployments.push((deployment, revisions));
    }
    Ok(deployments)
}

/// A template without the label by which a ReplicaSet tells its pods.
fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    let labels = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut);
    labels.and_then(|labels| labels.remove("pod-template-hash"));
    template
}

/// A ReplicaSet, whose template is added; one that is never there takes its own from `like`.
fn replica_set(
    seen: &Seen<'_>,
    name: &str,
    set: Option<&Value>,
    like: &Value,
    config: &mut ClusterConfig,
) -> Result<ReplicaSetId, NotModelled> {
    let replicas = like["spec"]["replicas"].as_u64().unwrap_or(1).min(255) as u8;
    let id = ReplicaSetId(config.replica_sets.len() as u8);
    let min_ready = like["spec"]["minReadySeconds"].as_u64().unwrap_or(0).min(MANY) as u32;
    let template = template_of(seen, like, min_ready)?;
    config.replica_sets.push(ReplicaSetConfig {
        name: name.to_string(),
        template: TemplateId(config.templates.len() as u8),
        replicas,
        min_ready: Seconds(min_ready),
        selector: set.map(selector).unwrap_or_default(),
    });
    config.templates.push(template);
    Ok(id)
}

/// `spec.strategy` of a Deployment.
fn strategy(deployment: &Value) -> Strategy {
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] == "Recreate" {
        return Strategy::Recreate;
    }
    let Strategy::RollingUpdate { max_surge, max_unavailable } = Strategy::DEFAULT else {
        return Strategy::DEFAULT;
    };
    let bound = |field: &str, default| {
        let value = &strategy["rollingUpdate"][field];
        let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok());
        let count = value.as_u64().map(|count| IntOrPercent::Int(count.min(MANY) as u32));
        count.or(percent.map(IntOrPercent::Percent)).unwrap_or(default)
    };
    Strategy::RollingUpdate {
        max_surge: bound("maxSurge", max_surge),
        max_unavailable: bound("maxUnavailable", max_unavailable),
    }
}

/// The template of a workload: what a pod of it has, or what it says itself.
fn template_of(
    seen: &Seen<'_>,
    workload: &Value,
    min_ready: u32,
) -> Result<PodTemplate, NotModelled> {
    let pod = seen.pods.iter().find(|pod| owner(pod) == Some(uid(workload)));
    let spec = pod.map_or(&workload["spec"]["template"]["spec"], |pod| &pod["spec"]);
    template(seen, spec, min_ready, !seen.killed.contains(uid(workload)))
}

/// A StatefulSet, whose template is added.
fn stateful_set(
    seen: &Seen<'_>,
    set: &Value,
    config: &mut ClusterConfig,
) -> Result<StatefulSetConfig, NotModelled> {
    if set["spec"]["minReadySeconds"].as_u64().unwrap_or(0) > 0 {
        return Err(format!("minReadySeconds of a StatefulSet ({})", name(set)));
    }
    let template_id = TemplateId(config.templates.len() as u8);
    config.templates.push(template_of(seen, set, 0)?);
    let replicas = set["spec"]["replicas"].as_u64().unwrap_or(1).min(255) as u8;
    let taken: u8 = config.stateful_sets.iter().map(|set| set.identities).sum();
    if usize::from(taken) + usize::from(replicas) > NameSet::CAPACITY - PodSet::CAPACITY {
        return Err("more identities of StatefulSets than there is room for".to_string());
    }
    Ok(StatefulSetConfig {
        first_volume: VolumeId(0),
        claims: 0,
        name: name(set).to_string(),
        template: template_id,
        replicas,
        ordered: set["spec"]["podManagementPolicy"] != "Parallel",
        first_name: PodName(PodName::FIRST_RECURRING.0 + taken),
        identities: replicas,
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
    let template_id = TemplateId(config.templates.len() as u8);
    let template = template_of(seen, object, 0)?;
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
        volumes: VolumeSet::EMPTY,
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
        selected: nodes.map(|(_, id)| id).collect(),
        container: container["name"].as_str().unwrap_or_default().to_string(),
        image: container["image"].as_str().unwrap_or_default().to_string(),
        ends_on_sigterm,
        priority: spec["priority"].as_i64().unwrap_or(0) as i32,
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
