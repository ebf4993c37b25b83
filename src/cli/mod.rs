//! The command line: one file per verb.

mod bench;
mod checking;
mod conform;
mod deepen;
mod diff;
mod explain;
mod explore;
mod failure;
mod inputs;
mod interrupt;
mod list;
mod matrix;
mod plain;
mod progress;
mod replay;
mod run;
mod saved;
mod simulate;
mod telling;
mod versions;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::failure::Failure;
use crate::report::Conclusion;

/// What `check --help` says after the options.
const EXAMPLES: &str = "\
Examples:
  check                        check all bundled scenarios
  check list                   scenarios, properties, rules
  check run 01                 one bundled scenario: traces and kubectl tables
  check run web.yaml           your own Deployment on a default cluster
  kubectl get deploy web -o yaml | check run -
  check run web.yaml --property P1.real --save trace.json
  check replay trace.json      the saved trace again, step by step
  check simulate web.yaml --seed 7
                               one random run, as kubectl prints it
  check explore web.yaml       walk through the states in a browser
  check conform events.jsonl   what explains the log of an incident?
  check explain TEC-5          a rule, its source, where it is exercised
  check run 08 --deepen        watches that lag by more and more events
  check matrix                 workloads x ways to lose a node x properties
  check diff 08 --kubernetes 1.26..1.36
                               which verdicts change between versions, by which rule
  check bench                  the engines against each other

Exit codes:
  0  everything is as expected, and no promise of Kubernetes is broken
  1  a verdict is not as expected, a promise is broken, or the model is wrong
  2  the input or the command line is wrong
  3  the search ended early, and what it found is as expected";

/// Checks what Kubernetes does when a node fails and returns, by trying every order of events.
#[derive(Debug, Parser)]
#[command(name = "check", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    all: plain::Args,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check scenarios or manifests; show a shortest trace for each violation and witness
    Run(run::Args),
    /// Walk through the states of a scenario in a browser (stateright's Explorer)
    Explore(explore::Args),
    /// Print one random run; the same seed gives the same run for ever
    Simulate(simulate::Args),
    /// Replay a trace that `check run --save` has saved
    Replay(replay::Args),
    /// Hold a recorded history of a cluster against the model, and tell what happened unseen
    Conform(conform::Args),
    /// What each way to lose a node does to each kind of workload: a table of verdicts
    Matrix(matrix::Args),
    /// Which verdicts change between versions of Kubernetes, where, and by which rule
    Diff(diff::Args),
    /// List the bundled scenarios, the properties and the rules
    List(list::Args),
    /// Explain a rule or a property
    Explain(explain::Args),
    /// Measure the engines against each other
    Bench(bench::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let ended = dispatch(cli, &mut out).and_then(|conclusion| {
        out.flush()?;
        Ok(conclusion)
    });
    match ended {
        Ok(conclusion) => ExitCode::from(conclusion.exit_code()),
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // What was printed before the failure still counts.
            let _ = out.flush();
            eprintln!("{failure}");
            ExitCode::from(Failure::EXIT_CODE)
        }
    }
}

fn dispatch(cli: Cli, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    match cli.verb {
        None => plain::plain(&cli.all, out),
        Some(Verb::Run(args)) => run::run(&args, out),
        Some(Verb::Explore(args)) => explore::explore(&args),
        Some(Verb::Simulate(args)) => simulate::simulate(&args, out),
        Some(Verb::Replay(args)) => replay::replay(&args, out),
        Some(Verb::Conform(args)) => conform::conform(&args, out),
        Some(Verb::Matrix(args)) => matrix::matrix(&args, out),
        Some(Verb::Diff(args)) => diff::diff(&args, out),
        Some(Verb::List(args)) => list::list(&args, out),
        Some(Verb::Explain(args)) => explain::explain(&args, out),
        Some(Verb::Bench(args)) => bench::bench(&args, out),
    }
}

/// Help and version go to standard output, refusals to standard error.
fn print_usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("{}", Failure::Output(failed));
            ExitCode::from(Failure::EXIT_CODE)
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Failure::EXIT_CODE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
