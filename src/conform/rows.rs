//! Tables of `kubectl get --watch`: their rows, and which objects print as they do.

use std::collections::BTreeMap;

use models::config::ClusterConfig;
use models::objects::{DaemonSetStatus, EventType, Object, WatchEvent};
use models::printers;

use crate::conform::facts::{Bindings, Symbol, Symbols};
use crate::conform::record::Unreadable;

/// What a table lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `kubectl get pods`.
    Pods,
    /// `kubectl get nodes`.
    Nodes,
    /// `kubectl get deployments`.
    Deployments,
    /// `kubectl get replicasets`.
    ReplicaSets,
    /// `kubectl get statefulsets`.
    StatefulSets,
    /// `kubectl get daemonsets`.
    DaemonSets,
    /// `kubectl get jobs`.
    Jobs,
    /// `kubectl get volumeattachments`.
    VolumeAttachments,
}

impl Kind {
    /// The table in which an object is.
    pub fn of(object: &Object) -> Kind {
        match object {
            Object::Pod(_) => Kind::Pods,
            Object::Node(_) => Kind::Nodes,
            Object::ReplicaSet(_) => Kind::ReplicaSets,
            Object::Deployment(_) => Kind::Deployments,
            Object::StatefulSet(_) => Kind::StatefulSets,
            Object::DaemonSet(_) => Kind::DaemonSets,
            Object::Job(_) => Kind::Jobs,
            Object::VolumeAttachment(_) => Kind::VolumeAttachments,
        }
    }

    /// The table with these column names.
    fn of_header(columns: &[&str]) -> Option<Kind> {
        let has = |name: &str| columns.contains(&name);
        match () {
            _ if columns.first() != Some(&"NAME") => None,
            _ if has("RESTARTS") => Some(Kind::Pods),
            _ if has("COMPLETIONS") => Some(Kind::Jobs),
            _ if has("DESIRED") && has("NODE SELECTOR") => Some(Kind::DaemonSets),
            _ if has("UP-TO-DATE") && !has("NODE SELECTOR") => Some(Kind::Deployments),
            _ if has("DESIRED") && has("CURRENT") && !has("NODE SELECTOR") => {
                Some(Kind::ReplicaSets)
            }
            _ if has("ROLES") => Some(Kind::Nodes),
            _ if columns.starts_with(&["NAME", "READY", "AGE"]) => Some(Kind::StatefulSets),
            _ => None,
        }
    }

    /// Columns that are compared as they are.
    fn compared(self) -> &'static [&'static str] {
        match self {
            Kind::Pods => &["READY", "STATUS", "RESTARTS", "NODE"],
            Kind::Nodes => &["STATUS"],
            Kind::Deployments => &["READY", "UP-TO-DATE", "AVAILABLE"],
            Kind::ReplicaSets => &["DESIRED", "CURRENT", "READY"],
            Kind::StatefulSets => &["READY"],
            Kind::Jobs => &["STATUS", "COMPLETIONS"],
            // Volumes of recordings are not read.
            Kind::VolumeAttachments => &[],
            Kind::DaemonSets => &["DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE"],
        }
    }
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What the table lists.
    pub kind: Kind,
    /// The object's name.
    pub name: Symbol,
    /// The compared cells; none for a column that is not there.
    pub cells: Vec<Option<String>>,
    /// The address of a pod: none if the column is not there, or there is no address.
    pub ip: Option<Option<Symbol>>,
}

/// A row and its line.
pub struct Line {
    /// Its number in the file, from 1.
    pub line: usize,
    /// The row.
    pub row: Row,
    /// The text.
    pub text: String,
    /// All cells, by column.
    pub cells: BTreeMap<String, String>,
}

/// The cells of a line: columns are at least two blanks apart.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// Whether a text is a table of a kind that is known here.
pub fn is_table(text: &str) -> bool {
    text.lines().next().is_some_and(|line| Kind::of_header(&cells(line)).is_some())
}

/// Reads a table.
pub fn read_table(text: &str, symbols: &mut Symbols) -> Result<Vec<Line>, Unreadable> {
    let mut header: Option<(Kind, Vec<&str>)> = None;
    let mut lines = Vec::new();
    for (text, line) in text.lines().zip(1..) {
        let unreadable = |problem: &str| Unreadable { line, problem: problem.to_string() };
        let cells = cells(text);
        if cells.is_empty() {
            continue;
        }
        if let Some(kind) = Kind::of_header(&cells) {
            header = Some((kind, cells));
            continue;
        }
        let Some((kind, columns)) = &header else {
            return Err(unreadable("is a row before any header"));
        };
        if cells.len() != columns.len() {
            return Err(unreadable("has not as many cells as the header has columns"));
        }
        let cell = |name: &str| {
            columns.iter().position(|column| *column == name).map(|column| cells[column])
        };
        let compared = kind.compared().iter().map(|column| {
            cell(column).map(|cell| cell.split(" (").next().unwrap_or(cell).to_string())
        });
        let address = (*kind == Kind::Pods).then(|| cell("IP")).flatten();
        let row = Row {
            kind: *kind,
            name: symbols.of(cells[0]),
            cells: compared.collect(),
            ip: address.map(|ip| (ip != printers::NONE).then(|| symbols.of(ip))),
        };
        let all =
            columns.iter().zip(&cells).map(|(column, cell)| (column.to_string(), cell.to_string()));
        lines.push(Line { line, row, text: text.to_string(), cells: all.collect() });
    }
    Ok(lines)
}

impl Row {
    /// Whether an event prints as this row; binds its name and address.
    pub fn is(
        &self,
        config: &ClusterConfig,
        symbols: &Symbols,
        bound: &mut Bindings,
        event: &WatchEvent,
    ) -> bool {
        if let (Object::Pod(pod), EventType::Added) = (event.object, event.kind) {
            if bound.pods.iter().any(|(_, name)| *name == self.name) {
                return false;
            }
            // The name of an identity is the model's own.
            let own = config.identity(pod.name).map(|(set, ordinal)| {
                format!("{}-{ordinal}", config.stateful_sets[set.0 as usize].name)
            });
            if own.is_some_and(|own| symbols.known(&own) != Some(self.name)) {
                return false;
            }
            bound.added(pod.uid.0, self.name);
        }
        let shows = self.shows(config, bound, &event.object);
        if let (Object::Pod(pod), EventType::Deleted, true) = (event.object, event.kind, shows) {
            bound.pods.retain(|(slot, _)| *slot != pod.uid.0);
            bound.removed(self.name);
        }
        shows
    }

    /// Whether an object prints as this row.
    pub fn shows(&self, config: &ClusterConfig, bound: &mut Bindings, object: &Object) -> bool {
        let printed: Vec<String> = match object {
            Object::Pod(pod) => {
                let node = pod
                    .node
                    .map_or(printers::NONE, |node| config.nodes[node.0 as usize].name.as_str());
                vec![
                    printers::pod_ready(pod),
                    printers::pod_status(config.version, pod).to_string(),
                    pod.status.restart_count.to_string(),
                    node.to_string(),
                ]
            }
            Object::Node(node) => {
                vec![printers::node_status(node)]
            }
            Object::VolumeAttachment(_) => Vec::new(),
            Object::ReplicaSet(set) => {
                let status = &set.status;
                let cells = [set.replicas, status.replicas, status.ready];
                cells.map(|count| count.to_string()).to_vec()
            }
            Object::StatefulSet(set) => vec![format!("{}/{}", set.status.ready, set.replicas)],
            Object::Job(job) => vec![
                printers::job_status(config.version, job).to_string(),
                printers::job_completions(config, job),
            ],
            Object::DaemonSet(set) => {
                let DaemonSetStatus { desired, current, ready, misscheduled: _ } = set.status;
                let cells = [desired, current, ready, current, ready];
                cells.map(|count| count.to_string()).to_vec()
            }
            Object::Deployment(set) => {
                let status = &set.status;
                let ready = format!("{}/{}", status.ready, set.replicas);
                let counts = [status.updated, status.available];
                let counts = counts.map(|count| count.to_string());
                std::iter::once(ready).chain(counts).collect()
            }
        };
        let equal = self
            .cells
            .iter()
            .zip(&printed)
            .all(|(cell, printed)| cell.as_ref().is_none_or(|cell| cell == printed));
        let address = match (object, self.ip) {
            (Object::Pod(pod), Some(ip)) => bound.address_is(self.name, pod.status.ip, ip),
            _ => true,
        };
        self.names(bound, object) && equal && address
    }

    /// Whether this is a row of an object.
    pub fn names(&self, bound: &Bindings, object: &Object) -> bool {
        let name = match object {
            Object::Pod(pod) => bound.uid(pod.uid.0),
            Object::Node(node) => bound.nodes.get(node.id.0 as usize).copied(),
            Object::ReplicaSet(set) => bound.replica_sets.get(set.id.0 as usize).copied(),
            Object::Deployment(set) => bound.deployments.get(set.id.0 as usize).copied(),
            Object::StatefulSet(set) => bound.stateful_sets.get(set.id.0 as usize).copied(),
            Object::Job(job) => bound.jobs.get(job.id.0 as usize).copied(),
            Object::VolumeAttachment(_) => None,
            Object::DaemonSet(set) => bound.daemon_sets.get(set.id.0 as usize).copied(),
        };
        Kind::of(object) == self.kind && name == Some(self.name)
    }
}
