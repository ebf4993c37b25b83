//! Walking a document: every step knows its path, every refusal its line.

use std::ops::RangeInclusive;

use super::error::{InputError, Place, Warning, did_you_mean};
use super::source::{Input, Key, Meaning, Node, Position, Value};

/// A value in a document, with the way to it.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    /// The text it comes from.
    pub input: &'a Input,
    /// The value.
    pub node: &'a Node,
    /// Its name in the document, `spec.template.spec`; empty for the document.
    pub path: String,
}

impl<'a> Cursor<'a> {
    /// The document itself.
    pub(super) fn document(input: &'a Input, node: &'a Node) -> Self {
        Cursor { input, node, path: String::new() }
    }

    fn step(&self, path: String, node: &'a Node) -> Self {
        Cursor { input: self.input, node, path }
    }

    /// The path of a field of this value.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    /// Where this value stands.
    pub(super) fn place(&self) -> Place {
        self.input.place(self.node.at)
    }

    /// Where a key stands.
    pub(super) fn place_at(&self, at: Position) -> Place {
        self.input.place(at)
    }

    /// An error about this value: its path, then `message`.
    pub(super) fn error(&self, message: impl AsRef<str>) -> InputError {
        let subject = if self.path.is_empty() { "this document" } else { &self.path };
        InputError::at(self.place(), format!("{subject} {}", message.as_ref()))
    }

    /// A warning about this value: its path, then `message`.
    pub(super) fn warning(&self, message: impl AsRef<str>) -> Warning {
        Warning::at(self.place(), format!("{} {}", self.path, message.as_ref()))
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<Cursor<'a>> {
        let Value::Mapping(entries) = &self.node.value else { return None };
        let (_, node) = entries.iter().find(|(key, _)| key.name == name)?;
        (!node.is_null()).then(|| self.step(self.path_of(name), node))
    }

    /// The deepest value on the way along `path` that exists: the best place to point at.
    pub(super) fn toward(&self, path: &[&str]) -> Cursor<'a> {
        let mut here = self.clone();
        for name in path {
            match here.get(name) {
                Some(next) => here = next,
                None => break,
            }
        }
        here
    }

    /// A field that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Cursor<'a>, InputError> {
        self.mapping()?;
        self.get(name).ok_or_else(|| self.error(format!("has no `{name}`")))
    }

    /// The entries of a mapping.
    pub(super) fn mapping(&self) -> Result<&'a [(Key, Node)], InputError> {
        match &self.node.value {
            Value::Mapping(entries) => Ok(entries),
            _ => Err(self.expected("a mapping")),
        }
    }

    /// The entries of a mapping, as cursors.
    pub(super) fn fields(&self) -> Result<Vec<(&'a Key, Cursor<'a>)>, InputError> {
        let entries = self.mapping()?.iter();
        Ok(entries.map(|(key, node)| (key, self.step(self.path_of(&key.name), node))).collect())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Cursor<'a>>, InputError> {
        match &self.node.value {
            Value::Sequence(items) => {
                let paths = (0..).map(|index| format!("{}[{index}]", self.path));
                Ok(paths.zip(items).map(|(path, node)| self.step(path, node)).collect())
            }
            _ => Err(self.expected("a list")),
        }
    }

    /// Refuses fields with other names.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), InputError> {
        for (key, _) in self.mapping()? {
            if !known.contains(&key.name.as_str()) {
                return Err(self.unknown(key, known));
            }
        }
        Ok(())
    }

    /// The error for a field that nobody knows.
    pub(super) fn unknown(&self, key: &Key, known: &[&str]) -> InputError {
        let message = format!("unknown field `{}`", self.path_of(&key.name));
        let help = did_you_mean(&key.name, known.iter().copied())
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        InputError::at(self.input.place(key.at), message).with_help(help)
    }

    /// The error for a value of the wrong type.
    pub(super) fn expected(&self, what: &str) -> InputError {
        self.error(format!("must be {what}, is {}", self.node.describe()))
    }

    /// The text of a scalar, whatever else it may mean: `1.30` stays `1.30`.
    pub(super) fn text(&self) -> Result<&'a str, InputError> {
        match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    /// A whole number in a range.
    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Result<i64, InputError> {
        let Some(Meaning::Integer(value)) = self.node.meaning() else {
            return Err(self.expected("a whole number"));
        };
        if range.contains(&value) {
            Ok(value)
        } else if value < 0 && *range.start() >= 0 {
            Err(self.error(format!("must not be negative, is {value}")))
        } else {
            let (least, most) = (range.start(), range.end());
            Err(self.error(format!("must be {least} to {most}, is {value}")))
        }
    }

    /// A number, whole or not.
    pub(super) fn number(&self) -> Result<f64, InputError> {
        match self.node.meaning() {
            Some(Meaning::Integer(value)) => Ok(value as f64),
            Some(Meaning::Float(value)) => Ok(value),
            _ => Err(self.expected("a number")),
        }
    }

    /// A boolean.
    pub(super) fn boolean(&self) -> Result<bool, InputError> {
        match self.node.meaning() {
            Some(Meaning::Bool(value)) => Ok(value),
            _ => Err(self.expected("true or false")),
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, InputError> {
        let text = self.text()?;
        let names = words.iter().map(|(name, _)| *name);
        words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let all = names.clone().collect::<Vec<_>>().join(", ");
            let error = self.error(format!("must be one of {all}, is \"{}\"", text.escape_debug()));
            match did_you_mean(text, names) {
                Some(help) => error.with_help(help),
                None => error,
            }
        })
    }

    /// A name that Kubernetes accepts for an object (RFC 1123 subdomain).
    pub(super) fn object_name(&self) -> Result<&'a str, InputError> {
        let name = self.text()?;
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = !name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| {
                label.starts_with(alphanumeric)
                    && label.ends_with(alphanumeric)
                    && label.chars().all(|c| alphanumeric(c) || c == '-')
            });
        if good {
            return Ok(name);
        }
        Err(self.error(format!("is no valid name: {}", self.node.describe())).with_help(
            "names have lower-case letters, digits, `-` and `.`, \
             and begin and end with a letter or digit",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, check: impl FnOnce(Cursor<'_>) -> T) -> T {
        let input = Input { name: "t.yaml".into(), text: text.into() };
        let documents = input.documents().unwrap();
        check(Cursor::document(&input, &documents[0]))
    }

    #[test]
    fn numbers_out_of_range_and_of_the_wrong_type_are_refused() {
        with("a: -1\nb: 12\nc: x\nd: '3'\n", |document| {
            let read = |name: &str| document.get(name).unwrap().integer(0..=9).unwrap_err();
            assert_eq!(read("a").message, "a must not be negative, is -1");
            assert_eq!(read("b").message, "b must be 0 to 9, is 12");
            assert_eq!(read("c").message, "c must be a whole number, is the string \"x\"");
            assert_eq!(read("d").message, "d must be a whole number, is the string \"3\"");
            assert_eq!(read("d").place.line, 4);
        });
    }

    #[test]
    fn an_unknown_field_has_the_line_of_its_key_and_a_suggestion() {
        with("spec:\n  ndoes: 3\n", |document| {
            let error = document.get("spec").unwrap().only(&["nodes", "watch"]).unwrap_err();
            assert_eq!(error.message, "unknown field `spec.ndoes`");
            assert_eq!((error.place.line, error.place.column), (2, 3));
            assert_eq!(error.help.as_deref(), Some("did you mean `nodes`?"));
        });
    }

    #[test]
    fn names_follow_kubernetes() {
        with("[web, web-1.x, '1', Web, -a, a..b, '', 'a b']", |document| {
            let good: Vec<bool> =
                document.items().unwrap().iter().map(|item| item.object_name().is_ok()).collect();
            assert_eq!(good, [true, true, true, false, false, false, false, false]);
        });
    }
}
