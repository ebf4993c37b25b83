//! The Deployment controller (DP-1, DP-2): one ReplicaSet for each template, scaled against each
//! other, and the sums of their status.
//!
//! Upstream: `pkg/controller/deployment/{sync,rolling,recreate}.go`. A sync that would change
//! nothing is no step. Left out: `paused`, rollbacks, the progress deadline, the removal of old
//! ReplicaSets beyond `revisionHistoryLimit`, annotations of revisions.

use crate::config::{ClusterConfig, Strategy};
use crate::effects::Effects;
use crate::ids::{DeploymentId, ReplicaSetId};
use crate::informer_cache::InformerCache;
use crate::objects::{Deployment, DeploymentStatus, Owner, ReplicaSet, ReplicaSetStatus};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// The controller's memory of one Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentKey {
    /// A sync is under way: one of its requests has not been answered.
    pub busy: bool,
    /// What the sync has still to send, one after the other; meanwhile other controllers go on.
    pub rest: Vec<Request>,
}

/// The controller's memory, by Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentController {
    /// By Deployment.
    pub keys: Vec<DeploymentKey>,
}

/// A step of the controller on its own: a sync of one Deployment, or what comes next in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentStep(pub DeploymentId);

impl DeploymentController {
    /// The memory of a process that has just started.
    pub fn start(config: &ClusterConfig) -> Self {
        DeploymentController { keys: vec![DeploymentKey::default(); config.deployments.len()] }
    }

    /// The steps that the controller can take.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        out: &mut Vec<DeploymentStep>,
    ) {
        for (key, id) in self.keys.iter().zip((0..).map(DeploymentId)) {
            let has_work = || {
                let deployment = cache.deployment(id);
                deployment.is_some_and(|stored| !requests(config, cache, stored).is_empty())
            };
            if !key.busy && (!key.rest.is_empty() || has_work()) {
                out.push(DeploymentStep(id));
            }
        }
    }

    /// DP-2, DP-1: scales ReplicaSets as far as the caches allow it, then writes the status.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: DeploymentStep,
        fx: &mut Effects,
    ) {
        let DeploymentStep(id) = step;
        let key = &mut self.keys[id.0 as usize];
        if !key.rest.is_empty() {
            let next = key.rest.remove(0);
            key.busy = true;
            fx.rule(rule(&next));
            fx.send(next);
            return;
        }
        let Some(deployment) = cache.deployment(id) else { return };
        let mut requests = requests(config, cache, deployment).into_iter();
        if let Some(first) = requests.next() {
            fx.rule(rule(&first));
            fx.send(first);
            self.keys[id.0 as usize] = DeploymentKey { busy: true, rest: requests.collect() };
        }
    }

    /// The answer to a write: the next one may be sent. A conflict ends the sync; the next one repairs
    /// what is still wrong then.
    pub fn reply(
        &mut self,
        config: &ClusterConfig,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        let id = match *request {
            Request::PutDeploymentStatus { seen, .. } => Some(seen.id),
            Request::CreateReplicaSet { id, .. } => config.deployment_of(id),
            Request::PutReplicaSet { seen, .. } => config.deployment_of(seen.id),
            _ => None,
        };
        let Some(id) = id else {
            fx.unhandled(
                "the Deployment controller got an answer to a question that it never asks",
            );
            return;
        };
        let key = &mut self.keys[id.0 as usize];
        if *reply != Reply::Done || key.rest.is_empty() {
            *key = DeploymentKey::default();
            return;
        }
        key.busy = false;
    }
}

fn rule(request: &Request) -> Rule {
    match request {
        Request::PutDeploymentStatus { .. } => Rule::Dp1,
        _ => Rule::Dp2,
    }
}

/// What a sync of a Deployment would write, in order.
pub fn requests(
    config: &ClusterConfig,
    cache: &InformerCache,
    deployment: &Deployment,
) -> Vec<Request> {
    let mut sync = Sync::new(config, cache, deployment);
    if deployment.finalizer.is_none() {
        sync.scale(cache);
    }
    let status = sync.status();
    // A sync that makes a ReplicaSet writes a condition that says so, and with the version that it
    // has read: its write of the status is a conflict.
    let made = sync.requests.iter().any(|sent| matches!(sent, Request::CreateReplicaSet { .. }));
    if config.workload_status && !made && deployment.status != status {
        sync.requests.push(Request::PutDeploymentStatus { seen: *deployment, status });
    }
    sync.requests
}

/// A sync as far as it has come.
struct Sync<'a> {
    deployment: &'a Deployment,
    strategy: Strategy,
    /// How many pods a rollout may make beyond `spec.replicas`.
    surge: u8,
    /// How many of `spec.replicas` need not be available.
    unavailable: u8,
    /// The ReplicaSet of the current template, whether it exists or not.
    newest: ReplicaSetId,
    /// Its ReplicaSets, oldest first, as this sync has left them.
    sets: Vec<ReplicaSet>,
    requests: Vec<Request>,
}

impl<'a> Sync<'a> {
    fn new(config: &ClusterConfig, cache: &InformerCache, deployment: &'a Deployment) -> Self {
        let mut revisions = config.revisions(deployment.id);
        let own = |set: &&ReplicaSet| set.owner == Some(deployment.id);
        let sets = revisions.clone().filter_map(|id| cache.replica_set(id)).filter(own);
        let sets = sets.copied().collect();
        let manifest = &config.deployments[deployment.id.0 as usize];
        let (surge, unavailable) = manifest.strategy.bounds(deployment.replicas);
        let newest = revisions.nth(deployment.revision as usize);
        Sync {
            deployment,
            strategy: manifest.strategy,
            surge,
            unavailable,
            newest: newest.unwrap_or(manifest.replica_set),
            sets,
            requests: Vec::new(),
        }
    }

    /// Scales what there is to scale.
    fn scale(&mut self, cache: &InformerCache) {
        let resized = |set: &&ReplicaSet| set.replicas > 0 && set.desired != self.wanted();
        if self.sets.iter().any(|set| resized(&set)) {
            return self.resize();
        }
        match self.strategy {
            Strategy::Recreate => self.recreate(cache),
            Strategy::RollingUpdate { .. } => self.roll(),
        }
    }

    /// `spec.replicas`.
    fn wanted(&self) -> u8 {
        self.deployment.replicas
    }

    fn new_set(&self) -> Option<&ReplicaSet> {
        self.sets.iter().find(|set| set.id == self.newest)
    }

    /// The old ReplicaSets that are not at 0, oldest first.
    fn active_old(&self) -> Vec<ReplicaSet> {
        let old = self.sets.iter().filter(|set| set.id != self.newest && set.replicas > 0);
        old.copied().collect()
    }

    /// Pods asked for, of all ReplicaSets.
    fn total(&self) -> u8 {
        self.sets.iter().map(|set| set.replicas).sum()
    }

    /// Scales a ReplicaSet that has other replicas; true if it has.
    fn set_replicas(&mut self, id: ReplicaSetId, replicas: u8) -> bool {
        let other = self.sets.iter().any(|set| set.id == id && set.replicas != replicas);
        if other {
            self.put(id, replicas);
        }
        other
    }

    /// Writes the replicas of a ReplicaSet and of its Deployment, if that changes anything.
    fn put(&mut self, id: ReplicaSetId, replicas: u8) {
        let desired = self.wanted();
        let Some(set) = self.sets.iter_mut().find(|set| set.id == id) else { return };
        let seen = *set;
        (set.replicas, set.desired) = (replicas, desired);
        if *set != seen {
            self.requests.push(Request::PutReplicaSet { seen, replicas, desired });
        }
    }

    /// Creates the ReplicaSet of the current template, if there is none.
    fn create(&mut self) {
        if self.new_set().is_some() {
            return;
        }
        let (id, desired) = (self.newest, self.wanted());
        let replicas = self.new_replicas(0);
        let (owner, status) = (Some(self.deployment.id), ReplicaSetStatus::default());
        let set = ReplicaSet { id, replicas, desired, owner, finalizer: None, status };
        let at = self.sets.partition_point(|set| set.id < id);
        self.sets.insert(at, set);
        self.requests.push(Request::CreateReplicaSet { id, replicas, desired });
    }

    /// How many replicas the newest ReplicaSet may have, which has so many.
    /// (`deploymentutil.NewRSNewReplicas`)
    fn new_replicas(&self, has: u8) -> u8 {
        match self.strategy {
            Strategy::Recreate => self.wanted(),
            Strategy::RollingUpdate { .. } => {
                let room = (self.wanted() + self.surge).saturating_sub(self.total());
                has + room.min(self.wanted().saturating_sub(has))
            }
        }
    }

    /// `rolloutRecreate`: the old ones go first, and nothing new comes while an old pod is left
    /// that is not terminal, Terminating or not.
    fn recreate(&mut self, cache: &InformerCache) {
        let mut scaled = false;
        for old in self.active_old() {
            scaled |= self.set_replicas(old.id, 0);
        }
        if scaled || self.old_pods_run(cache) {
            return;
        }
        self.create();
        self.set_replicas(self.newest, self.wanted());
    }

    fn old_pods_run(&self, cache: &InformerCache) -> bool {
        let is_old =
            |id: ReplicaSetId| id != self.newest && self.sets.iter().any(|set| set.id == id);
        let counted = self.sets.iter().any(|set| is_old(set.id) && set.status.replicas > 0);
        counted
            || cache.pods.iter().any(|pod| match pod.owner {
                Owner::ReplicaSet(id) => is_old(id) && !pod.status.phase.is_terminal(),
                _ => false,
            })
    }

    /// `rolloutRolling`: up if there is room, else down if enough are available.
    fn roll(&mut self) {
        self.create();
        let has = self.new_set().map_or(0, |set| set.replicas);
        let wanted = if has > self.wanted() { self.wanted() } else { self.new_replicas(has) };
        if self.set_replicas(self.newest, wanted) {
            return;
        }
        if self.active_old().is_empty() {
            return;
        }
        let least = self.wanted() - self.unavailable;
        let new = self.new_set().copied();
        let new_unavailable =
            new.map_or(0, |set| i16::from(set.replicas) - i16::from(set.status.available));
        let down = i16::from(self.total()) - i16::from(least) - new_unavailable;
        if down > 0 {
            self.clean_up_unhealthy(down as u8);
            self.scale_down_old(least);
        }
    }

    /// `cleanupUnhealthyReplicas`: replicas that are not available go first.
    fn clean_up_unhealthy(&mut self, mut most: u8) {
        for old in self.active_old() {
            let unhealthy = old.replicas.saturating_sub(old.status.available).min(most);
            if unhealthy > 0 {
                self.set_replicas(old.id, old.replicas - unhealthy);
                most -= unhealthy;
            }
        }
    }

    /// `scaleDownOldReplicaSetsForRollingUpdate`: as many as more than the least are available.
    fn scale_down_old(&mut self, least: u8) {
        let available: u8 = self.sets.iter().map(|set| set.status.available).sum();
        let mut most = available.saturating_sub(least);
        for old in self.active_old() {
            let fewer = old.replicas.min(most);
            if fewer > 0 {
                self.set_replicas(old.id, old.replicas - fewer);
                most -= fewer;
            }
        }
    }

    /// DP-1: the sums over its ReplicaSets.
    fn status(&self) -> DeploymentStatus {
        let sum = |count: fn(&ReplicaSetStatus) -> u8| {
            self.sets.iter().map(|set| count(&set.status)).sum::<u8>()
        };
        DeploymentStatus {
            replicas: sum(|status| status.replicas),
            updated: self.new_set().map_or(0, |set| set.status.replicas),
            ready: sum(|status| status.ready),
            available: sum(|status| status.available),
            terminating: sum(|status| status.terminating),
        }
    }

    /// The Deployment was scaled since it scaled its ReplicaSets: `sync.go` `scale`.
    fn resize(&mut self) {
        let active: Vec<ReplicaSet> =
            self.sets.iter().filter(|set| set.replicas > 0).copied().collect();
        match active[..] {
            [] => {}
            [only] => {
                self.set_replicas(only.id, self.wanted());
            }
            _ if self.is_saturated() => {
                for old in self.active_old() {
                    self.set_replicas(old.id, 0);
                }
            }
            _ if self.strategy == Strategy::Recreate => {}
            _ => self.resize_in_proportion(active),
        }
    }

    /// Whether all of the newest ReplicaSet is there and available.
    fn is_saturated(&self) -> bool {
        self.new_set().is_some_and(|set| {
            set.replicas == self.wanted()
                && set.desired == self.wanted()
                && set.status.available == self.wanted()
        })
    }

    /// More than one ReplicaSet is at work: each gets its part, the largest what is left over.
    fn resize_in_proportion(&mut self, mut active: Vec<ReplicaSet>) {
        let total: u8 = active.iter().map(|set| set.replicas).sum();
        let most = if self.wanted() > 0 { self.wanted() + self.surge } else { 0 };
        let add = i16::from(most) - i16::from(total);
        // The larger first; of equals, the newer if there is to be more, else the older.
        if add > 0 {
            active.reverse();
        }
        active.sort_by_key(|set| std::cmp::Reverse(set.replicas));
        let mut added = 0;
        let mut sizes: Vec<i16> = Vec::new();
        for set in &active {
            let left = add - added;
            let part = if left == 0 { 0 } else { self.part_of(set) };
            let part = if add > 0 { part.min(left) } else { part.max(left) };
            added += part;
            sizes.push(i16::from(set.replicas) + part);
        }
        if let Some(largest) = sizes.first_mut() {
            *largest = (*largest + add - added).max(0);
        }
        for (set, size) in active.iter().zip(sizes) {
            self.put(set.id, size as u8);
        }
    }

    /// By how much a ReplicaSet would change if all kept their part. (`getReplicaSetFraction`)
    fn part_of(&self, set: &ReplicaSet) -> i16 {
        if self.wanted() == 0 {
            return -i16::from(set.replicas);
        }
        let before = set.desired + self.strategy.bounds(set.desired).0;
        if before == 0 {
            return 0;
        }
        let most = f64::from(self.wanted() + self.surge);
        let size = f64::from(set.replicas) * most / f64::from(before);
        size.round() as i16 - i16::from(set.replicas)
    }
}
