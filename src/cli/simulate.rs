//! `check simulate`: one random run.

use std::io::Write;

use models::guarantees;
use serde_json::json;

use crate::cli::checking::{System, wanted};
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, one_scenario};
use crate::cli::run::quoted;
use crate::cli::telling;
use crate::engine::property::{Kind, Property, Taken};
use crate::engine::search::Path;
use crate::engine::simulate::{End, random_run};
use crate::engine::star::StarSystem;
use crate::report::{Conclusion, Trace, json, text};
use crate::scenario::cluster::Cluster;
use crate::scenario::properties::property;

/// Arguments of `check simulate`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Scenario or manifest file, `-` for standard input, or a bundled scenario
    #[arg(value_name = "FILE")]
    file: String,
    /// Which random run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// End after this many steps
    #[arg(long, value_name = "N", default_value_t = 1000)]
    steps: usize,
    #[command(flatten)]
    overrides: Overrides,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints one random run. Exit code 1 if it breaks a promise or shows an error of the model.
pub(super) fn simulate(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let scenario = one_scenario(&args.file, &args.overrides)?;
    for warning in &scenario.warnings {
        eprintln!("{warning}");
    }
    let terms = guarantees::Terms::from(&scenario.config);
    let system = StarSystem(Cluster { config: scenario.config.clone() });
    let run = random_run(&system, args.seed, args.steps)
        .ok_or_else(|| Failure::usage("this scenario has no state to start from", None))?;
    let again = format!(
        "check simulate {} --seed {} --steps {}{}",
        quoted(&args.file),
        args.seed,
        args.steps,
        args.overrides.words()
    );
    let trace = telling::tell(&system, &run.path, again);
    let wanted = wanted(&scenario, &[]);
    let shown: Vec<Shown> = wanted
        .iter()
        .filter_map(|wanted| {
            let guarantee = wanted.guarantee;
            let step = first_decided(&system, &run.path, &property(guarantee))?;
            Some(Shown { guarantee, step, broken: is_broken(guarantee, terms) })
        })
        .collect();
    let end = ending(run.end);
    if args.json {
        print_json(args, &scenario.name, &trace, &shown, &end, out)?;
    } else {
        writeln!(
            out,
            "{}: {}",
            scenario.name,
            text::wrap(&scenario.title, scenario.name.len() + 2)
        )?;
        writeln!(
            out,
            "a random run, seed {}, {}\n",
            args.seed,
            text::count(run.path.steps.len() as u64, "step")
        )?;
        text::trace(out, &trace)?;
        for Shown { guarantee, step, broken } in &shown {
            let what = if guarantee.kind == guarantees::GuaranteeKind::Sometimes {
                "reached"
            } else {
                "violated"
            };
            let promise = if *broken { " (promised)" } else { "" };
            writeln!(out, "step {step}: {} {what}{promise}: {}", guarantee.name, guarantee.title)?;
        }
        writeln!(out, "end: {end}")?;
    }
    let failed = matches!(run.end, End::Deadlock | End::Unhandled(_));
    let broken = shown.iter().any(|shown| shown.broken);
    Ok(if failed || broken { Conclusion::NotAsExpected } else { Conclusion::AsExpected })
}

/// A property that the run decides.
struct Shown {
    guarantee: &'static guarantees::Guarantee,
    /// At which step; 0 is the start.
    step: usize,
    /// Whether that breaks a promise.
    broken: bool,
}

fn is_broken(guarantee: &guarantees::Guarantee, terms: guarantees::Terms) -> bool {
    guarantee.kind != guarantees::GuaranteeKind::Sometimes && (guarantee.promised)(terms)
}

/// The first step of a run that violates a property, or is what it looks for.
pub(super) fn first_decided(
    system: &System,
    path: &Path<System>,
    property: &Property<System>,
) -> Option<usize> {
    if property.decided_by_state(system, &path.start) {
        return Some(0);
    }
    let before = std::iter::once(&path.start).chain(path.steps.iter().map(|(_, state)| state));
    let mut steps = before.zip(&path.steps).zip(1..);
    let found = steps.find(|((before, (action, after)), _)| {
        property.decided_by_state(system, after)
            || property.decided_by_step(system, before, &Taken::new(action), after)
    });
    found.map(|(_, step)| step)
}

/// Whether the end of a run decides a property.
pub(super) fn decided_at_end(
    system: &System,
    path: &Path<System>,
    property: &Property<System>,
) -> bool {
    let Some(((action, after), earlier)) = path.steps.split_last() else {
        return property.decided_by_state(system, &path.start);
    };
    let before = earlier.last().map_or(&path.start, |(_, state)| state);
    property.decided_by_state(system, after)
        || property.decided_by_step(system, before, &Taken::new(action), after)
}

/// The verdict that a run shows of a property that it decides.
pub(super) fn shown_verdict(property: &Property<System>) -> &'static str {
    if property.kind == Kind::Sometimes { "reachable" } else { "violated" }
}

fn ending(end: End) -> String {
    match end {
        End::Quiet => "nothing more can happen".to_string(),
        End::Deadlock => "error of the model: deadlock".to_string(),
        End::Unhandled(what) => format!("error of the model: unhandled message: {what}"),
        End::Steps => "as many steps as asked for (--steps)".to_string(),
    }
}

fn print_json(
    args: &Args,
    scenario: &str,
    trace: &Trace,
    shown: &[Shown],
    end: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let properties = shown.iter().map(|Shown { guarantee, step, broken }| {
        json!({
            "property": guarantee.name,
            "kind": json::kind(guarantee),
            "verdict": shown_verdict(&property(guarantee)),
            "promised": broken,
            "step": step,
        })
    });
    let document = json!({
        "scenario": scenario,
        "seed": args.seed,
        "end": end,
        "properties": properties.collect::<Vec<_>>(),
        "trace": json::trace(trace),
    });
    serde_json::to_writer_pretty(&mut *out, &document).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
