//! Kubernetes versions and what differs between them.

use std::fmt;
use std::str::FromStr;

/// A Kubernetes minor version. Patch releases are not told apart. It may be altered: with
/// [`Version::altered`] it has, or lacks, what other versions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8, u32);

/// Something that versions do differently: one way before some version, another way from it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// [`Version::default_node_monitor_grace_period`].
    DefaultNodeMonitorGracePeriod,
    /// [`Version::taints_by_current_condition`].
    TaintsByCurrentCondition,
    /// [`Version::terminal_phase_before_delete`].
    TerminalPhaseBeforeDelete,
    /// [`Version::disruption_patch_has_uid`].
    DisruptionPatchHasUid,
    /// [`Version::terminal_status_beats_terminating`].
    TerminalStatusBeatsTerminating,
    /// [`Version::reports_terminating_replicas`].
    ReportsTerminatingReplicas,
    /// [`Version::eviction_leaves_marker`], which ended.
    EvictionLeavesMarker,
    /// [`Version::stateful_set_replaces_succeeded`].
    StatefulSetReplacesSucceeded,
    /// [`Version::controllers_read_own_writes`].
    ControllersReadOwnWrites,
    /// [`Version::daemon_set_deletes_succeeded`].
    DaemonSetDeletesSucceeded,
    /// [`Version::daemon_set_reads_own_writes`].
    DaemonSetReadsOwnWrites,
    /// [`Version::reads_pod_replacement_policy`].
    ReadsPodReplacementPolicy,
    /// [`Version::job_waits_for_terminating`].
    JobWaitsForTerminating,
    /// [`Version::job_ends_when_pods_have`].
    JobEndsWhenPodsHave,
    /// [`Version::job_reads_own_writes`].
    JobReadsOwnWrites,
    /// [`Version::prints_job_status`].
    PrintsJobStatus,
    /// [`Version::prints_success_criteria_met`].
    PrintsSuccessCriteriaMet,
}

impl Difference {
    /// All of them.
    pub const ALL: [Difference; 17] = [
        Difference::DefaultNodeMonitorGracePeriod,
        Difference::TaintsByCurrentCondition,
        Difference::TerminalPhaseBeforeDelete,
        Difference::DisruptionPatchHasUid,
        Difference::TerminalStatusBeatsTerminating,
        Difference::ReportsTerminatingReplicas,
        Difference::EvictionLeavesMarker,
        Difference::StatefulSetReplacesSucceeded,
        Difference::ControllersReadOwnWrites,
        Difference::DaemonSetDeletesSucceeded,
        Difference::DaemonSetReadsOwnWrites,
        Difference::ReadsPodReplacementPolicy,
        Difference::JobWaitsForTerminating,
        Difference::JobEndsWhenPodsHave,
        Difference::JobReadsOwnWrites,
        Difference::PrintsJobStatus,
        Difference::PrintsSuccessCriteriaMet,
    ];

    /// The first version that does it the new way.
    pub fn since(self) -> Version {
        let minor = match self {
            Difference::TerminalPhaseBeforeDelete | Difference::DaemonSetDeletesSucceeded => 27,
            Difference::DisruptionPatchHasUid => 28,
            Difference::StatefulSetReplacesSucceeded => 29,
            Difference::DefaultNodeMonitorGracePeriod
            | Difference::TerminalStatusBeatsTerminating => 32,
            Difference::EvictionLeavesMarker => 33,
            Difference::TaintsByCurrentCondition => 34,
            Difference::ReportsTerminatingReplicas => 35,
            Difference::ControllersReadOwnWrites | Difference::DaemonSetReadsOwnWrites => 36,
            Difference::ReadsPodReplacementPolicy => 29,
            Difference::JobWaitsForTerminating => 28,
            Difference::JobEndsWhenPodsHave => 31,
            Difference::JobReadsOwnWrites => 36,
            Difference::PrintsJobStatus => 30,
            Difference::PrintsSuccessCriteriaMet => 34,
        };
        Version(minor, 0)
    }

    /// The rule that says so.
    pub fn rule(self) -> &'static str {
        match self {
            Difference::DefaultNodeMonitorGracePeriod => "NLC-3",
            Difference::TaintsByCurrentCondition => "NLC-6",
            Difference::TerminalPhaseBeforeDelete => "SM-2",
            Difference::DisruptionPatchHasUid => "GC-0",
            Difference::TerminalStatusBeatsTerminating => "14",
            Difference::ReportsTerminatingReplicas => "RS-7",
            Difference::EvictionLeavesMarker => "TEC-6",
            Difference::StatefulSetReplacesSucceeded => "SS-2",
            Difference::ControllersReadOwnWrites => "RS-2",
            Difference::DaemonSetDeletesSucceeded | Difference::DaemonSetReadsOwnWrites => "DS-2",
            Difference::ReadsPodReplacementPolicy => "JB-3",
            Difference::JobWaitsForTerminating => "JB-3",
            Difference::JobEndsWhenPodsHave => "JB-5",
            Difference::JobReadsOwnWrites => "JB-1",
            Difference::PrintsJobStatus => "14",
            Difference::PrintsSuccessCriteriaMet => "14",
        }
    }

    /// What is done from then on, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Difference::DefaultNodeMonitorGracePeriod => {
                "the default grace period of a node is 50 s, before it was 40 s"
            }
            Difference::TaintsByCurrentCondition => {
                "NoExecute taints follow the condition as just updated, not as it was a tick before"
            }
            Difference::TerminalPhaseBeforeDelete => {
                "the kubelet writes a terminal phase before its final DELETE"
            }
            Difference::DisruptionPatchHasUid => {
                "the patch before a deletion names the uid of the pod, before only its name"
            }
            Difference::TerminalStatusBeatsTerminating => {
                "a pod with a terminal phase is not shown as Terminating"
            }
            Difference::ReportsTerminatingReplicas => "terminatingReplicas is reported",
            Difference::EvictionLeavesMarker => {
                "an eviction leaves no marker under the name of its pod"
            }
            Difference::StatefulSetReplacesSucceeded => {
                "a StatefulSet replaces pods that have Succeeded"
            }
            Difference::ControllersReadOwnWrites => {
                "ReplicaSets and StatefulSets wait for their own last writes before they sync"
            }
            Difference::DaemonSetDeletesSucceeded => "a DaemonSet deletes pods that have Succeeded",
            Difference::DaemonSetReadsOwnWrites => {
                "a DaemonSet waits for its own last writes before it syncs"
            }
            Difference::ReadsPodReplacementPolicy => "podReplacementPolicy of a Job is read",
            Difference::JobWaitsForTerminating => {
                "a Job that replaces only failed pods counts the Terminating ones"
            }
            Difference::JobEndsWhenPodsHave => "a Job ends only when all of its pods are terminal",
            Difference::JobReadsOwnWrites => "a Job waits for its own last writes before it syncs",
            Difference::PrintsJobStatus => "Jobs are shown with a column STATUS",
            Difference::PrintsSuccessCriteriaMet => "STATUS of a Job may be SuccessCriteriaMet",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl Version {
    /// The oldest version that is modelled.
    pub const OLDEST: Version = Version(26, 0);
    /// The newest version that is modelled; the default.
    pub const NEWEST: Version = Version(36, 0);

    /// Version 1.`minor`, if it is modelled.
    pub fn new(minor: u8) -> Option<Self> {
        let version = Version(minor, 0);
        (Self::OLDEST..=Self::NEWEST).contains(&version).then_some(version)
    }

    /// The minor number.
    pub fn minor(self) -> u8 {
        self.0
    }

    /// All modelled versions, oldest first.
    pub fn all() -> impl Iterator<Item = Version> {
        (Self::OLDEST.0..=Self::NEWEST.0).map(|minor| Version(minor, 0))
    }

    /// The same version, but for one difference: what it has it lacks, what it lacks it has.
    pub fn altered(self, difference: Difference) -> Self {
        Version(self.0, self.1 ^ difference.bit())
    }

    /// Whether this version does it the new way.
    pub fn has(self, difference: Difference) -> bool {
        (self.0 >= difference.since().0) != (self.1 & difference.bit() != 0)
    }

    /// NLC-3: the default grace period is 50 s from 1.32 on, before it was 40 s.
    pub fn default_node_monitor_grace_period(self) -> u32 {
        if self.has(Difference::DefaultNodeMonitorGracePeriod) { 50 } else { 40 }
    }

    /// NLC-6 judges the condition as just updated (1.34 on), not as observed before (one tick
    /// later).
    pub fn taints_by_current_condition(self) -> bool {
        self.has(Difference::TaintsByCurrentCondition)
    }

    /// SM-2: the kubelet writes a terminal phase before its final DELETE (1.27 on).
    pub fn terminal_phase_before_delete(self) -> bool {
        self.has(Difference::TerminalPhaseBeforeDelete)
    }

    /// GC-0, TEC-5: pod status is patched with a UID precondition (1.28 on); before, server-side
    /// apply by name.
    pub fn disruption_patch_has_uid(self) -> bool {
        self.has(Difference::DisruptionPatchHasUid)
    }

    /// STATUS shows `Terminating` only while the phase is not terminal (1.32 on).
    pub fn terminal_status_beats_terminating(self) -> bool {
        self.has(Difference::TerminalStatusBeatsTerminating)
    }

    /// RS-7, DP-1: `terminatingReplicas` is reported (gate on by default from 1.35 on).
    pub fn reports_terminating_replicas(self) -> bool {
        self.has(Difference::ReportsTerminatingReplicas)
    }

    /// TEC-6: a successful eviction leaves a nil marker under the pod's name until the delete
    /// event (1.32 and older).
    pub fn eviction_leaves_marker(self) -> bool {
        !self.has(Difference::EvictionLeavesMarker)
    }

    /// SS-2: Succeeded pods are replaced too (1.29 on; patches of 1.27 and 1.28 aside).
    pub fn stateful_set_replaces_succeeded(self) -> bool {
        self.has(Difference::StatefulSetReplacesSucceeded)
    }

    /// RS-2, SS-1: a sync waits until the caches hold this process's own last writes (1.36 on).
    pub fn controllers_read_own_writes(self) -> bool {
        self.has(Difference::ControllersReadOwnWrites)
    }

    /// DS-2: a DaemonSet deletes pods of its own that Succeeded (1.27 on).
    pub fn daemon_set_deletes_succeeded(self) -> bool {
        self.has(Difference::DaemonSetDeletesSucceeded)
    }

    /// DS-2: a sync waits until the caches hold this process's own last writes (1.36 on).
    pub fn daemon_set_reads_own_writes(self) -> bool {
        self.has(Difference::DaemonSetReadsOwnWrites)
    }

    /// JB-3: `podReplacementPolicy` is read (gate on by default from 1.29 on).
    pub fn reads_pod_replacement_policy(self) -> bool {
        self.has(Difference::ReadsPodReplacementPolicy)
    }

    /// JB-3: a Job that replaces only failed pods counts the Terminating ones (1.28 on); before, a
    /// `podFailurePolicy` only kept them from being counted as failed.
    pub fn job_waits_for_terminating(self) -> bool {
        self.has(Difference::JobWaitsForTerminating)
    }

    /// JB-5: a Job is Complete or Failed only when all of its pods are terminal (1.31 on).
    pub fn job_ends_when_pods_have(self) -> bool {
        self.has(Difference::JobEndsWhenPodsHave)
    }

    /// A Job sync waits until the caches hold this process's own last writes (1.36 on).
    pub fn job_reads_own_writes(self) -> bool {
        self.has(Difference::JobReadsOwnWrites)
    }

    /// `kubectl get jobs` has a column STATUS (1.30 on).
    pub fn prints_job_status(self) -> bool {
        self.has(Difference::PrintsJobStatus)
    }

    /// STATUS of a Job may be `SuccessCriteriaMet` (1.34 on).
    pub fn prints_success_criteria_met(self) -> bool {
        self.has(Difference::PrintsSuccessCriteriaMet)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `1.26`, `v1.26` or `1.26.4` (the patch is ignored).
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<&str> = text.strip_prefix('v').unwrap_or(text).split('.').collect();
        let minor = match numbers[..] {
            ["1", minor] | ["1", minor, _] => minor.parse().ok().and_then(Version::new),
            _ => None,
        };
        minor.ok_or_else(|| {
            format!(
                "unknown Kubernetes version \"{text}\"; modelled are {} to {}",
                Self::OLDEST,
                Self::NEWEST
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who adds a method says how to toggle it: no method asks for the number of the version.
    #[test]
    fn every_method_hangs_on_a_difference() {
        let text = include_str!("version.rs").split("#[cfg(test)]").next().unwrap();
        let uses = |body: &str| body.contains("self.has(Difference::");
        let methods: Vec<&str> = text.split("    pub fn ").skip(1).collect();
        let asks = |method: &&&str| {
            let (head, _) = method.split_once('{').unwrap();
            head.contains("(self) -> bool") || head.contains("(self) -> u32")
        };
        let bare = methods.iter().filter(asks).filter(|method| !uses(method));
        let bare: Vec<&str> = bare.map(|method| method.split('(').next().unwrap()).collect();
        assert_eq!(bare, Vec::<&str>::new(), "methods that cannot be toggled");
        for difference in Difference::ALL {
            assert_eq!(
                text.matches(&format!("self.has(Difference::{difference:?})")).count(),
                1,
                "{difference:?}"
            );
        }
    }

    #[test]
    fn a_difference_begins_with_its_version_and_can_be_toggled() {
        for difference in Difference::ALL {
            for version in Version::all() {
                assert_eq!(version.has(difference), version >= difference.since());
                let altered = version.altered(difference);
                assert_ne!(altered.has(difference), version.has(difference));
                assert_eq!(altered.altered(difference), version);
                let others = Difference::ALL.into_iter().filter(|other| *other != difference);
                assert!(others.into_iter().all(|other| altered.has(other) == version.has(other)));
            }
        }
    }

    /// Two neighbours are one version with all differences between them toggled.
    #[test]
    fn differences_are_all_that_differs() {
        for (old, new) in Version::all().zip(Version::all().skip(1)) {
            let between = Difference::ALL.into_iter().filter(|it| it.since() == new);
            let altered = between.fold(old, Version::altered);
            for difference in Difference::ALL {
                assert_eq!(altered.has(difference), new.has(difference));
            }
        }
    }
}
