//! `check` without a verb: all bundled scenarios, one line a verdict.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Instant;

use itertools::Itertools;

use crate::cli::checking::{Searching, Wanted, check, processors, report_of_part, wanted};
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

/// Checks scenarios, several at a time, and shows each as soon as those before it are shown. Those
/// of one cluster, which differ in what they ask of it, are searched together.
pub(super) fn check_all(
    scenarios: &[Scenario],
    threads: usize,
    told: bool,
    mut show: impl FnMut(&Report) -> io::Result<()>,
) -> io::Result<Vec<Report>> {
    let waiting: Mutex<VecDeque<Vec<usize>>> = Mutex::new(of_one_cluster(scenarios));
    let progress = Progress::new();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for worker in 0..threads.min(scenarios.len()) {
            let (sender, waiting) = (sender.clone(), &waiting);
            scope.spawn(move || {
                while let Some(group) = take(waiting, worker) {
                    let reports = check_together(scenarios, &group, told);
                    if group.into_iter().zip(reports).any(|found| sender.send(found).is_err()) {
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
fn take(waiting: &Mutex<VecDeque<Vec<usize>>>, worker: usize) -> Option<Vec<usize>> {
    let mut waiting = waiting.lock().ok()?;
    if worker == 0 { waiting.pop_front() } else { waiting.pop_back() }
}

/// Scenarios of equal clusters, in the order of the first of each.
fn of_one_cluster(scenarios: &[Scenario]) -> VecDeque<Vec<usize>> {
    let mut groups: VecDeque<Vec<usize>> = VecDeque::new();
    for (at, scenario) in scenarios.iter().enumerate() {
        match groups.iter_mut().find(|group| scenarios[group[0]].config == scenario.config) {
            Some(group) => group.push(at),
            None => groups.push_back(vec![at]),
        }
    }
    groups
}

/// Searches a cluster once, for all scenarios that are about it.
fn check_together(scenarios: &[Scenario], group: &[usize], told: bool) -> Vec<Report> {
    let asked: Vec<Vec<Wanted>> = group.iter().map(|&at| wanted(&scenarios[at], &[])).collect();
    let names = |wanted: &&Wanted| wanted.guarantee.name;
    let all = asked.iter().flatten().unique_by(names).cloned().collect();
    let checked = check(&scenarios[group[0]], all, &Searching::exhaustive(), None);
    let report = |(&at, asked): (&usize, &Vec<Wanted>)| {
        let scenario = &scenarios[at];
        let again = |property: Option<&str>| {
            let property = property.map(|name| format!(" --property {name}")).unwrap_or_default();
            format!("check run {}{property}", scenario.name)
        };
        report_of_part(scenario, asked, &checked, told.then_some(&again))
    };
    group.iter().zip(&asked).map(report).collect()
}
