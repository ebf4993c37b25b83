//! `check run --deepen`: the lag of watches is raised step by step, for as long as there is time.
//!
//! What is violated or reachable at some lag is so at any larger one, and is not checked again.
//! What holds, holds up to the largest lag of which all states were seen.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use models::config::WatchMode;
use models::guarantees::Guarantee;

use crate::cli::checking::{Searching, check, report, wanted};
use crate::cli::interrupt;
use crate::cli::progress::Progress;
use crate::engine::property::Verdict;
use crate::report::assumptions::watch_word;
use crate::report::{Judged, Level, Report};
use crate::scenario::Scenario;

/// Time for it, if no other limit is given.
const BUDGET: Duration = Duration::from_secs(60);
/// Largest lag before watches lag without bound.
const MAX_LAG: u8 = 16;

/// The command that shows a trace of a property again, at some lag.
pub(super) type Again<'a> = dyn Fn(Option<&str>, WatchMode) -> String + 'a;

/// Checks a scenario at one lag after the other.
pub(super) fn deepen(
    scenario: &Scenario,
    chosen: &[&'static Guarantee],
    searching: &Searching,
    progress: &Progress,
    again: &Again<'_>,
) -> Report {
    let began = Instant::now();
    let budget = searching.timeout.unwrap_or(BUDGET);
    let lags = (1..=MAX_LAG).map(WatchMode::Lag);
    let modes = [WatchMode::Fresh].into_iter().chain(lags).chain([WatchMode::Unbounded]);
    let mut deepest: Option<Report> = None;
    for watch in modes {
        let left = budget.saturating_sub(began.elapsed());
        if deepest.is_some() && left.is_zero() {
            break;
        }
        let mut at = scenario.clone();
        at.config.watch = watch;
        let mut wanted = wanted(scenario, chosen);
        wanted
            .retain(|wanted| deepest.as_ref().is_none_or(|known| is_open(known, wanted.guarantee)));
        let searching = Searching { timeout: Some(left), ..searching.clone() };
        let checked = check(&at, wanted, &searching, Some(progress));
        let again = |property: Option<&str>| again(property, watch);
        let new = report(&at, &checked, searching.engine, Some(&again));
        let ended = !new.complete || new.error.is_some();
        deepest = Some(merge(deepest, new));
        let undecided = deepest.as_ref().is_some_and(|known| known.verdicts.iter().any(open));
        if ended || !undecided {
            break;
        }
    }
    let mut report = deepest.expect("at least fresh watches are searched");
    report.elapsed = began.elapsed();
    report
}

/// Whether a larger lag may change a verdict.
fn open(judged: &Judged) -> bool {
    !matches!(judged.verdict, Verdict::Violated | Verdict::Reachable)
}

fn is_open(known: &Report, guarantee: &Guarantee) -> bool {
    known.verdicts.iter().any(|judged| judged.guarantee.name == guarantee.name && open(judged))
}

/// What is known after one more lag.
fn merge(known: Option<Report>, mut new: Report) -> Report {
    let watch = new.watch.clone();
    let level = Level {
        watch: watch.clone(),
        states: new.states,
        elapsed: new.elapsed,
        complete: new.complete,
        stopped: new.stopped,
    };
    for judged in &mut new.verdicts {
        judged.watch = Some(watch.clone());
    }
    let interrupted = interrupt::stop_flag().load(Ordering::Relaxed);
    let Some(mut known) = known else {
        new.levels.push(level);
        return new;
    };
    let complete = new.complete;
    known.levels.push(level);
    for judged in &mut known.verdicts {
        let name = judged.guarantee.name;
        let at = new.verdicts.iter().position(|new| new.guarantee.name == name);
        // A search that ended early decides what it has found, and nothing else.
        if let Some(at) = at
            && (complete || !open(&new.verdicts[at]))
        {
            *judged = new.verdicts.swap_remove(at);
        }
    }
    for (total, count) in known.rule_counts.iter_mut().zip(&new.rule_counts) {
        *total = (*total).max(*count);
    }
    if interrupted && !complete {
        // A limit is what it was to deepen within; this is an end before that.
        (known.stopped, known.complete) = (new.stopped, false);
    }
    if new.error.is_some() {
        (known.error, known.complete) = (new.error, false);
    } else if complete {
        known.watch = format!("{} to {watch}", watch_word(WatchMode::Fresh));
        (known.states, known.transitions, known.depth) = (new.states, new.transitions, new.depth);
        known.collision_odds = new.collision_odds;
        known.assumptions = new.assumptions;
    }
    known
}
