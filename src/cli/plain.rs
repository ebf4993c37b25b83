//! `check` without a verb: all bundled scenarios, one line a verdict.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Instant;

use crate::cli::checking::{Engine, Searching, check, processors, report, wanted};
use crate::cli::failure::Failure;
use crate::cli::inputs::find_property;
use crate::cli::interrupt;
use crate::cli::progress::Progress;
use crate::report::{Conclusion, Report, Skipped, json, text};
use crate::scenario::{InputError, Scenario, catalogue};

/// Arguments of `check` alone.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Scenarios checked at the same time [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// The bundled scenarios, and those that a plain run leaves out.
pub(super) fn bundled() -> Result<(Vec<Scenario>, Vec<Skipped>), Failure> {
    let (mut scenarios, mut skipped) = (Vec::new(), Vec::new());
    for bundled in catalogue::SCENARIOS {
        let scenario = bundled.load()?;
        for expectation in &scenario.expectations {
            find_property(&expectation.property).map_err(|(message, help)| {
                InputError::at(expectation.place.clone(), message).with_help(help)
            })?;
        }
        match &scenario.skip {
            None => scenarios.push(scenario),
            Some(because) => skipped.push(Skipped {
                scenario: scenario.name.clone(),
                file: bundled.file.to_string(),
                because: because.clone(),
                command: format!("check run {}", bundled.folder),
            }),
        }
    }
    Ok((scenarios, skipped))
}

/// Checks all bundled scenarios.
pub(super) fn plain(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let began = Instant::now();
    let (scenarios, skipped) = bundled()?;
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    if !args.json {
        text::verdict_header(out, width)?;
        out.flush()?;
    }
    let threads = args.threads.map_or_else(processors, usize::from);
    let reports = check_all(&scenarios, threads, args.json, |report| {
        if !args.json {
            text::verdict_lines(out, report, width)?;
            out.flush()?;
        }
        Ok(())
    })?;
    if args.json {
        let document = json::document(&reports, &skipped);
        serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        text::summary(out, &reports, &skipped, began.elapsed())?;
    }
    Ok(reports.iter().map(Report::conclusion).fold(Conclusion::AsExpected, Conclusion::and))
}

/// Checks scenarios, several at a time, and shows each as soon as those before it are shown.
pub(super) fn check_all(
    scenarios: &[Scenario],
    threads: usize,
    told: bool,
    mut show: impl FnMut(&Report) -> io::Result<()>,
) -> io::Result<Vec<Report>> {
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..scenarios.len()).collect());
    let progress = Progress::new();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for worker in 0..threads.min(scenarios.len()) {
            let (sender, waiting) = (sender.clone(), &waiting);
            scope.spawn(move || {
                while let Some(at) = take(waiting, worker) {
                    if sender.send((at, check_one(&scenarios[at], told))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early: BTreeMap<usize, Report> = BTreeMap::new();
        let mut reports = Vec::new();
        for (at, report) in receiver {
            early.insert(at, report);
            while let Some(report) = early.remove(&reports.len()) {
                if let Err(error) = progress.aside(|| show(&report)) {
                    interrupt::stop_flag().store(true, std::sync::atomic::Ordering::Relaxed);
                    return Err(error);
                }
                reports.push(report);
            }
            progress.finished(reports.len() + early.len(), scenarios.len());
        }
        progress.clear();
        Ok(reports)
    })
}

/// The first worker begins with the simplest scenario, so that something is soon shown; the others
/// with the hardest, so that none of those is left for the end.
fn take(waiting: &Mutex<VecDeque<usize>>, worker: usize) -> Option<usize> {
    let mut waiting = waiting.lock().ok()?;
    if worker == 0 { waiting.pop_front() } else { waiting.pop_back() }
}

fn check_one(scenario: &Scenario, told: bool) -> Report {
    let checked = check(scenario, wanted(scenario, &[]), &Searching::exhaustive(), None);
    let again = |property: Option<&str>| {
        let property = property.map(|name| format!(" --property {name}")).unwrap_or_default();
        format!("check run {}{property}", scenario.name)
    };
    report(scenario, &checked, Engine::Bfs, told.then_some(&again))
}
