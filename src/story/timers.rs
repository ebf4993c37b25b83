//! The timers of Kubernetes: which run in a state, which an action fires, and within which bounds
//! (the defaults of 1.26 … 1.36; flags and manifests where they say so).

use itertools::Itertools;

use models::attach_detach::{AttachDetachStep, MAX_WAIT_FOR_UNMOUNT};
use models::cloud::{self, CloudStep};
use models::config::{CONDITION_NO_EXECUTE, ClusterConfig, PROMPT};
use models::container_runtime::{Call, Container, ContainerRuntime, RuntimePod, RuntimeStep};
use models::daemon_set::DaemonSetStep;
use models::disruption::allows;
use models::faults::FaultKind;
use models::ids::{
    DaemonSetId, JobId, NodeId, NodeSet, PodName, PodUid, ReplicaSetId, Seconds, ZoneId,
};
use models::job::JobStep;
use models::kube_controller_manager::ControllerStep;
use models::kubelet::KubeletStep;
use models::node_lifecycle::NodeLifecycleStep;
use models::objects::{NodeReady, PodReady, VolumeAttachment};
use models::pod_gc::PodGcStep;
use models::replica_set::ReplicaSetStep;
use models::requests::Request;
use models::taint_eviction::{Cause, TaintEvictionStep};
use models::view::ClusterView;

use crate::engine::star::Action;
use crate::scenario::cluster::{ClusterAction, Fault, Internal};
use crate::story::timing::Millis;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// NLC-3: the grace period of a node.
    Expire(NodeId),
    /// NLC-6: the next pass of monitorNodeHealth takes NoExecute taints off a Ready node.
    Untaint(NodeId),
    /// NLC-7: the next token of a zone.
    Token(ZoneId),
    /// Work that a controller or the scheduler does at once.
    Work(Work),
    /// TEC-3: tolerationSeconds of a pod.
    Evict(PodName, Cause),
    /// RS-7: minReadySeconds of a stretch of readiness.
    Available(ReplicaSetId, PodUid, u8),
    /// DS-2: the back-off of a node on which a pod of a DaemonSet failed.
    Backoff(DaemonSetId, NodeId),
    /// JB-2: the back-off of a Job.
    JobBackoff(JobId),
    /// AD-V2: a volume is not wanted on a node, and may be detached by force one day.
    ForceDetach(VolumeAttachment),
    /// AD-V3: the storage refused to attach a volume; it is asked again. Or there is no VolumeAttachment
    /// any more: that is looked after once a minute.
    AttachRetry(VolumeAttachment),
    /// GC-1, GC-2: the next pass of pod GC.
    PodGc(PodGcStep),
    /// CN-1: the next look of the cloud's node lifecycle controller.
    Cloud(CloudStep),
    /// EV-1: the next attempt of somebody who drains a node.
    Drain(PodUid),
    /// 12.9: the time of a group of pods is over.
    Group(NodeId, u8),
    /// 12.9: nothing holds a shutdown up any more.
    PowerDown(NodeId),
    /// A node without power boots.
    Boot(NodeId),
    /// A step that the kubelet's own tickers or retries bring about.
    Kubelet(NodeId, KubeletStep),
    /// A container start.
    Start(NodeId, PodUid),
    /// A container stop.
    Stop(NodeId, PodUid),
    /// The end of a sandbox.
    StopSandbox(NodeId, PodUid),
}

/// Work that waits for nothing but its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Of a controller.
    Controller(ControllerStep),
    /// Of the scheduler, on this pod.
    Scheduler(PodUid),
}

/// A timer that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// What for.
    pub key: Key,
    /// It does not fire earlier.
    pub least: Millis,
    /// It does not run longer; none for no bound.
    pub most: Option<Millis>,
}

const SECOND: Millis = 1000;
/// The lease is renewed every 10 s: the last renewal may be that old when renewals end.
const RENEWAL: Millis = 10 * SECOND;
/// Longest recorded return of one of a kubelet's connections after a cut.
const RECONNECT: Millis = 40 * SECOND;
/// KL-2, KL-7: a runtime is down for the kubelet when its last good answer is 30 s old; it is asked
/// every 5 s (`pkg/kubelet/kubelet.go` `maxWaitForContainerRuntime`; 32 s recorded until Ready=False).
const RUNTIME_MISSED: Millis = 25 * SECOND;
/// A slower start of a container is a fault of its own.
const LONGEST_START: Millis = 60 * SECOND;

/// A Failed pod of a DaemonSet is deleted after 1 s, 2 s, 4 s … (`failedPodsBackoff`).
const LONGEST_BACKOFF: Millis = 15 * 60 * SECOND;

/// JB-2: 10 s, 20 s, 40 s … after a pod failed (`MaxJobPodFailureBackOff`).
const LONGEST_JOB_BACKOFF: Millis = 10 * 60 * SECOND;

/// What failed with a volume is tried again after 500 ms, 1 s … (`exponentialbackoff`).
const LONGEST_VOLUME_RETRY: Millis = 122 * SECOND;

/// A duration of the model.
pub fn seconds(duration: Seconds) -> Millis {
    Millis::from(duration.0) * SECOND
}

/// The timers that run in a state.
pub fn armed(view: &ClusterView<'_>) -> Vec<Timer> {
    let mut out = Vec::new();
    if view.controller_manager().up {
        expiries(view, &mut out);
        passes(view, &mut out);
        evictions(view, &mut out);
        availabilities(view, &mut out);
        collections(view, &mut out);
        force_detaches(view, &mut out);
        work(view, &mut out);
    }
    let mut attempts = Vec::new();
    view.scheduler().steps(view.config, &mut attempts);
    let pods = attempts.into_iter().map(|attempt| Key::Work(Work::Scheduler(attempt.uid)));
    out.extend(pods.dedup().map(|key| timer(key, 0, seconds(PROMPT))));
    let waiting = view.environment().evicting.iter().filter_map(|uid| view.api().pod(uid));
    let allowed = waiting.filter(|pod| allows(view.config, view.api(), pod));
    out.extend(allowed.map(|pod| timer(Key::Drain(pod.uid), 0, 6 * SECOND)));
    let mut looks = Vec::new();
    cloud::steps(view.config, view.environment(), view.api(), &mut looks);
    out.extend(looks.into_iter().map(|step| timer(Key::Cloud(step), 0, 6 * SECOND)));
    for node in view.config.node_ids() {
        node_timers(view, node, &mut out);
    }
    out
}

fn timer(key: Key, least: Millis, most: Millis) -> Timer {
    Timer { key, least, most: Some(most) }
}

fn expiries(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    let settings = &view.config.settings;
    let grace = seconds(settings.node_monitor_grace_period);
    for node in &view.api().nodes {
        let slow = view.environment().slow_heartbeat.contains(node.id);
        let late = slow || !view.kubelet(node.id).renews_lease();
        let known = view.controller_manager().node_lifecycle.known.contains(node.id);
        if late && known && node.ready != NodeReady::Unknown {
            let most = grace + 2 * seconds(settings.node_monitor_period) + RENEWAL;
            out.push(Timer {
                key: Key::Expire(node.id),
                least: (grace - RENEWAL).max(0),
                // Heartbeats that come late do come; nobody owes the time-out.
                most: (!slow).then_some(most),
            });
        }
    }
}

fn passes(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    let settings = &view.config.settings;
    let period = seconds(settings.node_monitor_period) + SECOND;
    let manager = view.controller_manager();
    // Whether this pass is over or the next one must come first: it takes one period.
    for node in &manager.cache.nodes {
        let tainted = !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty();
        if node.ready == NodeReady::True && tainted && !patches_taints(view, node.id) {
            out.push(timer(Key::Untaint(node.id), 0, period));
        }
    }
    let mut steps = Vec::new();
    manager.node_lifecycle.steps(view.config, &manager.cache, NodeSet::EMPTY, &mut steps);
    for step in steps {
        if let NodeLifecycleStep::TaintNoExecute(zone) = step {
            let most = seconds(settings.seconds_per_eviction) + period;
            out.push(timer(Key::Token(zone), 0, most));
        }
    }
}

/// Whether a patch of the node's taints is on its way.
fn patches_taints(view: &ClusterView<'_>, id: NodeId) -> bool {
    view.parts
        .controller_requests()
        .any(|(_, request)| matches!(request, Request::PatchNodeTaints { node, .. } if *node == id))
}

fn evictions(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    for armed in &view.controller_manager().taint_eviction.timers {
        let key = Key::Evict(armed.name, cause_key(armed.cause));
        let after = seconds(armed.cause.after);
        out.push(timer(key, after, after + SECOND));
    }
}

/// What tells one arming of a timer from the next; history that changes while it runs does not.
fn cause_key(cause: Cause) -> Cause {
    Cause { interrupted: false, unfounded: false, ..cause }
}

fn availabilities(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    let manager = view.controller_manager();
    let mut steps = Vec::new();
    manager.replica_set.steps(view.config, &manager.cache, &mut steps);
    for step in steps {
        let ReplicaSetStep::Available(set, uid) = step else { continue };
        if let Some(key) = available_key(view, set, uid) {
            let wait = seconds(view.config.replica_sets[set.0 as usize].min_ready);
            out.push(timer(key, wait, wait + 10 * SECOND));
        }
    }
}

fn available_key(view: &ClusterView<'_>, set: ReplicaSetId, uid: PodUid) -> Option<Key> {
    match view.controller_manager().cache.pod(uid)?.status.ready {
        PodReady::True { since } => Some(Key::Available(set, uid, since)),
        _ => None,
    }
}

fn collections(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    let manager = view.controller_manager();
    let mut steps = Vec::new();
    manager.pod_gc.steps(view.config, &manager.cache, &mut steps);
    let pass = 20 * SECOND;
    let waiting = manager.pod_gc.quarantine.minus(manager.pod_gc.ripe).iter();
    steps.extend(waiting.map(PodGcStep::Confirm));
    out.extend(steps.into_iter().map(|step| match step {
        PodGcStep::Confirm(_) => timer(Key::PodGc(step), 40 * SECOND, 40 * SECOND + pass),
        PodGcStep::Quarantine(_) | PodGcStep::Collect(_) => timer(Key::PodGc(step), 0, pass),
    }));
}

/// A volume that is not wanted where it is. Force also takes a node that is not Ready, so that nobody
/// owes it.
fn force_detaches(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    let manager = view.controller_manager();
    let unwanted = manager.attach_detach.unwanted(view.config, &manager.cache);
    let keys = unwanted.map(Key::ForceDetach);
    out.extend(keys.map(|key| Timer { key, least: seconds(MAX_WAIT_FOR_UNMOUNT), most: None }));
}

/// What the controllers have in their queues, and a pass of node lifecycle, which a period brings.
fn work(view: &ClusterView<'_>, out: &mut Vec<Timer>) {
    let manager = view.controller_manager();
    let mut steps = Vec::new();
    manager.steps(view.config, NodeSet::EMPTY, &mut steps);
    let most = seconds(PROMPT).max(seconds(view.config.settings.node_monitor_period) + SECOND);
    for step in steps {
        // What has a timer of its own is looked up under that.
        match controller_timer(view, step) {
            Some(key @ Key::Work(_)) => out.push(timer(key, 0, most)),
            Some(key @ Key::Backoff(..)) => out.push(timer(key, 0, LONGEST_BACKOFF)),
            Some(key @ Key::JobBackoff(_)) => out.push(timer(key, 0, LONGEST_JOB_BACKOFF)),
            Some(key @ Key::AttachRetry(_)) => out.push(timer(key, 0, LONGEST_VOLUME_RETRY)),
            _ => {}
        }
    }
}

fn node_timers(view: &ClusterView<'_>, node: NodeId, out: &mut Vec<Timer>) {
    let runtime = view.runtime(node);
    if !runtime.powered {
        out.push(Timer { key: Key::Boot(node), least: 2 * SECOND, most: None });
        return;
    }
    if view.environment().shutting_down.contains(node) {
        let held = view.config.settings.shutdown_grace().map_or(0, seconds);
        out.push(timer(Key::PowerDown(node), 0, held + seconds(PROMPT)));
        let kubelet = view.kubelet(node);
        if kubelet.has_later_group(view.config) && !kubelet.group_has_ended(view.config) {
            let group = &view.config.settings.shutdown_groups[kubelet.shutdown_group as usize];
            let time = seconds(group.grace);
            out.push(timer(Key::Group(node, kubelet.shutdown_group), time, time + seconds(PROMPT)));
        }
    }
    kubelet_timers(view, node, out);
    let mut steps = Vec::new();
    runtime.steps(view.config, &mut steps);
    let steps = steps.into_iter().filter_map(|step| runtime.pod(step.uid()));
    out.extend(steps.filter_map(|pod| runtime_timer(view, node, runtime, pod)));
}

fn kubelet_timers(view: &ClusterView<'_>, node: NodeId, out: &mut Vec<Timer>) {
    let connected = !view.environment().partitioned.contains(node);
    let mut steps = Vec::new();
    view.kubelet(node).steps(view.config, view.runtime(node), connected, &mut steps);
    for step in steps {
        let least = match step {
            KubeletStep::PostNodeStatus if !view.runtime(node).up => RUNTIME_MISSED,
            _ => 0,
        };
        let most = match step {
            KubeletStep::ConnectHeartbeat
            | KubeletStep::ConnectWatch
            | KubeletStep::ConnectStatus => RECONNECT,
            // NodeStatus and status reconcile every 10 s; a pod worker backs off for 10 to 15 s.
            KubeletStep::PostNodeStatus
            | KubeletStep::SyncStatus(_)
            | KubeletStep::SyncPod(_)
            | KubeletStep::KillPod(_)
            | KubeletStep::FinishPod(_) => 15 * SECOND,
            // syncLoop and relist every second, housekeeping every two.
            KubeletStep::VerifyVolumes(_) if view.kubelet(node).missed => LONGEST_VOLUME_RETRY,
            KubeletStep::VerifyVolumes(_) => 15 * SECOND,
            KubeletStep::EndNextGroup if !view.kubelet(node).group_has_ended(view.config) => {
                continue;
            }
            KubeletStep::HandlePod(_)
            | KubeletStep::Relist(_)
            | KubeletStep::EndNextGroup
            | KubeletStep::Housekeep(_) => 5 * SECOND,
        };
        out.push(timer(Key::Kubelet(node, step), least, least + most));
    }
}

fn runtime_timer(
    view: &ClusterView<'_>,
    node: NodeId,
    runtime: &ContainerRuntime,
    pod: &RuntimePod,
) -> Option<Timer> {
    match (pod.call?, pod.container) {
        (Call::Start, _) if runtime.network => {
            let slow = view.environment().slow_start.contains(node);
            let key = Key::Start(node, pod.uid);
            Some(Timer { key, least: SECOND, most: (!slow).then_some(LONGEST_START) })
        }
        (Call::Stop | Call::Signalled, Container::Running) => {
            let (least, most) = grace(view.config, view, node, pod);
            let ignored = !view.config.template(pod.template).ends_on_sigterm;
            let least = if ignored { least } else { 0 };
            Some(timer(Key::Stop(node, pod.uid), least, most + 2 * SECOND))
        }
        (Call::Stop, _) if runtime.network => {
            Some(timer(Key::StopSandbox(node, pod.uid), 0, 15 * SECOND))
        }
        _ => None,
    }
}

/// PW-2: the grace that a kill can have: what the API asks for, else anything between the second
/// that an orphan gets and the spec's grace.
fn grace(
    config: &ClusterConfig,
    view: &ClusterView<'_>,
    node: NodeId,
    pod: &RuntimePod,
) -> (Millis, Millis) {
    let spec = seconds(config.template(pod.template).grace).max(2 * SECOND);
    let worker = view.kubelet(node).pod(pod.uid);
    match worker.and_then(|worker| worker.deletion) {
        Some(asked) => (seconds(asked).max(SECOND), seconds(asked).max(2 * SECOND)),
        None => (SECOND.min(spec), spec),
    }
}

/// The timer that an action fires, if it is one; looked up in the state before it.
pub fn fired(before: &ClusterView<'_>, action: &ClusterAction) -> Option<Key> {
    match *action {
        Action::Internal(Internal::Controller(step)) => controller_timer(before, step),
        Action::Internal(Internal::Scheduler(step)) => Some(Key::Work(Work::Scheduler(step.uid))),
        Action::Internal(Internal::Cloud(step)) => Some(Key::Cloud(step)),
        Action::Internal(Internal::PowerDown(node)) => Some(Key::PowerDown(node)),
        Action::Internal(Internal::Evict(uid)) => Some(Key::Drain(uid)),
        Action::Internal(Internal::Kubelet(node, KubeletStep::EndNextGroup))
            if !before.kubelet(node).group_has_ended(before.config) =>
        {
            Some(Key::Group(node, before.kubelet(node).shutdown_group))
        }
        Action::Internal(Internal::Kubelet(node, step)) => Some(Key::Kubelet(node, step)),
        Action::Internal(Internal::Runtime(node, step)) => match step {
            RuntimeStep::RunSandbox(_) | RuntimeStep::Complete(_) => None,
            RuntimeStep::StartContainer(uid) => Some(Key::Start(node, uid)),
            RuntimeStep::StopContainer(uid) => Some(Key::Stop(node, uid)),
            RuntimeStep::StopSandbox(uid) => Some(Key::StopSandbox(node, uid)),
        },
        Action::Fault(Fault {
            kind: FaultKind::PowerOn | FaultKind::PowerOnNoNetwork,
            node: Some(node),
            ..
        }) => Some(Key::Boot(node)),
        _ => None,
    }
}

fn controller_timer(before: &ClusterView<'_>, step: ControllerStep) -> Option<Key> {
    match step {
        ControllerStep::NodeLifecycle(own) => match own {
            NodeLifecycleStep::Monitor { node, expired: true } => Some(Key::Expire(node)),
            NodeLifecycleStep::Monitor { node, expired: false } => Some(Key::Untaint(node)),
            NodeLifecycleStep::TaintNoExecute(zone) => Some(Key::Token(zone)),
            // A pass ends as soon as its nodes are done; the next may have to bring a token first.
            NodeLifecycleStep::EndPass => None,
            _ => Some(Key::Work(Work::Controller(step))),
        },
        ControllerStep::TaintEviction(TaintEvictionStep::Fire(name)) => {
            let timers = &before.controller_manager().taint_eviction.timers;
            let armed = timers.iter().find(|timer| timer.name == name)?;
            Some(Key::Evict(name, cause_key(armed.cause)))
        }
        ControllerStep::ReplicaSet(ReplicaSetStep::Available(set, uid)) => {
            available_key(before, set, uid)
        }
        ControllerStep::PodGc(step) => Some(Key::PodGc(step)),
        ControllerStep::Job(JobStep::Manage(id)) => {
            let manager = before.controller_manager();
            let waits = manager.job.backs_off(before.config, &manager.cache, id);
            Some(if waits { Key::JobBackoff(id) } else { Key::Work(Work::Controller(step)) })
        }
        ControllerStep::DaemonSet(DaemonSetStep::BackoffOver(id, node)) => {
            Some(Key::Backoff(id, node))
        }
        ControllerStep::AttachDetach(AttachDetachStep::Detach { attachment, forced: true }) => {
            Some(Key::ForceDetach(attachment))
        }
        ControllerStep::AttachDetach(
            own @ (AttachDetachStep::Attach(attachment) | AttachDetachStep::Verify(attachment)),
        ) if before.controller_manager().attach_detach.takes_its_time(own) => {
            Some(Key::AttachRetry(attachment))
        }
        _ => Some(Key::Work(Work::Controller(step))),
    }
}

/// The zone whose token an action takes.
pub fn token_taken(action: &ClusterAction) -> Option<ZoneId> {
    match action {
        Action::Internal(Internal::Controller(ControllerStep::NodeLifecycle(
            NodeLifecycleStep::TaintNoExecute(zone),
        ))) => Some(*zone),
        _ => None,
    }
}

/// NLC-12: when some node is Ready again, all grace periods start anew.
pub fn clocks_restart(before: &ClusterView<'_>, after: &ClusterView<'_>) -> bool {
    let stopped =
        |view: &ClusterView<'_>| view.controller_manager().node_lifecycle.master_disruption;
    after.controller_manager().up && stopped(before) && !stopped(after)
}

/// Whether the memory of all controllers is lost.
pub fn is_controller_manager_crash(action: &ClusterAction) -> bool {
    matches!(action, Action::Fault(Fault { kind: FaultKind::ControllerManagerCrash, .. }))
}

/// The fault, and the node whose heartbeats an action ends.
pub fn silenced(action: &ClusterAction) -> Option<(FaultKind, NodeId)> {
    match action {
        Action::Fault(fault) if fault.kind.silences() => Some(fault.kind).zip(fault.node),
        _ => None,
    }
}
