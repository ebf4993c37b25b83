//! The controller manager: one process, one set of informer caches, all controllers.
//!
//! A crash loses the memory, caches and queues of all of them at once. Upstream:
//! `cmd/kube-controller-manager`.

use crate::attach_detach::{AttachDetach, AttachDetachStep};
use crate::config::{ClusterConfig, Start};
use crate::daemon_set::{DaemonSetController, DaemonSetStep};
use crate::deployment::{DeploymentController, DeploymentStep};
use crate::effects::Effects;
use crate::garbage_collector::{GarbageCollector, GarbageCollectorStep};
use crate::ids::{NodeSet, PodSet, TaintSet};
use crate::informer_cache::InformerCache;
use crate::job::{JobController, JobStep};
use crate::node_lifecycle::{NodeLifecycle, NodeLifecycleStep};
use crate::objects::{EventType, Object, WatchEvent};
use crate::pod_gc::{PodGc, PodGcStep};
use crate::replica_set::{ReplicaSetController, ReplicaSetStep};
use crate::requests::{Listing, Reply, Request};
use crate::rules::Rule;
use crate::stateful_set::{StatefulSetController, StatefulSetStep};
use crate::taint_eviction::{TaintEviction, TaintEvictionStep};

/// Which controller made a request, so that the answer finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// node-lifecycle-controller.
    NodeLifecycle,
    /// taint-eviction-controller.
    TaintEviction,
    /// pod-garbage-collector-controller.
    PodGc,
    /// replicaset-controller.
    ReplicaSet,
    /// deployment-controller.
    Deployment,
    /// garbage-collector-controller.
    GarbageCollector,
    /// statefulset-controller.
    StatefulSet,
    /// daemonset-controller.
    DaemonSet,
    /// job-controller.
    Job,
    /// persistentvolume-attach-detach-controller.
    AttachDetach,
}

/// A controller-manager process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerManager {
    /// Whether the process runs.
    pub up: bool,
    /// The shared informer caches.
    pub cache: InformerCache,
    /// Node lifecycle.
    pub node_lifecycle: NodeLifecycle,
    /// Taint eviction.
    pub taint_eviction: TaintEviction,
    /// Pod GC.
    pub pod_gc: PodGc,
    /// ReplicaSet.
    pub replica_set: ReplicaSetController,
    /// Deployment.
    pub deployment: DeploymentController,
    /// Garbage collector.
    pub garbage_collector: GarbageCollector,
    /// StatefulSet.
    pub stateful_set: StatefulSetController,
    /// DaemonSet.
    pub daemon_set: DaemonSetController,
    /// Job.
    pub job: JobController,
    /// Attach/detach.
    pub attach_detach: AttachDetach,
}

/// A step of the controller manager on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ControllerStep {
    /// Node lifecycle.
    NodeLifecycle(NodeLifecycleStep),
    /// Taint eviction.
    TaintEviction(TaintEvictionStep),
    /// Pod GC.
    PodGc(PodGcStep),
    /// ReplicaSet.
    ReplicaSet(ReplicaSetStep),
    /// Deployment.
    Deployment(DeploymentStep),
    /// Garbage collector.
    GarbageCollector(GarbageCollectorStep),
    /// StatefulSet.
    StatefulSet(StatefulSetStep),
    /// DaemonSet.
    DaemonSet(DaemonSetStep),
    /// Job.
    Job(JobStep),
    /// Attach/detach.
    AttachDetach(AttachDetachStep),
}

impl ControllerStep {
    /// The controller that takes this step.
    pub fn controller(&self) -> Controller {
        match self {
            ControllerStep::NodeLifecycle(_) => Controller::NodeLifecycle,
            ControllerStep::TaintEviction(_) => Controller::TaintEviction,
            ControllerStep::PodGc(_) => Controller::PodGc,
            ControllerStep::ReplicaSet(_) => Controller::ReplicaSet,
            ControllerStep::Deployment(_) => Controller::Deployment,
            ControllerStep::GarbageCollector(_) => Controller::GarbageCollector,
            ControllerStep::StatefulSet(_) => Controller::StatefulSet,
            ControllerStep::DaemonSet(_) => Controller::DaemonSet,
            ControllerStep::Job(_) => Controller::Job,
            ControllerStep::AttachDetach(_) => Controller::AttachDetach,
        }
    }
}

impl ControllerManager {
    /// No process: nothing is remembered.
    pub fn dead(config: &ClusterConfig) -> Self {
        ControllerManager {
            up: false,
            cache: InformerCache::default(),
            node_lifecycle: NodeLifecycle::start(config),
            taint_eviction: TaintEviction::default(),
            pod_gc: PodGc::default(),
            replica_set: ReplicaSetController::start(config),
            deployment: DeploymentController::start(config),
            garbage_collector: GarbageCollector::default(),
            stateful_set: StatefulSetController::start(config),
            daemon_set: DaemonSetController::start(config),
            job: JobController::start(config),
            attach_detach: AttachDetach::default(),
        }
    }

    /// A process that has run since before the start.
    pub fn converged(config: &ClusterConfig, listing: Listing) -> Self {
        let node_lifecycle = match config.start {
            Start::Empty => NodeLifecycle::start(config),
            _ => NodeLifecycle::converged(config),
        };
        let attach_detach = AttachDetach::converged(&listing);
        let cache = listing.into();
        ControllerManager { up: true, cache, node_lifecycle, attach_detach, ..Self::dead(config) }
    }

    /// A new process: its informers list everything, its controllers know nothing else.
    pub fn start(config: &ClusterConfig, listing: Listing, fx: &mut Effects) -> Self {
        fx.rule(Rule::Nlc13);
        fx.rule(Rule::Tec7);
        if !config.volumes.is_empty() {
            fx.rule(Rule::AdV5);
        }
        let attach_detach = AttachDetach::start(&listing);
        let cache = listing.into();
        let mut process =
            ControllerManager { up: true, cache, attach_detach, ..Self::dead(config) };
        let ControllerManager { cache, taint_eviction, .. } = &mut process;
        for node in &cache.nodes {
            taint_eviction.node_changed(config, node.id, TaintSet::EMPTY, node.taints);
        }
        process
    }

    /// Uids that the process names.
    pub fn mentions(&self) -> PodSet {
        [
            self.cache.mentions(),
            self.node_lifecycle.mentions(),
            self.taint_eviction.mentions(),
            self.pod_gc.mentions(),
            self.replica_set.mentions(),
            self.garbage_collector.mentions(),
            self.stateful_set.mentions(),
            self.daemon_set.mentions(),
            self.job.mentions(),
        ]
        .into_iter()
        .fold(PodSet::EMPTY, PodSet::union)
    }

    /// The steps that the process can take; `may_expire` are nodes whose lease cannot be renewed.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        may_expire: NodeSet,
        out: &mut Vec<ControllerStep>,
    ) {
        if !self.up {
            return;
        }
        let mut nodes = Vec::new();
        self.node_lifecycle.steps(config, &self.cache, may_expire, &mut nodes);
        out.extend(nodes.into_iter().map(ControllerStep::NodeLifecycle));
        let mut evictions = Vec::new();
        self.taint_eviction.steps(&mut evictions);
        out.extend(evictions.into_iter().map(ControllerStep::TaintEviction));
        let mut collections = Vec::new();
        self.pod_gc.steps(config, &self.cache, &mut collections);
        out.extend(collections.into_iter().map(ControllerStep::PodGc));
        let mut sets = Vec::new();
        self.replica_set.steps(config, &self.cache, &mut sets);
        out.extend(sets.into_iter().map(ControllerStep::ReplicaSet));
        let mut deployments = Vec::new();
        self.deployment.steps(config, &self.cache, &mut deployments);
        out.extend(deployments.into_iter().map(ControllerStep::Deployment));
        let mut garbage = Vec::new();
        self.garbage_collector.steps(&self.cache, &mut garbage);
        out.extend(garbage.into_iter().map(ControllerStep::GarbageCollector));
        let mut sets = Vec::new();
        self.stateful_set.steps(config, &self.cache, &mut sets);
        out.extend(sets.into_iter().map(ControllerStep::StatefulSet));
        let mut daemons = Vec::new();
        self.daemon_set.steps(config, &self.cache, &mut daemons);
        out.extend(daemons.into_iter().map(ControllerStep::DaemonSet));
        let mut jobs = Vec::new();
        self.job.steps(config, &self.cache, &mut jobs);
        out.extend(jobs.into_iter().map(ControllerStep::Job));
        let mut volumes = Vec::new();
        self.attach_detach.steps(config, &self.cache, &mut volumes);
        out.extend(volumes.into_iter().map(ControllerStep::AttachDetach));
    }

    /// Takes a step.
    pub fn step(&mut self, config: &ClusterConfig, step: ControllerStep, fx: &mut Effects) {
        let cache = &self.cache;
        match step {
            ControllerStep::NodeLifecycle(step) => {
                self.node_lifecycle.step(config, cache, step, fx)
            }
            ControllerStep::TaintEviction(step) => {
                self.taint_eviction.step(config, cache, step, fx)
            }
            ControllerStep::PodGc(step) => self.pod_gc.step(config, cache, step, fx),
            ControllerStep::ReplicaSet(step) => self.replica_set.step(config, cache, step, fx),
            ControllerStep::Deployment(step) => self.deployment.step(config, cache, step, fx),
            ControllerStep::GarbageCollector(step) => self.garbage_collector.step(cache, step, fx),
            ControllerStep::StatefulSet(step) => self.stateful_set.step(config, cache, step, fx),
            ControllerStep::DaemonSet(step) => self.daemon_set.step(config, cache, step, fx),
            ControllerStep::Job(step) => self.job.step(config, cache, step, fx),
            ControllerStep::AttachDetach(step) => self.attach_detach.step(config, cache, step, fx),
        }
        self.skip_what_changes_nothing(config);
    }

    /// Some of what the controllers would do next changes nothing, and is no step.
    fn skip_what_changes_nothing(&mut self, config: &ClusterConfig) {
        self.node_lifecycle.end_idle_pass(config, &self.cache);
        self.taint_eviction.skip_idle_updates(config, &self.cache);
    }

    /// A watch event: the caches take it up, and controllers queue what it concerns.
    pub fn observe(&mut self, config: &ClusterConfig, event: &WatchEvent, fx: &mut Effects) {
        let taints_before = match event.object {
            Object::Node(node) => {
                self.cache.node(node.id).map_or(TaintSet::EMPTY, |node| node.taints)
            }
            _ => TaintSet::EMPTY,
        };
        let before = self.cache.apply(event);
        self.garbage_collector.changed(event.kind, &event.object);
        match event.object {
            Object::Pod(pod) => {
                let assigned = before.is_none_or(|before| before.node != pod.node);
                if event.kind == EventType::Deleted {
                    self.node_lifecycle.pod_gone(pod.uid);
                    self.pod_gc.pod_gone(pod.uid);
                } else if assigned {
                    self.node_lifecycle.pod_assigned(&self.cache, &pod);
                }
                self.taint_eviction.pod_changed(event.kind, before.as_ref(), &pod);
                fx.rule(Rule::Rs6);
                self.replica_set.pod_changed(event.kind, before.as_ref(), &pod);
                self.stateful_set.pod_changed(event.kind, &pod);
                self.daemon_set.pod_changed(event.kind, before.as_ref(), &pod);
                self.job.pod_changed(event.kind, before.as_ref(), &pod);
                self.attach_detach.pod_changed(config, &self.cache);
            }
            Object::ReplicaSet(set) if event.kind == EventType::Deleted => {
                self.replica_set.set_gone(set.id)
            }
            Object::ReplicaSet(set) => self.replica_set.status_seen(&set),
            Object::Node(node) => match event.kind {
                EventType::Added => {
                    self.taint_eviction.node_added(config, node.id, node.taints);
                    self.attach_detach.node_added(node.id);
                }
                EventType::Modified => {
                    self.taint_eviction.node_changed(config, node.id, taints_before, node.taints);
                }
                EventType::Deleted => {
                    self.node_lifecycle.node_gone(node.id);
                    let none = TaintSet::EMPTY;
                    self.taint_eviction.node_changed(config, node.id, taints_before, none);
                }
            },
            Object::StatefulSet(set) if event.kind == EventType::Deleted => {
                self.stateful_set.set_gone(set.id)
            }
            Object::StatefulSet(set) => self.stateful_set.status_seen(set.id),
            Object::Deployment(_) => {}
            Object::DaemonSet(set) if event.kind == EventType::Deleted => {
                self.daemon_set.set_gone(set.id)
            }
            Object::DaemonSet(set) => self.daemon_set.status_seen(set.id),
            Object::Job(job) if event.kind == EventType::Deleted => self.job.job_gone(job.id),
            Object::Job(job) => self.job.status_seen(job.id),
            Object::VolumeAttachment(attachment) => {
                self.attach_detach.attachment_changed(event.kind, attachment)
            }
        }
        self.skip_what_changes_nothing(config);
    }

    /// The answer to a request of one of the controllers.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        controller: Controller,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let cache = &self.cache;
        match controller {
            Controller::NodeLifecycle => {
                self.node_lifecycle.reply(config, cache, request, reply, fx)
            }
            Controller::TaintEviction => self.taint_eviction.reply(config, request, reply, fx),
            Controller::PodGc => self.pod_gc.reply(cache, request, reply, fx),
            Controller::ReplicaSet => self.replica_set.reply(config, cache, request, reply, fx),
            Controller::Deployment => self.deployment.reply(config, request, reply, fx),
            Controller::GarbageCollector => self.garbage_collector.reply(cache, request, reply, fx),
            Controller::StatefulSet => self.stateful_set.reply(config, cache, request, reply, fx),
            Controller::DaemonSet => self.daemon_set.reply(config, cache, request, reply, fx),
            Controller::Job => self.job.reply(config, cache, request, reply, fx),
            Controller::AttachDetach => self.attach_detach.reply(cache, request, reply, fx),
        }
        self.skip_what_changes_nothing(config);
    }
}
