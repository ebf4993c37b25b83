//! What was there when a history began: nothing but nodes and new workloads, a cluster at rest with
//! its pods, or one in the [middle](crate::conform::middle) of things.

use models::config::{ClusterConfig, Start};
use models::ids::{JobId, NodeId};
use models::objects::{
    DaemonSetStatus, DeploymentStatus, JobStatus, Object, Owner, ReplicaSetStatus,
    StatefulSetStatus,
};
use serde_json::Value;

use crate::conform::derive::{self, WorkloadId, Workloads};
use crate::conform::facts::{
    Bindings, DeploymentFacts, Facts, JobFacts, NodeFacts, NotModelled, PodFacts, ReplicaSetFacts,
    Symbol,
};
use crate::conform::middle::Middle;
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::Cluster;

/// A pod of the beginning.
#[derive(Clone, Debug)]
pub struct FirstPod {
    /// Its owner.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// `metadata.creationTimestamp`.
    pub created: String,
    /// Which of the pods without an owner it is, if it has none.
    pub bare: Option<u8>,
    /// What is compared of it.
    pub facts: PodFacts,
}

/// The objects of the beginning.
#[derive(Debug, Default)]
pub struct Begin {
    /// Pods that were there.
    pub pods: Vec<FirstPod>,
    /// Whether pods without an owner come later.
    pub later_pods: bool,
    /// Nodes that were there.
    pub nodes: Vec<NodeFacts>,
    /// What workloads said.
    pub workloads: Vec<Facts>,
    /// Pods that Jobs had still to count, succeeded and failed.
    pub uncounted: Vec<(JobId, [Vec<Symbol>; 2])>,
}

/// Whether a recorded pod is one of the model's: of a workload that it has, or of nobody.
pub fn is_modelled(workloads: &Workloads, pod: &Value) -> bool {
    derive::controller(pod)
        .is_none_or(|owner| owner["uid"].as_str().is_some_and(|uid| workloads.contains_key(uid)))
}

/// The owner of a recorded pod; none if the model does not have it, or cannot tell which it is.
pub fn owner(workloads: &Workloads, pod: &Value, node: Option<NodeId>) -> Option<Owner> {
    let Some(controller) = derive::controller(pod) else { return Some(Owner::None) };
    match *workloads.get(controller["uid"].as_str()?)? {
        WorkloadId::ReplicaSet(id) => Some(Owner::ReplicaSet(id)),
        WorkloadId::StatefulSet(id) => Some(Owner::StatefulSet(id)),
        WorkloadId::Job(id) => Some(Owner::Job(id)),
        WorkloadId::DaemonSet(id) => Some(Owner::DaemonSet(id, node?)),
        WorkloadId::Deployment(_) => None,
    }
}

impl Begin {
    /// Makes it the start of the model: a cluster at rest if it can be one, else what is returned.
    pub fn settle(
        self,
        config: &mut ClusterConfig,
        bound: &mut Bindings,
    ) -> Result<Option<Middle>, NotModelled> {
        let mut rests = (config.clone(), bound.clone());
        if self.is_at_rest(&mut rests.0, &mut rests.1) {
            (*config, *bound) = rests;
            return Ok(None);
        }
        if !self.pods.is_empty() {
            config.start = Start::Placed(self.placed());
        }
        Middle::new(self, config, bound).map(Some)
    }

    /// Whether the model has such a start of its own.
    fn is_at_rest(&self, config: &mut ClusterConfig, bound: &mut Bindings) -> bool {
        if !self.pods.is_empty() {
            config.start = Start::Placed(self.placed());
        }
        // Identities are placed in the order of their ordinals.
        let mut pods: Vec<&FirstPod> = self.pods.iter().collect();
        pods.sort_by_key(|pod| (pod.owner, pod.facts.identity));
        let system = StarSystem(Cluster { config: config.clone() });
        let states = system.initial_states();
        let api = system.0.view(&states[0]).api();
        let nodes_rest = self.nodes.iter().all(|facts| {
            let stored = api.node(facts.node);
            stored.is_some_and(|node| bound.clone().node_is(node, facts))
        });
        for pod in api.pods.iter().filter(|_| !self.pods.is_empty()) {
            let at = pods.iter().position(|first| {
                first.owner == pod.owner
                    && first.facts.node == pod.node
                    && (pod.name.slot().is_some() || first.facts.identity == Some(pod.name))
            });
            let Some(first) = at.map(|at| pods.remove(at)) else { return false };
            bound.added(pod.uid.0, first.facts.uid);
            if !bound.pod_is(pod, &first.facts) {
                return false;
            }
        }
        let stored = (api.replica_sets.iter().copied().map(Object::ReplicaSet))
            .chain(api.deployments.iter().copied().map(Object::Deployment))
            .chain(api.stateful_sets.iter().copied().map(Object::StatefulSet))
            .chain(api.jobs.iter().copied().map(Object::Job))
            .chain(api.daemon_sets.iter().copied().map(Object::DaemonSet));
        let agree = |object: Object| self.workloads.iter().all(|facts| agrees(&object, facts));
        nodes_rest && pods.is_empty() && stored.into_iter().all(agree)
    }

    /// Where the pods of each owner are.
    fn placed(&self) -> Vec<(Owner, Vec<NodeId>)> {
        let mut placed: Vec<(Owner, Vec<NodeId>)> = Vec::new();
        let mut pods: Vec<&FirstPod> = self.pods.iter().collect();
        pods.sort_by_key(|pod| (pod.owner, pod.facts.identity));
        for FirstPod { owner, facts, .. } in pods {
            let Some(node) = facts.node else { continue };
            match placed.iter_mut().find(|(known, _)| known == owner) {
                Some((_, nodes)) => nodes.push(node),
                None => placed.push((*owner, vec![node])),
            }
        }
        placed
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
