//! Start states: a cluster that has converged, or one whose workloads have only been stored.

use itertools::Itertools;

use models::api_server::ApiServer;
use models::config::{ClusterConfig, Effect, Start};
use models::container_runtime::{Container, ContainerRuntime, RuntimePod, Sandbox};
use models::daemon_set;
use models::environment::Environment;
use models::ids::{
    DaemonSetId, DeploymentId, JobId, NodeId, PodName, PodUid, ReplicaSetId, StatefulSetId,
    TemplateId, VolumeSet,
};
use models::informer_cache::InformerCache;
use models::job;
use models::kube_controller_manager::ControllerManager;
use models::kubelet::{Connection, Kubelet, PodWorker, WorkerState};
use models::objects::{
    ContainerState, DaemonSet, DaemonSetStatus, Deployment, DeploymentStatus, Job, JobStatus, Node,
    NodeReady, Owner, Phase, Pod, PodReady, PodStatus, ReplicaSet, ReplicaSetStatus, StatefulSet,
    StatefulSetStatus, VolumeAttachment, WatchEvent,
};
use models::requests::Listing;
use models::scheduler::Scheduler;

use crate::engine::star::Inbox;
use crate::scenario::cluster::{Local, watched_kinds};

/// A pod to be placed at the start.
struct Wanted {
    owner: Owner,
    template: TemplateId,
    /// Its name, if that is not generated.
    name: Option<PodName>,
}

/// All start states that differ in more than the names of interchangeable nodes.
pub fn initial(config: &ClusterConfig) -> Vec<(Vec<Local>, Vec<Inbox<WatchEvent>>)> {
    placements(config).iter().map(|placement| state(config, placement)).collect()
}

fn wanted(config: &ClusterConfig) -> Vec<Wanted> {
    let bare = config.pods.iter().map(|pod| Wanted {
        owner: Owner::None,
        template: pod.template,
        name: None,
    });
    let owned = config.replica_sets.iter().zip((0..).map(ReplicaSetId)).flat_map(|(set, id)| {
        let pod =
            move || Wanted { owner: Owner::ReplicaSet(id), template: set.template, name: None };
        std::iter::repeat_with(pod).take(set.replicas as usize)
    });
    let sets = config.stateful_sets.iter().zip((0..).map(StatefulSetId));
    let named = sets.flat_map(|(set, id)| {
        let pod = move |name| Wanted {
            owner: Owner::StatefulSet(id),
            template: set.template,
            name: Some(name),
        };
        set.names().take(set.replicas as usize).map(pod)
    });
    bare.chain(owned).chain(named).chain(daemons(config)).chain(workers(config)).collect()
}

/// As many pods of each Job as may be active.
fn workers(config: &ClusterConfig) -> impl Iterator<Item = Wanted> {
    config.jobs.iter().zip((0..).map(JobId)).flat_map(|(job, id)| {
        let count = job.completions.map_or(job.parallelism, |all| all.min(job.parallelism));
        let pod = move |_| Wanted { owner: Owner::Job(id), template: job.template, name: None };
        (0..count).map(pod)
    })
}

/// DS-2: a pod for each node that is to have one.
fn daemons(config: &ClusterConfig) -> impl Iterator<Item = Wanted> {
    config.daemon_sets.iter().zip((0..).map(DaemonSetId)).flat_map(|(set, id)| {
        let runs = |node: &NodeId| {
            let taints = config.nodes[node.0 as usize].taints;
            daemon_set::eligible(config, set.template, *node, taints).0
        };
        let pod = move |node| Wanted {
            owner: Owner::DaemonSet(id, node),
            template: set.template,
            name: None,
        };
        config.node_ids().filter(runs).map(pod)
    })
}

/// Where the pods are, one entry per wanted pod; none for a pod that fits nowhere.
fn placements(config: &ClusterConfig) -> Vec<Vec<Option<NodeId>>> {
    let wanted = wanted(config);
    match &config.start {
        Start::Empty => vec![Vec::new()],
        Start::Placed(given) => {
            let mut next: Vec<_> =
                given.iter().map(|(owner, nodes)| (*owner, nodes.iter())).collect();
            let place = |pod: &Wanted| {
                let list = next.iter_mut().find(|(owner, _)| *owner == pod.owner);
                list.and_then(|(_, nodes)| nodes.next().copied())
                    .or_else(|| feasible(config, pod).first().copied())
            };
            let mut placement = wanted.iter().map(place).collect();
            hold_back(config, &wanted, &mut placement);
            vec![placement]
        }
        Start::Converged => {
            let choices = wanted.iter().map(|pod| {
                let nodes = feasible(config, pod);
                if nodes.is_empty() { vec![None] } else { nodes.into_iter().map(Some).collect() }
            });
            let all = choices.multi_cartesian_product();
            let mut all: Vec<_> = if wanted.is_empty() { vec![Vec::new()] } else { all.collect() };
            all.iter_mut().for_each(|placement| hold_back(config, &wanted, placement));
            all.retain(|placement| volumes_are_on_one_node(config, &wanted, placement));
            all.into_iter().unique_by(|placement| signature(config, &wanted, placement)).collect()
        }
    }
}

/// The volumes of a pod.
fn volumes(config: &ClusterConfig, pod: &Wanted) -> VolumeSet {
    pod.name
        .map_or(config.template(pod.template).volumes, |name| config.volumes_of(pod.template, name))
}

/// SC-5: of pods that share a ReadWriteOncePod claim, the first alone has a node.
fn hold_back(config: &ClusterConfig, wanted: &[Wanted], placement: &mut Vec<Option<NodeId>>) {
    let mut taken = VolumeSet::EMPTY;
    for (pod, node) in wanted.iter().zip(placement) {
        let exclusive = config.once_per_pod(volumes(config, pod));
        if !exclusive.intersection(taken).is_empty() {
            *node = None;
        } else if node.is_some() {
            taken = taken.union(exclusive);
        }
    }
}

/// AD-V3: whether all pods of this placement that share a volume are on one node.
fn volumes_are_on_one_node(
    config: &ClusterConfig,
    wanted: &[Wanted],
    placement: &[Option<NodeId>],
) -> bool {
    let placed = || wanted.iter().zip(placement).filter_map(|(pod, node)| Some((pod, (*node)?)));
    placed().all(|(pod, node)| {
        placed().all(|(other, at)| {
            at == node || volumes(config, pod).intersection(volumes(config, other)).is_empty()
        })
    })
}

/// Whether a start that says where pods are has those that share a volume on one node.
pub(super) fn is_possible(config: &ClusterConfig) -> bool {
    let wanted = wanted(config);
    !matches!(config.start, Start::Placed(_))
        || placements(config)
            .iter()
            .all(|placement| volumes_are_on_one_node(config, &wanted, placement))
}

/// Nodes that could host a pod at the start.
fn feasible(config: &ClusterConfig, pod: &Wanted) -> Vec<NodeId> {
    let template = config.template(pod.template);
    if let Owner::DaemonSet(_, node) = pod.owner {
        return vec![node];
    }
    if let Some(node) = template.node_name {
        return vec![node];
    }
    let hosts = |node: &NodeId| {
        let taints = config.nodes[node.0 as usize].taints;
        let hard = config
            .with_effect(taints, Effect::NoSchedule)
            .union(config.with_effect(taints, Effect::NoExecute));
        template.selected.contains(*node) && config.untolerated(pod.template, hard).is_empty()
    };
    config.node_ids().filter(hosts).collect()
}

/// What a placement looks like when interchangeable nodes lose their names and equal pods theirs.
fn signature(
    config: &ClusterConfig,
    wanted: &[Wanted],
    placement: &[Option<NodeId>],
) -> Vec<(Vec<usize>, Vec<(Owner, TemplateId, Option<PodName>)>)> {
    let on = |node: NodeId| {
        let here = wanted.iter().zip(placement).filter(move |(_, at)| **at == Some(node));
        // A pod of a DaemonSet is on its node anyway.
        let owner = |pod: &Wanted| match pod.owner {
            Owner::DaemonSet(id, _) => Owner::DaemonSet(id, NodeId(0)),
            owner => owner,
        };
        here.map(|(pod, _)| (owner(pod), pod.template, pod.name)).sorted().collect_vec()
    };
    config.node_ids().map(|node| (config.node_class(node), on(node))).sorted().collect()
}

/// A pod that has been running since before the start.
fn running(config: &ClusterConfig, uid: PodUid, pod: &Wanted, node: Option<NodeId>) -> Pod {
    let since = u8::from(config.template(pod.template).min_ready.0 > 0);
    let status = match node {
        None => PodStatus::NEW,
        Some(_) => PodStatus {
            phase: Phase::Running,
            reason: None,
            ready: PodReady::True { since },
            container: ContainerState::Running,
            restart_count: 0,
            ip: Some(0),
        },
    };
    Pod {
        uid,
        name: pod.name.unwrap_or(PodName::generated(uid)),
        owner: pod.owner,
        template: pod.template,
        node,
        deletion: None,
        tracked: matches!(pod.owner, Owner::Job(_)),
        disruption_target: None,
        status,
    }
}

fn state(
    config: &ClusterConfig,
    placement: &[Option<NodeId>],
) -> (Vec<Local>, Vec<Inbox<WatchEvent>>) {
    let empty = config.start == Start::Empty;
    let wanted = wanted(config);
    let pods: Vec<Pod> = if empty {
        let bare = wanted.iter().filter(|pod| pod.owner == Owner::None).zip((0..).map(PodUid));
        bare.map(|(pod, uid)| {
            let node = config.template(pod.template).node_name;
            Pod { node, ..running(config, uid, pod, None) }
        })
        .collect()
    } else {
        let placed = wanted.iter().zip(placement).zip((0..).map(PodUid));
        let placed = placed.map(|((pod, node), uid)| running(config, uid, pod, *node));
        // One that its manifest binds to a node may have to wait there.
        let bound = |pod: &Pod| pod.node.or(config.template(pod.template).node_name);
        placed.map(|pod| Pod { node: bound(&pod), ..pod }).collect()
    };
    let api = store(config, pods);
    let listing = api.list();
    let for_scheduler =
        Listing { pods: listing.pods.clone(), nodes: listing.nodes.clone(), ..Listing::default() };
    let mut manager = ControllerManager::converged(config, listing);
    for pod in &api.pods {
        if let (Owner::ReplicaSet(set), PodReady::True { since: since @ 1.. }) =
            (pod.owner, pod.status.ready)
        {
            manager.replica_set.keys[set.0 as usize].available.push((pod.uid, since));
        }
    }
    let mut actors = vec![
        Local::ApiServer(api.clone()),
        Local::Environment(Environment::start(config)),
        Local::ControllerManager(manager),
        Local::Scheduler(Scheduler::with_cache(config, for_scheduler)),
    ];
    let mut inboxes = vec![Inbox::new(watched_kinds(config), true), Inbox::new(2, true)];
    for node in config.node_ids() {
        let (kubelet, runtime) = node_state(config, &api, node);
        actors.push(Local::Kubelet(kubelet));
        actors.push(Local::ContainerRuntime(runtime));
        inboxes.push(Inbox::new(2, true));
    }
    (actors, inboxes)
}

fn store(config: &ClusterConfig, pods: Vec<Pod>) -> ApiServer {
    let status = |id: ReplicaSetId| {
        let count = |test: &dyn Fn(&&Pod) -> bool| {
            let owned = pods.iter().filter(|pod| pod.owner == Owner::ReplicaSet(id));
            owned.filter(test).count() as u8
        };
        let ready = count(&|pod| pod.status.ready.is_true());
        ReplicaSetStatus { replicas: count(&|_| true), ready, available: ready, terminating: 0 }
    };
    let of_deployment = |id: ReplicaSetId| {
        let ReplicaSetStatus { replicas, ready, available, terminating } = status(id);
        DeploymentStatus { replicas, updated: replicas, ready, available, terminating }
    };
    let is_later =
        |id: ReplicaSetId| config.deployments.iter().any(|owner| owner.later.contains(&id));
    let sets = config.replica_sets.iter().zip((0..).map(ReplicaSetId));
    let deployments = config.deployments.iter().zip((0..).map(DeploymentId));
    let node = |id: NodeId| Node {
        id,
        ready: NodeReady::True,
        taints: config.nodes[id.0 as usize].taints,
        unschedulable: false,
        boot: 0,
        attached: VolumeSet::EMPTY,
        in_use: VolumeSet::EMPTY,
    };
    let daemon_sets = (0..config.daemon_sets.len() as u8).map(DaemonSetId);
    let jobs = (0..config.jobs.len() as u8).map(JobId);
    let job = |id| Job { id, finalizer: None, status: JobStatus::default() };
    let daemon_set = |id| DaemonSet { id, finalizer: None, status: DaemonSetStatus::default() };
    let mut api = ApiServer {
        nodes: config.node_ids().map(node).collect(),
        replica_sets: sets
            .filter(|(_, id)| !is_later(*id))
            .map(|(set, id)| {
                let replicas = set.replicas;
                ReplicaSet {
                    id,
                    replicas,
                    desired: replicas,
                    owner: config.deployment_of(id),
                    finalizer: None,
                    status: status(id),
                }
            })
            .collect(),
        deployments: deployments
            .map(|(deployment, id)| Deployment {
                id,
                replicas: config.replica_sets[deployment.replica_set.0 as usize].replicas,
                revision: 0,
                finalizer: None,
                status: of_deployment(deployment.replica_set),
            })
            .collect(),
        stateful_sets: stateful_sets(config, &pods),
        daemon_sets: daemon_sets.map(daemon_set).collect(),
        jobs: jobs.map(job).collect(),
        pods,
        ..ApiServer::default()
    };
    attach_volumes(config, &mut api);
    if config.start != Start::Empty {
        let cache = InformerCache::from(api.list());
        for set in &mut api.daemon_sets {
            set.status = daemon_set::status_of(config, &cache, set.id);
        }
        for job in &mut api.jobs {
            job.status = job::status_at_start(config, &cache, job.id);
        }
    }
    api
}

/// Volumes of running pods are attached where these are, and in use.
fn attach_volumes(config: &ClusterConfig, api: &mut ApiServer) {
    for pod in &api.pods {
        let node = pod.node.and_then(|id| api.nodes.iter_mut().find(|node| node.id == id));
        let Some(node) = node.filter(|_| pod.status.phase == Phase::Running) else { continue };
        for volume in config.volumes_of(pod.template, pod.name).iter() {
            node.attached.insert(volume);
            node.in_use.insert(volume);
            api.attachments.push(VolumeAttachment { volume, node: node.id });
        }
    }
    api.attachments.sort_unstable();
    api.attachments.dedup();
}

fn stateful_sets(config: &ClusterConfig, pods: &[Pod]) -> Vec<StatefulSet> {
    let sets = config.stateful_sets.iter().zip((0..).map(StatefulSetId));
    let stored = sets.map(|(set, id)| {
        let own = || pods.iter().filter(|pod| pod.owner == Owner::StatefulSet(id));
        let (all, ready) =
            (own().count() as u8, own().filter(|pod| pod.status.ready.is_true()).count() as u8);
        let status = StatefulSetStatus { replicas: all, ready, available: ready, current: all };
        StatefulSet { id, replicas: set.replicas, finalizer: None, status }
    });
    stored.collect()
}

/// A node whose kubelet has been running since before the start.
fn node_state(
    config: &ClusterConfig,
    api: &ApiServer,
    node: NodeId,
) -> (Kubelet, ContainerRuntime) {
    let mut runtime = ContainerRuntime::default();
    let mut kubelet = Kubelet::start(node, true);
    kubelet.heartbeat = Connection::Up;
    kubelet.watch = Connection::Up;
    kubelet.registered = true;
    kubelet.sources_ready = true;
    kubelet.posted = Some((NodeReady::True, 0));
    kubelet.taints = config.refusing(config.nodes[node.0 as usize].taints);
    kubelet.attached = api.attached(node);
    kubelet.in_use = kubelet.attached;
    for pod in api.pods.iter().filter(|pod| pod.node == Some(node)) {
        let runs = pod.status.container == ContainerState::Running;
        if runs {
            runtime.pods.push(RuntimePod {
                uid: pod.uid,
                name: pod.name,
                template: pod.template,
                sandbox: Sandbox::Ready,
                attempt: 0,
                container: Container::Running,
                starts: 1,
                call: None,
            });
        }
        kubelet.pods.push(PodWorker::settled(config, pod, runs.then_some(&runtime)));
    }
    runtime.pods.sort_unstable_by_key(|pod| pod.uid);
    kubelet.pods.sort_unstable_by_key(|worker| worker.uid);
    debug_assert!(kubelet.pods.iter().all(|worker| worker.state != WorkerState::Finished));
    (kubelet, runtime)
}
