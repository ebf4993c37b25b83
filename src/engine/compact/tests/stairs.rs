//! A star whose states can be counted by hand: everybody climbs stairs of his own, and waves to the
//! hub from the top.

use std::collections::VecDeque;

use super::*;
use crate::engine::reach::{Group, Layout, Reach};
use crate::engine::star::{Context, Inbox, Lag, PartId, Settle, StreamId};

const STEPS: u8 = 3;

/// So many climb; whether it is hidden that they wave.
struct Stairs(usize, bool);

impl Star for Stairs {
    /// How often somebody waved, or how many steps are left.
    type Local = u8;
    type Request = ();
    type Event = ();
    type Internal = ProcessId;
    type Fault = ();
    type Task = ();
    type Probe = ();

    fn lag(&self) -> Lag {
        Lag::Unbounded
    }

    fn initial(&self) -> Vec<State<Self>> {
        let climbers = std::iter::repeat_n(STEPS, self.0);
        let actors = std::iter::once(0).chain(climbers).collect();
        vec![State::new(actors, vec![Inbox::new(0, true); self.0])]
    }

    fn internal_parts(&self) -> usize {
        self.0
    }

    fn internals(&self, at: &State<Self>, part: PartId, out: &mut Vec<ProcessId>) {
        out.extend((*at.local(1 + part.0) > 0).then_some(ProcessId(part.0)));
    }

    fn is_of_hub(&self, _: &ProcessId) -> bool {
        false
    }

    fn can_serve(&self, _: &State<Self>, (): &()) -> bool {
        true
    }

    fn fault_parts(&self) -> usize {
        0
    }

    fn faults(&self, _: &State<Self>, _: PartId, _: &mut Vec<()>) {}

    fn internal(&self, cx: &mut Context<'_, Self>, climber: &ProcessId) {
        let left = cx.modify(1 + climber.0);
        *left -= 1;
        if *left == 0 {
            cx.send(*climber, ());
        }
    }

    fn serve(&self, cx: &mut Context<'_, Self>, _: ProcessId, _: bool, (): &()) {
        *cx.modify(0) += 1;
    }

    fn task(&self, _: &mut Context<'_, Self>, (): &()) {}

    fn subscribers(&self, (): &(), _: &mut Vec<(ProcessId, StreamId)>) {}

    fn concerns(&self, _: &State<Self>, _: ProcessId, _: &VecDeque<()>, (): &()) -> bool {
        false
    }

    fn observe(&self, _: &mut Context<'_, Self>, _: ProcessId, (): &()) {}

    fn fault(&self, _: &mut Context<'_, Self>, (): &()) {}

    fn settle(&self, _: &mut dyn Settle<Self>) {}

    fn probe(&self, _: &State<Self>, (): &()) -> u64 {
        0
    }

    fn is_quiet(&self, _: &State<Self>) -> bool {
        true
    }

    fn reach(&self, group: Group, layout: Layout) -> Option<Reach> {
        let writes = match group {
            Group::Serve(_) => layout.actor(0),
            Group::Internals(PartId(part)) => {
                let outbox = if self.1 { 0 } else { layout.outbox(ProcessId(part)) };
                layout.actor(1 + part) | outbox
            }
            Group::Observe(_) | Group::Faults(_) => 0,
        };
        Some(Reach { writes, ..Reach::default() })
    }
}

fn states(property: impl Fn(&State<Stairs>) -> bool + Send + Sync + 'static, all: bool) -> u64 {
    let property = of_states::<Stairs>(Kind::Sometimes, property);
    let options = Options { persistent: !all, ..Options::default() };
    let found = breadth_first(&StarSystem(Stairs(4, false)), &[property], &options);
    assert!(found.complete && found.error.is_none());
    assert_eq!(found.findings[0].verdict, Verdict::Reachable);
    assert_eq!(found.postponed > 0, found.states < 5u64.pow(4));
    found.states
}

#[test]
fn steps_that_nobody_sees_are_taken_one_after_the_other() {
    // Each climber: on one of three steps, at the top, or there and has waved.
    assert_eq!(states(|state| *state.local(0) == 4, true), 5u64.pow(4));
    // Who climbs when does not matter, so each step makes one state; who waves when does, for that
    // is what is seen: any of sixteen have waved.
    assert_eq!(states(|state| *state.local(0) == 4, false), 4 * 3 + 16);
}

#[test]
fn steps_that_somebody_sees_are_taken_in_every_order() {
    let sees_all = |state: &State<Stairs>| state.locals().skip(1).all(|left| *left == 0);
    assert_eq!(states(sees_all, false), 5u64.pow(4));
}

#[test]
#[should_panic(expected = "touches more than its star says")]
fn a_star_that_says_too_little_is_noticed() {
    let options = Options { persistent: true, ..Options::default() };
    breadth_first(&StarSystem(Stairs(2, true)), &[], &options);
}
