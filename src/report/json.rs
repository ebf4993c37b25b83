//! Results as JSON. Names once given stay: programs read them.

use models::guarantees::{Guarantee, GuaranteeKind};
use serde_json::{Value, json};

use crate::engine::property::Kind;
use crate::report::{Judged, Level, Report, Skipped, Trace};
use crate::scenario::Warning;

/// The document of `check --json` and `check run --json`.
pub fn document(reports: &[Report], skipped: &[Skipped]) -> Value {
    json!({
        "scenarios": reports.iter().map(report).collect::<Vec<_>>(),
        "skipped": skipped.iter().map(skip).collect::<Vec<_>>(),
    })
}

fn report(report: &Report) -> Value {
    json!({
        "scenario": report.scenario,
        "title": report.title,
        "file": report.file,
        "kubernetes": report.kubernetes.to_string(),
        "watch": report.watch,
        "engine": report.engine,
        "shortest_traces": report.shortest,
        "states": report.states,
        "transitions": report.transitions,
        "depth": report.depth,
        "seconds": report.elapsed.as_secs_f64(),
        "complete": report.complete,
        "stopped": report.stopped,
        "hash_bits": report.hash_bits,
        "collision_odds": report.collision_odds,
        "assumptions": report.assumptions,
        "warnings": report.warnings.iter().map(warning).collect::<Vec<_>>(),
        "levels": report.levels.iter().map(level).collect::<Vec<_>>(),
        "verdicts": report.verdicts.iter().map(judged).collect::<Vec<_>>(),
        "error": report.error.as_ref().map(|error| {
            json!({"message": error.message, "trace": trace(&error.trace)})
        }),
    })
}

fn level(level: &Level) -> Value {
    json!({
        "watch": level.watch,
        "states": level.states,
        "seconds": level.elapsed.as_secs_f64(),
        "complete": level.complete,
        "stopped": level.stopped,
    })
}

fn warning(warning: &Warning) -> Value {
    json!({"file": warning.file, "line": warning.line, "message": warning.message})
}

fn judged(judged: &Judged) -> Value {
    json!({
        "property": judged.guarantee.name,
        "kind": kind(judged.guarantee),
        "promised": judged.promised,
        "expected": judged.expected.map(|expected| expected.word()),
        "because": judged.because,
        "verdict": judged.verdict.word(),
        "rejected": judged.rejected,
        "watch": judged.watch,
        "trace": judged.trace.as_ref().map(trace),
        "workload_status_shown": judged.trace.as_ref().map(|trace| trace.has_workload_status),
        "again": judged.trace.as_ref().map(|trace| &trace.again),
    })
}

/// The kind of a guarantee, in a word.
pub fn kind(guarantee: &Guarantee) -> &'static str {
    match guarantee.kind {
        GuaranteeKind::State => Kind::State.word(),
        GuaranteeKind::Step => Kind::Step.word(),
        GuaranteeKind::Sometimes => Kind::Sometimes.word(),
    }
}

/// The steps of a trace.
pub fn trace(trace: &Trace) -> Value {
    json!(trace.story.steps)
}

fn skip(skipped: &Skipped) -> Value {
    json!({
        "scenario": skipped.scenario,
        "file": skipped.file,
        "because": skipped.because,
        "command": skipped.command,
    })
}
