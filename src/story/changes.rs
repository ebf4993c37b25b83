//! What a step changed: in the API, in reality, and in the memory of controllers and kubelets.

use models::container_runtime::{Container, ContainerRuntime, RuntimePod, Sandbox};
use models::ids::{NodeId, Seconds};
use models::kubelet::{Connection, Kubelet, PodWorker, Volumes, WorkerState};
use models::node_lifecycle::ZoneState;
use models::objects::{Deployment, Exit, Node, Pod, PodReady, ReplicaSet, VolumeAttachment};
use models::printers;
use models::view::ClusterView;

use crate::story::words::{Words, disruption_word, ready_word};

/// Compares two states that follow each other.
pub struct Changes<'a> {
    before: &'a ClusterView<'a>,
    after: &'a ClusterView<'a>,
    words: Words<'a>,
    out: Vec<String>,
}

/// Everything that changed, the API first.
pub fn between(before: &ClusterView<'_>, after: &ClusterView<'_>, words: Words<'_>) -> Vec<String> {
    let mut changes = Changes { before, after, words, out: Vec::new() };
    changes.pods();
    changes.nodes();
    changes.attachments();
    changes.workloads();
    changes.stateful_sets();
    for node in after.config.node_ids() {
        changes.reality(node);
    }
    changes.controllers();
    changes.out
}

impl Changes<'_> {
    fn say(&mut self, change: String) {
        self.out.push(change);
    }

    fn pods(&mut self) {
        for pod in &self.before.api().pods {
            match self.after.api().pod(pod.uid) {
                None => self.say(format!("pod {}: gone from the API", self.words.pod(pod.uid))),
                Some(now) if now != pod => self.pod(pod, now),
                Some(_) => {}
            }
        }
        for pod in &self.after.api().pods {
            if self.before.api().pod(pod.uid).is_none() {
                let status = printers::pod_status(self.after.config.version, pod);
                self.say(format!("pod {}: created, {status}", self.words.pod(pod.uid)));
            }
        }
    }

    fn pod(&mut self, old: &Pod, new: &Pod) {
        let mut said = Vec::new();
        if old.node != new.node
            && let Some(node) = new.node
        {
            said.push(format!("bound to {}", self.words.node(node)));
        }
        let version = self.after.config.version;
        let (was, is) = (printers::pod_status(version, old), printers::pod_status(version, new));
        if was != is {
            said.push(format!("{was} -> {is}"));
        }
        match (old.deletion, new.deletion) {
            (None, Some(Seconds(grace))) => said.push(format!("deletionTimestamp in {grace} s")),
            (Some(old), Some(new)) if old != new => said.push(format!("grace {old} -> {new}")),
            _ => {}
        }
        if old.status.phase != new.status.phase {
            let word = printers::phase_word;
            said.push(format!("phase {} -> {}", word(old.status.phase), word(new.status.phase)));
        }
        let (was, is) = (printers::pod_ready(old), printers::pod_ready(new));
        if was != is {
            said.push(format!("READY {was} -> {is}"));
        }
        if old.status.ready.is_true() != new.status.ready.is_true()
            || old.status.ready == PodReady::Absent
        {
            let word = |ready: PodReady| match ready {
                PodReady::Absent => "absent",
                PodReady::False => "False",
                PodReady::True { .. } => "True",
            };
            if old.status.ready != new.status.ready {
                let (was, is) = (word(old.status.ready), word(new.status.ready));
                said.push(format!("condition Ready {was} -> {is}"));
            }
        }
        if old.tracked && !new.tracked {
            said.push("its finalizer is taken off".to_string());
        }
        if old.disruption_target != new.disruption_target
            && let Some(reason) = new.disruption_target
        {
            said.push(format!("DisruptionTarget=True ({})", disruption_word(reason)));
        }
        if old.status.restart_count != new.status.restart_count {
            let (was, is) = (old.status.restart_count, new.status.restart_count);
            said.push(format!("restarts {was} -> {is}"));
        }
        if old.status.ip != new.status.ip {
            let shown = |ip: Option<u8>| {
                let names = self.words.names;
                ip.and_then(|ip| names.address(self.words.at, new.uid, ip))
                    .unwrap_or(printers::NONE)
            };
            said.push(format!("IP {} -> {}", shown(old.status.ip), shown(new.status.ip)));
        }
        if !said.is_empty() {
            self.say(format!("pod {}: {}", self.words.pod(new.uid), said.join(", ")));
        }
    }

    fn nodes(&mut self) {
        for id in self.after.config.node_ids() {
            let stored = |view: &ClusterView<'_>| view.api().node(id).is_some();
            match (stored(self.before), stored(self.after)) {
                (true, false) => self.say(format!("node {}: removed", self.words.node(id))),
                (false, true) => self.say(format!("node {}: created", self.words.node(id))),
                _ => {}
            }
        }
        for node in &self.before.api().nodes {
            if let Some(now) = self.after.api().node(node.id)
                && now != node
            {
                self.node(node, now);
            }
        }
    }

    fn attachments(&mut self) {
        let (old, new) = (&self.before.api().attachments, &self.after.api().attachments);
        let words = self.words;
        let name = |what: &VolumeAttachment| (words.volume(what.volume), words.node(what.node));
        for (volume, node) in new.iter().filter(|what| !old.contains(what)).map(name) {
            self.say(format!("volume {volume}: attached to {node}"));
        }
        for (volume, node) in old.iter().filter(|what| !new.contains(what)).map(name) {
            self.say(format!("volume {volume}: detached from {node}"));
        }
    }

    fn node(&mut self, old: &Node, new: &Node) {
        let mut said = Vec::new();
        if old.ready != new.ready {
            said.push(format!("Ready {} -> {}", ready_word(old.ready), ready_word(new.ready)));
        }
        let added = new.taints.minus(old.taints).iter();
        said.extend(added.map(|taint| format!("taint +{}", self.words.taint(taint))));
        let removed = old.taints.minus(new.taints).iter();
        said.extend(removed.map(|taint| format!("taint -{}", self.words.taint(taint))));
        if old.boot != new.boot {
            said.push("a new bootID".to_string());
        }
        said.extend(self.words.list_changes(old, new));
        self.say(format!("node {}: {}", self.words.node(new.id), said.join(", ")));
    }

    fn workloads(&mut self) {
        let (before, after) = (self.before.api(), self.after.api());
        for old in &before.replica_sets {
            if after.replica_set(old.id).is_none() {
                let name = &self.after.config.replica_sets[old.id.0 as usize].name;
                self.say(format!("replicaset {name}: gone"));
            }
        }
        for old in &before.deployments {
            if after.deployment(old.id).is_none() {
                let name = &self.after.config.deployments[old.id.0 as usize].name;
                self.say(format!("deployment {name}: gone"));
            }
        }
        for new in &after.replica_sets {
            let name = &self.after.config.replica_sets[new.id.0 as usize].name;
            match before.replica_set(new.id) {
                None => {
                    self.say(format!("replicaset {name}: created with {} replicas", new.replicas))
                }
                Some(old) => {
                    let changes = replica_set_counts(old, new);
                    let goes = (old.finalizer != new.finalizer).then_some("deletionTimestamp set");
                    let freed = (old.owner != new.owner).then_some("no owner any more");
                    let also: Vec<&str> = goes.into_iter().chain(freed).collect();
                    self.say_counts(&format!("replicaset {name}"), &changes, &also);
                }
            }
        }
        for new in &after.deployments {
            let Some(old) = before.deployment(new.id) else { continue };
            let name = &self.after.config.deployments[new.id.0 as usize].name;
            let rolled = (old.revision != new.revision).then_some("another template");
            let changes = deployment_counts(old, new);
            let goes = (old.finalizer != new.finalizer).then_some("deletionTimestamp set");
            let also: Vec<&str> = rolled.into_iter().chain(goes).collect();
            self.say_counts(&format!("deployment {name}"), &changes, &also);
        }
        self.gone_workloads();
        for new in &after.jobs {
            let Some(old) = before.job(new.id) else { continue };
            let name = &self.after.config.jobs[new.id.0 as usize].name;
            self.say_deletion("job", name, old.finalizer != new.finalizer);
            let (old, new) = (old.status, new.status);
            if let Some(said) = changed(&[
                ("succeeded", old.succeeded, new.succeeded),
                ("failed", old.failed, new.failed),
                ("active", old.active, new.active),
                ("ready", old.ready, new.ready),
                ("terminating", old.terminating, new.terminating),
            ]) {
                self.say(format!("job {name}: {said}"));
            }
            for uid in new.uncounted().minus(old.uncounted()).iter() {
                let failed = new.uncounted_failed.contains(uid);
                let word = if failed { "failed" } else { "succeeded" };
                self.say(format!("job {name}: notes that {} {word}", self.words.pod(uid)));
            }
            if old.condition != new.condition {
                self.say(format!("job {name}: condition {:?}", new.condition));
            }
        }
        self.daemon_sets();
    }

    /// StatefulSets, DaemonSets and Jobs that have left the store.
    fn gone_workloads(&mut self) {
        let (before, after) = (self.before.api(), self.after.api());
        let config = self.after.config;
        for old in before.stateful_sets.iter().filter(|old| after.stateful_set(old.id).is_none()) {
            self.say(format!("statefulset {}: gone", config.stateful_sets[old.id.0 as usize].name));
        }
        for old in before.daemon_sets.iter().filter(|old| after.daemon_set(old.id).is_none()) {
            self.say(format!("daemonset {}: gone", config.daemon_sets[old.id.0 as usize].name));
        }
        for old in before.jobs.iter().filter(|old| after.job(old.id).is_none()) {
            self.say(format!("job {}: gone", config.jobs[old.id.0 as usize].name));
        }
    }

    fn say_deletion(&mut self, kind: &str, name: &str, goes: bool) {
        if goes {
            self.say(format!("{kind} {name}: deletionTimestamp set"));
        }
    }

    fn say_counts(&mut self, what: &str, counts: &[(&str, u8, u8)], also: &[&str]) {
        let changed = counts.iter().filter(|(_, old, new)| old != new);
        let mut said: Vec<String> = also.iter().map(|also| also.to_string()).collect();
        said.extend(changed.map(|(field, old, new)| format!("{field} {old} -> {new}")));
        if !said.is_empty() {
            self.say(format!("{what}: {}", said.join(", ")));
        }
    }

    fn daemon_sets(&mut self) {
        for new in &self.after.api().daemon_sets {
            let Some(old) = self.before.api().daemon_set(new.id) else { continue };
            let name = &self.after.config.daemon_sets[new.id.0 as usize].name;
            self.say_deletion("daemonset", name, old.finalizer != new.finalizer);
            let (old, new) = (old.status, new.status);
            if let Some(said) = changed(&[
                ("desired", old.desired, new.desired),
                ("current", old.current, new.current),
                ("ready", old.ready, new.ready),
                ("misscheduled", old.misscheduled, new.misscheduled),
            ]) {
                self.say(format!("daemonset {name}: {said}"));
            }
        }
    }

    fn stateful_sets(&mut self) {
        let (before, after) = (self.before.api(), self.after.api());
        for new in &after.stateful_sets {
            let Some(old) = before.stateful_set(new.id) else { continue };
            let name = &self.after.config.stateful_sets[new.id.0 as usize].name;
            self.say_deletion("statefulset", name, old.finalizer != new.finalizer);
            let fields = [
                ("spec.replicas", old.replicas, new.replicas),
                ("replicas", old.status.replicas, new.status.replicas),
                ("ready", old.status.ready, new.status.ready),
                ("current", old.status.current, new.status.current),
            ];
            if let Some(said) = changed(&fields) {
                self.say(format!("statefulset {name}: {said}"));
            }
        }
    }

    /// What really runs on a node, and what its kubelet made up its mind to do.
    fn reality(&mut self, node: NodeId) {
        let (old, new) = (self.before.runtime(node), self.after.runtime(node));
        let name = self.words.node(node);
        if old.powered != new.powered {
            self.say(format!("{name}: power {}", if new.powered { "on" } else { "off" }));
        } else if old.up != new.up {
            self.say(format!("{name}: containerd {}", if new.up { "up" } else { "down" }));
        }
        if old.network != new.network && new.powered && old.powered {
            self.say(format!("{name}: pod network configured"));
        }
        for pod in &old.pods {
            if new.pod(pod.uid).is_none() {
                self.say(format!("{name}: remains of {} removed", self.words.pod(pod.uid)));
            }
        }
        for pod in &new.pods {
            self.container(node, old, pod);
        }
        self.kubelet(node, self.before.kubelet(node), self.after.kubelet(node));
    }

    fn container(&mut self, node: NodeId, old: &ContainerRuntime, new: &RuntimePod) {
        let (name, pod) = (self.words.node(node), self.words.pod(new.uid));
        let old = old.pod(new.uid);
        let was =
            old.map_or((Sandbox::Absent, Container::Absent), |old| (old.sandbox, old.container));
        let sandbox_died = was.0 == Sandbox::Ready && new.sandbox == Sandbox::NotReady;
        if was.0 != Sandbox::Ready && new.sandbox == Sandbox::Ready {
            let address = self.words.names.address(self.words.at, new.uid, new.attempt);
            let address = address.map_or(String::new(), |address| format!(", IP {address}"));
            self.say(format!("{name}: sandbox of {pod} is up{address}"));
        }
        if was.1 == new.container {
            if sandbox_died {
                self.say(format!("{name}: sandbox of {pod} is gone"));
            }
            return;
        }
        match new.container {
            Container::Running => {
                self.say(format!("{name}: container of {pod} starts{}", times(new.starts)))
            }
            Container::Exited(Exit::Unknown) => {
                self.say(format!("{name}: container of {pod} dies with its node"))
            }
            Container::Exited(exit) => {
                self.say(format!("{name}: container of {pod} ends, exit code {}", exit.code()))
            }
            Container::Absent => {}
        }
    }

    fn kubelet(&mut self, node: NodeId, old: &Kubelet, new: &Kubelet) {
        let name = self.words.node(node);
        if old.up != new.up {
            self.say(format!("{name}: kubelet {}", if new.up { "up" } else { "down" }));
        }
        let cut = |view: &ClusterView<'_>| view.environment().partitioned.contains(node);
        if cut(self.before) != cut(self.after) {
            let now = if cut(self.after) { "cut off" } else { "connected" };
            self.say(format!("{name}: {now}"));
        }
        if !old.up || !new.up {
            return;
        }
        let back = |was, is| was != Connection::Up && is == Connection::Up;
        if back(old.heartbeat, new.heartbeat) {
            self.say(format!("kubelet {name}: heartbeats are sent again"));
        }
        if back(old.watch, new.watch) {
            self.say(format!("kubelet {name}: its pod watch works"));
        }
        for worker in &new.pods {
            let was = old.pod(worker.uid).map(|old| old.state);
            if was != Some(worker.state) && worker.state != WorkerState::New {
                let pod = self.words.pod(worker.uid);
                self.say(format!("kubelet {name}: worker of {pod} {}", state_word(worker.state)));
            }
            let mounted = |worker: &PodWorker| worker.volumes == Volumes::Mounted;
            let was = old.pod(worker.uid).is_some_and(mounted);
            if was != mounted(worker) {
                let what = if was { "unmounted" } else { "mounted" };
                let pod = self.words.pod(worker.uid);
                self.say(format!("{name}: volumes of {pod} are {what}"));
            }
        }
    }

    fn controllers(&mut self) {
        let (old, new) = (self.before.controller_manager(), self.after.controller_manager());
        if old.up != new.up {
            let now = if new.up { "up, with nothing remembered" } else { "down" };
            self.say(format!("controller-manager: {now}"));
        }
        for timer in &new.taint_eviction.timers {
            if !old.taint_eviction.timers.iter().any(|old| old.name == timer.name) {
                let pod = self.words.names.named(self.words.at, timer.name);
                self.say(format!("taint-eviction: timer of {pod} armed, {}", timer.cause.after));
            }
        }
        for timer in &old.taint_eviction.timers {
            let name = timer.name;
            let armed = new.taint_eviction.timers.iter().any(|new| new.name == name);
            let fired = new.taint_eviction.workers.iter().any(|worker| worker.name == name);
            if !armed && !fired {
                let pod = self.words.names.named(self.words.at, name);
                let how = if new.up { "cancelled" } else { "lost" };
                self.say(format!("taint-eviction: timer of {pod} {how}"));
            }
        }
        if !old.up || !new.up {
            return;
        }
        self.zones();
    }

    fn zones(&mut self) {
        let old = &self.before.controller_manager().node_lifecycle;
        let new = &self.after.controller_manager().node_lifecycle;
        let named = self.after.config.zones.len() > 1;
        for ((was, is), zone) in old.zones.iter().zip(&new.zones).zip(&self.after.config.zones) {
            let zone = if named { format!("zone {zone}") } else { "zone".to_string() };
            for node in is.queue.iter().filter(|node| !was.queue.contains(node)) {
                let node = self.words.node(*node);
                self.say(format!("node-lifecycle: {node} queued for its NoExecute taint"));
            }
            if was.state != is.state {
                let (was, is) = (zone_word(was.state), zone_word(is.state));
                self.say(format!("node-lifecycle: {zone} {was} -> {is}"));
            }
        }
        if old.master_disruption != new.master_disruption {
            let now = if new.master_disruption { "stopped" } else { "resumed" };
            self.say(format!("node-lifecycle: evictions {now}"));
        }
    }
}

fn replica_set_counts(old: &ReplicaSet, new: &ReplicaSet) -> [(&'static str, u8, u8); 5] {
    let (was, is) = (&old.status, &new.status);
    [
        ("spec.replicas", old.replicas, new.replicas),
        ("replicas", was.replicas, is.replicas),
        ("ready", was.ready, is.ready),
        ("available", was.available, is.available),
        ("terminating", was.terminating, is.terminating),
    ]
}

fn deployment_counts(old: &Deployment, new: &Deployment) -> [(&'static str, u8, u8); 6] {
    let (was, is) = (&old.status, &new.status);
    // One that is not being rolled out has nothing but updated replicas.
    let all_updated = was.replicas == was.updated && is.replicas == is.updated;
    let updated = if all_updated { (0, 0) } else { (was.updated, is.updated) };
    [
        ("spec.replicas", old.replicas, new.replicas),
        ("replicas", was.replicas, is.replicas),
        ("updated", updated.0, updated.1),
        ("ready", was.ready, is.ready),
        ("available", was.available, is.available),
        ("terminating", was.terminating, is.terminating),
    ]
}

/// Those of some counts that are not what they were.
fn changed(fields: &[(&str, u8, u8)]) -> Option<String> {
    let changed = fields.iter().filter(|(_, old, new)| old != new);
    let said: Vec<String> =
        changed.map(|(field, old, new)| format!("{field} {old} -> {new}")).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// How often a container has been started now, from the second time on.
fn times(starts: u8) -> String {
    match starts {
        0 | 1 => String::new(),
        2 => " (2nd time)".to_string(),
        3 => " (3rd time)".to_string(),
        starts => format!(" ({starts}th time)"),
    }
}

fn state_word(state: WorkerState) -> &'static str {
    match state {
        WorkerState::New => "is new",
        WorkerState::Sync => "is to run it",
        WorkerState::Terminating => "is to stop it",
        WorkerState::Terminated => "has stopped it",
        WorkerState::Finished => "is finished",
    }
}

fn zone_word(state: ZoneState) -> &'static str {
    match state {
        ZoneState::Initial => "Initial",
        ZoneState::Normal => "Normal",
        ZoneState::Partial => "PartialDisruption",
        ZoneState::Full => "FullDisruption",
    }
}
