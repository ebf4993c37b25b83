//! Timers that a log contradicts: what came earlier than the rules allow. Order is judged by the
//! search; this looks at the clock only, and what it finds does not change the verdict by itself.
//!
//! Each bound is a lower one that holds whatever happened unseen, so that a finding is never due to
//! what the log leaves out. Two clocks, or a clock and a watch, may be a second apart.

use std::collections::BTreeMap;

use serde_json::Value;

use models::config::{ClusterConfig, Settings};
use models::rules::Rule;

use crate::conform::record::{Change, Content, ObjectEvent, Record};
use crate::conform::time::{self, Millis, seconds};

/// How far two times of a log may be from what they stand for.
const APART: Millis = 1000;

/// Something that came too early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The number of the file.
    pub file: usize,
    /// The line of what came too early.
    pub line: usize,
    /// The rule whose timer it contradicts; none if the clock of the log is at fault.
    pub rule: Option<Rule>,
    /// In words.
    pub problem: String,
}

/// How a setting is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was given.
    Given,
    /// The log shows that it cannot be larger.
    Inferred,
    /// It is the default.
    Assumed,
}

/// What the clock says of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Whether the log has times at all.
    pub has_times: bool,
    /// What came too early, in order.
    pub findings: Vec<Finding>,
    /// `--node-monitor-grace-period`: at most this many milliseconds.
    pub grace_period: (Millis, Known),
}

/// What is known of a node.
#[derive(Default)]
struct NodeClock<'a> {
    /// Its NoExecute taints as they came, and since when it has had any.
    tainted: Option<(Option<Millis>, Vec<&'a Value>)>,
    /// When its kubelet last gave a sign of life.
    alive: Option<Millis>,
    unknown: bool,
}

/// What is known of a pod.
#[derive(Default)]
struct PodClock {
    bound: Option<Millis>,
    evicted: bool,
    deleted: Option<(Millis, i64)>,
    killed: bool,
}

struct Clock<'a> {
    given: Option<Millis>,
    nodes: BTreeMap<&'a str, NodeClock<'a>>,
    pods: BTreeMap<&'a str, PodClock>,
    latest: Option<Millis>,
    timing: Timing,
}

/// Looks at the times of events in the order of their versions; `given` are settings that are
/// known.
pub fn judge<'a>(
    records: &'a [Record],
    events: &[(&'a Record, &'a ObjectEvent)],
    config: &ClusterConfig,
    given: Option<&Settings>,
) -> Timing {
    let millis = |settings: &Settings| i64::from(settings.node_monitor_grace_period.0) * 1000;
    let default = millis(&Settings::defaults(config.version));
    let known = given.map(millis);
    let mut clock = Clock {
        given: known,
        nodes: BTreeMap::new(),
        pods: BTreeMap::new(),
        latest: None,
        timing: Timing {
            has_times: events.iter().any(|(record, _)| record.time.is_some()),
            findings: Vec::new(),
            grace_period: match known {
                Some(given) => (given, Known::Given),
                None => (default, Known::Assumed),
            },
        },
    };
    let renewals = renewals(records);
    for &(record, event) in events {
        clock.advance(record, event.initial);
        let name = event.object["metadata"]["name"].as_str().unwrap_or_default();
        match event.object["kind"].as_str() {
            Some("Node") => clock.node(record, event, name, renewals.get(name)),
            Some("Pod") => clock.pod(record, event),
            _ => {}
        }
    }
    clock.timing
}

/// When each node renewed its lease, by node, in the order of the lines.
fn renewals(records: &[Record]) -> BTreeMap<&str, Vec<Millis>> {
    let mut renewals: BTreeMap<&str, Vec<Millis>> = BTreeMap::new();
    for record in records {
        if let Content::Object(event) = &record.content
            && event.object["kind"] == "Lease"
            && let Some(at) = event.object["spec"]["renewTime"].as_str().and_then(time::parse)
            && let Some(name) = event.object["metadata"]["name"].as_str()
        {
            renewals.entry(name).or_default().push(at);
        }
    }
    renewals
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

fn at(object: &Value, field: &str) -> Option<Millis> {
    object[field].as_str().and_then(time::parse)
}

impl<'a> Clock<'a> {
    /// Finds clocks that go back: spans across that say nothing.
    fn advance(&mut self, record: &Record, initial: bool) {
        let Some(now) = record.time.filter(|_| !initial) else { return };
        if let Some(latest) = self.latest
            && now + APART < latest
        {
            let problem = format!(
                "the clock of the log goes back by {}: no span across that is judged",
                seconds(latest - now)
            );
            self.timing.findings.push(Finding {
                file: record.file,
                line: record.line,
                rule: None,
                problem,
            });
            for node in self.nodes.values_mut() {
                node.alive = None;
                node.tainted.iter_mut().for_each(|(since, _)| *since = None);
            }
            for pod in self.pods.values_mut() {
                pod.deleted = None;
            }
            self.latest = Some(now);
        }
        self.latest = self.latest.max(Some(now));
    }

    fn node(
        &mut self,
        record: &Record,
        event: &'a ObjectEvent,
        name: &'a str,
        renewals: Option<&Vec<Millis>>,
    ) {
        let now = record.time.filter(|_| !event.initial);
        let node = self.nodes.entry(name).or_default();
        let taints = event.object["spec"]["taints"].as_array().into_iter().flatten();
        let taints: Vec<&Value> = taints.filter(|taint| taint["effect"] == "NoExecute").collect();
        if taints.is_empty() {
            node.tainted = None;
        } else {
            let added = taints.iter().filter_map(|taint| at(taint, "timeAdded")).min();
            let (_, seen) = node.tainted.get_or_insert_with(|| (now.or(added), Vec::new()));
            seen.extend(taints);
        }
        let Some(ready) = condition(&event.object, "Ready") else { return };
        if ready["status"] != "Unknown" {
            node.unknown = false;
            node.alive = node.alive.max(at(ready, "lastHeartbeatTime"));
            return;
        }
        let changed = now.or_else(|| at(ready, "lastTransitionTime"));
        let first = !std::mem::replace(&mut node.unknown, true);
        let renewed = renewals.into_iter().flatten().filter(|&&at| Some(at) <= changed).max();
        let alive = node.alive.max(renewed.copied());
        if let (true, Some(changed), Some(alive)) = (first, changed, alive) {
            self.unknown((record.file, record.line), name, changed - alive);
        }
    }

    /// NLC-3: a node is missed no sooner than the grace period after its last sign of life.
    fn unknown(&mut self, (file, line): (usize, usize), name: &str, silence: Millis) {
        let most = silence.max(0) + APART;
        match self.given {
            Some(given) if most < given => {
                let problem = format!(
                    "{name} is Unknown {} after its last sign of life: \
                     --node-monitor-grace-period is {}",
                    seconds(silence),
                    seconds(given)
                );
                self.timing.findings.push(Finding { file, line, rule: Some(Rule::Nlc3), problem });
            }
            None if most < self.timing.grace_period.0 => {
                self.timing.grace_period = (most, Known::Inferred);
            }
            _ => {}
        }
    }

    fn pod(&mut self, record: &Record, event: &'a ObjectEvent) {
        let object = &event.object;
        let now = record.time.filter(|_| !event.initial);
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        if event.change == Change::Deleted {
            self.pods.remove(uid);
            return;
        }
        let pod = self.pods.entry(uid).or_default();
        let host = object["spec"]["nodeName"].as_str();
        if host.is_some() && pod.bound.is_none() {
            pod.bound = now;
        }
        let bound = pod.bound;
        let disruption = condition(object, "DisruptionTarget");
        let disruption = disruption.filter(|found| found["reason"] == "DeletionByTaintManager");
        if let (Some(disruption), false) = (disruption, pod.evicted) {
            pod.evicted = true;
            let when = now.or_else(|| at(disruption, "lastTransitionTime"));
            self.evicted(
                (record.file, record.line),
                object,
                host,
                bound,
                when.filter(|_| !event.initial),
            );
        }
        self.killed((record.file, record.line), object, uid, now);
    }

    /// TEC-3: a pod is evicted no sooner than its tolerations say.
    fn evicted(
        &mut self,
        (file, line): (usize, usize),
        pod: &Value,
        host: Option<&str>,
        bound: Option<Millis>,
        when: Option<Millis>,
    ) {
        let tainted = host.and_then(|host| self.nodes.get(host)?.tainted.as_ref());
        let Some(((Some(since), taints), when)) = tainted.map(|(s, t)| (*s, t)).zip(when) else {
            return;
        };
        let since = bound.map_or(since, |bound| since.max(bound));
        let least = taints.iter().map(|taint| tolerated(pod, taint)).min();
        let Some(Tolerated::Seconds(least)) = least else { return };
        let waited = when - since;
        if waited + APART < least.saturating_mul(1000) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let problem = format!(
                "Pod {name} is evicted {} after its node got a NoExecute taint, which it tolerates \
                 for {least} s",
                seconds(waited)
            );
            self.timing.findings.push(Finding { file, line, rule: Some(Rule::Tec3), problem });
        }
    }

    /// PW-2: a container is killed no sooner than the grace period after the deletion.
    fn killed(
        &mut self,
        (file, line): (usize, usize),
        object: &Value,
        uid: &'a str,
        now: Option<Millis>,
    ) {
        let pod = self.pods.entry(uid).or_default();
        let metadata = &object["metadata"];
        if let (Some(grace), Some(now)) = (metadata["deletionGracePeriodSeconds"].as_i64(), now) {
            let (_, least) = pod.deleted.get_or_insert((now, grace));
            *least = grace.min(*least);
        }
        let ended = &object["status"]["containerStatuses"][0]["state"]["terminated"];
        if pod.killed || ended["exitCode"] != 137 || ended["reason"] != "Error" {
            return;
        }
        pod.killed = true;
        if let (Some((deleted, grace)), Some(now)) = (pod.deleted, now)
            && now - deleted + APART < grace.saturating_mul(1000)
        {
            let name = metadata["name"].as_str().unwrap_or_default();
            let problem = format!(
                "the container of Pod {name} is killed {} after the deletion, within its grace \
                 period of {grace} s",
                seconds(now - deleted)
            );
            self.timing.findings.push(Finding { file, line, rule: Some(Rule::Pw2), problem });
        }
    }
}

/// How long a taint is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tolerated {
    Seconds(i64),
    ForEver,
}

/// By the first toleration in the pod's list that matches.
fn tolerated(pod: &Value, taint: &Value) -> Tolerated {
    let mut tolerations = pod["spec"]["tolerations"].as_array().into_iter().flatten();
    let matching = |toleration: &&Value| {
        let text = |field: &str| toleration[field].as_str().unwrap_or_default();
        let of = |field: &str| taint[field].as_str().unwrap_or_default();
        let exists = text("operator") == "Exists";
        (text("effect").is_empty() || text("effect") == of("effect"))
            && (text("key") == of("key") || (text("key").is_empty() && exists))
            && (exists || text("value") == of("value"))
    };
    match tolerations.find(matching) {
        None => Tolerated::Seconds(0),
        Some(used) => {
            used["tolerationSeconds"].as_i64().map_or(Tolerated::ForEver, Tolerated::Seconds)
        }
    }
}
