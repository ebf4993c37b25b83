//! Stars whose behaviour is a table of random numbers.

use std::collections::VecDeque;

use itertools::Itertools;
use proptest::prelude::*;

use crate::engine::reach::{Group, Layout, Reach};
use crate::engine::star::{
    Context, Inbox, Lag, PartId, ProcessId, Settle, Star, State, StreamId, Symmetries, Symmetry,
};

/// How many values an actor, a request or an event can have.
pub const VALUES: u8 = 4;

/// A star of two to four processes. Everything it does is looked up in `table`.
#[derive(Clone, Debug)]
pub struct Generated {
    pub processes: usize,
    pub lag: Lag,
    pub table: Vec<u8>,
    /// How many requests the hub answers with an event, and how many faults there are.
    pub budget: u8,
    /// Processes that do the same, whichever they are; they may be renamed.
    pub alike: bool,
    /// Nothing touches more than it must: some actions may wait for others. What processes do takes
    /// its time: so many faults may strike.
    pub loose: Option<u8>,
    /// A mistake: the first process does something else, and may be renamed nevertheless.
    pub odd_first: bool,
    /// Whether its renamings pay is to be found out.
    pub doubted: bool,
}

/// The state of an actor: first the hub, then who counts, then the processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    pub value: u8,
    pub left: u8,
}

/// Part of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    Reply(ProcessId, u8),
    Count(u8),
}

/// What can strike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    Crash(ProcessId, usize),
    Cut(ProcessId),
    Connect(ProcessId),
}

const HUB: usize = 0;
const COUNTER: usize = 1;

fn actor(process: ProcessId) -> usize {
    2 + process.0
}

impl Generated {
    /// A number of the table that depends on these.
    fn roll(&self, what: &[u8]) -> u8 {
        let mix = |sum: usize, &word: &u8| sum * 31 + word as usize + 1;
        self.table[what.iter().fold(7, mix) % self.table.len()]
    }

    /// What a process is called where it is asked what it does.
    fn who(&self, process: ProcessId) -> u8 {
        match process.0 {
            0 if self.odd_first => 1,
            _ if self.alike => 0,
            number => number as u8,
        }
    }

    fn value(&self, what: &[u8]) -> u8 {
        self.roll(what) % VALUES
    }

    /// A new value for a process, and perhaps a request.
    fn react(&self, cx: &mut Context<'_, Self>, process: ProcessId, why: u8, with: u8) {
        let old = cx.state().local(actor(process)).value;
        let what = [10, self.who(process), old, why, with];
        cx.modify(actor(process)).value = self.value(&what);
        // In a loose star, processes have something to do by themselves, too.
        let sends = self.roll(&what) % 64 > if self.loose.is_some() { 30 } else { 20 };
        if sends && cx.state().outbox(process).live.len() < 2 {
            cx.send(process, self.roll(&what) / 64);
        }
        cx.rule(old * 2 + why);
    }
}

impl Star for Generated {
    type Local = Local;
    type Request = u8;
    type Event = u8;
    type Internal = (ProcessId, u8);
    type Fault = Fault;
    type Task = Task;
    type Probe = (u8, ProcessId);

    fn lag(&self) -> Lag {
        self.lag
    }

    fn initial(&self) -> Vec<State<Self>> {
        let left = self.budget;
        let actors = vec![Local { value: 0, left }; 2 + self.processes];
        let mut actors = actors;
        if let Some(faults) = self.loose {
            actors[COUNTER].left = faults;
        }
        let mut other = actors.clone();
        other[COUNTER].value = 1;
        let inboxes = vec![Inbox::new(2, true); self.processes];
        vec![State::new(actors, inboxes.clone()), State::new(other, inboxes)]
    }

    fn internal_parts(&self) -> usize {
        self.processes
    }

    fn internals(&self, at: &State<Self>, part: PartId, out: &mut Vec<(ProcessId, u8)>) {
        let process = ProcessId(part.0);
        let value = at.local(actor(process)).value;
        let roll = self.roll(&[1, self.who(process), value]);
        // What is read depends on what was read before.
        let begins = match self.loose {
            Some(_) => roll & 48 != 0,
            None => roll & 1 == 1 && at.local(COUNTER).value >= roll / 128,
        };
        if begins {
            out.push((process, 0));
        }
        if roll & 6 == 6 && (roll & 8 == 0 || at.outbox(process).live.is_empty()) {
            out.push((process, 1));
        }
    }

    fn is_of_hub(&self, step: &(ProcessId, u8)) -> bool {
        step.1 == 1
    }

    fn overtakes(&self, later: &u8, earlier: &u8) -> bool {
        later != earlier && self.roll(&[5, *later, *earlier]) & 3 != 0
    }

    fn rank(&self, request: &u8) -> u8 {
        // Apart stands only what overtakes all others, and is overtaken by all.
        let apart = |one: u8| {
            let mut others = (0..VALUES).filter(|other| *other != one);
            others.all(|other| self.overtakes(&one, &other) && self.overtakes(&other, &one))
        };
        if apart(*request) { 1 + *request } else { 0 }
    }

    fn can_serve(&self, at: &State<Self>, request: &u8) -> bool {
        let roll = self.roll(&[2, *request]);
        roll > 60 || self.loose.is_some() || at.locals().any(|local| local.value == roll / 64)
    }

    fn fault_parts(&self) -> usize {
        self.processes
    }

    fn faults(&self, at: &State<Self>, part: PartId, out: &mut Vec<Fault>) {
        let process = ProcessId(part.0);
        if at.local(COUNTER).left == 0 {
            return;
        }
        if self.roll(&[3, self.who(process)]) < 128 {
            let sent = at.outbox(process).live.len();
            out.extend((0..=sent).map(|kept| Fault::Crash(process, kept)));
        } else if at.inbox(process).0[0].is_some() {
            out.push(Fault::Cut(process));
        } else {
            out.push(Fault::Connect(process));
        }
    }

    fn internal(&self, cx: &mut Context<'_, Self>, &(process, which): &(ProcessId, u8)) {
        self.react(cx, process, 0, which);
        if which == 1 && self.loose.is_none() {
            cx.publish(self.value(&[4, cx.state().local(HUB).value]));
        }
    }

    fn serve(&self, cx: &mut Context<'_, Self>, from: ProcessId, orphan: bool, request: &u8) {
        let hub = cx.state().local(HUB).clone();
        let what = [5, hub.value, *request, u8::from(orphan)];
        let value = self.value(&what);
        if hub.left > 0 && value != hub.value {
            *cx.modify(HUB) = Local { value, left: hub.left - 1 };
            cx.publish(self.roll(&what) / 64);
        }
        if self.roll(&[6, value, *request]) == 77 {
            cx.error("a request that nobody can answer");
        }
        cx.rule(20 + *request);
        if !orphan {
            cx.then(Task::Reply(from, value));
        }
    }

    fn task(&self, cx: &mut Context<'_, Self>, task: &Task) {
        match *task {
            Task::Reply(process, value) => {
                self.react(cx, process, 1, value);
                if self.loose.is_none()
                    && self.roll(&[7, value]) < 64
                    && process.0 > 0
                    && !self.alike
                {
                    let (local, other) = cx.modify_beside(actor(process), actor(ProcessId(0)));
                    local.value = (local.value + other.get().value) % VALUES;
                }
            }
            Task::Count(value) => {
                cx.modify(COUNTER).value = value;
                cx.rule(40 + value);
            }
        }
    }

    fn subscribers(&self, event: &u8, out: &mut Vec<(ProcessId, StreamId)>) {
        let all = (0..self.processes).map(ProcessId);
        let few = if self.loose.is_some() { 190 } else { 80 };
        let told = all.filter(|process| self.roll(&[8, *event, self.who(*process)]) > few);
        out.extend(told.map(|process| (process, StreamId(usize::from(*event % 2)))));
    }

    fn concerns(
        &self,
        at: &State<Self>,
        process: ProcessId,
        queue: &VecDeque<u8>,
        event: &u8,
    ) -> bool {
        self.loose.is_some()
            || queue.len() < 2 && (*event < 2 || at.local(actor(process)).value != *event)
    }

    fn observe(&self, cx: &mut Context<'_, Self>, process: ProcessId, event: &u8) {
        self.react(cx, process, 0, 10 + *event);
    }

    fn fault(&self, cx: &mut Context<'_, Self>, fault: &Fault) {
        cx.modify(COUNTER).left -= 1;
        cx.rule(60);
        match *fault {
            Fault::Crash(process, kept) => {
                cx.crash(process, |at| at < kept);
                cx.modify(actor(process)).value = 0;
                cx.connect(process, StreamId(0));
            }
            Fault::Cut(process) => cx.cut(process),
            Fault::Connect(process) => cx.connect(process, StreamId(0)),
        }
    }

    fn settle(&self, at: &mut dyn Settle<Self>) {
        if self.loose.is_some() {
            return;
        }
        let mut sum = 0;
        for process in (0..self.processes).map(ProcessId) {
            let answer = at.probe((0, process));
            if answer == 3 && !self.alike {
                break;
            }
            sum += answer;
        }
        let count = self.value(&[9, sum as u8]);
        if at.probe((1, ProcessId(0))) != u64::from(count) && sum != 1 {
            at.run(Task::Count(count));
        }
        if sum == 1 && !self.alike && at.probe((0, ProcessId(1))) == 2 {
            at.run(Task::Reply(ProcessId(1), count));
            if at.probe((1, ProcessId(0))) == 2 {
                at.run(Task::Count(3));
            }
        }
    }

    fn probe(&self, at: &State<Self>, probe: &(u8, ProcessId)) -> u64 {
        let (what, process) = *probe;
        match what {
            0 => {
                let value = at.local(actor(process)).value;
                let waits = value == 1 && !at.inbox(process).is_empty();
                u64::from(value) + u64::from(waits)
            }
            _ => u64::from(at.local(COUNTER).value),
        }
    }

    fn is_quiet(&self, at: &State<Self>) -> bool {
        // Nearly always: a deadlock ends the search.
        let sum: u8 = at.locals().map(|local| local.value).sum();
        self.roll(&[11, sum]) > 60
    }

    fn reach(&self, group: Group, layout: Layout) -> Option<Reach> {
        self.loose?;
        let own = |process| layout.actor(actor(process)) | layout.outbox(process);
        let mut reach = Reach::default();
        match group {
            Group::Serve(process) => {
                reach.writes = own(process) | layout.actor(HUB);
                let mut told = Vec::new();
                (0..VALUES).for_each(|event| self.subscribers(&event, &mut told));
                if self.lag == Lag::Fresh {
                    let told =
                        told.iter().map(|(process, _)| own(*process) | layout.inbox(*process));
                    reach.writes |= told.fold(0, |told, slots| told | slots);
                } else {
                    reach.pushes = told;
                }
            }
            Group::Observe(process) => reach.writes = own(process),
            Group::Internals(PartId(part)) => reach.writes = own(ProcessId(part)),
            Group::Faults(PartId(part)) => {
                let process = ProcessId(part);
                reach.writes = own(process) | layout.inbox(process) | layout.actor(COUNTER);
            }
        }
        Some(reach)
    }

    fn symmetries(&self) -> Symmetries<Self> {
        let processes = self.processes;
        let others = (0..processes).permutations(processes).skip(1);
        let symmetry = |to: Vec<usize>| -> Box<Symmetry<Self>> {
            Box::new(move |slot, content| match slot.checked_sub(actor(ProcessId(0))) {
                None => (slot, content.clone()),
                // After the hub and the counter: actors, outboxes, inboxes, as many of each.
                Some(at) => {
                    let slot = slot - at % processes + to[at % processes];
                    (slot, content.clone())
                }
            })
        };
        let all = if self.alike { others.map(symmetry).collect() } else { Vec::new() };
        match self.doubted {
            true => Symmetries { sure: Vec::new(), others: all },
            false => Symmetries { sure: all, others: Vec::new() },
        }
    }
}

/// How far watch streams may be behind.
fn lag() -> impl Strategy<Value = Lag> {
    prop_oneof![Just(Lag::Fresh), (1..3usize).prop_map(Lag::AtMost), Just(Lag::Unbounded)]
}

/// Any star.
pub fn stars() -> impl Strategy<Value = Generated> {
    let table = proptest::collection::vec(any::<u8>(), 97);
    (2..=4usize, lag(), table, 0..3u8).prop_map(|(processes, lag, table, budget)| Generated {
        processes,
        lag,
        table,
        budget,
        alike: false,
        loose: None,
        odd_first: false,
        doubted: false,
    })
}

/// Any star of which the processes are alike.
pub fn stars_of_alike() -> impl Strategy<Value = Generated> {
    let few = |mut star: Generated| {
        (star.processes, star.alike) = (star.processes.min(3), true);
        star
    };
    stars().prop_map(few)
}

/// Any star in which little is touched.
pub fn loose_stars() -> impl Strategy<Value = Generated> {
    (stars(), any::<bool>(), 0..2u8, 1..4u8).prop_map(|(star, alike, faults, budget)| Generated {
        processes: star.processes.min(3),
        loose: Some(faults),
        alike,
        budget,
        ..star
    })
}
