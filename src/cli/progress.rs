//! Progress on standard error, if that is a terminal; silent otherwise.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::engine::search;
use crate::report::text::thousands;

/// Shortest time between two updates.
const PERIOD: Duration = Duration::from_millis(100);

/// A line that is written again and again.
pub(super) struct Progress {
    visible: bool,
    state: Mutex<Line>,
}

struct Line {
    began: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// Progress of what begins now.
    pub(super) fn new() -> Self {
        let state = Mutex::new(Line { began: Instant::now(), last: None });
        Progress { visible: io::stderr().is_terminal(), state }
    }

    /// Shows how far a search is.
    pub(super) fn searched(&self, what: &str, at: search::Progress) {
        self.show(|elapsed| {
            let rate = at.states as f64 / elapsed.as_secs_f64().max(1e-3);
            format!(
                "{what}: {} states, {}/s, frontier {}, depth {}",
                thousands(at.states),
                thousands(rate as u64),
                thousands(at.frontier),
                at.depth
            )
        });
    }

    /// Shows how many of several searches are done.
    pub(super) fn finished(&self, done: usize, all: usize) {
        self.show(|_| format!("{done} of {all} scenarios"));
    }

    fn show(&self, text: impl FnOnce(Duration) -> String) {
        if !self.visible {
            return;
        }
        // Who finds it locked has nothing newer to say.
        let Ok(mut line) = self.state.try_lock() else { return };
        if line.last.is_some_and(|last| last.elapsed() < PERIOD) {
            return;
        }
        line.last = Some(Instant::now());
        let text = text(line.began.elapsed());
        let _ = write!(io::stderr(), "\r\x1b[2K{text}");
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if self.visible {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
