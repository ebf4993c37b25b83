//! The API server and etcd: one linearised store (ST-1 … ST-9, ST-12).
//!
//! Upstream: `apiserver/pkg/registry/rest/{delete,update}.go`,
//! `apiserver/pkg/registry/generic/registry/store.go`, `pkg/registry/core/pod/strategy.go`,
//! `pkg/registry/core/pod/storage/storage.go`.
//!
//! Left out: finalizers of pods but for that of Jobs (ST-7), API server crashes and lagging
//! replicas, admission webhooks,
//! write errors.

use crate::config::{ClusterConfig, NOT_READY_NO_SCHEDULE, RestartPolicy};
use crate::disruption;
use crate::effects::Effects;
use crate::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, PodName, PodSet, PodUid, ReplicaSetId, Seconds,
    StatefulSetId, TaintSet, VolumeSet,
};
use crate::objects::{
    ContainerState, DaemonSet, Deployment, DisruptionReason, EventType, Finalizer, Job, Node,
    NodeReady, Object, Owner, Phase, Pod, PodReady, PodStatus, ReplicaSet, StatefulSet,
    VolumeAttachment, WatchEvent, Workload,
};
use crate::requests::{Listing, Reply, Request};
use crate::rules::Rule;

mod workloads;

/// What etcd holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiServer {
    /// Pods in the order of their creation: age is this order.
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
    /// VolumeAttachments, by volume and node.
    pub attachments: Vec<VolumeAttachment>,
    /// Pods with grace 0 whose second write, the removal of the key, is still to come (ST-2).
    pub removing: PodSet,
}

impl ApiServer {
    /// The pod with this uid.
    pub fn pod(&self, uid: PodUid) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.uid == uid)
    }

    /// The pod that holds this name.
    pub fn pod_named(&self, name: PodName) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// A ReplicaSet.
    pub fn replica_set(&self, id: ReplicaSetId) -> Option<&ReplicaSet> {
        self.replica_sets.iter().find(|set| set.id == id)
    }

    /// A Deployment.
    pub fn deployment(&self, id: DeploymentId) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }

    /// A StatefulSet.
    pub fn stateful_set(&self, id: StatefulSetId) -> Option<&StatefulSet> {
        self.stateful_sets.iter().find(|set| set.id == id)
    }

    /// A DaemonSet.
    pub fn daemon_set(&self, id: DaemonSetId) -> Option<&DaemonSet> {
        self.daemon_sets.iter().find(|set| set.id == id)
    }

    /// A Job.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// `spec.replicas` of a workload, if it is there and has such a thing.
    pub fn replicas(&self, workload: Workload) -> Option<u8> {
        match workload {
            Workload::ReplicaSet(id) => self.replica_set(id).map(|set| set.replicas),
            Workload::Deployment(id) => self.deployment(id).map(|stored| stored.replicas),
            Workload::StatefulSet(id) => self.stateful_set(id).map(|set| set.replicas),
            Workload::DaemonSet(_) | Workload::Job(_) => None,
        }
    }

    /// What keeps a workload stored, if it is being deleted; nothing if it is not there.
    pub fn finalizer(&self, workload: Workload) -> Option<Option<Finalizer>> {
        match workload {
            Workload::ReplicaSet(id) => self.replica_set(id).map(|set| set.finalizer),
            Workload::Deployment(id) => self.deployment(id).map(|stored| stored.finalizer),
            Workload::StatefulSet(id) => self.stateful_set(id).map(|set| set.finalizer),
            Workload::DaemonSet(id) => self.daemon_set(id).map(|set| set.finalizer),
            Workload::Job(id) => self.job(id).map(|job| job.finalizer),
        }
    }

    /// Uids that the store itself names.
    pub fn mentions(&self) -> PodSet {
        let pods: PodSet = self.pods.iter().map(|pod| pod.uid).collect();
        self.jobs.iter().fold(pods, |all, job| all.union(job.status.uncounted()))
    }

    /// The consistent first list of the control plane's informers (ST-13 on 1.35 and later).
    pub fn list(&self) -> Listing {
        Listing {
            pods: self.pods.clone(),
            nodes: self.nodes.clone(),
            replica_sets: self.replica_sets.clone(),
            deployments: self.deployments.clone(),
            stateful_sets: self.stateful_sets.clone(),
            daemon_sets: self.daemon_sets.clone(),
            jobs: self.jobs.clone(),
            attachments: self.attachments.clone(),
        }
    }

    /// The volumes that are attached to a node.
    pub fn attached(&self, node: NodeId) -> VolumeSet {
        let own = self.attachments.iter().filter(|attachment| attachment.node == node);
        own.map(|attachment| attachment.volume).collect()
    }

    /// Serves one request. `fresh` is the uid that a created pod gets: one that nothing names.
    pub fn serve(
        &mut self,
        config: &ClusterConfig,
        request: &Request,
        fresh: Option<PodUid>,
        fx: &mut Effects,
    ) -> Reply {
        match *request {
            Request::CreatePod { owner, template, name } => {
                if name.is_some_and(|name| self.pod_named(name).is_some()) {
                    fx.rule(Rule::Ss3);
                    return Reply::AlreadyExists;
                }
                let Some(uid) = fresh else {
                    return fx.unhandled("a pod was created without a free uid");
                };
                let pod = Pod {
                    uid,
                    name: name.unwrap_or(PodName::generated(uid)),
                    owner,
                    template,
                    node: config.template(template).node_name,
                    deletion: None,
                    tracked: matches!(owner, Owner::Job(_)),
                    disruption_target: None,
                    status: PodStatus::NEW,
                };
                fx.rule(Rule::Ad1);
                self.pods.push(pod);
                fx.publish(EventType::Added, Object::Pod(pod));
                Reply::Pod(pod)
            }
            Request::BindPod { name, uid, node } => self.bind(name, uid, node, fx),
            Request::GetPod { name } => match self.pod_named(name) {
                Some(pod) => Reply::Pod(*pod),
                None => Reply::NotFound,
            },
            Request::GetNode { node } => match self.node(node) {
                Some(node) => Reply::Node(*node),
                None => Reply::NotFound,
            },
            Request::PatchPodStatus { name, uid, seen, status, disruption } => {
                fx.rule(Rule::St8);
                self.write_pod(name, Some(uid), fx, |pod| {
                    pod.status = pod.status.patched(&seen, &status);
                    pod.disruption_target = disruption.or(pod.disruption_target);
                })
            }
            Request::PutPodNotReady { seen } => {
                if self.pod_named(seen.name) != Some(&seen) {
                    return self.missing_or_conflict(seen.name);
                }
                self.write_pod(seen.name, Some(seen.uid), fx, |pod| {
                    pod.status.ready = PodReady::False
                })
            }
            Request::PatchPodDisruption { name, uid, reason } => {
                self.write_pod(name, uid, fx, |pod| pod.disruption_target = Some(reason))
            }
            Request::PatchPodFailed { name, uid, disruption } => {
                self.write_pod(name, uid, fx, |pod| {
                    pod.status.phase = Phase::Failed;
                    pod.disruption_target = disruption.or(pod.disruption_target);
                })
            }
            Request::EvictPod { name } => self.evict(config, name, fx),
            Request::DeletePod { name, uid, grace } => self.delete(config, name, uid, grace, fx),
            Request::ListPodsOfNode { node } => {
                fx.rule(Rule::St12);
                let pods = self.pods.iter().filter(|pod| pod.node == Some(node)).copied().collect();
                let taints = self.node(node).map_or(TaintSet::EMPTY, |node| node.taints);
                Reply::Pods(pods, config.refusing(taints))
            }
            Request::RegisterNode { node, boot } => self.register(config, node, boot, fx),
            Request::DeleteNode { node } => {
                match self.nodes.iter().position(|stored| stored.id == node) {
                    None => Reply::NotFound,
                    Some(at) => {
                        let node = self.nodes.remove(at);
                        fx.publish(EventType::Deleted, Object::Node(node));
                        Reply::Done
                    }
                }
            }
            Request::PatchNodeStatus { node, ready, boot, in_use } => {
                self.write_node(node, fx, |node| {
                    node.ready = ready;
                    node.boot = boot;
                    node.in_use = in_use.unwrap_or(node.in_use);
                })
            }
            Request::PatchVolumesAttached { node, seen, attached } => {
                self.write_node(node, fx, |node| {
                    if seen != attached {
                        node.attached = attached;
                    }
                })
            }
            Request::GetAttachedVolumes { node } => match self.node(node) {
                Some(stored) => Reply::Volumes(stored.attached.intersection(self.attached(node))),
                None => Reply::NotFound,
            },
            Request::CreateVolumeAttachment { attachment } => self.attach(attachment, fx),
            Request::DeleteVolumeAttachment { attachment } => self.detach(attachment, fx),
            Request::PutNodeUnknown { seen } => {
                if self.node(seen.id) != Some(&seen) {
                    fx.rule(Rule::St1);
                    return Reply::Conflict;
                }
                self.write_node(seen.id, fx, |node| node.ready = NodeReady::Unknown)
            }
            Request::PatchNodeTaints { node, add, remove, .. } => {
                self.write_node(node, fx, |node| node.taints = node.taints.union(add).minus(remove))
            }
            Request::PatchNodeUnschedulable { node, unschedulable } => {
                self.write_node(node, fx, |node| node.unschedulable = unschedulable)
            }
            Request::PatchPodFinalizer { name } => self.release(name, fx),
            _ => self.serve_workload(config, request, fx),
        }
    }

    /// ST-2, second write: the key of a pod whose grace is 0 is removed.
    pub fn remove(&mut self, uid: PodUid, fx: &mut Effects) {
        fx.rule(Rule::St2);
        self.removing.remove(uid);
        if let Some(at) = self.pods.iter().position(|pod| pod.uid == uid) {
            // ST-12: the event carries the last stored content.
            let pod = self.pods.remove(at);
            fx.publish(EventType::Deleted, Object::Pod(pod));
        }
    }

    /// ST-7: the update that takes the last finalizer off a pod whose grace is 0 removes it.
    fn release(&mut self, name: PodName, fx: &mut Effects) -> Reply {
        let Some(at) = self.pods.iter().position(|pod| pod.name == name) else {
            return Reply::NotFound;
        };
        fx.rule(Rule::St7);
        if self.pods[at].deletion == Some(Seconds(0)) && self.pods[at].tracked {
            let pod = Pod { tracked: false, ..self.pods.remove(at) };
            fx.publish(EventType::Deleted, Object::Pod(pod));
            return Reply::Pod(pod);
        }
        self.write_pod(name, None, fx, |pod| pod.tracked = false)
    }

    /// KL-5: a kubelet creates its Node object, with the taints that it was told to register with.
    /// The runtime has not been asked by then, so that it is not Ready; admission adds the taint
    /// that says so (ST-11).
    fn register(
        &mut self,
        config: &ClusterConfig,
        id: NodeId,
        boot: u8,
        fx: &mut Effects,
    ) -> Reply {
        if self.node(id).is_some() {
            return Reply::AlreadyExists;
        }
        fx.rule(Rule::St11);
        let taints = config.nodes[id.0 as usize].taints.with(NOT_READY_NO_SCHEDULE);
        let (attached, in_use) = (VolumeSet::EMPTY, VolumeSet::EMPTY);
        let ready = NodeReady::False;
        let node = Node { id, ready, taints, unschedulable: false, boot, attached, in_use };
        let at = self.nodes.partition_point(|stored| stored.id < id);
        self.nodes.insert(at, node);
        fx.publish(EventType::Added, Object::Node(node));
        Reply::Node(node)
    }

    /// AD-V3. The storage refuses to attach a volume to a second node.
    fn attach(&mut self, attachment: VolumeAttachment, fx: &mut Effects) -> Reply {
        let Err(at) = self.attachments.binary_search(&attachment) else {
            return Reply::AlreadyExists;
        };
        if self.attachments.iter().any(|other| other.volume == attachment.volume) {
            fx.rule(Rule::AdV3);
            return Reply::Conflict;
        }
        self.attachments.insert(at, attachment);
        fx.publish(EventType::Added, Object::VolumeAttachment(attachment));
        Reply::Done
    }

    /// AD-V2. Whether something still writes is for nobody to know here.
    fn detach(&mut self, attachment: VolumeAttachment, fx: &mut Effects) -> Reply {
        let Ok(at) = self.attachments.binary_search(&attachment) else { return Reply::NotFound };
        self.attachments.remove(at);
        fx.publish(EventType::Deleted, Object::VolumeAttachment(attachment));
        Reply::Done
    }

    /// ST-9.
    fn bind(&mut self, name: PodName, uid: PodUid, node: NodeId, fx: &mut Effects) -> Reply {
        fx.rule(Rule::St9);
        match self.pod_named(name) {
            None => Reply::NotFound,
            Some(pod) if pod.uid != uid || pod.is_terminating() || pod.node.is_some() => {
                Reply::Conflict
            }
            Some(_) => self.write_pod(name, Some(uid), fx, |pod| pod.node = Some(node)),
        }
    }

    /// EV-1: two writes of one handler.
    fn evict(&mut self, config: &ClusterConfig, name: PodName, fx: &mut Effects) -> Reply {
        fx.rule(Rule::Ev1);
        let Some(pod) = self.pod_named(name).copied() else { return Reply::NotFound };
        if !disruption::allows(config, self, &pod) {
            return Reply::TooManyRequests;
        }
        if !pod.is_terminating() {
            let reason = DisruptionReason::EvictionByEvictionAPI;
            self.write_pod(name, None, fx, |pod| pod.disruption_target = Some(reason));
        }
        self.delete(config, name, None, None, fx)
    }

    /// ST-2, ST-3, ST-4, ST-5.
    fn delete(
        &mut self,
        config: &ClusterConfig,
        name: PodName,
        uid: Option<PodUid>,
        grace: Option<Seconds>,
        fx: &mut Effects,
    ) -> Reply {
        let Some(pod) = self.pod_named(name).copied() else { return Reply::NotFound };
        if uid.is_some_and(|uid| uid != pod.uid) {
            fx.rule(Rule::St5);
            return Reply::Conflict;
        }
        let grace = match pod.deletion {
            Some(stored) => {
                fx.rule(Rule::St3);
                match grace {
                    _ if stored == Seconds(0) => stored,
                    Some(shorter) if shorter < stored => shorter,
                    _ => return Reply::Pod(pod),
                }
            }
            None => {
                fx.rule(Rule::St2);
                let asked = grace.unwrap_or(config.template(pod.template).grace);
                let at_once = pod.node.is_none() || pod.status.phase.is_terminal();
                if at_once { Seconds(0) } else { asked }
            }
        };
        if grace == Seconds(0) {
            fx.rule(Rule::St4);
            if pod.tracked {
                fx.rule(Rule::St7);
            } else {
                self.removing.insert(pod.uid);
            }
        }
        self.write_pod(name, Some(pod.uid), fx, |pod| pod.deletion = Some(grace))
    }

    /// Changes one pod by name; an unchanged object is not written.
    fn write_pod(
        &mut self,
        name: PodName,
        uid: Option<PodUid>,
        fx: &mut Effects,
        change: impl FnOnce(&mut Pod),
    ) -> Reply {
        let Some(pod) = self.pods.iter_mut().find(|pod| pod.name == name) else {
            return Reply::NotFound;
        };
        if uid.is_some_and(|uid| uid != pod.uid) {
            fx.rule(Rule::St5);
            return Reply::Conflict;
        }
        let before = *pod;
        change(pod);
        // ST-6: no write withdraws or postpones a deletion.
        pod.deletion = match (before.deletion, pod.deletion) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => old.or(new),
        };
        if *pod != before {
            let pod = *pod;
            if before.is_terminating() {
                fx.rule(Rule::St6);
            }
            fx.publish(EventType::Modified, Object::Pod(pod));
            return Reply::Pod(pod);
        }
        Reply::Pod(before)
    }

    fn write_node(
        &mut self,
        id: NodeId,
        fx: &mut Effects,
        change: impl FnOnce(&mut Node),
    ) -> Reply {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return Reply::NotFound;
        };
        let before = *node;
        change(node);
        let node = *node;
        if node != before {
            fx.publish(EventType::Modified, Object::Node(node));
        }
        Reply::Node(node)
    }

    fn missing_or_conflict(&self, name: PodName) -> Reply {
        if self.pod_named(name).is_some() { Reply::Conflict } else { Reply::NotFound }
    }
}

/// Whether a container that ended like this is started again (`restartPolicy`).
pub fn restarts(policy: RestartPolicy, container: ContainerState) -> bool {
    match (policy, container) {
        (RestartPolicy::Always, _) => true,
        (RestartPolicy::OnFailure, ContainerState::Terminated(exit)) => exit.code() != 0,
        (RestartPolicy::Never, ContainerState::Terminated(_)) => false,
        _ => true,
    }
}

/// A watch event for the pod streams, or not.
pub fn pod_of(event: &WatchEvent) -> Option<&Pod> {
    match &event.object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    }
}
