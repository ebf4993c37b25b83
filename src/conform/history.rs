//! A history as the search sees it: what has to be published next, stream by stream.

use std::collections::BTreeMap;

use serde_json::Value;

use models::config::ClusterConfig;
use models::ids::{DeploymentId, ReplicaSetId};
use models::objects::{DeploymentStatus, EventType, Object, ReplicaSetStatus, WatchEvent};

use crate::conform::derive;
use crate::conform::facts::{self, Bindings, Facts, NotModelled, PodFacts, Symbol, Symbols};
use crate::conform::record::{Change, Content, ObjectEvent, Record};
use crate::conform::rows::{self, Row};

/// What the model has to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A watch event.
    Event(Change, Facts),
    /// A row of `kubectl get --watch`.
    Row(Row),
}

/// One thing that was seen.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The line of the file.
    pub line: usize,
    /// What was seen.
    pub expected: Expected,
    /// The row before it of the same object is equal: it may stand for a change of no column.
    pub repeats: bool,
    /// In words.
    pub text: String,
}

/// What was seen in an order that is known.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Its file.
    pub file: String,
    /// What was seen.
    pub entries: Vec<Entry>,
}

/// How far a run has got in each stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Position(pub Vec<u32>);

impl Position {
    /// How much has been matched, all streams together.
    pub fn progress(&self) -> u32 {
        self.0.iter().sum()
    }
}

/// Everything that was seen, and the cluster in which it was.
#[derive(Clone, Debug)]
pub struct History {
    /// The cluster.
    pub config: ClusterConfig,
    /// Streams, which interleave freely.
    pub streams: Vec<Stream>,
    /// Strings of the log.
    pub symbols: Symbols,
    /// What is bound at the start.
    pub bound: Bindings,
    /// Events that change nothing that is compared.
    pub stutters: usize,
}

/// The events of objects, in the order of their versions, with their lines.
pub fn in_order(records: &[Record]) -> Vec<(usize, &ObjectEvent)> {
    let mut events: Vec<(u64, usize, &ObjectEvent)> = Vec::new();
    for record in records {
        if let Content::Object(event) = &record.content
            && !matches!(event.object["kind"].as_str(), Some("Event" | "Lease"))
        {
            let version = event.object["metadata"]["resourceVersion"].as_str();
            let version = version.and_then(|version| version.parse().ok()).unwrap_or(0);
            events.push((version, record.line, event));
        }
    }
    events.sort_by_key(|(version, line, event)| (!event.initial, *version, *line));
    events.into_iter().map(|(_, line, event)| (line, event)).collect()
}

/// Reads a history from JSON watch events.
pub fn from_records(file: &str, records: &[Record]) -> Result<History, NotModelled> {
    let events = in_order(records);
    let objects: Vec<&ObjectEvent> = events.iter().map(|(_, event)| *event).collect();
    let config = derive::cluster(&objects)?;
    let mut reader = Reader {
        config: &config,
        symbols: Symbols::default(),
        bound: Bindings::default(),
        last: BTreeMap::new(),
        bare: 0,
    };
    let mut stream = Stream { file: file.to_string(), entries: Vec::new() };
    let mut stutters = 0;
    for (line, event) in events {
        match reader.expect(event)? {
            Some((expected, text)) => {
                stream.entries.push(Entry { line, expected, repeats: false, text });
            }
            None => stutters += 1,
        }
    }
    let Reader { symbols, bound, .. } = reader;
    Ok(History { config, streams: vec![stream], symbols, bound, stutters })
}

struct Reader<'a> {
    config: &'a ClusterConfig,
    symbols: Symbols,
    bound: Bindings,
    /// The last facts of each object, by uid.
    last: BTreeMap<String, Facts>,
    bare: u8,
}

impl Reader<'_> {
    /// What the model has to publish for an event; nothing if it shows nothing new.
    fn expect(&mut self, event: &ObjectEvent) -> Result<Option<(Expected, String)>, NotModelled> {
        let object = &event.object;
        let metadata = &object["metadata"];
        let (name, uid) = (metadata["name"].as_str(), metadata["uid"].as_str());
        let (name, uid) = (name.unwrap_or_default(), uid.unwrap_or_default().to_string());
        let kind = object["kind"].as_str().unwrap_or_default();
        let facts = match kind {
            "Pod" => Facts::Pod(facts::pod(self.config, &mut self.symbols, object)?),
            "Node" => Facts::Node(facts::node(self.config, &mut self.symbols, object)?),
            "ReplicaSet" => {
                let at = self.config.replica_sets.iter().position(|set| set.name == name);
                let Some(at) = at else { return Ok(None) };
                Facts::ReplicaSet(ReplicaSetId(at as u8), facts::replica_set_status(object))
            }
            "Deployment" => {
                let at = self.config.deployments.iter().position(|set| set.name == name);
                let Some(at) = at else { return Ok(None) };
                Facts::Deployment(DeploymentId(at as u8), facts::deployment_status(object))
            }
            _ => return Ok(None),
        };
        let text = format!("{kind} {name} {:?}: {}", event.change, describe(&self.symbols, &facts));
        let known = self.last.insert(uid.clone(), facts.clone());
        if let (Some(Facts::Pod(before)), Facts::Pod(pod)) = (&known, &facts) {
            self.refuse_deletion_by_a_person(object, before, pod)?;
        }
        if event.change == Change::Deleted {
            self.last.remove(&uid);
        }
        if known.as_ref() == Some(&facts) && event.change != Change::Deleted {
            return Ok(None);
        }
        if known.is_none() && self.is_start(event, &facts)? {
            return Ok(None);
        }
        Ok(Some((Expected::Event(event.change, facts), text)))
    }

    /// A Terminating pod that nobody here would delete: no eviction, no surplus.
    fn refuse_deletion_by_a_person(
        &self,
        object: &Value,
        before: &PodFacts,
        pod: &PodFacts,
    ) -> Result<(), NotModelled> {
        let alone = pod.disruption.is_none() && !pod.phase.is_terminal();
        if before.deletion.is_some() || pod.deletion.is_none() || !alone {
            return Ok(());
        }
        let owner = &object["metadata"]["ownerReferences"][0]["name"];
        let set = self.config.replica_sets.iter().find(|set| *owner == *set.name);
        let of_set = |facts: &&Facts| match facts {
            Facts::Pod(other) => other.deletion.is_none() && !other.phase.is_terminal(),
            _ => false,
        };
        // This pod is Terminating already.
        let others = self.last.values().filter(of_set).count();
        match set {
            Some(set) if others >= set.replicas as usize => Ok(()),
            _ => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                Err(format!("the deletion of a pod by a person ({name})"))
            }
        }
    }

    /// Whether the first sight of an object is of the state from which the model starts.
    fn is_start(&mut self, event: &ObjectEvent, facts: &Facts) -> Result<bool, NotModelled> {
        match facts {
            Facts::Pod(pod) => {
                let owners = event.object["metadata"]["ownerReferences"].as_array();
                let bare = owners.is_none_or(Vec::is_empty);
                if bare {
                    self.bound.added(self.bare, pod.uid);
                    self.bare += 1;
                } else if event.initial {
                    return Err("a history that begins with pods".to_string());
                }
                Ok(bare)
            }
            Facts::Node(node) => {
                self.bound.boots.push((node.node.0, 0, node.boot));
                if node.ready != models::objects::NodeReady::True {
                    return Err("a node that is not Ready at the start".to_string());
                }
                Ok(event.initial)
            }
            Facts::ReplicaSet(..) | Facts::Deployment(..) => {
                let new = match facts {
                    Facts::ReplicaSet(_, status) => *status == ReplicaSetStatus::default(),
                    Facts::Deployment(_, status) => *status == DeploymentStatus::default(),
                    Facts::Pod(_) | Facts::Node(_) => true,
                };
                if !new {
                    return Err("a workload that is there before the history".to_string());
                }
                Ok(true)
            }
        }
    }
}

fn describe(symbols: &Symbols, facts: &Facts) -> String {
    match facts {
        Facts::Pod(pod) => {
            let ip = pod.ip.map_or("none", |ip| symbols.text(ip));
            format!(
                "{:?} node={:?} ready={:?} {:?} restarts={} ip={ip} deletion={:?} disruption={:?}",
                pod.phase,
                pod.node.map(|node| node.0),
                pod.ready,
                pod.container,
                pod.restarts,
                pod.deletion,
                pod.disruption
            )
        }
        Facts::Node(node) => format!(
            "{:?} taints={:?} boot={}",
            node.ready,
            node.taints.iter().map(|taint| taint.0).collect::<Vec<_>>(),
            symbols.text(node.boot)
        ),
        Facts::ReplicaSet(_, status) => format!("{status:?}"),
        Facts::Deployment(_, status) => format!("{status:?}"),
    }
}

fn same_change(model: EventType, log: Change) -> bool {
    matches!(
        (model, log),
        (EventType::Added, Change::Added)
            | (EventType::Modified, Change::Modified)
            | (EventType::Deleted, Change::Deleted)
    )
}

impl History {
    /// How much there is to match.
    pub fn length(&self) -> u32 {
        self.streams.iter().map(|stream| stream.entries.len() as u32).sum()
    }

    /// Where every run begins.
    pub fn start(&self) -> Position {
        Position(vec![0; self.streams.len()])
    }

    /// Whether everything has been matched, repetitions at the end aside.
    pub fn is_done(&self, at: &Position) -> bool {
        self.streams.iter().zip(&at.0).all(|(stream, &next)| {
            stream.entries[next as usize..].iter().all(|entry| entry.repeats)
        })
    }

    /// The next thing of each stream.
    pub fn next<'a>(&'a self, at: &'a Position) -> impl Iterator<Item = (&'a Stream, &'a Entry)> {
        let streams = self.streams.iter().zip(&at.0);
        streams.filter_map(|(stream, &next)| Some((stream, stream.entries.get(next as usize)?)))
    }

    /// What was matched between two positions.
    pub fn between<'a>(
        &'a self,
        from: &'a Position,
        to: &'a Position,
    ) -> impl Iterator<Item = &'a Entry> {
        let ranges = self.streams.iter().zip(from.0.iter().zip(&to.0));
        ranges.flat_map(|(stream, (&from, &to))| &stream.entries[from as usize..to as usize])
    }

    /// What was matched last of all, in the first stream that has matched anything.
    pub fn last(&self, at: &Position) -> Option<&Entry> {
        let mut streams = self.streams.iter().zip(&at.0);
        streams.find_map(|(stream, &next)| stream.entries.get((next as usize).checked_sub(1)?))
    }

    /// Matches what the model publishes. Some: the position and bindings after it.
    pub fn accept(
        &self,
        at: &Position,
        bound: &Bindings,
        event: &WatchEvent,
    ) -> Option<(Position, Bindings)> {
        if let Some(matched) = self.accept_event(at, bound, event) {
            return matched;
        }
        // A table of this kind; without one, what is published is not seen.
        let kind = rows::Kind::of(&event.object);
        let Some(stream) = self.streams.iter().position(|stream| {
            matches!(&stream.entries.first(), Some(Entry { expected: Expected::Row(row), .. })
                if row.kind == kind)
        }) else {
            return Some((at.clone(), self.unseen(bound, event)));
        };
        let entries = &self.streams[stream].entries;
        let mut next = at.0[stream] as usize;
        loop {
            // After its last row a table shows nothing: the person has stopped watching.
            let Some(entry) = entries.get(next) else {
                let mut at = at.clone();
                at.0[stream] = next as u32;
                return Some((at, self.unseen(bound, event)));
            };
            let Expected::Row(row) = &entry.expected else { return None };
            let mut bound = bound.clone();
            if row.is(&self.config, &mut bound, event) {
                let mut at = at.clone();
                at.0[stream] = next as u32 + 1;
                return Some((at, bound));
            }
            if !entry.repeats {
                return None;
            }
            next += 1;
        }
    }

    /// What is bound after an event that no table shows.
    fn unseen(&self, bound: &Bindings, event: &WatchEvent) -> Bindings {
        let mut bound = bound.clone();
        if let (Object::Pod(pod), EventType::Added) = (event.object, event.kind) {
            bound.added(pod.uid.0, Symbol::MAX);
        }
        bound
    }

    /// The same for histories of watch events; none if this is one of tables.
    fn accept_event(
        &self,
        at: &Position,
        bound: &Bindings,
        event: &WatchEvent,
    ) -> Option<Option<(Position, Bindings)>> {
        let [stream] = self.streams.as_slice() else { return None };
        if stream.entries.iter().any(|entry| matches!(entry.expected, Expected::Row(_))) {
            return None;
        }
        let Some(Entry { expected: Expected::Event(change, facts), .. }) =
            stream.entries.get(at.0[0] as usize)
        else {
            return Some(None);
        };
        let mut bound = bound.clone();
        if let (Object::Pod(pod), EventType::Added, Facts::Pod(facts)) =
            (event.object, event.kind, facts)
        {
            bound.added(pod.uid.0, facts.uid);
        }
        let same = same_change(event.kind, *change)
            && match (event.object, facts) {
                (Object::Pod(pod), Facts::Pod(facts)) => bound.pod_is(&pod, facts),
                (Object::Node(node), Facts::Node(facts)) => bound.node_is(&node, facts),
                (Object::ReplicaSet(set), Facts::ReplicaSet(id, status)) => {
                    Bindings::replica_set_is(&set, *id, status)
                }
                (Object::Deployment(set), Facts::Deployment(id, status)) => {
                    Bindings::deployment_is(&set, *id, status)
                }
                _ => false,
            };
        Some(same.then(|| (Position(vec![at.0[0] + 1]), bound)))
    }
}
