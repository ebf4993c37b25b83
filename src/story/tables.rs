//! The same run as `kubectl get … -o wide --watch` prints it: the objects at the start, then one
//! row for each watch event, DELETED included, which shows the last state once more.

use models::container_runtime::{Container, Sandbox};
use models::ids::NodeId;
use models::objects::{JobCondition, Object, Pod};
use models::printers::{self, Presentation};
use models::version::Version;
use models::view::ClusterView;

use crate::scenario::cluster::{Cluster, ClusterState};
use crate::story::names::{Names, internal_ip};
use crate::story::timing::Millis;
use crate::story::volume_words::attachment_name;

/// How old workloads are when a run begins.
const WORKLOAD_AGE_SECONDS: u64 = 60;
/// How old nodes are when a run begins.
const NODE_AGE_SECONDS: u64 = 86_400;

/// Rows under headings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The resource, as one types it after `kubectl get`.
    pub resource: &'static str,
    /// Headings.
    pub columns: &'static [&'static str],
    /// Cells, a row for each.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(resource: &'static str, columns: &'static [&'static str]) -> Self {
        Table { resource, columns, rows: Vec::new() }
    }

    /// Columns as wide as their widest cell, three spaces apart, as kubectl does.
    pub fn render(&self) -> String {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let headings: Vec<String> = self.columns.iter().map(|column| column.to_string()).collect();
        let mut out = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            out.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
            out.push('\n');
        }
        out
    }
}

/// The tables that a person would have open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// `kubectl get pods`.
    pub pods: Table,
    /// `kubectl get nodes`.
    pub nodes: Table,
    /// `kubectl get deployments`.
    pub deployments: Table,
    /// `kubectl get replicasets`.
    pub replica_sets: Table,
    /// `kubectl get statefulsets`.
    pub stateful_sets: Table,
    /// `kubectl get daemonsets`.
    pub daemon_sets: Table,
    /// `kubectl get jobs`.
    pub jobs: Table,
    /// `kubectl get volumeattachments`.
    pub volume_attachments: Table,
}

impl Tables {
    /// Without rows.
    pub fn new(version: Version) -> Self {
        Tables {
            pods: Table::new("pods", &printers::POD_COLUMNS),
            nodes: Table::new("nodes", &printers::NODE_COLUMNS),
            deployments: Table::new("deployments", &printers::DEPLOYMENT_COLUMNS),
            replica_sets: Table::new("replicasets", &printers::REPLICA_SET_COLUMNS),
            stateful_sets: Table::new("statefulsets", &printers::STATEFUL_SET_COLUMNS),
            daemon_sets: Table::new("daemonsets", &printers::DAEMON_SET_COLUMNS),
            jobs: Table::new("jobs", printers::job_columns(version)),
            volume_attachments: Table::new(
                "volumeattachments",
                &printers::VOLUME_ATTACHMENT_COLUMNS,
            ),
        }
    }

    /// The table that shows an object.
    pub fn of(&mut self, object: &Object) -> &mut Table {
        match object {
            Object::Pod(_) => &mut self.pods,
            Object::Node(_) => &mut self.nodes,
            Object::Deployment(_) => &mut self.deployments,
            Object::ReplicaSet(_) => &mut self.replica_sets,
            Object::StatefulSet(_) => &mut self.stateful_sets,
            Object::DaemonSet(_) => &mut self.daemon_sets,
            Object::Job(_) => &mut self.jobs,
            Object::VolumeAttachment(_) => &mut self.volume_attachments,
        }
    }

    /// Everything that is stored, each resource sorted by name as a list is.
    pub fn of_objects(printer: &Printer<'_>, view: &ClusterView<'_>, at: usize) -> Self {
        let mut tables = Tables::new(view.config.version);
        let api = view.api();
        let objects = (api.pods.iter().map(|pod| Object::Pod(*pod)))
            .chain(api.nodes.iter().map(|node| Object::Node(*node)))
            .chain(api.deployments.iter().map(|deployment| Object::Deployment(*deployment)))
            .chain(api.replica_sets.iter().map(|set| Object::ReplicaSet(*set)))
            .chain(api.stateful_sets.iter().map(|set| Object::StatefulSet(*set)))
            .chain(api.daemon_sets.iter().map(|set| Object::DaemonSet(*set)))
            .chain(api.jobs.iter().map(|job| Object::Job(*job)))
            .chain(api.attachments.iter().map(|what| Object::VolumeAttachment(*what)));
        for object in objects {
            tables.of(&object).rows.push(printer.row(at, &object));
        }
        for table in tables.all_mut() {
            table.rows.sort();
        }
        tables
    }

    fn all_mut(&mut self) -> [&mut Table; 8] {
        [
            &mut self.pods,
            &mut self.nodes,
            &mut self.deployments,
            &mut self.replica_sets,
            &mut self.stateful_sets,
            &mut self.daemon_sets,
            &mut self.jobs,
            &mut self.volume_attachments,
        ]
    }

    /// The tables in the order in which they are shown; those without rows are left out.
    pub fn shown(&self) -> impl Iterator<Item = &Table> {
        let all = [
            &self.pods,
            &self.nodes,
            &self.deployments,
            &self.stateful_sets,
            &self.daemon_sets,
            &self.jobs,
            &self.volume_attachments,
        ];
        all.into_iter().filter(|table| !table.rows.is_empty())
    }
}

/// Prints objects as they are called, and as old as they are, in the states of a run.
pub struct Printer<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Names along the run.
    pub names: &'a Names,
    /// When each state began, if times are known; the start is at 0.
    pub times: Option<&'a [Millis]>,
}

impl Printer<'_> {
    /// The cells of an object as it is in a state.
    pub fn row(&self, at: usize, object: &Object) -> Vec<String> {
        let config = &self.cluster.config;
        let workload = |name: &str| self.shown(name, at, WORKLOAD_AGE_SECONDS);
        match object {
            Object::Pod(pod) => printers::pod_row(config, pod, &self.pod(at, pod)),
            Object::Node(node) => {
                let name = &config.nodes[node.id.0 as usize].name;
                let address = Some(internal_ip(node.id));
                let shown = Presentation { address, ..self.shown(name, at, NODE_AGE_SECONDS) };
                printers::node_row(config, node, &shown)
            }
            Object::Deployment(deployment) => {
                let name = &config.deployments[deployment.id.0 as usize].name;
                printers::deployment_row(config, deployment, &workload(name))
            }
            Object::ReplicaSet(set) => {
                let name = &config.replica_sets[set.id.0 as usize].name;
                printers::replica_set_row(config, set, &workload(name))
            }
            Object::StatefulSet(set) => {
                let name = &config.stateful_sets[set.id.0 as usize].name;
                printers::stateful_set_row(config, set, &workload(name))
            }
            Object::Job(job) => {
                let shown = workload(&config.jobs[job.id.0 as usize].name);
                let complete = job.status.condition == JobCondition::Complete;
                let completed = self.names.completed(job.id).filter(|_| complete);
                let took = completed.and_then(|then| self.since(0, then));
                let completed = took.map(|took| took + WORKLOAD_AGE_SECONDS);
                printers::job_row(config, job, &Presentation { completed, ..shown })
            }
            Object::VolumeAttachment(what) => {
                let name = attachment_name(config, what);
                printers::volume_attachment_row(config, what, &workload(&name))
            }
            Object::DaemonSet(set) => {
                let name = &config.daemon_sets[set.id.0 as usize].name;
                printers::daemon_set_row(config, set, &workload(name))
            }
        }
    }

    fn shown(&self, name: &str, at: usize, old_at_start: u64) -> Presentation {
        let age = self.since(0, at).map(|age| age + old_at_start);
        Presentation { name: name.to_string(), age, ..Presentation::default() }
    }

    fn pod(&self, at: usize, pod: &Pod) -> Presentation {
        let born = self.names.born(at, pod.uid).unwrap_or(0);
        let before = if born == 0 { WORKLOAD_AGE_SECONDS } else { 0 };
        let address = pod.status.ip.and_then(|ip| self.names.address(at, pod.uid, ip));
        let ended = self.names.ended(at, pod.uid, pod.status.restart_count);
        Presentation {
            name: self.names.pod(at, pod.uid).to_string(),
            age: self.since(born, at).map(|age| age + before),
            address: address.map(str::to_string),
            completed: None,
            restarted: ended.and_then(|ended| self.since(ended, at)),
        }
    }

    /// Whole seconds between two states.
    fn since(&self, earlier: usize, at: usize) -> Option<u64> {
        let times = self.times?;
        u64::try_from((times.get(at)? - times.get(earlier)?) / 1000).ok()
    }
}

/// What really runs, node by node: what no API shows.
pub const REALITY_COLUMNS: [&str; 6] =
    ["NODE", "POWER", "NETWORK", "KUBELET", "CONTAINERD", "CONTAINERS"];

/// What really runs in a state.
pub fn reality(view: &ClusterView<'_>, names: &Names, at: usize) -> Table {
    let mut table = Table::new("reality", &REALITY_COLUMNS);
    table.rows = view.config.node_ids().map(|node| reality_row(view, names, at, node)).collect();
    table
}

fn reality_row(view: &ClusterView<'_>, names: &Names, at: usize, node: NodeId) -> Vec<String> {
    let (runtime, kubelet) = (view.runtime(node), view.kubelet(node));
    let word = |good, yes: &str, no: &str| if good { yes } else { no }.to_string();
    let containers = runtime.pods.iter().filter_map(|pod| {
        let name = names.pod(at, pod.uid);
        match (pod.container, pod.sandbox) {
            (Container::Running, _) => Some(format!("{name} running")),
            (Container::Exited(exit), _) => Some(format!("{name} exited {}", exit.code())),
            (Container::Absent, Sandbox::Ready) => Some(format!("{name} sandbox only")),
            (Container::Absent, _) => None,
        }
    });
    let containers: Vec<String> = containers.collect();
    vec![
        view.config.nodes[node.0 as usize].name.clone(),
        word(runtime.powered, "on", "off"),
        match (view.environment().partitioned.contains(node), runtime.powered && !runtime.network) {
            (true, _) => "cut off".to_string(),
            (false, true) => "no pod network".to_string(),
            (false, false) => word(runtime.powered, "ok", "-"),
        },
        word(kubelet.up, "up", "down"),
        word(runtime.up, "up", "down"),
        if containers.is_empty() { "-".to_string() } else { containers.join(", ") },
    ]
}

/// One state as tables: what kubectl shows now, and what really runs. Ages are unknown.
pub fn snapshot(cluster: &Cluster, state: &ClusterState) -> (Tables, Table) {
    let names = Names::along(cluster, &[state]);
    let view = cluster.view(state);
    let printer = Printer { cluster, names: &names, times: None };
    (Tables::of_objects(&printer, &view, 0), reality(&view, &names, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_to_the_widest_cell_and_lines_are_not() {
        let cell = |text: &str| text.to_string();
        let table = Table {
            resource: "pods",
            columns: &["NAME", "READY"],
            rows: vec![vec![cell("web-x"), cell("1/1")], vec![cell("a"), cell("0/1")]],
        };
        assert_eq!(table.render(), "NAME    READY\nweb-x   1/1\na       0/1\n");
    }
}
