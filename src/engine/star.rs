//! The star: processes that talk to one hub and to nobody else.
//!
//! Towards the hub, a process has its requests, of which one may overtake another if the star says
//! so; from the hub, one FIFO of watch events per stream. A reply is handled in the step that serves
//! the request: what a process does next on it waits among its requests, where everything else can
//! overtake it, and events still lag behind replies. A crash drops the inbox and some of the requests; what stays may be served later, its
//! reply lost. A cut drops both.
//!
//! A state is a row of slots: the actors, then the outboxes, then the inboxes of the processes. A
//! step is cut into tasks, each of which touches few slots, and looks at the whole through probes,
//! each of which reads few. Every state records which of its slots are read, so that an engine can
//! remember what a task or probe came to, and be right for all states that agree on those slots.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;

use crate::engine::fingerprint::{Fingerprint, Slot};
use crate::engine::reach::{Group, Layout, Reach};
pub use crate::engine::slots::{Content, ContentOf, Inbox, MAX_SLOTS, Outbox, State};
use crate::engine::system::{Step, System};

/// What the star asks of its contents.
pub trait Value: Clone + Eq + Hash + Debug + Send + Sync + 'static {}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> Value for T {}

/// How far watch streams may be behind the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// A write and its delivery are one step.
    Fresh,
    /// The hub waits while some connected stream has this many events undelivered.
    AtMost(usize),
    /// Without bound.
    Unbounded,
}

/// A spoke of the star.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub usize);

/// A watch stream of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub usize);

/// A group of internal steps, or of faults, that read the same slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub usize);

/// What a star is made of. All methods are functions of their arguments.
pub trait Star: Sized + Send + Sync + 'static {
    /// The state of one actor.
    type Local: Value;
    /// A request, with whatever the reply needs to find its way.
    type Request: Value;
    /// A watch event.
    type Event: Value;
    /// A step that an actor takes by itself: a timer, or work on a dirty key.
    type Internal: Value;
    /// Something that happens from outside.
    type Fault: Value;
    /// A part of a step that is done after what came before it in the same step.
    type Task: Value;
    /// A question about a state.
    type Probe: Value;

    /// The dial of watch lag.
    fn lag(&self) -> Lag;

    /// Start states.
    fn initial(&self) -> Vec<State<Self>>;

    /// How many groups of internal steps there are.
    fn internal_parts(&self) -> usize;

    /// The internal steps of one group that are enabled.
    fn internals(&self, at: &State<Self>, part: PartId, out: &mut Vec<Self::Internal>);

    /// Whether an internal step is the hub's: it then waits for lagging streams.
    fn is_of_hub(&self, step: &Self::Internal) -> bool;

    /// Whether a fault is a step of the hub's, which waits for lagging streams.
    fn fault_is_of_hub(&self, _: &Self::Fault) -> bool {
        false
    }

    /// Whether the hub may serve a request before one that the same process sent earlier: if its
    /// parts do not wait for each other's replies.
    fn overtakes(&self, _later: &Self::Request, _earlier: &Self::Request) -> bool {
        false
    }

    /// Where a request stands among those on their way: those of equal rank as they were sent, so
    /// that the rest of their order, which nobody can tell, tells no states apart. Requests of which
    /// one does not overtake the other have one rank; a symmetry changes none.
    fn rank(&self, _: &Self::Request) -> u8 {
        0
    }

    /// Whether the hub can serve this request now (it may lack what the request needs).
    fn can_serve(&self, at: &State<Self>, request: &Self::Request) -> bool;

    /// How many groups of faults there are.
    fn fault_parts(&self) -> usize;

    /// The faults of one group that are enabled.
    fn faults(&self, at: &State<Self>, part: PartId, out: &mut Vec<Self::Fault>);

    /// An actor takes a step.
    fn internal(&self, cx: &mut Context<'_, Self>, step: &Self::Internal);

    /// The hub serves a request; its sender, if it still lives, handles the reply in a task.
    fn serve(
        &self,
        cx: &mut Context<'_, Self>,
        from: ProcessId,
        orphan: bool,
        request: &Self::Request,
    );

    /// A part of a step.
    fn task(&self, cx: &mut Context<'_, Self>, task: &Self::Task);

    /// Which streams an event may concern.
    fn subscribers(&self, event: &Self::Event, out: &mut Vec<(ProcessId, StreamId)>);

    /// Whether an event tells a process anything that it reads; `queue` are those before it.
    fn concerns(
        &self,
        at: &State<Self>,
        process: ProcessId,
        queue: &VecDeque<Self::Event>,
        event: &Self::Event,
    ) -> bool;

    /// A process takes an event from one of its streams.
    fn observe(&self, cx: &mut Context<'_, Self>, process: ProcessId, event: &Self::Event);

    /// A fault strikes.
    fn fault(&self, cx: &mut Context<'_, Self>, fault: &Self::Fault);

    /// The end of each step: for history variables that no handler reads, and for clocks.
    fn settle(&self, at: &mut dyn Settle<Self>);

    /// Answers a question about a state.
    fn probe(&self, at: &State<Self>, probe: &Self::Probe) -> u64;

    /// Whether a state in which nothing but faults can happen is a proper end.
    fn is_quiet(&self, at: &State<Self>) -> bool;

    /// Renamings under which what can happen, and what is checked, stays the same.
    fn symmetries(&self) -> Symmetries<Self> {
        Symmetries { sure: Vec::new(), others: Vec::new() }
    }

    /// What the actions of a group may touch, whatever the state; if it is not known, everything.
    /// What is renamed by a symmetry reaches what its new name does.
    fn reach(&self, _: Group, _: Layout) -> Option<Reach> {
        None
    }
}

/// A renaming: what becomes of a content of a slot, and in which slot it is then.
pub type Symmetry<S> = dyn Fn(usize, &ContentOf<S>) -> (usize, ContentOf<S>) + Send + Sync;

/// Renamings: a group, but for the one that changes nothing.
pub struct Symmetries<S: Star> {
    /// Those that pay, a group by themselves.
    pub sure: Vec<Box<Symmetry<S>>>,
    /// Those that may pay or not: a search finds out.
    pub others: Vec<Box<Symmetry<S>>>,
}

/// The requests on the way from a process that the hub may serve now.
pub fn served<S: Star>(
    star: &S,
    state: &State<S>,
    process: ProcessId,
) -> impl Iterator<Item = ActionOf<S>> {
    let of = |queue: &VecDeque<S::Request>| -> Vec<S::Request> {
        let first = |&(at, request): &(usize, &S::Request)| {
            let mut earlier = queue.iter().take(at);
            earlier.all(|earlier| earlier != request && star.overtakes(request, earlier))
                && star.can_serve(state, request)
        };
        queue.iter().enumerate().filter(first).map(|(_, request)| request.clone()).collect()
    };
    let Outbox { live, orphans } = state.outbox(process);
    let (live, orphans) = (of(live).into_iter(), of(orphans).into_iter());
    live.map(move |request| Action::Serve(process, request))
        .chain(orphans.map(move |request| Action::ServeOrphan(process, request)))
}

/// Puts a request among those on their way.
fn enter<S: Star>(star: &S, queue: &mut VecDeque<S::Request>, request: S::Request) {
    let rank = star.rank(&request);
    let at = queue.partition_point(|sent| star.rank(sent) <= rank);
    queue.insert(at, request);
}

/// Takes a request out of those on their way.
fn take<R: PartialEq>(queue: &mut VecDeque<R>, request: &R) -> bool {
    let at = queue.iter().position(|sent| sent == request);
    at.and_then(|at| queue.remove(at)).is_some()
}

/// The end of a step, as [`Star::settle`] sees it.
pub trait Settle<S: Star> {
    /// Asks about the state as it is now.
    fn probe(&mut self, probe: S::Probe) -> u64;
    /// Changes it.
    fn run(&mut self, task: S::Task);
}

/// What can happen in a star.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action<I, F, R> {
    /// The hub serves a request of a process; of equal ones the oldest.
    Serve(ProcessId, R),
    /// The hub serves a request whose sender has died.
    ServeOrphan(ProcessId, R),
    /// A process takes the oldest event of a stream.
    Observe(ProcessId, StreamId),
    /// An actor takes a step.
    Internal(I),
    /// A fault strikes.
    Fault(F),
}

/// The action of a star.
pub type ActionOf<S> = Action<<S as Star>::Internal, <S as Star>::Fault, <S as Star>::Request>;

/// What is still to be done in a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pending<E, T> {
    /// A stream takes an event up, or its process does at once.
    Deliver(ProcessId, StreamId, E),
    /// A task of the star.
    Task(T),
}

/// What is still to be done in a step of a star.
pub(super) type PendingOf<S> = Pending<<S as Star>::Event, <S as Star>::Task>;

/// A state being changed by one step, and what the step says of itself.
pub struct Context<'a, S: Star> {
    star: &'a S,
    pub(super) state: State<S>,
    pub(super) rules: Vec<u8>,
    pub(super) pending: VecDeque<PendingOf<S>>,
    pub(super) error: Option<&'static str>,
    /// The inbox from which the step took an event.
    pub(super) popped: u64,
    events: Vec<S::Event>,
    sent: Vec<(ProcessId, S::Request)>,
}

impl<'a, S: Star> Context<'a, S> {
    pub(super) fn new(star: &'a S, state: State<S>) -> Self {
        Context {
            star,
            state,
            rules: Vec::new(),
            pending: VecDeque::new(),
            error: None,
            popped: 0,
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// The state as it is in the middle of the step.
    pub fn state(&self) -> &State<S> {
        &self.state
    }

    /// Gives the local state of an actor for changing.
    pub fn modify(&mut self, actor: usize) -> &mut S::Local {
        self.state.local_mut(actor)
    }

    /// Takes two actors: one for changing, one to be read meanwhile.
    pub fn modify_beside(&mut self, actor: usize, other: usize) -> (&mut S::Local, Shared<S>) {
        self.state.reads.mark(other);
        let other = Shared(self.state.slots[other].clone());
        (self.state.local_mut(actor), other)
    }

    /// Names a rule that the step implements.
    pub fn rule(&mut self, rule: u8) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// Records a message that could not be handled.
    pub fn error(&mut self, what: &'static str) {
        self.error = Some(what);
    }

    /// Does this after all that is still to be done in this step.
    pub fn then(&mut self, task: S::Task) {
        self.pending.push_back(Pending::Task(task));
    }

    /// Ends the step: slots that were changed get their fingerprints.
    pub(super) fn seal(&mut self, before: &State<S>) {
        for (slot, before) in self.state.slots.iter_mut().zip(&before.slots) {
            if !slot.is_shared_with(before) {
                slot.seal(before);
            }
        }
    }

    /// A process sends a request.
    pub fn send(&mut self, process: ProcessId, request: S::Request) {
        self.sent.push((process, request.clone()));
        let star = self.star;
        enter(star, &mut self.state.outbox_mut(process).live, request);
    }

    /// The hub announces a change: it enters the streams of its subscribers, or is taken at once.
    pub fn publish(&mut self, event: S::Event) {
        self.events.push(event.clone());
        let mut subscribers = Vec::new();
        self.star.subscribers(&event, &mut subscribers);
        let deliveries = subscribers.into_iter();
        self.pending.extend(
            deliveries.map(|(process, stream)| Pending::Deliver(process, stream, event.clone())),
        );
    }

    fn deliver(&mut self, process: ProcessId, stream: StreamId, event: &S::Event) {
        let Some(queue) = &self.state.inbox(process).0[stream.0] else { return };
        if !self.star.concerns(&self.state, process, queue, event) {
            return;
        }
        if self.star.lag() == Lag::Fresh {
            self.star.observe(self, process, event);
        } else if let Some(queue) = &mut self.state.inbox_mut(process).0[stream.0] {
            queue.push_back(event.clone());
        }
    }

    /// A stream is connected: events reach the process from now on.
    pub fn connect(&mut self, process: ProcessId, stream: StreamId) {
        self.state.inbox_mut(process).0[stream.0] = Some(VecDeque::new());
    }

    /// The process is cut off: everything on its way is lost, in both directions.
    pub fn cut(&mut self, process: ProcessId) {
        let outbox = self.state.outbox_mut(process);
        outbox.live.clear();
        outbox.orphans.clear();
        self.state.inbox_mut(process).0.iter_mut().for_each(|stream| *stream = None);
    }

    /// The process dies; of its requests, counted as they stand, those `kept` stay on their way.
    pub fn crash(&mut self, process: ProcessId, kept: impl Fn(usize) -> bool) {
        let star = self.star;
        let outbox = self.state.outbox_mut(process);
        let sent = std::mem::take(&mut outbox.live);
        for (_, request) in sent.into_iter().enumerate().filter(|(at, _)| kept(*at)) {
            enter(star, &mut outbox.orphans, request);
        }
        self.state.inbox_mut(process).0.iter_mut().for_each(|stream| *stream = None);
    }

    /// Begins an action.
    pub(super) fn begin(&mut self, action: &ActionOf<S>) {
        let star = self.star;
        match action {
            Action::Serve(process, request) => {
                match take(&mut self.state.outbox_mut(*process).live, request) {
                    true => star.serve(self, *process, false, request),
                    false => self.error("the hub was to serve a process that does not ask this"),
                }
            }
            Action::ServeOrphan(process, request) => {
                match take(&mut self.state.outbox_mut(*process).orphans, request) {
                    true => star.serve(self, *process, true, request),
                    false => self.error("the hub was to serve what no dead process has asked"),
                }
            }
            Action::Observe(process, stream) => {
                let (event, slot) = self.state.pop(*process, stream.0);
                self.popped = slot;
                match event {
                    Some(event) => star.observe(self, *process, &event),
                    None => self.error("a process was to take an event from an empty stream"),
                }
            }
            Action::Internal(step) => star.internal(self, step),
            Action::Fault(fault) => star.fault(self, fault),
        }
    }

    /// Does one of the things that are still to be done.
    pub(super) fn go_on(&mut self, pending: &PendingOf<S>) {
        match pending {
            Pending::Deliver(process, stream, event) => self.deliver(*process, *stream, event),
            Pending::Task(task) => self.star.task(self, task),
        }
    }

    fn finish(&mut self) {
        while let Some(pending) = self.pending.pop_front() {
            self.go_on(&pending);
        }
    }
}

impl<S: Star> Settle<S> for Context<'_, S> {
    fn probe(&mut self, probe: S::Probe) -> u64 {
        self.star.probe(&self.state, &probe)
    }

    fn run(&mut self, task: S::Task) {
        self.star.task(self, &task);
        self.finish();
    }
}

/// An actor that is read while another one is changed.
pub struct Shared<S: Star>(Slot<ContentOf<S>>);

impl<S: Star> Shared<S> {
    /// The actor.
    pub fn get(&self) -> &S::Local {
        match self.0.get() {
            Content::Actor(local) => local,
            other => unreachable!("the first slots hold actors, not {other:?}"),
        }
    }
}

/// A step with everything that it did, for stories.
pub struct Detail<S: Star> {
    /// The step.
    pub step: Step<State<S>>,
    /// The events that the hub announced, in order.
    pub events: Vec<S::Event>,
    /// The requests that were sent.
    pub sent: Vec<(ProcessId, S::Request)>,
}

/// A star as a [`System`].
pub struct StarSystem<S: Star>(pub S);

/// An action that is possible, and whether it waits for lagging streams.
pub(super) struct Possible<S: Star> {
    pub(super) action: ActionOf<S>,
    pub(super) of_hub: bool,
}

impl<S: Star> StarSystem<S> {
    /// Takes a step and tells everything that it did.
    pub fn detail(&self, state: &State<S>, action: &ActionOf<S>) -> Detail<S> {
        let mut cx = Context::new(&self.0, state.clone());
        cx.begin(action);
        cx.finish();
        self.0.settle(&mut cx);
        cx.seal(state);
        let step = Step { state: cx.state, rules: cx.rules, error: cx.error };
        Detail { step, events: cx.events, sent: cx.sent }
    }

    /// Whether the hub waits for a stream of this process that is as far behind as it may be.
    pub(super) fn hub_waits_for(&self, state: &State<S>, process: ProcessId) -> bool {
        let Lag::AtMost(bound) = self.0.lag() else { return false };
        state.inbox(process).0.iter().flatten().any(|queue| queue.len() >= bound)
    }

    /// What can happen in the channels of a process.
    pub(super) fn channel_actions(
        &self,
        state: &State<S>,
        process: ProcessId,
        out: &mut Vec<Possible<S>>,
    ) {
        for action in served(&self.0, state, process) {
            out.push(Possible { action, of_hub: true });
        }
        for (queue, stream) in state.inbox(process).0.iter().zip((0..).map(StreamId)) {
            if queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
                out.push(Possible { action: Action::Observe(process, stream), of_hub: false });
            }
        }
    }

    /// The internal steps of one group.
    pub(super) fn internal_actions(
        &self,
        state: &State<S>,
        part: PartId,
        out: &mut Vec<Possible<S>>,
    ) {
        let mut steps = Vec::new();
        self.0.internals(state, part, &mut steps);
        out.extend(steps.into_iter().map(|step| Possible {
            of_hub: self.0.is_of_hub(&step),
            action: Action::Internal(step),
        }));
    }

    /// The faults of one group.
    pub(super) fn fault_actions(&self, state: &State<S>, part: PartId, out: &mut Vec<Possible<S>>) {
        let mut faults = Vec::new();
        self.0.faults(state, part, &mut faults);
        out.extend(faults.into_iter().map(|fault| Possible {
            of_hub: self.0.fault_is_of_hub(&fault),
            action: Action::Fault(fault),
        }));
    }
}

impl<S: Star> System for StarSystem<S> {
    type State = State<S>;
    type Action = ActionOf<S>;

    fn initial_states(&self) -> Vec<State<S>> {
        self.0.initial()
    }

    fn actions(&self, state: &State<S>, out: &mut Vec<ActionOf<S>>) {
        let mut possible = Vec::new();
        for process in state.processes() {
            self.channel_actions(state, process, &mut possible);
        }
        for part in (0..self.0.internal_parts()).map(PartId) {
            self.internal_actions(state, part, &mut possible);
        }
        for part in (0..self.0.fault_parts()).map(PartId) {
            self.fault_actions(state, part, &mut possible);
        }
        let hub_waits = state.processes().any(|process| self.hub_waits_for(state, process));
        possible.retain(|possible| !(hub_waits && possible.of_hub));
        out.extend(possible.into_iter().map(|possible| possible.action));
    }

    fn step(&self, state: &State<S>, action: &ActionOf<S>) -> Step<State<S>> {
        self.detail(state, action).step
    }

    fn fingerprint(&self, state: &State<S>) -> Fingerprint {
        state.fingerprint()
    }

    fn is_fault(&self, action: &ActionOf<S>) -> bool {
        matches!(action, Action::Fault(_))
    }

    fn is_quiet(&self, state: &State<S>) -> bool {
        self.0.is_quiet(state)
    }
}
