//! PodDisruptionBudgets: whether an eviction is allowed (EV-1).
//!
//! Upstream: `pkg/controller/disruption/disruption.go`, `pkg/registry/core/pod/storage/eviction.go`.
//! The status of a budget is taken to be as new as the pods are: the disruption controller, which
//! writes it a moment later, is no component of its own.

use crate::api_server::ApiServer;
use crate::config::ClusterConfig;
use crate::ids::TemplateId;
use crate::objects::{Owner, Phase, Pod, ReplicaSet, StatefulSet};

/// A number of pods, or a share of those that are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Pods(u32),
    /// So many in a hundred, rounded up.
    Percent(u32),
}

impl Amount {
    fn of(self, expected: u32) -> u32 {
        match self {
            Amount::Pods(pods) => pods,
            Amount::Percent(percent) => (percent * expected).div_ceil(100),
        }
    }
}

/// What a budget limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `minAvailable`.
    MinAvailable(Amount),
    /// `maxUnavailable`.
    MaxUnavailable(Amount),
}

/// A PodDisruptionBudget manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisruptionBudget {
    /// Its name.
    pub name: String,
    /// Whose pods its selector matches.
    pub templates: Vec<TemplateId>,
    /// How many must stay.
    pub limit: Limit,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`: pods that are not Ready are no matter of it.
    pub always_allows_unhealthy: bool,
}

/// Pods that a budget wants Ready, and those that are; none if it cannot tell how many there
/// should be, and allows nothing then.
fn health(
    config: &ClusterConfig,
    api: &ApiServer,
    budget: &DisruptionBudget,
) -> Option<(u32, u32)> {
    let pods = || api.pods.iter().filter(|pod| budget.templates.contains(&pod.template));
    let healthy = pods().filter(|pod| pod.status.ready.is_true() && !pod.is_terminating());
    let healthy = healthy.count() as u32;
    if let Limit::MinAvailable(Amount::Pods(wanted)) = budget.limit {
        return (pods().count() > 0).then_some((wanted, healthy));
    }
    // The scale of the controllers counts; a pod without one that has a scale is an error.
    if pods().any(|pod| matches!(pod.owner, Owner::None | Owner::DaemonSet(..))) {
        return None;
    }
    let template = |set: &ReplicaSet| config.replica_sets[set.id.0 as usize].template;
    let sets = api.replica_sets.iter().map(|set| (template(set), set.replicas));
    let template = |set: &StatefulSet| config.stateful_sets[set.id.0 as usize].template;
    let ordinals = api.stateful_sets.iter().map(|set| (template(set), set.replicas));
    let selected = sets.chain(ordinals).filter(|(set, _)| budget.templates.contains(set));
    let expected: u32 = selected.map(|(_, replicas)| u32::from(replicas)).sum();
    let wanted = match budget.limit {
        Limit::MinAvailable(amount) => amount.of(expected),
        Limit::MaxUnavailable(amount) => expected.saturating_sub(amount.of(expected)),
    };
    (expected > 0).then_some((wanted, healthy))
}

/// Whether the budgets allow the eviction of a pod now.
pub fn allows(config: &ClusterConfig, api: &ApiServer, pod: &Pod) -> bool {
    if pod.is_terminating() || pod.status.phase != Phase::Running {
        return true;
    }
    let mut budgets =
        config.disruption_budgets.iter().filter(|budget| budget.templates.contains(&pod.template));
    let (first, second) = (budgets.next(), budgets.next());
    let Some(budget) = first else { return true };
    if second.is_some() {
        // An eviction under two budgets is refused whatever they say.
        return false;
    }
    let unhealthy = !pod.status.ready.is_true();
    if unhealthy && budget.always_allows_unhealthy {
        return true;
    }
    let Some((wanted, healthy)) = health(config, api, budget) else { return false };
    healthy > wanted || (unhealthy && healthy >= wanted && wanted > 0)
}
