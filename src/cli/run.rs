//! `check run`: checks what it is given, and shows why.

use std::io::Write;

use crate::cli::checking::{Engine, Searching, check, report, wanted};
use crate::cli::deepen::deepen;
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, chosen_properties, scenarios};
use crate::cli::progress::Progress;
use crate::cli::saved::{Saved, check_writable};
use crate::report::{Conclusion, Report, json, text};
use crate::scenario::Scenario;

/// Arguments of `check run`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Scenario or manifest files, `-` for standard input, or names of bundled scenarios
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Check this property only; may be repeated [default: those of the scenario, or all]
    #[arg(long, value_name = "NAME")]
    property: Vec<String>,
    #[command(flatten)]
    searching: Searching,
    #[command(flatten)]
    overrides: Overrides,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Raise the lag of watches step by step, within --timeout [default: 60s] or --max-memory
    #[arg(long, conflicts_with_all = ["watch", "save"])]
    deepen: bool,
    /// Save the traces, for `check replay`
    #[arg(long, value_name = "FILE")]
    save: Option<String>,
}

/// Checks each scenario in turn.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let chosen = chosen_properties(&args.property)?;
    if let Some(file) = &args.save {
        check_writable(file)?;
    }
    let (inputs, scenarios) = scenarios(&args.files, &args.overrides)?;
    for warning in scenarios.iter().flat_map(|scenario| &scenario.warnings) {
        eprintln!("{warning}");
    }
    let mut saved = Saved::new(&inputs);
    let mut reports: Vec<Report> = Vec::new();
    for scenario in &scenarios {
        let progress = Progress::new();
        let several = scenarios.len() > 1;
        let report = if args.deepen {
            let again = |property: Option<&str>, watch| {
                let overrides = Overrides { watch: Some(watch), ..args.overrides.clone() };
                args.again(scenario, several, property, &overrides)
            };
            deepen(scenario, &chosen, &args.searching, &progress, &again)
        } else {
            let wanted = wanted(scenario, &chosen);
            let checked = check(scenario, wanted, &args.searching, Some(&progress));
            saved.add(scenario, &checked);
            let again =
                |property: Option<&str>| args.again(scenario, several, property, &args.overrides);
            report(scenario, &checked, args.searching.engine, Some(&again))
        };
        progress.clear();
        if !args.json {
            if !reports.is_empty() {
                writeln!(out, "\n")?;
            }
            text::full(out, &report)?;
            out.flush()?;
        }
        reports.push(report);
    }
    if args.json {
        let document = json::document(&reports, &[]);
        serde_json::to_writer_pretty(&mut *out, &document).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    args.save(&saved)?;
    Ok(reports.iter().map(Report::conclusion).fold(Conclusion::AsExpected, Conclusion::and))
}

impl Args {
    fn save(&self, saved: &Saved) -> Result<(), Failure> {
        match &self.save {
            Some(file) if saved.runs.is_empty() => {
                eprintln!("note: there is no trace to save: {file} is not written");
                Ok(())
            }
            Some(file) => saved.write(file),
            None => Ok(()),
        }
    }

    /// The command that shows a trace of this run again.
    fn again(
        &self,
        scenario: &Scenario,
        several: bool,
        property: Option<&str>,
        overrides: &Overrides,
    ) -> String {
        let property = property.map(|name| format!(" --property {name}")).unwrap_or_default();
        if let Some(file) = &self.save {
            let scenario = if several {
                format!(" --scenario {}", quoted(&scenario.name))
            } else {
                String::new()
            };
            return format!("check replay {}{scenario}{property}", quoted(file));
        }
        let files = match several {
            true => quoted(&scenario.file),
            false => self.files.iter().map(|file| quoted(file)).collect::<Vec<_>>().join(" "),
        };
        let engine = match self.searching.engine {
            Engine::Bfs => String::new(),
            engine => format!(" --engine {} --threads 1", engine.word()),
        };
        format!("check run {files}{property}{}{engine}", overrides.words())
    }
}

/// A word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,+@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell_where_they_must_be() {
        assert_eq!(quoted("specs/01-a/scenario.yaml"), "specs/01-a/scenario.yaml");
        assert_eq!(quoted("my file"), "'my file'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
