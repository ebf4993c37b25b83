//! JSON to documents that know their lines. A stream of values is a stream of documents.

use super::source::{Key, MAX_DEPTH, Node, Position, Value};
use super::yaml::unique;

/// Where and why a text is not JSON.
type Failure = (Position, String);

/// All values of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Failure> {
    let mut reader = Reader { rest: text, at: Position { line: 1, column: 1 }, depth: 0 };
    let mut documents = Vec::new();
    reader.skip_space();
    while !reader.rest.is_empty() {
        documents.push(reader.value()?);
        reader.skip_space();
    }
    Ok(documents)
}

struct Reader<'a> {
    rest: &'a str,
    at: Position,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, expected: &str) -> Result<T, Failure> {
        let found = match self.rest.chars().next() {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".to_string(),
        };
        Err((self.at, format!("not valid JSON: expected {expected}, found {found}")))
    }

    /// Moves over the first `bytes` bytes.
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        let mut chars = taken.chars().chain(rest.chars().take(1)).peekable();
        for _ in taken.chars() {
            let c = chars.next();
            if c == Some('\n') || (c == Some('\r') && chars.peek() != Some(&'\n')) {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        let space = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.advance(space);
    }

    /// Moves over `token` and the space around it, if it is next.
    fn eat(&mut self, token: char) -> bool {
        self.skip_space();
        let found = self.rest.starts_with(token);
        if found {
            self.advance(token.len_utf8());
            self.skip_space();
        }
        found
    }

    fn value(&mut self) -> Result<Node, Failure> {
        self.skip_space();
        let at = self.at;
        if self.depth >= MAX_DEPTH {
            return Err((at, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        let value = match self.rest.as_bytes().first() {
            Some(b'{') => self.mapping()?,
            Some(b'[') => self.sequence()?,
            Some(b'"') => Value::Scalar { text: self.string()?, plain: false },
            _ => self.literal()?,
        };
        self.depth -= 1;
        Ok(Node { at, value })
    }

    fn mapping(&mut self) -> Result<Value, Failure> {
        self.eat('{');
        let mut entries = Vec::new();
        if self.eat('}') {
            return Ok(Value::Mapping(entries));
        }
        loop {
            let at = self.at;
            let name = self.string()?;
            unique(&entries, &name, at)?;
            if !self.eat(':') {
                return self.fail("`:`");
            }
            entries.push((Key { at, name }, self.value()?));
            if self.eat('}') {
                return Ok(Value::Mapping(entries));
            }
            if !self.eat(',') {
                return self.fail("`,` or `}`");
            }
        }
    }

    fn sequence(&mut self) -> Result<Value, Failure> {
        self.eat('[');
        let mut items = Vec::new();
        if self.eat(']') {
            return Ok(Value::Sequence(items));
        }
        loop {
            items.push(self.value()?);
            if self.eat(']') {
                return Ok(Value::Sequence(items));
            }
            if !self.eat(',') {
                return self.fail("`,` or `]`");
            }
        }
    }

    /// A string; its extent is found here, its escapes are `serde_json`'s.
    fn string(&mut self) -> Result<String, Failure> {
        if !self.rest.starts_with('"') {
            return self.fail("a string in double quotes");
        }
        let at = self.at;
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err((at, "not valid JSON: a string without an end".to_string()));
        };
        let raw = self.advance(end + 1);
        serde_json::from_str(raw).map_err(|error| (at, format!("not valid JSON: {error}")))
    }

    fn literal(&mut self) -> Result<Value, Failure> {
        let ends =
            |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '}' | ']' | '{' | '[' | '"');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let number = serde_json::from_str::<serde_json::Number>(word).is_ok();
        if !number && !matches!(word, "null" | "true" | "false") {
            return self.fail("a value");
        }
        Ok(Value::Scalar { text: self.advance(end).to_string(), plain: true })
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Meaning;
    use super::*;

    #[test]
    fn a_stream_of_values_is_read_with_lines_and_columns() {
        let documents = parse("{\"a\": [1, {\"b\": null}]}\n\n {\"c\": true}\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].at, Position { line: 3, column: 2 });
        let Value::Mapping(entries) = &documents[0].value else { panic!("a mapping") };
        let Value::Sequence(items) = &entries[0].1.value else { panic!("a list") };
        assert_eq!(items[0].meaning(), Some(Meaning::Integer(1)));
        assert_eq!(items[1].at, Position { line: 1, column: 11 });
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        let cases = [
            ("{\"a\": 1,\n \"b\" 2}", 2, "expected `:`, found `2`"),
            ("{\"a\": 1\n", 2, "expected `,` or `}`, found the end"),
            ("{\"a\": nul}", 1, "expected a value, found `n`"),
            ("{a: 1}", 1, "expected a string in double quotes"),
            ("{\"a\": \"x}", 1, "a string without an end"),
            ("{\"a\": 1, \"a\": 2}", 1, "duplicate key `a`"),
        ];
        for (text, line, expected) in cases {
            let (at, message) = parse(text).unwrap_err();
            assert_eq!(at.line, line, "{text}");
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        assert!(parse(&"[".repeat(100_000)).unwrap_err().1.contains("deep"));
    }

    #[test]
    fn a_string_keeps_its_escapes_and_quotes() {
        let documents = parse(r#"["a\"b\\", "\u00e9"]"#).unwrap();
        let Value::Sequence(items) = &documents[0].value else { panic!("a list") };
        assert_eq!(items[0].meaning(), Some(Meaning::Text("a\"b\\")));
        assert_eq!(items[1].meaning(), Some(Meaning::Text("é")));
    }
}
