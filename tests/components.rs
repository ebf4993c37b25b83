//! Single components, where a whole cluster would hide what they do.

use models::api_server::ApiServer;
use models::config::{ClusterConfig, UNREACHABLE_NO_EXECUTE};
use models::container_runtime::{
    Call, Container, ContainerRuntime, RuntimePod, RuntimeStep, Sandbox,
};
use models::disruption::allows;
use models::effects::Effects;
use models::ids::{NodeId, PodName, PodUid, ReplicaSetId, TaintSet, TemplateId, VolumeSet};
use models::informer_cache::InformerCache;
use models::kube_controller_manager::{Controller, ControllerManager, ControllerStep};
use models::node_lifecycle::NodeLifecycleStep;
use models::objects::{
    ContainerState, EventType, Exit, Node, NodeReady, Object, Owner, Phase, Pod, PodReady,
    PodStatus, ReplicaSet, ReplicaSetStatus, WatchEvent,
};
use models::pod_gc::{PodGc, PodGcStep};
use models::replica_set::{ReplicaSetController, ReplicaSetStep};
use models::requests::{Listing, Reply, Request};
use models::taint_eviction::TaintEvictionStep;
use node_recovery::scenario::{Input, load};

fn config(text: &str) -> ClusterConfig {
    let input = Input { name: "test.yaml".into(), text: text.into() };
    load(&[input]).unwrap_or_else(|error| panic!("{error}")).swap_remove(0).config
}

/// The pod of a number, of the ReplicaSet of that number.
fn pod_of(number: u8, node: u8, status: PodStatus) -> Pod {
    Pod {
        uid: PodUid(number),
        name: PodName(number),
        owner: Owner::ReplicaSet(ReplicaSetId(number)),
        template: TemplateId(number),
        node: Some(NodeId(node)),
        deletion: None,
        tracked: false,
        disruption_target: None,
        status,
    }
}

const TWO_SETS: &str = "
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 0,
  selector: {matchLabels: {x: a}}, template: {metadata: {labels: {x: a}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: b}, spec: {replicas: 0,
  selector: {matchLabels: {x: b}}, template: {metadata: {labels: {x: b}}, spec: {containers: [{name: c}]}}}}
";

/// RS-5 of two ReplicaSets at a time: each sync waits for the answers to its own DELETEs.
#[test]
fn an_answer_to_a_delete_finds_the_sync_that_asked() {
    let config = config(TWO_SETS);
    let ids = [ReplicaSetId(0), ReplicaSetId(1)];
    let status = ReplicaSetStatus::default();
    let pod = |id: ReplicaSetId| pod_of(id.0, 0, PodStatus::NEW);
    let cache = InformerCache {
        pods: ids.map(pod).to_vec(),
        replica_sets: ids
            .map(|id| ReplicaSet {
                id,
                replicas: 0,
                desired: 0,
                owner: None,
                finalizer: None,
                status,
            })
            .to_vec(),
        ..InformerCache::default()
    };
    let mut controller = ReplicaSetController::start(&config);
    let mut fx = Effects::default();
    for id in ids {
        controller.step(&config, &cache, ReplicaSetStep::Sync(id), &mut fx);
    }
    let [first, second] = fx.requests[..] else { panic!("two DELETEs, not {:?}", fx.requests) };
    assert!(matches!(second, Request::DeletePod { name: PodName(1), .. }));
    let mut fx = Effects::default();
    controller.reply(&config, &cache, &second, &Reply::Pod(pod(ids[1])), &mut fx);
    let waiting = |controller: &ReplicaSetController| {
        ids.map(|id| controller.keys[id.0 as usize].sync.is_some())
    };
    assert_eq!(waiting(&controller), [true, false]);
    controller.reply(&config, &cache, &first, &Reply::Pod(pod(ids[0])), &mut fx);
    assert_eq!(waiting(&controller), [false, false]);
}

const RUNNING: PodStatus = PodStatus {
    phase: Phase::Running,
    reason: None,
    ready: PodReady::True { since: 0 },
    container: ContainerState::Running,
    restart_count: 0,
    ip: Some(0),
};

/// SM-1: a patch carries what the GET showed otherwise, and nothing else.
#[test]
fn a_status_patch_leaves_alone_what_it_does_not_change() {
    let restarted = PodStatus { restart_count: 1, ip: Some(1), ..RUNNING };
    // NLC-4 comes between the GET and the PATCH: Ready was no part of the difference.
    let marked = PodStatus { ready: PodReady::False, ..RUNNING };
    let stored = marked.patched(&RUNNING, &restarted);
    assert_eq!(stored, PodStatus { ready: PodReady::False, ..restarted });
    // Pod GC comes between: the phase was no part of it either.
    let failed = PodStatus { phase: Phase::Failed, ..RUNNING };
    assert_eq!(failed.patched(&RUNNING, &restarted).phase, Phase::Failed);
    // Container statuses are one list: a new state takes the restart count with it.
    let ended = PodStatus { container: ContainerState::Terminated(Exit::Unknown), ..RUNNING };
    assert_eq!(restarted.patched(&RUNNING, &ended).restart_count, 0);
    assert_eq!(marked.patched(&marked, &RUNNING), RUNNING);
}

/// One ReplicaSet of one replica, and the controller after it has sent its first status write.
fn writes_status(version: &str) -> (ClusterConfig, InformerCache, ReplicaSetController, Request) {
    let text = "
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 1,
  selector: {matchLabels: {x: a}}, template: {metadata: {labels: {x: a}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: node-recovery/v1, kind: Scenario, spec: {nodes: 1, workloadStatus: searched, kubernetes: '1.NN'}}
";
    let config = config(&text.replace("1.NN", version));
    let pod = pod_of(0, 0, RUNNING);
    let status = ReplicaSetStatus::default();
    let cache = InformerCache {
        pods: vec![pod],
        replica_sets: vec![ReplicaSet {
            id: ReplicaSetId(0),
            replicas: 1,
            desired: 1,
            owner: None,
            finalizer: None,
            status,
        }],
        ..InformerCache::default()
    };
    let mut controller = ReplicaSetController::start(&config);
    let mut fx = Effects::default();
    controller.step(&config, &cache, ReplicaSetStep::Sync(ReplicaSetId(0)), &mut fx);
    let [put @ Request::PutReplicaSetStatus { .. }] = fx.requests[..] else {
        panic!("one status write, not {:?}", fx.requests)
    };
    (config, cache, controller, put)
}

/// RS-7: after a conflict the same status is written once more, on a live read.
#[test]
fn a_status_write_in_conflict_is_tried_once_more() {
    let (config, cache, mut controller, put) = writes_status("1.36");
    let id = ReplicaSetId(0);
    let Request::PutReplicaSetStatus { status, .. } = put else { unreachable!() };
    let mut answered = |request: &Request, reply: &Reply| {
        let mut fx = Effects::default();
        controller.reply(&config, &cache, request, reply, &mut fx);
        fx.requests
    };
    let get = Request::GetReplicaSet { id };
    assert_eq!(answered(&put, &Reply::Conflict), [get]);
    let seen = ReplicaSetStatus { terminating: 1, ..ReplicaSetStatus::default() };
    let live =
        ReplicaSet { id, replicas: 1, desired: 1, owner: None, finalizer: None, status: seen };
    let again = Request::PutReplicaSetStatus { seen: live, status };
    assert_eq!(answered(&get, &Reply::ReplicaSet(live)), [again]);
    assert_eq!(answered(&again, &Reply::Conflict), [], "the next sync repairs it");
}

/// RS-2: from 1.36 on no sync begins before the cache shows the last status write (KEP-5647).
#[test]
fn a_sync_waits_for_its_own_writes_from_1_36_on() {
    for (version, waits) in [("1.35", false), ("1.36", true)] {
        let (config, mut cache, mut controller, put) = writes_status(version);
        controller.reply(&config, &cache, &put, &Reply::Done, &mut Effects::default());
        let syncs = |controller: &ReplicaSetController, cache: &InformerCache| {
            let mut steps = Vec::new();
            controller.steps(&config, cache, &mut steps);
            steps.contains(&ReplicaSetStep::Sync(ReplicaSetId(0)))
        };
        // The cache shows neither the write nor what happens to the pod next.
        assert_eq!(syncs(&controller, &cache), !waits, "{version}");
        let Request::PutReplicaSetStatus { seen, status } = put else { unreachable!() };
        let set = ReplicaSet { status, ..seen };
        cache.apply(&WatchEvent { kind: EventType::Modified, object: Object::ReplicaSet(set) });
        controller.status_seen(&set);
        assert!(!syncs(&controller, &cache), "{version}: nothing is left to do");
        cache.pods[0].status.ready = PodReady::False;
        assert!(syncs(&controller, &cache), "{version}");
    }
}

/// What a dead kubelet had asked for: no start goes on, a container told to end ends by itself.
#[test]
fn calls_end_with_their_kubelet() {
    let after = |call, container, text: &str| {
        let config = config(text);
        let pod = RuntimePod {
            uid: PodUid(0),
            name: PodName(0),
            template: TemplateId(0),
            sandbox: Sandbox::Ready,
            attempt: 0,
            container,
            starts: 1,
            call: Some(call),
        };
        let mut runtime = ContainerRuntime { pods: vec![pod], ..ContainerRuntime::default() };
        runtime.lose_calls(&config);
        let mut steps = Vec::new();
        runtime.steps(&config, &mut steps);
        if let [step] = steps[..] {
            runtime.step(&config, step, &mut Effects::default());
            assert_eq!(runtime.pods[0].call, None, "nobody goes on after {step:?}");
        }
        steps
    };
    let ignores = format!(
        "{TWO_SETS}---\n{{apiVersion: node-recovery/v1, kind: Scenario, spec: {{nodes: 1, \
         containers: {{onSigterm: ignores}}}}}}"
    );
    let ends = [RuntimeStep::StopContainer(PodUid(0))];
    assert_eq!(after(Call::Start, Container::Absent, TWO_SETS), []);
    assert_eq!(after(Call::Stop, Container::Running, TWO_SETS), ends);
    assert_eq!(after(Call::Stop, Container::Exited(Exit::Completed), TWO_SETS), []);
    assert_eq!(after(Call::Stop, Container::Running, &ignores), []);
}

const BUDGET: &str = "
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 3,
  selector: {matchLabels: {x: a}}, template: {metadata: {labels: {x: a}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a}, spec: {LIMIT, selector: {matchLabels: {x: a}}}}
---
{apiVersion: node-recovery/v1, kind: Scenario, spec: {nodes: 1}}
";

/// EV-1: how many of three pods have to be Ready before one of them may be evicted.
#[test]
fn a_disruption_budget_counts_pods_that_are_ready() {
    let cases = [
        ("minAvailable: 2", 3),
        ("minAvailable: 50%", 3),
        ("minAvailable: 34%", 3),
        ("minAvailable: 33%", 2),
        ("maxUnavailable: 1", 3),
        ("maxUnavailable: 2", 2),
        ("maxUnavailable: 34%", 2),
        ("maxUnavailable: 0", 4),
        ("minAvailable: 3", 4),
    ];
    for (limit, least) in cases {
        let config = config(&BUDGET.replace("LIMIT", limit));
        let pod = |uid: u8, ready: bool| Pod {
            uid: PodUid(uid),
            name: PodName(uid),
            owner: Owner::ReplicaSet(ReplicaSetId(0)),
            template: TemplateId(0),
            node: Some(NodeId(0)),
            deletion: None,
            tracked: false,
            disruption_target: None,
            status: PodStatus {
                ready: if ready { PodReady::True { since: 0 } } else { PodReady::False },
                ..RUNNING
            },
        };
        let set = ReplicaSet {
            id: ReplicaSetId(0),
            replicas: 3,
            desired: 3,
            owner: None,
            finalizer: None,
            status: ReplicaSetStatus::default(),
        };
        for ready in 1..=3 {
            let pods: Vec<Pod> = (0..3).map(|uid| pod(uid, uid < ready)).collect();
            let api = ApiServer { pods, replica_sets: vec![set], ..ApiServer::default() };
            let allowed = allows(&config, &api, &api.pods[0]);
            assert_eq!(allowed, ready >= least, "{limit}, {ready} ready");
        }
    }
}

/// GC-1: a node that is back within the quarantine keeps its pods, and a pod that is bound to a
/// missing node after the live GET waits anew.
#[test]
fn the_quarantine_of_a_missing_node_is_for_the_pods_of_that_pass() {
    let config =
        config("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}");
    let pod = |uid: u8| Pod {
        uid: PodUid(uid),
        name: PodName(uid),
        owner: Owner::None,
        template: TemplateId(0),
        node: Some(NodeId(0)),
        deletion: None,
        tracked: false,
        disruption_target: None,
        status: RUNNING,
    };
    let steps = |gc: &PodGc, cache: &InformerCache| {
        let mut steps = Vec::new();
        gc.steps(&config, cache, &mut steps);
        steps
    };
    let mut cache = InformerCache { pods: vec![pod(0)], ..InformerCache::default() };
    let (mut gc, mut fx) = (PodGc::default(), Effects::default());
    let missing = NodeId(0);
    assert_eq!(steps(&gc, &cache), [PodGcStep::Quarantine(missing)]);
    gc.step(&config, &cache, PodGcStep::Quarantine(missing), &mut fx);
    assert_eq!(steps(&gc, &cache), []);
    gc.elapse();
    assert_eq!(steps(&gc, &cache), [PodGcStep::Confirm(missing)]);
    gc.step(&config, &cache, PodGcStep::Confirm(missing), &mut fx);
    assert_eq!(fx.requests, [Request::GetNode { node: missing }]);
    gc.reply(&cache, &Request::GetNode { node: missing }, &Reply::NotFound, &mut fx);
    cache.pods.push(pod(1));
    let expected = [PodGcStep::Collect(PodUid(0)), PodGcStep::Quarantine(missing)];
    assert_eq!(steps(&gc, &cache), expected);
    gc.step(&config, &cache, PodGcStep::Quarantine(missing), &mut fx);
    gc.elapse();
    let back = Node {
        id: missing,
        ready: NodeReady::True,
        taints: TaintSet::EMPTY,
        unschedulable: false,
        boot: 0,
        attached: VolumeSet::EMPTY,
        in_use: VolumeSet::EMPTY,
    };
    cache.nodes.push(back);
    let asked = fx.requests.len();
    gc.step(&config, &cache, PodGcStep::Confirm(missing), &mut fx);
    assert_eq!(fx.requests.len(), asked, "nobody is asked about a node that is there");
    assert_eq!(steps(&gc, &cache), [PodGcStep::Collect(PodUid(0))]);
}

const ONE_POD_ON_TWO_NODES: &str = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1,
  selector: {matchLabels: {x: a}}, template: {metadata: {labels: {x: a}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: node-recovery/v1, kind: Scenario, metadata: {name: s}, spec: {nodes: [a, b], start: {a: [b]}}}
";

/// A controller manager in a healthy cluster of two nodes, with a pod on the second.
fn manager() -> (ClusterConfig, ControllerManager, Node) {
    let config = config(ONE_POD_ON_TWO_NODES);
    let node = |id| Node {
        id: NodeId(id),
        ready: NodeReady::True,
        taints: TaintSet::EMPTY,
        unschedulable: false,
        boot: 0,
        attached: VolumeSet::EMPTY,
        in_use: VolumeSet::EMPTY,
    };
    let pod = pod_of(0, 1, RUNNING);
    let nodes = vec![node(0), node(1)];
    let listing = Listing { pods: vec![pod], nodes, ..Listing::default() };
    let manager = ControllerManager::converged(&config, listing);
    (config, manager, node(1))
}

fn sees(manager: &mut ControllerManager, config: &ClusterConfig, node: Node) {
    let event = WatchEvent { kind: EventType::Modified, object: Object::Node(node) };
    manager.observe(config, &event, &mut Effects::default());
}

/// NLC-3, NLC-9: what a pass has written counts at its end, whether the cache shows it or not.
#[test]
fn a_pass_goes_on_while_it_knows_more_than_the_cache() {
    let (config, mut manager, node) = manager();
    let mut fx = Effects::default();
    let step = NodeLifecycleStep::Monitor { node: node.id, expired: true };
    manager.step(&config, ControllerStep::NodeLifecycle(step), &mut fx);
    let [put] = fx.requests[..] else { panic!("one PUT, not {:?}", fx.requests) };
    assert!(manager.node_lifecycle.pass.is_some_and(|pass| pass.busy.contains(node.id)));
    let unknown = Node { ready: NodeReady::Unknown, ..node };
    let mut fx = Effects::default();
    manager.reply(&config, Controller::NodeLifecycle, &put, &Reply::Node(unknown), &mut fx);
    // NLC-4 belongs to the pass.
    let step = ControllerStep::NodeLifecycle(NodeLifecycleStep::MarkPod(PodUid(0)));
    manager.step(&config, step, &mut fx);
    let [put] = fx.requests[..] else { panic!("one PUT, not {:?}", fx.requests) };
    let done = manager.node_lifecycle.clone();
    manager.reply(&config, Controller::NodeLifecycle, &put, &Reply::Done, &mut fx);
    assert!(done.pass.is_some() && manager.node_lifecycle.pass.is_some());
    sees(&mut manager, &config, unknown);
    assert_eq!(manager.node_lifecycle.pass, None, "now the next pass knows as much");
}

/// TEC-1: a look that could cancel something is a step; one that could not is none.
#[test]
fn a_node_without_taints_is_looked_at_in_time_only_if_something_is_armed() {
    let (config, mut manager, node) = manager();
    let taints = TaintSet::EMPTY.with(UNREACHABLE_NO_EXECUTE);
    let tainted = Node { ready: NodeReady::Unknown, taints, ..node };
    sees(&mut manager, &config, tainted);
    assert!(manager.taint_eviction.node_updates.contains(node.id), "a pod is to be judged");
    sees(&mut manager, &config, node);
    assert!(!manager.taint_eviction.node_updates.contains(node.id), "nothing was armed");
    sees(&mut manager, &config, tainted);
    let handle = ControllerStep::TaintEviction(TaintEvictionStep::HandleNode(node.id));
    manager.step(&config, handle, &mut Effects::default());
    assert_eq!(manager.taint_eviction.timers.len(), 1);
    sees(&mut manager, &config, node);
    assert!(manager.taint_eviction.node_updates.contains(node.id), "a timer is to be cancelled");
    manager.step(&config, handle, &mut Effects::default());
    assert!(manager.taint_eviction.timers.is_empty() && manager.taint_eviction.tainted.is_empty());
}
