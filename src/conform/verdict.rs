//! Whether a log is a behaviour of the model.

use crate::conform::facts::{NotModelled, Symbols};
use crate::conform::history::{self, History};
use crate::conform::record::{self, Content, Unreadable};
use crate::conform::rows;
use crate::conform::sanity::{self, Contradiction};
use crate::conform::search::{Answer, Limits, explain};
use crate::conform::source::{BadFile, LogFile};
use crate::conform::tables::{self, Given, Table};

/// What is said of a history.
pub enum Verdict {
    /// No cluster behaves like this.
    Impossible(String, Contradiction),
    /// It shows something that the model does not have.
    NotModelled(NotModelled),
    /// The model was searched for a run that explains it.
    Searched(Box<History>, Box<Answer>),
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
        Ok(Table { lines })
    };
    let names = files.iter().map(|file| file.name.clone()).collect();
    let tables = files.iter().map(&mut read).collect::<Result<Vec<_>, BadFile>>()?;
    Ok(tables::history(names, tables, symbols, given).map_err(Verdict::NotModelled))
}

fn from_events(files: &[LogFile], given: &Given) -> Result<Prepared, BadFile> {
    let mut records = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let read = record::read_json(number, &file.text);
        records.extend(read.map_err(|unreadable| BadFile::at(&file.name, unreadable))?);
    }
    record::mark_listed(&mut records);
    let objects = records.iter().any(|record| matches!(record.content, Content::Object(_)));
    if !objects {
        return Err(BadFile::new(&files[0].name, "has no watch events"));
    }
    let events = history::in_order(&records);
    let lines = events.iter().map(|(record, event)| ((record.file, record.line), *event));
    if let Some(contradiction) = sanity::contradiction(lines) {
        let file = files[contradiction.file].name.clone();
        return Ok(Err(Verdict::Impossible(file, contradiction)));
    }
    let names = files.iter().map(|file| file.name.clone()).collect();
    let settings = given.model.as_ref().map(|model| &model.settings);
    let history = history::from_records(names, &records, given.telling, settings);
    Ok(history.map_err(Verdict::NotModelled).map(|mut history| {
        if let Some(version) = given.version {
            history.config.version = version;
        }
        history
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_watch_events_says_nothing() {
        let file = LogFile { name: "log".into(), text: "{\"type\":\"BOOKMARK\"}".into() };
        let judged = judge(&[file], &Given::default(), Limits { states: 1 });
        assert!(judged.is_err_and(|bad| bad.problem.contains("no watch events")));
    }
}
