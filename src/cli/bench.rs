//! `check bench`: the engines against each other, on the same scenario in one run.
//!
//! All count the reachable states and transitions, and check no property. Each run is a process of
//! its own, so that its memory is its own.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use models::config::WatchMode;
use serde::{Deserialize, Serialize};

use crate::cli::checking::{Engine, System};
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, one_scenario, read, watch_argument};
use crate::cli::interrupt;
use crate::engine::search::{Limits, Options};
use crate::engine::stateright::Strategy;
use crate::engine::{bare, compact, reference, usage};
use crate::report::Conclusion;
use crate::report::text::thousands;
use crate::scenario::Scenario;
use crate::scenario::cluster::Cluster;

/// What is measured if nothing is named: more than two million states.
const DEFAULT: (&str, WatchMode) = ("21-slow-heartbeats", WatchMode::Unbounded);

/// Arguments of `check bench`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Scenario or manifest files, `-` for standard input, or names of bundled scenarios, one
    /// scenario each [default: a bundled one of more than a million states]
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// Measure this engine only
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// With --engine: worker threads
    #[arg(long, value_name = "N", default_value_t = 1, requires = "engine")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// With --engine bfs: states that differ only in names of nodes and pods are one
    #[arg(long, requires = "engine")]
    symmetry: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came out of one run.
#[derive(Serialize, Deserialize, Debug)]
struct Run {
    scenario: String,
    engine: String,
    threads: u16,
    reductions: Vec<String>,
    states: u64,
    transitions: u64,
    seconds: f64,
    /// Peak memory beyond what the process had before, where the system tells.
    bytes_per_state: Option<f64>,
}

#[derive(Serialize, Deserialize, Default, Debug)]
struct Runs {
    runs: Vec<Run>,
}

/// Engines, threads, and whether symmetry is used, in the order in which they run.
const PLAN: [(Engine, u16, bool); 6] = [
    (Engine::Bfs, 1, false),
    (Engine::Bfs, 2, false),
    (Engine::Bfs, 1, true),
    (Engine::Bfs, 2, true),
    (Engine::StaterightBfs, 1, false),
    (Engine::StaterightDfs, 1, false),
];

/// Measures.
pub(super) fn bench(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let mut all = Runs::default();
    let (files, overrides) = match args.files.is_empty() {
        true => {
            let watch = args.overrides.watch.or(Some(DEFAULT.1));
            (vec![DEFAULT.0.to_string()], Overrides { watch, ..args.overrides.clone() })
        }
        false => (args.files.clone(), args.overrides.clone()),
    };
    for file in &files {
        let from = all.runs.len();
        match args.engine {
            Some(engine) => {
                let scenario = one_scenario(file, &overrides)?;
                all.runs.push(measure(&scenario, engine, args.threads, args.symmetry));
            }
            None => {
                // A mistake is told once, and not by every process.
                let input = read(file)?.text;
                if file != "-" {
                    one_scenario(file, &overrides)?;
                }
                for plan in PLAN {
                    all.runs.push(elsewhere(file, &input, &overrides, plan)?);
                }
            }
        }
        if !args.json {
            table(out, &all.runs[from..])?;
        }
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &all).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    Ok(Conclusion::AsExpected)
}

/// Runs an engine in a process of its own.
fn elsewhere(
    file: &str,
    input: &str,
    overrides: &Overrides,
    (engine, threads, symmetry): (Engine, u16, bool),
) -> Result<Run, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--json", "--engine", engine.word()]);
    command.args(["--threads", &threads.to_string()]);
    if symmetry {
        command.arg("--symmetry");
    }
    if let Some(version) = overrides.kubernetes {
        command.args(["--kubernetes", &version.to_string()]);
    }
    if let Some(watch) = overrides.watch {
        command.args(["--watch", &watch_argument(watch)]);
    }
    let mut child = command.arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    if let Some(mut stdin) = stdin.filter(|_| file == "-") {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let runs: Option<Runs> = serde_json::from_slice(&output.stdout).ok();
    let run = runs.and_then(|mut runs| runs.runs.pop());
    let failed = || format!("{} on {threads} threads did not finish", engine.word());
    run.filter(|_| output.status.success()).ok_or_else(|| Failure::usage(failed(), None))
}

/// Runs an engine here.
fn measure(scenario: &Scenario, engine: Engine, threads: u16, symmetry: bool) -> Run {
    let system: Arc<System> =
        Arc::new(crate::engine::star::StarSystem(Cluster { config: scenario.config.clone() }));
    let options = Options {
        threads: usize::from(threads),
        limits: Limits::default(),
        stop: Some(interrupt::stop_flag()),
        symmetry,
        // Both reductions, or none.
        persistent: symmetry,
        ..Options::default()
    };
    let mut reductions = if symmetry { vec!["symmetry".to_string()] } else { Vec::new() };
    let before = usage::memory();
    let mut of_ours = |outcome: crate::engine::search::Outcome<System>| {
        if outcome.postponed > 0 {
            reductions.push("persistent-sets".to_string());
        }
        bare::Counted {
            states: outcome.states,
            transitions: outcome.transitions,
            elapsed: outcome.elapsed,
        }
    };
    let counted = match engine {
        Engine::Bfs => of_ours(compact::breadth_first(&system, &[], &options)),
        Engine::Reference => of_ours(reference::breadth_first(&*system, &[], &options)),
        Engine::StaterightBfs => bare::count(&system, Strategy::BreadthFirst, options.threads),
        Engine::StaterightDfs => bare::count(&system, Strategy::DepthFirst, options.threads),
    };
    let used = usage::peak_memory().zip(before).map(|(peak, before)| peak.saturating_sub(before));
    Run {
        scenario: scenario.name.clone(),
        engine: engine.word().to_string(),
        threads,
        reductions,
        states: counted.states,
        transitions: counted.transitions,
        seconds: counted.elapsed.as_secs_f64(),
        bytes_per_state: used.map(|used| used as f64 / counted.states.max(1) as f64),
    }
}

fn table(out: &mut dyn Write, runs: &[Run]) -> Result<(), Failure> {
    let rate = |run: &Run| run.transitions as f64 / run.seconds.max(1e-9);
    let base = runs.iter().find(|run| run.engine == Engine::StaterightBfs.word()).map(rate);
    writeln!(
        out,
        "{:14} {:>7} {:10} {:>12} {:>13} {:>9} {:>13} {:>7} {:>11}",
        "ENGINE",
        "THREADS",
        "REDUCTIONS",
        "STATES",
        "TRANSITIONS",
        "SECONDS",
        "TRANSITIONS/S",
        "RATIO",
        "BYTES/STATE"
    )?;
    for run in runs {
        let ratio = base.map_or("-".to_string(), |base| format!("{:.1}", rate(run) / base));
        let bytes = run.bytes_per_state.map_or("-".to_string(), |bytes| format!("{bytes:.1}"));
        writeln!(
            out,
            "{:14} {:>7} {:10} {:>12} {:>13} {:>9.2} {:>13} {:>7} {:>11}",
            run.engine,
            run.threads,
            run.reductions.join(" "),
            thousands(run.states),
            thousands(run.transitions),
            run.seconds,
            thousands(rate(run) as u64),
            ratio,
            bytes
        )?;
    }
    Ok(())
}
