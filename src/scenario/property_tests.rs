//! Generated inputs: nothing makes the reader panic, and YAML and JSON mean the same.

use models::config::ClusterConfig;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const VALID: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  minReadySeconds: 5
  selector:
    matchLabels: {app: web}
    matchExpressions: [{key: app, operator: In, values: [web, "db"]}]
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {disk: ssd}
      terminationGracePeriodSeconds: 10
      tolerations: &t
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 20}
      containers: [{name: c, image: nginx}]
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c}], nodeName: b}
---
apiVersion: node-recovery/v1
kind: Scenario
metadata: {name: s}
spec:
  kubernetes: "1.26"
  nodes: [a, {name: b, zone: z, labels: {disk: ssd}, taints: ["x=y:NoSchedule"]}, c]
  controlPlane: a
  watch: {lag: 2}
  start: {web: [b, b]}
  faults: {powerOff: {count: 1, nodes: [b]}, partition: 1, powerOnNoNetwork: 1}
  controllerManager: {nodeMonitorPeriod: 5s, nodeEvictionRate: 0.1}
  containers: {onSigterm: ignores}
  properties: [P3a, {name: R1, expect: reachable, because: why}]
"#;

/// Words that make a random document nearly a good one.
const WORDS: [&str; 24] = [
    "-1",
    "0",
    "9",
    "17",
    "99999999999",
    "0.5",
    "null",
    "true",
    "[]",
    "{}",
    "a",
    "web",
    "''",
    "\n",
    "  ",
    ": ",
    "- ",
    "*t",
    "&t",
    "fresh",
    "Pod",
    "kind",
    "{",
    "\u{1f600}",
];

fn load_text(text: &str) -> Result<Vec<Scenario>, InputError> {
    load(&[Input { name: "x.yaml".into(), text: text.into() }])
}

/// Loads, prints and checks what every outcome must satisfy.
fn survives(text: &str) {
    match load_text(text) {
        Ok(scenarios) => {
            for scenario in scenarios {
                assert_consistent(&scenario.config);
                let lines = count_lines(text);
                assert!(scenario.warnings.iter().all(|warning| warning.line <= lines));
            }
        }
        Err(error) => {
            assert!(error.place.line <= count_lines(text), "{error}");
            assert!(error.to_string().starts_with("error: "));
        }
    }
}

/// Lines, the empty one at the end included.
fn count_lines(text: &str) -> usize {
    text.replace("\r\n", "\n").split(['\n', '\r']).count()
}

/// Ids point at something, and limits of the model are kept.
fn assert_consistent(config: &ClusterConfig) {
    let nodes = config.nodes.len();
    assert!((1..=16).contains(&nodes) && config.taints.len() <= 16 && config.max_pods <= 32);
    for template in &config.templates {
        assert!(template.node_name.is_none_or(|node| usize::from(node.0) < nodes));
        assert!(template.selected.iter().all(|node| usize::from(node.0) < nodes));
    }
    for node in &config.nodes {
        assert!(node.taints.iter().all(|taint| usize::from(taint.0) < config.taints.len()));
        assert!(usize::from(node.zone.0) < config.zones.len());
    }
    for deployment in &config.deployments {
        let replica_set = &config.replica_sets[usize::from(deployment.replica_set.0)];
        assert!(replica_set.name.starts_with(&deployment.name));
    }
    for budget in &config.faults {
        assert!(budget.count > 0 && !budget.nodes.is_empty());
        let mended = budget.kind.mends();
        let given = |kind| config.faults.iter().any(|other| other.kind == kind);
        assert!(mended.is_empty() || mended.iter().copied().any(given));
    }
}

/// A change of a text: cut out a part and put something else there.
fn mutate(text: &str, start: usize, length: usize, replacement: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let start = start % (chars.len() + 1);
    let end = (start + length).min(chars.len());
    chars[..start]
        .iter()
        .copied()
        .chain(replacement.chars())
        .chain(chars[end..].iter().copied())
        .collect()
}

/// Block style, as kubectl prints it; strings are quoted where YAML would read something else.
fn to_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                out.push_str(&format!("{pad}{key}:"));
                nested(value, indent + 2, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                nested(item, indent + 2, out);
            }
        }
        scalar => out.push_str(&format!("{pad}{scalar}\n")),
    }
}

fn nested(value: &Value, indent: usize, out: &mut String) {
    let block = matches!(value, Value::Object(e) if !e.is_empty())
        || matches!(value, Value::Array(i) if !i.is_empty());
    if block {
        out.push('\n');
        to_yaml(value, indent, out);
    } else if let Some(word) =
        value.as_str().filter(|s| s.starts_with(|c: char| c.is_ascii_lowercase()))
    {
        let plain =
            !matches!(word, "null" | "true" | "false") && !word.contains([':', '#', '\n', ' ']);
        out.push_str(&if plain { format!(" {word}\n") } else { format!(" {value}\n") });
    } else {
        out.push_str(&format!(" {value}\n"));
    }
}

prop_compose! {
    fn toleration()(
        key in prop_oneof!["node\\.kubernetes\\.io/(not-ready|unreachable)", "[a-z]{1,5}"],
        value in proptest::option::of("[a-z0-9]{0,4}"),
        no_execute in any::<bool>(),
        seconds in proptest::option::of(-10i64..1000),
    ) -> Value {
        let mut toleration = json!({"key": key});
        match value {
            Some(value) => toleration["value"] = json!(value),
            None => toleration["operator"] = json!("Exists"),
        }
        if no_execute {
            toleration["effect"] = json!("NoExecute");
            toleration["tolerationSeconds"] = json!(seconds);
        }
        toleration
    }
}

prop_compose! {
    fn deployment()(
        name in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?",
        labels in proptest::collection::btree_map("[a-z]{1,4}", "[a-z0-9]{0,4}", 1..4),
        replicas in proptest::option::of(0i64..=8),
        grace in proptest::option::of(0i64..100_000),
        min_ready in proptest::option::of(0i64..600),
        image in "\\PC{0,12}",
        tolerations in proptest::collection::vec(toleration(), 0..4),
    ) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "replicas": replicas, "minReadySeconds": min_ready,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "terminationGracePeriodSeconds": grace,
                        "tolerations": tolerations,
                        "containers": [{"name": "c", "image": image}],
                    },
                },
            },
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_survived(text in "\\PC{0,80}(\n\\PC{0,40}){0,4}") {
        survives(&text);
    }

    #[test]
    fn arbitrary_characters_are_survived(chars in proptest::collection::vec(any::<char>(), 0..120)) {
        survives(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match source::from_bytes("x.yaml", bytes.clone()) {
            Ok(input) => survives(&input.text),
            Err(error) => {
                prop_assert!(std::str::from_utf8(&bytes).is_err());
                let breaks = bytes.iter().filter(|byte| **byte == b'\n').count();
                prop_assert!((1..=breaks + 1).contains(&error.place.line));
            }
        }
    }

    #[test]
    fn words_of_yaml_in_any_order_are_survived(
        words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..40),
    ) {
        survives(&words.concat());
    }

    #[test]
    fn damaged_documents_are_survived(
        changes in proptest::collection::vec(
            (any::<usize>(), 0usize..12, proptest::sample::select(WORDS.to_vec())), 1..4),
    ) {
        let mut text = VALID.to_string();
        for (start, length, replacement) in changes {
            text = mutate(&text, start, length, replacement);
        }
        survives(&text);
    }

    #[test]
    fn damaged_json_is_survived(
        value in deployment(),
        changes in proptest::collection::vec((any::<usize>(), 0usize..4, "[\\PC\n\t]{0,3}"), 1..3),
    ) {
        let mut text = serde_json::to_string_pretty(&value).unwrap();
        for (start, length, replacement) in changes {
            text = mutate(&text, start, length, &replacement);
        }
        survives(&text);
    }

    #[test]
    fn yaml_and_json_of_a_deployment_give_the_same_cluster(value in deployment()) {
        let mut yaml = String::new();
        to_yaml(&value, 0, &mut yaml);
        let from_yaml = load_text(&yaml).map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?;
        let json = serde_json::to_string_pretty(&value).unwrap();
        let from_json = load_text(&json).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let compact = load_text(&value.to_string()).unwrap();
        prop_assert_eq!(&from_yaml[0].config, &from_json[0].config);
        prop_assert_eq!(&compact[0].config, &from_json[0].config);

        let config = &from_yaml[0].config;
        let spec = &value["spec"];
        let replicas = spec["replicas"].as_i64().unwrap_or(1);
        prop_assert_eq!(i64::from(config.replica_sets[0].replicas), replicas);
        let grace = spec["template"]["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
        prop_assert_eq!(i64::from(config.templates[0].grace.0), grace);
        let image = spec["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
        prop_assert_eq!(config.templates[0].image.as_str(), image);
        let given = spec["template"]["spec"]["tolerations"].as_array().unwrap();
        prop_assert!(config.templates[0].tolerations.len() >= given.len());
        for (toleration, given) in config.templates[0].tolerations.iter().zip(given) {
            prop_assert_eq!(toleration.key.as_deref(), given["key"].as_str());
            prop_assert_eq!(toleration.seconds, given["tolerationSeconds"].as_i64());
        }
    }
}

#[test]
fn the_undamaged_document_is_good() {
    let scenarios = load_text(VALID).unwrap_or_else(|error| panic!("{error}"));
    assert_consistent(&scenarios[0].config);
    assert_eq!(scenarios[0].config.deployments.len(), 1);
}
