//! What does not change while a cluster runs: nodes, manifests, settings, and what may go wrong.

use std::fmt;

use crate::disruption::DisruptionBudget;
use crate::faults::{FaultBudget, FaultKind};
use crate::ids::{
    DeploymentId, NodeId, PodName, ReplicaSetId, Seconds, StatefulSetId, TaintId, TaintSet,
    TemplateId, VolumeId, VolumeSet, ZoneId,
};
use crate::objects::Owner;
use crate::version::Version;

/// What a live and connected component can do at once, it does within this time: a timer that is
/// at least this long fires only after a moment at which nothing of that kind was left to do. What
/// takes longer (a slow container start, a kubelet that is slow to reconnect) is not of that kind.
pub const PROMPT: Seconds = Seconds(15);

/// A kubelet renews its lease this often (KL-6).
pub const LEASE_RENEWAL: Seconds = Seconds(10);

/// Effect of a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// New pods are not placed.
    NoSchedule,
    /// New pods are placed elsewhere if possible: a preference, which the model's scheduler, who
    /// may choose any feasible node, never needs.
    PreferNoSchedule,
    /// New pods are not placed, running pods are evicted.
    NoExecute,
}

/// A taint that some node has or may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// Its effect.
    pub effect: Effect,
}

/// `node.kubernetes.io/not-ready`.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// `node.kubernetes.io/unreachable`.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// `node.kubernetes.io/out-of-service`.
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// `node.kubernetes.io/unschedulable`.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Taint { key, value, effect } = self;
        match value.is_empty() {
            true => write!(f, "{key}:{effect:?}"),
            false => write!(f, "{key}={value}:{effect:?}"),
        }
    }
}

/// The key of the taint of a node whose instance is stopped (CN-1).
pub const INSTANCE_STOPPED: &str = "node.cloudprovider.kubernetes.io/shutdown";

/// `not-ready:NoSchedule`.
pub const NOT_READY_NO_SCHEDULE: TaintId = TaintId(0);
/// `unreachable:NoSchedule`.
pub const UNREACHABLE_NO_SCHEDULE: TaintId = TaintId(1);
/// `not-ready:NoExecute`.
pub const NOT_READY_NO_EXECUTE: TaintId = TaintId(2);
/// `unreachable:NoExecute`.
pub const UNREACHABLE_NO_EXECUTE: TaintId = TaintId(3);

/// The two NoExecute taints that mirror the condition Ready.
pub const CONDITION_NO_EXECUTE: TaintSet = TaintSet(0b1100);
/// The two NoSchedule taints that mirror the condition Ready.
pub const CONDITION_NO_SCHEDULE: TaintSet = TaintSet(0b0011);

/// DS-1: a DaemonSet gives its pods these tolerations, for ever, in place of what the manifest says
/// of the same taints (`pkg/controller/daemon/util/daemonset_util.go`).
pub fn daemon_tolerations() -> impl Iterator<Item = Toleration> {
    [
        (NOT_READY, Effect::NoExecute),
        (UNREACHABLE, Effect::NoExecute),
        ("node.kubernetes.io/disk-pressure", Effect::NoSchedule),
        ("node.kubernetes.io/memory-pressure", Effect::NoSchedule),
        ("node.kubernetes.io/pid-pressure", Effect::NoSchedule),
        (UNSCHEDULABLE, Effect::NoSchedule),
    ]
    .into_iter()
    .map(|(key, effect)| Toleration {
        key: Some(key.to_string()),
        value: None,
        effect: Some(effect),
        seconds: None,
    })
}

/// The taints that every cluster knows; a scenario's own come after them.
pub fn well_known_taints() -> Vec<Taint> {
    let taint = |key: &str, effect| Taint { key: key.to_string(), value: String::new(), effect };
    vec![
        taint(NOT_READY, Effect::NoSchedule),
        taint(UNREACHABLE, Effect::NoSchedule),
        taint(NOT_READY, Effect::NoExecute),
        taint(UNREACHABLE, Effect::NoExecute),
    ]
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// Key; none matches every key (with operator Exists).
    pub key: Option<String>,
    /// Value that must be equal; none for operator Exists.
    pub value: Option<String>,
    /// Effect; none matches every effect.
    pub effect: Option<Effect>,
    /// `tolerationSeconds`: how long a NoExecute taint is tolerated; none is for ever.
    pub seconds: Option<i64>,
}

impl Toleration {
    /// Whether this toleration matches `taint` (its seconds aside).
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && self.key.as_ref().is_none_or(|key| *key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartPolicy {
    /// Restart whatever the exit code.
    Always,
    /// Restart unless the exit code is 0.
    OnFailure,
    /// Never restart.
    Never,
}

/// What does not change in the spec of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTemplate {
    /// Tolerations in list order, the defaults of AD-1 included.
    pub tolerations: Vec<Toleration>,
    /// `terminationGracePeriodSeconds`.
    pub grace: Seconds,
    /// `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// `minReadySeconds` of its owner; 0 for none.
    pub min_ready: Seconds,
    /// `spec.nodeName`, if the manifest sets it: no scheduler is asked.
    pub node_name: Option<NodeId>,
    /// Nodes that match `nodeSelector` (all, if there is none).
    pub selected: crate::ids::NodeSet,
    /// `priority`, which decides about the order of a shutdown (12.9).
    pub priority: i32,
    /// Volumes that all its pods share: claims that the spec names.
    pub volumes: VolumeSet,
    /// Name of the first container, for the table's column CONTAINERS.
    pub container: String,
    /// Its image.
    pub image: String,
    /// Whether the container ends by itself at some time, with exit code 0.
    pub completes: bool,
    /// Whether `SIGTERM` ends the container (exit 0) or is ignored until it is killed (137).
    pub ends_on_sigterm: bool,
}

/// A persistent volume with the claim that is bound to it. It can be attached to any node, and to
/// one at a time (ReadWriteOnce).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeConfig {
    /// Name of the claim.
    pub claim: String,
    /// Name of the volume.
    pub name: String,
    /// ReadWriteOncePod: one pod may use it at a time, not only one node (SC-5).
    pub once_per_pod: bool,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// Its zone (`topology.kubernetes.io/zone`; one nameless zone if there is none).
    pub zone: ZoneId,
    /// Taints that it has at the start and for ever.
    pub taints: TaintSet,
    /// Value of the column ROLES.
    pub roles: String,
}

/// A ReplicaSet manifest, or the ReplicaSet of a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSetConfig {
    /// Its name.
    pub name: String,
    /// Its pods.
    pub template: TemplateId,
    /// `spec.replicas` at the start.
    pub replicas: u8,
    /// `spec.minReadySeconds`.
    pub min_ready: Seconds,
    /// The labels of its selector as kubectl prints them, `app=web`.
    pub selector: String,
}

/// A number of pods, or a part of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntOrPercent {
    /// So many.
    Int(u32),
    /// So many of a hundred.
    Percent(u32),
}

/// `spec.strategy` of a Deployment: how one template replaces another (DP-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// All old pods go before the first new one comes.
    Recreate,
    /// Within bounds.
    RollingUpdate {
        /// Pods beyond `spec.replicas`.
        max_surge: IntOrPercent,
        /// Pods of `spec.replicas` that need not be available.
        max_unavailable: IntOrPercent,
    },
}

impl Strategy {
    /// What a manifest without `spec.strategy` gets.
    pub const DEFAULT: Strategy = Strategy::RollingUpdate {
        max_surge: IntOrPercent::Percent(25),
        max_unavailable: IntOrPercent::Percent(25),
    };

    /// How many pods beyond `replicas`, and how many of them unavailable, a rollout may make: a
    /// part of a pod counts as one above and as none below, and if both are none, one may be
    /// unavailable.
    /// (`pkg/controller/deployment/util` `ResolveFenceposts`, `MaxSurge`, `MaxUnavailable`)
    pub fn bounds(self, replicas: u8) -> (u8, u8) {
        let Strategy::RollingUpdate { max_surge, max_unavailable } = self else { return (0, 0) };
        let all = u32::from(replicas);
        let scaled = |value, up: u32| match value {
            IntOrPercent::Int(count) => count,
            IntOrPercent::Percent(percent) => percent.saturating_mul(all).saturating_add(up) / 100,
        };
        let (surge, unavailable) = (scaled(max_surge, 99), scaled(max_unavailable, 0));
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        (surge.min(u32::from(u8::MAX - replicas)) as u8, unavailable.min(all) as u8)
    }
}

/// A Deployment manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentConfig {
    /// Its name.
    pub name: String,
    /// Its ReplicaSet at the start.
    pub replica_set: ReplicaSetId,
    /// The ReplicaSets of the templates that it gets later, in this order; each is there only when
    /// it is made.
    pub later: Vec<ReplicaSetId>,
    /// `spec.strategy`.
    pub strategy: Strategy,
    /// The labels of its selector as kubectl prints them, `app=web`.
    pub selector: String,
}

/// A StatefulSet manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSetConfig {
    /// Its name.
    pub name: String,
    /// Its pods.
    pub template: TemplateId,
    /// `spec.replicas` at the start.
    pub replicas: u8,
    /// `spec.podManagementPolicy` is OrderedReady, not Parallel.
    pub ordered: bool,
    /// The name of its pod with ordinal 0; the others follow.
    pub first_name: PodName,
    /// How many identities it can have: as many as the most replicas it is ever asked for.
    pub identities: u8,
    /// The volume of its first claim template for ordinal 0; those of its other claim templates
    /// follow, then those of the other ordinals.
    pub first_volume: VolumeId,
    /// How many claim templates it has.
    pub claims: u8,
}

/// A DaemonSet manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSetConfig {
    /// Its name.
    pub name: String,
    /// Its pods.
    pub template: TemplateId,
    /// The labels of its selector as kubectl prints them, `app=agent`.
    pub selector: String,
    /// The labels of its node selector as kubectl prints them.
    pub node_selector: String,
}

/// `spec.podReplacementPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// A Terminating pod is replaced.
    TerminatingOrFailed,
    /// Only a terminal pod is replaced.
    Failed,
}

/// What a rule of a `podFailurePolicy` does with a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// The pod does not count as failed.
    Ignore,
    /// It does.
    Count,
    /// The Job fails.
    FailJob,
}

/// A rule of a `podFailurePolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRule {
    /// What it does.
    pub action: FailureAction,
    /// `onPodConditions` names DisruptionTarget=True.
    pub on_disruption: bool,
    /// `onExitCodes`: whether the code has to be one of these, or none of them.
    pub exit_codes: Option<(bool, Vec<i32>)>,
}

/// A Job manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobConfig {
    /// Its name.
    pub name: String,
    /// Its pods.
    pub template: TemplateId,
    /// `spec.parallelism`.
    pub parallelism: u8,
    /// `spec.completions`; none for as many as it takes until one succeeds.
    pub completions: Option<u8>,
    /// `spec.backoffLimit`.
    pub backoff_limit: u32,
    /// `spec.podReplacementPolicy`, if the manifest sets it.
    pub replacement: Option<Replacement>,
    /// `spec.podFailurePolicy.rules`.
    pub failure_policy: Option<Vec<FailureRule>>,
    /// The labels of its selector as kubectl prints them.
    pub selector: String,
}

/// A Pod manifest: a pod that nothing replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarePodConfig {
    /// Its name.
    pub name: String,
    /// Its spec.
    pub template: TemplateId,
}

/// Controller-manager, API-server and kubelet settings that the model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `--node-monitor-period`.
    pub node_monitor_period: Seconds,
    /// `--node-monitor-grace-period`.
    pub node_monitor_grace_period: Seconds,
    /// Seconds between two NoExecute taintings in one zone: 1 / `--node-eviction-rate`.
    pub seconds_per_eviction: Seconds,
    /// `--unhealthy-zone-threshold`, in percent.
    pub unhealthy_zone_percent: u8,
    /// `--large-cluster-size-threshold`.
    pub large_cluster_size: u16,
    /// `--default-not-ready-toleration-seconds`.
    pub default_not_ready_toleration: Seconds,
    /// `--default-unreachable-toleration-seconds`.
    pub default_unreachable_toleration: Seconds,
    /// `--disable-force-detach-on-timeout` (1.30 on).
    pub disable_force_detach: bool,
    /// How kubelets end their pods before a shutdown (12.9), from the lowest priority up; empty if they
    /// do not hold a shutdown up.
    pub shutdown_groups: Vec<ShutdownGroup>,
}

/// Pods that a kubelet ends together before its node shuts down: those from this priority on, up to
/// that of the next group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownGroup {
    /// The lowest priority; lower ones belong to the first group all the same.
    pub priority: i32,
    /// The time that they have.
    pub grace: Seconds,
}

impl Settings {
    /// The earliest time-out of a node after its heartbeats ended (NLC-3): the last one may be as
    /// old as the interval of the renewals (KL-6).
    pub fn earliest_timeout(&self) -> Seconds {
        Seconds(self.node_monitor_grace_period.0.saturating_sub(LEASE_RENEWAL.0))
    }

    /// 12.9: the group of pods of this priority.
    pub fn shutdown_group(&self, priority: i32) -> u8 {
        let higher = self.shutdown_groups.iter().skip(1);
        higher.filter(|group| group.priority <= priority).count() as u8
    }

    /// 12.9: for how long a kubelet holds a shutdown up at most, if it does.
    pub fn shutdown_grace(&self) -> Option<Seconds> {
        let total = self.shutdown_groups.iter().map(|group| group.grace.0).sum();
        (total > 0).then_some(Seconds(total))
    }

    /// The defaults of `version`.
    pub fn defaults(version: Version) -> Self {
        Settings {
            node_monitor_period: Seconds(5),
            node_monitor_grace_period: Seconds(version.default_node_monitor_grace_period()),
            seconds_per_eviction: Seconds(10),
            unhealthy_zone_percent: 55,
            large_cluster_size: 50,
            default_not_ready_toleration: Seconds(300),
            default_unreachable_toleration: Seconds(300),
            disable_force_detach: false,
            shutdown_groups: Vec::new(),
        }
    }
}

/// How far watch caches may lag behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchMode {
    /// A write and its delivery to every connected watcher are one step.
    Fresh,
    /// No connected watch stream is ever more than this many events behind: the store waits.
    Lag(u8),
    /// Watch streams lag without bound.
    Unbounded,
}

/// Where a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Every pod Running and Ready, caches synced; every placement that is different up to
    /// interchangeable nodes.
    Converged,
    /// As `Converged`, with the pods of each workload on these nodes, in order.
    Placed(Vec<(Owner, Vec<NodeId>)>),
    /// Nodes Ready, workloads stored, no pods yet (bare pods are stored, unbound).
    Empty,
}

/// Everything about a cluster that does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The Kubernetes version of all components.
    pub version: Version,
    /// The nodes.
    pub nodes: Vec<NodeConfig>,
    /// Zone names.
    pub zones: Vec<String>,
    /// Taints by id: the well-known first.
    pub taints: Vec<Taint>,
    /// Pod templates by id.
    pub templates: Vec<PodTemplate>,
    /// ReplicaSets by id, those of Deployments included; those that rollouts make come last.
    pub replica_sets: Vec<ReplicaSetConfig>,
    /// Deployments by id.
    pub deployments: Vec<DeploymentConfig>,
    /// StatefulSets by id.
    pub stateful_sets: Vec<StatefulSetConfig>,
    /// DaemonSets by id.
    pub daemon_sets: Vec<DaemonSetConfig>,
    /// Jobs by id.
    pub jobs: Vec<JobConfig>,
    /// Bare pods. The i-th has uid `i`.
    pub pods: Vec<BarePodConfig>,
    /// Persistent volumes by id.
    pub volumes: Vec<VolumeConfig>,
    /// PodDisruptionBudgets.
    pub disruption_budgets: Vec<DisruptionBudget>,
    /// Flags.
    pub settings: Settings,
    /// What may go wrong, and how often.
    pub faults: Vec<FaultBudget>,
    /// Watch lag.
    pub watch: WatchMode,
    /// Whether ReplicaSet and Deployment status is written (RS-7, DP-1). Nothing but `kubectl` reads
    /// it, so a search may leave it out; what it finds is shown with it. Rollouts do read it of
    /// ReplicaSets ([`reports_status`](Self::reports_status)).
    pub workload_status: bool,
    /// Where runs begin.
    pub start: Start,
    /// At most this many pod uids at once; a create waits for a free one (an assumption, printed
    /// when it ever mattered).
    pub max_pods: u8,
}

impl ClusterConfig {
    /// All node ids.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u8).map(NodeId)
    }

    /// The ReplicaSets that a Deployment has or may get, oldest first.
    pub fn revisions(&self, id: DeploymentId) -> impl Iterator<Item = ReplicaSetId> + Clone {
        let deployment = &self.deployments[id.0 as usize];
        std::iter::once(deployment.replica_set).chain(deployment.later.iter().copied())
    }

    /// The Deployment of a ReplicaSet, if it is one's.
    pub fn deployment_of(&self, id: ReplicaSetId) -> Option<DeploymentId> {
        let owns = |deployment: &DeploymentConfig| {
            deployment.replica_set == id || deployment.later.contains(&id)
        };
        self.deployments.iter().position(owns).map(|at| DeploymentId(at as u8))
    }

    /// Whether RS-7 is part of the behaviour: the controller of a Deployment that may be rolled out
    /// reads the status of its ReplicaSets (DP-2); all other status is for `kubectl` only.
    pub fn reports_status(&self, id: ReplicaSetId) -> bool {
        self.workload_status
            || self
                .deployment_of(id)
                .is_some_and(|id| !self.deployments[id.0 as usize].later.is_empty())
    }

    /// The spec of a pod.
    pub fn template(&self, id: TemplateId) -> &PodTemplate {
        &self.templates[id.0 as usize]
    }

    /// The taints of `set` that have `effect`.
    pub fn with_effect(&self, set: TaintSet, effect: Effect) -> TaintSet {
        set.iter().filter(|&id| self.taints[id.0 as usize].effect == effect).collect()
    }

    /// The taints of `set` that no toleration of the template matches (seconds aside).
    pub fn untolerated(&self, template: TemplateId, set: TaintSet) -> TaintSet {
        let tolerations = &self.template(template).tolerations;
        set.iter()
            .filter(|&id| {
                let taint = &self.taints[id.0 as usize];
                !tolerations.iter().any(|toleration| toleration.tolerates(taint))
            })
            .collect()
    }

    /// Whether pods of a template are placed on nodes that are unschedulable (SC-1,
    /// NodeUnschedulable).
    pub fn tolerates_cordon(&self, template: TemplateId) -> bool {
        let taint = Taint {
            key: UNSCHEDULABLE.to_string(),
            value: String::new(),
            effect: Effect::NoSchedule,
        };
        self.template(template).tolerations.iter().any(|toleration| toleration.tolerates(&taint))
    }

    /// The taint with this key and effect, if the cluster knows one.
    pub fn taint(&self, key: &str, effect: Effect) -> Option<TaintId> {
        let found = self.taints.iter().position(|t| t.key == key && t.effect == effect);
        found.map(|at| TaintId(at as u8))
    }

    /// The taints of `set` for which a kubelet may refuse pods (KL-3). The taints that mirror the
    /// condition Ready are not among them: AD-1 gives every pod a toleration, and
    /// `tolerationSeconds` does not count.
    pub fn refusing(&self, set: TaintSet) -> TaintSet {
        self.with_effect(set, Effect::NoExecute).minus(CONDITION_NO_EXECUTE)
    }

    /// Whether `set` has a taint with this key, whatever its effect.
    pub fn has_key(&self, set: TaintSet, key: &str) -> bool {
        set.iter().any(|id| self.taints[id.0 as usize].key == key)
    }

    /// The StatefulSet and the ordinal of a name that recurs.
    pub fn identity(&self, name: PodName) -> Option<(StatefulSetId, u8)> {
        let mut sets = self.stateful_sets.iter().zip((0..).map(StatefulSetId));
        sets.find_map(|(set, id)| Some((id, set.ordinal(name)?)))
    }

    /// The volumes of a pod.
    pub fn volumes_of(&self, template: TemplateId, name: PodName) -> VolumeSet {
        if self.volumes.is_empty() {
            return VolumeSet::EMPTY;
        }
        let own = self.identity(name).into_iter().flat_map(|(id, ordinal)| {
            let set = &self.stateful_sets[id.0 as usize];
            let first = set.first_volume.0 + ordinal * set.claims;
            (first..first + set.claims).map(VolumeId)
        });
        own.collect::<VolumeSet>().union(self.template(template).volumes)
    }

    /// The volumes of `set` that one pod may use at a time.
    pub fn once_per_pod(&self, set: VolumeSet) -> VolumeSet {
        set.iter().filter(|id| self.volumes[id.0 as usize].once_per_pod).collect()
    }

    /// The name under which a pod is printed: of a bare pod the manifest's; generated ones are
    /// completed by the presentation layer.
    pub fn bare_pod(&self, name: PodName) -> Option<&BarePodConfig> {
        self.pods.get(name.0 as usize)
    }

    /// How long heartbeats of a node are away at most after this fault has struck it, if the
    /// scenario says so.
    pub fn outage(&self, kind: FaultKind, node: NodeId) -> Option<Seconds> {
        let strikes = |budget: &&FaultBudget| budget.kind == kind && budget.nodes.contains(node);
        self.faults.iter().find(strikes).and_then(|budget| budget.outage)
    }

    /// Nodes that are the same in everything that the model reads (name aside), grouped.
    pub fn node_class(&self, node: NodeId) -> Vec<usize> {
        let config = &self.nodes[node.0 as usize];
        let mut class = vec![config.zone.0 as usize, config.taints.0 as usize];
        class.extend(self.templates.iter().map(|t| {
            usize::from(t.selected.contains(node)) + 2 * usize::from(t.node_name == Some(node))
        }));
        class.extend(self.faults.iter().map(|f| usize::from(f.nodes.contains(node))));
        class
    }
}
