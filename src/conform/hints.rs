//! Which faults the rest of a history suggests. Hints order the search; they never decide it.

use std::collections::HashMap;

use models::api_server::ApiServer;
use models::config::{CONDITION_NO_EXECUTE, ClusterConfig};
use models::faults::FaultKind;
use models::ids::{NodeId, TaintSet};
use models::objects::{Node, NodeReady, Pod};
use models::operator;

use crate::conform::facts::{Bindings, Facts, Symbol};
use crate::conform::history::{Expected, History, Position};
use crate::conform::rows::{Kind, Row};
use crate::scenario::cluster::Fault;

/// What is seen next of a node, in JSON or in a table.
#[derive(Clone, Copy, Debug)]
struct Sight {
    /// Condition Ready; none for a row that says NotReady.
    ready: Option<NodeReady>,
    taints: Option<TaintSet>,
    unschedulable: Option<bool>,
    boot: Option<Symbol>,
}

/// How a pod is seen to go.
#[derive(Clone, Copy, Debug)]
struct Going {
    /// The grace period of a Terminating pod.
    grace: Option<u32>,
    /// Nobody says why it goes: no eviction, no end of its containers.
    unexplained: bool,
}

/// What is seen of the address of a pod.
#[derive(Clone, Copy, Debug)]
struct Address {
    ip: Option<Symbol>,
    /// Its condition Ready; none in tables.
    ready: Option<bool>,
}

/// What is seen in a stream, each with its number there.
type Sights<T> = Vec<(usize, u32, T)>;

/// What is seen of each node and pod, in order.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    nodes: Vec<Sights<Sight>>,
    /// The addresses of pods, as they are seen.
    addresses: HashMap<Symbol, Sights<Address>>,
    /// Pods, as they are seen to go.
    going: HashMap<Symbol, Sights<Going>>,
    /// What is seen are rows of tables, of which those of nodes may end before the others.
    tables: bool,
}

/// What is still to be seen from a position on.
fn rest<'a, T>(seen: &'a Sights<T>, at: &Position) -> &'a [(usize, u32, T)] {
    // What is seen of one object is seen in one stream.
    let from = seen.partition_point(|(stream, number, _)| *number < at.seen[*stream]);
    &seen[from..]
}

impl Hints {
    /// What a history shows.
    pub fn of(history: &History) -> Self {
        let mut hints = Hints::default();
        hints.nodes.resize(history.config.nodes.len(), Vec::new());
        for (stream, entries) in history.streams.iter().map(|stream| &stream.entries).enumerate() {
            for (entry, number) in entries.iter().zip(0..) {
                let place = (stream, number);
                match &entry.expected {
                    Expected::Event(_, facts) => hints.event(place, facts),
                    Expected::Row(row) => hints.row(place, row, &history.bound),
                }
            }
        }
        hints.tables = history.shows_rows();
        hints
    }

    /// Whether nodes are not watched any more: any fault may be what is behind the rest.
    fn is_blind(&self, at: &Position) -> bool {
        self.tables && self.nodes.iter().all(|seen| rest(seen, at).is_empty())
    }

    fn event(&mut self, (stream, number): (usize, u32), facts: &Facts) {
        match facts {
            Facts::Node(node) => {
                let sight = Sight {
                    ready: Some(node.ready),
                    taints: Some(node.taints),
                    unschedulable: Some(node.unschedulable),
                    boot: Some(node.boot),
                };
                self.nodes[node.node.0 as usize].push((stream, number, sight));
            }
            Facts::Pod(pod) => {
                let address = Address { ip: pod.ip, ready: Some(pod.ready == Some(true)) };
                self.addresses.entry(pod.uid).or_default().push((stream, number, address));
                let going = Going {
                    grace: pod.deletion,
                    unexplained: pod.disruption.is_none() && !pod.phase.is_terminal(),
                };
                self.going.entry(pod.uid).or_default().push((stream, number, going));
            }
            _ => {}
        }
    }

    fn row(&mut self, (stream, number): (usize, u32), row: &Row, bound: &Bindings) {
        if row.kind != Kind::Nodes {
            if let Some(ip) = row.ip {
                let address = Address { ip, ready: None };
                self.addresses.entry(row.name).or_default().push((stream, number, address));
            }
            return;
        }
        let ready = row.cells[0].as_deref().is_some_and(|status| status == "Ready");
        if let Some(at) = bound.nodes.iter().position(|name| *name == row.name) {
            let ready = ready.then_some(NodeReady::True);
            let sight = Sight { ready, taints: None, unschedulable: None, boot: None };
            self.nodes[at].push((stream, number, sight));
        }
    }

    /// What is still to be seen of a node.
    fn sights<'a>(
        &'a self,
        node: NodeId,
        at: &Position,
    ) -> impl Iterator<Item = &'a Sight> + Clone {
        rest(&self.nodes[node.0 as usize], at).iter().map(|(.., sight)| sight)
    }

    /// How many things are seen before what suggests a fault now; none if nothing does.
    pub fn suggest(
        &self,
        config: &ClusterConfig,
        at: &Position,
        known: (&ApiServer, &Bindings),
        fault: &Fault,
    ) -> Option<u32> {
        let is_suggested = self.suggests(config, at, known, fault);
        let distance = || {
            let node = fault.node.filter(|_| !fault.kind.is_by_operator())?;
            let stored = known.0.node(node)?;
            let (stream, number, _) = self.next(node, stored, at, known.1)?;
            Some(number - at.seen[*stream])
        };
        is_suggested.then(|| distance().unwrap_or(0))
    }

    /// The next sight of a node that is other than what is stored.
    fn next(
        &self,
        id: NodeId,
        node: &Node,
        at: &Position,
        bound: &Bindings,
    ) -> Option<&(usize, u32, Sight)> {
        let known = |boot| bound.boots.iter().any(|(of, _, b)| *of == id.0 && *b == boot);
        rest(&self.nodes[id.0 as usize], at).iter().find(|(.., sight)| {
            sight.ready != Some(node.ready) || sight.boot.is_some_and(|boot| !known(boot))
        })
    }

    fn suggests(
        &self,
        config: &ClusterConfig,
        at: &Position,
        (api, bound): (&ApiServer, &Bindings),
        fault: &Fault,
    ) -> bool {
        if let Some(pod) = fault.pod.and_then(|uid| api.pod(uid)) {
            return self.suggest_deletion(config, at, (bound, pod), fault.kind);
        }
        if fault.kind.is_by_operator() {
            // It shows at once, or is not what was seen.
            return true;
        }
        let Some(id) = fault.node else { return self.suggest_manager(&api.nodes, at, fault.kind) };
        let Some(node) = api.node(id) else {
            // A Node object that comes back does so with a new kubelet process.
            let restarts = [FaultKind::PowerOn, FaultKind::KubeletRestart, FaultKind::KubeletCrash];
            return restarts.contains(&fault.kind) && self.sights(id, at).next().is_some();
        };
        let boots = self.boots(at, api, bound, id);
        let next = self.next(id, node, at, bound).map(|(.., sight)| sight.ready);
        let blind = self.is_blind(at);
        let lost = blind || matches!(next, Some(None | Some(NodeReady::Unknown)));
        let told = matches!(next, Some(None | Some(NodeReady::False)));
        let back = blind || matches!(next, Some(Some(NodeReady::True)));
        let unknown = matches!(next, Some(Some(NodeReady::Unknown)));
        let early = node.ready == NodeReady::True && unknown;
        match fault.kind {
            FaultKind::PowerOff => boots != Some(false) && (lost || boots == Some(true)),
            FaultKind::Partition | FaultKind::KubeletCrash | FaultKind::SlowHeartbeat => {
                lost && boots != Some(true)
            }
            // What is still to be seen lost has not come back yet.
            FaultKind::PowerOn => !early && (boots == Some(true) || back),
            FaultKind::Heal | FaultKind::KubeletRestart => {
                blind || next.is_some() && node.ready != NodeReady::True
            }
            FaultKind::PowerOnNoNetwork => told && !early,
            FaultKind::RuntimeCrash => told && node.ready == NodeReady::True,
            FaultKind::RuntimeRestart | FaultKind::NetworkConfigured => back,
            FaultKind::Cordon | FaultKind::Uncordon => {
                let mut seen = self.sights(id, at).filter_map(|sight| sight.unschedulable);
                seen.next().is_some_and(|now| now != node.unschedulable)
            }
            FaultKind::OutOfService | FaultKind::BackInService => {
                let next = self.sights(id, at).find_map(|sight| sight.taints);
                let by_people = operator::out_of_service(config);
                by_people.zip(next).is_some_and(|(taint, next)| {
                    next.contains(taint) == (fault.kind == FaultKind::OutOfService)
                })
            }
            _ => false,
        }
    }

    /// Whether the next thing that tells says that a node is rebooted: its boot id, or what becomes
    /// of the addresses of its pods.
    fn boots(&self, at: &Position, api: &ApiServer, bound: &Bindings, id: NodeId) -> Option<bool> {
        let known = |boot| bound.boots.iter().any(|(node, _, b)| *node == id.0 && *b == boot);
        let (unknown, up) = (Some(NodeReady::Unknown), Some(NodeReady::True));
        // The boot before the next loss says nothing of the one after it.
        let loss = api.node(id).and_then(|node| self.next(id, node, at, bound));
        let from = loss.map_or(0, |(_, number, _)| *number);
        let sights = rest(&self.nodes[id.0 as usize], at).iter();
        let mut sights = sights.filter(|(_, number, s)| *number >= from && s.ready != unknown);
        let by_boot = sights.find_map(|(.., sight)| sight.boot).map(|boot| !known(boot));
        let pods = api.pods.iter().filter(|pod| pod.node == Some(id) && pod.status.ip.is_some());
        // That an address stays tells something of a node only once it is back, or of its pod.
        let mut later = self.sights(id, at).skip_while(|s| s.ready == up);
        let back = later.any(|sight| sight.ready == up);
        let losses = pods.filter_map(|pod| self.loses_address(at, bound, pod));
        by_boot.or_else(|| {
            losses.filter(|(lost, told)| *lost || *told || back).map(|(lost, _)| lost).max()
        })
    }

    /// Whether a pod that has an address is next seen without it, or with another, and whether its
    /// kubelet is seen to tell so, or that it stays; none if it is not seen changing at all.
    fn loses_address(&self, at: &Position, bound: &Bindings, pod: &Pod) -> Option<(bool, bool)> {
        if self.tables && pod.name.slot().is_none() {
            // The next pod of the name has another address anyway.
            return None;
        }
        let uid = bound.uid(pod.uid.0)?;
        let known =
            |ip| bound.ips.iter().any(|(u, n, i)| (*u, *i, Some(*n)) == (uid, ip, pod.status.ip));
        let seen = rest(self.addresses.get(&uid)?, at).iter().map(|(.., address)| *address);
        let last = seen.clone().next_back()?.ip;
        let lost = seen.clone().any(|seen| seen.ip.is_none()) || last.is_some_and(|ip| !known(ip));
        // Others say only that it is not ready.
        let mut again = seen.skip_while(|seen| seen.ready != Some(false));
        Some((lost, again.any(|seen| seen.ready == Some(true))))
    }

    /// Whether a person deletes a pod: it is seen Terminating, and no controller says why.
    fn suggest_deletion(
        &self,
        config: &ClusterConfig,
        at: &Position,
        (bound, pod): (&Bindings, &Pod),
        kind: FaultKind,
    ) -> bool {
        let grace = pod.deletion.map(|grace| grace.0);
        let seen = bound.uid(pod.uid.0).and_then(|uid| self.going.get(&uid));
        let mut seen = seen.into_iter().flat_map(|seen| rest(seen, at)).map(|(.., going)| going);
        let Some(next) = seen.find(|going| going.grace != grace) else { return false };
        let wanted = match kind {
            FaultKind::ForceDeletePod => 0,
            FaultKind::DeletePodNow => 1,
            _ => config.template(pod.template).grace.0,
        };
        next.grace == Some(wanted) && (next.unexplained || wanted == 0)
    }

    /// A restarted controller manager shows in a dead node that loses its NoExecute taint (NLC-1).
    fn suggest_manager(&self, nodes: &[Node], at: &Position, kind: FaultKind) -> bool {
        if kind == FaultKind::ControllerManagerRestart {
            return true;
        }
        nodes.iter().any(|node| {
            let next = self.sights(node.id, at).next();
            let had = node.taints.intersection(CONDITION_NO_EXECUTE);
            next.is_some_and(|next| {
                next.ready == Some(node.ready)
                    && node.ready != NodeReady::True
                    && next.taints.is_some_and(|taints| {
                        !had.is_empty() && had.intersection(taints).is_empty()
                    })
            })
        })
    }
}
