//! `check conform`: exit codes, and what is said of a history.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use node_recovery::conform::source;

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
    assert_eq!(told[0], "what happened unseen:");
    assert!(told[1].contains("node-b loses power") && told[1].ends_with("F-POWEROFF"), "{out}");
    assert!(told[2].contains("node-b has power again and boots"), "{out}");
    assert!(told[3].starts_with("--node-monitor-grace-period: "), "{out}");
    assert_eq!(told.len(), 4, "{out}");
}

/// A node that never returns: nothing in the log tells a power-off from a cut.
#[test]
fn what_looks_the_same_is_named() {
    let log = recording("04-poweroff-never-recover");
    let all = Folder::new().check(&["conform", &log, "--json"]).json(0);
    assert_eq!(all["verdict"], "conforms");
    assert_eq!(all["story"][0]["rule"], "F-POWEROFF");
    let other = &all["alsoExplainedBy"][0];
    assert_eq!(other["faults"][0], "F-PARTITION");
    // Only a node that was off has a new boot id when it is back.
    let apart = other["toldApartBy"]["event"].as_str().expect("something tells them apart");
    assert!(apart.starts_with("Node node-b: ") && apart.contains("boot id"), "{apart}");
    assert_eq!(other["toldApartBy"]["after"], "this story");
}

#[test]
fn tables_are_held_against_the_model_too() {
    let table = |name: &str| file(&format!("article/2-recovered-during-migration/{name}.txt"));
    let (pods, deployments) = (table("pods"), table("deployments"));
    let arguments = ["conform", &pods, &deployments, "--kubernetes", "1.26"];
    let out = Folder::new().check(&arguments).quiet(0);
    assert!(out.contains("ubuntub loses power"), "{out}");
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
    let field = "\"progressDeadlineSeconds\":";
    let paused = evicted().replace(field, &format!("\"paused\":true,{field}"));
    let out = Folder::with("log.jsonl", paused).check(&["conform", "log.jsonl"]).quiet(3);
    assert!(out.starts_with("undecided: not modelled yet: a Deployment that is paused"), "{out}");
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

/// The recording of an eviction, as text.
fn evicted() -> String {
    let packed = std::fs::File::open(recording("03-poweroff-recover-after-migration"));
    source::read("03", packed.expect("a recording")).expect("a log").text
}

/// Too early is said, and fails only if that is asked for.
#[test]
fn what_comes_too_early_is_said() {
    let hasty = evicted().replace("\"tolerationSeconds\":20", "\"tolerationSeconds\":90");
    let folder = Folder::with("log.jsonl", hasty);
    let out = folder.check(&["conform", "log.jsonl"]).quiet(0);
    let told = out.lines().find(|line| line.starts_with("too early: log.jsonl:"));
    assert!(told.is_some_and(|line| line.ends_with("TEC-3")), "{out}");
    let strict = folder.check(&["conform", "log.jsonl", "--strict-timing"]).quiet(1);
    assert_eq!(strict, out);
    let real = recording("03-poweroff-recover-after-migration");
    Folder::new().check(&["conform", &real, "--strict-timing"]).quiet(0);
}

/// Faults elsewhere than the log says explain nothing, and the line is named.
#[test]
fn the_faults_of_a_log_are_held_against_it() {
    let log = evicted();
    let other = log.replace("poweroff node-b", "poweroff node-d");
    let folder = Folder::with("log.jsonl", &log);
    folder.write("other.jsonl", other);
    let told = ["--with-faults", "--with-containers"];
    folder.check(&[&["conform", "log.jsonl"], &told[..]].concat()).quiet(0);
    folder.check(&["conform", "other.jsonl"]).quiet(0);
    let out = folder.check(&[&["conform", "other.jsonl"], &told[..1]].concat()).quiet(1);
    assert!(out.contains("with the faults that the log tells of"), "{out}");
    assert!(out.contains("not agreed with: other.jsonl:"), "{out}");
}

/// Where a log cannot go on, the rule that would write the next event says what it lacks.
#[test]
fn what_stands_against_an_event_is_told() {
    let all = evicted();
    let (mut lines, mut cut): (Vec<&str>, _) = (Vec::new(), false);
    for line in all.lines() {
        // No taint is ever seen, and so nothing is evicted.
        cut |= line.contains("NoExecute") && line.contains("\"kind\":\"Node\"");
        if !(line.contains("NoExecute") && line.contains("\"kind\":\"Node\"")) {
            lines.push(line);
        }
    }
    assert!(cut);
    let folder = Folder::with("log.jsonl", lines.join("\n"));
    let out = folder.check(&["conform", "log.jsonl"]).quiet(1);
    assert!(out.contains("never had a NoExecute taint") && out.contains("TEC-5"), "{out}");
    // The same node is Ready again before anybody missed it.
    let early = all.lines().map(|line| {
        let later = line.contains("NodeStatusUnknown") && line.contains("\"name\":\"node-b\"");
        if later {
            line.replace("NodeStatusUnknown", "KubeletReady").replace("Unknown", "True")
        } else {
            line.to_string()
        }
    });
    let folder = Folder::with("log.jsonl", early.collect::<Vec<_>>().join("\n"));
    let out = folder.check(&["conform", "log.jsonl", "--max-states", "20000"]);
    assert_ne!(out.code, 0, "{}", out.out);
    assert!(out.out.contains("not explained: log.jsonl:"), "{}", out.out);
    assert!(out.out.contains(" asks for "), "{}", out.out);
}

/// Input that is no log, or no good one: one message with the line, and no panic.
#[test]
fn strange_input_is_refused_in_one_line() {
    let event = r#"{"type":"ADDED","object":{"kind":"Node","metadata":{"name":"a","uid":"1","resourceVersion":"1"}}}"#;
    let mark = r#"{"type":"BOOKMARK"}"#;
    let deep = "[".repeat(1_000_000);
    let cases: [(Vec<u8>, &str); 10] = [
        (b"".to_vec(), "log is empty"),
        (b"\n \n".to_vec(), "log is empty"),
        (format!("{mark}\n{}", &event[..40]).into_bytes(), "log:2 is no JSON"),
        ([mark.as_bytes(), b"\n{\"a\":\"\xc3"].concat(), "log:2 is not UTF-8"),
        (deep.into_bytes(), "log:1 is no JSON"),
        (format!("{mark}\n\n{{\"type\":\"WHAT\"}}").into_bytes(), "log:3 is no watch event"),
        (b"{\"a\":1}".to_vec(), "log:1 is neither a watch event nor a list"),
        (b"\x1f\x8b\x08nonsense".to_vec(), "log cannot be unpacked"),
        (b"\x00\x01\x02".to_vec(), "log:1 is no JSON"),
        (mark.as_bytes().to_vec(), "log has no watch events"),
    ];
    for (content, said) in cases {
        let folder = Folder::with("log", content);
        let ended = folder.check(&["conform", "log"]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{said}: {}", ended.err);
        assert!(ended.err.contains(said), "{said}: {}", ended.err);
        assert!(ended.err.lines().count() <= 2, "{}", ended.err);
    }
}

/// Two logs in one file are no history.
#[test]
fn two_histories_in_one_are_no_history() {
    let read = |name: &str| {
        let packed = std::fs::File::open(recording(name)).expect("a recording");
        source::read(name, packed).expect("a log").text
    };
    let both = read("22-reboot-fast") + &read("22-reboot-fast-defaulttiming");
    let folder = Folder::with("both.jsonl", both);
    let out = folder.check(&["conform", "both.jsonl"]).quiet(1);
    assert!(out.starts_with("does not conform: both.jsonl:"), "{out}");
    assert!(out.contains("are these two histories?"), "{out}");
}

/// Kinds that nobody models are left out, and lines in any order are put into that of the versions.
#[test]
fn the_order_is_that_of_the_versions() {
    let log = evicted();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.reverse();
    let secret = r#"{"type":"ADDED","object":{"kind":"Secret","metadata":{"name":"s","uid":"s","resourceVersion":"7"}}}"#;
    lines.insert(5, secret);
    let folder = Folder::with("log.jsonl", lines.join("\n"));
    let out = folder.check(&["conform", "log.jsonl"]).quiet(0);
    assert!(out.starts_with("conforms: 35 events explained"), "{out}");
}

/// What must have happened before a log that begins with a lost node is told, and what could have.
#[test]
fn what_must_have_happened_before_is_told() {
    let mut objects: BTreeMap<String, Value> = BTreeMap::new();
    let (mut rest, mut lost) = (Vec::new(), false);
    for line in evicted().lines() {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let Some(uid) = line["object"]["metadata"]["uid"].as_str().map(str::to_string) else {
            continue;
        };
        if lost {
            rest.push(line);
            continue;
        }
        lost = line["object"].to_string().contains("NodeStatusUnknown");
        (line["type"], line["initial"]) = (json!("ADDED"), json!(true));
        objects.insert(uid, line);
    }
    let lines = objects.into_values().chain(rest).map(|line| format!("{line}\n"));
    let folder = Folder::with("log.jsonl", lines.collect::<String>());
    let out = folder.check(&["conform", "log.jsonl"]).quiet(0);
    let told: Vec<&str> = out.lines().collect();
    assert!(told[2].trim_start().starts_with("before the log  node-b loses power"), "{out}");
    assert!(told[3].contains("node-b has power again and boots"), "{out}");
    let all = folder.check(&["conform", "log.jsonl", "--json"]).json(0);
    assert_eq!(all["story"][0]["beforeTheLog"], true);
    assert_eq!(all["story"][0]["rule"], "F-POWEROFF");
}
