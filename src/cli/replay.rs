//! `check replay`: a saved trace, again.

use std::io::Write;

use crate::cli::checking::System;
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, find_property, watch_mode};
use crate::cli::run::quoted;
use crate::cli::saved::{FORMAT, Saved, SavedRun};
use crate::cli::simulate::{decided_at_end, shown_verdict};
use crate::cli::telling;
use crate::engine::schedule::replay as follow;
use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::report::{Conclusion, text};
use crate::scenario::cluster::Cluster;
use crate::scenario::properties::property;
use crate::scenario::{Input, InputError, Place, Scenario, load, read_input};

/// Arguments of `check replay`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A file written by `check run --save`
    #[arg(value_name = "SCHEDULE")]
    schedule: String,
    /// Replay the run of this property only
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    /// Replay the runs of this scenario only
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
}

/// Replays the chosen runs. Exit code 1 if the model no longer does what was recorded.
pub(super) fn replay(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let saved = read(&args.schedule)?;
    let inputs = saved.inputs.iter();
    let inputs: Vec<Input> =
        inputs.map(|input| Input { name: input.name.clone(), text: input.text.clone() }).collect();
    let scenarios = load(&inputs)?;
    let property = args.property.as_deref();
    let named = |known: Option<&str>, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| known.is_some_and(|known| known.eq_ignore_ascii_case(wanted)))
    };
    let runs = saved.runs.iter().filter(|run| {
        named(run.property.as_deref(), property)
            && named(Some(&run.scenario), args.scenario.as_deref())
    });
    let runs: Vec<&SavedRun> = runs.collect();
    if runs.is_empty() {
        return Err(no_such_run(args, &saved));
    }
    let mut conclusion = Conclusion::AsExpected;
    for (at, run) in runs.into_iter().enumerate() {
        if at > 0 {
            writeln!(out, "\n")?;
        }
        let scenario = scenarios.iter().find(|scenario| scenario.name == run.scenario);
        let scenario = scenario.ok_or_else(|| {
            let message =
                format!("has a run of a scenario `{}` that it does not hold", run.scenario);
            InputError::of_file(&args.schedule, message)
        })?;
        conclusion = conclusion.and(replay_one(args, scenario, run, out)?);
        out.flush()?;
    }
    Ok(conclusion)
}

fn read(file: &str) -> Result<Saved, Failure> {
    let input = read_input(file)?;
    let saved: Saved = serde_json::from_str(&input.text).map_err(|error| {
        let line = input.text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let place = Place {
            file: input.name.clone(),
            line: error.line(),
            column: error.column(),
            text: line.to_string(),
        };
        InputError::at(place, format!("is no saved trace: {error}"))
            .with_help("`check run FILE --save trace.json` writes one")
    })?;
    if saved.format != FORMAT {
        let message = format!("has format `{}`, this program reads `{FORMAT}`", saved.format);
        return Err(InputError::of_file(file, message).into());
    }
    Ok(saved)
}

fn no_such_run(args: &Args, saved: &Saved) -> Failure {
    let held = saved.runs.iter().map(|run| {
        format!("{} of {}", run.property.as_deref().unwrap_or(&run.verdict), run.scenario)
    });
    let held: Vec<String> = held.collect();
    let message = format!("{} holds no such run", args.schedule);
    Failure::usage(message, Some(format!("it holds {}", held.join(", "))))
}

fn replay_one(
    args: &Args,
    scenario: &Scenario,
    run: &SavedRun,
    out: &mut dyn Write,
) -> Result<Conclusion, Failure> {
    let bad = |message: String| InputError::of_file(&args.schedule, message);
    let overrides = Overrides {
        kubernetes: Some(run.kubernetes.parse().map_err(bad)?),
        watch: Some(watch_mode(&run.watch).map_err(bad)?),
    };
    let mut config = scenario.config.clone();
    overrides.apply(&mut config);
    let system = StarSystem(Cluster { config });
    let replayed = follow(&system, &run.schedule);
    let name = run.property.as_deref().unwrap_or("error of the model");
    writeln!(out, "{}: {}", scenario.name, text::wrap(&scenario.title, scenario.name.len() + 2))?;
    writeln!(out, "{name} {}, Kubernetes {}, watch {}\n", run.verdict, run.kubernetes, run.watch)?;
    if let Some(path) = &replayed.path {
        let property = run.property.as_ref().map(|name| format!(" --property {name}"));
        let again = format!(
            "check replay {} --scenario {}{}",
            quoted(&args.schedule),
            quoted(&scenario.name),
            property.unwrap_or_default()
        );
        text::trace(out, &telling::tell(&system, path, again))?;
    }
    if let Some(divergence) = replayed.divergence {
        out.flush()?;
        let words = |action: &_| match &replayed.path {
            Some(path) => telling::next_words(&system, path, action),
            None => String::new(),
        };
        eprintln!("{}: {}", args.schedule, divergence.describe(words));
        return Ok(Conclusion::NotAsExpected);
    }
    let steps = text::count(run.schedule.steps.len() as u64, "step");
    let Some(path) = &replayed.path else { return Ok(Conclusion::NotAsExpected) };
    if shows(&system, path, run)? {
        writeln!(out, "replayed: {steps}, to the same states")?;
        Ok(Conclusion::AsExpected)
    } else {
        out.flush()?;
        eprintln!(
            "{}: the run is the same, but it no longer shows: {name} {}",
            args.schedule, run.verdict
        );
        Ok(Conclusion::NotAsExpected)
    }
}

/// Whether the end of a run still is what it was saved for.
fn shows(system: &System, path: &Path<System>, run: &SavedRun) -> Result<bool, Failure> {
    let Some(name) = &run.property else { return Ok(true) };
    let guarantee =
        find_property(name).map_err(|(message, help)| Failure::usage(message, Some(help)))?;
    let property = property(guarantee);
    Ok(decided_at_end(system, path, &property) && shown_verdict(&property) == run.verdict)
}
