//! What was there when a history began: nothing but nodes and new workloads, or a cluster at rest
//! with its pods.

use models::config::{ClusterConfig, Start};
use models::ids::NodeId;
use models::objects::{
    DaemonSetStatus, DeploymentStatus, JobStatus, Object, Owner, ReplicaSetStatus,
    StatefulSetStatus,
};
use serde_json::Value;

use crate::conform::derive::{self, WorkloadId, Workloads};
use crate::conform::facts::{
    Bindings, DeploymentFacts, Facts, JobFacts, NotModelled, PodFacts, ReplicaSetFacts,
};
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::Cluster;

/// The objects of the beginning.
#[derive(Debug, Default)]
pub struct Begin {
    /// Pods that were there, with their owners and names.
    pub pods: Vec<(Owner, String, PodFacts)>,
    /// What workloads said.
    pub workloads: Vec<Facts>,
}

/// Whether a recorded pod is one of the model's: of a workload that it has, or of nobody.
pub fn is_modelled(workloads: &Workloads, pod: &Value) -> bool {
    derive::controller(pod)
        .is_none_or(|owner| owner["uid"].as_str().is_some_and(|uid| workloads.contains_key(uid)))
}

/// The owner of a recorded pod that has a node; none if the model does not have it.
pub fn owner(workloads: &Workloads, pod: &Value, node: NodeId) -> Option<Owner> {
    let Some(controller) = derive::controller(pod) else { return Some(Owner::None) };
    match *workloads.get(controller["uid"].as_str()?)? {
        WorkloadId::ReplicaSet(id) => Some(Owner::ReplicaSet(id)),
        WorkloadId::StatefulSet(id) => Some(Owner::StatefulSet(id)),
        WorkloadId::Job(id) => Some(Owner::Job(id)),
        WorkloadId::DaemonSet(id) => Some(Owner::DaemonSet(id, node)),
        WorkloadId::Deployment(_) => None,
    }
}

impl Begin {
    /// Makes it the start of the model, which knows clusters at rest only.
    pub fn settle(
        mut self,
        config: &mut ClusterConfig,
        bound: &mut Bindings,
    ) -> Result<(), NotModelled> {
        // Identities are placed in the order of their ordinals.
        self.pods.sort_by_key(|(owner, _, pod)| (*owner, pod.identity));
        let at_rest = !self.pods.is_empty();
        if at_rest {
            config.start = Start::Placed(self.placed()?);
        }
        let system = StarSystem(Cluster { config: config.clone() });
        let states = system.initial_states();
        let api = system.0.view(&states[0]).api();
        for pod in api.pods.iter().filter(|_| at_rest) {
            let at = self.pods.iter().position(|(owner, _, facts)| {
                *owner == pod.owner
                    && facts.node == pod.node
                    && (pod.name.slot().is_some() || facts.identity == Some(pod.name))
            });
            let Some(at) = at else {
                return Err("a history that begins with fewer pods than are wanted".to_string());
            };
            let (_, name, facts) = self.pods.remove(at);
            bound.added(pod.uid.0, facts.uid);
            if !bound.pod_is(pod, &facts) {
                return Err(format!("a history that begins before pod {name} is at rest"));
            }
        }
        if let Some((_, name, _)) = self.pods.first() {
            return Err(format!("a history that begins with a surplus pod ({name})"));
        }
        let stored = (api.replica_sets.iter().copied().map(Object::ReplicaSet))
            .chain(api.deployments.iter().copied().map(Object::Deployment))
            .chain(api.stateful_sets.iter().copied().map(Object::StatefulSet))
            .chain(api.jobs.iter().copied().map(Object::Job))
            .chain(api.daemon_sets.iter().copied().map(Object::DaemonSet));
        for object in stored {
            if !self.workloads.iter().all(|facts| agrees(&object, facts)) {
                return Err("a workload that is not at rest when the history begins".to_string());
            }
        }
        Ok(())
    }

    fn placed(&self) -> Result<Vec<(Owner, Vec<NodeId>)>, NotModelled> {
        let mut placed: Vec<(Owner, Vec<NodeId>)> = Vec::new();
        for (owner, name, pod) in &self.pods {
            let Some(node) = pod.node else {
                return Err(format!("a history that begins before pod {name} has a node"));
            };
            match placed.iter_mut().find(|(known, _)| known == owner) {
                Some((_, nodes)) => nodes.push(node),
                None => placed.push((*owner, vec![node])),
            }
        }
        Ok(placed)
    }
}

/// Whether the first sight of a workload, if it is this one, says what the model's start says.
fn agrees(object: &Object, facts: &Facts) -> bool {
    match (object, facts) {
        (Object::ReplicaSet(set), Facts::ReplicaSet(id, facts)) => {
            set.id != *id || ReplicaSetFacts::from(set) == *facts
        }
        (Object::Deployment(set), Facts::Deployment(id, facts)) => {
            set.id != *id || DeploymentFacts::from(set) == *facts
        }
        (Object::StatefulSet(set), Facts::StatefulSet(id, status)) => {
            set.id != *id || set.status == *status
        }
        (Object::Job(job), Facts::Job(id, facts)) => {
            job.id != *id || JobFacts::from(&job.status) == *facts
        }
        (Object::DaemonSet(set), Facts::DaemonSet(id, status)) => {
            set.id != *id || set.status == *status
        }
        _ => true,
    }
}

/// Whether a workload that is new says nothing yet.
pub fn is_new(facts: &Facts) -> bool {
    match facts {
        Facts::ReplicaSet(_, facts) => facts.status == ReplicaSetStatus::default(),
        Facts::Deployment(_, facts) => facts.status == DeploymentStatus::default(),
        Facts::StatefulSet(_, status) => *status == StatefulSetStatus::default(),
        Facts::Job(_, facts) => *facts == JobFacts::from(&JobStatus::default()),
        Facts::DaemonSet(_, status) => *status == DaemonSetStatus::default(),
        Facts::Pod(_) | Facts::Node(_) => false,
    }
}
