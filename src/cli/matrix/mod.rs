//! `check matrix`: what each way to lose a node does to each kind of workload.

mod html;
mod markdown;
pub(in crate::cli) mod rows;
mod text;

use std::io::{self, Write};

use clap::ValueEnum;
use models::guarantees::{self, Guarantee, GuaranteeKind};
use models::version::Version;
use serde_json::{Value, json};

use crate::cli::checking::processors;
use crate::cli::failure::Failure;
use crate::cli::inputs::Overrides;
use crate::cli::plain::check_all;
use crate::cli::versions::Range;
use crate::engine::property::Verdict;
use crate::report::{Conclusion, Judged, Report};
use crate::scenario::{Scenario, nearest};
use rows::{FAULTS, Fault, Row, WORKLOADS, Workload};

/// How the matrix is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for a terminal
    Text,
    /// Tables of links, as in `specs/matrix.md`
    Markdown,
    /// One object with a list of cells
    Json,
    /// One page with all traces
    Html,
}

/// Arguments of `check matrix`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// This workload only; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    workload: Vec<String>,
    /// This way to lose a node only; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    fault: Vec<String>,
    /// One version, or a range such as 1.30..1.36
    #[arg(long, value_name = "VERSIONS", default_value_t = newest())]
    kubernetes: Range,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print JSON, as `--format json` does
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Rows searched at the same time [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print the scenario of this row, WORKLOAD-FAULT, instead; without a name, list the rows
    #[arg(long, value_name = "ROW", num_args = 0..=1, default_missing_value = "",
          conflicts_with_all = ["workload", "fault", "kubernetes", "format", "json", "threads"])]
    show: Option<String>,
}

fn newest() -> Range {
    Range { first: Version::NEWEST, last: Version::NEWEST }
}

/// A row at one version, searched.
struct Searched {
    row: Row,
    version: Version,
    report: Report,
}

/// One version and one workload, as a table: its faults are rows, and properties columns.
struct Block<'a> {
    version: Version,
    workload: &'static Workload,
    rows: Vec<&'a Searched>,
}

/// Searches every row, and prints the cells.
pub(super) fn matrix(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    if let Some(name) = &args.show {
        show(name, out)?;
        return Ok(Conclusion::AsExpected);
    }
    let workloads = named(&args.workload, WORKLOADS, |it| it.name, "workload")?;
    let faults = named(&args.fault, FAULTS, |it| it.name, "fault")?;
    let searched = search(args, &workloads, &faults)?;
    let format = if args.json { Format::Json } else { args.format };
    match format {
        Format::Text => text::print(&searched, out)?,
        Format::Markdown => markdown::print(&searched, out)?,
        Format::Html => html::print(&searched, out)?,
        Format::Json => {
            let cells: Vec<Value> = searched.iter().flat_map(Searched::cells).collect();
            let document = json!({ "cells": cells });
            serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    let all = searched.iter().map(|searched| searched.report.conclusion());
    Ok(all.fold(Conclusion::AsExpected, Conclusion::and))
}

/// The scenario of a row, or their names.
fn show(name: &str, out: &mut dyn Write) -> Result<(), Failure> {
    if name.is_empty() {
        for row in rows::all() {
            writeln!(out, "{}", row.name())?;
        }
        return Ok(());
    }
    let row = rows::find(name).ok_or_else(|| {
        let names: Vec<String> = rows::all().map(Row::name).collect();
        let help = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "check matrix --show lists them".to_string(),
        };
        Failure::usage(format!("unknown row `{name}`"), Some(help))
    })?;
    write!(out, "{}", row.text()?)?;
    Ok(())
}

/// What is named, in the order of the matrix; without a name all.
fn named<T>(
    names: &[String],
    all: &'static [T],
    name_of: fn(&T) -> &'static str,
    what: &str,
) -> Result<Vec<&'static T>, Failure> {
    for name in names {
        if all.iter().all(|it| name_of(it) != name) {
            let known = all.iter().map(name_of);
            let help = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(Failure::usage(format!("unknown {what} `{name}`"), Some(help)));
        }
    }
    let wanted = |it: &&T| names.is_empty() || names.iter().any(|name| name == name_of(it));
    Ok(all.iter().filter(wanted).collect())
}

/// One search for each row and version, several at a time.
fn search(
    args: &Args,
    workloads: &[&'static Workload],
    faults: &[&'static Fault],
) -> Result<Vec<Searched>, Failure> {
    let mut places: Vec<(Row, Version)> = Vec::new();
    for version in args.kubernetes.versions() {
        let wanted = |row: &Row| {
            workloads.iter().any(|it| it.name == row.workload.name)
                && faults.iter().any(|it| it.name == row.fault.name)
        };
        places.extend(rows::all().filter(wanted).map(|row| (row, version)));
    }
    if places.is_empty() {
        let help = "check matrix --show lists the rows".to_string();
        return Err(Failure::usage("the matrix leaves such rows out".to_string(), Some(help)));
    }
    let load = |(row, version): &(Row, Version)| {
        let mut scenario = row.load()?;
        Overrides { kubernetes: Some(*version), watch: None }.apply(&mut scenario.config);
        Ok(scenario)
    };
    let scenarios = places.iter().map(load).collect::<Result<Vec<Scenario>, Failure>>()?;
    let threads = args.threads.map_or_else(processors, usize::from);
    let told = args.format == Format::Html && !args.json;
    let reports = check_all(&scenarios, threads, told, |_| Ok(()))?;
    let row = |((row, version), mut report): ((Row, Version), Report)| {
        for judged in &mut report.verdicts {
            if let Some(trace) = &mut judged.trace {
                trace.again = command(row, version, judged.guarantee);
            }
        }
        Searched { row, version, report }
    };
    Ok(places.into_iter().zip(reports).map(row).collect())
}

/// The command that shows the trace of a cell.
fn command(row: Row, version: Version, guarantee: &Guarantee) -> String {
    let version =
        if version == Version::NEWEST { String::new() } else { format!(" --kubernetes {version}") };
    format!("check run {}{version} --property {}", row.name(), guarantee.name)
}

impl Searched {
    /// What came out for a guarantee; none if it has no meaning here.
    fn judged(&self, guarantee: &Guarantee) -> Option<&Judged> {
        self.report.verdicts.iter().find(|judged| judged.guarantee.name == guarantee.name)
    }

    fn command(&self, guarantee: &Guarantee) -> String {
        command(self.row, self.version, guarantee)
    }

    fn cells(&self) -> impl Iterator<Item = Value> {
        guarantees::ALL.iter().map(|guarantee| {
            let judged = self.judged(guarantee);
            let command = judged.filter(|it| has_trace(it)).map(|_| self.command(guarantee));
            json!({
                "workload": self.row.workload.name,
                "fault": self.row.fault.name,
                "property": guarantee.name,
                "kubernetes": self.version.to_string(),
                "verdict": judged.map_or("not-applicable", |judged| judged.verdict.word()),
                "promised": judged.map(|judged| judged.promised),
                "watch": self.report.watch,
                "scenario": self.row.file(),
                "trace": command,
            })
        })
    }
}

/// Whether there is a run that shows it.
fn has_trace(judged: &Judged) -> bool {
    matches!(judged.verdict, Verdict::Violated | Verdict::Reachable)
}

/// Whether a promise of Kubernetes is broken.
fn is_broken(judged: &Judged) -> bool {
    judged.promised && judged.verdict == Verdict::Violated
}

/// One block for each version and workload.
fn blocks(searched: &[Searched]) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for it in searched {
        let same = |block: &&mut Block<'_>| {
            (block.version, block.workload.name) == (it.version, it.row.workload.name)
        };
        match blocks.last_mut().filter(same) {
            Some(block) => block.rows.push(it),
            None => blocks.push(Block {
                version: it.version,
                workload: it.row.workload,
                rows: vec![it],
            }),
        }
    }
    blocks
}

impl Block<'_> {
    /// What must never happen, or else what can, as far as it has a meaning in some row.
    fn columns(&self, situations: bool) -> Vec<&'static Guarantee> {
        let of_kind = |it: &&Guarantee| (it.kind == GuaranteeKind::Sometimes) == situations;
        let here = |it: &&Guarantee| self.rows.iter().any(|row| row.judged(it).is_some());
        guarantees::ALL.iter().filter(of_kind).filter(here).collect()
    }
}

/// Errors of the model, and what was not searched to its end.
fn remarks(searched: &[Searched]) -> Vec<String> {
    let remark = |it: &Searched| {
        let name = it.row.name();
        if let Some(error) = &it.report.error {
            return Some(format!("{name}: error of the model: {}", error.message));
        }
        let reason = it.report.stopped.unwrap_or("the search ended early");
        (!it.report.complete).then(|| format!("{name}: incomplete: {reason}"))
    };
    searched.iter().filter_map(remark).collect()
}
