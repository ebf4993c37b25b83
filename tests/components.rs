//! Single components, where a whole cluster would hide what they do.

use models::config::ClusterConfig;
use models::effects::Effects;
use models::ids::{NodeId, PodName, PodUid, ReplicaSetId, TemplateId};
use models::informer_cache::InformerCache;
use models::objects::{Owner, Pod, PodStatus, ReplicaSet, ReplicaSetStatus};
use models::replica_set::{ReplicaSetController, ReplicaSetStep};
use models::requests::{Reply, Request};
use node_recovery::scenario::{Input, load};

fn config(text: &str) -> ClusterConfig {
    let input = Input { name: "test.yaml".into(), text: text.into() };
    load(&[input]).unwrap_or_else(|error| panic!("{error}")).swap_remove(0).config
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
    let pod = |id: ReplicaSetId| Pod {
        uid: PodUid(id.0),
        name: PodName(id.0),
        owner: Owner::ReplicaSet(id),
        template: TemplateId(id.0),
        node: Some(NodeId(0)),
        deletion: None,
        disruption_target: None,
        status: PodStatus::NEW,
    };
    let cache = InformerCache {
        pods: ids.map(pod).to_vec(),
        replica_sets: ids.map(|id| ReplicaSet { id, replicas: 0, status }).to_vec(),
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
