//! The Deployment controller (DP-1): the status of a Deployment whose rollout is complete.
//!
//! Upstream: `pkg/controller/deployment/sync.go`. Left out: rollouts (DP-2).

use crate::effects::Effects;
use crate::ids::DeploymentId;
use crate::informer_cache::InformerCache;
use crate::requests::Request;
use crate::rules::Rule;

use crate::config::ClusterConfig;

/// The controller's memory: which status writes are on their way, by Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentController {
    /// A status write is on its way.
    pub writing_status: Vec<bool>,
}

/// A step of the controller on its own: a sync of one Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentStep(pub DeploymentId);

impl DeploymentController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        DeploymentController { writing_status: vec![false; config.deployments.len()] }
    }

    /// The steps that the controller can take.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        out: &mut Vec<DeploymentStep>,
    ) {
        for deployment in &cache.deployments {
            let set = config.deployments[deployment.id.0 as usize].replica_set;
            let wanted = cache.replica_sets[set.0 as usize].status;
            if !self.writing_status[deployment.id.0 as usize] && deployment.status != wanted {
                out.push(DeploymentStep(deployment.id));
            }
        }
    }

    /// DP-1: the sums over its ReplicaSets, of which it has one.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: DeploymentStep,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Dp1);
        let DeploymentStep(id) = step;
        let set = config.deployments[id.0 as usize].replica_set;
        self.writing_status[id.0 as usize] = true;
        fx.send(Request::PutDeploymentStatus {
            id,
            seen: cache.deployments[id.0 as usize].status,
            status: cache.replica_sets[set.0 as usize].status,
        });
    }

    /// The answer to a status write; a conflict is repaired by the next sync.
    pub fn reply(&mut self, request: &Request, fx: &mut Effects) {
        match *request {
            Request::PutDeploymentStatus { id, .. } => self.writing_status[id.0 as usize] = false,
            _ => {
                fx.unhandled(
                    "the Deployment controller got an answer to a question that it never asks",
                );
            }
        }
    }
}
