//! Which faults the rest of a history suggests. Hints order the search; they never decide it.

use models::api_server::ApiServer;
use models::config::{CONDITION_NO_EXECUTE, ClusterConfig};
use models::faults::FaultKind;
use models::ids::{NodeId, TaintSet};
use models::objects::{Node, NodeReady, Pod};
use models::operator;

use crate::conform::facts::{Bindings, Facts, Symbol};
use crate::conform::history::{Expected, History, Position};
use crate::conform::rows::Kind;
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
    uid: Symbol,
    /// The grace period of a Terminating pod.
    grace: Option<u32>,
    /// Nobody says why it goes: no eviction, no end of its containers.
    unexplained: bool,
}

/// What is seen of each node from some position on.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    sights: Vec<Vec<Sight>>,
    /// The addresses of pods, as they are seen.
    addresses: Vec<(Symbol, Option<Symbol>)>,
    /// Pods, as they are seen to go.
    going: Vec<Going>,
    /// Nodes are not watched: any fault may be what is behind the rest.
    blind: bool,
}

/// How far ahead hints are taken from.
const AHEAD: usize = 40;

impl Hints {
    /// What the history shows from a position on.
    pub fn at(history: &History, position: &Position) -> Self {
        let mut sights = vec![Vec::new(); history.config.nodes.len()];
        let (mut addresses, mut going) = (Vec::new(), Vec::new());
        let mut watched = false;
        for (stream, &from) in history.streams.iter().zip(&position.seen) {
            for entry in stream.entries.iter().skip(from as usize).take(AHEAD) {
                match &entry.expected {
                    Expected::Event(_, Facts::Node(node)) => {
                        sights[node.node.0 as usize].push(Sight {
                            ready: Some(node.ready),
                            taints: Some(node.taints),
                            unschedulable: Some(node.unschedulable),
                            boot: Some(node.boot),
                        });
                    }
                    Expected::Row(row) if row.kind == Kind::Nodes => {
                        watched = true;
                        let names = &history.bound.nodes;
                        let ready = row.cells[0].as_deref().is_some_and(|status| status == "Ready");
                        if let Some(at) = names.iter().position(|name| *name == row.name) {
                            let ready = ready.then_some(NodeReady::True);
                            sights[at].push(Sight {
                                ready,
                                taints: None,
                                unschedulable: None,
                                boot: None,
                            });
                        }
                    }
                    Expected::Event(_, facts) => {
                        watched = true;
                        if let Facts::Pod(pod) = facts {
                            addresses.push((pod.uid, pod.ip));
                            going.push(Going {
                                uid: pod.uid,
                                grace: pod.deletion,
                                unexplained: pod.disruption.is_none() && !pod.phase.is_terminal(),
                            });
                        }
                    }
                    Expected::Row(row) => addresses.extend(row.ip.map(|ip| (row.name, ip))),
                }
            }
        }
        Hints { sights, addresses, going, blind: !watched }
    }

    /// Whether the rest of the history suggests a fault now.
    pub fn suggest(
        &self,
        config: &ClusterConfig,
        api: &ApiServer,
        bound: &Bindings,
        fault: &Fault,
    ) -> bool {
        if let Some(pod) = fault.pod.and_then(|uid| api.pod(uid)) {
            return self.suggest_deletion(config, bound, pod, fault.kind);
        }
        if fault.kind.is_by_operator() {
            // It shows at once, or is not what was seen.
            return true;
        }
        let Some(id) = fault.node else { return self.suggest_manager(&api.nodes, fault.kind) };
        let Some(node) = api.node(id) else {
            // A Node object that comes back does so with a new kubelet process.
            let restarts = [FaultKind::PowerOn, FaultKind::KubeletRestart, FaultKind::KubeletCrash];
            return restarts.contains(&fault.kind) && !self.sights[id.0 as usize].is_empty();
        };
        let mut sights = self.sights[id.0 as usize].iter();
        let boots = self.boots(api, bound, id);
        let next = sights.find(|sight| sight.ready != Some(node.ready)).map(|sight| sight.ready);
        let lost = self.blind || matches!(next, Some(None | Some(NodeReady::Unknown)));
        let told = matches!(next, Some(None | Some(NodeReady::False)));
        let back = self.blind || matches!(next, Some(Some(NodeReady::True)));
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
                self.blind || next.is_some() && node.ready != NodeReady::True
            }
            FaultKind::PowerOnNoNetwork => told && !early,
            FaultKind::RuntimeCrash => told && node.ready == NodeReady::True,
            FaultKind::RuntimeRestart | FaultKind::NetworkConfigured => back,
            FaultKind::Cordon | FaultKind::Uncordon => {
                let seen = self.sights[id.0 as usize].iter().filter_map(|s| s.unschedulable);
                seen.clone().next().is_some_and(|now| now != node.unschedulable)
            }
            FaultKind::OutOfService | FaultKind::BackInService => {
                let next = self.sights[id.0 as usize].iter().find_map(|sight| sight.taints);
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
    fn boots(&self, api: &ApiServer, bound: &Bindings, id: NodeId) -> Option<bool> {
        let known = |boot| bound.boots.iter().any(|(node, _, b)| *node == id.0 && *b == boot);
        let (unknown, up) = (Some(NodeReady::Unknown), Some(NodeReady::True));
        let mut sights = self.sights[id.0 as usize].iter().filter(|sight| sight.ready != unknown);
        let by_boot = sights.find_map(|sight| sight.boot).map(|boot| !known(boot));
        let pods = api.pods.iter().filter(|pod| pod.node == Some(id) && pod.status.ip.is_some());
        // That an address stays tells something of a node only once it is back.
        let mut later = self.sights[id.0 as usize].iter().skip_while(|s| s.ready == up);
        let back = later.any(|sight| sight.ready == up);
        let losses = pods.filter_map(|pod| self.loses_address(bound, pod));
        by_boot.or_else(|| losses.filter(|lost| *lost || back).max())
    }

    /// Whether a pod that has an address is next seen without it, or with another; none if it is
    /// not seen changing at all.
    fn loses_address(&self, bound: &Bindings, pod: &Pod) -> Option<bool> {
        let uid = bound.uid(pod.uid.0)?;
        let known =
            |ip| bound.ips.iter().any(|(u, n, i)| (*u, *i, Some(*n)) == (uid, ip, pod.status.ip));
        let mut seen = self.addresses.iter().filter(|(of, _)| *of == uid).map(|(_, ip)| *ip);
        let last = seen.clone().next_back()?;
        Some(seen.any(|ip| ip.is_none()) || last.is_some_and(|ip| !known(ip)))
    }

    /// Whether a person deletes a pod: it is seen Terminating, and no controller says why.
    fn suggest_deletion(
        &self,
        config: &ClusterConfig,
        bound: &Bindings,
        pod: &Pod,
        kind: FaultKind,
    ) -> bool {
        let grace = pod.deletion.map(|grace| grace.0);
        let uid = bound.uid(pod.uid.0);
        let mut seen = self.going.iter().filter(|going| Some(going.uid) == uid);
        let Some(next) = seen.find(|going| going.grace != grace) else { return false };
        let wanted = match kind {
            FaultKind::ForceDeletePod => 0,
            FaultKind::DeletePodNow => 1,
            _ => config.template(pod.template).grace.0,
        };
        next.grace == Some(wanted) && (next.unexplained || wanted == 0)
    }

    /// A restarted controller manager shows in a dead node that loses its NoExecute taint (NLC-1).
    fn suggest_manager(&self, nodes: &[Node], kind: FaultKind) -> bool {
        if kind == FaultKind::ControllerManagerRestart {
            return true;
        }
        nodes.iter().any(|node| {
            let next = self.sights[node.id.0 as usize].first();
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
