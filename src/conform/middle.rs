//! A history that begins in the middle of things: with nodes that are not Ready, pods that start or
//! end, workloads that have not counted yet.
//!
//! What the objects say is taken as it is; what they do not say is open. Controllers have seen what
//! is stored and nothing of theirs is on its way, kubelets that are heard of have posted what is
//! stored, eviction timers are armed for the taints that there are and may be due. For a node that
//! is not Ready, each fault that makes a node so is the past of a beginning of its own, and any that
//! shows nothing may follow: a node that was cut off may have been rebooted since.

use itertools::Itertools;

use models::api_server::ApiServer;
use models::config::{CONDITION_NO_EXECUTE, ClusterConfig, Start};
use models::faults::FaultKind;
use models::ids::{NodeId, NodeSet, Seconds};
use models::kubelet::Connection;
use models::objects::{NodeReady, Pod};
use models::requests::Request;

use crate::conform::begin::Begin;
use crate::conform::facts::{Bindings, Facts, NodeFacts, NotModelled};
use crate::conform::history::{Entry, Expected};
use crate::conform::record::Change;
use crate::conform::search::Run;
use crate::engine::search::Path;
use crate::engine::star::{Action, Inbox, Outbox, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{Addressed, Cluster, ClusterState, Fault, Kept, Local};

mod state;
mod store;

/// What makes a node Unknown, and what makes it say that it is not Ready; the likeliest first.
const SILENCED: [&[FaultKind]; 4] = [
    &[FaultKind::PowerOff],
    &[FaultKind::Partition],
    &[FaultKind::KubeletCrash],
    &[FaultKind::SlowHeartbeat],
];
const UNREADY: [&[FaultKind]; 2] =
    [&[FaultKind::PowerOff, FaultKind::PowerOnNoNetwork], &[FaultKind::RuntimeCrash]];

/// With more nodes that may be lost, the same happened to all of them, or what did shows later.
const MANY: usize = 2;

/// Most sets of statuses that may be on their way.
const MOST_SENT: usize = 16;

/// What the store holds when a history begins.
#[derive(Clone, Debug)]
pub struct Middle {
    store: ApiServer,
    /// Its pods, oldest first: timestamps are of whole seconds.
    ages: Vec<Vec<Pod>>,
    /// Nodes that are Ready, and are seen to be lost next: they may be silent already.
    leaving: NodeSet,
    /// Nodes that are next heard of in the boot in which they were: they have had power.
    powered: NodeSet,
    /// The order in which nodes get NoExecute taints: that of the queues they are in.
    queue: Vec<NodeId>,
    /// Statuses of workloads that may be on their way.
    sent: Vec<Addressed>,
}

/// A state in which a history may begin, and how it may have come to that.
#[derive(Clone)]
pub struct Beginning {
    /// What happened before.
    pub past: Run,
    /// The state.
    pub state: ClusterState,
    /// Statuses of workloads that are on their way.
    pub sent: Vec<Addressed>,
}

/// What a status on its way is of, in words.
pub fn sent_words(config: &ClusterConfig, sent: &Addressed) -> String {
    let what = match &sent.request {
        Request::PutReplicaSetStatus { seen, .. } => {
            format!("ReplicaSet {}", config.replica_sets[seen.id.0 as usize].name)
        }
        Request::PutDeploymentStatus { seen, .. } => {
            format!("Deployment {}", config.deployments[seen.id.0 as usize].name)
        }
        Request::PutStatefulSetStatus { id, .. } => {
            format!("StatefulSet {}", config.stateful_sets[id.0 as usize].name)
        }
        Request::PutDaemonSetStatus { id, .. } => {
            format!("DaemonSet {}", config.daemon_sets[id.0 as usize].name)
        }
        other => format!("{other:?}"),
    };
    format!("a status of {what} is on its way")
}

impl Beginning {
    /// Nothing happened before.
    pub fn at_rest(state: ClusterState) -> Self {
        Beginning {
            past: Path { start: state.clone(), steps: Vec::new() },
            state,
            sent: Vec::new(),
        }
    }

    /// The faults of the past.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.past.steps.iter().filter_map(|(action, _)| match action {
            Action::Fault(fault) => Some(fault),
            _ => None,
        })
    }
}

impl Middle {
    /// Takes the objects of a beginning as they are.
    pub fn new(
        begin: Begin,
        config: &ClusterConfig,
        bound: &mut Bindings,
    ) -> Result<Self, NotModelled> {
        if begin.later_pods {
            return Err("a pod without an owner that somebody creates later".to_string());
        }
        // Workloads that come later are stored from the beginning.
        let empty = ClusterConfig { start: Start::Empty, ..config.clone() };
        let system = StarSystem(Cluster { config: empty });
        let mut store = system.0.view(&system.initial_states()[0]).api().clone();
        store.pods = store::pods(config, &begin.pods, bound)?;
        let over = |pod: &&Pod| pod.deletion == Some(Seconds(0)) && !pod.tracked;
        store.removing = store.pods.iter().filter(over).map(|pod| pod.uid).collect();
        for facts in &begin.nodes {
            if let Some(node) = store.nodes.iter_mut().find(|node| node.id == facts.node) {
                (node.ready, node.taints) = (facts.ready, facts.taints);
                node.unschedulable = facts.unschedulable;
            }
        }
        for facts in &begin.workloads {
            store::workload(config, &mut store, facts);
        }
        for job in &begin.uncounted {
            store::uncounted(&mut store, bound, job)?;
        }
        let ages = store::both_orders(&begin.pods, bound, &store.pods);
        Ok(Middle {
            store,
            ages,
            leaving: NodeSet::EMPTY,
            powered: NodeSet::EMPTY,
            queue: Vec::new(),
            sent: Vec::new(),
        })
    }

    /// Looks at what is seen afterwards for what may have been under way already.
    pub fn look_ahead(&mut self, entries: &[Entry], bound: &Bindings) {
        let (mut seen, mut heard_of) = (NodeSet::EMPTY, NodeSet::EMPTY);
        let mut workloads: Vec<&Facts> = Vec::new();
        for entry in entries {
            let Expected::Event(change, facts) = &entry.expected else { continue };
            match facts {
                Facts::Node(node) => {
                    let first = seen.insert(node.node);
                    let heard = node.ready != NodeReady::Unknown && heard_of.insert(node.node);
                    let booted = !bound.boots.contains(&(node.node.0, 0, node.boot));
                    self.look_at(node, first, heard.then_some(booted));
                }
                Facts::Pod(_) => {}
                _ if workloads.iter().any(|known| known.is_of_object_of(facts)) => {}
                _ => {
                    workloads.push(facts);
                    let sent = store::on_its_way(&self.store, facts);
                    self.sent.extend(sent.filter(|_| *change == Change::Modified));
                }
            }
        }
    }

    /// Looks at a node; `first` if it has not been seen since the beginning, `booted` if it is heard
    /// of for the first time.
    fn look_at(&mut self, node: &NodeFacts, first: bool, booted: Option<bool>) {
        let before = self.store.node(node.node).map(|node| node.ready);
        if first && before == Some(NodeReady::True) && node.ready == NodeReady::Unknown {
            self.leaving.insert(node.node);
        }
        if booted == Some(false) {
            self.powered.insert(node.node);
        }
        let tainted = !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty();
        if tainted && !self.queue.contains(&node.node) {
            self.queue.push(node.node);
        }
    }

    /// The states in which the history may begin. None whose faults are not allowed.
    pub fn beginnings(&self, system: &StarSystem<Cluster>) -> Vec<Beginning> {
        let config = &system.0.config;
        let allowed = |node: NodeId, kinds: &&[FaultKind]| {
            let fits = |kind: &FaultKind| {
                config.faults.iter().any(|fault| fault.kind == *kind && fault.nodes.contains(node))
            };
            let is_off = kinds.last() == Some(&FaultKind::PowerOff);
            let was_on = self.powered.contains(node);
            kinds.iter().all(fits) && !(is_off && was_on)
        };
        let options = self.store.nodes.iter().filter_map(|node| {
            let (pasts, others): (&[&[FaultKind]], &[&[FaultKind]]) = match node.ready {
                NodeReady::True if self.leaving.contains(node.id) => (&SILENCED, &[&[]]),
                NodeReady::True => return None,
                NodeReady::Unknown => (&SILENCED, &[]),
                NodeReady::False => (&UNREADY, &[]),
            };
            let pasts = pasts.iter().copied().filter(|kinds| allowed(node.id, kinds));
            Some(others.iter().copied().chain(pasts).map(|kinds| (node.id, kinds)).collect_vec())
        });
        let options: Vec<Vec<(NodeId, &[FaultKind])>> = options.collect();
        let pasts: Vec<Vec<(NodeId, &[FaultKind])>> = match options.len() {
            0 => vec![Vec::new()],
            1..=MANY => options.into_iter().multi_cartesian_product().collect(),
            _ => alike(&options),
        };
        let noticed: &[bool] = if self.all_lost() { &[true, false] } else { &[false] };
        let sent = (0..=self.sent.len()).flat_map(|many| self.sent.iter().combinations(many));
        let sent: Vec<Vec<Addressed>> =
            sent.take(MOST_SENT).map(|sent| sent.into_iter().copied().collect()).collect();
        let stores =
            self.ages.iter().map(|pods| ApiServer { pods: pods.clone(), ..self.store.clone() });
        let stores: Vec<ApiServer> = stores.collect();
        let all = pasts.iter().cartesian_product(noticed).cartesian_product(&sent);
        let all = all.cartesian_product(&stores);
        let one = |(((past, noticed), sent), store): (((&Vec<_>, &bool), &Vec<_>), &ApiServer)| {
            let manager = state::manager(config, store, &self.queue, *noticed);
            self.beginning(system, state::state(system, store, manager, sent), past, sent)
        };
        all.map(one).collect()
    }

    /// NLC-11: whether no node is Ready, which the controller may have noticed or not.
    fn all_lost(&self) -> bool {
        self.store.nodes.iter().all(|node| node.ready != NodeReady::True)
    }

    /// The beginning in a state to which this has led.
    fn beginning(
        &self,
        system: &StarSystem<Cluster>,
        start: ClusterState,
        past: &[(NodeId, &[FaultKind])],
        sent: &[Addressed],
    ) -> Beginning {
        let mut past_run = Path { start, steps: Vec::new() };
        for (node, kinds) in past {
            for &kind in *kinds {
                let fault =
                    Action::Fault(Fault { kind, node: Some(*node), pod: None, kept: Kept::NONE });
                let after = system.step(past_run.end(), &fault).state;
                past_run.steps.push((fault, after));
            }
        }
        let lost = past.iter().filter(|(_, kinds)| !kinds.is_empty()).map(|(node, _)| *node);
        let state = self.as_stored(past_run.end(), lost.collect());
        Beginning { past: past_run, state, sent: sent.to_vec() }
    }

    /// The state after the past, with what the past has led to by the time that the history begins.
    fn as_stored(&self, state: &ClusterState, lost: NodeSet) -> ClusterState {
        let said = |id: &NodeId| self.store.node(*id).map(|node| node.ready);
        let silent: NodeSet = lost.iter().filter(|id| said(id) != Some(NodeReady::False)).collect();
        let mut actors: Vec<Local> = state.locals().cloned().collect();
        for actor in &mut actors {
            match actor {
                Local::Environment(environment) => environment.silent = silent,
                // The boot that is stored is the one that has just been posted.
                Local::ContainerRuntime(runtime) if runtime.powered => runtime.boot = 0,
                // Heartbeats that are late: the kubelet has seen what became of its node.
                Local::Kubelet(kubelet) if kubelet.heartbeat == Connection::Up => {
                    let node = self.store.node(kubelet.node);
                    kubelet.posted = node.map(|node| (node.ready, node.boot));
                }
                _ => {}
            }
        }
        let outboxes: Vec<Outbox<_>> =
            state.processes().map(|process| state.outbox(process).clone()).collect();
        let inboxes: Vec<Inbox<_>> =
            state.processes().map(|process| state.inbox(process).clone()).collect();
        ClusterState::of_parts(actors, outboxes, inboxes)
    }
}

/// The same past for all nodes that may be lost.
fn alike<'a>(options: &[Vec<(NodeId, &'a [FaultKind])>]) -> Vec<Vec<(NodeId, &'a [FaultKind])>> {
    // Of nodes that are Ready, nothing comes first.
    let leaves = |node: &[(NodeId, &[FaultKind])]| node.first().is_some_and(|(_, k)| k.is_empty());
    let pasts = [false, true].into_iter().cartesian_product(0..SILENCED.len());
    let past = |(leave, at): (bool, usize)| {
        let one = |node: &Vec<(NodeId, &'a [FaultKind])>| match (leaves(node), leave) {
            (true, false) => node.first().copied(),
            (true, true) => node.get(at + 1).or(node.last()).copied(),
            (false, _) => node.get(at).or(node.last()).copied(),
        };
        options.iter().map(one).collect::<Option<Vec<_>>>()
    };
    pasts.filter_map(past).unique().collect()
}
