//! The columns as `kubectl get -o wide` shows them: the API server prints them, so its version
//! decides (section 14).
//!
//! Upstream: `pkg/printers/internalversion/printers.go`. What the model abstracts (names, ages,
//! addresses) is handed in; everything else is a function of the stored object. Left out: init
//! containers, sidecars, scheduling gates, readiness gates, nominated nodes.

use crate::config::{ClusterConfig, PodTemplate};
use crate::ids::TemplateId;
use crate::objects::{
    ContainerState, DaemonSet, DaemonSetStatus, Deployment, Job, JobCondition, Node, NodeReady,
    Phase, Pod, PodReason, ReplicaSet, StatefulSet, VolumeAttachment,
};
use crate::version::Version;

/// What stands in a cell without a value.
pub const NONE: &str = "<none>";

/// `kubectl get pods -o wide`.
pub const POD_COLUMNS: [&str; 9] = [
    "NAME",
    "READY",
    "STATUS",
    "RESTARTS",
    "AGE",
    "IP",
    "NODE",
    "NOMINATED NODE",
    "READINESS GATES",
];

/// `kubectl get nodes -o wide`.
pub const NODE_COLUMNS: [&str; 10] = [
    "NAME",
    "STATUS",
    "ROLES",
    "AGE",
    "VERSION",
    "INTERNAL-IP",
    "EXTERNAL-IP",
    "OS-IMAGE",
    "KERNEL-VERSION",
    "CONTAINER-RUNTIME",
];

/// `kubectl get deployments -o wide`.
pub const DEPLOYMENT_COLUMNS: [&str; 8] =
    ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"];

/// `kubectl get replicasets -o wide`.
pub const REPLICA_SET_COLUMNS: [&str; 8] =
    ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"];

/// `kubectl get statefulsets -o wide`.
pub const STATEFUL_SET_COLUMNS: [&str; 5] = ["NAME", "READY", "AGE", "CONTAINERS", "IMAGES"];

/// `kubectl get volumeattachments -o wide`.
pub const VOLUME_ATTACHMENT_COLUMNS: [&str; 6] =
    ["NAME", "ATTACHER", "PV", "NODE", "ATTACHED", "AGE"];

/// The storage driver of every volume.
const ATTACHER: &str = "csi.example.com";

/// `kubectl get daemonsets -o wide`.
pub const DAEMON_SET_COLUMNS: [&str; 11] = [
    "NAME",
    "DESIRED",
    "CURRENT",
    "READY",
    "UP-TO-DATE",
    "AVAILABLE",
    "NODE SELECTOR",
    "AGE",
    "CONTAINERS",
    "IMAGES",
    "SELECTOR",
];

/// `kubectl get jobs -o wide`.
pub fn job_columns(version: Version) -> &'static [&'static str] {
    const COLUMNS: [&str; 8] =
        ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"];
    const WITHOUT_STATUS: [&str; 7] =
        ["NAME", "COMPLETIONS", "DURATION", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"];
    if version.prints_job_status() { &COLUMNS } else { &WITHOUT_STATUS }
}

/// What a row shows and the model abstracts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    /// `metadata.name`.
    pub name: String,
    /// Seconds since the creation; none if no clock is known.
    pub age: Option<u64>,
    /// Of a pod: its IP. Of a node: its internal IP.
    pub address: Option<String>,
    /// Of a pod that was restarted: seconds since its last container ended.
    pub restarted: Option<u64>,
    /// Of a Job that is Complete: how old it was then.
    pub completed: Option<u64>,
}

impl Presentation {
    fn age(&self) -> String {
        self.age.map_or_else(|| "<unknown>".to_string(), duration)
    }

    fn address(&self) -> String {
        self.address.clone().unwrap_or_else(|| NONE.to_string())
    }
}

/// The cells of a pod, in the order of [`POD_COLUMNS`].
pub fn pod_row(config: &ClusterConfig, pod: &Pod, shown: &Presentation) -> Vec<String> {
    let node = pod.node.map_or(NONE, |node| config.nodes[node.0 as usize].name.as_str());
    vec![
        shown.name.clone(),
        pod_ready(pod),
        pod_status(config.version, pod).to_string(),
        pod_restarts(pod, shown.restarted),
        shown.age(),
        if pod.status.ip.is_some() { shown.address() } else { NONE.to_string() },
        node.to_string(),
        NONE.to_string(),
        NONE.to_string(),
    ]
}

/// READY: containers that are ready and running. The condition Ready does not count, so a pod on a
/// dead node keeps `1/1`.
pub fn pod_ready(pod: &Pod) -> String {
    let ready = pod.status.container == ContainerState::Running;
    format!("{}/1", u8::from(ready))
}

/// STATUS: later rules override earlier ones.
pub fn pod_status(version: Version, pod: &Pod) -> &'static str {
    let phase = pod.status.phase;
    let hidden = phase.is_terminal() && version.terminal_status_beats_terminating();
    if pod.is_terminating() && !hidden {
        return "Terminating";
    }
    match (pod.status.container, pod.status.reason) {
        (ContainerState::Terminated(exit), _) => exit.reason(),
        (ContainerState::Creating, _) => "ContainerCreating",
        (_, Some(PodReason::TaintToleration)) => "TaintToleration",
        (_, Some(PodReason::NodeAffinity)) => "NodeAffinity",
        (_, Some(PodReason::NodeShutdown)) => "NodeShutdown",
        (_, Some(PodReason::Terminated)) => "Terminated",
        (_, None) => phase_word(phase),
    }
}

/// `status.phase` as the API spells it.
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

/// RESTARTS: the count, and how long ago the last container ended if any was restarted.
fn pod_restarts(pod: &Pod, ago: Option<u64>) -> String {
    match (pod.status.restart_count, ago) {
        (count @ 1.., Some(ago)) => format!("{count} ({} ago)", duration(ago)),
        (count, _) => count.to_string(),
    }
}

/// The cells of a node, in the order of [`NODE_COLUMNS`]. Operating system, kernel and runtime are
/// the same everywhere.
pub fn node_row(config: &ClusterConfig, node: &Node, shown: &Presentation) -> Vec<String> {
    let roles = config.nodes[node.id.0 as usize].roles.as_str();
    vec![
        shown.name.clone(),
        node_status(node),
        if roles.is_empty() { NONE } else { roles }.to_string(),
        shown.age(),
        format!("v{}.0", config.version),
        shown.address(),
        NONE.to_string(),
        "Debian GNU/Linux 12 (bookworm)".to_string(),
        "6.1.0-18-amd64".to_string(),
        "containerd://1.7.13".to_string(),
    ]
}

/// STATUS of a node: NotReady for both False and Unknown.
pub fn node_status(node: &Node) -> String {
    let ready = if node.ready == NodeReady::True { "Ready" } else { "NotReady" };
    let cordoned = if node.unschedulable { ",SchedulingDisabled" } else { "" };
    format!("{ready}{cordoned}")
}

/// The cells of a Deployment, in the order of [`DEPLOYMENT_COLUMNS`].
pub fn deployment_row(
    config: &ClusterConfig,
    deployment: &Deployment,
    shown: &Presentation,
) -> Vec<String> {
    let manifest = &config.deployments[deployment.id.0 as usize];
    let mut revisions = config.revisions(deployment.id);
    let newest = revisions.nth(deployment.revision as usize).unwrap_or(manifest.replica_set);
    let template = template_of(config, newest.0 as usize);
    vec![
        shown.name.clone(),
        format!("{}/{}", deployment.status.ready, deployment.replicas),
        deployment.status.updated.to_string(),
        deployment.status.available.to_string(),
        shown.age(),
        template.container.clone(),
        template.image.clone(),
        manifest.selector.clone(),
    ]
}

/// The cells of a ReplicaSet, in the order of [`REPLICA_SET_COLUMNS`].
pub fn replica_set_row(
    config: &ClusterConfig,
    set: &ReplicaSet,
    shown: &Presentation,
) -> Vec<String> {
    let at = set.id.0 as usize;
    let template = template_of(config, at);
    vec![
        shown.name.clone(),
        set.replicas.to_string(),
        set.status.replicas.to_string(),
        set.status.ready.to_string(),
        shown.age(),
        template.container.clone(),
        template.image.clone(),
        config.replica_sets[at].selector.clone(),
    ]
}

/// The cells of a StatefulSet, in the order of [`STATEFUL_SET_COLUMNS`].
pub fn stateful_set_row(
    config: &ClusterConfig,
    set: &StatefulSet,
    shown: &Presentation,
) -> Vec<String> {
    let template = config.template(config.stateful_sets[set.id.0 as usize].template);
    vec![
        shown.name.clone(),
        format!("{}/{}", set.status.ready, set.replicas),
        shown.age(),
        template.container.clone(),
        template.image.clone(),
    ]
}

/// The cells of a VolumeAttachment, in the order of [`VOLUME_ATTACHMENT_COLUMNS`].
pub fn volume_attachment_row(
    config: &ClusterConfig,
    attachment: &VolumeAttachment,
    shown: &Presentation,
) -> Vec<String> {
    vec![
        shown.name.clone(),
        ATTACHER.to_string(),
        config.volumes[attachment.volume.0 as usize].name.clone(),
        config.nodes[attachment.node.0 as usize].name.clone(),
        true.to_string(),
        shown.age(),
    ]
}

/// The cells of a DaemonSet, in the order of [`DAEMON_SET_COLUMNS`].
pub fn daemon_set_row(
    config: &ClusterConfig,
    set: &DaemonSet,
    shown: &Presentation,
) -> Vec<String> {
    let manifest = &config.daemon_sets[set.id.0 as usize];
    let template = config.template(manifest.template);
    let DaemonSetStatus { desired, current, ready, misscheduled: _ } = set.status;
    let selector = &manifest.node_selector;
    vec![
        shown.name.clone(),
        desired.to_string(),
        current.to_string(),
        ready.to_string(),
        current.to_string(),
        ready.to_string(),
        if selector.is_empty() { NONE } else { selector }.to_string(),
        shown.age(),
        template.container.clone(),
        template.image.clone(),
        manifest.selector.clone(),
    ]
}

/// The cells of a Job, in the order of [`job_columns`].
pub fn job_row(config: &ClusterConfig, job: &Job, shown: &Presentation) -> Vec<String> {
    let manifest = &config.jobs[job.id.0 as usize];
    let template = config.template(manifest.template);
    let with_status = config.version.prints_job_status();
    let status = with_status.then(|| job_status(config.version, job).to_string());
    let mut row = vec![shown.name.clone()];
    row.extend(status);
    row.extend([
        job_completions(config, job),
        shown.completed.or(shown.age).map_or_else(|| "<unknown>".to_string(), duration),
        shown.age(),
        template.container.clone(),
        template.image.clone(),
        manifest.selector.clone(),
    ]);
    row
}

/// STATUS of a Job.
pub fn job_status(version: Version, job: &Job) -> &'static str {
    match job.status.condition {
        JobCondition::Complete => "Complete",
        JobCondition::Failed => "Failed",
        JobCondition::FailureTarget => "FailureTarget",
        JobCondition::SuccessCriteriaMet if version.prints_success_criteria_met() => {
            "SuccessCriteriaMet"
        }
        JobCondition::SuccessCriteriaMet | JobCondition::None => "Running",
    }
}

/// COMPLETIONS of a Job.
pub fn job_completions(config: &ClusterConfig, job: &Job) -> String {
    let manifest = &config.jobs[job.id.0 as usize];
    let succeeded = job.status.succeeded;
    match (manifest.completions, manifest.parallelism) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, many @ 2..) => format!("{succeeded}/1 of {many}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn template_of(config: &ClusterConfig, replica_set: usize) -> &PodTemplate {
    let id: TemplateId = config.replica_sets[replica_set].template;
    config.template(id)
}

/// A duration as the columns AGE and RESTARTS shorten it
/// (`k8s.io/apimachinery/pkg/util/duration.HumanDuration`).
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |major: u64, unit: char, minor: u64, small: char| match minor {
        0 => format!("{major}{unit}"),
        _ => format!("{major}{unit}{minor}{small}"),
    };
    match hours {
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        0..8 => pair(hours, 'h', minutes % 60, 'm'),
        8..48 => format!("{hours}h"),
        48..192 => pair(days, 'd', hours % 24, 'h'),
        192..17_520 => format!("{days}d"),
        17_520..70_080 => pair(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::VolumeSet;
    use crate::ids::{NodeId, PodName, PodUid, Seconds, TaintSet};
    use crate::objects::{Exit, Owner, PodReady, PodStatus};

    const V26: u8 = 26;
    const V31: u8 = 31;
    const V32: u8 = 32;
    const V36: u8 = 36;

    fn pod(phase: Phase, container: ContainerState, deletion: Option<u32>) -> Pod {
        Pod {
            uid: PodUid(0),
            name: PodName(0),
            owner: Owner::None,
            template: TemplateId(0),
            node: Some(NodeId(0)),
            deletion: deletion.map(Seconds),
            tracked: false,
            disruption_target: None,
            status: PodStatus { phase, container, ..PodStatus::NEW },
        }
    }

    fn status(minor: u8, pod: &Pod) -> &'static str {
        pod_status(Version::new(minor).expect("a modelled version"), pod)
    }

    #[test]
    fn a_pod_without_container_status_shows_its_phase() {
        assert_eq!(status(V36, &pod(Phase::Pending, ContainerState::Absent, None)), "Pending");
        let creating = pod(Phase::Pending, ContainerState::Creating, None);
        assert_eq!(status(V36, &creating), "ContainerCreating");
        assert_eq!(pod_ready(&creating), "0/1");
    }

    #[test]
    fn ready_counts_containers_and_not_the_condition() {
        let mut dead = pod(Phase::Running, ContainerState::Running, None);
        dead.status.ready = PodReady::False;
        assert_eq!((pod_ready(&dead).as_str(), status(V36, &dead)), ("1/1", "Running"));
    }

    #[test]
    fn a_rebooted_pod_shows_the_reason_of_its_container() {
        let rebooted = pod(Phase::Running, ContainerState::Terminated(Exit::Unknown), None);
        assert_eq!((pod_ready(&rebooted).as_str(), status(V36, &rebooted)), ("0/1", "Unknown"));
    }

    #[test]
    fn terminating_hides_everything_while_the_phase_is_not_terminal() {
        for container in [ContainerState::Running, ContainerState::Terminated(Exit::Unknown)] {
            for minor in [V26, V31, V32, V36] {
                let leaving = pod(Phase::Running, container, Some(30));
                assert_eq!(status(minor, &leaving), "Terminating");
            }
        }
    }

    #[test]
    fn a_terminal_phase_beats_terminating_from_1_32_on() {
        let ended = |exit| pod(Phase::Failed, ContainerState::Terminated(exit), Some(0));
        for minor in [V26, V31] {
            assert_eq!(status(minor, &ended(Exit::Unknown)), "Terminating");
        }
        for minor in [V32, V36] {
            assert_eq!(status(minor, &ended(Exit::Unknown)), "Unknown");
            assert_eq!(status(minor, &ended(Exit::Killed)), "Error");
            assert_eq!(status(minor, &ended(Exit::Lost)), "ContainerStatusUnknown");
        }
        let stopped = pod(Phase::Succeeded, ContainerState::Terminated(Exit::Completed), Some(30));
        assert_eq!(status(V36, &stopped), "Completed");
    }

    #[test]
    fn pod_gc_leaves_a_failed_pod_with_stale_containers() {
        let collected = pod(Phase::Failed, ContainerState::Running, Some(0));
        assert_eq!((pod_ready(&collected).as_str(), status(V36, &collected)), ("1/1", "Failed"));
        assert_eq!(status(V26, &collected), "Terminating");
    }

    #[test]
    fn a_refused_pod_shows_why() {
        let mut refused = pod(Phase::Failed, ContainerState::Absent, None);
        refused.status.reason = Some(PodReason::TaintToleration);
        assert_eq!(status(V36, &refused), "TaintToleration");
        refused.status.reason = Some(PodReason::NodeAffinity);
        assert_eq!(status(V36, &refused), "NodeAffinity");
    }

    #[test]
    fn restarts_name_the_last_end_only_if_there_was_one() {
        let mut pod = pod(Phase::Running, ContainerState::Running, None);
        assert_eq!(pod_restarts(&pod, Some(53)), "0");
        pod.status.restart_count = 1;
        assert_eq!(pod_restarts(&pod, Some(53)), "1 (53s ago)");
        assert_eq!(pod_restarts(&pod, None), "1");
    }

    #[test]
    fn false_and_unknown_are_both_not_ready() {
        let node = |ready, unschedulable| Node {
            id: NodeId(0),
            ready,
            taints: TaintSet::EMPTY,
            unschedulable,
            boot: 0,
            attached: VolumeSet::EMPTY,
            in_use: VolumeSet::EMPTY,
        };
        assert_eq!(node_status(&node(NodeReady::True, false)), "Ready");
        assert_eq!(node_status(&node(NodeReady::False, false)), "NotReady");
        assert_eq!(node_status(&node(NodeReady::Unknown, false)), "NotReady");
        assert_eq!(node_status(&node(NodeReady::True, true)), "Ready,SchedulingDisabled");
    }

    #[test]
    fn durations_are_shortened_as_kubectl_does() {
        let shown = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (338, "5m38s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (100_000, "27h"),
            (190_800, "2d5h"),
            (864_000, "10d"),
        ];
        for (seconds, text) in shown {
            assert_eq!(duration(seconds), text);
        }
    }
}
