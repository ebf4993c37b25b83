//! Time without a clock: which timers may be due.
//!
//! Steps that need no waiting are *prompt*: a request or event on its way is delivered, a dirty key
//! is processed, a container that is wanted is started. They take less than
//! [`PROMPT`](models::config::PROMPT) all together, so that a longer timer can fire only if, since
//! it was armed, there was a moment with nothing prompt left to do. From then on it may fire at any
//! step, in the middle of whatever happens next. What may really take long is never prompt: a
//! kubelet that reconnects after a cut, a container start on a node with a `slowStart`, a container
//! that ignores SIGTERM, the wait of `minReadySeconds`.

use models::config::PROMPT;
use models::container_runtime::RuntimeStep;
use models::ids::{NodeId, NodeSet};
use models::kube_controller_manager::ControllerStep;
use models::kubelet::KubeletStep;
use models::node_lifecycle::NodeLifecycleStep;
use models::pod_gc::PodGcStep;
use models::replica_set::ReplicaSetStep;
use models::taint_eviction::TaintEvictionStep;

use crate::engine::star::{Star, State};
use crate::scenario::cluster::{Cluster, ClusterState, Internal};

impl Cluster {
    /// Nodes whose heartbeats do not arrive: nobody sends them, or a fault makes them late.
    pub(super) fn late(&self, state: &ClusterState) -> NodeSet {
        let view = self.view(state);
        let late = |node: &NodeId| {
            !view.kubelet(*node).renews_lease() || view.environment.slow_heartbeat.contains(*node)
        };
        self.config.node_ids().filter(late).collect()
    }

    /// Nodes that may have been silent for the grace period, given those that were so before the
    /// step; and whether all armed eviction timers may be due.
    pub(super) fn elapsed(&self, state: &ClusterState) -> (NodeSet, bool) {
        let view = self.view(state);
        if !view.controller_manager.up {
            // NLC-13, TEC-7: the clocks begin anew with the process.
            return (NodeSet::EMPTY, false);
        }
        let late = self.late(state);
        let silent = view.environment.silent.intersection(late);
        let timers = &view.controller_manager.taint_eviction.timers;
        let waiting = silent != late || timers.iter().any(|timer| !timer.due);
        if waiting && self.nothing_prompt(state) {
            return (late, true);
        }
        let short = self.config.settings.node_monitor_grace_period < PROMPT;
        (if short { late } else { silent }, false)
    }

    /// Whether only timers, faults and slow work are left.
    pub fn nothing_prompt(&self, state: &State<Cluster>) -> bool {
        let idle = state.links().all(|link| {
            let mut waiting = link.outbox.front().into_iter().chain(link.orphans.front());
            let deliverable = waiting.any(|request| self.can_serve(state, request));
            !deliverable && link.streams.iter().flatten().all(|queue| queue.is_empty())
        });
        if !idle {
            return false;
        }
        let mut steps = Vec::new();
        self.internals(state, &mut steps);
        steps.iter().all(|step| !self.is_prompt(state, step))
    }

    fn is_prompt(&self, state: &ClusterState, step: &Internal) -> bool {
        let view = self.view(state);
        let slow_start = |node: NodeId| view.environment.slow_start.contains(node);
        match *step {
            Internal::RemovePod(_) | Internal::Scheduler(_) => true,
            Internal::Controller(step) => !matches!(
                step,
                ControllerStep::NodeLifecycle(NodeLifecycleStep::Monitor { expired: true, .. })
                    | ControllerStep::TaintEviction(TaintEvictionStep::Fire(_))
                    | ControllerStep::PodGc(PodGcStep::Confirm(_))
                    | ControllerStep::ReplicaSet(ReplicaSetStep::Available(..))
            ),
            Internal::Kubelet(node, step) => match step {
                // A process that has been connected before reconnects when it gets to it.
                KubeletStep::ConnectHeartbeat => !view.kubelet(node).registered,
                KubeletStep::ConnectWatch => !view.kubelet(node).sources_ready,
                KubeletStep::ConnectStatus => !view.kubelet(node).sources_ready,
                KubeletStep::SyncPod(_) => !slow_start(node),
                _ => true,
            },
            Internal::Runtime(node, step) => match step {
                RuntimeStep::RunSandbox(_) | RuntimeStep::StartContainer(_) => !slow_start(node),
                RuntimeStep::StopContainer(uid) => {
                    let pod = view.runtime(node).pod(uid);
                    pod.is_none_or(|pod| self.config.template(pod.template).ends_on_sigterm)
                }
                RuntimeStep::StopSandbox(_) => true,
            },
        }
    }
}
