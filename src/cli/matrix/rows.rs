//! The rows of the matrix: each workload with each way to lose a node. A row is a scenario like any
//! other, made from one entry of [`WORKLOADS`] and one of [`FAULTS`].

use std::fmt::Write;

use models::config::{ClusterConfig, OUT_OF_SERVICE};
use models::faults::FaultKind;
use models::guarantees::{self, Guarantee};
use models::ids::NodeSet;

use crate::scenario::{Input, InputError, Scenario, load};

/// Something to run.
#[derive(Debug)]
pub(in crate::cli) struct Workload {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// `apiVersion`, `kind`.
    kind: (&'static str, &'static str),
    /// `spec` but for selector and pod template.
    spec: &'static [&'static str],
    /// Nodes of its pods at the start; none if nothing else is possible.
    start: Option<&'static str>,
    /// Whether the row with every fault can be searched with watches that lag by an event.
    lag: bool,
}

/// A way to lose a node.
#[derive(Debug)]
pub(in crate::cli) struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens, in a few words.
    pub title: &'static str,
    /// `spec.faults`.
    faults: &'static [&'static str],
    /// `spec.operator`.
    operator: &'static [&'static str],
    /// What else is said of the cluster.
    cluster: &'static [&'static str],
    /// Whether it leaves room for watches that lag by an event.
    lag: bool,
}

/// All workloads. One more is one more entry here.
pub(in crate::cli) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "deployment",
        title: "Deployment with 1 replica",
        kind: ("apps/v1", "Deployment"),
        spec: &["replicas: 1"],
        start: Some("[node-b]"),
        lag: true,
    },
    Workload {
        name: "replicaset",
        title: "ReplicaSet with 1 replica",
        kind: ("apps/v1", "ReplicaSet"),
        spec: &["replicas: 1"],
        start: Some("[node-b]"),
        lag: true,
    },
    Workload {
        name: "replicaset-2",
        title: "ReplicaSet with 2 replicas on two nodes",
        kind: ("apps/v1", "ReplicaSet"),
        spec: &["replicas: 2"],
        start: Some("[node-b, node-a]"),
        lag: false,
    },
    Workload {
        name: "statefulset",
        title: "StatefulSet (OrderedReady) with 2 replicas on two nodes",
        kind: ("apps/v1", "StatefulSet"),
        spec: &["serviceName: web", "replicas: 2"],
        start: Some("[node-b, node-a]"),
        lag: false,
    },
    Workload {
        name: "statefulset-parallel",
        title: "StatefulSet (Parallel) with 2 replicas on two nodes",
        kind: ("apps/v1", "StatefulSet"),
        spec: &["serviceName: web", "replicas: 2", "podManagementPolicy: Parallel"],
        start: Some("[node-b, node-a]"),
        lag: false,
    },
    Workload {
        name: "statefulset-volume",
        title: "StatefulSet with 1 replica and a ReadWriteOnce volume",
        kind: ("apps/v1", "StatefulSet"),
        spec: &["serviceName: web", "replicas: 1", "volumeClaimTemplates:", CLAIM],
        start: Some("[node-b]"),
        lag: false,
    },
    Workload {
        name: "daemonset",
        title: "DaemonSet on two nodes",
        kind: ("apps/v1", "DaemonSet"),
        spec: &[],
        start: None,
        lag: false,
    },
    Workload {
        name: "job",
        title: "Job with backoffLimit 0",
        kind: ("batch/v1", "Job"),
        spec: &["backoffLimit: 0"],
        start: Some("[node-b]"),
        lag: false,
    },
    Workload {
        name: "job-replaces-failed",
        title: "Job with backoffLimit 0 that replaces Failed pods only",
        kind: ("batch/v1", "Job"),
        spec: &["podReplacementPolicy: Failed", "backoffLimit: 0"],
        start: Some("[node-b]"),
        lag: false,
    },
    Workload {
        name: "pod",
        title: "Pod without an owner",
        kind: ("v1", "Pod"),
        spec: &[],
        start: Some("[node-b]"),
        lag: true,
    },
];

/// A claim template, an item of a list.
const CLAIM: &str =
    "- {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {}}}";

const OFF: &str = "powerOff: {count: 1, nodes: [node-b]}";
const CUT: &str = "partition: {count: 1, nodes: [node-b]}";

/// All ways to lose a node. One more is one more entry here.
pub(in crate::cli) const FAULTS: &[Fault] = &[
    Fault {
        name: "power-off-and-on",
        title: "power off and on",
        faults: &[OFF],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "power-off-for-ever",
        title: "power off for ever",
        faults: &[OFF, "powerOn: 0"],
        operator: &[],
        cluster: &[],
        lag: true,
    },
    Fault {
        name: "fast-reboot",
        title: "fast reboot",
        faults: &["powerOff: {count: 1, nodes: [node-b], outage: 30s}"],
        operator: &[],
        cluster: &[],
        lag: true,
    },
    Fault {
        name: "partition-and-heal",
        title: "partition and heal",
        faults: &[CUT],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "node-flap",
        title: "node flaps twice",
        faults: &["partition: {count: 2, nodes: [node-b], outage: 2m}"],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "kubelet-crash",
        title: "kubelet crash",
        faults: &["kubeletCrash: {count: 1, nodes: [node-b]}"],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "runtime-crash",
        title: "runtime crash",
        faults: &["runtimeCrash: {count: 1, nodes: [node-b]}"],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "controller-manager-restart",
        title: "off, and manager restart",
        faults: &[OFF, "powerOn: 0", "controllerManagerCrash: 1"],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "slow-heartbeats",
        title: "slow heartbeats",
        faults: &["slowHeartbeat: {count: 1, nodes: [node-b]}"],
        operator: &[],
        cluster: &[],
        lag: true,
    },
    Fault {
        name: "force-delete-while-partitioned",
        title: "cut, and force delete",
        faults: &[CUT, "heal: 0"],
        operator: &["forceDeletePod: {count: 1, nodes: [node-b], when: notReady}"],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "out-of-service-dead",
        title: "off, and out-of-service",
        faults: &[OFF, "powerOn: 0"],
        operator: &["outOfService: {count: 1, nodes: [node-b], when: poweredOff}"],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "out-of-service-partitioned",
        title: "cut, and out-of-service",
        faults: &[CUT, "heal: 0"],
        operator: &["outOfService: {count: 1, nodes: [node-b], when: notReady}"],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "node-deleted-dead",
        title: "off, and Node deleted",
        faults: &[OFF, "powerOn: 0"],
        operator: &["deleteNode: {count: 1, nodes: [node-b], when: poweredOff}"],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "node-deleted-partitioned",
        title: "cut, and Node deleted",
        faults: &[CUT, "heal: 0"],
        operator: &["deleteNode: {count: 1, nodes: [node-b], when: notReady}"],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "drain",
        title: "drain",
        faults: &[],
        operator: &["drain: {count: 1, nodes: [node-b]}"],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "shutdown",
        title: "shutdown in order, for ever",
        faults: &["shutdown: {count: 1, nodes: [node-b]}", "powerOn: 0"],
        operator: &[],
        cluster: &["kubelet: {shutdownGracePeriod: 30s}"],
        lag: false,
    },
    Fault {
        name: "zone-off",
        title: "all of a zone off for ever",
        faults: &[OFF, "powerOn: 0"],
        operator: &[],
        cluster: &["nodes: [{name: node-a, zone: a}, {name: node-b, zone: b}]"],
        lag: true,
    },
    Fault {
        name: "instance-stopped",
        title: "cloud instance stopped and started",
        faults: &["instanceStopped: {count: 1, nodes: [node-b]}"],
        operator: &[],
        cluster: &[],
        lag: false,
    },
    Fault {
        name: "instance-gone",
        title: "cloud instance gone",
        faults: &["instanceGone: {count: 1, nodes: [node-b]}"],
        operator: &[],
        cluster: &[],
        lag: false,
    },
];

/// A row: what runs, and what happens to it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Row {
    /// What runs.
    pub workload: &'static Workload,
    /// What happens.
    pub fault: &'static Fault,
}

/// All rows, workload by workload.
pub(in crate::cli) fn all() -> impl Iterator<Item = Row> {
    let rows = |workload| FAULTS.iter().map(move |fault| Row { workload, fault });
    WORKLOADS.iter().flat_map(rows)
}

/// The row of this name, or of this file.
pub(in crate::cli) fn find(name: &str) -> Option<Row> {
    let name = name.strip_prefix("./").unwrap_or(name);
    all().find(|row| row.name() == name || row.file() == name)
}

impl Row {
    /// Its name: that of its scenario.
    pub(in crate::cli) fn name(self) -> String {
        format!("{}-{}", self.workload.name, self.fault.name)
    }

    /// The file of its scenario, from the root of the project.
    pub(in crate::cli) fn file(self) -> String {
        format!("specs/matrix/{}.yaml", self.name())
    }

    /// Its scenario as an input.
    pub(in crate::cli) fn input(self) -> Result<Input, InputError> {
        Ok(Input { name: self.file(), text: self.text()? })
    }

    /// Its scenario, read.
    pub(in crate::cli) fn load(self) -> Result<Scenario, InputError> {
        one(&self.input()?)
    }

    /// Its scenario, written: it names the properties that have a meaning for it.
    pub(in crate::cli) fn text(self) -> Result<String, InputError> {
        let mut text = self.without_properties();
        let scenario = one(&Input { name: self.file(), text: text.clone() })?;
        text.push_str("  properties:\n");
        for guarantee in guarantees::ALL.iter().filter(|it| applies(it, &scenario.config)) {
            let _ = writeln!(text, "    - {}", guarantee.name);
        }
        Ok(text)
    }

    fn without_properties(self) -> String {
        let Row { workload, fault } = self;
        let mut text = workload.manifest();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line("---\napiVersion: node-recovery/v1\nkind: Scenario\nmetadata:");
        line(&format!("  name: {}\nspec:", self.name()));
        line(&format!("  title: \"{}: {}\"", workload.title, fault.title));
        if !fault.cluster.iter().any(|it| it.starts_with("nodes:")) {
            line("  nodes: [node-a, node-b]");
        }
        fault.cluster.iter().for_each(|it| line(&format!("  {it}")));
        if workload.lag && fault.lag {
            line("  watch: {lag: 1}");
        }
        if let Some(start) = workload.start {
            line(&format!("  start: {{web: {start}}}"));
        }
        for (section, entries) in [("faults", fault.faults), ("operator", fault.operator)] {
            if !entries.is_empty() {
                line(&format!("  {section}:"));
            }
            entries.iter().for_each(|entry| line(&format!("    {entry}")));
        }
        text
    }
}

impl Workload {
    fn manifest(&self) -> String {
        let (version, kind) = self.kind;
        let mut text =
            format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: web\nspec:\n");
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        let containers = "containers:\n- name: web\n  image: nginx";
        let indented = |by: usize| containers.lines().map(move |line| format!("{:by$}{line}", ""));
        if kind == "Pod" {
            indented(2).for_each(|container| line(&container));
            return text;
        }
        self.spec.iter().for_each(|field| line(&format!("  {field}")));
        if kind == "Job" {
            line("  template:\n    spec:\n      restartPolicy: Never");
        } else {
            line("  selector:\n    matchLabels: {app: web}");
            line("  template:\n    metadata:\n      labels: {app: web}\n    spec:");
        }
        indented(6).for_each(|container| line(&container));
        text
    }
}

fn one(input: &Input) -> Result<Scenario, InputError> {
    let mut scenarios = load(std::slice::from_ref(input))?;
    match scenarios.pop() {
        Some(scenario) if scenarios.is_empty() => Ok(scenario),
        _ => Err(InputError::of_file(&input.name, "does not hold one scenario")),
    }
}

/// Whether a guarantee says anything about a cluster: one that hangs on the rules of a controller
/// says nothing where that controller has nothing to do, and one about a reboot nothing where no
/// node boots.
pub(super) fn applies(guarantee: &Guarantee, config: &ClusterConfig) -> bool {
    let may = |kind: FaultKind| config.faults.iter().any(|budget| budget.kind == kind);
    let people_may = |of: fn(FaultKind) -> bool| config.faults.iter().any(|it| of(it.kind));
    let boots = may(FaultKind::PowerOn) || may(FaultKind::PowerOnNoNetwork);
    let rules = || guarantee.rules.split(' ').map(|rule| rule.split('-').next().unwrap_or(rule));
    let at_work = rules().filter_map(|family| match family {
        "RS" => Some(!config.replica_sets.is_empty()),
        "SS" => Some(!config.stateful_sets.is_empty()),
        "DS" => Some(!config.daemon_sets.is_empty()),
        "JB" => Some(!config.jobs.is_empty()),
        "DP" => Some(!config.deployments.is_empty()),
        "AD" => Some(!config.volumes.is_empty()),
        _ => None,
    });
    let controllers: Vec<bool> = at_work.collect();
    let controlled = controllers.is_empty() || controllers.contains(&true);
    let is_about = |families: &[&str]| guarantee.rules.split(' ').any(|it| families.contains(&it));
    let possible = [
        // How a node returns, and what becomes of the pods that it had.
        (is_about(&["RB-1", "RB-2", "RB-3", "12.6"]), boots),
        (is_about(&["GC-1", "ST-11"]), may(FaultKind::DeleteNode) || may(FaultKind::InstanceGone)),
        (is_about(&["EV-1"]), may(FaultKind::Drain)),
        (is_about(&["12.9"]), may(FaultKind::Shutdown)),
    ];
    controlled
        && possible.iter().all(|(about, possible)| *possible || !about)
        && match guarantee.name {
            // Pods that wait for each other.
            "P22" => config.stateful_sets.iter().any(|set| set.ordered),
            // All zones at once.
            "P6" | "R12" => loses_all(config),
            // It speaks of ReplicaSets, although no rule of theirs brings it about.
            "R1" => !config.replica_sets.is_empty(),
            "R9" => {
                config.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE)
                    && may(FaultKind::OutOfService)
            }
            "R10" => boots,
            "R26" => may(FaultKind::OutOfService),
            "R50" => people_may(|kind| matches!(kind, FaultKind::Scale(..))),
            "R51" => people_may(|kind| matches!(kind, FaultKind::DeleteWorkload(..))),
            "R29" => config.volumes.iter().any(|volume| volume.once_per_pod),
            "R11" => may(FaultKind::PowerOnNoNetwork),
            "R15" => may(FaultKind::RuntimeCrash) || may(FaultKind::PowerOnNoNetwork),
            _ => true,
        }
}

/// Whether the faults can strike every node.
fn loses_all(config: &ClusterConfig) -> bool {
    let struck = config.faults.iter().filter(|budget| budget.kind.silences());
    let struck = struck.fold(NodeSet::EMPTY, |all, budget| all.union(budget.nodes));
    struck.len() == config.nodes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_scenario_without_warnings() {
        for row in all() {
            let scenario = row.load().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.name, row.name());
            assert_eq!(scenario.warnings, [], "{}", row.name());
            assert!(!scenario.expectations.is_empty());
        }
    }

    #[test]
    fn rows_are_found_by_name_and_by_file() {
        let names: std::collections::BTreeSet<String> = all().map(Row::name).collect();
        assert_eq!(names.len(), WORKLOADS.len() * FAULTS.len(), "no two rows have one name");
        for row in all() {
            for name in [row.name(), row.file(), format!("./{}", row.file())] {
                assert_eq!(find(&name).map(Row::name), Some(row.name()));
            }
        }
        assert!(find("pod").is_none());
    }

    #[test]
    fn properties_without_meaning_are_told_apart() {
        let has = |row: &str, property: &str| {
            let scenario = find(row).unwrap().load().unwrap();
            applies(guarantees::find(property).unwrap(), &scenario.config)
        };
        assert!(has("deployment-fast-reboot", "P1.real"));
        assert!(has("deployment-fast-reboot", "R1") && !has("deployment-kubelet-crash", "R1"));
        assert!(!has("pod-fast-reboot", "R1") && !has("daemonset-fast-reboot", "R1"));
        assert!(!has("pod-fast-reboot", "P1.real") && has("pod-fast-reboot", "P3a"));
        assert!(has("statefulset-fast-reboot", "P22"));
        assert!(!has("statefulset-parallel-fast-reboot", "P22"));
        assert!(!has("deployment-fast-reboot", "P20") && has("daemonset-fast-reboot", "P20"));
        assert!(has("deployment-out-of-service-dead", "R9") && !has("pod-fast-reboot", "R9"));
    }
}
