//! Whether a log is a behaviour of the model.

use std::io::Read;

use crate::conform::facts::{NotModelled, Symbols};
use crate::conform::history::{self, History};
use crate::conform::record::{self, Content, Unreadable};
use crate::conform::rows;
use crate::conform::sanity::{self, Contradiction};
use crate::conform::search::{Answer, Limits, explain};
use crate::conform::tables::{self, Given, Table};

/// Most bytes of one file, unpacked.
pub const MAX_BYTES: u64 = 512 << 20;

/// A file of a history.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What is said of a history.
pub enum Verdict {
    /// No cluster behaves like this.
    Impossible(String, Contradiction),
    /// It shows something that the model does not have.
    NotModelled(NotModelled),
    /// The model was searched for a run that explains it.
    Searched(Box<History>, Box<Answer>),
}

/// A file of a history that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its name.
    pub name: String,
    /// The line, if it is about one.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
}

impl BadFile {
    fn new(name: &str, problem: impl Into<String>) -> Self {
        BadFile { name: name.to_string(), line: None, problem: problem.into() }
    }

    fn at(name: &str, unreadable: Unreadable) -> Self {
        let Unreadable { line, problem } = unreadable;
        BadFile { name: name.to_string(), line: Some(line), problem }
    }
}

/// The text of a file, unpacked if need be.
pub fn decode(name: &str, bytes: &[u8]) -> Result<LogFile, BadFile> {
    let mut text = Vec::new();
    let read = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut text)
    } else {
        bytes.take(MAX_BYTES + 1).read_to_end(&mut text)
    };
    read.map_err(|error| BadFile::new(name, format!("cannot be unpacked: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(BadFile::new(name, "is larger than 512 MiB"));
    }
    let text = String::from_utf8(text).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let problem = "is not UTF-8".to_string();
        BadFile { name: name.to_string(), line: Some(line), problem }
    })?;
    if text.trim().is_empty() {
        return Err(BadFile::new(name, "is empty"));
    }
    Ok(LogFile { name: name.to_string(), text })
}

/// Judges a history that is in these files.
pub fn judge(files: &[LogFile], given: &Given, limits: Limits) -> Result<Verdict, BadFile> {
    let is_table = |file: &&LogFile| rows::is_table(&file.text);
    let history = match files.iter().filter(is_table).count() {
        0 => from_events(files, given)?,
        count if count == files.len() => from_tables(files, given)?,
        _ => {
            let name = &files[0].name;
            return Err(BadFile::new(name, "is one of several files, some tables, some not"));
        }
    };
    Ok(match history {
        Ok(history) => {
            let answer = explain(&history, limits);
            Verdict::Searched(Box::new(history), Box::new(answer))
        }
        Err(verdict) => verdict,
    })
}

type Prepared = Result<History, Verdict>;

fn from_tables(files: &[LogFile], given: &Given) -> Result<Prepared, BadFile> {
    let mut symbols = Symbols::default();
    let mut read = |file: &LogFile| {
        let lines = rows::read_table(&file.text, &mut symbols);
        let lines = lines.map_err(|unreadable| BadFile::at(&file.name, unreadable))?;
        Ok(Table { file: file.name.clone(), lines })
    };
    let tables = files.iter().map(&mut read).collect::<Result<Vec<_>, BadFile>>()?;
    Ok(tables::history(tables, symbols, given).map_err(Verdict::NotModelled))
}

fn from_events(files: &[LogFile], given: &Given) -> Result<Prepared, BadFile> {
    let mut records = Vec::new();
    for file in files {
        let read = record::read_json(&file.text);
        records.extend(read.map_err(|unreadable| BadFile::at(&file.name, unreadable))?);
    }
    let objects = records.iter().any(|record| matches!(record.content, Content::Object(_)));
    if !objects {
        return Err(BadFile::new(&files[0].name, "has no watch events"));
    }
    let events = history::in_order(&records);
    let lines = events.iter().map(|(record, event)| (record.line, *event));
    if let Some(contradiction) = sanity::contradiction(lines) {
        return Ok(Err(Verdict::Impossible(files[0].name.clone(), contradiction)));
    }
    let settings = given.model.as_ref().map(|model| &model.settings);
    let history = history::from_records(&files[0].name, &records, given.telling, settings);
    Ok(history.map_err(Verdict::NotModelled).map(|mut history| {
        if let Some(version) = given.version {
            history.config.version = version;
        }
        history
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(text.as_bytes()).expect("memory");
        packer.finish().expect("memory")
    }

    #[test]
    fn a_log_may_be_packed() {
        let text = "{\"type\":\"BOOKMARK\"}\n";
        assert_eq!(decode("log", &packed(text)).map(|log| log.text), Ok(text.to_string()));
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let half = b"{}\n{\"a\":\"\xc3";
        assert_eq!(decode("log", half).expect_err("half a character").line, Some(2));
        let mut cut = packed("{}\n".repeat(1000).as_str());
        cut.truncate(cut.len() / 2);
        assert!(decode("log", &cut).expect_err("half a file").problem.contains("unpacked"));
        for empty in ["", " \n\n"] {
            assert_eq!(decode("log", empty.as_bytes()).expect_err("empty").problem, "is empty");
        }
    }

    #[test]
    fn a_log_without_watch_events_says_nothing() {
        let file = LogFile { name: "log".into(), text: "{\"type\":\"BOOKMARK\"}".into() };
        let judged = judge(&[file], &Given::default(), Limits { states: 1 });
        assert!(judged.is_err_and(|bad| bad.problem.contains("no watch events")));
    }
}
