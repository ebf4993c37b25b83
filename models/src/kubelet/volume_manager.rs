//! The volume manager (AD-V3, AD-V4, PW-3, PW-5): which volumes are in use, and when a pod has its
//! own.
//!
//! Upstream: `pkg/kubelet/volumemanager`, `pkg/volume/util/operationexecutor`. A volume is mounted in
//! the step that learns that it is attached, and unmounted in the step that frees what the pod held.

use super::{Connection, Kubelet, PodWorker, WorkerState};
use crate::config::ClusterConfig;
use crate::container_runtime::{Container, ContainerRuntime, Sandbox};
use crate::effects::Effects;
use crate::ids::{PodUid, VolumeSet};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// What the volume manager has to do with the volumes of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Volumes {
    /// Nothing: there are none, or they are unmounted, or not to be mounted.
    None,
    /// They count as in use, and nothing runs with them: the pod waits for them, or left something
    /// behind.
    Held,
    /// They are mounted.
    Mounted,
}

impl PodWorker {
    /// What a worker begins with, given what it saw of the runtime.
    pub(super) fn volumes_found(&self, config: &ClusterConfig) -> Volumes {
        if config.volumes_of(self.template, self.name).is_empty() {
            return Volumes::None;
        }
        match self.seen.map(|seen| (seen.sandbox, seen.container)) {
            Some((Sandbox::Ready, _) | (_, Container::Running)) => Volumes::Mounted,
            Some((Sandbox::Absent, _)) if self.state != WorkerState::Sync => Volumes::None,
            _ => Volumes::Held,
        }
    }

    /// Whether the pod cannot start before its volumes are mounted.
    pub(super) fn waits_for_volumes(&self) -> bool {
        self.volumes == Volumes::Held && self.state == WorkerState::Sync
    }
}

impl Kubelet {
    /// `volumesInUse` as it should be: volumes of pods that wait for them or have them, and of what is
    /// left on the disk of pods that nobody knows.
    pub(super) fn volumes_in_use(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
    ) -> VolumeSet {
        if config.volumes.is_empty() {
            return VolumeSet::EMPTY;
        }
        let held = self.pods.iter().filter(|worker| worker.volumes != Volumes::None);
        let held = held.map(|worker| (worker.template, worker.name));
        let left = runtime.pods.iter().filter(|pod| self.pod(pod.uid).is_none());
        let left = left.map(|pod| (pod.template, pod.name));
        held.chain(left).fold(VolumeSet::EMPTY, |all, (template, name)| {
            all.union(config.volumes_of(template, name))
        })
    }

    /// Whether it is worth a look whether the volumes of a pod can be mounted. The kubelet looks again
    /// and again; a look that would show nothing new is no step.
    pub(super) fn may_verify(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        worker: &PodWorker,
    ) -> bool {
        if !worker.waits_for_volumes() {
            return false;
        }
        let volumes = config.volumes_of(worker.template, worker.name);
        let asks = self.status == Connection::Up && self.verifying.is_none() && !self.missing;
        // The node has to say that they are in use before anything is mounted.
        let announced = volumes.minus(self.in_use).is_empty();
        asks && announced
            && volumes.minus(self.attached).is_empty()
            && !self.has_with_another(config, runtime, worker.uid, volumes)
            && !worker.stop_requested
    }

    /// AD-V4: a ReadWriteOncePod volume is not mounted for a second pod: whether one of these is mounted
    /// for another pod, perhaps for one that this process does not know yet.
    pub fn has_with_another(
        &self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        uid: PodUid,
        volumes: VolumeSet,
    ) -> bool {
        let exclusive = config.once_per_pod(volumes);
        if exclusive.is_empty() {
            return false;
        }
        let mounted = self.pods.iter().filter(|worker| worker.volumes == Volumes::Mounted);
        let mounted = mounted.map(|worker| (worker.uid, worker.template, worker.name));
        let left = runtime.pods.iter().filter(|pod| self.pod(pod.uid).is_none());
        let left = left.map(|pod| (pod.uid, pod.template, pod.name));
        mounted.chain(left).any(|(other, template, name)| {
            let shared = config.volumes_of(template, name).intersection(exclusive);
            other != uid && !shared.is_empty()
        })
    }

    /// AD-V3: the live look.
    pub(super) fn verify_volumes(&mut self, uid: PodUid, fx: &mut Effects) {
        fx.rule(Rule::Pw3);
        fx.rule(Rule::AdV3);
        self.verifying = Some(uid);
        fx.send(Request::GetAttachedVolumes { node: self.node });
    }

    /// What the look showed: if all volumes of the pod are attached, they are mounted.
    pub(super) fn volumes_verified(
        &mut self,
        config: &ClusterConfig,
        runtime: &ContainerRuntime,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let Some(uid) = self.verifying.take() else { return };
        let Some(worker) = self.pod(uid) else { return };
        let attached =
            if let Reply::Volumes(volumes) = *reply { volumes } else { VolumeSet::EMPTY };
        let volumes = config.volumes_of(worker.template, worker.name);
        let missed = !volumes.minus(attached).is_empty();
        let free = !self.has_with_another(config, runtime, worker.uid, volumes);
        let mounts = worker.state == WorkerState::Sync && !missed && free;
        self.missed = missed;
        if !config.once_per_pod(volumes).is_empty() {
            fx.rule(Rule::AdV4);
        }
        if mounts && let Some(worker) = self.pod_mut(uid) {
            fx.rule(Rule::Pw3);
            worker.volumes = Volumes::Mounted;
        }
    }
}
