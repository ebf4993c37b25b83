//! `check list`: the catalogue.

use std::io::{self, Write};

use models::guarantees::{self, Guarantee};
use models::rules::Rule;
use models::version::Version;
use serde_json::{Value, json};

use crate::cli::checking::processors;
use crate::cli::failure::Failure;
use crate::cli::plain::{bundled, check_all};
use crate::report::json::kind;
use crate::report::{Conclusion, Report, text};
use crate::scenario::catalogue::{self, RuleEntry};
use crate::scenario::{Scenario, catalogue::Bundled};

/// Arguments of `check list`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Check the bundled scenarios, and count how often each rule was at work
    #[arg(long)]
    coverage: bool,
}

/// How often a rule was at work, and in which scenarios.
pub(super) struct Exercise {
    /// Transitions.
    pub count: u64,
    /// Names of scenarios.
    pub scenarios: Vec<String>,
}

/// A bundled scenario, read.
struct Listed {
    bundled: &'static Bundled,
    scenario: Scenario,
}

/// Prints the catalogue.
pub(super) fn list(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let scenarios: Vec<Listed> = catalogue::SCENARIOS
        .iter()
        .map(|bundled| Ok(Listed { bundled, scenario: bundled.load()? }))
        .collect::<Result<_, Failure>>()?;
    let rules = catalogue::rules()?;
    let reports = if args.coverage { Some(check_bundled()?) } else { None };
    if args.json {
        let document = document(&scenarios, &rules, reports.as_deref());
        serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if let Some(reports) = &reports {
        print_coverage(&rules, reports, out)?;
    } else {
        print(&scenarios, &rules, out)?;
    }
    Ok(Conclusion::AsExpected)
}

/// Checks the bundled scenarios for what they exercise.
pub(super) fn check_bundled() -> Result<Vec<Report>, Failure> {
    Ok(check_all(&bundled()?.0, processors(), false, |_| Ok(()))?)
}

/// What the scenarios exercise of a rule; none if no code names it.
pub(super) fn exercise(entry: &RuleEntry, reports: &[Report]) -> Option<Exercise> {
    let rule = Rule::ALL.iter().find(|rule| rule.id() == entry.id)?;
    let count = |report: &Report| report.rule_counts.get(rule.index()).copied().unwrap_or(0);
    let scenarios = reports.iter().filter(|report| count(report) > 0);
    Some(Exercise {
        count: reports.iter().map(count).sum(),
        scenarios: scenarios.map(|report| report.scenario.clone()).collect(),
    })
}

/// Where upstream says what a rule says; none if no code names it.
pub(super) fn source(entry: &RuleEntry) -> Option<&'static str> {
    Rule::ALL.iter().find(|rule| rule.id() == entry.id).map(|rule| rule.source())
}

fn print(scenarios: &[Listed], rules: &[RuleEntry], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "SCENARIOS (check run NAME)")?;
    let width = scenarios.iter().map(|listed| listed.bundled.folder.len()).max().unwrap_or(0);
    for Listed { bundled, scenario } in scenarios {
        let skipped = if scenario.skip.is_some() { " (not part of plain `check`)" } else { "" };
        writeln!(out, "  {:width$}  {}{skipped}", bundled.folder, scenario.title)?;
    }
    writeln!(out, "\nPROPERTIES (check explain NAME)")?;
    for guarantee in guarantees::ALL {
        let promised = if is_promised(guarantee) { " (promised)" } else { "" };
        let (name, kind) = (guarantee.name, kind(guarantee));
        writeln!(out, "  {name:8} {kind:10} {}{promised}", guarantee.title)?;
    }
    writeln!(out, "\nRULES (check explain RULE)")?;
    for rule in rules {
        writeln!(out, "  {:22} {:11} {}", rule.id, rule.status, rule.meaning)?;
    }
    Ok(())
}

fn print_coverage(rules: &[RuleEntry], reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:22} {:>12}  {:>9}  MEANING", "RULE", "TRANSITIONS", "SCENARIOS")?;
    let mut silent = Vec::new();
    let modelled = rules.iter().filter(|rule| rule.status == "modelled");
    for rule in modelled {
        match exercise(rule, reports) {
            Some(Exercise { count, scenarios }) if count > 0 => writeln!(
                out,
                "{:22} {:>12}  {:>9}  {}",
                rule.id,
                text::thousands(count),
                scenarios.len(),
                rule.meaning
            )?,
            _ => silent.push(rule),
        }
    }
    for rule in &silent {
        let waits = rule.remarks.get("waits_for");
        let reason = waits.map_or("never at work, and no reason is known".to_string(), |what| {
            format!("never at work: waits for {what}")
        });
        writeln!(out, "{:22} {:>12}  {:>9}  {reason}", rule.id, 0, 0)?;
    }
    let count = |status: &str| rules.iter().filter(|rule| rule.status == status).count();
    let modelled = count("modelled");
    writeln!(
        out,
        "\n{} rules: {modelled} modelled ({} of them at work in {}), {} abstracted, {} waiting, \
         {} left out",
        rules.len(),
        modelled - silent.len(),
        text::count(reports.len() as u64, "scenario"),
        count("abstracted"),
        count("waiting"),
        count("left-out")
    )
}

fn is_promised(guarantee: &Guarantee) -> bool {
    (guarantee.promised)(Version::NEWEST.into())
}

fn document(scenarios: &[Listed], rules: &[RuleEntry], reports: Option<&[Report]>) -> Value {
    json!({
        "scenarios": scenarios.iter().map(|Listed { bundled, scenario }| json!({
            "name": bundled.folder,
            "file": bundled.file,
            "title": scenario.title,
            "skip": scenario.skip,
        })).collect::<Vec<_>>(),
        "properties": guarantees::ALL.iter().map(|guarantee| json!({
            "name": guarantee.name,
            "kind": kind(guarantee),
            "title": guarantee.title,
            "meaning": guarantee.meaning,
            "promised": is_promised(guarantee),
            "scenarios": expectations(guarantee, scenarios),
        })).collect::<Vec<_>>(),
        "rules": rules.iter().map(|rule| rule_value(rule, reports)).collect::<Vec<_>>(),
    })
}

fn expectations(guarantee: &Guarantee, scenarios: &[Listed]) -> Vec<Value> {
    let expects = |Listed { bundled, scenario }: &Listed| {
        let mut expectations = scenario.expectations.iter();
        let found = expectations.find(|e| e.property.eq_ignore_ascii_case(guarantee.name))?;
        let expected = found.verdict.map(|verdict| verdict.word());
        Some(json!({"name": bundled.folder, "expected": expected}))
    };
    scenarios.iter().filter_map(expects).collect()
}

fn rule_value(rule: &RuleEntry, reports: Option<&[Report]>) -> Value {
    let mut value = json!({
        "rule": rule.id,
        "component": rule.component,
        "meaning": rule.meaning,
        "status": rule.status,
        "source": source(rule),
        "recorded": rule.recorded,
    });
    for (field, text) in &rule.remarks {
        value[field] = json!(text);
    }
    if let Some(Exercise { count, scenarios }) = reports.and_then(|all| exercise(rule, all)) {
        value["transitions"] = json!(count);
        value["scenarios"] = json!(scenarios);
    }
    value
}
