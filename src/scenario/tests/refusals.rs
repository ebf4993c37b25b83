//! Bad inputs: one error each, with its line.

use super::*;

#[test]
fn bad_manifests_are_refused_with_their_line() {
    let deployment = |from: &str, to: &str| refusal(&KUBECTL_DEPLOYMENT.replace(from, to));
    assert_eq!(
        deployment("replicas: 2", "replicas: -1"),
        "web.yaml:26:13: spec.replicas must not be negative, is -1"
    );
    assert_eq!(
        deployment("replicas: 2", "replicas: 9"),
        "web.yaml:26:13: spec.replicas must be 0 to 8, is 9"
    );
    assert!(
        deployment("replicas: 2", "replicas: two")
            .starts_with("web.yaml:26:13: spec.replicas must be a whole number, is the string")
    );
    assert_eq!(
        deployment("replicas: 2", "replica: 2"),
        "web.yaml:26:3: unknown field `spec.replica`"
    );
    assert_eq!(
        deployment("    matchLabels:\n      app: web", "    matchLabels:\n      app: other"),
        "web.yaml:29:5: spec.selector does not match the labels of the template"
    );
    assert_eq!(
        deployment("apiVersion: apps/v1\nkind", "apiVersion: extensions/v1beta1\nkind"),
        "web.yaml:1:13: apiVersion of a Deployment must be apps/v1, is extensions/v1beta1"
    );
    assert_eq!(
        deployment("kind: Deployment\nm", "kind: CronJob\nm"),
        "web.yaml:2:7: kind \"CronJob\" is not modelled"
    );
    assert_eq!(deployment("  name: web\n", ""), "web.yaml:4:3: metadata has no `name`");
    assert_eq!(
        refusal(&format!("{KUBECTL_DEPLOYMENT}---\n{KUBECTL_DEPLOYMENT}")),
        "web.yaml:85:9: metadata.name is used twice: Deployment web is also in web.yaml:1:1"
    );
    assert_eq!(
        refusal(&pod("  tolerations: [{key: a, tolerationSeconds: 3}]\n")),
        "web.yaml:6:17: spec.tolerations[0] has tolerationSeconds without effect NoExecute"
    );
    assert_eq!(
        refusal(&pod("  tolerations: [{effect: NoExecute}]\n")),
        "web.yaml:6:17: spec.tolerations[0] has neither a key nor operator Exists"
    );
    assert_eq!(
        refusal(&pod("  tolerations:\n  - key: a\n    effect: NoExcute\n")),
        "web.yaml:8:13: spec.tolerations[0].effect must be one of NoSchedule, PreferNoSchedule, NoExecute, is \"NoExcute\""
    );
}

#[test]
fn texts_that_are_no_objects_are_refused() {
    assert_eq!(refusal(""), "web.yaml: no document in this input");
    assert_eq!(
        refusal("just words\n"),
        "web.yaml:1:1: this document is the string \"just words\", not a Kubernetes object"
    );
    assert_eq!(refusal("- a\n"), "web.yaml:1:1: this document is a list, not a Kubernetes object");
    assert_eq!(refusal("a: b\n"), "web.yaml:1:1: this document has no `kind`");
    assert!(refusal("a: [b\n").contains("not valid YAML"));
    assert!(refusal("{\"kind\": \"Pod\"").contains("not valid JSON"));
    assert_eq!(
        refusal("apiVersion: v1\nkind: Service\n"),
        "web.yaml:2:7: kind \"Service\" is not modelled"
    );
    let scenario_alone = "apiVersion: node-recovery/v1\nkind: Scenario\nspec: {nodes: 3}\n";
    assert_eq!(refusal(scenario_alone), "web.yaml: no workload to check");
    let misspelt = with_scenario("  nodes: 3\n").replace("kind: Scenario", "kind: Senario");
    assert_eq!(refusal(&misspelt), "web.yaml:8:7: kind \"Senario\" is not modelled");
}

#[test]
fn bad_scenarios_are_refused_with_their_line() {
    let cases = [
        ("nodes: 0", "11:10: spec.nodes must not be zero: pods need a node to run on"),
        ("nodes: []", "11:10: spec.nodes must not be zero: pods need a node to run on"),
        ("nodes: 15", "11:10: spec.nodes must be 0 to 14, is 15"),
        ("nodes: -1", "11:10: spec.nodes must not be negative, is -1"),
        (
            "nodes: many",
            "11:10: spec.nodes must be a number of nodes or a list of them, is the string \"many\"",
        ),
        ("nodes: [a, a]", "11:14: spec.nodes[1] names `a` a second time"),
        ("nodes: [{nam: a}]", "11:12: unknown field `spec.nodes[0].nam`"),
        ("nodes: [{name: a, taints: [x]}]", "11:30: spec.nodes[0].taints[0] is no taint: \"x\""),
        (
            "nodes: [{name: a, taints: [\"node.kubernetes.io/not-ready:NoExecute\"]}]",
            "11:30: spec.nodes[0].taints[0] must not be node.kubernetes.io/not-ready",
        ),
        ("ndoes: 3", "11:3: unknown field `spec.ndoes`"),
        ("nodes: 2\n  faults: {powerOn: 1}", "12:21: spec.faults.powerOn has nothing to mend"),
        (
            "nodes: 2\n  faults: {powerOff: -1}",
            "12:22: spec.faults.powerOff must not be negative, is -1",
        ),
        ("nodes: 2\n  faults: {powerOff: 10}", "12:22: spec.faults.powerOff must be 0 to 9, is 10"),
        ("nodes: 2\n  faults: {powerof: 1}", "12:12: unknown field `spec.faults.powerof`"),
        (
            "nodes: 2\n  faults: {powerOff: {count: 1, nodes: [x]}}",
            "12:41: spec.faults.powerOff.nodes[0] names the unknown node \"x\"",
        ),
        (
            "nodes: [a, b]\n  faults: {powerOff: {nodes: [a]}, powerOn: {nodes: [b]}}",
            "12:53: spec.faults.powerOn.nodes names b, where `powerOff` never happens",
        ),
        (
            "nodes: [{name: a, powerOff: false}]\n  faults: {powerOff: 1}",
            "12:22: spec.faults.powerOff can strike no node",
        ),
        (
            "nodes: [{name: a, powerOff: false}]\n  faults: {powerOff: {nodes: [a]}}",
            "12:31: spec.faults.powerOff.nodes[0] names a, which says `powerOff: false`",
        ),
        (
            "nodes: [a]\n  faults: {controllerManagerCrash: {nodes: [a]}}",
            "12:44: spec.faults.controllerManagerCrash.nodes makes no sense: this fault strikes no node",
        ),
        (
            "nodes: [a]\n  faults: {powerOff: {outage: 30s}, powerOn: 0}",
            "12:31: spec.faults.powerOff.outage ends in time, but a may not recover as often as that",
        ),
        (
            "nodes: [a, b]\n  faults: {partition: {count: 2, outage: 1m}, heal: {count: 2, nodes: [a]}}",
            "12:42: spec.faults.partition.outage ends in time, but b may not recover as often as that",
        ),
        (
            "nodes: [a]\n  faults: {runtimeCrash: {outage: 1m}}",
            "12:35: spec.faults.runtimeCrash.outage makes no sense: this fault ends no heartbeats",
        ),
        ("nodes: 2\n  controlPlane: x", "12:17: spec.controlPlane names the unknown node \"x\""),
        (
            "nodes: 2\n  kubernetes: '1.25'",
            "12:15: spec.kubernetes is an unknown Kubernetes version \"1.25\"; modelled are 1.26 to 1.36",
        ),
        ("nodes: 2\n  watch: {lag: 0}", "12:16: spec.watch.lag must be at least 1"),
        (
            "nodes: 2\n  watch: stale",
            "12:10: spec.watch must be fresh, {lag: 2} or unbounded, is the string \"stale\"",
        ),
        ("nodes: 2\n  maxPods: 33", "12:12: spec.maxPods must be 1 to 32, is 33"),
        (
            "nodes: 2\n  controllerManager: {nodeMonitorPeriod: 5}",
            "12:42: spec.controllerManager.nodeMonitorPeriod is no duration in whole seconds: \"5\"",
        ),
        (
            "nodes: 2\n  controllerManager: {nodeEvictionRate: 0}",
            "12:41: spec.controllerManager.nodeEvictionRate must be above 0 and at most 1, is 0",
        ),
        (
            "nodes: 2\n  containers: {onSigterm: exit}",
            "12:27: spec.containers.onSigterm must be one of exits, ignores, is \"exit\"",
        ),
        (
            "nodes: 2\n  properties: [{name: P1, expect: hold}]",
            "12:35: spec.properties[0].expect must be one of",
        ),
        (
            "nodes: 2\n  properties: [P1, P1]",
            "12:20: spec.properties[1] names P1 again, first on line 12",
        ),
        ("nodes: 2\n  title: [a]", "12:10: spec.title must be a string, is a list"),
        ("nodes: 2\n  nodes: 3", "12:3: duplicate key `nodes`, first on line 11"),
    ];
    for (spec, expected) in cases {
        let refusal = refusal(&with_scenario(&format!("  {spec}\n")));
        assert!(
            refusal.starts_with(&format!("web.yaml:{expected}")),
            "{spec}\n  {refusal}\n  {expected}"
        );
    }
}

#[test]
fn node_names_in_manifests_must_exist() {
    let text = format!("{}{SCENARIO_HEAD}  nodes: [a]\n", pod("  nodeName: b\n"));
    assert_eq!(refusal(&text), "web.yaml:6:13: spec.nodeName names the unknown node \"b\"");
}
