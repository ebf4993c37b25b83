//! A run as a story: who did what, under which rule, when, what it changed, and which rows a person
//! with `kubectl get --watch` saw.

use serde::Serialize;
use serde_json::{Map, Value};

use models::api_server::ApiServer;
use models::objects::{EventType, Object, WatchEvent};
use models::requests::{Reply, Request};
use models::rules::Rule;

use crate::engine::search::Path;
use crate::engine::star::{Action, Detail, ProcessId, StarSystem};
use crate::scenario::cluster::{
    Addressed, Cluster, ClusterAction, ClusterState, Internal, kubelet_process,
};
use crate::scenario::strikes::fault_rule;
use crate::story::changes;
use crate::story::names::Names;
use crate::story::request_rules::request_rule;
use crate::story::tables::{Printer, Table, Tables, reality};
use crate::story::timing::{self, Millis};
use crate::story::words::Words;

/// A run, told.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// What `kubectl get … --watch` printed.
    pub tables: Tables,
    /// What really runs at the end.
    pub reality: Table,
    /// The lanes of a sequence diagram, from left to right.
    pub lanes: Vec<String>,
    /// Whether some timing satisfies the timer table.
    pub timed: bool,
}

/// A step of a story.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// The earliest time at which it can happen, in seconds from the start; none if no timing
    /// fits.
    pub at_seconds: Option<f64>,
    /// Who acts.
    pub actor: String,
    /// The rule that it implements first of all; none if nothing but a cache changes.
    pub rule: Option<&'static str>,
    /// What that rule says.
    pub meaning: Option<&'static str>,
    /// All rules that it implements.
    pub rules: Vec<&'static str>,
    /// What is done, in words.
    pub action: String,
    /// The requests that are sent on it.
    pub sends: Vec<String>,
    /// What it changed.
    pub changes: Vec<String>,
    /// The rows that a watching kubectl printed.
    pub watch: Vec<Row>,
    /// What a sequence diagram draws.
    #[serde(skip)]
    pub drawing: Drawing,
}

/// A row of `kubectl get --watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `pods`, `nodes`, `deployments`, `replicasets`, `daemonsets` or `jobs`.
    pub resource: &'static str,
    /// ADDED, MODIFIED or DELETED.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The cells, by column.
    pub row: Map<String, Value>,
}

/// A step in a sequence diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// A message between two lanes.
    Arrow {
        /// From this lane.
        from: usize,
        /// To this one.
        to: usize,
    },
    /// Something that happens within a lane.
    Note {
        /// This one.
        lane: usize,
    },
}

impl Story {
    /// Tells a run.
    pub fn tell(system: &StarSystem<Cluster>, path: &Path<StarSystem<Cluster>>) -> Story {
        Teller::new(system, path).tell()
    }
}

struct Teller<'a> {
    system: &'a StarSystem<Cluster>,
    states: Vec<&'a ClusterState>,
    actions: Vec<&'a ClusterAction>,
    names: Names,
    times: Option<Vec<Millis>>,
}

impl<'a> Teller<'a> {
    fn new(system: &'a StarSystem<Cluster>, path: &'a Path<StarSystem<Cluster>>) -> Self {
        let cluster = &system.0;
        let states: Vec<&ClusterState> =
            std::iter::once(&path.start).chain(path.steps.iter().map(|(_, state)| state)).collect();
        let times = timing::solve(cluster, path).map(|steps| {
            let mut times = vec![0];
            times.extend(steps);
            times
        });
        Teller {
            system,
            actions: path.steps.iter().map(|(action, _)| action).collect(),
            names: Names::along(cluster, &states),
            states,
            times,
        }
    }

    fn cluster(&self) -> &'a Cluster {
        &self.system.0
    }

    fn words(&self, at: usize) -> Words<'_> {
        Words { config: &self.cluster().config, names: &self.names, at }
    }

    fn printer(&self) -> Printer<'_> {
        Printer { cluster: self.cluster(), names: &self.names, times: self.times.as_deref() }
    }

    fn tell(&self) -> Story {
        let printer = self.printer();
        let mut tables = Tables::of_objects(&printer, &self.cluster().view(self.states[0]), 0);
        let mut steps = Vec::new();
        for at in 1..self.states.len() {
            let detail = self.system.detail(self.states[at - 1], self.actions[at - 1]);
            for event in &detail.events {
                tables.of(&event.object).rows.push(printer.row(at, &event.object));
            }
            steps.push(self.step(at, &detail));
        }
        let last = self.states.len() - 1;
        let end = self.cluster().view(self.states[last]);
        Story {
            steps,
            tables,
            reality: reality(&end, &self.names, last),
            lanes: self.lanes(),
            timed: self.times.is_some(),
        }
    }

    fn step(&self, at: usize, detail: &Detail<Cluster>) -> Step {
        let action = self.actions[at - 1];
        let (before, after) =
            (self.cluster().view(self.states[at - 1]), self.cluster().view(self.states[at]));
        let words = self.words(at);
        let rules = self.rules(at, detail);
        let sends = detail.sent.iter().map(|(_, sent)| words.request(&sent.request)).collect();
        Step {
            number: at,
            at_seconds: self.times.as_ref().map(|times| times[at] as f64 / 1000.0),
            actor: words.actor(action),
            rule: rules.first().map(|rule| rule.id()),
            meaning: rules.first().map(|rule| rule.meaning()),
            rules: rules.iter().map(|rule| rule.id()).collect(),
            action: self.action(at),
            sends,
            changes: changes::between(&before, &after, words),
            watch: detail.events.iter().map(|event| self.row(at, event)).collect(),
            drawing: self.drawing(action),
        }
    }

    /// The request that a step serves.
    fn served(&self, at: usize) -> Option<(ProcessId, bool, &'a Addressed)> {
        match self.actions[at - 1] {
            Action::Serve(process, request) => Some((*process, false, request)),
            Action::ServeOrphan(process, request) => Some((*process, true, request)),
            _ => None,
        }
    }

    /// The rules of a step. Where the API server itself has nothing to say of it, the rule under
    /// which its client asked comes first.
    fn rules(&self, at: usize, detail: &Detail<Cluster>) -> Vec<Rule> {
        let rules = detail.step.rules.iter().filter_map(|rule| Rule::ALL.get(*rule as usize));
        let mut rules: Vec<Rule> = rules.copied().collect();
        match self.actions[at - 1] {
            Action::Fault(fault) if rules.is_empty() => rules.push(fault_rule(fault.kind)),
            Action::Observe(..) if rules.is_empty() => rules.push(Rule::St12),
            _ => {}
        }
        if let Some((_, _, addressed)) = self.served(at) {
            let asked = request_rule(addressed);
            rules.retain(|rule| *rule != asked);
            let by_hub = rules.first().is_some_and(|rule| rule.component() == "kube-apiserver");
            rules.insert(usize::from(by_hub), asked);
        }
        rules
    }

    fn action(&self, at: usize) -> String {
        let words = self.words(at);
        let before = self.states[at - 1];
        match self.actions[at - 1] {
            Action::Serve(process, addressed) | Action::ServeOrphan(process, addressed) => {
                let orphan = matches!(self.actions[at - 1], Action::ServeOrphan(..));
                let reply = self.reply(before, &addressed.request);
                words.served(*process, orphan, addressed, &reply)
            }
            Action::Observe(process, stream) => {
                let queue = before.inbox(*process).0[stream.0].as_ref();
                match queue.and_then(|queue| queue.front()) {
                    Some(event) => format!("sees {}", event_words(&self.printer(), at, event)),
                    None => "sees nothing".to_string(),
                }
            }
            Action::Internal(step) => words.internal(&self.cluster().view(before), step),
            Action::Fault(fault) => words.fault(fault),
        }
    }

    /// What the API server answers: serving is a function of the store and the request.
    fn reply(&self, before: &ClusterState, request: &Request) -> Reply {
        let cluster = self.cluster();
        let mut api: ApiServer = cluster.view(before).api().clone();
        let fresh = cluster.fresh_uid(before);
        api.serve(&cluster.config, request, fresh, &mut models::effects::Effects::default())
    }

    fn row(&self, at: usize, event: &WatchEvent) -> Row {
        let cells = self.printer().row(at, &event.object);
        let mut tables = Tables::new(self.cluster().config.version);
        let columns = tables.of(&event.object).columns;
        let cells = columns.iter().zip(cells);
        Row {
            resource: resource_word(&event.object),
            kind: kind_word(event.kind),
            row: cells.map(|(column, cell)| (column.to_string(), Value::String(cell))).collect(),
        }
    }

    /// Fault, API server, controller manager, scheduler, then kubelet and runtime of each node.
    fn lanes(&self) -> Vec<String> {
        let fixed = ["fault", "api-server", "controller-manager", "scheduler"];
        let nodes = self.cluster().config.nodes.iter();
        let nodes = nodes.flat_map(|node| {
            [format!("kubelet {}", node.name), format!("containerd {}", node.name)]
        });
        fixed.into_iter().map(str::to_string).chain(nodes).collect()
    }

    fn drawing(&self, action: &ClusterAction) -> Drawing {
        const FIRST_NODE: usize = 4;
        let lane = |process: ProcessId| 2 + process.0;
        let kubelet = |node: models::ids::NodeId| FIRST_NODE + 2 * node.0 as usize;
        let process_lane = |process: ProcessId| {
            let nodes = self.cluster().config.node_ids();
            let mut nodes = nodes.filter(|node| kubelet_process(*node) == process);
            nodes.next().map_or_else(|| lane(process), kubelet)
        };
        match action {
            Action::Serve(process, _) | Action::ServeOrphan(process, _) => {
                Drawing::Arrow { from: process_lane(*process), to: 1 }
            }
            Action::Observe(process, _) => Drawing::Arrow { from: 1, to: process_lane(*process) },
            Action::Fault(fault) if fault.kind.is_by_operator() => {
                Drawing::Arrow { from: 0, to: 1 }
            }
            Action::Fault(fault) => Drawing::Arrow { from: 0, to: fault.node.map_or(2, kubelet) },
            Action::Internal(Internal::Evict(_) | Internal::Cloud(_)) => {
                Drawing::Arrow { from: 0, to: 1 }
            }
            Action::Internal(step) => Drawing::Note {
                lane: match step {
                    Internal::RemovePod(_) | Internal::Evict(_) | Internal::Cloud(_) => 1,
                    Internal::Controller(_) => 2,
                    Internal::Scheduler(_) => 3,
                    Internal::Kubelet(node, _) | Internal::PowerDown(node) => kubelet(*node),
                    Internal::Runtime(node, _) => kubelet(*node) + 1,
                },
            },
        }
    }
}

/// A watch event in words.
pub(super) fn event_words(printer: &Printer<'_>, at: usize, event: &WatchEvent) -> String {
    let row = printer.row(at, &event.object);
    let (kind, resource) = (kind_word(event.kind), resource_word(&event.object));
    let status = match event.object {
        Object::Pod(_) => format!(" {} {}", row[1], row[2]),
        Object::Node(_) | Object::Deployment(_) | Object::StatefulSet(_) => format!(" {}", row[1]),
        Object::Job(_) => format!(" {}", row[1]),
        Object::VolumeAttachment(_) => format!(" {} on {}", row[2], row[3]),
        Object::ReplicaSet(_) | Object::DaemonSet(_) => String::new(),
    };
    format!("{kind} {resource}/{}{status}", row[0])
}

fn kind_word(kind: EventType) -> &'static str {
    match kind {
        EventType::Added => "ADDED",
        EventType::Modified => "MODIFIED",
        EventType::Deleted => "DELETED",
    }
}

fn resource_word(object: &Object) -> &'static str {
    match object {
        Object::Pod(_) => "pods",
        Object::Node(_) => "nodes",
        Object::ReplicaSet(_) => "replicasets",
        Object::Deployment(_) => "deployments",
        Object::StatefulSet(_) => "statefulsets",
        Object::DaemonSet(_) => "daemonsets",
        Object::Job(_) => "jobs",
        Object::VolumeAttachment(_) => "volumeattachments",
    }
}
