//! Graceful node shutdown (12.9): groups of pods by priority, the low ones first.
//!
//! Upstream: `pkg/kubelet/nodeshutdown/nodeshutdown_manager.go` (`killPods`, `groupByPriority`). A
//! group has its time; when its pods have ended, or the time is over, it is the turn of the next that
//! has pods.

use super::{Kubelet, PodWorker, Volumes, WorkerState};
use crate::config::{ClusterConfig, PROMPT};
use crate::container_runtime::{Call, Container, ContainerRuntime};
use crate::effects::Effects;
use crate::rules::Rule;

impl Kubelet {
    /// systemd says that the node is about to shut down: nothing is admitted any more, and the pods of
    /// the first group are stopped.
    pub fn shut_down(&mut self, config: &ClusterConfig, fx: &mut Effects) {
        fx.rule(Rule::Shutdown);
        self.shutting_down = true;
        self.end_group(config, 0, fx);
    }

    /// It is the turn of the first group from this one on that has pods.
    fn end_group(&mut self, config: &ClusterConfig, from: u8, fx: &mut Effects) {
        let Some(group) = self.group_from(config, from) else { return };
        self.shutdown_group = group;
        for worker in self.pods.iter_mut().filter(|worker| group_of(config, worker) == group) {
            worker.shut_down(fx);
        }
    }

    /// It is the turn of the next group.
    pub(super) fn end_next_group(&mut self, config: &ClusterConfig, fx: &mut Effects) {
        fx.rule(Rule::Shutdown);
        self.end_group(config, self.shutdown_group + 1, fx);
    }

    fn group_from(&self, config: &ClusterConfig, from: u8) -> Option<u8> {
        let lives = |worker: &&PodWorker| {
            matches!(worker.state, WorkerState::Sync | WorkerState::Terminating)
        };
        let groups = self.pods.iter().filter(lives).map(|worker| group_of(config, worker));
        groups.filter(|group| *group >= from).min()
    }

    /// Whether a group of pods waits for the one whose turn it is.
    pub fn has_later_group(&self, config: &ClusterConfig) -> bool {
        self.shutting_down && self.group_from(config, self.shutdown_group + 1).is_some()
    }

    /// Whether the pods whose turn it is have ended, and their volumes are unmounted.
    pub fn group_has_ended(&self, config: &ClusterConfig) -> bool {
        let ended = |worker: &PodWorker| {
            let stopped = !matches!(worker.state, WorkerState::Sync | WorkerState::Terminating);
            stopped && worker.volumes == Volumes::None
        };
        let mut own = self.own_group(config);
        own.all(ended)
    }

    /// Whether the time of a group may be over before its pods have ended: not while there are
    /// containers that end in much less.
    pub(super) fn group_may_be_late(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
    ) -> bool {
        let ends_soon = |worker: &PodWorker| {
            runtime.pod(worker.uid).is_some_and(|pod| {
                let ends = config.template(pod.template).ends_on_sigterm;
                pod.call == Some(Call::Start) || (pod.container == Container::Running && ends)
            })
        };
        let time = config.settings.shutdown_groups[self.shutdown_group as usize].grace;
        !runtime.up || time < PROMPT || !self.own_group(config).any(ends_soon)
    }

    fn own_group(&self, config: &ClusterConfig) -> impl Iterator<Item = &PodWorker> {
        self.pods.iter().filter(|worker| group_of(config, worker) == self.shutdown_group)
    }
}

fn group_of(config: &ClusterConfig, worker: &PodWorker) -> u8 {
    config.settings.shutdown_group(config.template(worker.template).priority)
}
