//! Input texts, and documents in which every value knows its line.

use std::io::Read;

use super::error::{InputError, Place};
use super::{json, yaml};

/// Deepest nesting that is read; Kubernetes objects stay far below.
pub(super) const MAX_DEPTH: usize = 100;

/// A text to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its file name.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Input {
    /// A place in this text, with the line that is to be shown.
    pub(super) fn place(&self, at: Position) -> Place {
        // YAML knows lone carriage returns as line breaks too.
        let text = self.text.replace("\r\n", "\n");
        let lines: Vec<&str> = text.split(['\n', '\r']).collect();
        let last = lines.iter().rposition(|line| !line.trim().is_empty()).unwrap_or_default();
        // What is missing at the end of a text is missing after its last word.
        let (index, column) = match at.line.saturating_sub(1) {
            index if index <= last => (index, at.column),
            _ => (last, lines[last].trim_end().chars().count() + 1),
        };
        Place { file: self.name.clone(), line: index + 1, column, text: lines[index].to_string() }
    }

    /// The name of a scenario that has none of its own: the file without folders and endings.
    pub(super) fn stem(&self) -> String {
        let base = self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name);
        let endings = [".yaml", ".yml", ".json"];
        let stem = endings.iter().find_map(|ending| base.strip_suffix(ending)).unwrap_or(base);
        stem.trim_matches(['<', '>']).to_string()
    }

    /// The documents of this text, JSON or YAML; empty ones are left out.
    pub(super) fn documents(&self) -> Result<Vec<Node>, InputError> {
        let error = |(at, message): (Position, String)| InputError::at(self.place(at), message);
        // Nearly all JSON is YAML too, but not tabs and surrogate pairs; and not every text that
        // starts with a brace is JSON.
        let text = self.text.trim_start();
        let documents = if text.starts_with(['{', '[']) {
            json::parse(&self.text).or_else(|json| {
                yaml::parse(&self.text).map_err(|yaml| error(json_or(json, yaml, text)))
            })?
        } else {
            yaml::parse(&self.text).map_err(error)?
        };
        let documents: Vec<Node> = documents.into_iter().filter(|node| !node.is_null()).collect();
        match documents.is_empty() {
            true => Err(InputError::of_file(&self.name, "no document in this input")
                .with_help("give it a Kubernetes manifest, e.g. `kubectl get deploy web -o yaml`")),
            false => Ok(documents),
        }
    }
}

/// The error of the parser that the author of `text` meant.
fn json_or(json: (Position, String), yaml: (Position, String), text: &str) -> (Position, String) {
    let inside = text.trim_start_matches(['{', '[']).trim_start();
    if inside.starts_with(['"', '}', '{']) { json } else { yaml }
}

/// Reads a file, or standard input for `-`.
///
/// ```
/// let error = node_recovery::scenario::read_input("no/such/file.yaml").unwrap_err();
/// assert!(error.to_string().starts_with("error: no/such/file.yaml: cannot be read"));
/// ```
pub fn read_input(path: &str) -> Result<Input, InputError> {
    let name = if path == "-" { "<stdin>" } else { path };
    if path != "-" && std::path::Path::new(path).is_dir() {
        return Err(InputError::of_file(name, "is a directory").with_help(format!(
            "name the files in it, e.g. `{}/*.yaml`",
            path.trim_end_matches('/')
        )));
    }
    let mut bytes = Vec::new();
    let read = if path == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|content| bytes = content)
    };
    read.map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_string(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
            std::io::ErrorKind::NotADirectory => "a part of its path is a file".to_string(),
            _ => error.to_string(),
        };
        InputError::of_file(name, format!("cannot be read: {reason}"))
    })?;
    from_bytes(name, bytes)
}

/// Checks that an input is UTF-8.
pub(super) fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Input, InputError> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let line = before.matches('\n').count() + 1;
        let text = before.rsplit('\n').next().unwrap_or_default().to_string();
        let column = text.chars().count() + 1;
        let place = Place { file: name.to_string(), line, column, text };
        InputError::at(place, "is not UTF-8 text").with_help("save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    Ok(Input { name: name.to_string(), text })
}

/// Line and column in an input, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A value of a document, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Its first character.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    /// Its first character.
    pub at: Position,
    /// Its text.
    pub name: String,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A scalar, as written: `1.30` is a version to one reader and a number to another.
    Scalar {
        /// Its text.
        text: String,
        /// Whether it may be something else than a string (not quoted).
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the text, without duplicate keys.
    Mapping(Vec<(Key, Node)>),
}

/// What a scalar means by the rules of YAML's core schema, which contain those of JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, or too large for 64 bits.
    Float(f64),
    /// Anything else.
    Text(&'a str),
}

impl Node {
    /// What a scalar means; none for lists and mappings.
    pub(super) fn meaning(&self) -> Option<Meaning<'_>> {
        match &self.value {
            Value::Scalar { text, plain: true } => Some(plain_meaning(text)),
            Value::Scalar { text, plain: false } => Some(Meaning::Text(text)),
            _ => None,
        }
    }

    /// Whether this is null or absent text.
    pub(super) fn is_null(&self) -> bool {
        self.meaning() == Some(Meaning::Null)
    }

    /// Whether this says nothing: null, false, or an empty string, list or mapping.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
            Value::Scalar { .. } => matches!(
                self.meaning(),
                Some(Meaning::Null | Meaning::Bool(false) | Meaning::Text(""))
            ),
        }
    }

    /// What kind of value this is, for messages.
    pub(super) fn describe(&self) -> String {
        match (&self.value, self.meaning()) {
            (_, Some(Meaning::Null)) => "nothing".to_string(),
            (_, Some(Meaning::Bool(value))) => format!("the boolean {value}"),
            (_, Some(Meaning::Integer(value))) => format!("the number {value}"),
            (_, Some(Meaning::Float(value))) => format!("the number {value}"),
            (_, Some(Meaning::Text(text))) if text.chars().count() > 40 => "a string".to_string(),
            (_, Some(Meaning::Text(text))) => format!("the string \"{}\"", text.escape_debug()),
            (Value::Sequence(_), _) => "a list".to_string(),
            (Value::Mapping(_) | Value::Scalar { .. }, _) => "a mapping".to_string(),
        }
    }
}

/// YAML 1.2, section 10.3.2.
fn plain_meaning(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Bool(true),
        "false" | "False" | "FALSE" => return Meaning::Bool(false),
        _ => {}
    }
    let integer = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) if !hex.starts_with(['+', '-']) => i64::from_str_radix(hex, 16).ok(),
        (_, Some(octal)) if !octal.starts_with(['+', '-']) => i64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    };
    if let Some(integer) = integer {
        return Meaning::Integer(integer);
    }
    // Rust reads `inf` and `nan` as numbers, YAML only `.inf` and `.nan`, which nobody needs here.
    let numeric =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(float) if numeric && float.is_finite() => Meaning::Float(float),
        _ => Meaning::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Input {
        Input { name: "test.yaml".into(), text: text.into() }
    }

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        let cases = [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("True", Meaning::Bool(true)),
            ("-3", Meaning::Integer(-3)),
            ("+3", Meaning::Integer(3)),
            ("0x1F", Meaning::Integer(31)),
            ("0o17", Meaning::Integer(15)),
            ("0x-1", Meaning::Text("0x-1")),
            ("1.30", Meaning::Float(1.3)),
            ("1e3", Meaning::Float(1000.0)),
            ("inf", Meaning::Text("inf")),
            ("1.26.4", Meaning::Text("1.26.4")),
            ("yes", Meaning::Text("yes")),
        ];
        for (text, meaning) in cases {
            assert_eq!(plain_meaning(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn nothing_at_all_is_an_error_of_the_file() {
        for text in ["", "\n\n", "# only a comment\n", "---\n---\n", "null"] {
            let error = input(text).documents().unwrap_err();
            assert_eq!(
                error.to_string().lines().next(),
                Some("error: test.yaml: no document in this input")
            );
            assert!(error.help.is_some());
        }
    }

    #[test]
    fn json_with_tabs_and_surrogates_is_read() {
        let documents =
            input("{\n\t\"name\": \"\\ud83d\\ude00\",\n\t\"n\": 1\n}").documents().unwrap();
        let Value::Mapping(entries) = &documents[0].value else { panic!("a mapping") };
        assert_eq!(entries[0].1.meaning(), Some(Meaning::Text("😀")));
        assert_eq!(entries[1].1.at, Position { line: 3, column: 7 });
    }

    #[test]
    fn a_flow_mapping_that_is_not_json_is_yaml() {
        let documents = input("{kind: Pod, metadata: {name: web}}").documents().unwrap();
        assert_eq!(documents.len(), 1);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_located() {
        let error = from_bytes("x.yaml", b"kind: Pod\nname: \xff\n".to_vec()).unwrap_err();
        assert_eq!((error.place.line, error.place.column), (2, 7));
        assert!(error.message.contains("UTF-8"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(from_bytes("x", b"\xef\xbb\xbfa: 1".to_vec()).unwrap().text, "a: 1");
    }

    #[test]
    fn directories_and_missing_files_have_one_clear_error() {
        assert_eq!(read_input("/").unwrap_err().message, "is a directory");
        let missing = read_input("/no/such/file").unwrap_err();
        assert_eq!(missing.to_string(), "error: /no/such/file: cannot be read: no such file");
    }

    #[test]
    fn a_scenario_without_a_name_has_that_of_its_file() {
        let stem = |name: &str| Input { name: name.into(), text: String::new() }.stem();
        assert_eq!(stem("specs/01-x/scenario.yaml"), "scenario");
        assert_eq!(stem("web.v2.json"), "web.v2");
        assert_eq!(stem("<stdin>"), "stdin");
    }
}
