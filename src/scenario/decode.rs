//! Documents to Kubernetes types: `serde` over a tree that knows its lines.
//!
//! A type error names path and line; a field that the type does not have is noted, for the
//! Kubernetes types skip it in silence.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::cursor::Cursor;
use super::error::{InputError, Warning, nearest};
use super::source::{Key, Meaning, Node, Position, Value};

/// Reads a value of a Kubernetes type. A misspelt field is an error, as it is for an API server; a
/// field that is like no other is newer than this program, and only warned of.
pub(super) fn decode<T: de::DeserializeOwned>(
    cursor: &Cursor<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<T, InputError> {
    let unknown = RefCell::new(Vec::new());
    let decoder = Decoder { node: cursor.node, path: cursor.path.clone(), unknown: &unknown };
    let decoded = T::deserialize(decoder).map_err(|error| {
        let at = error.at.unwrap_or(cursor.node.at);
        let path = error.path.unwrap_or_else(|| cursor.path.clone());
        // What serde says begins with «invalid value: …».
        let has = if error.message.starts_with("invalid") { "has an " } else { "" };
        InputError::at(cursor.place_at(at), format!("{path} {has}{}", error.message))
    })?;
    for Unknown { at, path, near } in unknown.into_inner() {
        let message = format!("unknown field `{path}`");
        match near {
            Some(near) => {
                let help = format!("did you mean `{near}`?");
                return Err(InputError::at(cursor.place_at(at), message).with_help(help));
            }
            None => {
                warnings.push(Warning::at(cursor.place_at(at), format!("{message} is ignored")))
            }
        }
    }
    Ok(decoded)
}

/// A field that the type does not have.
struct Unknown {
    at: Position,
    path: String,
    /// A field that it does have, that is not set, and that may have been meant.
    near: Option<&'static str>,
}

/// Why a value does not fit its type, and where.
#[derive(Debug)]
struct Failure {
    message: String,
    at: Option<Position>,
    path: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Failure { message: message.to_string(), at: None, path: None }
    }
}

struct Decoder<'a> {
    node: &'a Node,
    path: String,
    unknown: &'a RefCell<Vec<Unknown>>,
}

impl<'a> Decoder<'a> {
    /// The innermost value that failed is the one to point at.
    #[inline(never)]
    fn located(&self, failure: Failure) -> Failure {
        Failure {
            at: failure.at.or(Some(self.node.at)),
            path: failure.path.or_else(|| Some(self.path.clone())),
            ..failure
        }
    }

    fn expected(&self, what: &str) -> Failure {
        let message = format!("must be {what}, is {}", self.node.describe());
        self.located(de::Error::custom(message))
    }

    fn items(&self) -> Result<Items<'a>, Failure> {
        match &self.node.value {
            Value::Sequence(items) => Ok(Items {
                items: items.iter().enumerate(),
                path: self.path.clone(),
                unknown: self.unknown,
            }),
            _ => Err(self.expected("a list")),
        }
    }

    /// The entries that a type gets to see.
    fn entries(&self, keep: fn(&str) -> bool) -> Result<Entries<'a>, Failure> {
        let Value::Mapping(entries) = &self.node.value else {
            return Err(self.expected("a mapping"));
        };
        let kept: Vec<_> = entries.iter().filter(|(key, _)| keep(&key.name)).collect();
        let (path, unknown) = (self.path.clone(), self.unknown);
        Ok(Entries { entries: kept.into_iter(), value: None, path, unknown })
    }

    /// The entries of a struct. `managedFields` is bookkeeping of the API server, of many shapes
    /// over the versions.
    fn fields(&self, name: &str, fields: &'static [&'static str]) -> Result<Entries<'a>, Failure> {
        let keep: fn(&str) -> bool = match name {
            "ObjectMeta" => |key| key != "managedFields",
            _ => |_| true,
        };
        let entries = self.entries(keep)?;
        self.note_unknown(entries.entries.as_slice(), fields);
        Ok(entries)
    }

    /// Notes the fields that the type lacks.
    fn note_unknown(&self, entries: &[&(Key, Node)], fields: &'static [&'static str]) {
        for (key, _) in entries.iter().filter(|(key, _)| !fields.contains(&key.name.as_str())) {
            let absent =
                fields.iter().filter(|field| entries.iter().all(|(k, _)| k.name != **field));
            let near = nearest(&key.name, absent.copied());
            let path = join(&self.path, &key.name);
            self.unknown.borrow_mut().push(Unknown { at: key.at, path, near });
        }
    }

    fn text(&self) -> Result<&'a str, Failure> {
        match self.node.meaning() {
            Some(Meaning::Text(text)) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    fn boolean(&self) -> Result<bool, Failure> {
        match self.node.meaning() {
            Some(Meaning::Bool(value)) => Ok(value),
            _ => Err(self.expected("true or false")),
        }
    }

    fn integer(&self) -> Result<i64, Failure> {
        match self.node.meaning() {
            Some(Meaning::Integer(value)) => Ok(value),
            _ => Err(self.expected("a whole number")),
        }
    }

    fn number(&self) -> Result<f64, Failure> {
        match self.node.meaning() {
            Some(Meaning::Integer(value)) => Ok(value as f64),
            Some(Meaning::Float(value)) => Ok(value),
            _ => Err(self.expected("a number")),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// One method of a [`Decoder`]: gets the value itself, and calls the one visitor that fits.
///
/// Offering a visitor whatever is there would be shorter to write, but hundreds of Kubernetes types
/// pass through here, and each would be compiled with a refusal for every kind of value. For the
/// same reason (the time to build) nothing here is inlined into them.
macro_rules! decode_as {
    ($($method:ident)* : $get:ident, $visit:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            visitor.$visit(self.$get()?).map_err(|failure| self.located(failure))
        })*
    };
}

impl<'de> de::Deserializer<'de> for Decoder<'_> {
    type Error = Failure;

    decode_as!(deserialize_bool: boolean, visit_bool);
    decode_as!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128:
        integer, visit_i64);
    decode_as!(deserialize_f32 deserialize_f64: number, visit_f64);
    decode_as!(deserialize_char deserialize_str deserialize_string deserialize_identifier
        deserialize_bytes deserialize_byte_buf: text, visit_str);
    decode_as!(deserialize_seq: items, visit_seq);

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(self.entries(|_| true)?).map_err(|failure| self.located(failure))
    }

    #[inline(never)]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_map(self.fields(name, fields)?).map_err(|failure| self.located(failure))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match (&self.node.value, self.node.meaning()) {
            (Value::Sequence(_), _) => self.deserialize_seq(visitor),
            (_, Some(Meaning::Bool(_))) => self.deserialize_bool(visitor),
            (_, Some(Meaning::Integer(_))) => self.deserialize_i64(visitor),
            (_, Some(Meaning::Float(_))) => self.deserialize_f64(visitor),
            (_, Some(Meaning::Text(_))) => self.deserialize_str(visitor),
            (_, Some(Meaning::Null)) => visitor.visit_unit(),
            (Value::Mapping(_) | Value::Scalar { .. }, _) => self.deserialize_map(visitor),
        }
    }

    serde::forward_to_deserialize_any! { unit unit_struct tuple tuple_struct enum }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    path: String,
    unknown: &'a RefCell<Vec<Unknown>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let path = format!("{}[{index}]", self.path);
        seed.deserialize(Decoder { node, path, unknown: self.unknown }).map(Some)
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<&'a (Key, Node)>,
    value: Option<(&'a str, &'a Node)>,
    path: String,
    unknown: &'a RefCell<Vec<Unknown>>,
}

impl<'a> Entries<'a> {
    /// The value of the key that was read last.
    #[inline(never)]
    fn take_value(&mut self) -> Result<Decoder<'a>, Failure> {
        match self.value.take() {
            Some((name, node)) => {
                Ok(Decoder { node, path: join(&self.path, name), unknown: self.unknown })
            }
            None => Err(de::Error::custom("a value without a key")),
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    #[inline(never)]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((&key.name, node));
        seed.deserialize(key.name.as_str().into_deserializer()).map(Some)
    }

    #[inline(never)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(self.take_value()?)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::DeploymentSpec;

    use super::super::source::Input;
    use super::*;

    fn read(text: &str) -> (Result<DeploymentSpec, InputError>, Vec<Warning>) {
        let input = Input { name: "d.yaml".into(), text: text.into() };
        let documents = input.documents().unwrap();
        let document = Cursor::document(&input, &documents[0]);
        let mut warnings = Vec::new();
        let spec = decode(&document.get("spec").unwrap(), &mut warnings);
        (spec, warnings)
    }

    #[test]
    fn a_type_error_deep_inside_has_its_own_line_and_path() {
        let text = "spec:\n  selector: {}\n  template:\n    spec:\n      containers:\n      - name: a\n        ports:\n        - containerPort: many\n";
        let error = read(text).0.unwrap_err();
        assert_eq!((error.place.line, error.place.column), (8, 26));
        assert!(error.message.starts_with(
            "spec.template.spec.containers[0].ports[0].containerPort must be a whole number"
        ));
    }

    #[test]
    fn a_misspelt_field_is_an_error_and_a_strange_one_a_warning() {
        let (spec, _) = read("spec:\n  replica: 3\n  template: {}\n");
        let error = spec.unwrap_err();
        assert_eq!(error.message, "unknown field `spec.replica`");
        assert_eq!(error.help.as_deref(), Some("did you mean `replicas`?"));
        assert_eq!(error.place.line, 2);
        let (spec, warnings) = read("spec:\n  template: {}\n  brandNewThing: 3\n");
        assert!(spec.is_ok());
        assert_eq!(
            warnings[0].to_string(),
            "warning: d.yaml:3: unknown field `spec.brandNewThing` is ignored"
        );
    }

    #[test]
    fn managed_fields_are_not_even_looked_at() {
        let text =
            "spec:\n  template:\n    metadata:\n      managedFields: 17\n      labels: {a: b}\n";
        let spec = read(text).0.unwrap();
        assert_eq!(spec.template.metadata.unwrap().labels.unwrap()["a"], "b");
    }

    #[test]
    fn numbers_that_do_not_fit_and_scalars_for_structs_are_refused() {
        let error = read("spec:\n  replicas: 5000000000\n").0.unwrap_err();
        assert!(error.message.starts_with("spec.replicas has an "), "{}", error.message);
        let error = read("spec:\n  template: 3\n").0.unwrap_err();
        assert_eq!(error.message, "spec.template must be a mapping, is the number 3");
    }
}
