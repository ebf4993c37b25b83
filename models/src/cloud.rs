//! The cloud's node lifecycle controller (CN-1).
//!
//! Upstream: `staging/src/k8s.io/cloud-provider/controllers/nodelifecycle`. It looks at the nodes
//! every 5 s, and asks the cloud about those that are not Ready. What it reads is taken to be as new
//! as what it writes.

use crate::api_server::ApiServer;
use crate::config::{ClusterConfig, Effect, INSTANCE_STOPPED};
use crate::environment::Environment;
use crate::ids::{NodeId, TaintSet};
use crate::objects::NodeReady;
use crate::requests::{Request, TaintWriter};

/// A step of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloudStep {
    /// The instance is gone: so is its Node object.
    DeleteNode(NodeId),
    /// The instance is stopped.
    Taint(NodeId),
    /// The node is Ready again.
    Untaint(NodeId),
}

/// The taint of a node whose instance is stopped; none where no cloud is.
fn stopped(config: &ClusterConfig) -> Option<TaintSet> {
    let taint = config.taint(INSTANCE_STOPPED, Effect::NoSchedule)?;
    Some(TaintSet::EMPTY.with(taint))
}

/// The steps that the controller can take.
pub fn steps(
    config: &ClusterConfig,
    environment: &Environment,
    api: &ApiServer,
    out: &mut Vec<CloudStep>,
) {
    let Some(taint) = stopped(config) else { return };
    for node in &api.nodes {
        let tainted = !node.taints.intersection(taint).is_empty();
        let ready = node.ready == NodeReady::True;
        if ready && tainted {
            out.push(CloudStep::Untaint(node.id));
        } else if !ready && environment.gone.contains(node.id) {
            out.push(CloudStep::DeleteNode(node.id));
        } else if !ready && environment.stopped.contains(node.id) && !tainted {
            out.push(CloudStep::Taint(node.id));
        }
    }
}

/// What a step asks of the API server.
pub fn request(config: &ClusterConfig, step: CloudStep) -> Request {
    let taint = stopped(config).unwrap_or_default();
    let patch = |node, add, remove| Request::PatchNodeTaints {
        node,
        add,
        remove,
        then_remove: TaintSet::EMPTY,
        writer: TaintWriter::Cloud,
    };
    match step {
        CloudStep::DeleteNode(node) => Request::DeleteNode { node },
        CloudStep::Taint(node) => patch(node, taint, TaintSet::EMPTY),
        CloudStep::Untaint(node) => patch(node, TaintSet::EMPTY, taint),
    }
}
