//! Whole inputs: what becomes of them, and what is said about bad ones.

use models::config::{Effect, RestartPolicy, Start, WatchMode};
use models::faults::{FaultKind, When};
use models::ids::{NodeId, NodeSet, ReplicaSetId, Seconds};
use models::objects::Owner;

use super::*;

mod refusals;

/// As `kubectl get deploy web -o yaml` prints it on 1.36.
const KUBECTL_DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    deployment.kubernetes.io/revision: "1"
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"apps/v1","kind":"Deployment"}
  creationTimestamp: "2026-03-01T10:00:00Z"
  generation: 1
  labels:
    app: web
  managedFields:
  - apiVersion: apps/v1
    fieldsType: FieldsV1
    fieldsV1:
      f:spec: {}
    manager: kubectl
    operation: Update
    time: "2026-03-01T10:00:00Z"
  name: web
  namespace: default
  resourceVersion: "431"
  uid: 0d1a2b3c-0000-4000-8000-000000000001
spec:
  progressDeadlineSeconds: 600
  replicas: 2
  revisionHistoryLimit: 10
  selector:
    matchLabels:
      app: web
  strategy:
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 25%
    type: RollingUpdate
  template:
    metadata:
      creationTimestamp: null
      labels:
        app: web
    spec:
      containers:
      - image: nginx:1.25
        imagePullPolicy: IfNotPresent
        name: nginx
        ports:
        - containerPort: 80
          protocol: TCP
        resources:
          limits:
            cpu: 100m
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {}
      terminationGracePeriodSeconds: 30
status:
  availableReplicas: 2
  somethingNew: 3
  conditions:
  - type: Available
    status: "True"
"#;

const SCENARIO_HEAD: &str =
    "---\napiVersion: node-recovery/v1\nkind: Scenario\nmetadata: {name: s}\nspec:\n";

fn input(name: &str, text: &str) -> Input {
    Input { name: name.into(), text: text.into() }
}

fn load_one(text: &str) -> Result<Scenario, InputError> {
    let mut scenarios = load(&[input("web.yaml", text)])?;
    assert_eq!(scenarios.len(), 1);
    Ok(scenarios.remove(0))
}

fn pod(spec: &str) -> String {
    let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c}]\n";
    format!("{head}{spec}")
}

/// A pod and a scenario with this spec, whose first line is line 10.
fn with_scenario(spec: &str) -> String {
    format!("{}{SCENARIO_HEAD}{spec}", pod(""))
}

fn scenario(spec: &str) -> Scenario {
    load_one(&with_scenario(spec)).unwrap_or_else(|error| panic!("{error}"))
}

/// The first line of the error for a text, without `error: `.
fn refusal(text: &str) -> String {
    let error = load_one(text).expect_err(text).to_string();
    error.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string()
}

#[test]
fn what_kubectl_prints_gets_a_default_scenario_and_no_warning() {
    let scenario = load_one(KUBECTL_DEPLOYMENT).unwrap();
    assert_eq!(scenario.warnings, []);
    assert!(!scenario.explicit);
    assert_eq!((scenario.name.as_str(), scenario.file.as_str()), ("web", "web.yaml"));
    assert_eq!(scenario.title, "Deployment web (2 replicas)");
    let config = scenario.config;
    let names: Vec<&str> = config.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["node-1", "node-2", "node-3"]);
    assert_eq!(config.deployments[0].selector, "app=web");
    let replica_set = &config.replica_sets[0];
    let hash = replica_set.name.strip_prefix("web-").unwrap();
    assert_eq!(hash.len(), 10);
    assert_eq!(replica_set.selector, format!("app=web,pod-template-hash={hash}"));
    assert_eq!(replica_set.replicas, 2);
    let template = &config.templates[0];
    assert_eq!((template.container.as_str(), template.image.as_str()), ("nginx", "nginx:1.25"));
    assert_eq!(template.grace, Seconds(30));
    assert_eq!(template.selected, NodeSet(0b111));
    let faults: Vec<_> = config.faults.iter().map(|f| (f.kind, f.count, f.nodes)).collect();
    let all = NodeSet(0b111);
    assert_eq!(faults, [(FaultKind::PowerOff, 1, all), (FaultKind::PowerOn, 1, all)]);
    assert_eq!((config.watch, config.start), (WatchMode::Fresh, Start::Converged));
    assert_eq!(config.max_pods, 4);
}

#[test]
fn default_tolerations_are_appended_unless_key_and_effect_are_there() {
    let tolerations = |spec: &str| {
        let config = load_one(&pod(spec)).unwrap().config;
        let list = config.templates[0].tolerations.clone();
        list.into_iter().map(|t| (t.key, t.value, t.effect, t.seconds)).collect::<Vec<_>>()
    };
    let key = |name: &str| Some(format!("node.kubernetes.io/{name}"));
    let default = |name: &str| (key(name), None, Some(Effect::NoExecute), Some(300));
    assert_eq!(tolerations(""), [default("not-ready"), default("unreachable")]);

    let own = "  tolerations:\n  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: -5}\n";
    let own_not_ready = (key("not-ready"), None, Some(Effect::NoExecute), Some(-5));
    assert_eq!(tolerations(own), [own_not_ready, default("unreachable")]);

    let everything = (None, None, None, None);
    assert_eq!(tolerations("  tolerations: [{operator: Exists}]\n"), [everything]);

    let other_value = "  tolerations:\n  - {key: node.kubernetes.io/unreachable, value: x}\n";
    let unreachable = (key("unreachable"), Some("x".to_string()), None, None);
    assert_eq!(tolerations(other_value), [unreachable, default("not-ready")]);

    let no_schedule = "  tolerations:\n  - {operator: Exists, effect: NoSchedule}\n";
    let only_no_schedule = (None, None, Some(Effect::NoSchedule), None);
    let with_both = [only_no_schedule, default("not-ready"), default("unreachable")];
    assert_eq!(tolerations(no_schedule), with_both);
}

#[test]
fn default_tolerations_are_flags_of_the_api_server() {
    let spec = "  nodes: 1\n  apiServer: {defaultNotReadyTolerationSeconds: 0, defaultUnreachableTolerationSeconds: 20}\n";
    let tolerations = scenario(spec).config.templates[0].tolerations.clone();
    assert_eq!(tolerations.iter().map(|t| t.seconds).collect::<Vec<_>>(), [Some(0), Some(20)]);
}

#[test]
fn a_full_scenario_is_read() {
    let spec = r#"  title: one line
  description: text
  kubernetes: 1.30
  nodes:
  - node-a
  - {name: node-b, zone: east, labels: {disk: ssd}, taints: ["dedicated=web:NoSchedule", {key: k, effect: NoExecute}]}
  - {name: node-c, zone: west, powerOff: false, roles: worker}
  controlPlane: node-a
  watch: {lag: 2}
  start: {p: node-c}
  maxPods: 5
  faults: {powerOff: 2, partition: {count: 1, nodes: [node-c]}, controllerManagerCrash: 1, slowStart: 0}
  controllerManager: {nodeMonitorPeriod: 5s, nodeMonitorGracePeriod: 1m30s, nodeEvictionRate: 0.1, unhealthyZoneThreshold: 0.6, largeClusterSizeThreshold: 3}
  containers: {onSigterm: ignores}
  properties:
  - P3a
  - {name: P1.real, expect: violated, because: "it is not promised"}
  - {name: R1, expect: reachable}
  skip: takes long
"#;
    let scenario = scenario(spec);
    assert_eq!(scenario.name, "s");
    assert!(scenario.explicit);
    assert_eq!(scenario.skip.as_deref(), Some("takes long"));
    let config = &scenario.config;
    assert_eq!(config.version.to_string(), "1.30");
    assert_eq!(config.zones, ["", "east", "west"]);
    let roles: Vec<&str> = config.nodes.iter().map(|node| node.roles.as_str()).collect();
    assert_eq!(roles, ["control-plane", "<none>", "worker"]);
    assert_eq!(config.nodes[1].taints.len(), 2);
    assert!(config.has_key(config.nodes[0].taints, "node-role.kubernetes.io/control-plane"));
    assert_eq!(config.watch, WatchMode::Lag(2));
    assert_eq!(config.start, Start::Placed(vec![(Owner::None, vec![NodeId(2)])]));
    assert_eq!(config.max_pods, 5);
    let faults: Vec<_> = config.faults.iter().map(|f| (f.kind, f.count, f.nodes.0)).collect();
    let expected = [
        (FaultKind::PowerOff, 2, 0b010),
        (FaultKind::PowerOn, 2, 0b010),
        (FaultKind::Partition, 1, 0b100),
        (FaultKind::Heal, 1, 0b100),
        (FaultKind::ControllerManagerCrash, 1, 0b111),
        (FaultKind::ControllerManagerRestart, 1, 0b111),
    ];
    assert_eq!(faults, expected);
    assert_eq!(config.settings.node_monitor_grace_period, Seconds(90));
    assert_eq!(config.settings.seconds_per_eviction, Seconds(10));
    assert_eq!(config.settings.unhealthy_zone_percent, 60);
    assert!(!config.templates[0].ends_on_sigterm);
    let expectations: Vec<_> =
        scenario.expectations.iter().map(|e| (e.property.as_str(), e.verdict, e.line)).collect();
    let violated = Some(ExpectedVerdict::Violated);
    let reachable = Some(ExpectedVerdict::Reachable);
    assert_eq!(expectations, [("P3a", None, 26), ("P1.real", violated, 27), ("R1", reachable, 28)]);
    assert_eq!(scenario.expectations[1].because.as_deref(), Some("it is not promised"));
    assert_eq!(scenario.expectations[0].place.text, "  - P3a");
}

#[test]
fn recoveries_follow_what_they_mend_except_a_boot_without_network() {
    let faults = |text: &str| {
        let config = scenario(&format!("  nodes: 2\n  faults: {text}\n")).config;
        config.faults.iter().map(|f| (f.kind.field(), f.count)).collect::<Vec<_>>()
    };
    assert_eq!(faults("{powerOff: 2}"), [("powerOff", 2), ("powerOn", 2)]);
    assert_eq!(faults("{powerOff: 1, powerOn: 0}"), [("powerOff", 1)]);
    let no_network = [("powerOff", 1), ("powerOnNoNetwork", 1), ("networkConfigured", 1)];
    assert_eq!(faults("{powerOff: 1, powerOn: 0, powerOnNoNetwork: 1}"), no_network);
    assert_eq!(faults("{kubeletCrash: 3}"), [("kubeletCrash", 3), ("kubeletRestart", 3)]);
    assert_eq!(faults("{slowHeartbeat: 1, heal: 0}"), [("slowHeartbeat", 1)]);
    assert_eq!(faults("{}"), []);
}

#[test]
fn selectors_and_names_choose_nodes() {
    let text = pod("  nodeSelector: {disk: ssd, kubernetes.io/os: linux}\n");
    let nodes = "  nodes: [a, {name: b, labels: {disk: ssd}}]\n";
    let config = load_one(&format!("{text}{SCENARIO_HEAD}{nodes}")).unwrap().config;
    assert_eq!(config.templates[0].selected, NodeSet(0b10));
    let by_name = pod("  nodeSelector: {kubernetes.io/hostname: b}\n  nodeName: b\n");
    let config = load_one(&format!("{by_name}{SCENARIO_HEAD}{nodes}")).unwrap().config;
    assert_eq!(config.templates[0].selected, NodeSet(0b10));
    assert_eq!(config.templates[0].node_name, Some(NodeId(1)));
    // Without a scenario there is a node of that name.
    let config = load_one(&by_name).unwrap().config;
    let names: Vec<&str> = config.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["b", "node-1", "node-2"]);
}

#[test]
fn a_workload_without_a_home_is_warned_of() {
    let warnings = load_one(&pod("  nodeSelector: {disk: ssd}\n")).unwrap().warnings;
    assert_eq!(warnings[0].to_string(), "warning: web.yaml:1: no node can host the pods of Pod p");
    let tainted = "  nodes: [{name: a, taints: [\"x:NoSchedule\"]}]\n";
    assert!(scenario(tainted).warnings[0].message.contains("no node can host"));
    let preferred = "  nodes: [{name: a, taints: [\"x:PreferNoSchedule\"]}]\n";
    assert_eq!(scenario(preferred).warnings, []);
}

#[test]
fn pods_keep_their_restart_policy_and_controllers_restart_always() {
    let config = load_one(&pod("  restartPolicy: OnFailure\n")).unwrap().config;
    assert_eq!(config.templates[0].restart_policy, RestartPolicy::OnFailure);
    let never = KUBECTL_DEPLOYMENT.replace("restartPolicy: Always", "restartPolicy: Never");
    assert_eq!(
        refusal(&never),
        "web.yaml:55:22: spec.template.spec.restartPolicy of a Deployment must be Always"
    );
}

#[test]
fn files_go_together_unless_several_have_a_scenario() {
    let manifest = input("web.yaml", KUBECTL_DEPLOYMENT);
    let only_scenario =
        input("dir/s1.yaml", "apiVersion: node-recovery/v1\nkind: Scenario\nspec: {nodes: 2}\n");
    let together = load(&[manifest.clone(), only_scenario.clone()]).unwrap();
    assert_eq!(together.len(), 1);
    assert_eq!((together[0].name.as_str(), together[0].file.as_str()), ("s1", "dir/s1.yaml"));
    assert_eq!(together[0].config.nodes.len(), 2);
    assert_eq!(together[0].config.faults, []);

    let complete = |name: &str| input(name, &with_scenario("  nodes: 2\n"));
    assert_eq!(load(&[complete("a.yaml"), complete("b.yaml")]).unwrap().len(), 2);
    let error = load(&[complete("a.yaml"), manifest, complete("b.yaml")]).unwrap_err();
    assert!(error.to_string().starts_with("error: web.yaml: belongs to no scenario"), "{error}");

    let twice = format!("{}{SCENARIO_HEAD}  nodes: 2\n", with_scenario("  nodes: 2\n"));
    assert_eq!(
        refusal(&twice),
        "web.yaml:13:1: this document is a second Scenario, the first is on line 7"
    );
}

#[test]
fn lists_are_taken_apart_and_owned_objects_left_out() {
    let list = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: web}}
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata: {name: web}
  spec:
    selector: {matchLabels: {app: web}}
    template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-x
    ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u, controller: true}]
  spec: {containers: [{name: c}]}
"#;
    let scenario = load_one(list).unwrap();
    assert_eq!((scenario.config.replica_sets.len(), scenario.config.pods.len()), (1, 0));
    let warnings: Vec<String> = scenario.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "warning: web.yaml:5: items[0].kind \"Service\" is not modelled",
        "warning: web.yaml:16: Pod web-x is left out: ReplicaSet web creates it",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn workloads_are_placed_where_the_scenario_says() {
    let start = |text: &str| {
        let all = format!("{KUBECTL_DEPLOYMENT}{SCENARIO_HEAD}  nodes: [a, b]\n  start: {text}\n");
        load_one(&all).map(|scenario| scenario.config.start)
    };
    let placed =
        |nodes: Vec<NodeId>| Start::Placed(vec![(Owner::ReplicaSet(ReplicaSetId(0)), nodes)]);
    assert_eq!(start("{web: [b, a]}").unwrap(), placed(vec![NodeId(1), NodeId(0)]));
    assert_eq!(start("{deployment/web: [b, b]}").unwrap(), placed(vec![NodeId(1); 2]));
    assert_eq!(start("empty").unwrap(), Start::Empty);
    assert_eq!(start("converged").unwrap(), Start::Converged);
    for (bad, expected) in [
        ("{web: [b]}", "spec.start.web must name a node for each of 2 pods, names 1"),
        ("{web: [b, c]}", "spec.start.web[1] names the unknown node \"c\""),
        ("{wbe: [b, a]}", "spec.start: unknown workload `wbe`"),
        ("somewhere", "spec.start must be converged, empty or a mapping"),
    ] {
        let message = start(bad).unwrap_err().message;
        assert!(message.starts_with(expected), "{bad}: {message}");
    }
}

#[test]
fn room_for_pods_grows_with_outages_up_to_a_bound() {
    let room =
        |faults: &str| scenario(&format!("  nodes: 2\n  faults: {faults}\n")).config.max_pods;
    assert_eq!(room("{}"), 3);
    assert_eq!(room("{powerOff: 1}"), 3);
    assert_eq!(room("{powerOff: 2, partition: 1}"), 7);
    assert_eq!(room("{powerOff: 9}"), 12);
    assert_eq!(
        refusal(&format!("{KUBECTL_DEPLOYMENT}{SCENARIO_HEAD}  nodes: 2\n  maxPods: 1\n")),
        "web.yaml:71:12: spec.maxPods must be at least 2, the pods of the manifests"
    );
}

/// What people do is read like faults, with the time at which they do it; the taints that it needs
/// are known to the cluster.
#[test]
fn what_people_do_has_budgets_too() {
    let config = scenario(
        "  nodes: [a, b]\n  operator: {forceDeletePod: {nodes: [b], when: terminating}, \
         outOfService: {count: 2, when: poweredOff}, cordon: 1}\n",
    )
    .config;
    let read: Vec<_> = config.faults.iter().map(|b| (b.kind, b.count, b.nodes.0, b.when)).collect();
    let expected = [
        (FaultKind::ForceDeletePod, 1, 0b10, When::Terminating),
        (FaultKind::OutOfService, 2, 0b11, When::PoweredOff),
        (FaultKind::Cordon, 1, 0b11, When::Always),
    ];
    assert_eq!(read, expected);
    assert!(models::operator::out_of_service(&config).is_some());
    assert!(config.taint(models::config::UNSCHEDULABLE, Effect::NoSchedule).is_some());
}
