//! Stories of real runs: names, times, tables and words of one small cluster.

use std::sync::Arc;

use models::config::{
    ClusterConfig, DeploymentConfig, Effect, NodeConfig, PodTemplate, ReplicaSetConfig,
    RestartPolicy, Settings, Start, Toleration, WatchMode, well_known_taints,
};
use models::container_runtime::Container;
use models::faults::{FaultBudget, FaultKind};
use models::ids::{NodeId, NodeSet, ReplicaSetId, Seconds, TaintSet, TemplateId, ZoneId};
use models::objects::Owner;
use models::version::Version;
use models::view::ClusterView;
use node_recovery::engine::property::{Kind, Property, Test};
use node_recovery::engine::search::{Options, Path, breadth_first};
use node_recovery::engine::star::StarSystem;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::story::{Story, sequence, timeline, timing};

/// Two workers, a Deployment with one replica on node-b, and these faults on node-b.
fn cluster(version: u8, faults: &[FaultKind]) -> StarSystem<Cluster> {
    let version = Version::new(version).expect("a modelled version");
    let toleration = |key: &str| Toleration {
        key: Some(key.to_string()),
        value: None,
        effect: Some(Effect::NoExecute),
        seconds: Some(300),
    };
    let template = PodTemplate {
        tolerations: vec![
            toleration("node.kubernetes.io/not-ready"),
            toleration("node.kubernetes.io/unreachable"),
        ],
        grace: Seconds(30),
        restart_policy: RestartPolicy::Always,
        min_ready: Seconds(0),
        node_name: None,
        selected: NodeSet(0b11),
        container: "app".to_string(),
        image: "nginx".to_string(),
        ends_on_sigterm: true,
    };
    let node = |name: &str| NodeConfig {
        name: name.to_string(),
        zone: ZoneId(0),
        taints: TaintSet::EMPTY,
        roles: String::new(),
    };
    let budget = |kind: &FaultKind| FaultBudget { kind: *kind, count: 1, nodes: NodeSet(0b01) };
    StarSystem(Cluster {
        config: ClusterConfig {
            version,
            nodes: vec![node("node-b"), node("node-c")],
            zones: vec![String::new()],
            taints: well_known_taints(),
            templates: vec![template],
            replica_sets: vec![ReplicaSetConfig {
                name: "web-66cfcbdfdf".to_string(),
                template: TemplateId(0),
                replicas: 1,
                min_ready: Seconds(0),
                selector: "app=web,pod-template-hash=66cfcbdfdf".to_string(),
            }],
            deployments: vec![DeploymentConfig {
                name: "web".to_string(),
                replica_set: ReplicaSetId(0),
                selector: "app=web".to_string(),
            }],
            pods: Vec::new(),
            settings: Settings::defaults(version),
            faults: faults.iter().map(budget).collect(),
            watch: WatchMode::Fresh,
            start: Start::Placed(vec![(Owner::ReplicaSet(ReplicaSetId(0)), vec![NodeId(0)])]),
            max_pods: 3,
        },
    })
}

/// A shortest run to a state, among those that some timing satisfies.
fn run_to(
    system: &StarSystem<Cluster>,
    wanted: fn(&ClusterView<'_>) -> bool,
) -> Path<StarSystem<Cluster>> {
    let test = move |system: &StarSystem<Cluster>, state: &_| wanted(&system.0.view(state));
    let property =
        Property { name: String::new(), kind: Kind::Sometimes, test: Test::State(Arc::new(test)) };
    let accept = |path: &Path<StarSystem<Cluster>>| timing::solve(&system.0, path).is_some();
    let options = Options { threads: 2, accept: Some(&accept), ..Options::default() };
    let mut outcome = breadth_first(system, &[property], &options);
    let finding = outcome.findings.remove(0);
    eprintln!("{} states, {} runs rejected", outcome.states, finding.rejected);
    finding.path.expect("the state is reachable")
}

/// The old pod is gone, its replacement runs on the other node, and nothing is left to do.
fn migrated(view: &ClusterView<'_>) -> bool {
    let [pod] = &view.api.pods[..] else { return false };
    pod.node == Some(NodeId(1))
        && pod.status.ready.is_true()
        && view.api.nodes.iter().all(|node| node.taints.is_empty())
        && view.api.deployments[0].status.available == 1
}

/// The pod runs again on its old node, which came back in time.
fn recovered_in_place(view: &ClusterView<'_>) -> bool {
    let [pod] = &view.api.pods[..] else { return false };
    pod.status.restart_count == 1
        && pod.status.ready.is_true()
        && view.api.nodes.iter().all(|node| node.taints.is_empty())
        && view.api.deployments[0].status.available == 1
}

fn two_running(view: &ClusterView<'_>) -> bool {
    let running = |node| {
        let pods = view.runtime(NodeId(node)).pods.iter();
        pods.filter(|pod| pod.container == Container::Running).count()
    };
    running(0) == 1 && running(1) == 1
}

#[test]
fn look() {
    let power = [FaultKind::PowerOff, FaultKind::PowerOn];
    let net = [FaultKind::Partition, FaultKind::Heal];
    let all: [(u8, &[FaultKind], fn(&ClusterView<'_>) -> bool); 4] = [
        (36, &power, migrated),
        (26, &power, recovered_in_place),
        (36, &net, two_running),
        (36, &net, migrated),
    ];
    for (version, faults, wanted) in all {
        let system = cluster(version, faults);
        let path = run_to(&system, wanted);
        let story = Story::tell(&system, &path);
        println!("{}", timeline::render(&story, false));
        for table in story.tables.shown() {
            println!("$ kubectl get {} -o wide --watch\n{}", table.resource, table.render());
        }
        println!("{}", story.reality.render());
        std::fs::write("/tmp/story/out.svg", sequence::render(&story)).expect("written");
    }
}
