//! The watch caches of one process. All controllers of the controller manager share them.
//!
//! Upstream: `client-go/tools/cache`. An event updates the cache and marks keys dirty; it never
//! carries work itself.

use crate::ids::{NodeId, PodName, PodSet, PodUid};
use crate::objects::{
    DaemonSet, Deployment, EventType, Job, Node, Object, Pod, ReplicaSet, StatefulSet, WatchEvent,
};
use crate::requests::Listing;

/// Copies of stored objects, as old as the watch streams are behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InformerCache {
    /// Pods, oldest first.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// StatefulSets.
    pub stateful_sets: Vec<StatefulSet>,
    /// DaemonSets.
    pub daemon_sets: Vec<DaemonSet>,
    /// Jobs.
    pub jobs: Vec<Job>,
}

impl From<Listing> for InformerCache {
    fn from(listing: Listing) -> Self {
        let Listing { pods, nodes, replica_sets, deployments, stateful_sets, daemon_sets, jobs } =
            listing;
        InformerCache { pods, nodes, replica_sets, deployments, stateful_sets, daemon_sets, jobs }
    }
}

impl InformerCache {
    /// A cached pod by uid.
    pub fn pod(&self, uid: PodUid) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.uid == uid)
    }

    /// A cached pod by name.
    pub fn pod_named(&self, name: PodName) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// A cached node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Cached pods bound to a node.
    pub fn pods_on(&self, node: NodeId) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| pod.node == Some(node))
    }

    /// Uids that the cache names.
    pub fn mentions(&self) -> PodSet {
        let pods: PodSet = self.pods.iter().map(|pod| pod.uid).collect();
        self.jobs.iter().fold(pods, |all, job| all.union(job.status.uncounted()))
    }

    /// Applies an event. The pod as it was in the cache before, if it is about a pod.
    pub fn apply(&mut self, event: &WatchEvent) -> Option<Pod> {
        match event.object {
            Object::Pod(pod) => {
                let at = self.pods.iter().position(|old| old.uid == pod.uid);
                match (at, event.kind) {
                    (Some(at), EventType::Deleted) => Some(self.pods.remove(at)),
                    (Some(at), _) => Some(std::mem::replace(&mut self.pods[at], pod)),
                    (None, EventType::Deleted) => None,
                    (None, _) => {
                        self.pods.push(pod);
                        None
                    }
                }
            }
            Object::Node(node) => {
                let at = self.nodes.partition_point(|old| old.id < node.id);
                let known = self.nodes.get(at).is_some_and(|old| old.id == node.id);
                match (known, event.kind) {
                    (true, EventType::Deleted) => drop(self.nodes.remove(at)),
                    (true, _) => self.nodes[at] = node,
                    (false, EventType::Deleted) => {}
                    (false, _) => self.nodes.insert(at, node),
                }
                None
            }
            Object::ReplicaSet(set) => {
                self.replica_sets[set.id.0 as usize] = set;
                None
            }
            Object::Deployment(deployment) => {
                self.deployments[deployment.id.0 as usize] = deployment;
                None
            }
            Object::Job(job) => {
                self.jobs[job.id.0 as usize] = job;
                None
            }
            Object::StatefulSet(set) => {
                self.stateful_sets[set.id.0 as usize] = set;
                None
            }
            Object::DaemonSet(set) => {
                self.daemon_sets[set.id.0 as usize] = set;
                None
            }
        }
    }
}
