//! The DaemonSet controller (DS-1 … DS-3): a pod on each node that is to have one.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go`. A pod names its node in an affinity and
//! is bound by the scheduler; a sync that would change nothing is no step. Left out: rollouts,
//! `maxSurge`, `minReadySeconds`, adoption, failing creations, the second try of a status write
//! (the next sync writes the same).

use crate::config::{ClusterConfig, Effect};
use crate::effects::Effects;
use crate::ids::{DaemonSetId, NodeId, NodeSet, PodName, PodSet, PodUid, TaintSet, TemplateId};
use crate::informer_cache::InformerCache;
use crate::objects::{DaemonSetStatus, EventType, Owner, Phase, Pod};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// A sync that waits for answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaemonSync {
    /// Nodes whose pods are still to be created.
    pub to_create: NodeSet,
    /// A creation has not been answered.
    pub creating: bool,
    /// Pods to be deleted when all are created.
    pub to_delete: Vec<PodUid>,
    /// Pods whose DELETE has not been answered.
    pub deleting: PodSet,
}

/// The controller's memory of one DaemonSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaemonKey {
    /// Creations not yet observed.
    pub expected_creations: u8,
    /// Deletions not yet observed: any pod of the DaemonSet that is seen to go counts.
    pub expected_deletions: u8,
    /// The sync under way.
    pub sync: Option<DaemonSync>,
    /// DS-3: a status write is on its way.
    pub writing_status: bool,
    /// 1.36 and later: the cache does not show this process's own status write yet.
    pub unseen_status: bool,
    /// DS-2: nodes on which a Failed pod was deleted; the next one there has to wait.
    pub backoff: NodeSet,
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaemonSetController {
    /// By DaemonSet.
    pub keys: Vec<DaemonKey>,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DaemonSetStep {
    /// DS-2, DS-3.
    Sync(DaemonSetId),
    /// The next of the pods that a sync creates: they are sent in no certain order.
    Create(DaemonSetId, NodeId),
    /// DS-3: the end of a sync that created or deleted something: not all of that need have been
    /// seen by then.
    Finish(DaemonSetId),
    /// DS-2: the back-off of a node is over, and a Failed pod waits there.
    BackoffOver(DaemonSetId, NodeId),
}

/// Whether a node is to get a pod, and whether it is to keep one: a pod that does not tolerate a
/// NoSchedule taint stays where it is.
pub fn eligible(
    config: &ClusterConfig,
    template: TemplateId,
    node: NodeId,
    taints: TaintSet,
) -> (bool, bool) {
    let spec = config.template(template);
    if !spec.selected.contains(node) || spec.node_name.is_some_and(|name| name != node) {
        return (false, false);
    }
    let fits = |effect| config.untolerated(template, config.with_effect(taints, effect)).is_empty();
    let stays = fits(Effect::NoExecute);
    (stays && fits(Effect::NoSchedule), stays)
}

/// DS-2: whether a stored pod is in the way of another on its node. One that is Terminating is,
/// until it is terminal too.
pub fn counts(pod: &Pod) -> bool {
    !(pod.is_terminating() && pod.status.phase.is_terminal())
}

/// What a sync is to do.
#[derive(Default)]
struct Plan {
    create: NodeSet,
    delete: Vec<PodUid>,
    /// Nodes with a Failed pod that is deleted.
    failed: NodeSet,
    /// Nodes with a Failed pod that waits for the back-off.
    waiting: NodeSet,
}

impl DaemonSetController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        DaemonSetController { keys: vec![DaemonKey::default(); config.daemon_sets.len()] }
    }

    /// Uids that the controller names.
    pub fn mentions(&self) -> PodSet {
        let syncs = self.keys.iter().filter_map(|key| key.sync.as_ref());
        syncs.fold(PodSet::EMPTY, |all, sync| {
            all.union(sync.deleting).union(sync.to_delete.iter().copied().collect())
        })
    }

    /// The steps that the controller can take.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        out: &mut Vec<DaemonSetStep>,
    ) {
        for (key, id) in self.keys.iter().zip((0..).map(DaemonSetId)) {
            if let Some(sync) = &key.sync {
                let next = sync.to_create.iter().filter(|_| !sync.creating);
                out.extend(next.map(|node| DaemonSetStep::Create(id, node)));
                out.extend(sync.is_answered().then_some(DaemonSetStep::Finish(id)));
                continue;
            }
            let Some(set) = cache.daemon_set(id) else { continue };
            let plan = plan(config, cache, id, key.backoff);
            let works = key.fulfilled() && !(plan.create.is_empty() && plan.delete.is_empty());
            if key.may_sync(config) && (works || status(config, cache, id) != set.status) {
                out.push(DaemonSetStep::Sync(id));
            }
            out.extend(plan.waiting.iter().map(|node| DaemonSetStep::BackoffOver(id, node)));
        }
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: DaemonSetStep,
        fx: &mut Effects,
    ) {
        match step {
            DaemonSetStep::Sync(id) => self.sync(config, cache, id, fx),
            DaemonSetStep::Create(id, node) => {
                fx.rule(Rule::Ds2);
                if let Some(sync) = &mut self.keys[id.0 as usize].sync {
                    sync.create(config, id, node, fx);
                }
            }
            DaemonSetStep::Finish(id) => {
                fx.rule(Rule::Ds3);
                self.finish(config, cache, id, fx);
            }
            DaemonSetStep::BackoffOver(id, node) => {
                fx.rule(Rule::Ds2);
                self.keys[id.0 as usize].backoff.remove(node);
            }
        }
    }

    fn sync(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: DaemonSetId,
        fx: &mut Effects,
    ) {
        fx.rule(Rule::Ds2);
        let key = &mut self.keys[id.0 as usize];
        let mut sync = DaemonSync::default();
        if key.fulfilled() {
            let plan = plan(config, cache, id, key.backoff);
            key.expected_creations = plan.create.len() as u8;
            key.expected_deletions = plan.delete.len() as u8;
            key.backoff = key.backoff.union(plan.failed);
            sync.to_create = plan.create;
            sync.to_delete = plan.delete;
            // One alone has no order.
            if let (1, Some(node)) = (plan.create.len(), plan.create.iter().next()) {
                sync.create(config, id, node, fx);
            }
        }
        let idle = sync.is_answered();
        key.sync = Some(sync);
        if idle {
            self.finish(config, cache, id, fx);
        } else {
            self.go_on(config, id, fx);
        }
    }

    /// Deletions follow creations.
    fn go_on(&mut self, config: &ClusterConfig, id: DaemonSetId, fx: &mut Effects) {
        let key = &mut self.keys[id.0 as usize];
        let Some(sync) = &mut key.sync else { return };
        if sync.creating || !sync.to_create.is_empty() {
            return;
        }
        for uid in std::mem::take(&mut sync.to_delete) {
            fx.rule(Rule::Ds2);
            sync.deleting.insert(uid);
            let name = PodName::generated(uid);
            fx.send(Request::DeletePod { name, uid: None, grace: None });
        }
        if sync.is_answered() && !config.workload_status {
            key.sync = None;
        }
    }

    /// DS-3: the end of a sync; its status is that of the cache as it is then.
    fn finish(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        id: DaemonSetId,
        fx: &mut Effects,
    ) {
        let key = &mut self.keys[id.0 as usize];
        key.sync = None;
        let Some(seen) = cache.daemon_set(id).map(|set| set.status) else { return };
        let status = status(config, cache, id);
        if status != seen {
            fx.rule(Rule::Ds3);
            key.writing_status = true;
            fx.send(Request::PutDaemonSetStatus { id, seen, status });
        }
    }

    /// The answer to a request.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let id = match *request {
            Request::PutDaemonSetStatus { id, status, .. } => {
                let key = &mut self.keys[id.0 as usize];
                let is_seen = cache.daemon_set(id).is_none_or(|set| set.status == status);
                key.writing_status = false;
                key.unseen_status = *reply == Reply::Done && !is_seen;
                return;
            }
            Request::CreatePod { owner: Owner::DaemonSet(id, _), .. } => {
                if let Some(sync) = &mut self.keys[id.0 as usize].sync {
                    sync.creating = false;
                }
                id
            }
            Request::DeletePod { name, .. } => {
                let Some(uid) = name.slot() else { return };
                let deletes = |key: &DaemonKey| {
                    key.sync.as_ref().is_some_and(|sync| sync.deleting.contains(uid))
                };
                let Some(at) = self.keys.iter().position(deletes) else { return };
                let key = &mut self.keys[at];
                if let Some(sync) = &mut key.sync {
                    sync.deleting.remove(uid);
                }
                if !matches!(reply, Reply::Pod(_)) {
                    key.expected_deletions = key.expected_deletions.saturating_sub(1);
                }
                DaemonSetId(at as u8)
            }
            _ => {
                fx.unhandled(
                    "the DaemonSet controller got an answer to a question that it never asks",
                );
                return;
            }
        };
        self.go_on(config, id, fx);
    }

    /// Expectations are met by what the watch shows.
    pub fn pod_changed(&mut self, kind: EventType, before: Option<&Pod>, pod: &Pod) {
        let Owner::DaemonSet(id, _) = pod.owner else { return };
        let key = &mut self.keys[id.0 as usize];
        if kind == EventType::Deleted || pod.is_terminating() {
            key.expected_deletions = key.expected_deletions.saturating_sub(1);
        } else if before.is_none() {
            key.expected_creations = key.expected_creations.saturating_sub(1);
        }
    }

    /// The cache shows that a DaemonSet is gone: nothing is expected of it any more.
    pub fn set_gone(&mut self, id: DaemonSetId) {
        let DaemonKey { sync, writing_status, .. } = self.keys[id.0 as usize].clone();
        self.keys[id.0 as usize] = DaemonKey { sync, writing_status, ..DaemonKey::default() };
    }

    /// 1.36 and later: the cache shows a DaemonSet as it was written.
    pub fn status_seen(&mut self, id: DaemonSetId) {
        self.keys[id.0 as usize].unseen_status = false;
    }
}

impl DaemonKey {
    /// Whether a sync may begin. 1.36 and later: not before the caches show this process's own
    /// writes (KEP-5647); before that, only creations and deletions waited.
    fn may_sync(&self, config: &ClusterConfig) -> bool {
        let reads_own_writes = config.version.daemon_set_reads_own_writes();
        let consistent = self.expected_creations == 0 && !self.unseen_status;
        self.sync.is_none() && !self.writing_status && (consistent || !reads_own_writes)
    }

    fn fulfilled(&self) -> bool {
        self.expected_creations == 0 && self.expected_deletions == 0
    }
}

impl DaemonSync {
    /// Whether nothing is on its way or still to be sent.
    fn is_answered(&self) -> bool {
        let sent = self.to_create.is_empty() && self.to_delete.is_empty();
        sent && !self.creating && self.deleting.is_empty()
    }

    fn create(&mut self, config: &ClusterConfig, id: DaemonSetId, node: NodeId, fx: &mut Effects) {
        self.to_create.remove(node);
        self.creating = true;
        let template = config.daemon_sets[id.0 as usize].template;
        fx.rule(Rule::Ds1);
        fx.send(Request::CreatePod { owner: Owner::DaemonSet(id, node), template, name: None });
    }
}

/// The pods for one node that count, bound ones first, then the oldest.
fn pods_for(cache: &InformerCache, id: DaemonSetId, node: NodeId) -> impl Iterator<Item = &Pod> {
    let here = move |pod: &&Pod| pod.owner == Owner::DaemonSet(id, node) && counts(pod);
    let bound = move |pod: &&Pod| here(pod) && pod.node.is_some();
    let unbound = move |pod: &&Pod| here(pod) && pod.node.is_none();
    cache.pods.iter().filter(bound).chain(cache.pods.iter().filter(unbound))
}

/// DS-2: what is missing, and what is too much; nothing if the DaemonSet is being deleted.
fn plan(config: &ClusterConfig, cache: &InformerCache, id: DaemonSetId, backoff: NodeSet) -> Plan {
    let template = config.daemon_sets[id.0 as usize].template;
    let mut plan = Plan::default();
    if cache.daemon_set(id).is_none_or(|set| set.finalizer.is_some()) {
        return plan;
    }
    for node in &cache.nodes {
        let (runs, _) = eligible(config, template, node.id, node.taints);
        if runs && pods_for(cache, id, node.id).next().is_none() {
            plan.create.insert(node.id);
        }
    }
    for pod in cache.pods.iter().filter(|pod| !pod.is_terminating()) {
        let Owner::DaemonSet(_, on) = pod.owner else { continue };
        if pod.owner != Owner::DaemonSet(id, on) {
            continue;
        }
        let stays = match cache.node(on) {
            Some(node) => eligible(config, template, on, node.taints).1,
            // Pod GC takes care of those that are bound.
            None => pod.node.is_some(),
        };
        let surplus = match pod.status.phase {
            _ if !stays => true,
            Phase::Failed if backoff.contains(on) => {
                plan.waiting.insert(on);
                false
            }
            Phase::Failed => {
                plan.failed.insert(on);
                true
            }
            Phase::Succeeded if config.version.daemon_set_deletes_succeeded() => true,
            _ => pods_for(cache, id, on).find(|other| runs(config, other)) != Some(pod),
        };
        if surplus {
            plan.delete.push(pod.uid);
        }
    }
    plan
}

/// Whether a pod is one of which a node keeps the first.
fn runs(config: &ClusterConfig, pod: &Pod) -> bool {
    let ended = match pod.status.phase {
        Phase::Failed => true,
        Phase::Succeeded => config.version.daemon_set_deletes_succeeded(),
        _ => false,
    };
    !pod.is_terminating() && !ended
}

/// DS-3: the status that the cache asks for.
fn status(config: &ClusterConfig, cache: &InformerCache, id: DaemonSetId) -> DaemonSetStatus {
    let set = cache.daemon_set(id);
    if !config.workload_status || set.is_some_and(|set| set.finalizer.is_some()) {
        return set.map_or_else(DaemonSetStatus::default, |set| set.status);
    }
    status_of(config, cache, id)
}

/// DS-3: the counts of nodes that are to have a pod, and of those that have one.
pub fn status_of(
    config: &ClusterConfig,
    cache: &InformerCache,
    id: DaemonSetId,
) -> DaemonSetStatus {
    let template = config.daemon_sets[id.0 as usize].template;
    let mut status = DaemonSetStatus::default();
    for node in &cache.nodes {
        let first = pods_for(cache, id, node.id).next();
        if eligible(config, template, node.id, node.taints).0 {
            status.desired += 1;
            status.current += u8::from(first.is_some());
            status.ready += u8::from(first.is_some_and(|pod| pod.status.ready.is_true()));
        } else {
            status.misscheduled += u8::from(first.is_some());
        }
    }
    status
}
