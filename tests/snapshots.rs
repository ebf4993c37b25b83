//! The first counterexample or witness of every bundled scenario, as a person reads it.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test snapshots` writes them anew, to be read before they are
//! committed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use node_recovery::scenario::{ExpectedVerdict, Scenario, catalogue};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// The property whose trace is kept: the first that a scenario expects to have one.
fn shown(scenario: &Scenario) -> Option<String> {
    let has_trace = |verdict: Option<ExpectedVerdict>| {
        matches!(verdict, Some(ExpectedVerdict::Violated | ExpectedVerdict::Reachable))
    };
    let first = scenario.expectations.iter().find(|expected| has_trace(expected.verdict));
    first.map(|expected| expected.property.clone())
}

/// What is printed, but for the time that it took.
fn printed(scenario: &str, property: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(["run", scenario, "--property", property]).env("COLUMNS", "100");
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{scenario}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let timed = |line: &&str| line.contains(" states, ") && line.contains(" transitions, ");
    text.lines().filter(|line| !timed(line)).fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn traces_read_as_they_did() {
    let update = env::var_os("UPDATE_SNAPSHOTS").is_some();
    let mut kept = Vec::new();
    for bundled in catalogue::SCENARIOS {
        let scenario = bundled.load().unwrap();
        let Some(property) = shown(&scenario).filter(|_| scenario.skip.is_none()) else { continue };
        let file = folder().join(format!("{}.{property}.txt", scenario.name));
        let now = printed(&scenario.name, &property);
        if update {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&file, &now).unwrap();
        }
        let known = fs::read_to_string(&file).unwrap_or_default();
        let line = known.lines().zip(now.lines()).position(|(old, new)| old != new);
        assert!(known == now, "{}: differs from line {line:?} on:\n{now}", file.display());
        kept.push(file);
    }
    let stale = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let stale: Vec<PathBuf> = stale.filter(|file| !kept.contains(file)).collect();
    assert!(stale.is_empty(), "snapshots of nothing: {stale:?}");
    assert!(kept.len() > 15, "{} scenarios have a trace", kept.len());
}
