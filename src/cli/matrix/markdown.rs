//! The matrix as `specs/matrix.md`: each row leads to its scenario, each cell says its command.

use std::io::{self, Write};

use models::guarantees::Guarantee;

use crate::cli::matrix::{Searched, blocks, has_trace, is_broken, remarks};

const HEAD: &str = "\
# What each way to lose a node does to each kind of workload

Printed by `check matrix --format markdown`; a test keeps it true. A row is a scenario, in `specs/matrix`,
and `check run WORKLOAD-FAULT --property NAME` shows the shortest trace of a cell; the links of cells carry
that command as their title. Properties are defined in [guarantees.md](guarantees.md).
`not-applicable` is written as –, what Kubernetes promises and does not keep in bold.
";

/// Prints all blocks.
pub(super) fn print(searched: &[Searched], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{HEAD}")?;
    for block in blocks(searched) {
        writeln!(out, "\n## {}, Kubernetes {}", block.workload.title, block.version)?;
        let kinds = [(false, "what must never happen"), (true, "what can happen")];
        for (situations, title) in kinds {
            let columns = block.columns(situations);
            if columns.is_empty() {
                continue;
            }
            let names: Vec<&str> = columns.iter().map(|guarantee| guarantee.name).collect();
            writeln!(out, "\n| {title} | {} |", names.join(" | "))?;
            writeln!(out, "|---|{}", "---|".repeat(columns.len()))?;
            for row in &block.rows {
                let cells: Vec<String> = columns.iter().map(|it| cell(row, it)).collect();
                let (fault, file) = (row.row.fault, row.row.name());
                let head = format!("[{}](matrix/{file}.yaml \"{}\")", fault.title, row.row.name());
                writeln!(out, "| {head} | {} |", cells.join(" | "))?;
            }
        }
    }
    let remarks = remarks(searched);
    if !remarks.is_empty() {
        writeln!(out)?;
    }
    for remark in remarks {
        writeln!(out, "- {remark}")?;
    }
    Ok(())
}

fn cell(row: &Searched, guarantee: &Guarantee) -> String {
    let Some(judged) = row.judged(guarantee) else { return "–".to_string() };
    let word = judged.verdict.word();
    let word = if is_broken(judged) { format!("**{word}**") } else { word.to_string() };
    if !has_trace(judged) {
        return word;
    }
    format!("[{word}](matrix/{}.yaml \"{}\")", row.row.name(), row.command(guarantee))
}
