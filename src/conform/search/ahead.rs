//! What is to come: a request that has been sent will be served, an eviction that has begun marks its
//! pod, and what is written then will be seen. All of it happens before time passes, which the log
//! shows where a node is lost next. So a run is on the right way as long as the log shows soon what is
//! to come, and on a wrong one if it does not. Like all guesses, this one orders the search and decides
//! nothing.

use std::collections::HashMap;

use models::api_server::ApiServer;
use models::config::PROMPT;
use models::ids::{NodeId, NodeSet, Seconds};
use models::objects::{DisruptionReason, NodeReady, Owner, Pod, PodReady};
use models::requests::Request;

use crate::conform::facts::{Bindings, Facts, NodeFacts, PodFacts, Symbol};
use crate::conform::history::{Expected, History, Position};
use crate::conform::open::EVENT;
use crate::conform::record::Change;
use crate::engine::star::StarSystem;
use crate::scenario::cluster::{Cluster, ClusterState};

/// How many events after the next one a request may be served.
const AHEAD: u32 = 12;

/// How many events of its object come before what a request writes, at most.
const OF_OBJECT: usize = 3;

/// What a request costs that is served after one that can be sent only when it has been served.
const OUT_OF_TURN: i64 = 2 * EVENT;

/// What a write costs that is to come though it is not seen.
const UNSEEN: i64 = 32 * EVENT;

/// The same if it may come too late to write anything.
const MAY_BE_LATE: i64 = EVENT / 2;

/// What an event is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Pod(Symbol),
    Node(u8),
    ReplicaSet(u8),
    Deployment(u8),
    StatefulSet(u8),
    DaemonSet(u8),
    Job(u8),
}

/// When a write is seen, in events from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// It changes nothing, or nobody can tell.
    Unknown,
    /// After so many events.
    After {
        /// How many.
        events: u32,
        /// None of them is of its object.
        first: bool,
    },
    /// Not at all, unless it comes too late to write anything.
    TooLate,
    /// Not at all.
    Never,
}

/// The events of each object.
pub(super) struct Ahead<'a> {
    history: &'a History,
    /// Their numbers, by object.
    of: HashMap<Of, Vec<u32>>,
    /// Where nodes are lost: the numbers of the events.
    losses: Vec<(u32, NodeId)>,
}

/// What is ahead of a state.
struct View<'a> {
    ahead: &'a Ahead<'a>,
    api: &'a ApiServer,
    bound: &'a Bindings,
    /// The number of the next event.
    next: u32,
    /// The number of the event before which time must pass.
    pause: u32,
}

impl<'a> Ahead<'a> {
    /// What a history shows; nothing for tables, which do not show what they are of.
    pub(super) fn of(history: &'a History) -> Self {
        let mut ahead = Ahead { history, of: HashMap::new(), losses: Vec::new() };
        let [stream] = history.streams.as_slice() else { return ahead };
        let mut lost = NodeSet::EMPTY;
        for (entry, number) in stream.entries.iter().zip(0..) {
            let Expected::Event(_, facts) = &entry.expected else { continue };
            let of = match facts {
                Facts::Pod(facts) => Of::Pod(facts.uid),
                Facts::Node(facts) => Of::Node(facts.node.0),
                Facts::ReplicaSet(id, _) => Of::ReplicaSet(id.0),
                Facts::Deployment(id, _) => Of::Deployment(id.0),
                Facts::StatefulSet(id, _) => Of::StatefulSet(id.0),
                Facts::DaemonSet(id, _) => Of::DaemonSet(id.0),
                Facts::Job(id, _) => Of::Job(id.0),
            };
            ahead.of.entry(of).or_default().push(number);
            if let Facts::Node(facts) = facts {
                if facts.ready != NodeReady::Unknown {
                    lost.remove(facts.node);
                } else if lost.insert(facts.node) {
                    ahead.losses.push((number, facts.node));
                }
            }
        }
        ahead
    }

    fn view(
        &'a self,
        system: &'a StarSystem<Cluster>,
        at: &Position,
        state: &'a ClusterState,
        bound: &'a Bindings,
    ) -> View<'a> {
        let (view, next) = (system.0.view(state), at.seen[0]);
        let silent = view.environment().silent;
        let from = self.losses.partition_point(|(number, _)| *number < next);
        let pause = self.losses[from..].iter().find(|(_, node)| !silent.contains(*node));
        // What is on its way when the log ends may come after it.
        let at_once = system.0.config.settings.node_monitor_grace_period < PROMPT;
        let pause = pause.filter(|_| !at_once).map_or(u32::MAX, |(number, _)| *number);
        View { ahead: self, api: view.api(), bound, next, pause }
    }

    /// What it costs that something is to come of which nothing is seen in time.
    pub(super) fn debts(
        &self,
        system: &StarSystem<Cluster>,
        at: &Position,
        (state, bound): (&ClusterState, &Bindings),
    ) -> i64 {
        if self.of.is_empty() {
            return 0;
        }
        let view = self.view(system, at, state, bound);
        let manager = system.0.view(state).controller_manager();
        let sent = state.processes().flat_map(|process| &state.outbox(process).live);
        let sent = sent.map(|sent| {
            let sight = view.request(&sent.request);
            let out_of_turn = view.is_out_of_turn(sight, &sent.request);
            self.cost(&view, sight) + if out_of_turn { OUT_OF_TURN } else { 0 }
        });
        let begun = manager.taint_eviction.workers.iter().map(|worker| {
            let is = |pod: &Pod| pod.uid == worker.cause.uid && pod.disruption_target.is_none();
            let disruption_target = Some(DisruptionReason::DeletionByTaintManager);
            view.pod(is, |pod| Pod { disruption_target, ..*pod })
        });
        let marked = manager.node_lifecycle.marking.minus(manager.node_lifecycle.marking_sent);
        let marked = marked.iter().map(|uid| view.pod(|pod| pod.uid == uid, not_ready));
        // Where a pod of a DaemonSet is bound is decided when it is made.
        let unbound = view.api.pods.iter().filter(|pod| pod.node.is_none());
        let made_for = unbound.filter_map(|pod| match pod.owner {
            Owner::DaemonSet(_, node) => Some((pod.uid, node)),
            _ => None,
        });
        let made_for = made_for.map(|(uid, node)| {
            view.pod(|pod| pod.uid == uid, |pod| Pod { node: Some(node), ..*pod })
        });
        let others = begun.chain(marked).chain(made_for);
        sent.sum::<i64>() + others.map(|sight| self.cost(&view, sight)).sum::<i64>()
    }

    /// Whether what comes next needs time to pass first.
    pub(super) fn waits(
        &self,
        system: &StarSystem<Cluster>,
        at: &Position,
        (state, bound): (&ClusterState, &Bindings),
    ) -> bool {
        !self.of.is_empty() && self.view(system, at, state, bound).pause == at.seen[0]
    }

    fn cost(&self, view: &View, sight: Sight) -> i64 {
        match sight {
            Sight::Unknown => 0,
            Sight::After { events, .. } => i64::from(events.saturating_sub(AHEAD)).min(4 * EVENT),
            Sight::TooLate => MAY_BE_LATE,
            Sight::Never => {
                let rest = self.history.length() - view.next;
                (i64::from(rest.saturating_sub(AHEAD)) * EVENT).min(UNSEEN)
            }
        }
    }

    /// Whether a step has sent something that is soon seen; `next` if nothing else may be seen of its
    /// object before.
    pub(super) fn prepares(
        &self,
        system: &StarSystem<Cluster>,
        at: &Position,
        (before, after): (&ClusterState, &ClusterState),
        (bound, next): (&Bindings, bool),
    ) -> bool {
        let view = self.view(system, at, before, bound);
        before.processes().any(|process| {
            let (before, after) = (&before.outbox(process).live, &after.outbox(process).live);
            let mut new = after.iter().filter(|sent| !before.contains(sent));
            after.len() > before.len()
                && new.any(|sent| match view.request(&sent.request) {
                    Sight::After { events, first } => events < AHEAD && (first || !next),
                    _ => false,
                })
        })
    }
}

impl View<'_> {
    /// When the log shows what a request writes.
    fn request(&self, request: &Request) -> Sight {
        let api = self.api;
        match request {
            Request::PatchPodStatus { name, uid, seen, status, disruption } => self.pod(
                |pod| pod.name == *name && pod.uid == *uid,
                |pod| Pod {
                    status: pod.status.patched(seen, status),
                    disruption_target: disruption.or(pod.disruption_target),
                    ..*pod
                },
            ),
            Request::PutPodNotReady { seen } => self.pod(|pod| pod == seen, not_ready),
            Request::PatchPodDisruption { name, uid, reason } => {
                let is = |pod: &Pod| pod.name == *name && uid.is_none_or(|uid| pod.uid == uid);
                self.pod(is, |pod| Pod { disruption_target: Some(*reason), ..*pod })
            }
            Request::BindPod { name, uid, node } => {
                let is = |pod: &Pod| pod.name == *name && pod.uid == *uid && pod.node.is_none();
                self.pod(is, |pod| Pod { node: Some(*node), ..*pod })
            }
            // A kubelet's last word.
            Request::DeletePod { name, uid: Some(uid), grace: Some(Seconds(0)) } => {
                let is = |pod: &Pod| pod.name == *name && pod.uid == *uid;
                self.pod(is, |pod| Pod { deletion: Some(Seconds(0)), ..*pod })
            }
            Request::PutNodeUnknown { seen } => match api.node(seen.id) {
                Some(stored) if stored == seen && stored.ready != NodeReady::Unknown => {
                    self.node(seen.id, |facts| facts.ready == NodeReady::Unknown)
                }
                _ => Sight::Unknown,
            },
            Request::PatchNodeTaints { node, add, remove, .. } => {
                let Some(stored) = api.node(*node) else { return Sight::Unknown };
                let after = stored.taints.union(*add).minus(*remove);
                if after == stored.taints {
                    return Sight::Unknown;
                }
                let changed = add.union(*remove);
                let wanted = after.intersection(changed);
                self.node(*node, |facts| facts.taints.intersection(changed) == wanted)
            }
            Request::PatchNodeStatus { node, ready, .. } => match api.node(*node) {
                Some(stored) if stored.ready != *ready => {
                    self.node(*node, |facts| facts.ready == *ready)
                }
                _ => Sight::Unknown,
            },
            Request::PutReplicaSetStatus { seen, status } => {
                if api.replica_set(seen.id) != Some(seen) || seen.status == *status {
                    return Sight::Unknown;
                }
                self.see(
                    Of::ReplicaSet(seen.id.0),
                    |facts| matches!(facts, Facts::ReplicaSet(_, facts) if facts.status == *status),
                )
            }
            Request::PutDeploymentStatus { seen, status } => {
                if api.deployment(seen.id) != Some(seen) || seen.status == *status {
                    return Sight::Unknown;
                }
                self.see(
                    Of::Deployment(seen.id.0),
                    |facts| matches!(facts, Facts::Deployment(_, facts) if facts.status == *status),
                )
            }
            Request::PutStatefulSetStatus { id, seen, status } => {
                let stored = api.stateful_set(*id).map(|set| set.status);
                if stored != Some(*seen) || seen == status {
                    return Sight::Unknown;
                }
                self.see(
                    Of::StatefulSet(id.0),
                    |facts| matches!(facts, Facts::StatefulSet(_, facts) if facts == status),
                )
            }
            Request::PutDaemonSetStatus { id, seen, status } => {
                let stored = api.daemon_set(*id).map(|set| set.status);
                if stored != Some(*seen) || seen == status {
                    return Sight::Unknown;
                }
                self.see(
                    Of::DaemonSet(id.0),
                    |facts| matches!(facts, Facts::DaemonSet(_, facts) if facts == status),
                )
            }
            _ => Sight::Unknown,
        }
    }

    /// Whether the log shows another write of the kubelet that has sent a request before that request
    /// is served: it sends the next when it has the answer.
    fn is_out_of_turn(&self, sight: Sight, request: &Request) -> bool {
        let (Request::PatchPodStatus { uid, .. } | Request::DeletePod { uid: Some(uid), .. }) =
            request
        else {
            return false;
        };
        let Sight::After { events, .. } = sight else { return false };
        let stored =
            |uid: Symbol| self.api.pods.iter().find(|pod| self.bound.uid(pod.uid.0) == Some(uid));
        let Some(pod) = self.api.pods.iter().find(|pod| pod.uid == *uid) else { return false };
        let entries = &self.ahead.history.streams[0].entries[self.next as usize..];
        entries.iter().take(events as usize).any(|entry| match &entry.expected {
            Expected::Event(Change::Modified, Facts::Pod(facts)) if facts.node == pod.node => {
                stored(facts.uid).is_some_and(|other| {
                    other.uid != pod.uid
                        && (other.status.container != facts.container
                            || (facts.deletion == Some(0) && other.deletion != Some(Seconds(0))))
                })
            }
            _ => false,
        })
    }

    /// When a pod is seen as a write leaves it, as far as the write changes it.
    fn pod(&self, is: impl Fn(&Pod) -> bool, write: impl Fn(&Pod) -> Pod) -> Sight {
        let Some(stored) = self.api.pods.iter().find(|pod| is(pod)) else { return Sight::Unknown };
        let after = write(stored);
        if after == *stored {
            return Sight::Unknown;
        }
        let Some(uid) = self.bound.uid(stored.uid.0) else { return Sight::Unknown };
        self.see(
            Of::Pod(uid),
            |facts| matches!(facts, Facts::Pod(facts) if shows(stored, &after, facts)),
        )
    }

    fn node(&self, node: NodeId, shows: impl Fn(&NodeFacts) -> bool) -> Sight {
        self.see(Of::Node(node.0), |facts| matches!(facts, Facts::Node(facts) if shows(facts)))
    }

    /// When the next event of an object comes that shows something.
    fn see(&self, of: Of, shows: impl Fn(&Facts) -> bool) -> Sight {
        let Some(numbers) = self.ahead.of.get(&of) else { return Sight::Never };
        let from = numbers.partition_point(|number| *number < self.next);
        let in_time = numbers[from..].iter().take(OF_OBJECT).filter(|at| **at < self.pause);
        let entries = &self.ahead.history.streams[0].entries;
        let mut late = false;
        for (number, nth) in in_time.zip(0..) {
            let Expected::Event(change, facts) = &entries[*number as usize].expected else {
                continue;
            };
            if shows(facts) {
                return Sight::After { events: number - self.next, first: nth == 0 };
            }
            // The removal of a pod keeps writes from changing it; of others, any write, since theirs
            // are guarded by a version.
            late |= *change == Change::Deleted || !matches!(facts, Facts::Pod(_));
        }
        if late { Sight::TooLate } else { Sight::Never }
    }
}

fn not_ready(pod: &Pod) -> Pod {
    let mut pod = *pod;
    if pod.status.ready.is_true() {
        pod.status.ready = PodReady::False;
    }
    pod
}

/// Whether facts of a pod are those after a write, as far as the write changes them.
fn shows(before: &Pod, after: &Pod, facts: &PodFacts) -> bool {
    let (was, is) = (&before.status, &after.status);
    let ready = match is.ready {
        PodReady::Absent => None,
        PodReady::False => Some(false),
        PodReady::True { .. } => Some(true),
    };
    (was.phase == is.phase || is.phase == facts.phase)
        && (was.container == is.container || is.container == facts.container)
        && (was.reason == is.reason || is.reason == facts.reason)
        && (was.ready.is_true() == is.ready.is_true() || ready == facts.ready)
        && (was.restart_count == is.restart_count || is.restart_count == facts.restarts)
        && (before.disruption_target == after.disruption_target
            || after.disruption_target == facts.disruption)
        && (before.node == after.node || after.node == facts.node)
        && (before.deletion == after.deletion
            || after.deletion.map(|grace| grace.0) == facts.deletion)
}
