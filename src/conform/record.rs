//! The lines of a log of watch events: what each of them is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::conform::source::MAX_VALUE;
use crate::conform::time::{self, Millis};

/// The type of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// ADDED.
    Added,
    /// MODIFIED.
    Modified,
    /// DELETED.
    Deleted,
}

/// A watch event of an object.
#[derive(Clone, Debug)]
pub struct ObjectEvent {
    /// What happened to it.
    pub change: Change,
    /// The object, as JSON.
    pub object: Value,
    /// It was there before the history began.
    pub initial: bool,
}

/// What a line is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A watch event.
    Object(ObjectEvent),
    /// Ground truth: an injected fault.
    Fault(String),
    /// Ground truth: a container started or stopped.
    Container(Value),
    /// A bookmark, a remark.
    Other,
}

/// A line of a log.
#[derive(Clone, Debug)]
pub struct Record {
    /// The number of its file.
    pub file: usize,
    /// Its number in the file, from 1.
    pub line: usize,
    /// When it was received, if the log says so.
    pub time: Option<Millis>,
    /// What it says.
    pub content: Content,
}

/// A log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads a log of JSON watch events: one a line, or pretty-printed; lists of objects count as what
/// was there before.
pub fn read_json(file: usize, text: &str) -> Result<Vec<Record>, Unreadable> {
    let (mut records, mut line, mut from) = (Vec::new(), 1, 0);
    loop {
        // The next value begins at the first character that is not blank.
        let blank = text[from..].len() - text[from..].trim_start().len();
        line += newlines(&text[from..from + blank]);
        from += blank;
        if from == text.len() {
            return Ok(records);
        }
        let end = from + value_length(&text[from..]);
        if end - from > MAX_VALUE {
            let problem = format!("is JSON of more than {} MiB", MAX_VALUE >> 20);
            return Err(Unreadable { line, problem });
        }
        let value = serde_json::from_str(&text[from..end]).map_err(|error| {
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            let line = line + error.line().max(1) - 1;
            Unreadable { line, problem: format!("is no JSON: {words}") }
        })?;
        read_value(file, value, line, &mut records)?;
        line += newlines(&text[from..end]);
        from = end;
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// How long the value is with which a text begins: to the bracket that closes it, else to the end
/// of the line.
fn value_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'\n' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// What of an object is large and never looked at.
fn pruned(mut object: Value) -> Value {
    for (part, fields) in [
        ("metadata", &["managedFields", "annotations"][..]),
        ("status", &["images", "volumesInUse", "volumesAttached"][..]),
    ] {
        if let Some(part) = object[part].as_object_mut() {
            part.retain(|field, _| !fields.contains(&field.as_str()));
        }
    }
    object
}

fn read_value(
    file: usize,
    mut value: Value,
    line: usize,
    records: &mut Vec<Record>,
) -> Result<(), Unreadable> {
    let unreadable = |problem: String| Unreadable { line, problem };
    if !value.is_object() {
        return Err(unreadable("is no JSON object".to_string()));
    }
    let time = value["ts"].as_str().and_then(time::parse);
    let mut add = |content| records.push(Record { file, line, time, content });
    let change = match value["type"].as_str() {
        Some("ADDED") => Change::Added,
        Some("MODIFIED") => Change::Modified,
        Some("DELETED") => Change::Deleted,
        Some("FAULT") => {
            add(Content::Fault(value["event"].as_str().unwrap_or_default().to_string()));
            return Ok(());
        }
        Some("CONTAINER") => {
            add(Content::Container(value));
            return Ok(());
        }
        Some("BOOKMARK" | "NOTE") => {
            add(Content::Other);
            return Ok(());
        }
        Some(other) => return Err(unreadable(format!("is no watch event: type {other:?}"))),
        None if value["items"].is_array() => {
            let kind = value["kind"].as_str().and_then(|kind| kind.strip_suffix("List"));
            let kind = kind.unwrap_or_default().to_string();
            for mut object in value["items"].as_array_mut().into_iter().flatten().map(Value::take) {
                if !object.is_object() {
                    let what = "is a list of something other than objects";
                    return Err(unreadable(what.to_string()));
                }
                if object["kind"].is_null() {
                    object["kind"] = Value::String(kind.clone());
                }
                let object = pruned(object);
                let event = ObjectEvent { change: Change::Added, object, initial: true };
                add(Content::Object(event));
            }
            return Ok(());
        }
        None => {
            let help = "pass --output-watch-events to kubectl get --watch";
            return Err(unreadable(format!("is neither a watch event nor a list: {help}")));
        }
    };
    let initial = value["initial"].as_bool() == Some(true);
    let object = value["object"].take();
    if !object.is_object() {
        return Err(unreadable("is a watch event without an object".to_string()));
    }
    add(Content::Object(ObjectEvent { change, object: pruned(object), initial }));
    Ok(())
}

/// Marks what a log begins with, if nothing in it says so: `kubectl` prints the list that its watch
/// begins with as ADDED. An object that is new has no status yet, but for a node, whose kubelet
/// registers it with one.
pub fn mark_listed(records: &mut [Record]) {
    let is_marked =
        |record: &Record| matches!(&record.content, Content::Object(event) if event.initial);
    if records.iter().any(is_marked) {
        return;
    }
    let mut known: BTreeSet<[String; 2]> = BTreeSet::new();
    for record in records {
        let Content::Object(event) = &mut record.content else { continue };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let object = &event.object;
        let (kind, metadata, status) =
            (text(&object["kind"]), &object["metadata"], &object["status"]);
        let is_node = kind == "Node";
        let own = text(&metadata[if is_node { "name" } else { "uid" }]);
        let is_old = match kind.as_str() {
            "Node" => true,
            "Pod" => status["containerStatuses"].is_array(),
            "Job" => status["startTime"].is_string(),
            _ => status["observedGeneration"].is_u64(),
        };
        if known.insert([kind, own]) && event.change == Change::Added {
            event.initial = is_old;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        read_json(0, text).expect("a log").iter().map(|record| record.line).collect()
    }

    #[test]
    fn events_may_stand_one_a_line_or_be_pretty_printed() {
        let event = r#"{"type":"ADDED","object":{"kind":"Pod"}}"#;
        let pretty = event.replace(',', ",\n  ").replace('{', "{\n");
        assert_eq!(lines(&format!("{event}\n\n{event}\n")), [1, 3]);
        assert_eq!(lines(&format!("{pretty}\n{pretty}\n")), [1, 5]);
    }

    #[test]
    fn the_items_of_a_list_were_there_before() {
        let list = r#"{"kind":"PodList","items":[{"metadata":{"name":"a"}}]}"#;
        let records = read_json(0, list).expect("a log");
        let Content::Object(event) = &records[0].content else { panic!("no object") };
        assert!(event.initial);
        assert_eq!(event.object["kind"], "Pod");
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_line() {
        let good = r#"{"type":"BOOKMARK"}"#;
        for (bad, line) in [
            (format!("{good}\n{{\"type\":\"ADD"), 2),
            (format!("{good}\n{good}\n[]"), 3),
            (format!("{good}\n{{\"type\":\"ADDED\"}}"), 2),
            (format!("{good}\n{{\"type\":\"GONE\"}}"), 2),
            ("7".to_string(), 1),
            (format!("{good}\nab\n{good}"), 2),
            (format!("{good}\n{{\n\"a\": nonsense}}"), 3),
            ("{\"items\":[1]}".to_string(), 1),
            ("]".to_string(), 1),
            ("[".repeat(100_000), 1),
        ] {
            assert_eq!(read_json(0, &bad).expect_err("unreadable").line, line, "{bad}");
        }
    }
}
