//! YAML to documents that know their lines, from the events of `saphyr-parser`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::source::{Key, MAX_DEPTH, Node, Position, Value};

/// Most values that aliases may copy: a few lines of YAML can name a tree of billions.
const MAX_ALIASED_NODES: usize = 100_000;

/// Where and why a text is not YAML.
type Failure = (Position, String);

/// All documents of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Failure> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            let at = Position { line: marker.line().max(1), column: marker.col() + 1 };
            (at, format!("not valid YAML: {}", error.info()))
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

/// A list or mapping that is not complete.
struct Open {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>, Option<Key>),
}

/// Documents under construction. A stack, not recursion: the text decides how deep it goes.
#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    aliased_nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let at = Position { line: span.start.line().max(1), column: span.start.col() + 1 };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.is_some_and(|tag| is_string_tag(&tag));
                let plain = style == ScalarStyle::Plain && !string;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.add(Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.start(at, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                self.start(at, anchor, Content::Mapping(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(at, anchor),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {
                Ok(())
            }
        }
    }

    fn start(&mut self, at: Position, anchor: usize, content: Content) -> Result<(), Failure> {
        if self.open.len() >= MAX_DEPTH {
            return Err((at, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.open.push(Open { at, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let Some(Open { at, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping(entries, _) => Value::Mapping(merge(entries)?),
        };
        self.add(Node { at, value }, anchor)
    }

    fn alias(&mut self, at: Position, anchor: usize) -> Result<(), Failure> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err((at, "an alias inside the value that it names".to_string()));
        };
        self.aliased_nodes += size(&node);
        if self.aliased_nodes > MAX_ALIASED_NODES {
            return Err((at, "aliases make this document too large".to_string()));
        }
        if self.open.len() + depth(&node) > MAX_DEPTH {
            return Err((at, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.add(node, 0)
    }

    /// Puts a complete value where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Failure> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.documents.push(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => match node.value {
                    Value::Scalar { text, .. } => {
                        unique(entries, &text, node.at)?;
                        *key = Some(Key { at: node.at, name: text });
                    }
                    _ => return Err((node.at, "a key must be a string".to_string())),
                },
            },
        }
        Ok(())
    }
}

/// Refuses a second entry of one name.
pub(super) fn unique(entries: &[(Key, Node)], name: &str, at: Position) -> Result<(), Failure> {
    match entries.iter().find(|(key, _)| key.name == name) {
        Some((first, _)) => {
            Err((at, format!("duplicate key `{name}`, first on line {}", first.at.line)))
        }
        None => Ok(()),
    }
}

/// Applies merge keys (`<<: *base`) as kubectl does: what the mapping says itself goes first.
fn merge(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Failure> {
    let (merges, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| key.name == "<<");
    for (_, node) in merges {
        let at = node.at;
        let bases = match node.value {
            Value::Sequence(bases) => bases,
            _ => vec![node],
        };
        for base in bases {
            let Value::Mapping(base) = base.value else {
                return Err((at, "`<<` merges mappings only".to_string()));
            };
            for (key, value) in base {
                if own.iter().all(|(own, _)| own.name != key.name) {
                    own.push((key, value));
                }
            }
        }
    }
    Ok(own)
}

fn is_string_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::Sequence(items) => items.iter().map(size).sum(),
        Value::Mapping(entries) => entries.iter().map(|(_, value)| size(value)).sum::<usize>(),
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 0,
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Mapping(entries) => 1 + entries.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Meaning;
    use super::*;

    fn entries(node: &Node) -> Vec<(&str, &Node)> {
        match &node.value {
            Value::Mapping(entries) => entries.iter().map(|(k, v)| (k.name.as_str(), v)).collect(),
            other => panic!("not a mapping: {other:?}"),
        }
    }

    #[test]
    fn values_know_their_lines_across_documents() {
        let text = "a: 1\nb:\n  - x\n  - y: |\n      long\n      text\n---\n# note\nc: 'three'\n";
        let documents = parse(text).unwrap();
        assert_eq!(documents.len(), 2);
        let first = entries(&documents[0]);
        assert_eq!(first[0].1.at, Position { line: 1, column: 4 });
        let Value::Sequence(items) = &first[1].1.value else { panic!("a list") };
        assert_eq!(items[0].at, Position { line: 3, column: 5 });
        assert_eq!(entries(&items[1])[0].1.meaning(), Some(Meaning::Text("long\ntext\n")));
        let second = entries(&documents[1]);
        assert_eq!(second[0].1.at, Position { line: 9, column: 4 });
        assert_eq!(second[0].1.meaning(), Some(Meaning::Text("three")));
    }

    #[test]
    fn a_syntax_error_has_the_line_of_the_parser() {
        let (at, message) = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!((2..=4).contains(&at.line), "{at:?}");
        assert!(message.starts_with("not valid YAML"), "{message}");
    }

    #[test]
    fn a_second_key_of_one_name_is_refused() {
        let (at, message) = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(at, Position { line: 3, column: 1 });
        assert_eq!(message, "duplicate key `a`, first on line 1");
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nsame: *b\n";
        let documents = parse(text).unwrap();
        let all = entries(&documents[0]);
        let merged: Vec<_> =
            entries(all[1].1).into_iter().map(|(k, v)| (k, v.meaning().unwrap())).collect();
        assert_eq!(merged, [("y", Meaning::Integer(3)), ("x", Meaning::Integer(1))]);
        assert_eq!(entries(all[2].1).len(), 2);
    }

    #[test]
    fn a_tag_makes_a_string_of_a_number() {
        let documents = parse("a: !!str 123\n").unwrap();
        assert_eq!(entries(&documents[0])[0].1.meaning(), Some(Meaning::Text("123")));
    }

    #[test]
    fn laughing_aliases_and_bottomless_nesting_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let uses = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{uses}]\n"));
        }
        assert!(parse(&bomb).unwrap_err().1.contains("too large"));
        assert!(parse(&"[".repeat(200)).unwrap_err().1.contains("deep"));
        assert!(parse(&"[".repeat(50_000)).is_err());
        assert!(parse(&"- ".repeat(5_000)).unwrap_err().1.contains("deep"));
        assert!(parse("a: &a [*a]").is_err());
    }
}
