//! Runs of the model, written down as a cluster's watch would record them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use models::config::{ClusterConfig, Effect};
use models::ids::{NodeId, PodUid, TaintSet, TemplateId};
use models::objects::{
    ContainerState, Deployment, EventType, Node, NodeReady, Object, Owner, Pod, PodReady,
    ReplicaSet, StatefulSet, WatchEvent,
};
use node_recovery::conform::source::LogFile;

/// Writes a log.
pub struct Writer<'a> {
    config: &'a ClusterConfig,
    version: u64,
    /// How many pods each slot has had.
    pods: BTreeMap<u8, u32>,
    text: String,
}

impl<'a> Writer<'a> {
    /// A log that begins with these objects.
    pub fn new(config: &'a ClusterConfig, start: &[Object]) -> Self {
        let mut writer = Writer { config, version: 1, pods: BTreeMap::new(), text: String::new() };
        for object in start {
            writer.line("ADDED", object, true);
        }
        writer
    }

    /// Writes an event down.
    pub fn event(&mut self, event: &WatchEvent) {
        let kind = match event.kind {
            EventType::Added => "ADDED",
            EventType::Modified => "MODIFIED",
            EventType::Deleted => "DELETED",
        };
        if let (Object::Pod(pod), EventType::Added) = (event.object, event.kind) {
            *self.pods.entry(pod.uid.0).or_default() += 1;
        }
        self.line(kind, &event.object, false);
    }

    /// Writes down that a fault strikes.
    pub fn fault(&mut self, words: &str) {
        self.text += &format!("{}\n", json!({ "type": "FAULT", "event": words }));
    }

    /// The log.
    pub fn finish(self) -> LogFile {
        LogFile { name: "generated".to_string(), text: self.text }
    }

    fn line(&mut self, kind: &str, object: &Object, initial: bool) {
        self.version += 1;
        let mut written = match object {
            Object::Pod(pod) => self.pod(pod),
            Object::Node(node) => self.node(node),
            Object::ReplicaSet(set) => self.replica_set(set),
            Object::Deployment(set) => self.deployment(set),
            Object::StatefulSet(set) => self.stateful_set(set),
            Object::DaemonSet(_) | Object::Job(_) | Object::VolumeAttachment(_) => return,
        };
        written["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let mut line = json!({ "type": kind, "object": written });
        if initial {
            line["initial"] = json!(true);
        }
        self.text += &format!("{line}\n");
    }

    fn uid(&self, uid: PodUid) -> String {
        format!("{}-{}", uid.0, self.pods.get(&uid.0).copied().unwrap_or(0))
    }

    fn taints(&self, set: TaintSet) -> Vec<Value> {
        let taint = |id: models::ids::TaintId| {
            let taint = &self.config.taints[id.0 as usize];
            json!({ "key": taint.key, "value": taint.value, "effect": format!("{:?}", taint.effect) })
        };
        set.iter().map(taint).collect()
    }

    fn node(&self, node: &Node) -> Value {
        let config = &self.config.nodes[node.id.0 as usize];
        let (status, reason) = match node.ready {
            NodeReady::True => ("True", "KubeletReady"),
            NodeReady::False => ("False", "KubeletNotReady"),
            NodeReady::Unknown => ("Unknown", "NodeStatusUnknown"),
        };
        json!({
            "kind": "Node",
            "metadata": { "name": config.name, "uid": config.name },
            "spec": { "taints": self.taints(node.taints), "unschedulable": node.unschedulable },
            "status": {
                "conditions": [{ "type": "Ready", "status": status, "reason": reason }],
                "nodeInfo": {
                    "bootID": format!("{}-{}", config.name, node.boot),
                    "kubeletVersion": format!("v{}.0", self.config.version),
                },
            },
        })
    }

    fn spec(&self, id: TemplateId, node: Option<NodeId>) -> Value {
        let template = self.config.template(id);
        let tolerations = template.tolerations.iter().map(|toleration| {
            json!({
                "key": toleration.key,
                "operator": if toleration.value.is_none() { "Exists" } else { "Equal" },
                "value": toleration.value,
                "effect": toleration.effect.map(|effect: Effect| format!("{effect:?}")),
                "tolerationSeconds": toleration.seconds,
            })
        });
        json!({
            "nodeName": node.map(|node| self.config.nodes[node.0 as usize].name.clone()),
            "tolerations": tolerations.collect::<Vec<_>>(),
            "terminationGracePeriodSeconds": template.grace.0,
            "containers": [{ "name": template.container, "image": template.image }],
        })
    }

    fn pod(&self, pod: &Pod) -> Value {
        let uid = self.uid(pod.uid);
        let owners = match pod.owner {
            Owner::ReplicaSet(id) => {
                let name = &self.config.replica_sets[id.0 as usize].name;
                json!([{ "kind": "ReplicaSet", "name": name, "uid": name }])
            }
            Owner::StatefulSet(id) => {
                let name = &self.config.stateful_sets[id.0 as usize].name;
                json!([{ "kind": "StatefulSet", "name": name, "uid": name }])
            }
            _ => json!([]),
        };
        let name = match self.config.identity(pod.name) {
            Some((set, ordinal)) => {
                format!("{}-{ordinal}", self.config.stateful_sets[set.0 as usize].name)
            }
            None => format!("pod-{uid}"),
        };
        let mut conditions = Vec::new();
        if pod.status.ready != PodReady::Absent {
            let ready = if pod.status.ready.is_true() { "True" } else { "False" };
            conditions.push(json!({ "type": "Ready", "status": ready }));
        }
        if let Some(reason) = pod.disruption_target {
            let reason = format!("{reason:?}");
            conditions
                .push(json!({ "type": "DisruptionTarget", "status": "True", "reason": reason }));
        }
        let state = match pod.status.container {
            ContainerState::Absent => Value::Null,
            ContainerState::Creating => json!({ "waiting": { "reason": "ContainerCreating" } }),
            ContainerState::Running => json!({ "running": {} }),
            ContainerState::Terminated(exit) => {
                json!({ "terminated": { "reason": exit.reason(), "exitCode": exit.code() } })
            }
        };
        let containers = match state {
            Value::Null => json!([]),
            state => json!([{ "state": state, "restartCount": pod.status.restart_count }]),
        };
        let mut written = json!({
            "kind": "Pod",
            "metadata": { "name": name, "uid": uid, "ownerReferences": owners },
            "spec": self.spec(pod.template, pod.node),
            "status": {
                "phase": format!("{:?}", pod.status.phase),
                "reason": pod.status.reason.map(|reason| format!("{reason:?}")),
                "conditions": conditions,
                "containerStatuses": containers,
                "podIP": pod.status.ip.map(|ip| format!("{uid}/{ip}")),
            },
        });
        if let Some(grace) = pod.deletion {
            written["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            written["metadata"]["deletionGracePeriodSeconds"] = json!(grace.0);
        }
        written
    }

    fn replica_set(&self, set: &ReplicaSet) -> Value {
        let config = &self.config.replica_sets[set.id.0 as usize];
        let owner = set.owner.map(|owner| {
            let name = &self.config.deployments[owner.0 as usize].name;
            json!({ "kind": "Deployment", "name": name, "uid": format!("{name}-deployment") })
        });
        json!({
            "kind": "ReplicaSet",
            "metadata": {
                "name": config.name,
                "uid": config.name,
                "ownerReferences": owner.into_iter().collect::<Vec<_>>(),
            },
            "spec": {
                "replicas": set.replicas,
                "template": { "spec": self.spec(config.template, None) },
            },
            "status": {
                "replicas": set.status.replicas,
                "readyReplicas": set.status.ready,
                "availableReplicas": set.status.available,
                "terminatingReplicas": set.status.terminating,
            },
        })
    }

    fn deployment(&self, set: &Deployment) -> Value {
        let config = &self.config.deployments[set.id.0 as usize];
        let template = self.config.replica_sets[config.replica_set.0 as usize].template;
        json!({
            "kind": "Deployment",
            "metadata": { "name": config.name, "uid": format!("{}-deployment", config.name) },
            "spec": {
                "replicas": set.replicas,
                "template": { "spec": self.spec(template, None) },
            },
            "status": {
                "replicas": set.status.replicas,
                "updatedReplicas": set.status.updated,
                "readyReplicas": set.status.ready,
                "availableReplicas": set.status.available,
                "terminatingReplicas": set.status.terminating,
            },
        })
    }

    fn stateful_set(&self, set: &StatefulSet) -> Value {
        let config = &self.config.stateful_sets[set.id.0 as usize];
        json!({
            "kind": "StatefulSet",
            "metadata": { "name": config.name, "uid": config.name },
            "spec": {
                "replicas": set.replicas,
                "template": { "spec": self.spec(config.template, None) },
                "podManagementPolicy": if config.ordered { "OrderedReady" } else { "Parallel" },
            },
            "status": {
                "replicas": set.status.replicas,
                "readyReplicas": set.status.ready,
                "availableReplicas": set.status.available,
                "currentReplicas": set.status.current,
            },
        })
    }
}
