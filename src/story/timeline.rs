//! A story as text: one numbered line for each step, what it changed indented below.

use std::collections::BTreeSet;

use crate::story::trace::{Step, Story};

/// Times are aligned to this width, `+345.0 s` at most.
const TIME_WIDTH: usize = 8;

/// Escape sequences, or nothing.
struct Style {
    fault: &'static str,
    rule: &'static str,
    change: &'static str,
    quote: &'static str,
    off: &'static str,
}

const PLAIN: Style = Style { fault: "", rule: "", change: "", quote: "", off: "" };
const COLOURED: Style = Style {
    fault: "\x1b[1;31m",
    rule: "\x1b[36m",
    change: "\x1b[32m",
    quote: "\x1b[2m",
    off: "\x1b[0m",
};

/// Columns that are always left for words, however narrow the page.
const LEAST_WORDS: usize = 24;

/// The steps of a story, aligned; coloured if asked for. No line is longer than `width`, unless a
/// single word is.
pub fn render(story: &Story, colours: bool, width: usize) -> String {
    let style = if colours { &COLOURED } else { &PLAIN };
    let widest = |of: &dyn Fn(&Step) -> usize, least: usize, most: usize| {
        story.steps.iter().map(of).max().unwrap_or(0).clamp(least, most)
    };
    let layout = Layout {
        number: story.steps.len().to_string().len().max(2),
        actor: widest(&|step| step.actor.chars().count(), 10, 26),
        rule: widest(&|step| step.rule.map_or(1, str::len), 5, 10),
        width,
        style,
    };
    let mut out = String::new();
    if !story.timed {
        out.push_str("No timing of the timer table fits this run: steps are numbered only.\n");
    }
    let mut explained = BTreeSet::new();
    let mut time = None;
    for (at, step) in story.steps.iter().enumerate() {
        let now = step.at_seconds.map(seconds);
        let shown = if now == time { None } else { now.clone() };
        time = now;
        layout.headline(step, shown.as_deref(), &mut out);
        if let (Some(rule), Some(meaning)) = (step.rule, step.meaning)
            && explained.insert(rule)
        {
            layout.below(&format!("\"{meaning}\""), style.quote, &mut out);
        }
        for change in &step.changes {
            layout.below(change, style.change, &mut out);
        }
        let next = story.steps.get(at + 1);
        for sent in &step.sends {
            // Served at once: the next line says it.
            if !next.is_some_and(|next| next.action.starts_with(sent.as_str())) {
                layout.below(&format!("asks: {sent}"), "", &mut out);
            }
        }
    }
    out
}

/// `+345 s`; with a decimal only where it is needed.
pub(super) fn seconds(at: f64) -> String {
    if at.fract() == 0.0 { format!("+{at:.0} s") } else { format!("+{at:.1} s") }
}

struct Layout<'a> {
    number: usize,
    actor: usize,
    rule: usize,
    width: usize,
    style: &'a Style,
}

impl Layout<'_> {
    /// Where the words begin.
    fn margin(&self) -> usize {
        self.number + TIME_WIDTH + self.actor + self.rule + 8
    }

    /// Columns for words that begin at `margin`.
    fn room(&self, margin: usize) -> usize {
        self.width.saturating_sub(margin).max(LEAST_WORDS)
    }

    fn headline(&self, step: &Step, time: Option<&str>, out: &mut String) {
        let Layout { number, actor, rule, style, width: _ } = self;
        let is_fault = step.actor == "fault";
        let actor_style = if is_fault { style.fault } else { "" };
        let lines = wrap(&step.action, self.room(self.margin()));
        let mut lines = lines.iter();
        out.push_str(&format!(
            "{:>number$}  {:>TIME_WIDTH$}  {actor_style}{:<actor$}{}  {}{:<rule$}{}  {}\n",
            step.number,
            time.unwrap_or(""),
            step.actor,
            if is_fault { style.off } else { "" },
            style.rule,
            step.rule.unwrap_or("-"),
            style.off,
            lines.next().map_or("", String::as_str),
        ));
        for line in lines {
            out.push_str(&format!("{:margin$}{line}\n", "", margin = self.margin()));
        }
    }

    /// Something that belongs to the line above.
    fn below(&self, text: &str, style: &str, out: &mut String) {
        let margin = self.margin() + 2;
        let off = if style.is_empty() { "" } else { self.style.off };
        for (at, line) in wrap(text, self.room(margin + 2)).iter().enumerate() {
            let indent = if at == 0 { "" } else { "  " };
            out.push_str(&format!("{:margin$}{indent}{style}{line}{off}\n", ""));
        }
    }
}

/// Breaks a text at spaces into lines of at most `width`.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_at_spaces_only() {
        assert_eq!(wrap("to be or not to be", 9), ["to be or", "not to be"]);
        assert_eq!(wrap("unbreakable word", 4), ["unbreakable", "word"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn whole_seconds_are_shown_without_decimals() {
        assert_eq!(seconds(345.0), "+345 s");
        assert_eq!(seconds(0.25), "+0.2 s");
    }
}
