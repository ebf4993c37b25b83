//! The watch caches of one process. All controllers of the controller manager share them.
//!
//! Upstream: `client-go/tools/cache`. An event updates the cache and marks keys dirty; it never
//! carries work itself.

use crate::ids::{DeploymentId, NodeId, PodName, PodSet, PodUid, ReplicaSetId};
use crate::objects::{Deployment, EventType, Node, Object, Pod, ReplicaSet, WatchEvent};
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
}

impl From<Listing> for InformerCache {
    fn from(listing: Listing) -> Self {
        let Listing { pods, nodes, replica_sets, deployments } = listing;
        InformerCache { pods, nodes, replica_sets, deployments }
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

    /// A cached ReplicaSet.
    pub fn replica_set(&self, id: ReplicaSetId) -> Option<&ReplicaSet> {
        self.replica_sets.iter().find(|set| set.id == id)
    }

    /// A cached Deployment.
    pub fn deployment(&self, id: DeploymentId) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }

    /// Cached pods bound to a node.
    pub fn pods_on(&self, node: NodeId) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| pod.node == Some(node))
    }

    /// Uids that the cache names.
    pub fn mentions(&self) -> PodSet {
        self.pods.iter().map(|pod| pod.uid).collect()
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
                match self.nodes.iter_mut().find(|old| old.id == node.id) {
                    Some(old) => *old = node,
                    None => self.nodes.push(node),
                }
                None
            }
            Object::ReplicaSet(set) => {
                let at = self.replica_sets.binary_search_by_key(&set.id, |old| old.id);
                match at {
                    Ok(at) => self.replica_sets[at] = set,
                    Err(at) => self.replica_sets.insert(at, set),
                }
                None
            }
            Object::Deployment(deployment) => {
                let at = self.deployments.binary_search_by_key(&deployment.id, |old| old.id);
                match at {
                    Ok(at) => self.deployments[at] = deployment,
                    Err(at) => self.deployments.insert(at, deployment),
                }
                None
            }
        }
    }
}
