//! The watch caches of one process. All controllers of the controller manager share them.
//!
//! Upstream: `client-go/tools/cache`. An event updates the cache and marks keys dirty; it never
//! carries work itself.

use crate::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, PodName, PodSet, PodUid, ReplicaSetId, StatefulSetId,
};
use crate::objects::{
    DaemonSet, Deployment, EventType, Finalizer, Job, Node, Object, Pod, ReplicaSet, StatefulSet,
    VolumeAttachment, WatchEvent, Workload,
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
    /// VolumeAttachments.
    pub attachments: Vec<VolumeAttachment>,
}

impl From<Listing> for InformerCache {
    fn from(listing: Listing) -> Self {
        let Listing {
            pods,
            nodes,
            replica_sets,
            deployments,
            stateful_sets,
            daemon_sets,
            jobs,
            attachments,
        } = listing;
        InformerCache {
            pods,
            nodes,
            replica_sets,
            deployments,
            stateful_sets,
            daemon_sets,
            jobs,
            attachments,
        }
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

    /// A cached StatefulSet.
    pub fn stateful_set(&self, id: StatefulSetId) -> Option<&StatefulSet> {
        self.stateful_sets.iter().find(|set| set.id == id)
    }

    /// A cached DaemonSet.
    pub fn daemon_set(&self, id: DaemonSetId) -> Option<&DaemonSet> {
        self.daemon_sets.iter().find(|set| set.id == id)
    }

    /// A cached Job.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// What keeps a cached workload stored, if it is being deleted; nothing if it is not cached.
    pub fn finalizer(&self, workload: Workload) -> Option<Option<Finalizer>> {
        match workload {
            Workload::ReplicaSet(id) => self.replica_set(id).map(|set| set.finalizer),
            Workload::Deployment(id) => self.deployment(id).map(|stored| stored.finalizer),
            Workload::StatefulSet(id) => self.stateful_set(id).map(|set| set.finalizer),
            Workload::DaemonSet(id) => self.daemon_set(id).map(|set| set.finalizer),
            Workload::Job(id) => self.job(id).map(|job| job.finalizer),
        }
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
                let at = self.nodes.binary_search_by_key(&node.id, |old| old.id);
                put(&mut self.nodes, at, event.kind, node);
                None
            }
            Object::ReplicaSet(set) => {
                let at = self.replica_sets.binary_search_by_key(&set.id, |old| old.id);
                put(&mut self.replica_sets, at, event.kind, set);
                None
            }
            Object::Deployment(deployment) => {
                let at = self.deployments.binary_search_by_key(&deployment.id, |old| old.id);
                put(&mut self.deployments, at, event.kind, deployment);
                None
            }
            Object::Job(job) => {
                let at = self.jobs.binary_search_by_key(&job.id, |old| old.id);
                put(&mut self.jobs, at, event.kind, job);
                None
            }
            Object::StatefulSet(set) => {
                let at = self.stateful_sets.binary_search_by_key(&set.id, |old| old.id);
                put(&mut self.stateful_sets, at, event.kind, set);
                None
            }
            Object::DaemonSet(set) => {
                let at = self.daemon_sets.binary_search_by_key(&set.id, |old| old.id);
                put(&mut self.daemon_sets, at, event.kind, set);
                None
            }
            Object::VolumeAttachment(attachment) => {
                let at = self.attachments.binary_search(&attachment);
                put(&mut self.attachments, at, event.kind, attachment);
                None
            }
        }
    }
}

/// What is at this place is replaced, or goes; what is not there comes in.
fn put<T>(list: &mut Vec<T>, at: Result<usize, usize>, kind: EventType, object: T) {
    match (at, kind) {
        (Ok(at), EventType::Deleted) => {
            list.remove(at);
        }
        (Ok(at), _) => list[at] = object,
        (Err(_), EventType::Deleted) => {}
        (Err(at), _) => list.insert(at, object),
    }
}
