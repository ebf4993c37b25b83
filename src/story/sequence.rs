//! A story as a sequence diagram in SVG: a lane for each process, messages as arrows, what happens
//! within a process as a note. Requests, replies and events all go through the API server.

use std::fmt::Write;

use crate::story::trace::{Drawing, Step, Story};

const LANE_WIDTH: usize = 190;
const ROW_HEIGHT: usize = 44;
const HEAD_HEIGHT: usize = 40;
const LEFT: usize = 100;
/// Characters of a label that fit between two lanes.
const LABEL_LENGTH: usize = 64;

/// Draws a story.
pub fn render(story: &Story) -> String {
    let width = LEFT + LANE_WIDTH * story.lanes.len();
    let height = HEAD_HEIGHT + ROW_HEIGHT * (story.steps.len() + 1);
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\" \
             style=\"background:#fff\">"
        ),
    );
    put(
        &mut out,
        format_args!(
            "<style>line,path{{stroke:#345;fill:none}} .lane{{stroke:#bbb}} \
             .fault line,.fault path{{stroke:#c22}} .fault text{{fill:#c22}} \
             rect{{fill:#f4f7fb;stroke:#89a}} .head{{font-weight:bold}} \
             .small{{fill:#678}} \
             text{{paint-order:stroke;stroke:#fff;stroke-width:3px}}</style>"
        ),
    );
    for (at, lane) in story.lanes.iter().enumerate() {
        let x = middle(at);
        put(
            &mut out,
            format_args!(
                "<line class=\"lane\" x1=\"{x}\" y1=\"{HEAD_HEIGHT}\" x2=\"{x}\" y2=\"{height}\"/>\
                 <text class=\"head\" x=\"{x}\" y=\"24\" text-anchor=\"middle\">{}</text>",
                escape(lane)
            ),
        );
    }
    for (at, step) in story.steps.iter().enumerate() {
        draw(&mut out, step, HEAD_HEIGHT + ROW_HEIGHT * (at + 1));
    }
    put(&mut out, format_args!("</svg>"));
    out
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{line}");
}

fn middle(lane: usize) -> usize {
    LEFT + LANE_WIDTH * lane + LANE_WIDTH / 2
}

fn draw(out: &mut String, step: &Step, y: usize) {
    let class = if step.actor == "fault" { "fault" } else { "step" };
    put(out, format_args!("<g class=\"{class}\"><title>{}</title>", escape(&details(step))));
    let time = step.at_seconds.map_or(String::new(), |at| format!("+{at:.0} s"));
    put(
        out,
        format_args!("<text class=\"small\" x=\"8\" y=\"{}\">{} {time}</text>", y + 4, step.number),
    );
    let label = escape(&shorten(&label(step)));
    match step.drawing {
        Drawing::Arrow { from, to } => {
            let (from, to) = (middle(from), middle(to));
            let back = if to > from { to - 7 } else { to + 7 };
            put(
                out,
                format_args!(
                    "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>\
                     <path d=\"M{back} {} L{to} {y} L{back} {}\"/>\
                     <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                    y - 4,
                    y + 4,
                    usize::midpoint(from, to),
                    y - 6
                ),
            );
        }
        Drawing::Note { lane } => {
            let width = 12 + 6 * label.chars().count();
            let x = middle(lane).saturating_sub(width / 2);
            put(
                out,
                format_args!(
                    "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"20\" rx=\"3\"/>\
                     <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                    y - 12,
                    middle(lane),
                    y + 2
                ),
            );
        }
    }
    put(out, format_args!("</g>"));
}

fn label(step: &Step) -> String {
    match step.rule {
        Some(rule) => format!("{rule}: {}", step.action),
        None => step.action.clone(),
    }
}

/// What a reader sees who points at a step.
fn details(step: &Step) -> String {
    let mut lines = vec![label(step)];
    lines.extend(step.meaning.map(str::to_string));
    lines.extend(step.changes.iter().cloned());
    lines.join("\n")
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= LABEL_LENGTH {
        return text.to_string();
    }
    let kept: String = text.chars().take(LABEL_LENGTH - 1).collect();
    format!("{kept}…")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }

    #[test]
    fn long_labels_are_cut_and_short_ones_kept() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"x".repeat(100)).chars().count(), LABEL_LENGTH);
    }
}
