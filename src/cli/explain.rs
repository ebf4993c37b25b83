//! `check explain`: a rule or a property.

use std::io::{self, Write};

use models::guarantees::{self, Guarantee};
use models::version::Version;

use crate::cli::failure::Failure;
use crate::cli::list::{check_bundled, exercise, source};
use crate::report::json::kind;
use crate::report::{Conclusion, text};
use crate::scenario::catalogue::{self, RuleEntry};
use crate::scenario::{Scenario, nearest};

/// Arguments of `check explain`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A rule such as TEC-5, or a property such as P3a
    #[arg(value_name = "RULE|PROPERTY")]
    name: String,
}

/// Explains one rule or property.
pub(super) fn explain(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let rules = catalogue::rules()?;
    if let Some(guarantee) = guarantees::find(&args.name) {
        explain_property(guarantee, &rules, out)?;
    } else if let Some(rule) = find_rule(&args.name, &rules) {
        explain_rule(rule, out)?;
    } else {
        return Err(unknown(&args.name, &rules));
    }
    Ok(Conclusion::AsExpected)
}

/// The rule of this number, in any case, with or without the letter of a step: TEC-5b is TEC-5.
fn find_rule<'a>(name: &str, rules: &'a [RuleEntry]) -> Option<&'a RuleEntry> {
    let name = name.trim();
    let find = |name: &str| rules.iter().find(|rule| rule.id.eq_ignore_ascii_case(name));
    let of_step = |name: &str| {
        let rest = name.strip_suffix(|last: char| last.is_ascii_alphabetic())?;
        rest.ends_with(|last: char| last.is_ascii_digit()).then(|| rest.to_string())
    };
    find(name).or_else(|| of_step(name).and_then(|rest| find(&rest)))
}

fn unknown(name: &str, rules: &[RuleEntry]) -> Failure {
    let properties = guarantees::ALL.iter().map(|guarantee| guarantee.name);
    let names = rules.iter().map(|rule| rule.id.as_str()).chain(properties);
    let help = match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`check list` names them all".to_string(),
    };
    Failure::usage(format!("unknown rule or property `{name}`"), Some(help))
}

fn explain_rule(rule: &RuleEntry, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}: {}\n", rule.id, text::wrap(&rule.meaning, rule.id.len() + 2))?;
    field(out, "component", &rule.component)?;
    if let Some(source) = source(rule) {
        field(out, "upstream", source)?;
    }
    field(out, "status", &rule.status)?;
    for (name, remark) in &rule.remarks {
        field(out, &name.replace('_', " "), remark)?;
    }
    if !rule.recorded.is_empty() {
        field(out, "recorded", &rule.recorded.join(", "))?;
    }
    let related = guarantees::ALL.iter();
    let related = related.filter(|guarantee| guarantee.rules.split(' ').any(|id| id == rule.id));
    let related: Vec<&str> = related.map(|guarantee| guarantee.name).collect();
    if !related.is_empty() {
        field(out, "properties", &related.join(", "))?;
    }
    if rule.status != "modelled" {
        return Ok(());
    }
    out.flush()?;
    let reports = check_bundled()?;
    match exercise(rule, &reports) {
        Some(found) if found.count > 0 => {
            let scenarios = found.scenarios.join(", ");
            field(
                out,
                "exercised",
                &format!("{} in {scenarios}", text::count(found.count, "transition")),
            )?;
        }
        _ => field(out, "exercised", "by no bundled scenario")?,
    }
    Ok(())
}

fn explain_property(
    guarantee: &Guarantee,
    rules: &[RuleEntry],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let name = guarantee.name;
    writeln!(out, "{name}: {}\n", text::wrap(guarantee.title, name.len() + 2))?;
    field(out, "meaning", guarantee.meaning)?;
    field(out, "kind", kind(guarantee))?;
    field(out, "promised", &promise(guarantee))?;
    for id in guarantee.rules.split(' ') {
        let meaning = rules.iter().find(|rule| rule.id == id).map(|rule| rule.meaning.as_str());
        field(out, "rule", &format!("{id}: {}", meaning.unwrap_or("cited by section")))?;
    }
    for bundled in catalogue::SCENARIOS {
        let Scenario { expectations, .. } = bundled.load()?;
        let mut expectations = expectations.iter();
        let Some(found) = expectations.find(|e| e.property.eq_ignore_ascii_case(name)) else {
            continue;
        };
        let verdict = found.verdict.map_or("checked", |verdict| verdict.word());
        let because = found.because.as_ref().map(|because| format!(" ({because})"));
        let line = format!("{verdict} in {}{}", bundled.folder, because.unwrap_or_default());
        field(out, "scenario", &line)?;
    }
    Ok(())
}

/// In which versions Kubernetes promises it.
fn promise(guarantee: &Guarantee) -> String {
    let promised: Vec<Version> =
        Version::all().filter(|v| (guarantee.promised)((*v).into())).collect();
    match (promised.first(), promised.len()) {
        (None, _) => "no".to_string(),
        (Some(_), all) if all == Version::all().count() => "yes, by every version".to_string(),
        (Some(first), _) => format!("yes, from {first} on"),
    }
}

fn field(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    const INDENT: usize = 14;
    writeln!(out, "  {name:11} {}", text::wrap(text, INDENT))
}
