//! The guarantees that are checked: what each says, over which truth, and whether Kubernetes
//! promises it. `specs/guarantees.md` defines them for readers.
//!
//! P-numbers state what must never happen; R-numbers name situations that can be reached.

mod addresses;
mod operations;
mod predicates;
mod volumes;
mod workloads;

use predicates::*;

use crate::config::{ClusterConfig, OUT_OF_SERVICE, PodTemplate, StatefulSetConfig, WatchMode};
use crate::faults::{FaultBudget, FaultKind};
use crate::ids::Seconds;
use crate::kubelet::PodWorker;
use crate::objects::{ContainerState, Node, NodeReady, Pod};
use crate::version::Version;
use crate::view::ClusterView;

/// A step as a guarantee sees it.
#[derive(Clone, Copy)]
pub struct Transition<'a> {
    /// The cluster before it.
    pub before: ClusterView<'a>,
    /// The cluster after it.
    pub after: ClusterView<'a>,
}

/// What kind of statement a guarantee makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuaranteeKind {
    /// Every reachable state satisfies it.
    State,
    /// Every reachable step satisfies it.
    Step,
    /// Some reachable state or step is it.
    Sometimes,
}

/// How a guarantee is evaluated: true means satisfied, or, for [`GuaranteeKind::Sometimes`], found.
#[derive(Clone, Copy)]
pub enum Test {
    /// Over states.
    State(fn(&ClusterView<'_>) -> bool),
    /// Over steps.
    Step(fn(&Transition<'_>) -> bool),
}

/// What a promise hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The version of all components.
    pub version: Version,
    /// Whether people may take pods out of the API although they perhaps still run.
    pub by_force: bool,
    /// Whether whoever watches knows of a write at once.
    pub fresh: bool,
    /// Whether a node may be cut off, and its volumes then be detached without its word.
    pub detaches: bool,
}

impl From<Version> for Terms {
    /// Nobody uses force, watches are fresh, and no node is cut off.
    fn from(version: Version) -> Self {
        Terms { version, by_force: false, fresh: true, detaches: false }
    }
}

impl From<&ClusterConfig> for Terms {
    fn from(config: &ClusterConfig) -> Self {
        // A DELETE of a pod whose own grace period is 0 waits for no kubelet either.
        let waits = |set: &StatefulSetConfig| config.template(set.template).grace > Seconds(0);
        let keeps = |template: &PodTemplate| !template.volumes.is_empty();
        let mut keepers = config.templates.iter().filter(|template| keeps(template));
        let by_force = config.faults.iter().any(|budget| budget.kind.is_by_force())
            || !config.stateful_sets.iter().all(waits)
            || keepers.any(|template| template.grace == Seconds(0));
        let fresh = config.watch == WatchMode::Fresh;
        let cuts = |budget: &FaultBudget| budget.kind == FaultKind::Partition;
        let detaches = !config.settings.disable_force_detach && config.faults.iter().any(cuts);
        Terms { version: config.version, by_force, fresh, detaches }
    }
}

/// A guarantee.
#[derive(Clone, Copy)]
pub struct Guarantee {
    /// Its number, `P3a`, with a suffix for the truth it is about where there are two.
    pub name: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What kind of statement it is.
    pub kind: GuaranteeKind,
    /// Precisely what it says.
    pub meaning: &'static str,
    /// Whether Kubernetes promises it, on these terms.
    pub promised: fn(Terms) -> bool,
    /// The rules that it hangs on.
    pub rules: &'static str,
    /// How it is evaluated.
    pub test: Test,
}

impl std::fmt::Debug for Guarantee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All guarantees, in the order of their numbers.
pub const ALL: &[Guarantee] = &[
    Guarantee {
        name: "P1.api",
        title: "never more Running replicas than asked for, by the API",
        kind: GuaranteeKind::State,
        meaning: "in no state do more pods of one ReplicaSet than spec.replicas have phase Running \
                  without being Terminating",
        promised: |_| false,
        rules: "RS-1 RS-2 RS-6",
        test: Test::State(at_most_replicas_by_api),
    },
    Guarantee {
        name: "P1.real",
        title: "never more running replicas than asked for, in reality",
        kind: GuaranteeKind::State,
        meaning: "in no state do containers run for more pods of one ReplicaSet than spec.replicas",
        promised: |_| false,
        rules: "RS-1 12.7",
        test: Test::State(at_most_replicas_in_reality),
    },
    Guarantee {
        name: "P2",
        title: "never two pods of one identity run",
        kind: GuaranteeKind::State,
        meaning: "in no state do containers run for two pods of one name of a StatefulSet",
        promised: |terms| !terms.by_force,
        rules: "SS-3 PW-7 12.7",
        test: Test::State(one_pod_per_identity),
    },
    Guarantee {
        name: "P3a",
        title: "a deletion is never withdrawn",
        kind: GuaranteeKind::Step,
        meaning: "once a stored pod is Terminating, every later version of that uid is, and its \
                  grace period never grows",
        promised: |_| true,
        rules: "ST-6",
        test: Test::Step(deletion_is_monotone),
    },
    Guarantee {
        name: "P3b",
        title: "no container starts after its pod's deletion is stored",
        kind: GuaranteeKind::Step,
        meaning: "no container of a uid starts while the API server has that uid Terminating, or no \
                  longer at all",
        promised: |_| false,
        rules: "PW-3 12.7",
        test: Test::Step(|t| {
            !starts(t).any(|(_, uid)| t.before.api().pod(uid).is_none_or(Pod::is_terminating))
        }),
    },
    Guarantee {
        name: "P3c",
        title: "no container starts after the kubelet's worker acknowledged the end",
        kind: GuaranteeKind::Step,
        meaning: "no container of a uid starts on a node while that node's kubelet process has the \
                  uid's worker past SYNC",
        promised: |_| true,
        rules: "PW-1 PW-3",
        test: Test::Step(|t| !starts(t).any(|(node, uid)| worker_past_sync(&t.before, node, uid))),
    },
    Guarantee {
        name: "P3d",
        title: "a returning kubelet starts nothing that its first list shows Terminating",
        kind: GuaranteeKind::Step,
        meaning: "no container of a uid starts on a node whose kubelet process saw the uid \
                  Terminating in its first pod list",
        promised: |_| true,
        rules: "PW-6 KL-1",
        test: Test::Step(|t| {
            // What became of a worker that has seen it and acknowledged it is part of its state.
            let seen = |worker: &PodWorker| {
                worker.terminating_in_first_list
                    || (worker.is_past_sync() && worker.deletion.is_some())
            };
            !starts(t).any(|(node, uid)| t.before.kubelet(node).pod(uid).is_some_and(seen))
        }),
    },
    Guarantee {
        name: "P6",
        title: "no eviction while all zones are disrupted",
        kind: GuaranteeKind::Step,
        meaning: "between the end of NLC-11 and NLC-12 taint eviction issues no DELETE",
        promised: |_| false,
        rules: "NLC-11 NLC-12 TEC-5",
        test: Test::Step(|t| {
            !(t.before.controller_manager().node_lifecycle.master_disruption
                && eviction_issued(t).is_some())
        }),
    },
    Guarantee {
        name: "P7",
        title: "an eviction means that the taint was there all the time",
        kind: GuaranteeKind::Step,
        meaning: "between the arming of an eviction timer and its DELETE, the node in etcd is never \
                  without a NoExecute taint that the pod tolerates no longer than the timer ran",
        promised: |_| false,
        rules: "TEC-3 TEC-9 TEC-10",
        test: Test::Step(|t| !eviction_issued(t).is_some_and(|cause| cause.unfounded)),
    },
    Guarantee {
        name: "P8",
        title: "a taint that was removed and added again restarts the timer",
        kind: GuaranteeKind::Step,
        meaning: "no eviction timer fires on a tainted node if that node was free of such taints \
                  since the timer was armed",
        promised: |_| false,
        rules: "TEC-1 TEC-3 TEC-4",
        test: Test::Step(|t| {
            !fired(t).is_some_and(|cause| cause.interrupted && is_tainted(&t.before, cause.node))
        }),
    },
    volumes::P9,
    addresses::P10,
    Guarantee {
        name: "P11",
        title: "a restart count never falls",
        kind: GuaranteeKind::Step,
        meaning: "no write lowers a uid's restartCount in the API",
        promised: |_| false,
        rules: "12.4 SM-1",
        test: Test::Step(|t| {
            !versions(t).any(|(old, new)| new.status.restart_count < old.status.restart_count)
        }),
    },
    Guarantee {
        name: "P12",
        title: "a terminal phase is final",
        kind: GuaranteeKind::Step,
        meaning: "no write takes a uid's phase in the API from Succeeded or Failed to another",
        promised: |_| false,
        rules: "ST-8 SM-1",
        test: Test::Step(|t| {
            !versions(t).any(|(old, new)| {
                old.status.phase.is_terminal() && new.status.phase != old.status.phase
            })
        }),
    },
    Guarantee {
        name: "P13",
        title: "an eviction deletes the pod that was on the tainted node",
        kind: GuaranteeKind::Step,
        meaning: "no DELETE of taint eviction makes a pod Terminating whose uid is not the one that \
                  the eviction was decided for",
        promised: |_| false,
        rules: "TEC-5 TEC-8 TEC-10",
        test: Test::Step(|t| evicted(t).all(|(pod, cause)| pod.uid == cause.uid)),
    },
    Guarantee {
        name: "P14",
        title: "a kubelet removes only the pod that it has ended",
        kind: GuaranteeKind::Step,
        meaning: "no final DELETE of a kubelet removes a pod of which a container still runs",
        promised: |_| true,
        rules: "SM-2 PW-5",
        test: Test::Step(|t| !deleted_alive(t)),
    },
    operations::P15,
    workloads::P18,
    Guarantee {
        name: "P19",
        title: "a Job that replaces only failed pods never has more than it wants",
        kind: GuaranteeKind::State,
        meaning: "in no state are more non-terminal pods of a Job that replaces only failed pods \
                  stored, Terminating ones included, than its parallelism",
        promised: |terms| terms.version.reads_pod_replacement_policy(),
        rules: "JB-1 JB-3",
        test: Test::State(job_within_parallelism),
    },
    Guarantee {
        name: "P20",
        title: "never two pods of a DaemonSet for one node",
        kind: GuaranteeKind::State,
        meaning: "in no state are two pods of one DaemonSet stored for one node without one of them \
                  being Terminating",
        promised: |_| false,
        rules: "DS-2",
        test: Test::State(one_daemon_for_each_node),
    },
    Guarantee {
        name: "P21",
        title: "a kubelet's final DELETE finds a terminal phase",
        kind: GuaranteeKind::Step,
        meaning: "no kubelet's DELETE, which shortens a Terminating pod's grace period to 0 and so \
                  removes it, finds the pod in phase Pending or Running (1.27 and later)",
        promised: |terms| terms.version.terminal_phase_before_delete(),
        rules: "SM-2 PW-5",
        test: Test::Step(|t| {
            let by_kubelet = |pod: &Pod| !pod.status.phase.is_terminal() && !forced(t, pod.name);
            !cut_short(t).any(by_kubelet)
        }),
    },
    Guarantee {
        name: "P22",
        title: "an ordered StatefulSet creates its pods in order",
        kind: GuaranteeKind::Step,
        meaning: "no pod of a StatefulSet with OrderedReady is created while one with a lower ordinal \
                  does not exist",
        promised: |terms| terms.fresh && !terms.by_force,
        rules: "SS-3 SS-4",
        test: Test::Step(|t| !created_out_of_order(t)),
    },
    Guarantee {
        name: "P23",
        title: "a pod that is gone does not outlive its kubelet's work",
        kind: GuaranteeKind::State,
        meaning: "in no state does a container run of a pod that is not stored any more and whose \
                  worker, in a kubelet that has its pod list, is finished",
        promised: |_| false,
        rules: "PW-4 PW-7 PW-8",
        test: Test::State(|view| !outlived(view)),
    },
    Guarantee {
        name: "R1",
        title: "recovered before eviction",
        kind: GuaranteeKind::Sometimes,
        meaning: "a node has rebooted and a pod runs on it again in place: same uid, restartCount \
                  at least 1, Ready, and no other pod of its ReplicaSet exists beyond spec.replicas",
        promised: |_| false,
        rules: "RB-1 RB-2 RB-3",
        test: Test::State(recovered_in_place),
    },
    Guarantee {
        name: "R2",
        title: "recovered during migration",
        kind: GuaranteeKind::Sometimes,
        meaning: "a node has rebooted and is Ready, its old pod is still Terminating, and the \
                  replacement is being created on another node",
        promised: |_| false,
        rules: "12.6 TEC-5 RS-4",
        test: Test::State(|view| {
            recovered_late(view, |new| {
                !new.status.ready.is_true() && new.status.container == ContainerState::Creating
            })
        }),
    },
    Guarantee {
        name: "R3",
        title: "recovered after migration",
        kind: GuaranteeKind::Sometimes,
        meaning: "a node has rebooted and is Ready, its old pod is still Terminating, and the \
                  replacement is Running and Ready on another node",
        promised: |_| false,
        rules: "12.6 TEC-5 RS-4",
        test: Test::State(|view| recovered_late(view, |new| new.status.ready.is_true())),
    },
    Guarantee {
        name: "R4",
        title: "the replacement runs elsewhere",
        kind: GuaranteeKind::Sometimes,
        meaning: "a pod is Terminating and another of its ReplicaSet is Running and Ready on \
                  another node",
        promised: |_| false,
        rules: "RS-4 SC-2 TEC-5",
        test: Test::State(|view| {
            let ready = |new: &Pod| new.is_active() && new.status.ready.is_true();
            pairs(view).any(|(old, new)| old.is_terminating() && ready(new) && old.node != new.node)
        }),
    },
    Guarantee {
        name: "R5",
        title: "the old object disappears after its node returns",
        kind: GuaranteeKind::Sometimes,
        meaning: "a Terminating pod leaves the API after the node that it is bound to has rebooted",
        promised: |_| false,
        rules: "12.6 SM-2",
        test: Test::Step(|t| {
            removed(t).any(|pod| {
                pod.node
                    .and_then(|node| t.before.api().node(node))
                    .is_some_and(|node| node.boot > 0)
            })
        }),
    },
    Guarantee {
        name: "R6",
        title: "ready again without a restart",
        kind: GuaranteeKind::Sometimes,
        meaning: "a pod that is not Terminating and was marked Ready=False becomes Ready again with \
                  the container that it had",
        promised: |_| false,
        rules: "NLC-4 SM-3",
        test: Test::Step(|t| {
            versions(t).any(|(old, new)| {
                let runs = |pod: &Pod| pod.status.container == ContainerState::Running;
                let same =
                    runs(old) && runs(new) && old.status.restart_count == new.status.restart_count;
                same && !new.is_terminating()
                    && !old.status.ready.is_true()
                    && new.status.ready.is_true()
            })
        }),
    },
    Guarantee {
        name: "R7",
        title: "two live instances",
        kind: GuaranteeKind::Sometimes,
        meaning: "a pod that the API has Terminating still runs while its replacement runs on \
                  another node",
        promised: |_| false,
        rules: "12.7 RS-1",
        test: Test::State(|view| {
            let live = |pod: &Pod| view.runs_on(pod.uid);
            pairs(view).any(|(old, new)| {
                old.is_terminating()
                    && new.is_active()
                    && live(old).zip(live(new)).is_some_and(|(a, b)| a != b)
            })
        }),
    },
    Guarantee {
        name: "R8",
        title: "evicted",
        kind: GuaranteeKind::Sometimes,
        meaning: "taint eviction issues a DELETE",
        promised: |_| false,
        rules: "TEC-5",
        test: Test::Step(|t| eviction_issued(t).is_some()),
    },
    Guarantee {
        name: "R9",
        title: "collected by force",
        kind: GuaranteeKind::Sometimes,
        meaning: "a Terminating pod leaves the API although its node, with an out-of-service taint, \
                  has not returned",
        promised: |_| false,
        rules: "GC-0 GC-2",
        test: Test::Step(|t| {
            removed(t).any(|pod| {
                let node = pod.node.and_then(|node| t.before.api().node(node));
                node.is_some_and(|node| {
                    node.ready != NodeReady::True
                        && t.before.config.has_key(node.taints, OUT_OF_SERVICE)
                })
            })
        }),
    },
    Guarantee {
        name: "R10",
        title: "rebooted before anybody noticed",
        kind: GuaranteeKind::Sometimes,
        meaning: "a Node object gets a new bootID while its condition Ready is still True",
        promised: |_| false,
        rules: "KL-8 KL-7",
        test: Test::Step(|t| {
            node_versions(t).any(|(old, new)| {
                let ready = |node: &Node| node.ready == NodeReady::True;
                old.boot < new.boot && ready(old) && ready(new)
            })
        }),
    },
    Guarantee {
        name: "R11",
        title: "back without a network",
        kind: GuaranteeKind::Sometimes,
        meaning: "the kubelet of a rebooted node posts Ready=False",
        promised: |_| false,
        rules: "KL-7 NLC-6",
        test: Test::Step(|t| {
            node_versions(t).any(|(old, new)| {
                old.ready != new.ready && new.ready == NodeReady::False && new.boot > 0
            })
        }),
    },
    Guarantee {
        name: "R12",
        title: "evictions are stopped",
        kind: GuaranteeKind::Sometimes,
        meaning: "the node lifecycle controller finds all zones fully disrupted and has stopped \
                  tainting",
        promised: |_| false,
        rules: "NLC-9 NLC-11",
        test: Test::State(|view| view.controller_manager().node_lifecycle.master_disruption),
    },
    Guarantee {
        name: "R13",
        title: "a taint is withdrawn from a dead node",
        kind: GuaranteeKind::Sometimes,
        meaning: "the last NoExecute condition taint leaves a node whose condition Ready is not True",
        promised: |_| false,
        rules: "NLC-1 NLC-11",
        test: Test::Step(taint_withdrawn),
    },
    Guarantee {
        name: "R14",
        title: "an eviction is cancelled",
        kind: GuaranteeKind::Sometimes,
        meaning: "taint eviction disarms a timer that has not fired",
        promised: |_| false,
        rules: "TEC-4",
        test: Test::Step(eviction_cancelled),
    },
    Guarantee {
        name: "R15",
        title: "evicted while Ready",
        kind: GuaranteeKind::Sometimes,
        meaning: "a pod is Terminating on a node that says itself that it is not Ready, and the \
                  pod's condition Ready is still True",
        promised: |_| false,
        rules: "NLC-4 KL-7",
        test: Test::State(evicted_while_ready),
    },
    volumes::R25,
    volumes::R26,
    volumes::R27,
    volumes::R28,
    volumes::R29,
    Guarantee {
        name: "R30",
        title: "a DaemonSet's pod stays on a dead node",
        kind: GuaranteeKind::Sometimes,
        meaning: "a pod of a DaemonSet is not Terminating on a node that has a NoExecute condition \
                  taint",
        promised: |_| false,
        rules: "DS-1",
        test: Test::State(daemon_stays),
    },
    Guarantee {
        name: "R31",
        title: "a DaemonSet's Terminating pod is not replaced",
        kind: GuaranteeKind::Sometimes,
        meaning: "a pod of a DaemonSet is Terminating and not terminal on a node that is not Ready, \
                  and no other is stored for that node",
        promised: |_| false,
        rules: "DS-2",
        test: Test::State(daemon_is_missed),
    },
    Guarantee {
        name: "R32",
        title: "a Job's work is done twice at a time",
        kind: GuaranteeKind::Sometimes,
        meaning: "containers run for more pods of one Job than its parallelism",
        promised: |_| false,
        rules: "JB-2 12.7",
        test: Test::State(job_runs_twice),
    },
    Guarantee {
        name: "R33",
        title: "a Job waits for a Terminating pod",
        kind: GuaranteeKind::Sometimes,
        meaning: "a Job that replaces only failed pods and is not over has no active pod, and one \
                  that is Terminating and not terminal",
        promised: |_| false,
        rules: "JB-3",
        test: Test::State(job_waits),
    },
    Guarantee {
        name: "R34",
        title: "a Job fails",
        kind: GuaranteeKind::Sometimes,
        meaning: "a Job has the condition FailureTarget or Failed",
        promised: |_| false,
        rules: "JB-4 JB-5",
        test: Test::State(job_fails),
    },
    workloads::R35,
    workloads::R36,
    workloads::R37,
    workloads::R38,
    workloads::R39,
    operations::R40,
    operations::R41,
    operations::R42,
    operations::R43,
    operations::R44,
    operations::R45,
    operations::R46,
    operations::R47,
    operations::R48,
    operations::R49,
    workloads::R50,
    workloads::R51,
];

/// The guarantee of this name.
pub fn find(name: &str) -> Option<&'static Guarantee> {
    ALL.iter().find(|guarantee| guarantee.name.eq_ignore_ascii_case(name))
}
