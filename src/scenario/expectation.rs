//! `spec.properties`: what is checked, and what is expected of it.

use super::cursor::Cursor;
use super::error::{InputError, Place};
use super::source::Value;

/// A verdict that a scenario expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVerdict {
    /// No run violates it.
    Holds,
    /// Some run violates it.
    Violated,
    /// Some run shows it.
    Reachable,
    /// No run shows it.
    Unreachable,
    /// The search cannot tell.
    Unknown,
}

impl ExpectedVerdict {
    const WORDS: [(&'static str, ExpectedVerdict); 5] = [
        ("holds", ExpectedVerdict::Holds),
        ("violated", ExpectedVerdict::Violated),
        ("reachable", ExpectedVerdict::Reachable),
        ("unreachable", ExpectedVerdict::Unreachable),
        ("unknown", ExpectedVerdict::Unknown),
    ];

    /// Its name in scenarios and reports.
    pub fn word(self) -> &'static str {
        match self {
            ExpectedVerdict::Holds => "holds",
            ExpectedVerdict::Violated => "violated",
            ExpectedVerdict::Reachable => "reachable",
            ExpectedVerdict::Unreachable => "unreachable",
            ExpectedVerdict::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for ExpectedVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A property that a scenario names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Its name, not yet known to exist.
    pub property: String,
    /// What is expected of it; none to only check it.
    pub verdict: Option<ExpectedVerdict>,
    /// Why.
    pub because: Option<String>,
    /// The line on which it stands.
    pub line: usize,
    /// Where exactly: for an [`InputError`] about an unknown name.
    pub place: Place,
}

/// Reads `properties`: names, or `{name, expect, because}`.
pub(super) fn read_properties(list: &Cursor<'_>) -> Result<Vec<Expectation>, InputError> {
    let mut expectations: Vec<Expectation> = Vec::new();
    for item in list.items()? {
        let is_mapping = matches!(item.node.value, Value::Mapping(_));
        let name = if is_mapping {
            item.only(&["name", "expect", "because"])?;
            item.required("name")?
        } else {
            item.clone()
        };
        let property = name.text()?.to_string();
        if let Some(first) = expectations.iter().find(|known| known.property == property) {
            let line = first.line;
            return Err(name.error(format!("names {property} again, first on line {line}")));
        }
        let expect = item.get("expect").map(|word| word.word(&ExpectedVerdict::WORDS));
        let because = item.get("because").map(|text| text.text().map(str::to_string));
        let place = name.place();
        expectations.push(Expectation {
            property,
            verdict: expect.transpose()?,
            because: because.transpose()?,
            line: place.line,
            place,
        });
    }
    Ok(expectations)
}
