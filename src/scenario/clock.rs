//! Time without a clock: which timers may be due.
//!
//! Steps that need no waiting are *prompt*: a request or event on its way is delivered, a dirty key
//! is processed, a container that is wanted is started. They take less than
//! [`PROMPT`](models::config::PROMPT) all together, so that a longer timer can fire only if, since
//! it was armed, there was a moment with nothing prompt left to do. From then on it may fire at any
//! step, in the middle of whatever happens next. What may really take long is never prompt: a
//! kubelet that reconnects after a cut or waits for its runtime, a container start on a node with a
//! `slowStart`, a container that ignores SIGTERM, the wait of `minReadySeconds`.

use models::attach_detach::{AttachDetachStep, MAX_WAIT_FOR_UNMOUNT};
use models::config::PROMPT;
use models::container_runtime::RuntimeStep;
use models::daemon_set::DaemonSetStep;
use models::ids::{NodeId, NodeSet, TaintSet};
use models::job::JobStep;
use models::kube_controller_manager::ControllerStep;
use models::kubelet::KubeletStep;
use models::node_lifecycle::NodeLifecycleStep;
use models::pod_gc::PodGcStep;
use models::replica_set::ReplicaSetStep;
use models::taint_eviction::TaintEvictionStep;

use crate::engine::star::{Context, PartId, ProcessId, Settle, Star, served};
use crate::scenario::cluster::*;

/// Bits of the answer to [`Probe::Timers`].
const MANAGER_UP: u64 = 1;
const TIMER_WAITS: u64 = 2;
const EVICTS: u64 = 4;

/// Two sets of nodes in the answer to a probe.
fn two_sets(answer: u64) -> (NodeSet, NodeSet) {
    (NodeSet(answer as u16), NodeSet((answer >> 16) as u16))
}

impl Cluster {
    /// What a step's end changes: which nodes may have been silent for the grace period, whether
    /// armed eviction timers may be due, and which evictions were interrupted.
    pub(super) fn pass_time(&self, at: &mut dyn Settle<Self>) {
        let timers = at.probe(Probe::Timers);
        let (was, slow) = two_sets(at.probe(Probe::Heartbeats));
        let (outages, short) = two_sets(at.probe(Probe::Outages));
        let renews = |node: &NodeId| at.probe(Probe::Renews(*node)) != 0;
        let renewing: NodeSet = self.config.node_ids().filter(renews).collect();
        // Asked for at most once.
        let mut answer = None;
        let mut nothing_prompt =
            |at: &mut dyn Settle<Self>| *answer.get_or_insert_with(|| self.nothing_prompt(at));
        let (silent, due) = if timers & MANAGER_UP == 0 {
            // NLC-13, TEC-7: the clocks begin anew with the process.
            (NodeSet::EMPTY, false)
        } else {
            // Nodes whose heartbeats do not arrive: nobody sends them, or a fault makes them late.
            let missing = self.config.node_ids().collect::<NodeSet>().minus(renewing).minus(short);
            let late = slow.union(missing);
            let silent = was.intersection(late);
            let waiting = silent != late || timers & TIMER_WAITS != 0;
            if waiting && nothing_prompt(at) {
                (late, true)
            } else if self.config.settings.node_monitor_grace_period < PROMPT {
                (late, false)
            } else {
                (silent, false)
            }
        };
        if silent != was || (due && timers & TIMER_WAITS != 0) {
            at.run(Task::Elapse { silent, due });
        }
        let ended = outages.intersection(renewing);
        if !ended.is_empty() && nothing_prompt(at) {
            at.run(Task::EndOutages(ended));
        }
        if timers & EVICTS != 0 && at.probe(Probe::Interrupted) != 0 {
            at.run(Task::NoteInterruptions);
        }
    }

    /// Whether only timers, faults and slow work are left.
    fn nothing_prompt(&self, at: &mut dyn Settle<Self>) -> bool {
        let processes = (0..FIRST_KUBELET + self.config.nodes.len()).map(ProcessId);
        let parts = (0..self.internal_parts()).map(PartId);
        let mut no = |probe| at.probe(probe) == 0;
        processes.map(Probe::Delivers).all(&mut no) && parts.map(Probe::Prompt).all(&mut no)
    }

    /// Answers what [`pass_time`](Self::pass_time) asks.
    pub(super) fn answer(&self, state: &ClusterState, probe: Probe) -> u64 {
        match probe {
            Probe::Heartbeats => {
                let environment = environment(state);
                u64::from(environment.silent.0) | u64::from(environment.slow_heartbeat.0) << 16
            }
            Probe::Outages => {
                let earliest = self.config.settings.earliest_timeout();
                let outages = &environment(state).outages;
                let all: NodeSet = outages.iter().map(|(node, _)| *node).collect();
                let short = outages.iter().filter(|(_, most)| *most < earliest);
                let short: NodeSet = short.map(|(node, _)| *node).collect();
                u64::from(all.0) | u64::from(short.0) << 16
            }
            Probe::Timers => {
                let manager = controller_manager(state);
                let evictions = &manager.taint_eviction;
                let waits = evictions.timers.iter().any(|timer| !timer.due)
                    || manager.pod_gc.waits()
                    || manager.attach_detach.waits(&self.config, &manager.cache);
                let evicts = !evictions.timers.is_empty() || !evictions.workers.is_empty();
                let bit = |set, bit| if set { bit } else { 0 };
                bit(manager.up, MANAGER_UP) | bit(waits, TIMER_WAITS) | bit(evicts, EVICTS)
            }
            Probe::Renews(node) => u64::from(kubelet(state, node).renews_lease()),
            Probe::Delivers(process) => {
                let serves = served(self, state, process).next().is_some();
                u64::from(serves || !state.inbox(process).is_empty())
            }
            Probe::Prompt(part) => {
                let mut steps = Vec::new();
                self.internals(state, part, &mut steps);
                u64::from(steps.iter().any(|step| self.is_prompt(state, step)))
            }
            Probe::Interrupted => u64::from(self.interrupted(state).next().is_some()),
        }
    }

    /// Armed eviction timers are due, unless the outage that they were armed in is over by then.
    pub(super) fn evictions_due(&self, cx: &mut Context<'_, Self>) {
        let outages = environment(cx.state()).outages.clone();
        let earliest = self.config.settings.earliest_timeout();
        // A kubelet that lives and has a network is heard of long before a volume is overdue.
        let returning = |node: &NodeId| {
            let (state, kubelet) = (cx.state(), kubelet(cx.state(), *node));
            kubelet.up && Self::is_connected(state, *node) && !kubelet.renews_lease()
        };
        let returning: NodeSet = match self.config.volumes.is_empty() {
            true => NodeSet::EMPTY,
            false => self.config.node_ids().filter(returning).collect(),
        };
        let lasts = |node| {
            let outage = outages.iter().find(|(id, _)| *id == node);
            !returning.contains(node)
                && outage.is_none_or(|(_, most)| *most >= MAX_WAIT_FOR_UNMOUNT)
        };
        let manager = controller_manager_mut(cx);
        manager.attach_detach.elapse(&self.config, &manager.cache, lasts);
        manager.pod_gc.elapse();
        controller_manager_mut(cx).taint_eviction.elapse(|cause| {
            let outage = outages.iter().find(|(node, _)| *node == cause.node);
            outage.is_none_or(|(_, most)| most.0 >= earliest.0.saturating_add(cause.after.0))
        });
    }

    /// Nodes that have lost what an eviction was armed for, which is not marked yet.
    fn interrupted<'a>(
        &'a self,
        state: &'a ClusterState,
    ) -> impl Iterator<Item = (NodeId, TaintSet)> + 'a {
        let evictions = &controller_manager(state).taint_eviction;
        let api = api_server(state);
        let taints = |id| (id, api.node(id).map_or(TaintSet::EMPTY, |node| node.taints));
        let nodes = self.config.node_ids().map(taints);
        nodes.filter(|(id, taints)| evictions.is_interrupted_by(&self.config, *id, *taints))
    }

    /// Marks evictions whose node has lost what they were armed for.
    pub(super) fn note_interruptions(&self, cx: &mut Context<'_, Self>) {
        let nodes: Vec<_> = self.interrupted(cx.state()).collect();
        for (node, taints) in nodes {
            let evictions = &mut controller_manager_mut(cx).taint_eviction;
            evictions.note_interruption(&self.config, node, taints);
        }
    }

    /// Whether a step needs no waiting.
    pub fn is_prompt(&self, state: &ClusterState, step: &Internal) -> bool {
        let view = self.view(state);
        let slow_start = |node: NodeId| view.environment().slow_start.contains(node);
        match *step {
            Internal::RemovePod(_)
            | Internal::PowerDown(_)
            | Internal::Evict(_)
            | Internal::Scheduler(_)
            | Internal::Cloud(_) => true,
            // JB-2: the back-off may last for minutes.
            Internal::Controller(ControllerStep::Job(JobStep::Manage(id))) => {
                let manager = view.controller_manager();
                !manager.job.backs_off(&self.config, &manager.cache, id)
            }
            Internal::Controller(ControllerStep::AttachDetach(step)) => {
                let forced = matches!(step, AttachDetachStep::Detach { forced: true, .. });
                !forced && !view.controller_manager().attach_detach.takes_its_time(step)
            }
            Internal::Controller(step) => !matches!(
                step,
                ControllerStep::NodeLifecycle(NodeLifecycleStep::Monitor { expired: true, .. })
                    | ControllerStep::TaintEviction(TaintEvictionStep::Fire(_))
                    | ControllerStep::PodGc(PodGcStep::Confirm(_))
                    | ControllerStep::ReplicaSet(ReplicaSetStep::Available(..))
                    | ControllerStep::DaemonSet(DaemonSetStep::BackoffOver(..))
            ),
            Internal::Kubelet(node, step) => match step {
                // A process that has been connected before reconnects when it gets to it.
                KubeletStep::ConnectHeartbeat => !view.kubelet(node).registered,
                // A runtime that does not answer is given half a minute.
                KubeletStep::PostNodeStatus => view.runtime(node).up,
                KubeletStep::ConnectWatch => !view.kubelet(node).sources_ready,
                KubeletStep::ConnectStatus => !view.kubelet(node).sources_ready,
                KubeletStep::VerifyVolumes(_) => !view.kubelet(node).missed,
                // Otherwise its time has to be over.
                KubeletStep::EndNextGroup => view.kubelet(node).group_has_ended(&self.config),
                _ => true,
            },
            Internal::Runtime(node, step) => match step {
                RuntimeStep::RunSandbox(_) | RuntimeStep::StartContainer(_) => !slow_start(node),
                RuntimeStep::StopContainer(uid) => {
                    let pod = view.runtime(node).pod(uid);
                    pod.is_none_or(|pod| self.config.template(pod.template).ends_on_sigterm)
                }
                RuntimeStep::StopSandbox(_) => true,
                // Work takes as long as it takes.
                RuntimeStep::Complete(_) => false,
            },
        }
    }
}
