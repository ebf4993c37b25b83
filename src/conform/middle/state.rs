//! The actors at the beginning of a history in the middle of things.

use models::api_server::ApiServer;
use models::config::{CONDITION_NO_EXECUTE, ClusterConfig, Effect};
use models::container_runtime::{Container, ContainerRuntime, RuntimePod, Sandbox};
use models::effects::Effects;
use models::ids::{NodeId, PodSet, VolumeSet};
use models::informer_cache::InformerCache;
use models::kube_controller_manager::ControllerManager;
use models::kubelet::{Connection, Kubelet, PodWorker, Update, WorkerState};
use models::node_lifecycle::ZoneState;
use models::objects::{
    ContainerState, Exit, Node, NodeReady, Owner, Phase, Pod, PodReady, PodStatus,
};
use models::requests::{Listing, Request};
use models::scheduler::Scheduler;
use models::taint_eviction::{TaintEviction, TaintEvictionStep};

use crate::engine::star::{Outbox, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{
    Addressed, CONTROLLER_MANAGER_PROCESS, Cluster, ClusterState, Local,
};

/// A controller manager that has seen all that is stored; `noticed`: that no node is Ready.
pub(super) fn manager(
    config: &ClusterConfig,
    store: &ApiServer,
    queue: &[NodeId],
    noticed: bool,
) -> ControllerManager {
    let mut manager = ControllerManager::converged(config, store.list());
    let ControllerManager { cache, node_lifecycle, taint_eviction, replica_set, .. } = &mut manager;
    node_lifecycle.known = store.nodes.iter().map(|node| node.id).collect();
    for zone in node_lifecycle.zones.iter_mut() {
        zone.state = ZoneState::Normal;
    }
    let mut ill: Vec<&Node> =
        store.nodes.iter().filter(|node| node.ready != NodeReady::True).collect();
    ill.sort_by_key(|node| queue.iter().position(|next| *next == node.id).unwrap_or(usize::MAX));
    for node in ill {
        let zone = &mut node_lifecycle.zones[config.nodes[node.id.0 as usize].zone.0 as usize];
        let is_tainted = !node.taints.intersection(CONDITION_NO_EXECUTE).is_empty();
        if is_tainted || !noticed {
            zone.queued.insert(node.id);
            zone.queue.extend((!is_tainted).then_some(node.id));
        }
        let ready = |pod: &&Pod| pod.node == Some(node.id) && pod.status.ready.is_true();
        let ready: PodSet = store.pods.iter().filter(ready).map(|pod| pod.uid).collect();
        node_lifecycle.marking = node_lifecycle.marking.union(ready);
    }
    if noticed {
        node_lifecycle.master_disruption = true;
        for zone in node_lifecycle.zones.iter_mut() {
            (zone.state, zone.stopped) = (ZoneState::Full, true);
        }
    }
    *taint_eviction = evictions(config, store, cache);
    for pod in &store.pods {
        if let (Owner::ReplicaSet(set), PodReady::True { since: since @ 1.. }) =
            (pod.owner, pod.status.ready)
        {
            replica_set.keys[set.0 as usize].available.push((pod.uid, since));
        }
    }
    manager
}

/// Eviction timers for the taints that there are. How long they have run is not known.
fn evictions(config: &ClusterConfig, store: &ApiServer, cache: &InformerCache) -> TaintEviction {
    let mut evictions = TaintEviction::default();
    for node in &store.nodes {
        if config.with_effect(node.taints, Effect::NoExecute).is_empty() {
            continue;
        }
        let handle = TaintEvictionStep::HandleNode(node.id);
        let (mut armed, mut fx) = (evictions.clone(), Effects::default());
        armed.step(config, cache, handle, &mut fx);
        if fx.requests.is_empty() {
            evictions = armed;
            continue;
        }
        // Somebody is evicted at once, which is still to come. What the node had before is known of
        // the taints for its condition only: nobody sets others and leaves them.
        let mut before = cache.clone();
        for known in before.nodes.iter_mut().filter(|known| known.id == node.id) {
            known.taints = known.taints.intersection(CONDITION_NO_EXECUTE);
        }
        let (mut armed, mut fx) = (evictions.clone(), Effects::default());
        armed.step(config, &before, handle, &mut fx);
        if fx.requests.is_empty() {
            evictions = armed;
        }
        evictions.node_updates.insert(node.id);
    }
    evictions.elapse(|_| true);
    evictions
}

/// A state of which nothing but these statuses is on its way.
pub(super) fn state(
    system: &StarSystem<Cluster>,
    store: &ApiServer,
    mut manager: ControllerManager,
    sent: &[Addressed],
) -> ClusterState {
    let config = &system.0.config;
    sent.iter().for_each(|sent| waits_for(&mut manager, &sent.request));
    let node = |id| node_state(config, store, id);
    let rests = system.initial_states().remove(0);
    let listing =
        Listing { pods: store.pods.clone(), nodes: store.nodes.clone(), ..Listing::default() };
    let scheduler = Scheduler::with_cache(config, listing);
    let actors = rests.locals().map(|local| match local {
        Local::ApiServer(_) => Local::ApiServer(store.clone()),
        Local::ControllerManager(_) => Local::ControllerManager(manager.clone()),
        Local::Scheduler(_) => Local::Scheduler(scheduler.clone()),
        Local::Kubelet(known) => Local::Kubelet(node(known.node).0),
        other => other.clone(),
    });
    let mut actors: Vec<Local> = actors.collect();
    let mut runtimes = config.node_ids().map(|id| node(id).1);
    for actor in &mut actors {
        if let Local::ContainerRuntime(runtime) = actor
            && let Some(found) = runtimes.next()
        {
            *runtime = found;
        }
    }
    let inboxes = rests.processes().map(|process| rests.inbox(process).clone()).collect();
    let outboxes = rests.processes().map(|process| match process {
        CONTROLLER_MANAGER_PROCESS => {
            Outbox { live: sent.iter().copied().collect(), ..rests.outbox(process).clone() }
        }
        _ => rests.outbox(process).clone(),
    });
    ClusterState::of_parts(actors, outboxes.collect(), inboxes)
}

/// A controller has sent this, and waits for the answer.
fn waits_for(manager: &mut ControllerManager, request: &Request) {
    match request {
        Request::PutReplicaSetStatus { seen, status } => {
            manager.replica_set.keys[seen.id.0 as usize].writing_status = Some((*status, false));
        }
        Request::PutDeploymentStatus { seen, .. } => {
            manager.deployment.keys[seen.id.0 as usize].busy = true;
        }
        Request::PutStatefulSetStatus { id, .. } => {
            manager.stateful_set.keys[id.0 as usize].writing_status = true;
        }
        Request::PutDaemonSetStatus { id, .. } => {
            manager.daemon_set.keys[id.0 as usize].writing_status = true;
        }
        _ => {}
    }
}

/// A node whose kubelet has posted what is stored, but for what befell it since.
fn node_state(config: &ClusterConfig, api: &ApiServer, id: NodeId) -> (Kubelet, ContainerRuntime) {
    let stored = api.node(id);
    let silent = stored.is_some_and(|node| node.ready == NodeReady::Unknown);
    let ready = if silent { NodeReady::True } else { stored.map_or(NodeReady::True, |n| n.ready) };
    let mut runtime = ContainerRuntime::default();
    let mut kubelet = Kubelet::start(id, true);
    kubelet.heartbeat = Connection::Up;
    kubelet.watch = Connection::Up;
    kubelet.registered = true;
    kubelet.sources_ready = true;
    kubelet.posted = Some((ready, 0));
    kubelet.taints = config.refusing(stored.map_or_else(Default::default, |node| node.taints));
    kubelet.attached = VolumeSet::EMPTY;
    // A kubelet that has not been heard of since does not know of pods that came later.
    let knows = |pod: &&Pod| !silent || pod.status != PodStatus::NEW;
    for pod in api.pods.iter().filter(|pod| pod.node == Some(id)).filter(knows) {
        runtime.pods.extend(runtime_pod(pod));
        kubelet.pods.push(worker(config, pod, &runtime, silent));
    }
    runtime.pods.sort_unstable_by_key(|pod| pod.uid);
    kubelet.pods.sort_unstable_by_key(|worker| worker.uid);
    (kubelet, runtime)
}

/// What the runtime of its node has of a pod, by what its status says.
fn runtime_pod(pod: &Pod) -> Option<RuntimePod> {
    let container = match pod.status.container {
        ContainerState::Absent | ContainerState::Creating => return None,
        ContainerState::Running => Container::Running,
        // What is lost left nothing.
        ContainerState::Terminated(Exit::Lost) => return None,
        ContainerState::Terminated(exit) => Container::Exited(exit),
    };
    Some(RuntimePod {
        uid: pod.uid,
        name: pod.name,
        template: pod.template,
        sandbox: if pod.status.ip.is_some() { Sandbox::Ready } else { Sandbox::NotReady },
        attempt: 0,
        container,
        starts: 1,
        call: None,
    })
}

/// The worker of a pod on a node whose kubelet is heard of, or has not been since its node is
/// `silent`.
fn worker(
    config: &ClusterConfig,
    pod: &Pod,
    runtime: &ContainerRuntime,
    silent: bool,
) -> PodWorker {
    let mut worker = PodWorker::settled(config, pod, Some(runtime));
    if pod.status.container == ContainerState::Running {
        // What others wrote over it since (NLC-4, GC-1) is not what the kubelet says.
        let since = u8::from(config.template(pod.template).min_ready.0 > 0);
        worker.status.phase = Phase::Running;
        worker.status.ready = PodReady::True { since };
    }
    let is_settled = worker.status == pod.status && !pod.is_terminating();
    let is_new = pod.status.phase.is_terminal() || pod.status == PodStatus::NEW;
    if !silent && (!is_settled || is_new) {
        worker.update = Some(Update::Set(*pod));
        if is_new {
            worker.state = WorkerState::New;
        }
    }
    worker
}
