//! What a log tells of what happened unseen: injected faults, container starts and stops. It is
//! left aside unless it is asked for; then a story has to agree with it.

use models::config::ClusterConfig;
use models::container_runtime::RuntimeStep;
use models::faults::FaultKind;
use models::ids::{DeploymentId, NodeId, PodUid};
use models::objects::Workload;
use models::requests::Propagation;

use crate::conform::facts::{self, Bindings, NotModelled, Symbol, Symbols};
use crate::conform::history::{Entry, Position};
use crate::conform::record::{Content, Record};
use crate::conform::time::{self, Millis};
use crate::engine::star::Action;
use crate::scenario::cluster::{ClusterAction, Fault, Internal};

/// Which lines of a log are held against the story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// Injected faults: the story has these, where the log has them, and no others.
    pub faults: bool,
    /// Starts and stops of containers: those of the story are these.
    pub containers: bool,
}

/// What happened unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A fault, or what a person did.
    Fault(FaultKind, Option<NodeId>, Option<Symbol>),
    /// The start of a pod's container.
    Starts(NodeId, Symbol),
    /// The end of a pod's container, other than with its node.
    Stops(NodeId, Symbol),
}

/// A line that tells what happened unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The number of its file.
    pub file: usize,
    /// The line.
    pub line: usize,
    /// What happened.
    pub what: Happening,
    /// In words.
    pub text: String,
    /// How many events of objects there were before it, at least.
    pub from: u32,
    /// The same, at most.
    pub to: u32,
}

/// What an account is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Faults,
    ContainersOf(NodeId),
}

/// Lines of one topic, in their order.
#[derive(Clone, Debug)]
pub struct Account {
    topic: Topic,
    told: Vec<Told>,
}

/// How far the clocks and ways of two recorders are apart, at most.
const APART: Millis = 1000;

/// How many events a line may be away from its place in a log without times.
const EVENTS_APART: usize = 3;

/// What the log tells, as far as it is asked for.
pub fn accounts(
    records: &[Record],
    entries: &[Entry],
    config: &ClusterConfig,
    symbols: &Symbols,
    telling: Telling,
) -> Result<Vec<Account>, NotModelled> {
    let mut accounts = Vec::new();
    let node = |name: &str| facts::node_named(config, name).ok();
    if telling.faults {
        let mut told = Vec::new();
        for record in records {
            let Content::Fault(text) = &record.content else { continue };
            for what in fault(text, config, records, symbols)? {
                told.push(placed(record, record.time, what, text.clone(), entries));
            }
        }
        accounts.push(Account { topic: Topic::Faults, told });
    }
    if telling.containers {
        let empty = |node| Account { topic: Topic::ContainersOf(node), told: Vec::new() };
        let mut of_node: Vec<Account> = config.node_ids().map(empty).collect();
        for record in records {
            let Content::Container(value) = &record.content else { continue };
            let text = |field: &str| value[field].as_str().unwrap_or_default();
            let (Some(id), Some(uid)) = (node(text("node")), symbols.known(text("uid"))) else {
                continue;
            };
            let what = match text("event") {
                _ if text("container") == "POD" => continue,
                "start" => Happening::Starts(id, uid),
                "stop" => Happening::Stops(id, uid),
                _ => continue,
            };
            let words =
                format!("container of {} on {}: {}", text("pod"), text("node"), text("event"));
            let at = time::parse(text("at")).or(record.time);
            of_node[id.0 as usize].told.push(placed(record, at, what, words, entries));
        }
        accounts.extend(of_node);
    }
    Ok(accounts)
}

/// Gives a line its place among the events: by the clock, else by its line.
fn placed(
    record: &Record,
    at: Option<Millis>,
    what: Happening,
    text: String,
    entries: &[Entry],
) -> Told {
    let (from, to) = match at {
        Some(at) if entries.iter().any(|entry| entry.time.is_some()) => {
            let near = |entry: &Entry, shift| entry.time.is_some_and(|time| time >= at + shift);
            let from = entries.iter().position(|entry| near(entry, -APART));
            let after =
                entries.iter().rposition(|entry| entry.time.is_some() && !near(entry, APART));
            (from.unwrap_or(entries.len()), after.map_or(0, |at| at + 1))
        }
        _ => {
            let before = entries.iter().filter(|entry| entry.line < record.line).count();
            (before.saturating_sub(EVENTS_APART), before + EVENTS_APART)
        }
    };
    let Record { file, line, .. } = *record;
    Told { file, line, what, text, from: from.min(to) as u32, to: to.min(entries.len()) as u32 }
}

/// What a line about a fault says; nothing if it is about what a history begins with.
fn fault(
    text: &str,
    config: &ClusterConfig,
    records: &[Record],
    symbols: &Symbols,
) -> Result<Vec<Happening>, NotModelled> {
    use FaultKind::*;
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let on_node = |kind: FaultKind, name: &str| match facts::node_named(config, name) {
        Ok(node) => Ok(vec![Happening::Fault(kind, Some(node), None)]),
        Err(_) => Err(format!("the fault {text:?}, of a node that is not known")),
    };
    let on_deployment = |name: &str, kind: &dyn Fn(DeploymentId) -> Option<FaultKind>| {
        let at = config.deployments.iter().position(|known| known.name == name);
        match at.and_then(|at| kind(DeploymentId(at as u8))) {
            Some(kind) => Ok(vec![Happening::Fault(kind, None, None)]),
            None => Err(format!("the fault {text:?}, of a Deployment that is not known")),
        }
    };
    let on_pod = |kind: FaultKind| {
        let name = rest.strip_prefix("pod/").or(rest.strip_prefix("pods/"));
        let uid = name.and_then(|name| uid_of(name, records));
        match uid.and_then(|uid| symbols.known(uid)) {
            Some(uid) => Ok(vec![Happening::Fault(kind, None, Some(uid))]),
            None => Err(format!("the fault {text:?}, of a pod that is not known")),
        }
    };
    match (verb, rest) {
        ("poweron", rest) => match rest.split_once(' ') {
            Some((name, "(CNI not configured)")) => on_node(PowerOnNoNetwork, name),
            _ => on_node(PowerOn, rest),
        },
        ("poweroff", name) => on_node(PowerOff, name),
        ("cni-configured", name) => on_node(NetworkConfigured, name),
        // What is slow in the model stays so.
        ("cni-delay", rest) if rest.ends_with(" 0s") => Ok(Vec::new()),
        ("cni-delay", rest) => on_node(SlowStart, rest.split(' ').next().unwrap_or_default()),
        ("partition", name) => on_node(Partition, name),
        ("heal", name) => on_node(Heal, name),
        ("kill-kubelet", name) => on_node(KubeletCrash, name),
        ("start-kubelet", name) => on_node(KubeletRestart, name),
        ("kill-containerd", name) => on_node(RuntimeCrash, name),
        ("start-containerd", name) => on_node(RuntimeRestart, name),
        ("kill", "kube-controller-manager") => {
            Ok(vec![Happening::Fault(ControllerManagerCrash, None, None)])
        }
        ("start", "kube-controller-manager") => {
            Ok(vec![Happening::Fault(ControllerManagerRestart, None, None)])
        }
        ("taint", rest) if rest.starts_with("out-of-service ") => {
            on_node(OutOfService, rest.trim_start_matches("out-of-service "))
        }
        ("untaint", rest) if rest.starts_with("out-of-service ") => {
            on_node(BackInService, rest.trim_start_matches("out-of-service "))
        }
        // A cordon shows in the node itself.
        ("cordon" | "uncordon", _) => Ok(Vec::new()),
        ("drain", name) => on_node(Drain, name),
        ("kubectl-delete", rest) => match rest.split_once('/') {
            Some(("node", name)) => on_node(DeleteNode, name),
            Some(("deployment", name)) => on_deployment(name, &|id| {
                Some(DeleteWorkload(Workload::Deployment(id), Propagation::Background))
            }),
            _ => on_pod(DeletePod),
        },
        ("kubectl-set-env", rest) if rest.starts_with("deployment/") => {
            let name = rest.trim_start_matches("deployment/").split(' ').next();
            on_deployment(name.unwrap_or_default(), &|id| Some(Rollout(id)))
        }
        ("kubectl-scale", rest) if rest.starts_with("deployment/") => {
            let (name, replicas) =
                rest.trim_start_matches("deployment/").split_once(' ').unwrap_or_default();
            let scale = |id| Some(Scale(Workload::Deployment(id), replicas.parse().ok()?));
            on_deployment(name, &scale)
        }
        ("force-delete", _) => on_pod(ForceDeletePod),
        // What a history begins with; what is only a remark.
        ("kubectl-create" | "NOTE", _) => Ok(Vec::new()),
        _ => Err(format!("the fault {text:?}")),
    }
}

/// The uid of the first pod with a name.
fn uid_of<'a>(name: &str, records: &'a [Record]) -> Option<&'a str> {
    records.iter().find_map(|record| match &record.content {
        Content::Object(event) => {
            let metadata = &event.object["metadata"];
            let is_pod = event.object["kind"] == "Pod" && metadata["name"] == name;
            is_pod.then(|| metadata["uid"].as_str())?
        }
        _ => None,
    })
}

impl Account {
    /// Whether it tells of faults.
    pub fn is_of_faults(&self) -> bool {
        self.topic == Topic::Faults
    }

    /// The next line of an account, if `next` of them have been agreed with.
    fn next(&self, next: u32) -> Option<&Told> {
        self.told.get(next as usize)
    }
}

/// What an action is in an account, and in which; none if no account has such things.
fn happening(action: &ClusterAction, bound: &Bindings) -> Option<(Topic, Happening)> {
    let uid = |uid: PodUid| bound.uid(uid.0).unwrap_or(Symbol::MAX);
    match action {
        // It shows in the node itself, whether or not a line tells of it.
        Action::Fault(Fault { kind: FaultKind::Cordon | FaultKind::Uncordon, .. }) => None,
        Action::Fault(Fault { kind, node, pod, .. }) => {
            Some((Topic::Faults, Happening::Fault(*kind, *node, pod.map(uid))))
        }
        Action::Internal(Internal::Runtime(node, RuntimeStep::StartContainer(pod))) => {
            Some((Topic::ContainersOf(*node), Happening::Starts(*node, uid(*pod))))
        }
        Action::Internal(Internal::Runtime(
            node,
            RuntimeStep::StopContainer(pod) | RuntimeStep::Complete(pod),
        )) => Some((Topic::ContainersOf(*node), Happening::Stops(*node, uid(*pod)))),
        _ => None,
    }
}

/// How far the accounts are after an action, if it agrees with them.
pub fn agree(
    accounts: &[Account],
    at: &Position,
    bound: &Bindings,
    action: &ClusterAction,
) -> Option<Position> {
    let mut at = *at;
    if accounts.is_empty() {
        return Some(at);
    }
    let Some((topic, what)) = happening(action, bound) else { return Some(at) };
    let Some(index) = accounts.iter().position(|account| account.topic == topic) else {
        return Some(at);
    };
    let told = accounts[index].next(at.told[index])?;
    at.told[index] += 1;
    (told.what == what && told.from <= at.events()).then_some(at)
}

/// Whether the accounts tell of this fault next; none if they do not tell of faults at all.
pub fn tells(accounts: &[Account], at: &Position, bound: &Bindings, fault: &Fault) -> Option<bool> {
    accounts.iter().find(|account| account.topic == Topic::Faults)?;
    happening(&Action::Fault(*fault), bound)?;
    Some(agree(accounts, at, bound, &Action::Fault(*fault)).is_some())
}

/// The lines that come next, one of each account.
pub fn next<'a>(accounts: &'a [Account], at: &'a Position) -> impl Iterator<Item = &'a Told> {
    accounts.iter().zip(&at.told).filter_map(|(account, &next)| account.next(next))
}

/// The line that should have been agreed with by now, if there is one.
pub fn missed<'a>(accounts: &'a [Account], at: &'a Position) -> Option<&'a Told> {
    next(accounts, at).find(|told| told.to < at.events())
}
