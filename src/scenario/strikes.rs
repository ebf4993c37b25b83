//! What can go wrong, and what it does to the actors and their channels.

use models::container_runtime::{Call, Container, RuntimePod};
use models::faults::FaultKind;
use models::ids::NodeId;
use models::kube_controller_manager::ControllerManager;
use models::kubelet::Kubelet;
use models::rules::Rule;

use crate::engine::star::{Context, StreamId};
use crate::scenario::cluster::*;

impl Cluster {
    /// What may go wrong with the controller manager.
    pub(super) fn control_plane_faults(&self, at: &ClusterState, out: &mut Vec<Fault>) {
        let up = controller_manager(at).up;
        let kind = if up {
            FaultKind::ControllerManagerCrash
        } else {
            FaultKind::ControllerManagerRestart
        };
        if environment(at).allows(&self.config, kind, None) {
            let sent = at.outbox(CONTROLLER_MANAGER_PROCESS).live.len();
            out.extend(Kept::any_of(if up { sent } else { 0 }).map(|kept| Fault {
                kind,
                node: None,
                pod: None,
                kept,
            }));
        }
    }

    /// A fault strikes, or a person does something.
    pub(super) fn strike(&self, cx: &mut Context<'_, Self>, fault: &Fault) {
        cx.rule(fault_rule(fault.kind).index() as u8);
        if fault.kind.is_by_operator() {
            return self.operate(cx, fault);
        }
        environment_mut(cx).spend(&self.config, fault.kind, fault.node);
        if let Some(node) = fault.node.filter(|_| fault.kind.silences()) {
            self.begin_outage(cx, fault.kind, node);
        }
        match (fault.kind, fault.node) {
            (_, Some(node)) => self.strike_node(cx, fault, node),
            (FaultKind::ControllerManagerCrash, None) => {
                cx.crash(CONTROLLER_MANAGER_PROCESS, |at| fault.kept.contains(at));
                *controller_manager_mut(cx) = ControllerManager::dead(&self.config);
            }
            (FaultKind::ControllerManagerRestart, None) => {
                for stream in (0..watched_kinds(&self.config)).map(StreamId) {
                    cx.connect(CONTROLLER_MANAGER_PROCESS, stream);
                }
                let listing = api_server(cx.state()).list();
                self.change_controller_manager(cx, None, |process, fx| {
                    *process = ControllerManager::start(&self.config, listing, fx);
                });
            }
            (_, None) => cx.error("a fault of a node struck the control plane"),
        }
    }

    /// Heartbeats of a node end, for as long as its fault says.
    fn begin_outage(&self, cx: &mut Context<'_, Self>, kind: FaultKind, node: NodeId) {
        let most = self.config.outage(kind, node);
        let begins = environment(cx.state()).outage(node).is_none();
        environment_mut(cx).begin_outage(node, most);
        if begins && most.is_some() && controller_manager(cx.state()).up {
            controller_manager_mut(cx).taint_eviction.outage_begins(node);
        }
    }

    /// What may go wrong with one node.
    pub(super) fn node_faults(&self, at: &ClusterState, node: NodeId, out: &mut Vec<Fault>) {
        let environment = environment(at);
        let (kubelet, runtime) = (kubelet(at, node), runtime(at, node));
        let partitioned = environment.partitioned.contains(node);
        let on = runtime.powered;
        let sent = at.outbox(kubelet_process(node)).live.len();
        let mut offer = |kind, enabled: bool, sent: usize| {
            if enabled && environment.allows(&self.config, kind, Some(node)) {
                out.extend(Kept::any_of(sent).map(|kept| Fault {
                    kind,
                    node: Some(node),
                    pod: None,
                    kept,
                }));
            }
        };
        offer(FaultKind::PowerOff, on, sent);
        offer(FaultKind::Shutdown, on && !environment.shutting_down.contains(node), 0);
        offer(FaultKind::InstanceStopped, on, sent);
        offer(FaultKind::InstanceGone, on, sent);
        let boots = !on && !environment.gone.contains(node);
        offer(FaultKind::PowerOn, boots, 0);
        offer(FaultKind::PowerOnNoNetwork, boots, 0);
        offer(FaultKind::NetworkConfigured, on && runtime.up && !runtime.network, 0);
        offer(FaultKind::KubeletCrash, on && kubelet.up, sent);
        offer(FaultKind::KubeletRestart, on && !kubelet.up, 0);
        offer(FaultKind::RuntimeCrash, on && runtime.up, 0);
        offer(FaultKind::RuntimeRestart, on && !runtime.up, 0);
        offer(FaultKind::Partition, on && !partitioned, 0);
        offer(FaultKind::Heal, partitioned, 0);
        offer(FaultKind::SlowStart, on && !environment.slow_start.contains(node), 0);
        let renews = kubelet.renews_lease() && !environment.slow_heartbeat.contains(node);
        offer(FaultKind::SlowHeartbeat, renews, 0);
    }

    /// A node has no power any more; of what its kubelet has sent, these requests still arrive.
    fn power_off(&self, cx: &mut Context<'_, Self>, node: NodeId, kept: Kept) {
        cx.crash(kubelet_process(node), |at| kept.contains(at));
        *kubelet_mut(cx, node) = Kubelet::dead(node);
        self.change_runtime(cx, node, |runtime, _| runtime.power_off(&self.config));
        let environment = environment_mut(cx);
        environment.slow_heartbeat.remove(node);
        environment.slow_start.remove(node);
        environment.shutting_down.remove(node);
    }

    /// 12.9: whether a node that is to shut down is held up no longer: by no kubelet that lives, knows
    /// of it, and has containers to stop that could end by themselves. (Others take as long as the
    /// grace period; it may then end just before they do.)
    pub(super) fn powers_down(&self, at: &ClusterState, node: NodeId) -> bool {
        if !environment(at).shutting_down.contains(node) {
            return false;
        }
        let (kubelet, runtime) = (kubelet(at, node), runtime(at, node));
        let runs = |pod: &RuntimePod| {
            let ends = self.config.template(pod.template).ends_on_sigterm;
            pod.call == Some(Call::Start) || (pod.container == Container::Running && ends)
        };
        let holds = kubelet.up && kubelet.shutting_down && runtime.up;
        !holds || !(kubelet.has_later_group(&self.config) || runtime.pods.iter().any(runs))
    }

    /// A node that was shut down is off, and what its kubelet has sent may still arrive.
    pub(super) fn power_down(&self, cx: &mut Context<'_, Self>, node: NodeId) {
        cx.rule(Rule::Shutdown.index() as u8);
        self.power_off(cx, node, Kept::NONE);
    }

    fn strike_node(&self, cx: &mut Context<'_, Self>, fault: &Fault, node: NodeId) {
        let process = kubelet_process(node);
        let connected = Self::is_connected(cx.state(), node);
        match fault.kind {
            FaultKind::PowerOff => self.power_off(cx, node, fault.kept),
            FaultKind::Shutdown => {
                environment_mut(cx).shutting_down.insert(node);
                if self.config.settings.shutdown_grace().is_some() && kubelet(cx.state(), node).up {
                    self.change_kubelet(cx, node, |kubelet, _, fx| {
                        kubelet.shut_down(&self.config, fx);
                    });
                }
            }
            FaultKind::InstanceStopped => {
                self.power_off(cx, node, fault.kept);
                environment_mut(cx).stopped.insert(node);
            }
            FaultKind::InstanceGone => {
                self.power_off(cx, node, fault.kept);
                environment_mut(cx).gone.insert(node);
            }
            FaultKind::PowerOn | FaultKind::PowerOnNoNetwork => {
                environment_mut(cx).stopped.remove(node);
                let network = fault.kind == FaultKind::PowerOn;
                self.change_runtime(cx, node, |runtime, _| runtime.power_on(network));
                *kubelet_mut(cx, node) = Kubelet::start(node, connected);
            }
            FaultKind::NetworkConfigured => {
                self.change_runtime(cx, node, |runtime, _| runtime.network = true)
            }
            FaultKind::KubeletCrash => {
                cx.crash(process, |at| fault.kept.contains(at));
                *kubelet_mut(cx, node) = Kubelet::dead(node);
                self.change_runtime(cx, node, |runtime, _| runtime.lose_calls(&self.config));
            }
            FaultKind::KubeletRestart => {
                *kubelet_mut(cx, node) = Kubelet::start(node, connected);
            }
            FaultKind::RuntimeCrash => {
                self.change_runtime(cx, node, |runtime, _| runtime.crash(&self.config))
            }
            FaultKind::RuntimeRestart => {
                self.change_runtime(cx, node, |runtime, _| runtime.up = true)
            }
            FaultKind::Partition => {
                cx.cut(process);
                environment_mut(cx).partitioned.insert(node);
                self.change_kubelet(cx, node, |kubelet, _, _| kubelet.disconnect());
            }
            FaultKind::Heal => {
                environment_mut(cx).partitioned.remove(node);
            }
            FaultKind::SlowStart => {
                environment_mut(cx).slow_start.insert(node);
            }
            FaultKind::SlowHeartbeat => {
                environment_mut(cx).slow_heartbeat.insert(node);
            }
            _ => cx.error("a fault of the control plane, or what people do, struck a node"),
        }
    }
}

/// The rule label of a fault.
pub fn fault_rule(kind: FaultKind) -> Rule {
    match kind {
        FaultKind::PowerOff => Rule::FPowerOff,
        FaultKind::Shutdown => Rule::FShutdown,
        FaultKind::InstanceStopped => Rule::FInstanceStopped,
        FaultKind::InstanceGone => Rule::FInstanceGone,
        FaultKind::PowerOn => Rule::FPowerOn,
        FaultKind::PowerOnNoNetwork => Rule::FPowerOnNoNetwork,
        FaultKind::NetworkConfigured => Rule::FNetworkConfigured,
        FaultKind::KubeletCrash => Rule::FKubeletCrash,
        FaultKind::KubeletRestart => Rule::FKubeletRestart,
        FaultKind::RuntimeCrash => Rule::FRuntimeCrash,
        FaultKind::RuntimeRestart => Rule::FRuntimeRestart,
        FaultKind::Partition => Rule::FPartition,
        FaultKind::Heal => Rule::FHeal,
        FaultKind::ControllerManagerCrash => Rule::FControllerManagerCrash,
        FaultKind::ControllerManagerRestart => Rule::FControllerManagerRestart,
        FaultKind::SlowStart => Rule::FSlowStart,
        FaultKind::SlowHeartbeat => Rule::FSlowHeartbeat,
        FaultKind::DeletePod | FaultKind::DeletePodNow => Rule::OpDeletePod,
        FaultKind::ForceDeletePod => Rule::OpForceDeletePod,
        FaultKind::OutOfService | FaultKind::BackInService => Rule::OpOutOfService,
        FaultKind::Cordon | FaultKind::Uncordon => Rule::OpCordon,
        FaultKind::Rollout(_) => Rule::OpRollout,
        FaultKind::Scale(..) => Rule::OpScale,
        FaultKind::DeleteWorkload(..) => Rule::OpDeleteWorkload,
        FaultKind::DeleteNode => Rule::OpDeleteNode,
        FaultKind::Drain => Rule::OpDrain,
        FaultKind::Taint(_) | FaultKind::Untaint(_) => Rule::OpTaint,
    }
}
