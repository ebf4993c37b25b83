//! Volumes: the attach/detach controller alone, who waits for whom, and what a search must find.

use models::api_server::ApiServer;
use models::attach_detach::{AttachDetach, AttachDetachStep, Attached};
use models::config::{ClusterConfig, OUT_OF_SERVICE};
use models::effects::Effects;
use models::guarantees;
use models::ids::{NodeId, PodName, PodUid, TaintSet, TemplateId, VolumeId, VolumeSet};
use models::informer_cache::InformerCache;
use models::objects::{
    ContainerState, EventType, Exit, Node, NodeReady, Owner, Phase, Pod, PodReady, PodStatus,
    VolumeAttachment,
};
use models::requests::{Listing, Reply, Request};
use models::scheduler::claims_are_free;
use node_recovery::engine::property::Verdict;
use node_recovery::engine::search::Options;
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::{compact, system::System as _};
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::properties::property;
use node_recovery::scenario::{Input, catalogue, load};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
const VOLUME: VolumeId = VolumeId(0);

/// A Deployment whose pods share a claim, on two nodes.
fn scenario(mode: &str, more: &str) -> Result<ClusterConfig, String> {
    let text = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 2,
  selector: {{matchLabels: {{x: a}}}}, template: {{metadata: {{labels: {{x: a}}}},
  spec: {{containers: [{{name: c}}],
    volumes: [{{name: v, persistentVolumeClaim: {{claimName: data}}}}]}}}}}}}}
---
{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: data}},
  spec: {{accessModes: [{mode}], resources: {{}}}}}}
---
{{apiVersion: node-recovery/v1, kind: Scenario, spec: {{nodes: [a, b], {more}}}}}
"
    );
    let input = Input { name: "test.yaml".into(), text };
    match load(&[input]) {
        Ok(mut scenarios) => Ok(scenarios.swap_remove(0).config),
        Err(error) => Err(error.to_string()),
    }
}

fn config() -> ClusterConfig {
    let more = "operator: {outOfService: 1}, faults: {partition: 1}";
    scenario("ReadWriteOnce", more).unwrap()
}

fn at(node: NodeId) -> VolumeAttachment {
    VolumeAttachment { volume: VOLUME, node }
}

fn set(volumes: &[VolumeId]) -> VolumeSet {
    volumes.iter().copied().collect()
}

/// A node that has the volume attached and uses it, or neither.
fn node(id: NodeId, has_it: bool) -> Node {
    let volumes = if has_it { set(&[VOLUME]) } else { VolumeSet::EMPTY };
    Node {
        id,
        ready: NodeReady::True,
        taints: TaintSet::EMPTY,
        unschedulable: false,
        boot: 0,
        attached: volumes,
        in_use: volumes,
    }
}

/// A pod that runs.
fn pod(uid: u8, node: Option<NodeId>) -> Pod {
    Pod {
        uid: PodUid(uid),
        name: PodName(uid),
        owner: Owner::None,
        template: TemplateId(0),
        node,
        deletion: None,
        tracked: false,
        disruption_target: None,
        status: PodStatus {
            phase: Phase::Running,
            ready: PodReady::True { since: 0 },
            container: ContainerState::Running,
            ..PodStatus::NEW
        },
    }
}

fn terminating(pod: Pod, config: &ClusterConfig) -> Pod {
    Pod { deletion: Some(config.template(pod.template).grace), ..pod }
}

/// A controller that has been running, and its caches: the volume is attached to node b.
fn attached_to_b(pods: &[Pod]) -> (AttachDetach, InformerCache) {
    let listing = Listing {
        pods: pods.to_vec(),
        nodes: vec![node(A, false), node(B, true)],
        attachments: vec![at(B)],
        ..Listing::default()
    };
    (AttachDetach::converged(&listing), listing.into())
}

fn steps(
    controller: &AttachDetach,
    config: &ClusterConfig,
    cache: &InformerCache,
) -> Vec<AttachDetachStep> {
    let mut steps = Vec::new();
    controller.steps(config, cache, &mut steps);
    steps
}

/// Takes a step; what it asks for.
fn take(
    controller: &mut AttachDetach,
    config: &ClusterConfig,
    cache: &InformerCache,
    step: AttachDetachStep,
) -> Vec<Request> {
    assert!(steps(controller, config, cache).contains(&step), "{step:?} cannot be taken");
    let mut fx = Effects::default();
    controller.step(config, cache, step, &mut fx);
    fx.requests
}

/// Answers a request; what is asked for next.
fn answer(
    controller: &mut AttachDetach,
    cache: &InformerCache,
    request: Request,
    reply: Reply,
) -> Vec<Request> {
    let mut fx = Effects::default();
    controller.reply(cache, &request, &reply, &mut fx);
    assert_eq!(fx.unhandled, None);
    fx.requests
}

const DETACH: AttachDetachStep = AttachDetachStep::Detach { attachment: at_b(), forced: false };
const FORCE: AttachDetachStep = AttachDetachStep::Detach { attachment: at_b(), forced: true };

const fn at_b() -> VolumeAttachment {
    VolumeAttachment { volume: VOLUME, node: B }
}

/// The volume is not listed any more, then looked after, then detached.
fn unlist() -> Request {
    Request::PatchVolumesAttached { node: B, seen: set(&[VOLUME]), attached: VolumeSet::EMPTY }
}

/// AD-V1: a pod keeps its volume where it is until it is terminal, or Terminating with nothing running.
#[test]
fn a_pod_keeps_its_volume_until_it_has_ended() {
    let config = config();
    let runs = pod(0, Some(B));
    let with = |status: PodStatus, pod: Pod| Pod { status, ..pod };
    let failed = PodStatus { phase: Phase::Failed, ..runs.status };
    let dead = ContainerState::Terminated(Exit::Unknown);
    let ended = PodStatus { container: dead, ..runs.status };
    for (pods, is_kept) in [
        (vec![runs], true),
        (vec![terminating(runs, &config)], true),
        (vec![with(ended, runs)], true),
        (vec![with(ended, terminating(runs, &config))], false),
        (vec![with(failed, runs)], false),
        (vec![pod(0, Some(A))], false),
        (vec![pod(0, None)], false),
        (vec![], false),
    ] {
        let (controller, mut cache) = attached_to_b(&pods);
        cache.nodes[1].in_use = VolumeSet::EMPTY;
        let detaches = steps(&controller, &config, &cache).contains(&DETACH);
        assert_eq!(detaches, !is_kept, "{pods:?}");
    }
}

/// AD-V2: what the node says that it uses stays for six minutes, and for ever if it is Ready.
#[test]
fn what_is_in_use_is_detached_by_force_only_from_a_node_that_is_not_ready() {
    let mut config = config();
    let (mut controller, mut cache) = attached_to_b(&[]);
    assert_eq!(steps(&controller, &config, &cache), []);
    assert!(controller.waits(&config, &cache));
    cache.nodes[1].ready = NodeReady::Unknown;
    assert_eq!(steps(&controller, &config, &cache), [], "the wait is not over");
    controller.elapse(&config, &cache, |_| false);
    assert_eq!(steps(&controller, &config, &cache), [], "the node is back before that");
    controller.elapse(&config, &cache, |_| true);
    assert_eq!(steps(&controller, &config, &cache), [FORCE]);
    cache.nodes[1].ready = NodeReady::True;
    assert_eq!(steps(&controller, &config, &cache), []);
    cache.nodes.remove(1);
    assert_eq!(steps(&controller, &config, &cache), [FORCE], "a node that is gone is not Ready");
    config.settings.disable_force_detach = true;
    assert_eq!(steps(&controller, &config, &cache), []);
}

/// AD-V2: the six minutes begin anew when a pod wants the volume in between.
#[test]
fn what_is_wanted_again_is_not_overdue() {
    let config = config();
    let (mut controller, mut cache) = attached_to_b(&[]);
    cache.nodes[1].ready = NodeReady::Unknown;
    controller.elapse(&config, &cache, |_| true);
    cache.pods.push(pod(0, Some(B)));
    controller.pod_changed(&config, &cache);
    assert!(!controller.waits(&config, &cache));
    cache.pods.clear();
    controller.pod_changed(&config, &cache);
    assert_eq!(steps(&controller, &config, &cache), []);
    assert!(controller.waits(&config, &cache));
}

/// AD-V2: the taint alone is enough, and then nobody looks again.
#[test]
fn a_node_out_of_service_is_not_asked() {
    let config = config();
    let (mut controller, mut cache) = attached_to_b(&[]);
    let taint = config.taints.iter().position(|taint| taint.key == OUT_OF_SERVICE).unwrap();
    cache.nodes[1].taints = TaintSet(1 << taint);
    assert_eq!(take(&mut controller, &config, &cache, DETACH), [unlist()]);
    let next = answer(&mut controller, &cache, unlist(), Reply::Node(node(B, false)));
    assert_eq!(next, [Request::DeleteVolumeAttachment { attachment: at_b() }]);
}

/// AD-V2: without force the node is asked once more, and a volume that it uses again stays.
#[test]
fn a_volume_that_is_used_again_is_listed_again() {
    let config = config();
    let (mut controller, mut cache) = attached_to_b(&[]);
    cache.nodes[1].in_use = VolumeSet::EMPTY;
    assert_eq!(take(&mut controller, &config, &cache, DETACH), [unlist()]);
    assert_eq!(steps(&controller, &config, &cache), [], "the reconciler waits");
    let get = Request::GetNode { node: B };
    let next = answer(&mut controller, &cache, unlist(), Reply::Node(node(B, false)));
    assert_eq!(next, [get]);
    assert_eq!(answer(&mut controller, &cache, get, Reply::Node(node(B, true))), []);
    assert!(steps(&controller, &config, &cache).contains(&AttachDetachStep::List(B)));
    assert_eq!(controller.known[0].state, Attached::Attached);
}

/// AD-V3: a volume goes to another node only when the watch shows that it has left the first.
#[test]
fn a_volume_is_attached_when_it_is_free() {
    let config = config();
    let (mut controller, mut cache) = attached_to_b(&[pod(0, Some(A))]);
    cache.nodes[1].in_use = VolumeSet::EMPTY;
    assert_eq!(steps(&controller, &config, &cache), [DETACH], "Multi-Attach error");
    take(&mut controller, &config, &cache, DETACH);
    let gone = node(B, false);
    answer(&mut controller, &cache, unlist(), Reply::Node(gone));
    let next = answer(&mut controller, &cache, Request::GetNode { node: B }, Reply::Node(gone));
    assert_eq!(next, [Request::DeleteVolumeAttachment { attachment: at_b() }]);
    answer(&mut controller, &cache, next[0], Reply::Done);
    assert_eq!(steps(&controller, &config, &cache), [], "the watch still shows it");
    cache.attachments.clear();
    controller.attachment_changed(EventType::Deleted, at_b());
    let post = Request::CreateVolumeAttachment { attachment: at(A) };
    let attach = AttachDetachStep::Attach(at(A));
    assert_eq!(take(&mut controller, &config, &cache, attach), [post]);
    answer(&mut controller, &cache, post, Reply::Done);
    assert_eq!(steps(&controller, &config, &cache), []);
    cache.attachments.push(at(A));
    controller.attachment_changed(EventType::Added, at(A));
    let list =
        Request::PatchVolumesAttached { node: A, seen: VolumeSet::EMPTY, attached: set(&[VOLUME]) };
    assert_eq!(take(&mut controller, &config, &cache, AttachDetachStep::List(A)), [list]);
}

/// AD-V5: a new process reads what is attached; what it cannot be sure of it asks for again.
#[test]
fn a_new_process_reads_nodes_and_attachments() {
    let config = config();
    let listing = |listed: bool, attachments: &[VolumeAttachment]| Listing {
        nodes: vec![node(A, false), node(B, listed)],
        attachments: attachments.to_vec(),
        pods: vec![pod(0, Some(B))],
        ..Listing::default()
    };
    let state = |listing: Listing| {
        let controller = AttachDetach::start(&listing);
        let states: Vec<_> = controller.known.iter().map(|known| known.state).collect();
        (states, steps(&controller, &config, &listing.into()))
    };
    let (attach, list) = (AttachDetachStep::Attach(at_b()), AttachDetachStep::List(B));
    assert_eq!(state(listing(true, &[at_b()])), (vec![Attached::Attached], vec![list]));
    assert_eq!(state(listing(false, &[at_b()])), (vec![Attached::Uncertain], vec![attach]));
    assert_eq!(state(listing(true, &[])), (vec![], vec![attach, list]));
    assert_eq!(state(listing(false, &[])), (vec![], vec![attach]));
}

/// A late request of a controller manager that has died takes a VolumeAttachment away.
#[test]
fn what_is_lost_is_attached_anew() {
    let config = config();
    let (mut controller, mut cache) = attached_to_b(&[pod(0, Some(B))]);
    assert_eq!(steps(&controller, &config, &cache), []);
    cache.attachments.clear();
    let verify = AttachDetachStep::Verify(at_b());
    assert!(controller.takes_its_time(verify));
    assert_eq!(take(&mut controller, &config, &cache, verify), []);
    let next = [AttachDetachStep::Attach(at_b()), AttachDetachStep::List(B)];
    assert_eq!(steps(&controller, &config, &cache), next);
}

/// The storage attaches a volume to one node; who is refused asks again, and takes its time.
#[test]
fn a_second_node_is_refused() {
    let config = config();
    let mut api = ApiServer::default();
    let mut serve = |request| api.serve(&config, &request, None, &mut Effects::default());
    let post = |node| Request::CreateVolumeAttachment { attachment: at(node) };
    let delete = |node| Request::DeleteVolumeAttachment { attachment: at(node) };
    assert_eq!(serve(post(B)), Reply::Done);
    assert_eq!(serve(post(B)), Reply::AlreadyExists);
    assert_eq!(serve(post(A)), Reply::Conflict);
    assert_eq!(serve(delete(A)), Reply::NotFound);
    assert_eq!(serve(delete(B)), Reply::Done);
    assert_eq!(serve(post(A)), Reply::Done);

    let (mut controller, cache) = (
        AttachDetach::default(),
        InformerCache {
            pods: vec![pod(0, Some(A))],
            nodes: vec![node(A, false), node(B, true)],
            ..InformerCache::default()
        },
    );
    let attach = AttachDetachStep::Attach(at(A));
    assert!(!controller.takes_its_time(attach));
    take(&mut controller, &config, &cache, attach);
    answer(&mut controller, &cache, post(A), Reply::Conflict);
    assert!(controller.takes_its_time(attach));
    assert_eq!(steps(&controller, &config, &cache), [attach]);
}

/// A kubelet may mount what is attached and listed.
#[test]
fn a_look_shows_what_is_attached_and_listed() {
    let config = config();
    let mut api = ApiServer {
        nodes: vec![node(A, false), node(B, true)],
        attachments: vec![at(A)],
        ..ApiServer::default()
    };
    let look = |api: &mut ApiServer, node| {
        api.serve(&config, &Request::GetAttachedVolumes { node }, None, &mut Effects::default())
    };
    assert_eq!(look(&mut api, A), Reply::Volumes(VolumeSet::EMPTY), "it is not listed");
    assert_eq!(look(&mut api, B), Reply::Volumes(VolumeSet::EMPTY), "it is not attached");
    api.attachments = vec![at(B)];
    assert_eq!(look(&mut api, B), Reply::Volumes(set(&[VOLUME])));
    api.nodes.clear();
    assert_eq!(look(&mut api, B), Reply::NotFound);
}

/// SC-5: a Terminating pod uses its claim, one that is terminal does not.
#[test]
fn a_claim_of_one_pod_is_free_when_that_has_ended() {
    let once = scenario("ReadWriteOncePod", "").unwrap();
    let new = pod(1, None);
    let old = terminating(pod(0, Some(B)), &once);
    let failed = Pod { status: PodStatus { phase: Phase::Failed, ..old.status }, ..old };
    assert!(!claims_are_free(&once, &[old, new], &new));
    assert!(claims_are_free(&once, &[failed, new], &new));
    assert!(claims_are_free(&once, &[pod(0, None), new], &new), "it is not scheduled");
    assert!(claims_are_free(&config(), &[old, new], &new), "ReadWriteOnce is for one node");
}

/// Where pods can be at the start: on one node if they share a volume, one alone if it is for one pod.
#[test]
fn a_cluster_starts_with_each_volume_on_one_node() {
    let nodes = |mode: &str, more: &str| {
        let system = StarSystem(Cluster { config: scenario(mode, more).unwrap() });
        let starts = system.initial_states();
        let places = starts.iter().map(|start| {
            let api = system.0.view(start).api().clone();
            let bound: Vec<_> = api.pods.iter().map(|pod| pod.node).collect();
            assert_eq!(api.attachments.len(), 1, "{bound:?}");
            bound
        });
        places.collect::<Vec<_>>()
    };
    assert_eq!(nodes("ReadWriteOnce", ""), [[Some(A), Some(A)]]);
    assert_eq!(nodes("ReadWriteOncePod", ""), [[Some(A), None]]);
    assert_eq!(nodes("ReadWriteOnce", "start: {web: [b, b]}"), [[Some(B), Some(B)]]);
    let error = scenario("ReadWriteOnce", "start: {web: [a, b]}").unwrap_err();
    assert!(error.contains("places pods that share a volume on several nodes"), "{error}");
}

/// The verdicts on P9 of a bundled scenario, and without the force detach.
#[test]
fn without_the_force_detach_the_successor_waits_for_ever() {
    let name = "39-volume-force-delete-behind-a-cut";
    let bundled = catalogue::find(name).unwrap();
    let p9 = || property(models::guarantees::find("P9").unwrap());
    let verdict = |disabled| {
        let mut config = bundled.load().unwrap().config;
        config.settings.disable_force_detach = disabled;
        let system = StarSystem(Cluster { config });
        compact::breadth_first(&system, &[p9()], &Options::default()).findings[0].verdict
    };
    assert_eq!(verdict(false), Verdict::Violated);
    assert_eq!(verdict(true), Verdict::Holds);
}

/// AD-V4, PW-7: a kubelet does not wait for the container of a pod that was deleted by force, but a
/// volume for one pod does; also where another process of the kubelet finds it.
#[test]
fn a_volume_of_one_pod_keeps_a_successor_from_its_node() {
    let verdict = |mode: &str| {
        let text = format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: db}}, spec: {{replicas: 1,
  selector: {{matchLabels: {{x: a}}}}, template: {{metadata: {{labels: {{x: a}}}},
  spec: {{containers: [{{name: c}}]}}}}, volumeClaimTemplates: [{{metadata: {{name: data}},
    spec: {{accessModes: [{mode}], resources: {{}}}}}}]}}}}
---
{{apiVersion: node-recovery/v1, kind: Scenario, spec: {{nodes: [a], watch: fresh, maxPods: 3,
  faults: {{kubeletCrash: {{count: 1, outage: 20s}}}}, operator: {{forceDeletePod: 1}}}}}}
"
        );
        let input = Input { name: "test.yaml".into(), text };
        let config = load(&[input]).unwrap_or_else(|error| panic!("{error}")).swap_remove(0).config;
        let p2 = property(models::guarantees::find("P2").unwrap());
        let system = StarSystem(Cluster { config });
        compact::breadth_first(&system, &[p2], &Options::default()).findings[0].verdict
    };
    assert_eq!(verdict("ReadWriteOnce"), Verdict::Violated);
    assert_eq!(verdict("ReadWriteOncePod"), Verdict::Holds);
}

/// P9 is promised where no node may be cut off, or no volume is detached without its node's word; and
/// is kept then, where it is broken otherwise.
#[test]
fn one_writer_is_promised_unless_a_volume_is_taken_from_a_node_that_is_cut_off() {
    let bundled = catalogue::find("77-volume-of-a-starting-pod").expect("a bundled scenario");
    let p9 = guarantees::find("P9").expect("a guarantee");
    let judged = |text: String| {
        let input = Input { name: "s.yaml".into(), text };
        let config = load(&[input]).expect("it is valid").swap_remove(0).config;
        let promised = (p9.promised)((&config).into());
        let system = StarSystem(Cluster { config });
        let options = Options::default();
        let outcome = compact::breadth_first(&system, &[property(p9)], &options);
        (promised, outcome.findings[0].verdict)
    };
    let waits = "  controllerManager: {disableForceDetachOnTimeout: true}\n  start: empty\n";
    let off = "powerOff: 1\n    powerOn: 0\n";
    assert_eq!(judged(bundled.text.to_string()), (false, Verdict::Violated));
    let never_by_force = bundled.text.replace("  start: empty\n", waits);
    assert_eq!(judged(never_by_force), (true, Verdict::Holds));
    let loses_power = bundled.text.replace("partition: 1\n    heal: 0\n", off);
    assert_eq!(judged(loses_power), (true, Verdict::Holds));
}
