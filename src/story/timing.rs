//! When the steps of a run can have happened: difference constraints from the timer table, solved
//! for the earliest times.
//!
//! Timers bound time, and so do requests, which are served or lost soon after they are sent. Events
//! on their way and the work queues of controllers may take any time: a run in which they dawdle is
//! not refused.

use std::collections::BTreeMap;

use models::config::PROMPT;
use models::ids::NodeId;
use models::requests::Request;
use models::view::ClusterView;

use crate::engine::search::Path;
use crate::engine::star::{Action, Outbox, ProcessId, StarSystem};
use crate::scenario::cluster::{Addressed, Cluster, ClusterAction, ClusterState};
use crate::story::timers::{self, Key, Timer};

/// Milliseconds since the start of a run.
pub type Millis = i64;

/// A bound on two moments: `later >= earlier + least`. With a negative `least` it bounds
/// `earlier` from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// A moment.
    pub earlier: usize,
    /// Another one.
    pub later: usize,
    /// The least difference.
    pub least: Millis,
}

/// The earliest times of moments `0..count` that satisfy all bounds, moment 0 being at 0; if there
/// are none, bounds that contradict each other: a cycle of positive length.
pub fn earliest(count: usize, bounds: &[Bound]) -> Result<Vec<Millis>, Vec<Bound>> {
    let mut times: Vec<Option<Millis>> = vec![None; count];
    // The bound by which each moment got its time.
    let mut by: Vec<Option<Bound>> = vec![None; count];
    let Some(start) = times.first_mut() else { return Err(Vec::new()) };
    *start = Some(0);
    // A longest path from moment 0 has fewer than `count` bounds: if the last round still changes
    // something, there is no longest one.
    let mut changed = None;
    for _ in 0..=count {
        changed = None;
        for bound in bounds {
            let Some(from) = times[bound.earlier] else { continue };
            let least = from + bound.least;
            if times[bound.later].is_none_or(|time| time < least) {
                times[bound.later] = Some(least);
                by[bound.later] = Some(*bound);
                changed = Some(bound.later);
            }
        }
        if changed.is_none() {
            break;
        }
    }
    match changed {
        None => Ok(times.into_iter().map(Option::unwrap_or_default).collect()),
        Some(moment) => Err(cycle(&by, moment)),
    }
}

/// The cycle of bounds that a moment which always gets later hangs on.
fn cycle(by: &[Option<Bound>], mut moment: usize) -> Vec<Bound> {
    let before = |moment: usize| by[moment].expect("a moment that gets later has a bound");
    for _ in by {
        moment = before(moment).earlier;
    }
    let mut cycle = vec![before(moment)];
    while cycle[cycle.len() - 1].earlier != moment {
        cycle.push(before(cycle[cycle.len() - 1].earlier));
    }
    cycle
}

/// The earliest times of the steps of a run, or none if no timing satisfies the timer table.
pub fn solve(cluster: &Cluster, path: &Path<StarSystem<Cluster>>) -> Option<Vec<Millis>> {
    let mut times = earliest(path.steps.len() + 1, &bounds(cluster, path)).ok()?;
    times.remove(0);
    Some(times)
}

/// All bounds on the moments of a run: 0 is the start, `i` is step `i`.
pub fn bounds(cluster: &Cluster, path: &Path<StarSystem<Cluster>>) -> Vec<Bound> {
    let mut tracker = Tracker::new(cluster, &path.start);
    let mut before = &path.start;
    for (moment, (action, after)) in (1..).zip(&path.steps) {
        tracker.step(cluster, moment, before, action, after);
        before = after;
    }
    tracker.finish(path.steps.len())
}

/// A timer that runs.
#[derive(Clone, Copy)]
struct Armed {
    since: usize,
    /// Lower bounds count from here: an interrupted wait of `minReadySeconds` is not begun anew.
    counts_from: usize,
    timer: Timer,
}

/// Watches timers being armed, cancelled and fired along a run.
struct Tracker {
    bounds: Vec<Bound>,
    armed: BTreeMap<Key, Armed>,
    /// First armings of timers whose wait is not begun anew.
    remembered: BTreeMap<Key, usize>,
    /// The last step after which a zone's next tainting has to wait.
    last_token: BTreeMap<u8, usize>,
    /// When the outages began that end in time, and how long they last at most.
    outages: BTreeMap<NodeId, (usize, Millis)>,
    /// The requests of each process that are on their way, and when they were sent.
    sent: BTreeMap<ProcessId, Vec<(Addressed, usize)>>,
}

impl Tracker {
    fn new(cluster: &Cluster, start: &ClusterState) -> Self {
        let mut tracker = Tracker {
            bounds: Vec::new(),
            armed: BTreeMap::new(),
            remembered: BTreeMap::new(),
            last_token: BTreeMap::new(),
            outages: BTreeMap::new(),
            sent: BTreeMap::new(),
        };
        tracker.arm(0, timers::armed(&cluster.view(start)));
        tracker
    }

    fn at_least(&mut self, earlier: usize, later: usize, least: Millis) {
        self.bounds.push(Bound { earlier, later, least });
    }

    fn at_most(&mut self, earlier: usize, later: usize, most: Option<Millis>) {
        if let Some(most) = most {
            self.bounds.push(Bound { earlier: later, later: earlier, least: -most });
        }
    }

    fn arm(&mut self, moment: usize, timers: Vec<Timer>) {
        for timer in timers {
            let counts_from = match timer.key {
                Key::Available(..) => *self.remembered.entry(timer.key).or_insert(moment),
                _ => moment,
            };
            let armed = Armed { since: moment, counts_from, timer };
            self.armed.entry(timer.key).or_insert(armed);
        }
    }

    fn step(
        &mut self,
        cluster: &Cluster,
        moment: usize,
        before: &ClusterState,
        action: &ClusterAction,
        after: &ClusterState,
    ) {
        self.at_least(moment - 1, moment, 0);
        self.bound_requests(moment, action, after);
        let (before, after) = (cluster.view(before), cluster.view(after));
        let fired = timers::fired(&before, action);
        let mut now = timers::armed(&after);
        if let Some(armed) = fired.and_then(|key| self.armed.remove(&key)) {
            self.at_least(armed.counts_from, moment, armed.timer.least);
            self.at_most(armed.since, moment, armed.timer.most);
            // What is still armed has to be done again, and has waited already.
            for timer in now.iter_mut().filter(|timer| timer.key == armed.timer.key) {
                timer.least = 0;
            }
        }
        // A uid that is gone may name another pod later.
        let stored = |key: &Key| match key {
            Key::Available(_, uid, _) => after.api().pod(*uid).is_some(),
            _ => false,
        };
        self.remembered.retain(|key, _| stored(key));
        let restarted = timers::clocks_restart(&before, &after);
        let armed = std::mem::take(&mut self.armed);
        for (key, armed) in armed {
            let anew = restarted && matches!(key, Key::Expire(_));
            if !anew && now.iter().any(|timer| timer.key == key) {
                self.armed.insert(key, armed);
            } else {
                self.at_most(armed.since, moment, armed.timer.most);
            }
        }
        self.arm(moment, now);
        self.bound_outages(moment, &before, action, &after);
        self.pace(cluster, moment, action, restarted);
    }

    /// A request is served, or lost with its sender or its connection, within [`PROMPT`].
    fn bound_requests(&mut self, moment: usize, action: &ClusterAction, after: &ClusterState) {
        let served = match action {
            Action::Serve(process, request) | Action::ServeOrphan(process, request) => {
                Some((*process, request))
            }
            _ => None,
        };
        for process in after.processes() {
            let mut known = self.sent.remove(&process).unwrap_or_default();
            if let Some((_, request)) = served.filter(|(served, _)| *served == process) {
                let sent = take(&mut known, request);
                self.gone(sent, Some(request), moment);
            }
            let Outbox { live, orphans } = after.outbox(process);
            let sent = orphans.iter().chain(live);
            let sent = sent.map(|sent| (*sent, take(&mut known, sent).unwrap_or(moment))).collect();
            // A crash or a cut has lost the others.
            known.into_iter().for_each(|(_, sent)| self.gone(Some(sent), None, moment));
            self.sent.insert(process, sent);
        }
    }

    /// A request is no longer on its way. A create may have waited for a free uid slot, which says
    /// nothing about time.
    fn gone(&mut self, sent: Option<usize>, request: Option<&Addressed>, moment: usize) {
        let creates = |sent: &Addressed| matches!(sent.request, Request::CreatePod { .. });
        if let Some(sent) = sent.filter(|_| !request.is_some_and(creates)) {
            self.at_most(sent, moment, Some(timers::seconds(PROMPT)));
        }
    }

    /// Outages that end in time do so.
    fn bound_outages(
        &mut self,
        moment: usize,
        before: &ClusterView<'_>,
        action: &ClusterAction,
        after: &ClusterView<'_>,
    ) {
        if let Some((kind, node)) = timers::silenced(action) {
            let begun = self.outages.remove(&node);
            if let Some(most) = after.config.outage(kind, node).map(timers::seconds) {
                let (since, left) = begun.unwrap_or((moment, 0));
                self.outages.insert(node, (since, left + most));
            }
        }
        for node in after.config.node_ids() {
            let renews = |view: &ClusterView<'_>| view.kubelet(node).renews_lease();
            if !renews(before)
                && renews(after)
                && let Some((since, most)) = self.outages.remove(&node)
            {
                self.at_most(since, moment, Some(most));
            }
        }
    }

    /// NLC-7, NLC-12: a zone's limiter gives one token at a time.
    fn pace(&mut self, cluster: &Cluster, moment: usize, action: &ClusterAction, restarted: bool) {
        let wait = timers::seconds(cluster.config.settings.seconds_per_eviction);
        if let Some(zone) = timers::token_taken(action) {
            if let Some(last) = self.last_token.insert(zone.0, moment) {
                self.at_least(last, moment, wait);
            }
        } else if restarted {
            let zones = 0..cluster.config.zones.len() as u8;
            self.last_token = zones.map(|zone| (zone, moment)).collect();
        } else if timers::is_controller_manager_crash(action) {
            self.last_token.clear();
        }
    }

    fn finish(mut self, last: usize) -> Vec<Bound> {
        for armed in std::mem::take(&mut self.armed).into_values() {
            self.at_most(armed.since, last, armed.timer.most);
        }
        for (since, most) in std::mem::take(&mut self.outages).into_values() {
            self.at_most(since, last, Some(most));
        }
        self.bounds
    }
}

/// Takes a request out of those on their way: when it was sent.
fn take(sent: &mut Vec<(Addressed, usize)>, request: &Addressed) -> Option<usize> {
    let at = sent.iter().position(|(known, _)| known == request)?;
    Some(sent.remove(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bound(earlier: usize, later: usize, least: Millis) -> Bound {
        Bound { earlier, later, least }
    }

    #[test]
    fn the_earliest_times_are_the_longest_waits() {
        let bounds = [bound(0, 1, 0), bound(1, 2, 300), bound(0, 2, 40), bound(2, 3, 0)];
        assert_eq!(earliest(4, &bounds), Ok(vec![0, 0, 300, 300]));
    }

    #[test]
    fn an_upper_bound_pulls_the_earlier_moment_later() {
        // Moment 1 is at most 60 before moment 2, which is at least 300 after the start.
        let bounds = [bound(0, 1, 0), bound(1, 2, 0), bound(0, 2, 300), bound(2, 1, -60)];
        assert_eq!(earliest(3, &bounds), Ok(vec![0, 240, 300]));
    }

    #[test]
    fn a_wait_that_must_be_over_before_it_can_be_is_refused() {
        // Armed at 0, must fire within 60, yet fires after something that takes 300.
        let bounds = [bound(0, 1, 300), bound(1, 2, 0), bound(2, 0, -60)];
        let contradiction = earliest(3, &bounds).unwrap_err();
        assert!(contradiction.iter().all(|bound| bounds.contains(bound)));
        assert_eq!(contradiction.iter().map(|bound| bound.least).sum::<Millis>(), 240);
    }

    #[test]
    fn a_run_without_moments_has_no_times() {
        assert_eq!(earliest(0, &[]), Err(vec![]));
        assert_eq!(earliest(1, &[]), Ok(vec![0]));
    }

    fn satisfied(times: &[Millis], bounds: &[Bound]) -> bool {
        bounds.iter().all(|bound| times[bound.later] >= times[bound.earlier] + bound.least)
    }

    /// Whether small whole numbers satisfy the bounds: with `count` moments and differences of at
    /// most 3, no solution needs more than `3 * count`.
    fn by_trying(count: usize, bounds: &[Bound]) -> Option<Vec<Millis>> {
        let most = 3 * count as Millis;
        let total = (most + 1).pow(count as u32 - 1);
        let decode = |code: Millis| {
            let digits = (0..count as u32 - 1).map(|at| code / (most + 1).pow(at) % (most + 1));
            std::iter::once(0).chain(digits).collect::<Vec<_>>()
        };
        let fitting: Vec<_> =
            (0..total).map(decode).filter(|times| satisfied(times, bounds)).collect();
        let least = |at: usize| fitting.iter().map(|times| times[at]).min();
        (0..count).map(least).collect()
    }

    proptest! {
        #[test]
        fn earliest_times_agree_with_trying_everything(
            random in prop::collection::vec((0usize..4, 0usize..4, -3i64..=3), 0..7)
        ) {
            let mut bounds: Vec<Bound> = (1..4).map(|at| bound(at - 1, at, 0)).collect();
            bounds.extend(random.into_iter().map(|(a, b, least)| bound(a, b, least)));
            let solved = earliest(4, &bounds);
            match &solved {
                Ok(times) => prop_assert!(satisfied(times, &bounds)),
                Err(cycle) => prop_assert!(cycle.iter().map(|b| b.least).sum::<Millis>() > 0),
            }
            prop_assert_eq!(solved.ok(), by_trying(4, &bounds));
        }
    }
}
