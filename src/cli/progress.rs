//! Progress on standard error, if that is a terminal; silent otherwise.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::search;
use crate::report::text::thousands;

/// How often it is shown that something is still going on.
const TICK: Duration = Duration::from_millis(250);
/// How often the line is drawn at most, per second.
const DRAWN: u8 = 10;

/// A line that is drawn again and again.
pub(super) struct Progress {
    bar: ProgressBar,
    began: Instant,
}

impl Progress {
    /// Progress of what begins now.
    pub(super) fn new() -> Self {
        // Nothing is drawn where there is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWN));
        bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a template"));
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Progress { bar, began: Instant::now() }
    }

    /// Shows how far a search is.
    pub(super) fn searched(&self, what: &str, at: search::Progress) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line(what, at, self.began.elapsed()));
        }
    }

    /// Shows how many of several searches are done.
    pub(super) fn finished(&self, done: usize, all: usize) {
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{done} of {all} scenarios"));
        }
    }

    /// Prints something: the line is not there meanwhile.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far a search is, in words.
fn line(what: &str, at: search::Progress, elapsed: Duration) -> String {
    let rate = at.states as f64 / elapsed.as_secs_f64().max(1e-3);
    let memory = at.memory.map(|bytes| format!(", {} MiB", thousands(bytes >> 20)));
    format!(
        "{what}: {} states, {}/s, frontier {}, depth {}{}",
        thousands(at.states),
        thousands(rate as u64),
        thousands(at.frontier),
        at.depth,
        memory.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_the_search_is() {
        let mut at =
            search::Progress { states: 3000, frontier: 1200, depth: 7, memory: Some(5 << 20) };
        let elapsed = Duration::from_secs(2);
        let told = "web: 3,000 states, 1,500/s, frontier 1,200, depth 7";
        assert_eq!(line("web", at, elapsed), format!("{told}, 5 MiB"));
        at.memory = None;
        assert_eq!(line("web", at, elapsed), told);
    }
}
