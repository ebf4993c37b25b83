//! `check diff`: which verdicts change between versions, where, and by which rule.

use serde_json::Value;

use crate::{Folder, scenario};

/// A node that reboots; the final DELETE of its kubelet is what versions do differently.
fn reboot() -> Folder {
    let spec = "  faults: {powerOff: {count: 1, nodes: [b]}}\n  start: {web: [b]}\n  \
                properties: [P21, P3a]\n";
    Folder::with("x.yaml", scenario(spec))
}

fn property<'a>(json: &'a Value, name: &str) -> &'a Value {
    let mut all = json["properties"].as_array().unwrap().iter();
    all.find(|it| it["property"] == name).unwrap_or_else(|| panic!("{name}: {json}"))
}

#[test]
fn a_change_has_its_version_and_its_rule() {
    let folder = reboot();
    let json = folder.check(&["diff", "x.yaml", "--kubernetes", "1.26..1.28", "--json"]).json(0);
    let changes = property(&json, "P21")["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{json}");
    let change = &changes[0];
    assert_eq!((&change["kubernetes"], &change["from"]), (&"1.27".into(), &"violated".into()));
    assert_eq!(change["to"], "holds");
    // Two things begin with 1.27; only one of them does it.
    let rules = change["rules"].as_array().unwrap();
    assert_eq!(rules.iter().map(|it| &it["rule"]).collect::<Vec<_>>(), ["SM-2"]);
    assert_eq!(change["together"], false);
    assert_eq!(property(&json, "P3a")["changes"], serde_json::json!([]));
    // What is told of each version is what a run at that version says.
    for verdict in property(&json, "P21")["verdicts"].as_array().unwrap() {
        let version = verdict["kubernetes"].as_str().unwrap();
        let run = ["run", "x.yaml", "--kubernetes", version, "--property", "P21", "--json"];
        let run = folder.check(&run).json(0);
        assert_eq!(run["scenarios"][0]["verdicts"][0]["verdict"], verdict["verdict"], "{version}");
    }
}

#[test]
fn people_read_which_rule_it_was() {
    let out = reboot().check(&["diff", "x.yaml", "--kubernetes", "1.26..1.28"]).quiet(0);
    let table = "PROPERTY  KUBERNETES   VERDICT     BY RULE\n\
                 P21       1.26         violated\n          \
                 1.27..1.28   holds       SM-2: the kubelet writes a terminal phase";
    assert!(out.contains(table), "{out}");
    assert!(out.contains("\nunchanged: P3a holds\n"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

/// Versions that do nothing differently are not searched again.
#[test]
fn only_what_differs_is_searched() {
    let arguments = ["diff", "x.yaml", "--kubernetes", "1.29..1.31", "--json"];
    let json = reboot().check(&arguments).json(0);
    assert_eq!(json["searched"], serde_json::json!(["1.29"]));
    let verdicts = property(&json, "P21")["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 3);
    let out = reboot().check(&arguments[..4]).quiet(0);
    assert!(out.contains("\nNo verdict changes.\n"), "{out}");
}

#[test]
fn what_a_scenario_expects_counts_at_its_own_version() {
    let spec = "  kubernetes: \"1.28\"\n  faults: {powerOff: {count: 1, nodes: [b]}}\n  \
                start: {web: [b]}\n  properties: [{name: P21, expect: violated}]\n";
    let folder = Folder::with("x.yaml", scenario(spec));
    let out = folder.check(&["diff", "x.yaml", "--kubernetes", "1.27..1.28"]).quiet(1);
    assert!(out.contains("\nKubernetes 1.28: P21 holds: not as expected\n"), "{out}");
    assert!(!out.contains("\nKubernetes 1.27: P21"), "{out}");
}

#[test]
fn a_search_that_ended_early_says_so() {
    let arguments = ["diff", "x.yaml", "--kubernetes", "1.26..1.27", "--max-states", "5"];
    let out = reboot().check(&arguments).quiet(3);
    assert!(out.contains("\nKubernetes 1.26: incomplete: "), "{out}");
    assert!(out.contains("\nNo verdict changes.\n"), "{out}");
}

#[test]
fn bad_ranges_and_files_are_refused() {
    let folder = reboot();
    let refused = |file: &str, range: &str, error: &str| {
        let ended = folder.check(&["diff", file, "--kubernetes", range]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{range}");
        assert!(ended.err.contains(error), "{}", ended.err);
        assert_eq!(ended.err.matches("error").count(), 1, "{}", ended.err);
    };
    refused("x.yaml", "1.30..1.29", "1.30 is newer than 1.29");
    refused("x.yaml", "1.20..1.30", "unknown Kubernetes version \"1.20\"");
    refused("x.yaml", "1.30-1.31", "unknown Kubernetes version \"1.30-1.31\"");
    refused("x.yaml", "1.30", "one version, 1.30, has nothing to differ from");
    refused("no.yaml", "1.26..1.36", "no.yaml");
}
