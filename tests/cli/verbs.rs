//! What each verb does, and how it ends: 0 as expected, 1 not, 2 bad input, 3 incomplete.

use crate::{Folder, WEB, scenario};

const OUTAGE: &str =
    "  faults: {powerOff: {count: 1, nodes: [b]}, powerOn: 0}\n  start: {web: [b]}\n";

fn outage(properties: &str) -> Folder {
    Folder::with("x.yaml", scenario(&format!("{OUTAGE}  properties: [{properties}]\n")))
}

#[test]
fn a_run_that_is_as_expected_ends_with_0() {
    let out = outage("{name: R8, expect: reachable}").check(&["run", "x.yaml"]).quiet(0);
    assert!(out.contains("R8        sometimes  reachable   reachable\n"), "{out}");
    assert!(out.contains("\n== R8 reachable: evicted\n"), "{out}");
    assert!(out.contains("\nassumed:\n  - "), "{out}");
}

/// Scenarios that a plain run leaves out only because they take long.
#[test]
fn what_takes_long_is_as_expected_too() {
    for scenario in ["71-volume-out-of-service", "72-volume-out-of-service-behind-a-cut"] {
        let out = Folder::new().check(&["run", scenario]).quiet(0);
        assert!(out.contains(", complete"), "{out}");
    }
}

#[test]
fn a_run_that_is_not_as_expected_ends_with_1() {
    let out = outage("{name: R8, expect: unreachable}").check(&["run", "x.yaml"]).quiet(1);
    assert!(
        out.contains("R8        sometimes  reachable   unreachable  <- not as expected"),
        "{out}"
    );
}

#[test]
fn bad_input_comes_before_everything_else() {
    let folder = outage("{name: R8, expect: unreachable}");
    assert_eq!(folder.check(&["run", "x.yaml", "no.yaml"]).code, 2);
}

#[test]
fn a_run_that_ended_early_ends_with_3() {
    let folder = outage("{name: R8, expect: reachable}");
    for limit in [["--max-states", "5"], ["--timeout", "0"]] {
        let out = folder.check(&["run", "x.yaml", limit[0], limit[1]]).quiet(3);
        assert!(out.contains("incomplete"), "{out}");
    }
}

/// SM-2: up to 1.26 a kubelet is done with a pod in any phase, and a pod of a Job stays where nobody
/// takes its finalizer off.
#[test]
fn a_pod_that_only_its_dead_controller_could_remove_is_an_end() {
    let job = "apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}
---
apiVersion: node-recovery/v1
kind: Scenario
metadata: {name: x}
spec:
  kubernetes: \"1.26\"
  nodes: [a]
  start: empty
  faults: {controllerManagerCrash: 1, controllerManagerRestart: 0}
  operator: {deletePod: {count: 1}}
  properties: [{name: P3a, expect: holds}]
";
    let out = Folder::with("job.yaml", job).check(&["run", "job.yaml"]).quiet(0);
    assert!(out.contains(", complete"), "{out}");
}

/// A model error or a surprise is worse than an early end.
#[test]
fn a_surprise_comes_before_an_early_end() {
    let folder = outage("{name: R8, expect: unreachable}");
    let all = folder.check(&["run", "x.yaml", "--json"]).json(1);
    let states = all["scenarios"][0]["states"].as_u64().unwrap() - 1;
    let arguments = ["run", "x.yaml", "--max-states", &states.to_string()];
    let out = folder.check(&arguments).quiet(1);
    assert!(out.contains("incomplete") && out.contains("<- not as expected"), "{out}");
}

#[test]
fn exit_codes_are_documented() {
    let help = Folder::new().check(&["--help"]).quiet(0);
    let readme = include_str!("../../README.md");
    for (text, mark) in [(&help[..], "  "), (readme, "| ")] {
        for code in 0..4 {
            let line = format!("{mark}{code} ");
            assert!(text.lines().any(|found| found.starts_with(&line)), "{code}: {text}");
        }
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(Folder::new().check(&["--version"]).quiet(0), "check 0.1.0\n");
}

#[test]
fn a_bare_manifest_from_standard_input_gets_a_default_scenario() {
    let arguments = ["run", "-", "--property", "R1", "--max-states", "2000"];
    let ended = Folder::new().check_with_input(&arguments, WEB);
    let out = ended.quiet(3);
    assert!(
        out.starts_with("stdin: Deployment web (1 replica)\nKubernetes 1.36, watch fresh\n"),
        "{out}"
    );
    let faults = "\n  - faults, at most: 1 powerOff, 1 powerOn\n";
    assert!(out.contains(faults), "{out}");
}

#[test]
fn what_is_not_modelled_is_named_in_a_warning() {
    let text = WEB.replace("spec:\n  replicas: 1", "spec:\n  paused: true\n  replicas: 1");
    let folder = Folder::with("x.yaml", format!("{text}{}", &scenario("")[WEB.len()..]));
    let ended = folder.check(&["run", "x.yaml", "--property", "R1"]);
    assert_eq!(ended.code, 0);
    assert!(ended.err.starts_with("warning: x.yaml:6"), "{}", ended.err);
    assert!(ended.err.contains("spec.paused"), "{}", ended.err);
    assert_eq!(ended.err.matches("warning: ").count(), 1, "{}", ended.err);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let folder = outage("");
    let run = |seed| folder.check(&["simulate", "x.yaml", "--seed", seed]).quiet(0);
    assert_eq!(run("11"), run("11"));
    let all: std::collections::BTreeSet<String> =
        ["1", "2", "3", "4", "5"].into_iter().map(run).collect();
    assert!(all.len() > 1);
    let shown = run("11");
    for table in ["pods", "nodes", "deployments"] {
        assert!(
            shown.contains(&format!("\n$ kubectl get {table} -o wide --watch\nNAME ")),
            "{shown}"
        );
    }
}

#[test]
fn a_saved_trace_replays_without_the_files_that_it_came_from() {
    let folder = outage("R8, P3a");
    let out = folder.check(&["run", "x.yaml", "--save", "trace.json"]).quiet(0);
    let again = out.lines().find_map(|line| line.strip_prefix("again: check ")).expect("a command");
    assert_eq!(again, "replay trace.json --property R8");
    std::fs::remove_file(folder.0.path().join("x.yaml")).unwrap();
    let replayed = folder.check(&again.split(' ').collect::<Vec<_>>()).quiet(0);
    assert!(replayed.contains(", to the same states\n"), "{replayed}");
    let steps = |text: &str| -> Vec<String> {
        let steps = text.lines().skip_while(|line| !line.starts_with(" 1 "));
        steps.take_while(|line| !line.starts_with("again: ")).map(str::to_string).collect()
    };
    assert_eq!(steps(&replayed), steps(&out));
    let nothing = folder.check(&["replay", "trace.json", "--property", "P3a"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (2, ""));
    assert!(nothing.err.contains("it holds R8 of x"), "{}", nothing.err);
}

#[test]
fn a_schedule_of_another_model_is_noticed_at_its_step() {
    let folder = outage("R8");
    folder.check(&["run", "x.yaml", "--save", "trace.json"]).quiet(0);
    let mut saved: serde_json::Value = serde_json::from_str(&folder.read("trace.json")).unwrap();
    saved["runs"][0]["steps"][2]["state"] = "0".repeat(32).into();
    folder.write("trace.json", saved.to_string());
    let ended = folder.check(&["replay", "trace.json"]);
    assert_eq!(ended.code, 1);
    let error = "trace.json: step 3: this version of the model does something else here: ";
    assert!(ended.err.starts_with(error), "{}", ended.err);
}

/// Every trace says how it is shown again, and that command shows it again.
#[test]
fn the_command_below_a_trace_shows_it_again() {
    let folder = outage("R8, P3a");
    let out = folder.check(&["run", "x.yaml"]).quiet(0);
    let again = out.lines().find_map(|line| line.strip_prefix("again: check ")).expect("a command");
    let second = folder.check(&again.split(' ').collect::<Vec<_>>()).quiet(0);
    let trace = |text: &str| {
        let from = text.find("== R8").expect("the trace");
        let end = text[from..].find("\nagain: ").expect("its end");
        text[from..from + end].to_string()
    };
    assert_eq!(trace(&out), trace(&second));
}

#[test]
fn the_catalogue_names_everything() {
    let out = Folder::new().check(&["list"]).quiet(0);
    for heading in ["SCENARIOS", "\nPROPERTIES", "\nRULES"] {
        assert!(out.contains(heading), "{out}");
    }
    assert!(
        out.contains("\n  P3a      step       a deletion is never withdrawn (promised)\n"),
        "{out}"
    );
}

#[test]
fn coverage_counts_transitions_by_rule() {
    let out = Folder::new().check(&["list", "--coverage"]).quiet(0);
    assert!(out.starts_with("RULE                    TRANSITIONS  SCENARIOS  MEANING\n"), "{out}");
    let line = out.lines().find(|line| line.starts_with("NLC-3 ")).expect("a line of NLC-3");
    let count = line.split_whitespace().nth(1).unwrap().replace(',', "");
    assert!(count.parse::<u64>().unwrap() > 0, "{line}");
    assert!(out.lines().last().unwrap().contains(" modelled ("), "{out}");
    // Every modelled rule is at work somewhere, or says what it waits for.
    let mut idle = out.lines().filter(|line| line.contains("never at work"));
    assert!(idle.all(|line| line.contains(": waits for ")), "{out}");
}

#[test]
fn rules_and_properties_are_explained() {
    let folder = Folder::new();
    let explained = folder.check(&["explain", "tec-5b"]).quiet(0);
    assert!(explained.starts_with("TEC-5: the toleration is over"), "{explained}");
    assert!(explained.contains("pkg/controller/tainteviction"), "{explained}");
    let explained = folder.check(&["explain", "p3a"]).quiet(0);
    assert!(explained.starts_with("P3a: a deletion is never withdrawn\n"), "{explained}");
    assert!(explained.contains("ST-6: "), "{explained}");
}

/// Several files: one scenario with its manifests.
#[test]
fn manifests_and_scenario_may_be_files_of_their_own() {
    let folder = Folder::with("web.yaml", WEB);
    folder.write("cluster.yaml", &scenario("")[WEB.len()..]);
    let out = folder.check(&["run", "web.yaml", "cluster.yaml", "--property", "P3a"]).quiet(0);
    assert!(out.starts_with("cluster: Deployment web (1 replica)\n"), "{out}");
}
