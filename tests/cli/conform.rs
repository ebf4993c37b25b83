//! `check conform`: exit codes, and what is said of a history.

use std::path::PathBuf;

use crate::Folder;

fn file(name: &str) -> String {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join(name).to_str().expect("a path in UTF-8").to_string()
}

fn recording(name: &str) -> String {
    file(&format!("recordings/{name}.jsonl.gz"))
}

#[test]
fn a_history_is_explained_by_what_happened_unseen() {
    let log = recording("03-poweroff-recover-after-migration");
    let out = Folder::new().check(&["conform", &log]).quiet(0);
    assert!(out.starts_with("conforms: 35 events explained"), "{out}");
    let told: Vec<&str> = out.lines().skip(1).collect();
    assert_eq!(told.len(), 2, "{out}");
    assert!(told[0].ends_with("fault: node-b loses power  F-POWEROFF"), "{out}");
    assert!(told[1].ends_with("fault: node-b has power again and boots  F-POWERON"), "{out}");
}

/// A node that never returns: nothing in the log tells a power-off from a cut.
#[test]
fn what_looks_the_same_is_named() {
    let log = recording("04-poweroff-never-recover");
    let all = Folder::new().check(&["conform", &log, "--json"]).json(0);
    assert_eq!(all["verdict"], "conforms");
    assert_eq!(all["story"][0]["rule"], "F-POWEROFF");
    assert_eq!(all["alsoExplainedBy"][0][0], "F-PARTITION");
}

#[test]
fn tables_are_held_against_the_model_too() {
    let table = |name: &str| file(&format!("article/2-recovered-during-migration/{name}.txt"));
    let (pods, deployments) = (table("pods"), table("deployments"));
    let arguments = ["conform", &pods, &deployments, "--kubernetes", "1.26"];
    let out = Folder::new().check(&arguments).quiet(0);
    assert!(out.contains("fault: ubuntub loses power"), "{out}");
}

#[test]
fn a_log_that_contradicts_itself_does_not_conform() {
    let event = |version: u32, kind: &str, more: &str| {
        format!(
            r#"{{"type":"{kind}","object":{{"kind":"Pod","metadata":{{"name":"web","uid":"1","resourceVersion":"{version}"{more}}}}}}}"#
        )
    };
    let deletion = r#","deletionTimestamp":"2026-01-01T00:00:00Z""#;
    let log = [event(1, "ADDED", ""), event(2, "MODIFIED", deletion), event(3, "MODIFIED", "")];
    let folder = Folder::with("log.jsonl", log.join("\n"));
    let out = folder.check(&["conform", "log.jsonl"]).quiet(1);
    assert!(out.contains("log.jsonl:3 Pod web has its deletionTimestamp withdrawn"), "{out}");
    assert!(out.contains("ST-6"), "{out}");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let folder = Folder::with("log.jsonl", "{\"type\":\"BOOKMARK\"}\n{\"type\":");
    let ended = folder.check(&["conform", "log.jsonl"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("log.jsonl:2"), "{}", ended.err);
}

#[test]
fn what_is_not_modelled_is_named_and_ends_with_3() {
    let log = recording("15-job-poweroff");
    let out = Folder::new().check(&["conform", &log]).quiet(3);
    assert_eq!(out, "undecided: not modelled yet: workloads of kind Job\n");
}

/// More than the model has room for is said, and breaks nothing.
#[test]
fn a_large_cluster_is_named_as_such() {
    let header = "NAME   STATUS   ROLES    AGE   VERSION\n";
    let rows: String =
        (0..40).map(|node| format!("n{node}   Ready   <none>   1d   v1.36.0\n")).collect();
    let folder = Folder::with("nodes.txt", format!("{header}{rows}"));
    let out = folder.check(&["conform", "nodes.txt"]).quiet(3);
    assert!(out.contains("more than 14 nodes (40)"), "{out}");
}
