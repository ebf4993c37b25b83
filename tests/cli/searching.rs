//! How a search is done: limits, symmetry, deepening, measuring.

use serde_json::Value;

use crate::{Folder, scenario};

/// Two nodes that are alike.
const OUTAGE: &str = "  faults: {kubeletCrash: 1}\n  properties: [P1.api, R8]\n";

fn folder() -> Folder {
    Folder::with("x.yaml", scenario(OUTAGE))
}

fn run_in(folder: &Folder, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["run", "x.yaml", "--json"], arguments].concat();
    folder.check(&arguments).json(code)["scenarios"][0].clone()
}

fn run(arguments: &[&str], code: i32) -> Value {
    run_in(&folder(), arguments, code)
}

#[test]
fn symmetry_is_used_unless_it_is_refused() {
    let (one, all) = (run(&[], 0), run(&["--no-symmetry"], 0));
    let states = |report: &Value| report["states"].as_u64().unwrap();
    assert!(states(&one) < states(&all), "{} {}", states(&one), states(&all));
    let verdicts = |report: &Value| {
        let verdicts = report["verdicts"].as_array().unwrap().iter();
        verdicts.map(|verdict| verdict["verdict"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&one), verdicts(&all));
    let said = |report: &Value| {
        let assumptions = report["assumptions"].as_array().unwrap().iter();
        assumptions.filter(|said| said.as_str().unwrap().contains("--no-symmetry")).count()
    };
    assert_eq!((said(&one), said(&all)), (1, 0));
    // The plain search and stateright tell all states apart.
    for engine in ["reference", "stateright-bfs"] {
        let counted = run(&["--engine", engine], if engine == "reference" { 0 } else { 3 });
        assert_eq!(states(&counted), states(&all), "{engine}");
    }
}

#[test]
fn threads_make_no_difference() {
    let told = |threads| {
        let mut report = run(&["--threads", threads], 0);
        report["seconds"] = Value::Null;
        report
    };
    assert_eq!(told("1"), told("2"));
}

#[test]
fn a_search_that_runs_out_of_memory_decides_nothing() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let report = run(&["--max-memory", "1M"], 3);
    assert_eq!(report["stopped"], "the limit of memory was reached");
    assert_eq!(report["verdicts"][0]["verdict"], "unknown");
}

#[test]
fn deepening_tells_the_lag_of_each_verdict() {
    let few = scenario("  faults: {powerOff: 1, powerOn: 0}\n  properties: [P1.api, R8]\n");
    let folder = Folder::with("x.yaml", few);
    let report = run_in(&folder, &["--deepen", "--max-states", "20000"], 0);
    let levels = report["levels"].as_array().unwrap();
    assert_eq!((&levels[0]["watch"], &levels[1]["watch"]), (&"fresh".into(), &"lag 1".into()));
    assert_eq!(levels[0]["complete"], true);
    let complete = levels.iter().filter(|level| level["complete"] == true);
    let deepest = complete.clone().next_back().unwrap()["watch"].as_str().unwrap();
    let verdict = &report["verdicts"][0];
    assert_eq!(
        (verdict["verdict"].as_str(), verdict["watch"].as_str()),
        (Some("holds"), Some(deepest))
    );
    assert_eq!(report["watch"], format!("fresh to {deepest}"));
}

#[test]
fn nothing_is_deep_enough_without_time() {
    let report = run(&["--deepen", "--timeout", "0"], 3);
    assert_eq!(report["complete"], false);
    assert_eq!(report["verdicts"][0]["verdict"], "unknown");
}

#[test]
fn engines_are_measured_on_the_same_states() {
    let text = scenario("  faults: {}\n");
    let folder = Folder::with("x.yaml", &text);
    let document = folder.check(&["bench", "x.yaml", "--json"]).json(0);
    let runs = document["runs"].as_array().unwrap();
    let of = |run: &Value, field: &str| run[field].clone();
    let engines: Vec<_> = runs.iter().map(|run| (of(run, "engine"), of(run, "threads"))).collect();
    let expected = [
        ("bfs", 1),
        ("bfs", 2),
        ("bfs", 1),
        ("bfs", 2),
        ("stateright-bfs", 1),
        ("stateright-dfs", 1),
    ];
    assert_eq!(engines, expected.map(|(engine, threads)| (engine.into(), threads.into())));
    for run in runs {
        assert!(run["seconds"].as_f64().unwrap() > 0.0);
        assert!(run["reductions"].is_array());
        if run["reductions"].as_array().unwrap().is_empty() {
            assert_eq!(of(run, "states"), of(&runs[0], "states"));
            assert_eq!(of(run, "transitions"), of(&runs[0], "transitions"));
        }
    }
    let piped = folder.check_with_input(&["bench", "-"], &text).quiet(0);
    assert_eq!(piped.lines().count(), 1 + runs.len(), "{piped}");
}
