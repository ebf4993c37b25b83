//! Results for people: one line a verdict, and the whole story of one scenario.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use crate::engine::property::Verdict;
use crate::report::json::kind;
use crate::report::{Conclusion, Judged, Level, Report, Skipped, Trace};
use crate::story::timeline;

/// Columns to a line: those of the terminal, within reason; a hundred where there is none.
/// `COLUMNS` overrides both.
pub fn width() -> usize {
    static WIDTH: OnceLock<usize> = OnceLock::new();
    *WIDTH.get_or_init(|| {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        asked.or_else(terminal).unwrap_or(100).clamp(60, 120)
    })
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time a person can read.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 100.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

/// `n` things, in words: `1 state`, `2 states`.
pub fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(number))
}

/// Breaks a text into lines; all but the first are indented.
pub fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width() {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// The remark at the end of a line that is not as expected.
fn remark(judged: &Judged) -> &'static str {
    match judged.conclusion() {
        Conclusion::AsExpected => "",
        Conclusion::Incomplete => "  <- not decided",
        Conclusion::NotAsExpected if judged.expected.is_none() => "  <- a promise is broken",
        Conclusion::NotAsExpected => "  <- not as expected",
    }
}

fn expected(judged: &Judged) -> &'static str {
    judged.expected.map_or("-", |expected| expected.word())
}

/// The line above the lines of [`verdict_lines`]. Names of scenarios are `width` wide.
pub fn verdict_header(out: &mut dyn Write, width: usize) -> io::Result<()> {
    writeln!(
        out,
        "{:width$}  {:8} {:11} {:11} {:>10} {:>8}",
        "SCENARIO", "PROPERTY", "VERDICT", "EXPECTED", "STATES", "TIME"
    )
}

/// One line for each verdict of a scenario.
pub fn verdict_lines(out: &mut dyn Write, report: &Report, width: usize) -> io::Result<()> {
    for judged in &report.verdicts {
        writeln!(
            out,
            "{:width$}  {:8} {:11} {:11} {:>10} {:>8}{}",
            report.scenario,
            judged.guarantee.name,
            judged.verdict.word(),
            expected(judged),
            thousands(report.states),
            duration(report.elapsed),
            remark(judged)
        )?;
    }
    match &report.error {
        Some(error) => {
            writeln!(out, "{:width$}  error of the model: {}", report.scenario, error.message)
        }
        None => Ok(()),
    }
}

/// The end of a run of all scenarios.
pub fn summary(
    out: &mut dyn Write,
    reports: &[Report],
    skipped: &[Skipped],
    elapsed: Duration,
) -> io::Result<()> {
    let verdicts: Vec<(&Report, &Judged)> =
        reports.iter().flat_map(|r| r.verdicts.iter().map(move |judged| (r, judged))).collect();
    let states = reports.iter().map(|report| report.states).sum();
    writeln!(
        out,
        "\n{}, {}, {} in {}",
        count(reports.len() as u64, "scenario"),
        count(verdicts.len() as u64, "verdict"),
        count(states, "state"),
        duration(elapsed)
    )?;
    let other: Vec<_> = verdicts
        .iter()
        .filter(|(_, judged)| judged.conclusion() != Conclusion::AsExpected)
        .collect();
    let sound = reports.iter().all(|report| report.conclusion() == Conclusion::AsExpected);
    if sound {
        writeln!(out, "all as expected")?;
    }
    for (report, judged) in other {
        let Report { scenario, .. } = report;
        let name = judged.guarantee.name;
        let what = match judged.conclusion() {
            Conclusion::Incomplete => "not decided",
            _ => "not as expected",
        };
        writeln!(out, "{what}: check run {scenario} --property {name}")?;
    }
    for report in reports.iter().filter(|report| report.error.is_some()) {
        writeln!(out, "error of the model: check run {}", report.scenario)?;
    }
    for Skipped { scenario, because, command, .. } in skipped {
        writeln!(out, "skipped: {scenario} ({because}): {command}")?;
    }
    Ok(())
}

/// Everything about one scenario.
pub fn full(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{}: {}", report.scenario, wrap(&report.title, report.scenario.len() + 2))?;
    writeln!(out, "Kubernetes {}, watch {}\n", report.kubernetes, report.watch)?;
    verdict_table(out, report)?;
    if !report.levels.is_empty() {
        writeln!(out)?;
    }
    for level in &report.levels {
        let Level { watch, states, elapsed, complete, stopped } = level;
        let (states, elapsed) = (count(*states, "state"), duration(*elapsed));
        let ended = match (complete, stopped) {
            (true, _) => String::new(),
            (false, Some(reason)) => format!(", ended early: {reason}"),
            (false, None) => ", ended early".to_string(),
        };
        writeln!(out, "watch {watch}: {states}, {elapsed}{ended}")?;
    }
    writeln!(out, "\n{}", searched(report))?;
    if let Some(error) = &report.error {
        writeln!(out, "\n== error of the model: {}\n", error.message)?;
        trace(out, &error.trace)?;
    }
    for judged in &report.verdicts {
        if let Some(run) = &judged.trace {
            let guarantee = judged.guarantee;
            let verdict = judged.verdict.word();
            writeln!(out, "\n== {} {verdict}: {}\n", guarantee.name, guarantee.title)?;
            writeln!(out, "{}\n", wrap(guarantee.meaning, 0))?;
            if !report.shortest {
                writeln!(out, "This run is not proved shortest: a shorter one may exist.\n")?;
            }
            trace(out, run)?;
        }
    }
    writeln!(out, "\nassumed:")?;
    for assumption in &report.assumptions {
        writeln!(out, "  - {}", wrap(assumption, 4))?;
    }
    writeln!(
        out,
        "  - {}",
        wrap(
            &format!(
                "different states have different {}-bit hashes: two of {} have not with \
                 probability {:.0e} at most",
                report.hash_bits,
                thousands(report.states),
                report.collision_odds
            ),
            4
        )
    )
}

/// Up to which lag something holds, or from which on it does not.
fn lag(judged: &Judged, watch: &str) -> String {
    match judged.verdict {
        Verdict::Holds | Verdict::Unreachable => format!("  up to {watch:9}"),
        Verdict::Violated | Verdict::Reachable => format!("  from {watch:10}"),
        Verdict::Unknown | Verdict::NotChecked => String::new(),
    }
}

fn verdict_table(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{:9} {:10} {:11} EXPECTED", "PROPERTY", "KIND", "VERDICT")?;
    for judged in &report.verdicts {
        let promised = if judged.promised { "  promised" } else { "" };
        let lag = judged.watch.as_deref().map(|watch| lag(judged, watch)).unwrap_or_default();
        let because = judged.because.as_deref().map(|text| format!("  {text}")).unwrap_or_default();
        let line = format!(
            "{:9} {:10} {:11} {:11}{lag}{promised}{because}{}",
            judged.guarantee.name,
            kind(judged.guarantee),
            judged.verdict.word(),
            expected(judged),
            remark(judged)
        );
        writeln!(out, "{}", line.trim_end())?;
        if judged.rejected > 0 && judged.verdict == Verdict::Unknown {
            let runs = count(u64::from(judged.rejected), "run");
            writeln!(out, "{:9} {runs} would decide it, but fit no timing", "")?;
        }
    }
    Ok(())
}

/// How much was searched, and how.
fn searched(report: &Report) -> String {
    let extent = match (report.complete, report.stopped) {
        (true, _) => "complete".to_string(),
        (false, Some(reason)) => format!("incomplete: {reason}"),
        (false, None) => "incomplete".to_string(),
    };
    format!(
        "{}, {}, depth {}, {extent}, {} ({})",
        count(report.states, "state"),
        count(report.transitions, "transition"),
        report.depth,
        duration(report.elapsed),
        report.engine
    )
}

/// Whether standard output may be coloured.
pub fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|off| off.is_empty())
}

/// A run: its timeline, its tables, and how to see it again.
pub fn trace(out: &mut dyn Write, trace: &Trace) -> io::Result<()> {
    writeln!(out, "{}", timeline::render(&trace.story, colours(), width()).trim_end())?;
    for table in trace.story.tables.shown() {
        writeln!(out, "\n$ kubectl get {} -o wide --watch", table.resource)?;
        writeln!(out, "{}", table.render().trim_end())?;
    }
    if !trace.has_workload_status {
        writeln!(
            out,
            "\n(the status of workloads found no place in this run: theirs is as it began)"
        )?;
    }
    writeln!(out, "\nwhat really runs at the end:")?;
    writeln!(out, "{}", trace.story.reality.render().trim_end())?;
    writeln!(out, "\nagain: {}", trace.again)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count(1, "state"), "1 state");
        assert_eq!(count(2000, "state"), "2,000 states");
    }

    #[test]
    fn long_texts_are_broken_at_words_and_indented() {
        let text = "word ".repeat(50);
        let wrapped = wrap(&text, 4);
        assert!(wrapped.lines().all(|line| line.chars().count() <= width()));
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("    word")));
        assert_eq!(wrapped.split_whitespace().count(), 50);
        assert_eq!(wrap("  short  ", 2), "short");
    }
}
