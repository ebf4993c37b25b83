//! The node status (KL-7, KL-8). Upstream: `pkg/kubelet/kubelet_node_status.go`.

use super::{Connection, Kubelet};
use crate::config::ClusterConfig;
use crate::container_runtime::ContainerRuntime;
use crate::effects::Effects;
use crate::ids::VolumeSet;
use crate::objects::NodeReady;
use crate::requests::Request;
use crate::rules::Rule;

impl Kubelet {
    /// KL-7: the runtime must answer, its network must be configured, and the node must not be
    /// shutting down.
    fn computed_ready(&self, runtime: &ContainerRuntime) -> NodeReady {
        let ready = runtime.up && runtime.network && !self.shutting_down;
        if ready { NodeReady::True } else { NodeReady::False }
    }

    /// A status is posted when it differs from the Node object (the post that is forced every five
    /// minutes changes nothing else).
    pub(super) fn may_post(&self, config: &ClusterConfig, runtime: &ContainerRuntime) -> bool {
        let in_use = self.computed_in_use(config, runtime);
        let differs = self.posted != Some((self.computed_ready(runtime), runtime.boot))
            || in_use.is_some_and(|in_use| in_use != self.in_use);
        self.heartbeat == Connection::Up && !self.posting && !self.missing && differs
    }

    /// The volumes in use, where there are any; not known before the first pod list of this process has arrived.
    fn computed_in_use(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
    ) -> Option<VolumeSet> {
        let known = self.sources_ready && !config.volumes.is_empty();
        known.then(|| self.volumes_in_use(config, runtime))
    }

    pub(super) fn post_node_status(
        &mut self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Kl7);
        if self.posted.is_none_or(|(_, boot)| boot != runtime.boot) && runtime.boot > 0 {
            fx.rule(Rule::Kl8);
        }
        self.posting = true;
        let ready = self.computed_ready(runtime);
        let in_use = self.computed_in_use(config, runtime);
        let boot = runtime.boot;
        fx.send(Request::PatchNodeStatus { node: self.node, ready, boot, in_use });
    }
}
