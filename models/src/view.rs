//! The two truths about a cluster: what the API says, and what really runs.
//!
//! Everything that judges or shows a state (guarantees, tables, JSON, the Explorer) looks at it
//! through this view.

use crate::api_server::ApiServer;
use crate::config::ClusterConfig;
use crate::container_runtime::ContainerRuntime;
use crate::environment::Environment;
use crate::ids::{NodeId, PodSet, PodUid};
use crate::kube_controller_manager::{Controller, ControllerManager};
use crate::kubelet::Kubelet;
use crate::objects::{Owner, Phase, Pod};
use crate::requests::Request;
use crate::scheduler::Scheduler;

/// Where a view takes the parts of a state from, each when it is asked for.
pub trait Parts {
    /// What etcd holds.
    fn api_server(&self) -> &ApiServer;
    /// The controller manager.
    fn controller_manager(&self) -> &ControllerManager;
    /// The scheduler.
    fn scheduler(&self) -> &Scheduler;
    /// Power, cables, budgets.
    fn environment(&self) -> &Environment;
    /// The kubelet of a node.
    fn kubelet(&self, node: NodeId) -> &Kubelet;
    /// The container runtime of a node.
    fn runtime(&self, node: NodeId) -> &ContainerRuntime;
    /// Requests of the controller manager that are on their way, with the controllers that made
    /// them; those of a process that has died come first.
    fn controller_requests(&self) -> Box<dyn Iterator<Item = (Controller, &Request)> + '_>;
}

/// A borrowed look at a state of the cluster.
#[derive(Clone, Copy)]
pub struct ClusterView<'a> {
    /// What does not change.
    pub config: &'a ClusterConfig,
    /// What does.
    pub parts: &'a dyn Parts,
}

impl<'a> ClusterView<'a> {
    /// What etcd holds.
    pub fn api(&self) -> &'a ApiServer {
        self.parts.api_server()
    }

    /// The controller manager.
    pub fn controller_manager(&self) -> &'a ControllerManager {
        self.parts.controller_manager()
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &'a Scheduler {
        self.parts.scheduler()
    }

    /// Power, cables, budgets.
    pub fn environment(&self) -> &'a Environment {
        self.parts.environment()
    }

    /// The kubelet of a node.
    pub fn kubelet(&self, node: NodeId) -> &'a Kubelet {
        self.parts.kubelet(node)
    }

    /// The container runtime of a node.
    pub fn runtime(&self, node: NodeId) -> &'a ContainerRuntime {
        self.parts.runtime(node)
    }

    /// API truth: stored pods of a workload, oldest first.
    pub fn pods_of(&self, owner: Owner) -> impl Iterator<Item = &Pod> {
        self.api().pods.iter().filter(move |pod| pod.owner == owner)
    }

    /// API truth: what a person counts as running replicas: phase Running, not Terminating.
    pub fn running_by_api(&self, owner: Owner) -> impl Iterator<Item = &Pod> {
        self.pods_of(owner)
            .filter(|pod| pod.status.phase == Phase::Running && !pod.is_terminating())
    }

    /// Real truth: where a container process of this pod runs.
    pub fn runs_on(&self, uid: PodUid) -> Option<NodeId> {
        self.config.node_ids().find(|&node| self.runtime(node).running().contains(uid))
    }

    /// Real truth: pods with a container process, stored or not.
    pub fn running(&self) -> PodSet {
        let running = self.config.node_ids().map(|node| self.runtime(node).running());
        running.fold(PodSet::EMPTY, PodSet::union)
    }

    /// Whether a node has power.
    pub fn is_powered(&self, node: NodeId) -> bool {
        self.runtime(node).powered
    }
}
