//! The matrix as one page that needs nothing else: tables, and every trace as text that unfolds.

use std::io::{self, Write};

use models::guarantees::Guarantee;

use crate::cli::matrix::{Block, Searched, blocks, has_trace, is_broken, remarks};
use crate::engine::property::Verdict;
use crate::report::{Judged, text};

const STYLE: &str = "\
:root { color-scheme: light dark; --fg: #1b1f24; --bg: #ffffff; --line: #c8cdd3; --head: #f1f3f5;
  --good: #0b6b2e; --bad: #a40e26; --seen: #0a4f9e; --dim: #59636e; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6e9ec; --bg: #14171a; --line: #3b424a;
  --head: #20252a; --good: #6fd08c; --bad: #ff8f8f; --seen: #82b8ff; --dim: #9aa4af; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg);
  margin: 2rem auto; max-width: 100rem; padding: 0 1rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left;
  white-space: nowrap; font-size: .875rem; }
thead th { background: var(--head); }
tbody th { background: var(--head); font-weight: 500; position: sticky; left: 0; }
a { color: inherit; } a:focus-visible, summary:focus-visible { outline: 3px solid var(--seen); }
.holds { color: var(--good); } .violated { color: var(--bad); font-weight: 600; }
.reachable { color: var(--seen); } .none, .unreachable { color: var(--dim); }
.unknown { color: var(--bad); font-style: italic; }
pre { overflow-x: auto; font-size: .8125rem; line-height: 1.35; background: var(--head);
  border: 1px solid var(--line); padding: .75rem; }
summary { cursor: pointer; padding: .15rem 0; }";

/// Unfolds the trace that a link leads to, where the browser does not do so itself.
const SCRIPT: &str = "\
function unfold() { const it = document.getElementById(location.hash.slice(1));
  const fold = it && it.closest('details'); if (fold) { fold.open = true; it.scrollIntoView(); } }
addEventListener('hashchange', unfold); unfold();";

/// Prints the page.
pub(super) fn print(searched: &[Searched], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<title>What a lost node does to workloads</title>")?;
    writeln!(out, "<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>")?;
    writeln!(out, "<h1>What each way to lose a node does to each kind of workload</h1>")?;
    writeln!(
        out,
        "<p>Every order of events was tried. A verdict that has a trace leads to a shortest one. \
         A dash: the property has no meaning there. An exclamation mark: Kubernetes promises it.</p>"
    )?;
    let blocks = blocks(searched);
    writeln!(out, "<nav aria-label=\"Workloads\"><ul>")?;
    for block in &blocks {
        writeln!(out, "<li><a href=\"#{}\">{}</a></li>", id(block), heading(block))?;
    }
    writeln!(out, "</ul></nav>")?;
    for block in &blocks {
        writeln!(out, "<section aria-labelledby=\"{}\">", id(block))?;
        writeln!(out, "<h2 id=\"{}\">{}</h2>", id(block), heading(block))?;
        for (situations, title) in [(false, "What must never happen"), (true, "What can happen")] {
            table(block, title, &block.columns(situations), out)?;
        }
        traces(block, out)?;
        writeln!(out, "</section>")?;
    }
    for remark in remarks(searched) {
        writeln!(out, "<p>{}</p>", escape(&remark))?;
    }
    writeln!(out, "</main>\n<script>\n{SCRIPT}\n</script>\n</body>\n</html>")
}

fn id(block: &Block<'_>) -> String {
    format!("{}-{}", block.workload.name, block.version)
}

fn heading(block: &Block<'_>) -> String {
    escape(&format!("{}, Kubernetes {}", block.workload.title, block.version))
}

fn trace_id(row: &Searched, guarantee: &Guarantee) -> String {
    format!("{}-{}-{}", row.row.name(), row.version, guarantee.name)
}

fn table(
    block: &Block<'_>,
    title: &str,
    columns: &[&Guarantee],
    out: &mut dyn Write,
) -> io::Result<()> {
    if columns.is_empty() {
        return Ok(());
    }
    let caption = format!("{title}: {}", block.workload.title);
    writeln!(
        out,
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table>\n\
         <caption>{0}</caption>",
        escape(&caption)
    )?;
    write!(out, "<thead><tr><th scope=\"col\">Fault</th>")?;
    for guarantee in columns {
        let (name, title) = (guarantee.name, escape(guarantee.title));
        write!(out, "<th scope=\"col\"><abbr title=\"{title}\">{name}</abbr></th>")?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in &block.rows {
        write!(out, "<tr><th scope=\"row\">{}</th>", escape(row.row.fault.title))?;
        for guarantee in columns {
            write!(out, "{}", cell(row, guarantee))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn cell(row: &Searched, guarantee: &Guarantee) -> String {
    let Some(judged) = row.judged(guarantee) else {
        return "<td class=\"none\"><span aria-label=\"not applicable\">–</span></td>".to_string();
    };
    let (class, word) = (class(judged), judged.verdict.word());
    let mark = if is_broken(judged) { "!" } else { "" };
    match has_trace(judged) {
        false => format!("<td class=\"{class}\">{word}</td>"),
        true => {
            let id = trace_id(row, guarantee);
            format!("<td class=\"{class}\"><a href=\"#{id}\">{word}{mark}</a></td>")
        }
    }
}

fn class(judged: &Judged) -> &'static str {
    match judged.verdict {
        Verdict::Unknown | Verdict::NotChecked => "unknown",
        verdict => verdict.word(),
    }
}

/// The traces of a block, row by row, each folded.
fn traces(block: &Block<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h3>Traces</h3>")?;
    for row in &block.rows {
        for judged in &row.report.verdicts {
            let Some(trace) = &judged.trace else { continue };
            let guarantee = judged.guarantee;
            let mut run = Vec::new();
            text::trace(&mut run, trace)?;
            writeln!(
                out,
                "<details><summary>{}: {} {}, {}</summary>\n<p>{}</p>\n\
                 <pre id=\"{}\" tabindex=\"0\">{}</pre></details>",
                escape(row.row.fault.title),
                guarantee.name,
                judged.verdict.word(),
                escape(guarantee.title),
                escape(guarantee.meaning),
                trace_id(row, guarantee),
                escape(&String::from_utf8_lossy(&run))
            )?;
        }
    }
    Ok(())
}

/// A text as HTML. Colours of a terminal have no place in it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\x1b' => {
                rest.by_ref().find(|c| *c == 'm');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_would_read_is_escaped() {
        assert_eq!(escape("a < b && \"c\" > d"), "a &lt; b &amp;&amp; &quot;c&quot; &gt; d");
        assert_eq!(escape("\x1b[1;31mred\x1b[0m"), "red");
    }
}
