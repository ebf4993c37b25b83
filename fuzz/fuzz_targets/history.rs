//! No history panics that is a recording with other values here and there, begun and ended anywhere:
//! the bytes choose the recording, and what becomes of which value.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use node_recovery::conform::search::Limits;
use node_recovery::conform::source::{LogFile, read};
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::judge;
use serde_json::{Value, json};

/// The recordings, line by line.
fn recordings() -> &'static [Vec<Value>] {
    static ALL: OnceLock<Vec<Vec<Value>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings");
        let mut files: Vec<_> = folder.read_dir().expect("recordings").flatten().collect();
        files.sort_by_key(|file| file.path());
        let lines = |file: std::fs::DirEntry| {
            let packed = std::fs::File::open(file.path()).expect("a recording");
            let text = read("recording", packed).expect("a text").text;
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        };
        files.into_iter().map(lines).collect()
    })
}

/// The paths of all values in a line.
fn paths(value: &Value, here: &str, out: &mut Vec<String>) {
    out.push(here.to_string());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                paths(value, &format!("{here}/{name}"), out);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                paths(value, &format!("{here}/{at}"), out);
            }
        }
        _ => {}
    }
}

/// Another value in place of one.
fn other(kind: u8, old: &Value, from: Option<&Value>) -> Value {
    match kind % 12 {
        0 => Value::Null,
        1 => json!({}),
        2 => json!([]),
        3 => json!(""),
        4 => json!(0),
        5 => json!(i64::from(kind)),
        6 => json!(u64::MAX),
        7 => json!(-1),
        8 => json!(true),
        9 => json!([old, old]),
        10 => json!("Unknown"),
        _ => from.cloned().unwrap_or(Value::Null),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [which, from, to, initial, edits @ ..] = bytes else { return };
    let all = recordings();
    let lines = &all[*which as usize % all.len()];
    let from = (*from as usize).min(lines.len());
    let to = (*to as usize).clamp(from, lines.len());
    let mut lines = lines[from..to].to_vec();
    for line in lines.iter_mut().take(*initial as usize % 64) {
        // What changes an object is the first that is seen of it.
        if line["object"].is_object() {
            (line["initial"], line["type"]) = (json!(true), json!("ADDED"));
        }
    }
    for edit in edits.chunks_exact(5).take(8) {
        let at = edit[0] as usize;
        if at >= lines.len() {
            continue;
        }
        if edit[4].is_multiple_of(16) {
            let with = edit[1] as usize % lines.len();
            lines.swap(at, with);
            continue;
        }
        let mut known = Vec::new();
        paths(&lines[at], "", &mut known);
        let path = &known[(usize::from(edit[1]) << 8 | usize::from(edit[2])) % known.len()];
        let source = lines[edit[4] as usize % lines.len()].pointer(path).cloned();
        if let Some(value) = lines[at].pointer_mut(path) {
            *value = other(edit[3], value, source.as_ref());
        }
    }
    let text = lines.iter().map(|line| format!("{line}\n")).collect();
    let file = LogFile { name: "fuzzed".to_string(), text };
    let given = Given { telling: Telling { faults: true, containers: true }, ..Given::default() };
    let _ = judge(std::slice::from_ref(&file), &given, Limits { states: 8 });
    let _ = judge(&[file], &Given::default(), Limits { states: 30 });
});
