//! `check matrix`: every cell a verdict, and what is written in `specs/` is what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Folder;

fn specs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("specs")
}

fn rows() -> Vec<String> {
    let out = Folder::new().check(&["matrix", "--show"]).quiet(0);
    out.lines().map(str::to_string).collect()
}

/// `UPDATE_SNAPSHOTS=1 cargo test --test cli matrix` writes them anew.
#[test]
fn rows_in_specs_are_those_of_the_program() {
    let folder = specs().join("matrix");
    let rows = rows();
    assert!(rows.len() > 50, "{rows:?}");
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    for row in &rows {
        let now = Folder::new().check(&["matrix", "--show", row]).quiet(0);
        let file = folder.join(format!("{row}.yaml"));
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &now).unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap_or_default(), now, "{}", file.display());
    }
    let expected: BTreeSet<String> = rows.iter().map(|row| format!("{row}.yaml")).collect();
    let found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let found: BTreeSet<String> = found.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(found, expected);
}

/// The whole matrix: searched again, and compared with what is written.
#[test]
fn the_matrix_in_specs_is_what_comes_out() {
    let ended = Folder::new().check(&["matrix", "--format", "markdown"]);
    assert_eq!(ended.err, "");
    assert!(!ended.out.contains("incomplete:") && !ended.out.contains("error of the model"));
    let file = specs().join("matrix.md");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, &ended.out).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    let line = known.lines().zip(ended.out.lines()).find(|(old, new)| old != new);
    assert!(known == ended.out, "specs/matrix.md is not what comes out: {line:?}");
}

const SMALL: [&str; 6] = ["matrix", "--workload", "pod", "--fault", "fast-reboot", "--fault"];

/// Arguments for a few rows of a bare pod.
fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut all = SMALL.to_vec();
    all.push("power-off-for-ever");
    all.extend(more);
    all
}

#[test]
fn every_cell_has_a_verdict_and_a_scenario_that_comes_to_it() {
    let json = Folder::new().check(&small(&["--json"])).json(0);
    let cells = json["cells"].as_array().unwrap();
    let listed = Folder::new().check(&["list", "--json"]).json(0);
    assert_eq!(cells.len(), 2 * listed["properties"].as_array().unwrap().len());
    let words = ["holds", "violated", "reachable", "unreachable", "not-applicable"];
    let mut by_row: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for cell in cells {
        let text = |field: &str| cell[field].as_str().unwrap_or_default();
        assert_eq!((text("workload"), text("kubernetes")), ("pod", "1.36"));
        assert!(words.contains(&text("verdict")), "{cell}");
        let with_trace = matches!(text("verdict"), "violated" | "reachable");
        assert_eq!(cell["trace"].is_string(), with_trace, "{cell}");
        assert_eq!(text("scenario"), format!("specs/matrix/pod-{}.yaml", text("fault")));
        by_row.entry(text("scenario")).or_default().push((text("property"), text("verdict")));
    }
    // What `check run` makes of the scenario is what the cells say.
    for (scenario, cells) in by_row {
        let run = Folder::new().check(&["run", scenario, "--json"]).json(0);
        let judged = run["scenarios"][0]["verdicts"].as_array().unwrap();
        let judged: Vec<(&str, &str)> = judged
            .iter()
            .map(|it| (it["property"].as_str().unwrap(), it["verdict"].as_str().unwrap()))
            .collect();
        let applicable: Vec<_> =
            cells.into_iter().filter(|(_, verdict)| *verdict != "not-applicable").collect();
        assert_eq!(judged, applicable, "{scenario}");
    }
}

#[test]
fn the_command_of_a_cell_shows_its_trace() {
    let json = Folder::new().check(&small(&["--json"])).json(0);
    let cells = json["cells"].as_array().unwrap();
    let cell = cells.iter().find(|cell| cell["property"] == "R8" && cell["trace"].is_string());
    let command = cell.expect("an eviction")["trace"].as_str().unwrap();
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let out = Folder::new().check(&arguments).quiet(0);
    assert!(out.contains("\n== R8 reachable: evicted\n"), "{out}");
    assert!(out.contains(&format!("again: {command}\n")), "{out}");
}

#[test]
fn a_table_fits_its_page_and_has_no_colours_in_a_pipe() {
    let all = ["matrix", "--workload", "deployment", "--fault", "slow-heartbeats"];
    let out = Folder::new().check(&all).quiet(0);
    assert!(out.starts_with("Deployment with 1 replica, Kubernetes 1.36\nFAULT "), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    assert!(!out.contains('\x1b'), "{out}");
    let line = out.lines().find(|line| line.starts_with("slow-heartbeats")).expect("its row");
    assert!(line.contains('✓'), "{line}");
}

#[test]
fn versions_have_blocks_and_commands_of_their_own() {
    let one = ["matrix", "--workload", "pod", "--fault", "fast-reboot", "--json"];
    let range = [&one[..], &["--kubernetes", "1.35..1.36"]].concat();
    let json = Folder::new().check(&range).json(0);
    let cells = json["cells"].as_array().unwrap();
    let versions: BTreeSet<&str> =
        cells.iter().map(|cell| cell["kubernetes"].as_str().unwrap()).collect();
    assert_eq!(versions, BTreeSet::from(["1.35", "1.36"]));
    let old = cells.iter().filter(|cell| cell["kubernetes"] == "1.35");
    let mut traces = old.filter_map(|cell| cell["trace"].as_str()).peekable();
    assert!(traces.peek().is_some());
    assert!(traces.all(|command| command.contains(" --kubernetes 1.35 ")));
}

#[test]
fn a_page_holds_its_traces_and_needs_nothing_else() {
    let out = Folder::new().check(&small(&["--format", "html"])).quiet(0);
    assert!(out.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!out.contains(outside), "{outside}");
    }
    // Every link leads to a place on the page, once.
    let links: Vec<&str> =
        out.split("href=\"#").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect();
    assert!(links.iter().any(|link| link.ends_with("-R8")), "{links:?}");
    for link in links {
        assert_eq!(out.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
    }
    for (open, close) in [("<details>", "</details>"), ("<table>", "</table>"), ("<pre ", "</pre>")]
    {
        assert_eq!(out.matches(open).count(), out.matches(close).count(), "{open}");
        assert!(out.contains(open));
    }
    assert!(out.contains("$ kubectl get pods -o wide --watch\n"));
}

#[test]
fn what_the_matrix_does_not_have_is_refused() {
    let refused = |arguments: &[&str], error: &str| {
        let ended = Folder::new().check(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""));
        assert!(ended.err.starts_with(error), "{}", ended.err);
        assert_eq!(ended.err.matches("error").count(), 1, "{}", ended.err);
    };
    let pods = "error: unknown workload `pods`\nhelp: did you mean `pod`?\n";
    refused(&["matrix", "--workload", "pods"], pods);
    refused(
        &["matrix", "--fault", "fast-rebot"],
        "error: unknown fault `fast-rebot`\nhelp: did you",
    );
    refused(
        &["matrix", "--show", "pod-fast-rebot"],
        "error: unknown row `pod-fast-rebot`\nhelp: did",
    );
    refused(&["matrix", "--kubernetes", "1.20"], "error: invalid value '1.20'");
    refused(&["matrix", "--format", "pdf"], "error: invalid value 'pdf'");
}
