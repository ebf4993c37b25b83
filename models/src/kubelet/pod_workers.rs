//! Pod workers: one state machine per uid (PW-1 … PW-6, RB-1 … RB-3, 12.8).
//!
//! Upstream: `pkg/kubelet/pod_workers.go`, `pkg/kubelet/kubelet.go` (`SyncPod`,
//! `SyncTerminatingPod`, `SyncTerminatedPod`), `pkg/kubelet/pleg/generic.go`.

use super::{KubeletStep, Place, Volumes, admission};
use crate::api_server::restarts;
use crate::config::ClusterConfig;
use crate::container_runtime::{Call, Container, ContainerRuntime, RuntimePod, Sandbox};
use crate::effects::Effects;
use crate::ids::{PodName, PodUid, Seconds, TemplateId};
use crate::objects::{ContainerState, Exit, Phase, Pod, PodReady, PodReason, PodStatus};
use crate::rules::Rule;

/// Where a pod worker is. It only moves downwards, and never back (PW-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerState {
    /// In the configuration, but not handed to a worker yet.
    New,
    /// SYNC: what should run is made to run.
    Sync,
    /// TERMINATING: what runs is stopped; nothing is started any more.
    Terminating,
    /// TERMINATED: nothing runs; what the pod held is freed.
    Terminated,
    /// Finished; only the API object may be left.
    Finished,
}

/// What the pod lifecycle event generator last saw of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Observation {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// The container.
    pub container: Container,
    /// Starts of the container.
    pub starts: u8,
    /// The address: kept from earlier observations of this process when no sandbox is ready.
    pub ip: Option<u8>,
}

/// What the watch said last of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Update {
    /// It is like this.
    Set(Pod),
    /// It left the configuration.
    Remove,
}

/// A pod worker, its entry in the pod manager and in the status manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodWorker {
    /// Whose worker.
    pub uid: PodUid,
    /// The pod's name.
    pub name: PodName,
    /// The pod's spec.
    pub template: TemplateId,
    /// The pod is in the configuration.
    pub configured: bool,
    /// The watch's last word waits for syncLoop (KL-2).
    pub update: Option<Update>,
    /// `deletionGracePeriodSeconds` as handled last.
    pub deletion: Option<Seconds>,
    /// The state machine.
    pub state: WorkerState,
    /// Termination was asked for while the runtime works on a start (PW-3): it is acknowledged
    /// when that call returns.
    pub stop_requested: bool,
    /// The pod is stopped since its node is shutting down (12.9).
    pub shut_down: bool,
    /// Its volumes.
    pub volumes: Volumes,
    /// The worker waits for this runtime call.
    pub call: Option<Call>,
    /// What was seen of the runtime; none before the first relist.
    pub seen: Option<Observation>,
    /// The status manager's cached status.
    pub status: PodStatus,
    /// The cached status has to be written (SM-1, SM-3).
    pub dirty: bool,
    /// KL-3: why this process refused the pod, if it did.
    pub refused: Option<PodReason>,
    /// History, for P3d only: the first list of this process showed the pod Terminating, and the
    /// worker has not acknowledged it yet. Once it is [past SYNC](Self::is_past_sync), that is told by
    /// its state.
    pub terminating_in_first_list: bool,
}

impl PodWorker {
    pub(super) fn new(pod: &Pod) -> Self {
        PodWorker {
            uid: pod.uid,
            name: pod.name,
            template: pod.template,
            configured: true,
            update: Some(Update::Set(*pod)),
            deletion: None,
            state: WorkerState::New,
            stop_requested: false,
            shut_down: false,
            volumes: Volumes::None,
            call: None,
            seen: None,
            status: pod.status,
            dirty: false,
            refused: None,
            terminating_in_first_list: false,
        }
    }

    /// The worker of a pod that has been there since before the start; `runtime` has its container.
    pub fn settled(config: &ClusterConfig, pod: &Pod, runtime: Option<&ContainerRuntime>) -> Self {
        let mut worker = Self::new(pod);
        worker.update = None;
        worker.state = WorkerState::Sync;
        worker.seen = Some(worker.observe(runtime.unwrap_or(&ContainerRuntime::default())));
        worker.volumes = worker.volumes_found(config);
        worker
    }

    /// The worker of a pod that runs and is not configured (PW-8).
    pub(super) fn orphan(config: &ClusterConfig, pod: &RuntimePod) -> Self {
        let volumes = match config.volumes_of(pod.template, pod.name).is_empty() {
            true => Volumes::None,
            false => Volumes::Mounted,
        };
        PodWorker {
            uid: pod.uid,
            name: pod.name,
            template: pod.template,
            configured: false,
            update: None,
            deletion: None,
            state: WorkerState::Terminating,
            stop_requested: false,
            shut_down: false,
            volumes,
            call: None,
            seen: None,
            status: PodStatus::NEW,
            dirty: false,
            refused: None,
            terminating_in_first_list: false,
        }
    }

    /// Whether the worker has acknowledged that its pod ends (PW-1).
    pub fn is_past_sync(&self) -> bool {
        match self.state {
            WorkerState::New | WorkerState::Sync => false,
            WorkerState::Terminating | WorkerState::Terminated | WorkerState::Finished => true,
        }
    }

    /// What a relist would show now.
    fn observe(&self, runtime: &ContainerRuntime) -> Observation {
        let old_ip = self.seen.and_then(|seen| seen.ip);
        match runtime.pod(self.uid) {
            None => Observation {
                sandbox: Sandbox::Absent,
                container: Container::Absent,
                starts: 0,
                ip: old_ip,
            },
            Some(pod) => Observation {
                sandbox: pod.sandbox,
                container: pod.container,
                starts: pod.starts,
                ip: if pod.sandbox == Sandbox::Ready { Some(pod.attempt) } else { old_ip },
            },
        }
    }

    /// Whether a relist would tell the worker anything.
    pub(super) fn relist_due(&self, runtime: &ContainerRuntime) -> bool {
        if self.update.is_some() || self.state == WorkerState::Finished {
            return false;
        }
        let busy = runtime.pod(self.uid).is_some_and(|pod| pod.call.is_some());
        match self.call {
            Some(_) => !busy,
            None => self.seen != Some(self.observe(runtime)),
        }
    }

    /// The steps that the worker can take.
    pub(super) fn steps(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        out: &mut Vec<KubeletStep>,
    ) {
        if self.state == WorkerState::Terminated {
            out.push(KubeletStep::FinishPod(self.uid));
        }
        if !runtime.up {
            return;
        }
        if self.update.is_some() {
            out.push(KubeletStep::HandlePod(self.uid));
        } else if self.relist_due(runtime) {
            out.push(KubeletStep::Relist(self.uid));
        } else if self.call.is_none() {
            match self.state {
                WorkerState::Sync if runtime.network && self.must_start(config) => {
                    out.push(KubeletStep::SyncPod(self.uid));
                }
                WorkerState::Terminating => out.push(KubeletStep::KillPod(self.uid)),
                _ => {}
            }
        }
    }

    fn must_start(&self, config: &ClusterConfig) -> bool {
        let policy = config.template(self.template).restart_policy;
        self.seen.is_some_and(|seen| seen.container != Container::Running)
            && self.volumes != Volumes::Held
            && restarts(policy, self.status.container)
    }

    pub(super) fn step(
        &mut self,
        config: &ClusterConfig,
        step: KubeletStep,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        match step {
            KubeletStep::Relist(_) => self.relist(config, runtime, fx),
            KubeletStep::SyncPod(_) => {
                fx.rule(Rule::Pw3);
                self.call = Some(Call::Start);
                fx.call(self.uid, Call::Start);
            }
            KubeletStep::KillPod(_) => self.kill(fx),
            KubeletStep::FinishPod(_) => self.finish(fx),
            _ => {
                fx.unhandled("a pod worker was given a step of another part of the kubelet");
            }
        }
    }

    /// PW-4.
    fn kill(&mut self, fx: &mut Effects) {
        fx.rule(Rule::Pw4);
        fx.rule(Rule::Pw2);
        self.call = Some(Call::Stop);
        fx.call(self.uid, Call::Stop);
    }

    /// A worker that has just acknowledged the end kills its pod in the same step, if the runtime
    /// answers: a crash in between leaves what a crash before leaves.
    fn kill_if_possible(&mut self, runtime: &ContainerRuntime, fx: &mut Effects) {
        if self.state == WorkerState::Terminating
            && self.update.is_none()
            && self.call.is_none()
            && runtime.up
        {
            self.kill(fx);
        }
    }

    /// PW-5: what the pod held is free.
    fn finish(&mut self, fx: &mut Effects) {
        fx.rule(Rule::Pw5);
        self.state = WorkerState::Finished;
        // The status manager is told once more, which lets SM-2 follow.
        self.dirty = self.configured;
        self.seen = None;
        self.volumes = Volumes::None;
    }

    /// A pod without volumes holds nothing that could take a while: it is finished in the same step.
    fn finish_if_nothing_is_held(&mut self, fx: &mut Effects) {
        if self.state == WorkerState::Terminated && self.volumes == Volumes::None {
            self.finish(fx);
        }
    }

    /// syncLoop hands over what the watch said last; `place` is the node, with its taints.
    pub(super) fn handle(
        &mut self,
        config: &ClusterConfig,
        place: Place,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        let Some(update) = self.update.take() else { return };
        let Update::Set(pod) = update else {
            // REMOVE: nothing is left to report.
            self.configured = false;
            self.dirty = false;
            match self.state {
                WorkerState::New => self.state = WorkerState::Finished,
                WorkerState::Sync => self.terminate(fx),
                _ => {}
            }
            self.kill_if_possible(runtime, fx);
            return;
        };
        self.deletion = pod.deletion;
        let ends = pod.is_terminating() || pod.status.phase.is_terminal();
        match self.state {
            WorkerState::New => {
                self.begin(config, place, &pod, runtime, fx);
                self.volumes = self.volumes_found(config);
                self.finish_if_nothing_is_held(fx);
            }
            WorkerState::Sync if ends => self.terminate(fx),
            // SM-2, unless somebody has said already that there is nothing to wait for.
            WorkerState::Finished if pod.is_terminating() && pod.deletion != Some(Seconds(0)) => {
                self.dirty = true;
            }
            _ => {}
        }
        self.terminating_in_first_list &= !self.is_past_sync();
        if self.status != pod.status && self.state != WorkerState::New {
            // SM-3: the API differs from what this kubelet knows. A phase that is terminal for the
            // API stays so.
            if pod.status.phase.is_terminal() && !self.status.phase.is_terminal() {
                self.status.phase = pod.status.phase;
            }
            if self.status != pod.status {
                fx.rule(Rule::Sm3);
                self.dirty = true;
            }
        }
        self.kill_if_possible(runtime, fx);
    }

    /// First sight of a pod by this process: KL-3, PW-6.
    fn begin(
        &mut self,
        config: &ClusterConfig,
        place: Place,
        pod: &Pod,
        runtime: &ContainerRuntime,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Kl3);
        let seen = self.observe(runtime);
        self.seen = Some(seen);
        let runs = seen.container == Container::Running;
        if !pod.status.phase.is_terminal()
            && let Some(reason) = admission(config, place, pod)
        {
            // Nothing is started; whatever runs is stopped as any unknown pod, and no terminal phase is
            // reported before that (SM-1, PodCouldHaveRunningContainers).
            self.refused = Some(reason);
            if !runs {
                self.status = self.refusal(reason, pod.status);
            }
            self.state = WorkerState::Terminating;
            return;
        }
        if !pod.status.phase.is_terminal() {
            self.status = self.generate(config);
            if seen.container == Container::Exited(Exit::Unknown) {
                fx.rule(Rule::Rb1);
                fx.rule(Rule::Rb2);
            }
        }
        self.state = if pod.status.phase.is_terminal() && !runs {
            WorkerState::Terminated
        } else if pod.is_terminating() || pod.status.phase.is_terminal() {
            fx.rule(Rule::Pw6);
            WorkerState::Terminating
        } else {
            WorkerState::Sync
        };
        if self.state == WorkerState::Terminating && self.status.phase.is_terminal() {
            // Reported only when nothing can run any more (SM-1).
            self.status.phase = pod.status.phase;
        }
        if runs {
            fx.rule(Rule::KubeletRestart);
        }
        self.end_if_never_restarted(fx);
    }

    /// KL-3: the status of a pod that this kubelet has refused.
    fn refusal(&self, reason: PodReason, status: PodStatus) -> PodStatus {
        let (phase, ready) = (Phase::Failed, PodReady::False);
        PodStatus { phase, reason: Some(reason), ready, ..status }
    }

    /// PW-1: from SYNC towards the end. While the runtime works on a start, the worker cannot
    /// acknowledge it.
    fn terminate(&mut self, fx: &mut Effects) {
        fx.rule(Rule::Pw1);
        if self.call.is_some() {
            self.stop_requested = true;
        } else {
            self.state = WorkerState::Terminating;
        }
    }

    /// 12.9: a pod that runs is stopped, whatever the API says.
    pub(super) fn shut_down(&mut self, fx: &mut Effects) {
        if self.state == WorkerState::Sync {
            self.shut_down = true;
            self.terminate(fx);
        }
    }

    fn relist(&mut self, config: &ClusterConfig, runtime: &ContainerRuntime, fx: &mut Effects) {
        let seen = self.observe(runtime);
        self.seen = Some(seen);
        let call = self.call.take();
        match self.state {
            WorkerState::Sync => {
                fx.rule(if seen.starts > 1 { Rule::Rb3 } else { Rule::Pw3 });
                self.set_status(self.generate(config));
                if std::mem::take(&mut self.stop_requested) {
                    fx.rule(Rule::Pw1);
                    self.state = WorkerState::Terminating;
                }
                self.end_if_never_restarted(fx);
            }
            WorkerState::Terminating => {
                fx.rule(Rule::Pw4);
                let stopped =
                    seen.container != Container::Running && seen.sandbox != Sandbox::Ready;
                if call == Some(Call::Stop) && stopped {
                    self.state = WorkerState::Terminated;
                    self.set_status(self.final_status(config));
                    self.finish_if_nothing_is_held(fx);
                }
            }
            _ => fx.rule(Rule::Pw5),
        }
        self.kill_if_possible(runtime, fx);
    }

    /// A container that ended for good ends its pod (12.4).
    fn end_if_never_restarted(&mut self, fx: &mut Effects) {
        if self.state == WorkerState::Sync && self.status.phase.is_terminal() {
            // Reported only when nothing can run any more (SM-1).
            self.status.phase = Phase::Running;
            self.terminate(fx);
        }
    }

    fn set_status(&mut self, status: PodStatus) {
        if self.configured && status != self.status {
            self.dirty = true;
        }
        self.status = status;
    }

    /// The status as computed from what was seen of the runtime.
    fn generate(&self, config: &ClusterConfig) -> PodStatus {
        let template = config.template(self.template);
        let Some(seen) = self.seen else { return self.status };
        let container = match seen.container {
            Container::Absent => ContainerState::Creating,
            Container::Running => ContainerState::Running,
            Container::Exited(exit) => ContainerState::Terminated(exit),
        };
        let phase = match container {
            ContainerState::Terminated(exit) if !restarts(template.restart_policy, container) => {
                if exit.code() == 0 {
                    Phase::Succeeded
                } else {
                    Phase::Failed
                }
            }
            ContainerState::Creating | ContainerState::Absent => Phase::Pending,
            _ => Phase::Running,
        };
        let ready = match (container, self.status.ready) {
            (ContainerState::Running, PodReady::True { since }) => PodReady::True { since },
            (ContainerState::Running, _) if template.min_ready.0 == 0 => {
                PodReady::True { since: 0 }
            }
            // A new stretch of readiness: the container was started, or another kubelet process
            // than the one that reported it ready looks at it (RS-7).
            (ContainerState::Running, _) if self.state == WorkerState::New => {
                PodReady::True { since: seen.starts | 0x80 }
            }
            (ContainerState::Running, _) => PodReady::True { since: seen.starts },
            _ => PodReady::False,
        };
        PodStatus {
            phase,
            reason: self.status.reason,
            ready,
            container,
            restart_count: seen.starts.saturating_sub(1),
            ip: seen.ip,
        }
    }

    /// PW-4, PW-5: the status of a pod of which nothing runs any more.
    fn final_status(&self, config: &ClusterConfig) -> PodStatus {
        if let Some(reason) = self.refused {
            return self.refusal(reason, self.generate(config));
        }
        let mut status = self.generate(config);
        if config.version.terminal_phase_before_delete() || self.status.phase.is_terminal() {
            if status.container == ContainerState::Creating {
                status.container = ContainerState::Terminated(Exit::Lost);
            }
            let ended_well = status.container == ContainerState::Terminated(Exit::Completed);
            status.phase = if ended_well { Phase::Succeeded } else { Phase::Failed };
            if self.status.phase.is_terminal() {
                status.phase = self.status.phase;
            }
        }
        if self.shut_down && !self.status.phase.is_terminal() {
            status.phase = Phase::Failed;
            status.reason = Some(PodReason::Terminated);
        }
        status
    }
}
