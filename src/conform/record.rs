//! The lines of a log of watch events: what each of them is.

use serde_json::Value;

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
    /// Its number in the file, from 1.
    pub line: usize,
    /// When it was received, if the log says so.
    pub received: Option<String>,
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

/// Reads a log of one JSON event a line.
pub fn read_json_lines(text: &str) -> Result<Vec<Record>, Unreadable> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines.map(|(text, line)| read_line(text, line)).collect()
}

fn read_line(text: &str, line: usize) -> Result<Record, Unreadable> {
    let unreadable = |problem: String| Unreadable { line, problem };
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| unreadable(format!("is no JSON: {error}")))?;
    let received = value["ts"].as_str().map(str::to_string);
    let kind = value["type"].as_str().unwrap_or_default().to_string();
    let content = match kind.as_str() {
        "ADDED" | "MODIFIED" | "DELETED" => {
            let change = match kind.as_str() {
                "ADDED" => Change::Added,
                "MODIFIED" => Change::Modified,
                _ => Change::Deleted,
            };
            let initial = value["initial"].as_bool() == Some(true);
            let object = value["object"].take();
            if !object.is_object() {
                return Err(unreadable(format!("{kind} without an object")));
            }
            Content::Object(ObjectEvent { change, object, initial })
        }
        "FAULT" => Content::Fault(value["event"].as_str().unwrap_or_default().to_string()),
        "CONTAINER" => Content::Container(value),
        "BOOKMARK" | "NOTE" => Content::Other,
        other => return Err(unreadable(format!("is no watch event: type {other:?}"))),
    };
    Ok(Record { line, received, content })
}
