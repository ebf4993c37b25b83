//! Ctrl-C: the search stops, and what is known so far is printed.

use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// The exit code of a process that SIGINT ends.
const EXIT_INTERRUPTED: i32 = 130;

/// Set once the user has asked to stop. The second time ends the process at once.
pub(super) fn stop_flag() -> &'static AtomicBool {
    // A process that cannot catch signals is ended by the first one, as usual.
    let _ = ctrlc::try_set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_INTERRUPTED);
        }
    });
    &STOP
}
