//! What came of a log, for people: made of the JSON report.

use std::io::{self, Write};

use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Prints a report.
pub(super) fn print(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    match text(&report["verdict"]) {
        "not-modelled" => {
            return writeln!(out, "undecided: not modelled yet: {}", text(&report["notModelled"]));
        }
        "conforms" => {
            write!(
                out,
                "conforms: {} events explained, {} more change nothing that is compared",
                report["events"], report["unchanged"]
            )?;
            match report["setAside"].as_u64() {
                None | Some(0) => writeln!(out)?,
                Some(aside) => {
                    writeln!(out, ", {aside} have nothing to do with what is modelled")?;
                }
            }
        }
        "undecided" => writeln!(
            out,
            "undecided: {} of {} events explained within {} states; --max-states allows more",
            report["explained"], report["events"], report["states"]
        )?,
        _ if report["firstImpossible"].is_object() => return contradiction(report, out),
        _ => writeln!(
            out,
            "does not conform: no run goes on after {} of {} events, with the faults that the log \
             {}",
            report["explained"],
            report["events"],
            if report["withFaults"] == true { "tells of" } else { "suggests" }
        )?,
    }
    story(report, out)?;
    others(report, out)?;
    refusals(report, out)?;
    timing(report, out)
}

fn contradiction(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    let first = &report["firstImpossible"];
    let place = format!("{}:{}", text(&first["file"]), first["line"]);
    writeln!(out, "does not conform: {place} {}", text(&first["problem"]))?;
    match first["rule"].as_str() {
        Some(rule) => writeln!(out, "  {rule}: {}", text(&first["meaning"])),
        None => Ok(()),
    }
}

/// What happened, between which lines.
fn story(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    let place = |step: &Value| match step["after"].as_str() {
        Some(place) => format!("after {place}"),
        None if step["beforeTheLog"] == true => "before the log".to_string(),
        None => "at the start".to_string(),
    };
    let rows: Vec<[String; 3]> = list(&report["story"])
        .map(|step| [place(step), text(&step["step"]).to_string(), text(&step["rule"]).to_string()])
        .collect();
    if rows.is_empty() && report["verdict"] == "conforms" {
        return writeln!(out, "nothing happened unseen");
    }
    if !rows.is_empty() {
        writeln!(out, "what happened unseen:")?;
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let (place, step) = (width(0).unwrap_or(0), width(1).unwrap_or(0).min(70));
    for row in &rows {
        let line = format!("  {:place$}  {:step$}  {}", row[0], row[1], row[2]);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Other stories, and what would have told them apart.
fn others(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    for other in list(&report["alsoExplainedBy"]) {
        let faults: Vec<&str> = list(&other["faults"]).map(text).collect();
        writeln!(out, "would look the same with {}", faults.join(", "))?;
        let apart = &other["toldApartBy"];
        match apart["event"].as_str() {
            Some(event) => {
                let after = text(&apart["after"]);
                writeln!(out, "  would be told apart by: {event} (only after {after})")?;
            }
            None => writeln!(out, "  nothing that could come next would tell them apart")?,
        }
    }
    Ok(())
}

/// What cannot be explained, what refused it, and what could be instead.
fn refusals(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    for next in list(&report["next"]) {
        let place = format!("{}:{}", text(&next["file"]), next["line"]);
        if let Some(told) = next["told"].as_str() {
            writeln!(out, "not agreed with: {place} {told}")?;
            continue;
        }
        writeln!(out, "not explained: {place} {}", text(&next["event"]))?;
        if let Some(rule) = next["rule"].as_str() {
            writeln!(out, "  wanted: {}", text(&next["change"]))?;
            writeln!(
                out,
                "  {rule} ({}) asks for {}",
                text(&next["meaning"]),
                text(&next["guard"])
            )?;
        }
    }
    for other in list(&report["instead"]) {
        writeln!(out, "could be instead: {}  {}", text(&other["step"]), text(&other["rule"]))?;
        for change in list(&other["changes"]) {
            writeln!(out, "    {}", text(change))?;
        }
    }
    Ok(())
}

/// What came too early, and by which settings.
fn timing(report: &Value, out: &mut dyn Write) -> io::Result<()> {
    let timing = &report["timing"];
    for finding in list(&timing["findings"]) {
        let rule = finding["rule"].as_str().map_or(String::new(), |rule| format!("  {rule}"));
        let place = format!("{}:{}", text(&finding["file"]), finding["line"]);
        writeln!(out, "too early: {place} {}{rule}", text(&finding["problem"]))?;
    }
    for setting in list(&timing["settings"]) {
        let (name, known) = (text(&setting["setting"]), text(&setting["known"]));
        writeln!(out, "{name}: {known} {} s", setting["seconds"])?;
    }
    Ok(())
}
