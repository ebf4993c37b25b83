//! `check diff`: which verdicts change between versions of Kubernetes, where, and by which rule.
//!
//! The rule is found, not looked up: of what differs between two neighbouring versions one thing
//! at a time is toggled, and the search is done again.

use std::io::{self, Write};

use models::guarantees::Guarantee;
use models::version::{Difference, Version};
use serde_json::{Value, json};

use crate::cli::checking::{Engine, Searching, Wanted, check, report, wanted};
use crate::cli::failure::Failure;
use crate::cli::inputs::{Overrides, chosen_properties, one_scenario, watch_mode};
use crate::cli::progress::Progress;
use crate::cli::run::quoted;
use crate::cli::versions::{Range, new_in};
use crate::engine::property::Verdict;
use crate::report::text::wrap;
use crate::report::{Conclusion, Judged, Report};
use crate::scenario::{ExpectedVerdict, Scenario};

/// Arguments of `check diff`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A scenario or manifest file, `-` for standard input, or the name of a bundled scenario
    #[arg(value_name = "FILE")]
    file: String,
    /// The versions to compare, both ends included
    #[arg(long, value_name = "FIRST..LAST", default_value_t = Range::ALL)]
    kubernetes: Range,
    /// Compare this property only; may be repeated [default: those of the scenario, or all]
    #[arg(long, value_name = "NAME")]
    property: Vec<String>,
    /// How far watches may lag, instead of the scenario's: fresh, unbounded, or a number of events
    #[arg(long, value_name = "MODE", value_parser = watch_mode)]
    watch: Option<models::config::WatchMode>,
    #[command(flatten)]
    searching: Searching,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A scenario at one version, and at those after it that do nothing differently.
struct Searched {
    version: Version,
    last: Version,
    report: Report,
}

/// A verdict that is another one from some version on.
struct Change {
    property: usize,
    version: Version,
    from: Verdict,
    to: Verdict,
    causes: Causes,
}

/// What changes a verdict.
struct Causes {
    /// Each of these; all of them together if `together`.
    differences: Vec<Difference>,
    /// None does it alone.
    together: bool,
}

/// Searches the versions, and names what makes the difference.
pub(super) fn diff(args: &Args, out: &mut dyn Write) -> Result<Conclusion, Failure> {
    let chosen = chosen_properties(&args.property)?;
    let Range { first, last } = args.kubernetes;
    if first == last {
        let help = format!("name two versions: --kubernetes {}", Range::ALL);
        return Err(Failure::usage(
            format!("one version, {first}, has nothing to differ from"),
            Some(help),
        ));
    }
    let scenario = one_scenario(&args.file, &Overrides::default())?;
    for warning in &scenario.warnings {
        eprintln!("{warning}");
    }
    let chosen: Vec<&'static Guarantee> =
        wanted(&scenario, &chosen).into_iter().map(|wanted| wanted.guarantee).collect();
    let mut searched: Vec<Searched> = Vec::new();
    for version in args.kubernetes.versions() {
        match searched.last_mut() {
            Some(same) if new_in(version).next().is_none() => same.last = version,
            _ => {
                let report = args.search(&scenario, version, &chosen);
                searched.push(Searched { version, last: version, report });
            }
        }
    }
    let changes = args.changes(&scenario, &searched, &chosen);
    if args.json {
        let document = args.document(&scenario, &searched, &changes);
        serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        args.print(&scenario, &searched, &changes, out)?;
    }
    let all = searched.iter().map(|searched| searched.report.conclusion());
    Ok(all.fold(Conclusion::AsExpected, Conclusion::and))
}

/// What a scenario that was written for one version expects of another: nothing.
fn expectations(
    scenario: &Scenario,
    version: Version,
    chosen: &[&'static Guarantee],
) -> Vec<Wanted> {
    let mut all = wanted(scenario, chosen);
    if version != scenario.config.version {
        for wanted in &mut all {
            wanted.because = None;
            wanted.expected = None;
        }
    }
    all
}

/// Whether two verdicts say different things. What was not decided says nothing.
fn differ(from: Verdict, to: Verdict) -> bool {
    let decided = |it| !matches!(it, Verdict::Unknown | Verdict::NotChecked);
    from != to && decided(from) && decided(to)
}

impl Args {
    /// The verdicts of one version, which may be an altered one.
    fn search(
        &self,
        scenario: &Scenario,
        version: Version,
        chosen: &[&'static Guarantee],
    ) -> Report {
        let mut at = scenario.clone();
        let overrides = Overrides { kubernetes: Some(version), watch: self.watch };
        overrides.apply(&mut at.config);
        at.name = format!("{}, Kubernetes {version}", scenario.name);
        let progress = Progress::new();
        let wanted = expectations(scenario, version, chosen);
        let checked = check(&at, wanted, &self.searching, Some(&progress));
        progress.clear();
        let mut report = report(&at, &checked, self.searching.engine, None);
        // Who says that a promise is broken at one version is not told so at the others.
        let known = |judged: &Judged| {
            scenario.expectations.iter().any(|expectation| {
                expectation.property.eq_ignore_ascii_case(judged.guarantee.name)
                    && expectation.verdict == Some(ExpectedVerdict::Violated)
            })
        };
        for judged in &mut report.verdicts {
            judged.promised &= !known(judged);
        }
        report
    }

    /// The verdicts that change between neighbours, each with its cause.
    fn changes(
        &self,
        scenario: &Scenario,
        searched: &[Searched],
        chosen: &[&'static Guarantee],
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for pair in searched.windows(2) {
            let verdict = |at: usize, property: usize| pair[at].report.verdicts[property].verdict;
            let changed: Vec<usize> = (0..chosen.len())
                .filter(|&property| differ(verdict(0, property), verdict(1, property)))
                .collect();
            if changed.is_empty() {
                continue;
            }
            let of_changed: Vec<&'static Guarantee> =
                changed.iter().map(|&property| chosen[property]).collect();
            let between: Vec<Difference> = new_in(pair[1].version).collect();
            let alone = match between[..] {
                // Toggled, the one version is the other, which was searched.
                [only] => vec![(only, changed.iter().map(|&it| verdict(1, it)).collect())],
                _ => self.alone(scenario, &pair[0], &between, &of_changed),
            };
            for (at, property) in changed.into_iter().enumerate() {
                let (from, to) = (verdict(0, property), verdict(1, property));
                let differences: Vec<Difference> = alone
                    .iter()
                    .filter(|(_, verdicts)| verdicts[at] == to)
                    .map(|(difference, _)| *difference)
                    .collect();
                let together = differences.is_empty();
                let differences = if together { between.clone() } else { differences };
                let causes = Causes { differences, together };
                changes.push(Change { property, version: pair[1].version, from, to, causes });
            }
        }
        changes.sort_by_key(|change| change.property);
        changes
    }

    /// The verdicts of the older of two neighbours with one difference toggled, for each.
    fn alone(
        &self,
        scenario: &Scenario,
        old: &Searched,
        between: &[Difference],
        properties: &[&'static Guarantee],
    ) -> Vec<(Difference, Vec<Verdict>)> {
        let toggled = |difference: &Difference| {
            let altered = old.last.altered(*difference);
            let report = self.search(scenario, altered, properties);
            (*difference, report.verdicts.iter().map(|judged| judged.verdict).collect())
        };
        between.iter().map(toggled).collect()
    }

    fn print(
        &self,
        scenario: &Scenario,
        searched: &[Searched],
        changes: &[Change],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(out, "{}: {}", scenario.name, wrap(&scenario.title, scenario.name.len() + 2))?;
        let watch = searched.first().map_or("", |searched| &searched.report.watch);
        writeln!(out, "Kubernetes {}, watch {watch}\n", self.kubernetes)?;
        if changes.is_empty() {
            writeln!(out, "No verdict changes.\n")?;
        } else {
            writeln!(out, "{:9} {:12} {:11} BY RULE", "PROPERTY", "KUBERNETES", "VERDICT")?;
        }
        let verdicts = searched.first().map_or(0, |searched| searched.report.verdicts.len());
        let mut unchanged = Vec::new();
        for property in 0..verdicts {
            let judged = &searched[0].report.verdicts[property];
            let name = judged.guarantee.name;
            let mut own = changes.iter().filter(|it| it.property == property).peekable();
            if own.peek().is_none() {
                unchanged.push(format!("{name} {}", judged.verdict.word()));
                continue;
            }
            let range = |first: Version, next: Option<&Change>| {
                let newest = Version::all().take_while(|it| next.is_none_or(|n| *it < n.version));
                let last = newest.last().unwrap_or(first).min(self.kubernetes.last);
                Range { first, last }.to_string()
            };
            let first = range(self.kubernetes.first, own.peek().copied());
            writeln!(out, "{name:9} {first:12} {}", judged.verdict.word())?;
            while let Some(change) = own.next() {
                let (versions, word) =
                    (range(change.version, own.peek().copied()), change.to.word());
                writeln!(out, "{:9} {versions:12} {word:11} {}", "", wrap(&causes(change), 35))?;
            }
        }
        if !changes.is_empty() {
            writeln!(out)?;
        }
        if !unchanged.is_empty() {
            writeln!(out, "unchanged: {}", wrap(&unchanged.join(", "), 11))?;
        }
        let versions: Vec<String> = searched.iter().map(|it| it.version.to_string()).collect();
        let versions = versions.join(", ");
        let rest = "; the others do what the one before them does";
        let rest = if searched.iter().any(|it| it.version != it.last) { rest } else { "" };
        writeln!(out, "searched: {}", wrap(&format!("{versions}{rest}"), 10))?;
        self.remarks(searched, out)?;
        let engine = match self.searching.engine {
            Engine::Bfs => String::new(),
            engine => format!(" --engine {}", engine.word()),
        };
        let watch = Overrides { kubernetes: None, watch: self.watch }.words();
        let file = quoted(&self.file);
        writeln!(
            out,
            "a trace: check run {file}{watch}{engine} --property NAME --kubernetes VERSION"
        )
    }

    /// What is wrong, and what was not decided.
    fn remarks(&self, searched: &[Searched], out: &mut dyn Write) -> io::Result<()> {
        for Searched { version, report, .. } in searched {
            if let Some(error) = &report.error {
                writeln!(out, "Kubernetes {version}: error of the model: {}", error.message)?;
            }
            if let Some(reason) = report.stopped {
                writeln!(out, "Kubernetes {version}: incomplete: {reason}")?;
            }
            for judged in &report.verdicts {
                if judged.conclusion() == Conclusion::NotAsExpected {
                    let name = judged.guarantee.name;
                    let why = match judged.expected {
                        Some(_) => "not as expected",
                        None => "a promise is broken",
                    };
                    writeln!(out, "Kubernetes {version}: {name} {}: {why}", judged.verdict.word())?;
                }
            }
        }
        Ok(())
    }

    fn document(&self, scenario: &Scenario, searched: &[Searched], changes: &[Change]) -> Value {
        let first = searched.first().map(|searched| &searched.report);
        let verdicts = first.map_or(&[][..], |report| &report.verdicts);
        let verdict = |searched: &Searched, property: usize| {
            let judged = &searched.report.verdicts[property];
            let all = self.kubernetes.versions();
            let same = all.filter(|it| (searched.version..=searched.last).contains(it));
            let word = judged.verdict.word();
            let one = |it: Version| json!({"kubernetes": it.to_string(), "verdict": word});
            same.map(one).collect::<Vec<_>>()
        };
        let properties = verdicts.iter().enumerate().map(|(property, judged)| {
            let own = changes.iter().filter(|change| change.property == property);
            let all = searched.iter().flat_map(|searched| verdict(searched, property));
            json!({
                "property": judged.guarantee.name,
                "verdicts": all.collect::<Vec<_>>(),
                "changes": own.map(change_value).collect::<Vec<_>>(),
            })
        });
        json!({
            "scenario": scenario.name,
            "file": scenario.file,
            "watch": first.map(|report| &report.watch),
            "from": self.kubernetes.first.to_string(),
            "to": self.kubernetes.last.to_string(),
            "searched": searched.iter().map(|it| it.version.to_string()).collect::<Vec<_>>(),
            "complete": searched.iter().all(|searched| searched.report.complete),
            "properties": properties.collect::<Vec<_>>(),
        })
    }
}

/// Why a verdict changes, in words.
fn causes(change: &Change) -> String {
    let Causes { differences, together } = &change.causes;
    let one = |it: &Difference| format!("{}: {}", it.rule(), it.meaning());
    let all: Vec<String> = differences.iter().map(one).collect();
    match (together, all.len()) {
        (_, 1) => all.concat(),
        (true, _) => format!("only together: {}", all.join("; ")),
        (false, _) => format!("each alone: {}", all.join("; ")),
    }
}

fn change_value(change: &Change) -> Value {
    let rules = change
        .causes
        .differences
        .iter()
        .map(|difference| json!({"rule": difference.rule(), "meaning": difference.meaning()}));
    json!({
        "kubernetes": change.version.to_string(),
        "from": change.from.word(),
        "to": change.to.word(),
        "rules": rules.collect::<Vec<_>>(),
        "together": change.causes.together,
    })
}
