//! Kubernetes versions and what differs between them.

use std::fmt;
use std::str::FromStr;

/// A Kubernetes minor version. Patch releases are not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

impl Version {
    /// The oldest version that is modelled.
    pub const OLDEST: Version = Version(26);
    /// The newest version that is modelled; the default.
    pub const NEWEST: Version = Version(36);

    /// Version 1.`minor`, if it is modelled.
    pub fn new(minor: u8) -> Option<Self> {
        let version = Version(minor);
        (Self::OLDEST..=Self::NEWEST).contains(&version).then_some(version)
    }

    /// The minor number.
    pub fn minor(self) -> u8 {
        self.0
    }

    /// All modelled versions, oldest first.
    pub fn all() -> impl Iterator<Item = Version> {
        (Self::OLDEST.0..=Self::NEWEST.0).map(Version)
    }

    /// NLC-3: the default grace period is 50 s from 1.32 on, before it was 40 s.
    pub fn default_node_monitor_grace_period(self) -> u32 {
        if self.0 >= 32 { 50 } else { 40 }
    }

    /// NLC-6 judges the condition as just updated (1.34 on), not as observed before (one tick
    /// later).
    pub fn taints_by_current_condition(self) -> bool {
        self.0 >= 34
    }

    /// SM-2: the kubelet writes a terminal phase before its final DELETE (1.27 on).
    pub fn terminal_phase_before_delete(self) -> bool {
        self.0 >= 27
    }

    /// GC-0, TEC-5: pod status is patched with a UID precondition (1.28 on); before, server-side
    /// apply by name.
    pub fn disruption_patch_has_uid(self) -> bool {
        self.0 >= 28
    }

    /// STATUS shows `Terminating` only while the phase is not terminal (1.32 on).
    pub fn terminal_status_beats_terminating(self) -> bool {
        self.0 >= 32
    }

    /// RS-7, DP-1: `terminatingReplicas` is reported (gate on by default from 1.35 on).
    pub fn reports_terminating_replicas(self) -> bool {
        self.0 >= 35
    }

    /// TEC-6: a successful eviction leaves a nil marker under the pod's name until the delete
    /// event (1.32 and older).
    pub fn eviction_leaves_marker(self) -> bool {
        self.0 <= 32
    }

    /// SS-2: Succeeded pods are replaced too (1.29 on; patches of 1.27 and 1.28 aside).
    pub fn stateful_set_replaces_succeeded(self) -> bool {
        self.0 >= 29
    }

    /// RS-2, SS-1: a sync waits until the caches hold this process's own last writes (1.36 on).
    pub fn controllers_read_own_writes(self) -> bool {
        self.0 >= 36
    }

    /// DS-2: a DaemonSet deletes pods of its own that Succeeded (1.27 on).
    pub fn daemon_set_deletes_succeeded(self) -> bool {
        self.0 >= 27
    }

    /// DS-2: a sync waits until the caches hold this process's own last writes (1.36 on).
    pub fn daemon_set_reads_own_writes(self) -> bool {
        self.0 >= 36
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
