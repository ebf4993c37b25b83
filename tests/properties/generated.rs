//! Clusters made up at random, as scenario files: whatever can be written can be tested.

use models::config::ClusterConfig;
use node_recovery::engine::search::Path;
use node_recovery::engine::simulate::{End, random_run};
use node_recovery::engine::star::StarSystem;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::{Input, load};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

/// How many cases are tried, unless `PROPTEST_CASES` says otherwise. They are the same ones every
/// time, unless `PROPTEST_RNG_SEED` asks for others.
pub fn cases(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let plain = |variable| std::env::var_os(variable).is_none();
    ProptestConfig {
        cases: if plain("PROPTEST_CASES") { cases } else { asked.cases },
        rng_seed: if plain("PROPTEST_RNG_SEED") { RngSeed::Fixed(1) } else { asked.rng_seed },
        failure_persistence: None,
        ..asked
    }
}

/// A cluster as a system.
pub type System = StarSystem<Cluster>;

/// A random run of a generated cluster.
#[derive(Clone, Debug)]
pub struct Run {
    /// The scenario.
    pub scenario: GeneratedScenario,
    /// Which run.
    pub seed: u64,
}

/// A scenario file, and whether workload status is written.
#[derive(Clone)]
pub struct GeneratedScenario {
    /// The documents, in JSON, which is YAML.
    pub text: String,
    /// [`ClusterConfig::workload_status`].
    pub workload_status: bool,
}

impl std::fmt::Debug for GeneratedScenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "workload status {}\n{}", self.workload_status, self.text)
    }
}

impl GeneratedScenario {
    /// The cluster that the text describes.
    pub fn config(&self) -> ClusterConfig {
        let input = Input { name: "generated.yaml".into(), text: self.text.clone() };
        let mut scenarios = load(&[input]).unwrap_or_else(|error| panic!("{error}\n{self:?}"));
        let config = scenarios.swap_remove(0).config;
        ClusterConfig { workload_status: self.workload_status, ..config }
    }
}

impl Run {
    /// The run, up to this many steps.
    pub fn take(&self, steps: usize) -> (System, Path<System>, End) {
        let system = StarSystem(Cluster { config: self.scenario.config() });
        let run = random_run(&system, self.seed, steps).expect("a cluster has a start");
        (system, run.path, run.end)
    }
}

/// Any run of any cluster.
pub fn runs() -> impl Strategy<Value = Run> {
    (scenarios(), any::<u64>()).prop_map(|(scenario, seed)| Run { scenario, seed })
}

/// Any cluster.
pub fn scenarios() -> impl Strategy<Value = GeneratedScenario> {
    // One that has a ReplicaSet, and perhaps another.
    let first = replicated(&["Deployment", "ReplicaSet"]);
    let second = replicated(&["Deployment", "ReplicaSet", "StatefulSet", "StatefulSet"]);
    let others = (prop::option::weighted(0.3, daemon_set()), prop::option::weighted(0.3, job()));
    let pods = (prop::option::of(bare_pod()), others);
    let workloads = (first, prop::option::of(second), pods);
    let volumes = (prop::option::weighted(0.3, mode()), prop::option::weighted(0.5, mode()));
    let people = (workloads, cluster(), to_workloads(), any::<bool>(), volumes);
    people.prop_map(|((first, second, pods), mut cluster, (operator, target), status, volumes)| {
        let mut operator = operator;
        let (_, (daemons, job)) = &pods;
        let scaled = ["web"].into_iter().chain(second.is_some().then_some("db"));
        let scaled: Vec<&str> = scaled.collect();
        operator["scale"]["workload"] = json!(target.get(&scaled));
        let others = [("agent", daemons.is_some()), ("work", job.is_some())];
        let others = others.into_iter().filter_map(|(name, there)| there.then_some(name));
        let deleted: Vec<&str> = scaled.into_iter().chain(others).collect();
        if let Some(deletion) = operator.get_mut("deleteWorkload") {
            deletion["workload"] = json!(target.get(&deleted));
        }
        if first.kind != "Deployment" {
            operator.as_object_mut().expect("it is a mapping").remove("rollout");
        }
        let all = cluster["spec"]["operator"].as_object_mut();
        match (all, operator) {
            (Some(all), Value::Object(more)) => all.extend(more),
            (_, operator) => cluster["spec"]["operator"] = operator,
        }
        let sets = [first].into_iter().chain(second);
        let named = sets.zip(["web", "db"]).map(|(set, name)| set.named(name));
        // ReadWriteOncePod came with 1.27.
        let is_old = cluster["spec"]["kubernetes"] == "1.26";
        let known = |mode| if is_old { "ReadWriteOnce" } else { mode };
        let (shared, own) = (volumes.0.map(known), volumes.1.map(known));
        let claim = shared.map(|mode| claim("shared", mode));
        let named = named.map(move |set| with_volumes(set, shared, own));
        let workload_status = status;
        let (pod, (daemons, job)) = pods;
        let others = pod.into_iter().chain(daemons).chain(job).chain(claim).chain([cluster]);
        let documents: Vec<String> =
            named.chain(others).map(|document| document.to_string()).collect();
        GeneratedScenario { text: documents.join("\n---\n"), workload_status }
    })
}

/// An access mode for one node, or for one pod.
fn mode() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ReadWriteOnce", "ReadWriteOncePod"])
}

fn claim(name: &str, mode: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": [mode], "resources": {}},
    })
}

/// The first workload may share a claim among its pods; a StatefulSet may have claims of its own.
fn with_volumes(mut set: Value, shared: Option<&str>, own: Option<&str>) -> Value {
    if shared.is_some() && set["metadata"]["name"] == "web" {
        set["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": "v", "persistentVolumeClaim": {"claimName": "shared"}}]);
    }
    if let Some(mode) = own.filter(|_| set["kind"] == "StatefulSet") {
        set["spec"]["volumeClaimTemplates"] = json!([claim("own", mode)]);
    }
    set
}

/// A workload with replicas, without a name.
#[derive(Clone, Debug)]
struct Replicated {
    kind: &'static str,
    replicas: u8,
    min_ready: u8,
    strategy: Value,
    pod: Value,
}

impl Replicated {
    fn named(self, name: &str) -> Value {
        let mut workload = json!({
            "apiVersion": "apps/v1",
            "kind": self.kind,
            "metadata": {"name": name},
            "spec": {
                "replicas": self.replicas, "minReadySeconds": self.min_ready,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": self.pod},
            },
        });
        if self.kind == "Deployment" {
            workload["spec"]["strategy"] = self.strategy;
        }
        workload
    }
}

fn replicated(kinds: &'static [&'static str]) -> impl Strategy<Value = Replicated> {
    let kind = prop::sample::select(kinds);
    let min_ready = prop_oneof![3 => Just(0u8), 1 => Just(10)];
    let strategy = prop::sample::select(vec![
        json!({"type": "RollingUpdate"}),
        json!({"type": "Recreate"}),
        json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}),
    ]);
    (kind, 0u8..4, min_ready, strategy, pod_spec(false)).prop_map(
        |(kind, replicas, min_ready, strategy, pod)| Replicated {
            kind,
            replicas,
            min_ready,
            strategy,
            pod,
        },
    )
}

/// What people do to a workload, and to which.
fn to_workloads() -> impl Strategy<Value = (Value, prop::sample::Index)> {
    (operations(), any::<prop::sample::Index>())
}

fn operations() -> impl Strategy<Value = Value> {
    let propagation = prop::sample::select(vec!["background", "foreground", "orphan"]);
    (0u8..3, 0u8..2, 0u8..5, prop::option::weighted(0.3, propagation)).prop_map(
        |(rollouts, scalings, replicas, propagation)| {
            let mut operator = json!({
                "rollout": {"count": rollouts, "workload": "web"},
                "scale": {"count": scalings, "replicas": replicas},
            });
            if let Some(propagation) = propagation {
                operator["deleteWorkload"] = json!({"propagation": propagation});
            }
            operator
        },
    )
}

fn bare_pod() -> impl Strategy<Value = Value> {
    pod_spec(true).prop_map(|spec| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec})
    })
}

fn job() -> impl Strategy<Value = Value> {
    let policy = prop::sample::select(vec!["TerminatingOrFailed", "Failed"]);
    let restarts = prop::sample::select(vec!["Never", "OnFailure"]);
    (pod_spec(true), policy, restarts, 0u8..3, 1u8..3).prop_map(
        |(mut spec, policy, restarts, limit, parallelism)| {
            spec["restartPolicy"] = json!(restarts);
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work"},
                "spec": {
                    "template": {"spec": spec}, "podReplacementPolicy": policy,
                    "backoffLimit": limit, "parallelism": parallelism, "completions": 2,
                },
            })
        },
    )
}

fn daemon_set() -> impl Strategy<Value = Value> {
    pod_spec(false).prop_map(|spec| {
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
            "spec": {
                "selector": {"matchLabels": {"app": "agent"}},
                "template": {"metadata": {"labels": {"app": "agent"}}, "spec": spec},
            },
        })
    })
}

prop_compose! {
    fn pod_spec(bare: bool)(
        tolerations in prop::collection::vec(toleration(), 0..3),
        grace in prop::sample::select(vec![0, 5, 30]),
        policy in prop::sample::select(vec!["Always", "OnFailure", "Never"]),
        pinned in prop::option::weighted(0.1, Just("node-a")),
        critical in prop::bool::weighted(0.3),
    ) -> Value {
        let mut spec = json!({
            "terminationGracePeriodSeconds": grace,
            "tolerations": tolerations,
            "restartPolicy": if bare { policy } else { "Always" },
            "containers": [{"name": "c", "image": "nginx"}],
        });
        if critical {
            spec["priorityClassName"] = json!("system-node-critical");
        }
        if let Some(node) = pinned {
            spec["nodeName"] = json!(node);
        }
        spec
    }
}

prop_compose! {
    fn toleration()(
        key in prop::sample::select(vec![
            "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready",
            "node.kubernetes.io/out-of-service", "team",
        ]),
        seconds in prop::sample::select(vec![None, Some(0), Some(5), Some(300)]),
    ) -> Value {
        let mut toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
        if let Some(seconds) = seconds {
            toleration["tolerationSeconds"] = json!(seconds);
        }
        toleration
    }
}

/// Three times in four, a node is like every other.
fn node(name: &'static str) -> impl Strategy<Value = Value> {
    let taint = prop::sample::select(vec![
        "team=a:NoSchedule",
        "team=a:NoExecute",
        "node.kubernetes.io/out-of-service=x:NoExecute",
    ]);
    let zone = prop::sample::select(vec!["east", "west"]);
    (prop::option::weighted(0.1, taint), prop::option::weighted(0.25, zone)).prop_map(
        move |(taint, zone)| {
            let mut node = json!({"name": name});
            node["taints"] = json!(taint.into_iter().collect::<Vec<_>>());
            if let Some(zone) = zone {
                node["zone"] = json!(zone);
            }
            node
        },
    )
}

const FAULTS: [&str; 11] = [
    "powerOff",
    "kubeletCrash",
    "runtimeCrash",
    "partition",
    "controllerManagerCrash",
    "slowStart",
    "slowHeartbeat",
    "powerOnNoNetwork",
    "shutdown",
    "instanceStopped",
    "instanceGone",
];

/// Outages that end before the node is noticed, before it is evicted, or at any time.
fn fault() -> impl Strategy<Value = Value> {
    let outage = prop::sample::select(vec!["20s", "90s", "10m"]);
    (1u8..3, prop::option::weighted(0.25, outage)).prop_map(|(count, outage)| match outage {
        None => json!(count),
        Some(outage) => json!({"count": count, "outage": outage}),
    })
}

fn faults() -> impl Strategy<Value = Value> {
    prop::sample::subsequence(FAULTS.to_vec(), 1..4).prop_flat_map(|kinds| {
        prop::collection::vec(fault(), kinds.len()).prop_map(move |given| {
            let mut faults = json!({});
            for (kind, given) in kinds.iter().zip(given) {
                let silences = ["powerOff", "partition", "kubeletCrash"].contains(kind);
                faults[*kind] = match given.get("count") {
                    Some(count) if !silences => count.clone(),
                    _ => given,
                };
            }
            if faults.get("powerOnNoNetwork").is_some() && faults.get("powerOff").is_none() {
                faults["powerOff"] = json!(1);
            }
            faults
        })
    })
}

/// What people do: mostly nothing.
fn operator() -> impl Strategy<Value = Value> {
    let kinds = vec![
        "deletePod",
        "deletePodNow",
        "forceDeletePod",
        "outOfService",
        "backInService",
        "cordon",
        "uncordon",
        "deleteNode",
        "drain",
        "taint",
        "untaint",
    ];
    let when = prop::sample::select(vec!["always", "notReady", "poweredOff"]);
    (prop::sample::subsequence(kinds, 0..3), when).prop_map(|(kinds, when)| {
        let mut operator = json!({});
        for kind in kinds {
            let mended = match kind {
                "backInService" => Some("outOfService"),
                "uncordon" => Some("cordon"),
                "untaint" => Some("taint"),
                _ => None,
            };
            for kind in [kind].into_iter().chain(mended) {
                operator[kind] = json!({"count": 1, "when": when});
                if kind.ends_with("aint") {
                    operator[kind]["taint"] = json!("team=b:NoExecute");
                }
            }
        }
        operator
    })
}

prop_compose! {
    fn cluster()(
        nodes in (node("node-a"), node("node-b"), node("node-c"), node("node-d")),
        count in 1usize..5,
        minor in 26u8..=36,
        watch in prop::sample::select(vec![
            json!("fresh"), json!({"lag": 1}), json!({"lag": 2}), json!("unbounded"),
        ]),
        faults in faults(),
        operator in operator(),
        shutdown in prop::sample::select(vec![
            json!({}),
            json!({"shutdownGracePeriod": "30s"}),
            json!({"shutdownGracePeriod": "30s", "shutdownGracePeriodCriticalPods": "10s"}),
            json!({"shutdownGracePeriodByPodPriority": [
                {"priority": 0, "shutdownGracePeriodSeconds": 20},
                {"priority": 1000, "shutdownGracePeriodSeconds": 20},
            ]}),
        ]),
        empty in prop::bool::weighted(0.2),
        exits in prop::bool::weighted(0.7),
        rate in prop::sample::select(vec![0.1, 0.2, 1.0]),
        grace in prop::sample::select(vec!["10s", "50s"]),
        max_pods in prop::option::weighted(0.3, 14u8..20),
    ) -> Value {
        let nodes = [nodes.0, nodes.1, nodes.2, nodes.3];
        let mut spec = json!({
            "kubernetes": format!("1.{minor}"),
            "nodes": nodes[..count],
            "watch": watch,
            "faults": faults,
            "operator": operator,
            "kubelet": shutdown,
            "start": if empty { "empty" } else { "converged" },
            "containers": {"onSigterm": if exits { "exits" } else { "ignores" }},
            "controllerManager": {"nodeEvictionRate": rate, "nodeMonitorGracePeriod": grace},
        });
        if let Some(max) = max_pods {
            spec["maxPods"] = json!(max);
        }
        json!({"apiVersion": "node-recovery/v1", "kind": "Scenario", "spec": spec})
    }
}
