//! `check conform`: is a recorded history a behaviour of the model, and what happened unseen?

use std::fs;
use std::io::{self, Write};

use models::version::Version;
use serde_json::{Value, json};

mod text;

use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, one_scenario};
use crate::conform::apart;
use crate::conform::history::{Entry, History};
use crate::conform::middle::sent_words;
use crate::conform::naming::Naming;
use crate::conform::others;
use crate::conform::search::{Answer, Limits, Run};
use crate::conform::source::{self, BadFile, LogFile};
use crate::conform::tables::Given;
use crate::conform::timing::{Known, Timing};
use crate::conform::told::{self, Telling};
use crate::conform::verdict::{Verdict, judge};
use crate::conform::wanted;
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
    /// For tables: a scenario or manifest with what they do not show; for watch events, the
    /// settings by which their times are judged
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
    /// End with 1 too if something came earlier than a timer allows
    #[arg(long)]
    strict_timing: bool,
    /// Give up after this many states in which nothing more was explained
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
    let (mut conclusion, report) = told(&verdict, args.steps);
    if args.strict_timing && matches!(&verdict, Verdict::Searched(history, _) if is_early(history))
    {
        conclusion = Conclusion::NotAsExpected;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        text::print(&report, out)?;
    }
    Ok(conclusion)
}

fn read(name: &str) -> Result<LogFile, Failure> {
    let read = if name == "-" {
        source::read(name, io::stdin().lock())
    } else {
        let file = fs::File::open(name);
        let file =
            file.map_err(|error| Failure::usage(format!("{name} cannot be read: {error}"), None))?;
        source::read(name, file)
    };
    read.map_err(|bad| refused(&bad))
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

/// Whether anything came earlier than a timer allows.
fn is_early(history: &History) -> bool {
    let findings = history.timing.iter().flat_map(|timing| &timing.findings);
    findings.into_iter().any(|finding| finding.rule.is_some())
}

fn searched(history: &History, answer: &Answer, all: bool) -> (Conclusion, Value) {
    let (conclusion, word) = match (answer.conforms, answer.exhausted) {
        (true, _) => (Conclusion::AsExpected, "conforms"),
        (false, true) => (Conclusion::NotAsExpected, "does-not-conform"),
        (false, false) => (Conclusion::Incomplete, "undecided"),
    };
    let system = StarSystem(Cluster { config: history.config.clone() });
    let reached = answer.reached(history);
    let report = json!({
        "verdict": word,
        "kubernetes": history.config.version.to_string(),
        "files": history.files,
        "events": history.length(),
        "explained": if answer.conforms { history.length() } else { reached.events() },
        "unchanged": history.stutters,
        "setAside": history.aside,
        "states": answer.states,
        "provedShortest": answer.fewest,
        "withFaults": history.tells_faults(),
        "story": story(&system, history, answer, all),
        "alsoExplainedBy": also(history, answer),
        "next": if answer.conforms { Vec::new() } else { next(history, answer) },
        "instead": instead(&system, history, answer),
        "timing": history.timing.as_ref().map(|found| timing(history, found)),
    });
    (conclusion, report)
}

/// What comes next where the longest run ends, and what stands against it.
fn next(history: &History, answer: &Answer) -> Vec<Value> {
    let reached = answer.reached(history);
    let events = history.next(&reached).map(|entry| {
        let wanted = wanted::wanted(history, answer, entry);
        json!({
            "file": history.files[entry.file],
            "line": entry.line,
            "event": entry.text,
            "change": wanted.as_ref().map(|wanted| &wanted.change),
            "rule": wanted.as_ref().map(|wanted| wanted.rule.id()),
            "meaning": wanted.as_ref().map(|wanted| wanted.rule.meaning()),
            "guard": wanted.as_ref().map(|wanted| &wanted.guard),
        })
    });
    let lines = told::next(&history.accounts, &reached);
    let lines = lines.map(
        |told| json!({ "file": history.files[told.file], "line": told.line, "told": told.text }),
    );
    events.chain(lines).collect()
}

/// What the clock says.
fn timing(history: &History, timing: &Timing) -> Value {
    let findings = timing.findings.iter().map(|finding| {
        json!({
            "file": history.files[finding.file],
            "line": finding.line,
            "problem": finding.problem,
            "rule": finding.rule.map(|rule| rule.id()),
        })
    });
    let (grace, known) = timing.grace_period;
    json!({
        "findings": findings.collect::<Vec<_>>(),
        "settings": [{
            "setting": "--node-monitor-grace-period",
            "seconds": grace as f64 / 1000.0,
            "known": match known {
                Known::Given => "given",
                Known::Inferred => "at most",
                Known::Assumed => "assumed",
            },
        }],
    })
}

/// What the model could do where the longest run ends.
fn instead(system: &StarSystem<Cluster>, history: &History, answer: &Answer) -> Vec<Value> {
    let last = |run: &Run| {
        let naming = Naming::of(system, history, run);
        let step = Story::tell(system, run).steps.pop()?;
        let changes = step.changes.iter().map(|change| naming.apply(change));
        Some(json!({
            "step": naming.apply(&words(&step)),
            "rule": step.rule,
            "changes": changes.collect::<Vec<_>>(),
        }))
    };
    answer.alternatives.iter().filter_map(last).collect()
}

/// Other kinds of story that explain the history as well, by the rules of their faults, each with
/// the first event that would have told it apart.
fn also(history: &History, answer: &Answer) -> Vec<Value> {
    if !answer.conforms {
        return Vec::new();
    }
    let stories = others::others(history, answer).into_iter();
    let told = stories.map(|(_, other)| {
        let rules = others::kinds(&other).into_iter().map(|kind| fault_rule(kind).id());
        let apart = apart::difference(history, answer, &other);
        json!({
            "faults": rules.collect::<Vec<_>>(),
            "toldApartBy": apart.map(|apart| json!({
                "event": apart.event,
                "after": if apart.after_first { "this story" } else { "the other" },
            })),
        })
    });
    told.collect()
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
    let mut story = before(system, answer);
    let told = Story::tell(system, &answer.path);
    let naming = Naming::of(system, history, &answer.path);
    let steps = told.steps.iter().zip(&answer.path.steps).zip(&answer.positions);
    let mut seen = history.start();
    for ((step, (action, _)), position) in steps {
        let matched: Vec<&Entry> = history.between(&seen, position).collect();
        if matches!(action, Action::Fault(_)) || all {
            let before = history.last(&seen);
            let place = before.map(|entry| history.place(entry.file, entry.line));
            let before = before.map(|entry| entry.line);
            story.push(json!({
                "step": naming.apply(&if all { words(step) } else { step.action.clone() }),
                "rule": step.rule,
                "meaning": step.meaning,
                "afterLine": before,
                "after": place,
                "explains": matched.iter().map(|entry| entry.line).collect::<Vec<_>>(),
            }));
        }
        seen = *position;
    }
    story
}

/// What must have happened, or be under way, when the history begins.
fn before(system: &StarSystem<Cluster>, answer: &Answer) -> Vec<Value> {
    let assumed = |step: String, rule: Option<&str>, meaning: Option<&str>| {
        json!({
            "step": step,
            "rule": rule,
            "meaning": meaning,
            "beforeTheLog": true,
            "afterLine": null,
            "after": null,
            "explains": [],
        })
    };
    let past = Story::tell(system, &answer.beginning.past).steps.into_iter();
    let past = past.map(|step| assumed(step.action, step.rule, step.meaning));
    let sent = answer.beginning.sent.iter();
    let sent = sent.map(|sent| assumed(sent_words(&system.0.config, sent), None, None));
    past.chain(sent).collect()
}
