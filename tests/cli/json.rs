//! What programs read: the shape of the JSON, name by name.

use serde_json::Value;

use crate::{Folder, WEB, scenario};

const OUTAGE: &str = "  faults: {powerOff: {count: 1, nodes: [b]}, powerOn: 0}
  start: {web: [b]}
  properties: [{name: P1.api, expect: holds}, {name: R8, expect: reachable}, P3b]
";

/// The names of an object's fields.
fn names(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[track_caller]
fn has(value: &Value, expected: &[&str]) {
    let names = names(value);
    for name in expected {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

#[track_caller]
fn items(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// What the documents of `check` and `check run` have in common.
#[track_caller]
fn check_document(document: &Value) {
    assert_eq!(names(document), ["scenarios", "skipped"]);
    for scenario in items(&document["scenarios"]) {
        let fields = ["scenario", "kubernetes", "engine", "states", "transitions", "depth"];
        has(scenario, &fields);
        has(scenario, &["seconds", "complete", "assumptions", "verdicts"]);
        assert!(scenario["kubernetes"].as_str().is_some_and(|version| version.starts_with("1.")));
        for count in ["states", "transitions", "depth"] {
            assert!(scenario[count].is_u64(), "{count}");
        }
        assert!(scenario["seconds"].is_f64() && scenario["complete"].is_boolean());
        let assumptions = items(&scenario["assumptions"]);
        assert!(!assumptions.is_empty() && assumptions.iter().all(Value::is_string));
        items(&scenario["verdicts"]).iter().for_each(check_verdict);
    }
    for skipped in items(&document["skipped"]) {
        has(skipped, &["scenario", "because", "command"]);
    }
}

#[track_caller]
fn check_verdict(verdict: &Value) {
    has(verdict, &["property", "kind", "expected", "verdict", "trace"]);
    let word = |field: &str| verdict[field].as_str().unwrap_or("null");
    assert!(["state", "step", "sometimes"].contains(&word("kind")), "{verdict}");
    let verdicts = ["holds", "violated", "reachable", "unreachable", "unknown", "not-checked"];
    assert!(verdicts.contains(&word("verdict")));
    assert!(word("expected") == "null" || verdicts.contains(&word("expected")));
    let shown = ["violated", "reachable"].contains(&word("verdict"));
    assert_eq!(verdict["trace"].is_array(), shown, "{}", verdict["property"]);
    for step in verdict["trace"].as_array().into_iter().flatten() {
        has(step, &["actor", "rule", "action", "changes"]);
        assert!(step["actor"].is_string() && step["action"].is_string());
        assert!(step["rule"].is_string() || step["rule"].is_null());
        assert!(items(&step["changes"]).iter().all(Value::is_string));
    }
}

#[test]
fn of_a_run() {
    let folder = Folder::with("x.yaml", scenario(OUTAGE));
    let document = folder.check(&["run", "x.yaml", "--json"]).json(0);
    check_document(&document);
    let run = &document["scenarios"][0];
    assert_eq!((&run["scenario"], &run["kubernetes"]), (&"x".into(), &"1.36".into()));
    assert_eq!((&run["complete"], &run["error"]), (&true.into(), &Value::Null));
    let verdicts = items(&run["verdicts"]);
    let words = |verdict: &Value| {
        ["property", "kind", "expected", "verdict"]
            .map(|field| verdict[field].as_str().unwrap_or("null").to_string())
            .join(" ")
    };
    let words: Vec<String> = verdicts.iter().map(words).collect();
    assert_eq!(
        words,
        ["P1.api state holds holds", "R8 sometimes reachable reachable", "P3b step null holds"]
    );
    let trace = items(&verdicts[1]["trace"]);
    assert_eq!((&trace[0]["actor"], &trace[0]["rule"]), (&"fault".into(), &"F-POWEROFF".into()));
    assert!(trace.iter().any(|step| step["rule"] == "NLC-3"));
}

/// Every witness is told step by step, and every bundled scenario is there or skipped.
#[test]
fn of_all_bundled_scenarios() {
    let folder = Folder::new();
    let document = folder.check(&["--json"]).json(0);
    check_document(&document);
    let listed = folder.check(&["list", "--json"]).json(0);
    let mut all: Vec<&Value> = items(&listed["scenarios"]).iter().map(|it| &it["name"]).collect();
    let checked = items(&document["scenarios"]).iter().chain(items(&document["skipped"]));
    for scenario in checked {
        let at = all.iter().position(|name| **name == scenario["scenario"]);
        all.swap_remove(at.expect("a bundled scenario, once"));
    }
    assert!(all.is_empty(), "not checked: {all:?}");
}

#[test]
fn of_the_catalogue() {
    let folder = Folder::new();
    let document = folder.check(&["list", "--json"]).json(0);
    assert_eq!(names(&document), ["scenarios", "properties", "rules"]);
    for scenario in items(&document["scenarios"]) {
        has(scenario, &["name", "file"]);
        let file = scenario["file"].as_str().unwrap();
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file).is_file(), "{file}");
    }
    let named = |list: &str, field: &str| -> Vec<String> {
        let name = |item: &Value| item[field].as_str().expect("a name").to_string();
        items(&document[list]).iter().map(name).collect()
    };
    for property in
        ["P1.api", "P1.real", "P3a", "P3b", "P3c", "P3d", "P6", "P7", "P8", "P11", "P12", "P21"]
    {
        assert!(named("properties", "name").iter().any(|name| name == property), "{property}");
    }
    for rule in ["ST-1", "NLC-12", "TEC-5", "GC-2", "SC-3", "RS-7", "DP-1", "KL-8", "PW-8", "SM-3"]
    {
        assert!(named("rules", "rule").iter().any(|name| name == rule), "{rule}");
    }
}

#[test]
fn of_a_random_run() {
    let folder = Folder::with("x.yaml", scenario(OUTAGE));
    let run = folder.check(&["simulate", "x.yaml", "--seed", "5", "--json"]).json(0);
    has(&run, &["scenario", "seed", "end", "properties", "trace"]);
    assert_eq!(run["seed"], 5);
    items(&run["trace"]).iter().for_each(|step| has(step, &["actor", "rule", "action", "changes"]));
}

#[test]
fn of_a_search_that_ended_early() {
    let folder = Folder::with("x.yaml", scenario(OUTAGE));
    let arguments = ["run", "x.yaml", "--json", "--max-states", "10"];
    let document = folder.check(&arguments).json(3);
    check_document(&document);
    let run = &document["scenarios"][0];
    assert_eq!(run["complete"], false);
    assert_eq!(run["verdicts"][0]["verdict"], "unknown");
}

/// Warnings are part of the document, and of standard error.
#[test]
fn with_warnings() {
    let text = WEB.replace("image: nginx", "image: nginx, livenessProbe: {tcpSocket: {port: 80}}");
    let folder = Folder::with("x.yaml", format!("{text}{}", &scenario("")[WEB.len()..]));
    let ended = folder.check(&["run", "x.yaml", "--property", "R1", "--json"]);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let warnings = items(&document["scenarios"][0]["warnings"]);
    assert_eq!((warnings.len(), warnings[0]["line"].as_u64()), (1, Some(11)), "{warnings:?}");
    assert!(ended.err.starts_with("warning: x.yaml:11"), "{}", ended.err);
    assert!(ended.err.contains("livenessProbe"), "{}", ended.err);
}
