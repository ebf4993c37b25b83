//! `check conform`: is a recorded history a behaviour of the model, and what happened unseen?

use std::fs;
use std::io::{self, Read, Write};

use models::version::Version;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, one_scenario};
use crate::conform::history::{Entry, History};
use crate::conform::others;
use crate::conform::search::{Answer, Limits, Run};
use crate::conform::tables::Given;
use crate::conform::told::Telling;
use crate::conform::verdict::{BadFile, LogFile, MAX_BYTES, Verdict, decode, judge};
use crate::engine::star::{Action, StarSystem};
use crate::report::Conclusion;
use crate::scenario::cluster::Cluster;
use crate::scenario::strikes::fault_rule;
use crate::story::Story;
use crate::story::trace::Step;

/// Arguments of `check conform`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Watch events as JSON, one a line, or tables of `kubectl get … --watch`, of one history;
    /// gzip is unpacked; `-` is standard input
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<String>,
    /// For tables: a scenario or manifest with what they do not show
    #[arg(long, value_name = "FILE")]
    model: Option<String>,
    /// Kubernetes version, 1.26 to 1.36, instead of the one that the log shows
    #[arg(long, value_name = "VERSION")]
    kubernetes: Option<Version>,
    /// Hold the faults that the log tells of against the story: these, there, and no others
    #[arg(long)]
    with_faults: bool,
    /// Hold the starts and ends of containers that the log tells of against the story
    #[arg(long)]
    with_containers: bool,
    /// Give up after this many states
    #[arg(long, value_name = "N", default_value_t = 400_000)]
    max_states: usize,
    /// Show every step of the story, not only what happened from outside
    #[arg(long)]
    steps: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Judges a log. Exit code 0 if the model explains it, 1 if nothing can, 3 if that is not known.
pub(super) fn conform(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let files = args.logs.iter().map(|name| read(name)).collect::<Result<Vec<_>, _>>()?;
    let model = match &args.model {
        Some(file) => Some(one_scenario(file, &Overrides::default())?.config),
        None => None,
    };
    let telling = Telling { faults: args.with_faults, containers: args.with_containers };
    let given = Given { version: args.kubernetes, model, telling };
    let limits = Limits { states: args.max_states };
    let verdict = judge(&files, &given, limits).map_err(|bad| refused(&bad))?;
    let (conclusion, report) = told(&verdict, args.steps);
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, out)?;
    }
    Ok(conclusion)
}

fn read(name: &str) -> Result<LogFile, Failure> {
    let mut bytes = Vec::new();
    let read = if name == "-" {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(name).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::usage(format!("{name} cannot be read: {error}"), None))?;
    decode(name, &bytes).map_err(|bad| refused(&bad))
}

fn refused(bad: &BadFile) -> Failure {
    let place = bad.line.map_or(String::new(), |line| format!(":{line}"));
    Failure::usage(format!("{}{place} {}", bad.name, bad.problem), None)
}

/// What came of it, as JSON; the text is made of the same.
fn told(verdict: &Verdict, all: bool) -> (Conclusion, Value) {
    match verdict {
        Verdict::NotModelled(what) => {
            (Conclusion::Incomplete, json!({ "verdict": "not-modelled", "notModelled": what }))
        }
        Verdict::Impossible(file, contradiction) => {
            let report = json!({
                "verdict": "does-not-conform",
                "firstImpossible": {
                    "file": file,
                    "line": contradiction.line,
                    "problem": contradiction.problem,
                    "rule": contradiction.rule.map(|rule| rule.id()),
                    "meaning": contradiction.rule.map(|rule| rule.meaning()),
                },
            });
            (Conclusion::NotAsExpected, report)
        }
        Verdict::Searched(history, answer) => searched(history, answer, all),
    }
}

fn searched(history: &History, answer: &Answer, all: bool) -> (Conclusion, Value) {
    let (conclusion, word) = match (answer.conforms, answer.exhausted) {
        (true, _) => (Conclusion::AsExpected, "conforms"),
        (false, true) => (Conclusion::NotAsExpected, "does-not-conform"),
        (false, false) => (Conclusion::Incomplete, "undecided"),
    };
    let system = StarSystem(Cluster { config: history.config.clone() });
    let reached = answer.reached(history);
    let next: Vec<Value> = if answer.conforms {
        Vec::new()
    } else {
        history
            .next(&reached)
            .map(|(stream, entry)| {
                json!({ "file": stream.file, "line": entry.line, "event": entry.text })
            })
            .collect()
    };
    let others: Vec<Value> =
        answer.alternatives.iter().filter_map(|run| last(&system, run)).collect();
    let report = json!({
        "verdict": word,
        "kubernetes": history.config.version.to_string(),
        "events": history.length(),
        "explained": if answer.conforms { history.length() } else { reached.events() },
        "unchanged": history.stutters,
        "states": answer.states,
        "story": story(&system, history, answer, all),
        "alsoExplainedBy": also(history, answer),
        "next": next,
        "instead": others,
    });
    (conclusion, report)
}

/// Other kinds of story that explain the history as well, by the rules of their faults.
fn also(history: &History, answer: &Answer) -> Vec<Value> {
    if !answer.conforms {
        return Vec::new();
    }
    let stories = others::others(history, answer).into_iter();
    let told = stories.map(|(_, other)| {
        let rules = others::kinds(&other.path).into_iter().map(|kind| fault_rule(kind).id());
        json!(rules.collect::<Vec<_>>())
    });
    told.collect()
}

/// The last step of a run.
fn last(system: &StarSystem<Cluster>, run: &Run) -> Option<Value> {
    let step = Story::tell(system, run).steps.pop()?;
    Some(json!({ "step": words(&step), "rule": step.rule, "changes": step.changes }))
}

fn words(step: &Step) -> String {
    format!("{}: {}", step.actor, step.action)
}

/// The hidden story: what happened from outside, or every step, between which events of the log.
fn story(
    system: &StarSystem<Cluster>,
    history: &History,
    answer: &Answer,
    all: bool,
) -> Vec<Value> {
    let told = Story::tell(system, &answer.path);
    let steps = told.steps.iter().zip(&answer.path.steps).zip(&answer.positions);
    let mut seen = history.start();
    let mut story = Vec::new();
    for ((step, (action, _)), position) in steps {
        let matched: Vec<&Entry> = history.between(&seen, position).collect();
        if matches!(action, Action::Fault(_)) || all {
            let before = history.last(&seen).map(|entry| entry.line);
            story.push(json!({
                "step": words(step),
                "rule": step.rule,
                "meaning": step.meaning,
                "afterLine": before,
                "explains": matched.iter().map(|entry| entry.line).collect::<Vec<_>>(),
            }));
        }
        seen = *position;
    }
    story
}

fn print(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    match report["verdict"].as_str().unwrap_or_default() {
        "not-modelled" => {
            return writeln!(out, "undecided: not modelled yet: {}", text(&report["notModelled"]));
        }
        "conforms" => writeln!(
            out,
            "conforms: {} events explained, {} more change nothing that is compared",
            report["events"], report["unchanged"]
        )?,
        "undecided" => writeln!(
            out,
            "undecided: {} of {} events explained within {} states",
            report["explained"], report["events"], report["states"]
        )?,
        _ if report["firstImpossible"].is_object() => {
            let first = &report["firstImpossible"];
            let place = format!("{}:{}", text(&first["file"]), first["line"]);
            writeln!(out, "does not conform: {place} {}", text(&first["problem"]))?;
            if let Some(rule) = first["rule"].as_str() {
                writeln!(out, "  {rule}: {}", text(&first["meaning"]))?;
            }
            return Ok(());
        }
        _ => writeln!(
            out,
            "does not conform: no run goes on after {} of {} events, with the faults that the log \
             suggests",
            report["explained"], report["events"]
        )?,
    }
    let steps = report["story"].as_array().into_iter().flatten();
    for step in steps {
        let after = step["afterLine"].as_u64();
        let place = after.map_or("at the start".to_string(), |line| format!("after line {line}"));
        writeln!(out, "  {place}: {}  {}", text(&step["step"]), text(&step["rule"]))?;
    }
    for other in report["alsoExplainedBy"].as_array().into_iter().flatten() {
        let rules: Vec<&str> =
            other.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        writeln!(out, "  would look the same with {}", rules.join(", "))?;
    }
    for next in report["next"].as_array().into_iter().flatten() {
        let place = format!("{}:{}", text(&next["file"]), next["line"]);
        writeln!(out, "  not explained: {place} {}", text(&next["event"]))?;
    }
    for other in report["instead"].as_array().into_iter().flatten() {
        writeln!(out, "  could be instead: {}  {}", text(&other["step"]), text(&other["rule"]))?;
        for change in other["changes"].as_array().into_iter().flatten() {
            writeln!(out, "      {}", text(change))?;
        }
    }
    Ok(())
}
