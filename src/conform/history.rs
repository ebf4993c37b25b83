//! A history as the search sees it: what has to be published next, stream by stream.

use std::collections::BTreeMap;

use models::config::{ClusterConfig, Settings};
use models::objects::{EventType, Object, WatchEvent};

use crate::conform::derive;
use crate::conform::facts::{
    Bindings, DeploymentFacts, Facts, JobFacts, NotModelled, ReplicaSetFacts, Symbol, Symbols,
};
use crate::conform::middle::{Beginning, Middle};
use crate::conform::reader::Reader;
use crate::conform::record::{Change, Content, ObjectEvent, Record};
use crate::conform::rows::{self, Row};
use crate::conform::time::Millis;
use crate::conform::timing::{self, Timing};
use crate::conform::told::{self, Account, Telling};
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, MAX_NODES};

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
    /// The number of its file.
    pub file: usize,
    /// The line of the file.
    pub line: usize,
    /// What was seen.
    pub expected: Expected,
    /// The row before it of the same object is equal: it may stand for a change of no column.
    pub repeats: bool,
    /// In words.
    pub text: String,
    /// When it was received.
    pub time: Option<Millis>,
}

/// What was seen in an order that is known.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// What was seen.
    pub entries: Vec<Entry>,
}

/// Most streams: one for each kind of table.
pub const MAX_STREAMS: usize = 4;

/// Most accounts: that of the faults, and one for each node.
const MAX_ACCOUNTS: usize = 1 + MAX_NODES;

/// How far a run has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// In each stream.
    pub seen: [u32; MAX_STREAMS],
    /// In each account.
    pub told: [u32; MAX_ACCOUNTS],
}

impl Position {
    /// How much has been matched, all streams together.
    pub fn events(&self) -> u32 {
        self.seen.iter().sum()
    }

    /// The same, with the lines that were agreed with.
    pub fn progress(&self) -> u32 {
        self.events() + self.told.iter().sum::<u32>()
    }
}

/// Everything that was seen, and the cluster in which it was.
#[derive(Clone, Debug)]
pub struct History {
    /// The cluster.
    pub config: ClusterConfig,
    /// The names of its files.
    pub files: Vec<String>,
    /// Streams, which interleave freely.
    pub streams: Vec<Stream>,
    /// Strings of the log.
    pub symbols: Symbols,
    /// What is bound at the start.
    pub bound: Bindings,
    /// Events that change nothing that is compared.
    pub stutters: usize,
    /// Events of objects that have nothing to do with the model.
    pub aside: usize,
    /// What each ReplicaSet looked like, after how many events.
    pub replica_sets: Vec<Vec<(u32, ReplicaSetFacts)>>,
    /// What is told of what happened unseen, as far as it is asked for.
    pub accounts: Vec<Account>,
    /// Names of pods by uid; in tables the uid is the name.
    pub pods: BTreeMap<Symbol, String>,
    /// What the clock says; none for tables.
    pub timing: Option<Timing>,
    /// What it begins with, if that is no cluster at rest.
    pub middle: Option<Middle>,
}

/// The events of objects, in the order of their versions, with their lines.
pub fn in_order(records: &[Record]) -> Vec<(&Record, &ObjectEvent)> {
    let mut events: Vec<(u64, &Record, &ObjectEvent)> = Vec::new();
    for record in records {
        if let Content::Object(event) = &record.content
            && !matches!(event.object["kind"].as_str(), Some("Event" | "Lease"))
        {
            let version = event.object["metadata"]["resourceVersion"].as_str();
            let version = version.and_then(|version| version.parse().ok()).unwrap_or(0);
            events.push((version, record, event));
        }
    }
    events.sort_by_key(|(version, record, event)| {
        (!event.initial, *version, record.file, record.line)
    });
    events.into_iter().map(|(_, record, event)| (record, event)).collect()
}

/// Reads a history from JSON watch events.
pub fn from_records(
    files: Vec<String>,
    records: &[Record],
    telling: Telling,
    settings: Option<&Settings>,
) -> Result<History, NotModelled> {
    let events = in_order(records);
    let objects: Vec<&ObjectEvent> = events.iter().map(|(_, event)| *event).collect();
    let (mut config, workloads) = derive::cluster(&objects, telling.faults)?;
    let mut reader = Reader::new(&config, &workloads);
    let mut stream = Stream::default();
    for (record, event) in &events {
        if let Some((expected, text)) = reader.expect(event)? {
            let Record { file, line, time, .. } = **record;
            stream.entries.push(Entry { file, line, expected, repeats: false, text, time });
        }
    }
    let Reader { symbols, mut bound, pods, begin, replica_sets, stutters, aside, .. } = reader;
    let mut middle = begin.settle(&mut config, &mut bound)?;
    middle.iter_mut().for_each(|middle| middle.look_ahead(&stream.entries, &bound));
    let accounts = told::accounts(records, &stream.entries, &config, &symbols, telling)?;
    let timing = Some(timing::judge(records, &events, &config, settings));
    let streams = vec![stream];
    Ok(History {
        config,
        files,
        streams,
        symbols,
        bound,
        stutters,
        aside,
        replica_sets,
        accounts,
        pods,
        timing,
        middle,
    })
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

    /// The states in which it may begin, those with the likeliest past first.
    pub fn beginnings(&self, system: &StarSystem<Cluster>) -> Vec<Beginning> {
        match &self.middle {
            Some(middle) => middle.beginnings(system),
            None => system.initial_states().into_iter().map(Beginning::at_rest).collect(),
        }
    }

    /// Where every run begins.
    pub fn start(&self) -> Position {
        Position::default()
    }

    /// Whether everything has been matched, repetitions at the end aside.
    pub fn is_done(&self, at: &Position) -> bool {
        let seen = |(stream, &next): (&Stream, &u32)| {
            stream.entries[next as usize..].iter().all(|entry| entry.repeats)
        };
        self.streams.iter().zip(&at.seen).all(seen) && told::next(&self.accounts, at).count() == 0
    }

    /// The name of a pod by its uid.
    pub fn pod_name(&self, uid: Symbol) -> Option<&str> {
        match self.pods.get(&uid) {
            Some(name) => Some(name),
            None if self.shows_rows() && uid != Symbol::MAX => Some(self.symbols.text(uid)),
            None => None,
        }
    }

    /// Whether this is a history of tables.
    pub fn shows_rows(&self) -> bool {
        let first = self.streams.iter().find_map(|stream| stream.entries.first());
        matches!(first, Some(Entry { expected: Expected::Row(_), .. }))
    }

    /// Whether the faults are those that the log tells of.
    pub fn tells_faults(&self) -> bool {
        self.accounts.iter().any(Account::is_of_faults)
    }

    /// The next thing of each stream.
    pub fn next<'a>(&'a self, at: &'a Position) -> impl Iterator<Item = &'a Entry> {
        let streams = self.streams.iter().zip(&at.seen);
        streams.filter_map(|(stream, &next)| stream.entries.get(next as usize))
    }

    /// Where an entry is, in words: its line, with its file if there are several.
    pub fn place(&self, file: usize, line: usize) -> String {
        match self.files.as_slice() {
            [_] => format!("line {line}"),
            files => format!("{}:{line}", files[file]),
        }
    }

    /// What was matched between two positions.
    pub fn between<'a>(
        &'a self,
        from: &'a Position,
        to: &'a Position,
    ) -> impl Iterator<Item = &'a Entry> {
        let ranges = self.streams.iter().zip(from.seen.iter().zip(&to.seen));
        ranges.flat_map(|(stream, (&from, &to))| &stream.entries[from as usize..to as usize])
    }

    /// What was matched last of all, in the first stream that has matched anything.
    pub fn last(&self, at: &Position) -> Option<&Entry> {
        let mut streams = self.streams.iter().zip(&at.seen);
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
            return Some((*at, self.unseen(bound, event)));
        };
        let entries = &self.streams[stream].entries;
        let mut next = at.seen[stream] as usize;
        loop {
            // After its last row a table shows nothing: the person has stopped watching.
            let Some(entry) = entries.get(next) else {
                let mut at = *at;
                at.seen[stream] = next as u32;
                return Some((at, self.unseen(bound, event)));
            };
            let Expected::Row(row) = &entry.expected else { return None };
            let mut bound = bound.clone();
            if row.is(&self.config, &self.symbols, &mut bound, event) {
                let mut at = *at;
                at.seen[stream] = next as u32 + 1;
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
        if self.shows_rows() {
            return None;
        }
        if self.shows_nothing(at.seen[0], event) {
            return Some(Some((*at, bound.clone())));
        }
        let Some(Entry { expected: Expected::Event(change, facts), .. }) =
            stream.entries.get(at.seen[0] as usize)
        else {
            return Some(None);
        };
        let mut bound = bound.clone();
        if let (Object::Pod(pod), EventType::Added, Facts::Pod(facts)) =
            (event.object, event.kind, facts)
        {
            bound.added(pod.uid.0, facts.uid);
        }
        // The write that takes the last finalizer off an object removes it.
        let gone = *change == Change::Deleted;
        let same = same_change(event.kind, *change)
            && match (event.object, facts) {
                (Object::Pod(pod), Facts::Pod(facts)) => bound.pod_is(&pod, facts),
                (Object::Node(node), Facts::Node(facts)) => bound.node_is(&node, facts),
                (Object::ReplicaSet(set), Facts::ReplicaSet(id, facts)) => {
                    let is = ReplicaSetFacts::from(&set);
                    let finalizer = if gone { facts.finalizer } else { is.finalizer };
                    set.id == *id && ReplicaSetFacts { finalizer, ..is } == *facts
                }
                (Object::Deployment(set), Facts::Deployment(id, facts)) => {
                    let is = DeploymentFacts::from(&set);
                    let finalizer = if gone { facts.finalizer } else { is.finalizer };
                    set.id == *id && DeploymentFacts { finalizer, ..is } == *facts
                }
                (Object::StatefulSet(set), Facts::StatefulSet(id, status)) => {
                    set.id == *id && set.status == *status
                }
                (Object::Job(job), Facts::Job(id, facts)) => {
                    job.id == *id && JobFacts::from(&job.status) == *facts
                }
                (Object::DaemonSet(set), Facts::DaemonSet(id, status)) => {
                    set.id == *id && set.status == *status
                }
                _ => false,
            };
        if let (Facts::Pod(facts), Change::Deleted) = (facts, change) {
            bound.removed(facts.uid);
        }
        Some(same.then(|| {
            let mut at = *at;
            at.seen[0] += 1;
            (at, bound)
        }))
    }
    /// Whether an event changes nothing that is compared: of a ReplicaSet, an annotation.
    fn shows_nothing(&self, seen: u32, event: &WatchEvent) -> bool {
        let (Object::ReplicaSet(set), EventType::Modified) = (&event.object, event.kind) else {
            return false;
        };
        let Some(known) = self.replica_sets.get(set.id.0 as usize) else { return false };
        let before = known.partition_point(|(from, _)| *from <= seen);
        let last = before.checked_sub(1).and_then(|at| known.get(at));
        last.is_some_and(|(_, facts)| *facts == ReplicaSetFacts::from(set))
    }
}
