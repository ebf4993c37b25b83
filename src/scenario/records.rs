//! Flat tables in YAML: lists of records whose fields are texts, or lists of texts.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::error::InputError;
use super::source::{Input, Value};

/// A record: fields by name. A single text is a list of one.
pub(super) type Record = BTreeMap<String, Vec<String>>;

/// The records of an input, all documents together.
pub(super) fn records(input: &Input) -> Result<Vec<Record>, InputError> {
    let mut records = Vec::new();
    for node in &input.documents()? {
        for item in Cursor::document(input, node).items()? {
            let mut record = Record::new();
            for (key, value) in item.fields()? {
                record.insert(key.name.clone(), texts(&value)?);
            }
            records.push(record);
        }
    }
    Ok(records)
}

fn texts(value: &Cursor<'_>) -> Result<Vec<String>, InputError> {
    match value.node.value {
        Value::Sequence(_) => {
            value.items()?.iter().map(|item| item.text().map(str::to_string)).collect()
        }
        _ => Ok(vec![value.text()?.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Record>, InputError> {
        records(&Input { name: "t.yaml".into(), text: text.into() })
    }

    #[test]
    fn fields_are_texts_or_lists_of_texts() {
        let records = read("- {id: A-1, recorded: ['03', \"06\"]}\n- id: B-2\n").unwrap();
        assert_eq!(records[0]["recorded"], ["03", "06"]);
        assert_eq!(records[1]["id"], ["B-2"]);
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn anything_deeper_is_refused_with_its_line() {
        let error = read("- id: A-1\n  more: [{x: y}]\n").unwrap_err();
        assert_eq!(error.place.line, 2);
    }
}
