//! The matrix for a terminal: one table for each workload, a mark in each cell.

use std::io::{self, Write};

use models::guarantees::Guarantee;

use crate::cli::matrix::{Block, Searched, blocks, is_broken, remarks};
use crate::engine::property::Verdict;
use crate::report::Judged;
use crate::report::text::{colours, width, wrap};

/// Columns for the names of faults.
const FAULT_WIDTH: usize = 31;

/// What a cell looks like: a mark, and the escape sequence of its colour.
fn mark(judged: Option<&Judged>) -> (&'static str, &'static str) {
    match judged {
        None => ("-", "\x1b[2m"),
        Some(judged) if is_broken(judged) => ("✗!", "\x1b[1;31m"),
        Some(judged) => match judged.verdict {
            Verdict::Holds => ("✓", "\x1b[32m"),
            Verdict::Violated => ("✗", "\x1b[33m"),
            Verdict::Reachable => ("yes", "\x1b[36m"),
            Verdict::Unreachable => ("no", "\x1b[2m"),
            Verdict::Unknown | Verdict::NotChecked => ("?", "\x1b[1;35m"),
        },
    }
}

const LEGEND: &str = "✓ holds, ✗ violated (✗! although Kubernetes promises it), yes: can be reached, \
                      no: cannot, - has no meaning here, ? not decided.";

/// Prints all blocks.
pub(super) fn print(searched: &[Searched], out: &mut dyn Write) -> io::Result<()> {
    let blocks = blocks(searched);
    for block in &blocks {
        writeln!(out, "{}, Kubernetes {}", block.workload.title, block.version)?;
        for situations in [false, true] {
            tables(block, &block.columns(situations), out)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", wrap(LEGEND, 0))?;
    for remark in remarks(searched) {
        writeln!(out, "{}", wrap(&remark, 2))?;
    }
    if let Some(first) = blocks.first() {
        let versions = blocks.iter().any(|block| block.version != first.version);
        let version = if versions { " --kubernetes VERSION" } else { "" };
        let name = first.workload.name;
        writeln!(out, "a property: check explain NAME")?;
        writeln!(out, "a trace:    check run {name}-FAULT{version} --property NAME")?;
        writeln!(out, "a scenario: check matrix --show {name}-FAULT")?;
    }
    Ok(())
}

/// As many tables as the columns need.
fn tables(block: &Block<'_>, columns: &[&Guarantee], out: &mut dyn Write) -> io::Result<()> {
    let mut rest = columns;
    while !rest.is_empty() {
        let mut used = FAULT_WIDTH;
        let fits = |guarantee: &&&Guarantee| {
            used += 1 + cell_width(guarantee);
            used <= width()
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (now, later) = rest.split_at(count);
        table(block, now, out)?;
        rest = later;
    }
    Ok(())
}

fn cell_width(guarantee: &Guarantee) -> usize {
    guarantee.name.len().max(3)
}

fn table(block: &Block<'_>, columns: &[&Guarantee], out: &mut dyn Write) -> io::Result<()> {
    let mut header = format!("{:FAULT_WIDTH$}", "FAULT");
    for guarantee in columns {
        header.push_str(&format!(" {:1$}", guarantee.name, cell_width(guarantee)));
    }
    writeln!(out, "{}", header.trim_end())?;
    for row in &block.rows {
        let mut line = format!("{:FAULT_WIDTH$}", row.row.fault.name);
        let mut blank = String::new();
        for guarantee in columns {
            let (word, colour) = mark(row.judged(guarantee));
            let padding = (cell_width(guarantee)).saturating_sub(word.chars().count());
            line.push_str(&blank);
            line.push(' ');
            match colours() {
                true => line.push_str(&format!("{colour}{word}\x1b[0m")),
                false => line.push_str(word),
            }
            blank = " ".repeat(padding);
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}
