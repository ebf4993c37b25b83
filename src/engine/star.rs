//! The star: processes that talk to one hub and to nobody else.
//!
//! Towards the hub, a process has one FIFO of requests; from the hub, one FIFO of watch events per
//! stream. A reply is handled in the step that serves the request: what a process does next on it
//! waits in its request FIFO, where everything else can overtake it, and events still lag behind
//! replies. A crash drops the inbox and a nondeterministic suffix of the outbox; what stays may be
//! served later, its reply lost. A cut drops both.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};

use crate::engine::fingerprint::{Fingerprint, Slot};
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

/// What a star is made of.
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

    /// The dial of watch lag.
    fn lag(&self) -> Lag;

    /// Start states: actors and links.
    fn initial(&self) -> Vec<(Vec<Self::Local>, Vec<LinkOf<Self>>)>;

    /// The internal steps that are enabled.
    fn internals(&self, at: &State<Self>, out: &mut Vec<Self::Internal>);

    /// Whether an internal step is the hub's: it then waits for lagging streams.
    fn is_of_hub(&self, step: &Self::Internal) -> bool;

    /// Whether the hub can serve this request now (it may lack what the request needs).
    fn can_serve(&self, at: &State<Self>, request: &Self::Request) -> bool;

    /// The faults that are enabled.
    fn faults(&self, at: &State<Self>, out: &mut Vec<Self::Fault>);

    /// An actor takes a step.
    fn internal(&self, cx: &mut Context<'_, Self>, step: &Self::Internal);

    /// The hub serves a request, and its sender, if it still lives, handles the reply.
    fn serve(
        &self,
        cx: &mut Context<'_, Self>,
        from: ProcessId,
        orphan: bool,
        request: &Self::Request,
    );

    /// Which streams get an event.
    fn subscribers(
        &self,
        at: &State<Self>,
        event: &Self::Event,
        out: &mut Vec<(ProcessId, StreamId)>,
    );

    /// A process takes an event from one of its streams.
    fn observe(&self, cx: &mut Context<'_, Self>, process: ProcessId, event: &Self::Event);

    /// A fault strikes.
    fn fault(&self, cx: &mut Context<'_, Self>, fault: &Self::Fault);

    /// Called at the end of each step, for history variables that no handler reads.
    fn remember(&self, cx: &mut Context<'_, Self>);

    /// Whether a state in which nothing but faults can happen is a proper end.
    fn is_quiet(&self, at: &State<Self>) -> bool;
}

/// The channels between one process and the hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link<R, E> {
    /// Requests on their way, oldest first.
    pub outbox: VecDeque<R>,
    /// Requests of a process that has died, still on their way.
    pub orphans: VecDeque<R>,
    /// Events on their way, by stream; none while the stream is not connected.
    pub streams: Vec<Option<VecDeque<E>>>,
}

/// The link of a star.
pub type LinkOf<S> = Link<<S as Star>::Request, <S as Star>::Event>;

impl<R, E: Clone> Link<R, E> {
    /// A link with this many streams, all connected or none.
    pub fn new(streams: usize, connected: bool) -> Self {
        Link {
            outbox: VecDeque::new(),
            orphans: VecDeque::new(),
            streams: vec![connected.then(VecDeque::new); streams],
        }
    }
}

/// A state of the star.
pub struct State<S: Star> {
    actors: Vec<Slot<S::Local>>,
    links: Vec<Slot<LinkOf<S>>>,
}

impl<S: Star> Debug for State<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.locals()).entries(self.links()).finish()
    }
}

impl<S: Star> Clone for State<S> {
    fn clone(&self) -> Self {
        State { actors: self.actors.clone(), links: self.links.clone() }
    }
}

impl<S: Star> PartialEq for State<S> {
    fn eq(&self, other: &Self) -> bool {
        self.actors == other.actors && self.links == other.links
    }
}

impl<S: Star> Eq for State<S> {}

impl<S: Star> Hash for State<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint().hash(hasher);
    }
}

impl<S: Star> State<S> {
    /// A state of these actors and links.
    pub fn new(actors: Vec<S::Local>, links: Vec<LinkOf<S>>) -> Self {
        State {
            actors: actors.into_iter().map(Slot::new).collect(),
            links: links.into_iter().map(Slot::new).collect(),
        }
    }

    /// The local state of an actor.
    pub fn local(&self, actor: usize) -> &S::Local {
        self.actors[actor].get()
    }

    /// All actors' local states.
    pub fn locals(&self) -> impl Iterator<Item = &S::Local> {
        self.actors.iter().map(Slot::get)
    }

    /// The channels of a process.
    pub fn link(&self, process: ProcessId) -> &LinkOf<S> {
        self.links[process.0].get()
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = &LinkOf<S>> {
        self.links.iter().map(Slot::get)
    }

    /// The content hash, combined from those of the slots.
    pub fn fingerprint(&self) -> Fingerprint {
        let actors = self.actors.iter().map(Slot::fingerprint);
        let links = self.links.iter().map(Slot::fingerprint);
        let slots = actors.chain(links).enumerate();
        slots.map(|(at, slot)| slot.at(at)).fold(Fingerprint::default(), Fingerprint::and)
    }
}

/// What can happen in a star.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action<I, F> {
    /// The hub serves the oldest request of a process.
    Serve(ProcessId),
    /// The hub serves a request whose sender has died.
    ServeOrphan(ProcessId),
    /// A process takes the oldest event of a stream.
    Observe(ProcessId, StreamId),
    /// An actor takes a step.
    Internal(I),
    /// A fault strikes.
    Fault(F),
}

/// The action of a star.
pub type ActionOf<S> = Action<<S as Star>::Internal, <S as Star>::Fault>;

/// A state being changed by one step, and what the step says of itself.
pub struct Context<'a, S: Star> {
    star: &'a S,
    state: State<S>,
    rules: Vec<u8>,
    events: Vec<S::Event>,
    sent: Vec<(ProcessId, S::Request)>,
    error: Option<&'static str>,
}

impl<'a, S: Star> Context<'a, S> {
    fn new(star: &'a S, state: &State<S>) -> Self {
        Context {
            star,
            state: state.clone(),
            rules: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            error: None,
        }
    }

    /// The state as it is in the middle of the step.
    pub fn state(&self) -> &State<S> {
        &self.state
    }

    /// Gives the local state of an actor for changing.
    pub fn modify(&mut self, actor: usize) -> &mut S::Local {
        self.state.actors[actor].modify()
    }

    /// The local state of an actor, to be read while another one is changed.
    pub fn share(&self, actor: usize) -> Slot<S::Local> {
        self.state.actors[actor].clone()
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

    fn modify_link(&mut self, process: ProcessId) -> &mut LinkOf<S> {
        self.state.links[process.0].modify()
    }

    /// Ends the step: slots that were changed get their fingerprints.
    fn seal(&mut self, before: &State<S>) {
        for (slot, before) in self.state.actors.iter_mut().zip(&before.actors) {
            if !slot.is_shared_with(before) {
                slot.seal(before);
            }
        }
        for (slot, before) in self.state.links.iter_mut().zip(&before.links) {
            if !slot.is_shared_with(before) {
                slot.seal(before);
            }
        }
    }

    /// A process sends a request.
    pub fn send(&mut self, process: ProcessId, request: S::Request) {
        self.sent.push((process, request.clone()));
        self.modify_link(process).outbox.push_back(request);
    }

    /// The hub announces a change: it enters the streams of its subscribers, or is taken at once.
    pub fn publish(&mut self, event: S::Event) {
        self.events.push(event.clone());
        let mut subscribers = Vec::new();
        self.star.subscribers(&self.state, &event, &mut subscribers);
        for (process, stream) in subscribers {
            if self.state.link(process).streams[stream.0].is_none() {
                continue;
            }
            if self.star.lag() == Lag::Fresh {
                self.star.observe(self, process, &event);
            } else if let Some(queue) = &mut self.modify_link(process).streams[stream.0] {
                queue.push_back(event.clone());
            }
        }
    }

    /// A stream is connected: events reach the process from now on.
    pub fn connect(&mut self, process: ProcessId, stream: StreamId) {
        self.modify_link(process).streams[stream.0] = Some(VecDeque::new());
    }

    /// The process is cut off: everything on its way is lost, in both directions.
    pub fn cut(&mut self, process: ProcessId) {
        let link = self.modify_link(process);
        link.outbox.clear();
        link.orphans.clear();
        link.streams.iter_mut().for_each(|stream| *stream = None);
    }

    /// The process dies; the first `kept` of its requests stay on their way.
    pub fn crash(&mut self, process: ProcessId, kept: usize) {
        let link = self.modify_link(process);
        let sent = std::mem::take(&mut link.outbox);
        link.orphans.extend(sent.into_iter().take(kept));
        link.streams.iter_mut().for_each(|stream| *stream = None);
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

impl<S: Star> StarSystem<S> {
    /// Takes a step and tells everything that it did.
    pub fn detail(&self, state: &State<S>, action: &ActionOf<S>) -> Detail<S> {
        let star = &self.0;
        let mut cx = Context::new(star, state);
        match action {
            Action::Serve(process) => match cx.modify_link(*process).outbox.pop_front() {
                Some(request) => star.serve(&mut cx, *process, false, &request),
                None => cx.error("the hub was to serve a process that asks nothing"),
            },
            Action::ServeOrphan(process) => match cx.modify_link(*process).orphans.pop_front() {
                Some(request) => star.serve(&mut cx, *process, true, &request),
                None => cx.error("the hub was to serve a dead process that asked nothing"),
            },
            Action::Observe(process, stream) => {
                let queue = cx.modify_link(*process).streams[stream.0].as_mut();
                match queue.and_then(VecDeque::pop_front) {
                    Some(event) => star.observe(&mut cx, *process, &event),
                    None => cx.error("a process was to take an event from an empty stream"),
                }
            }
            Action::Internal(step) => star.internal(&mut cx, step),
            Action::Fault(fault) => star.fault(&mut cx, fault),
        }
        star.remember(&mut cx);
        cx.seal(state);
        let step = Step { state: cx.state, rules: cx.rules, error: cx.error };
        Detail { step, events: cx.events, sent: cx.sent }
    }

    /// Whether the hub waits for a stream that is as far behind as it may be.
    fn hub_waits(&self, state: &State<S>) -> bool {
        let Lag::AtMost(bound) = self.0.lag() else { return false };
        let mut streams = state.links().flat_map(|link| &link.streams).flatten();
        streams.any(|queue| queue.len() >= bound)
    }
}

impl<S: Star> System for StarSystem<S> {
    type State = State<S>;
    type Action = ActionOf<S>;

    fn initial_states(&self) -> Vec<State<S>> {
        self.0.initial().into_iter().map(|(actors, links)| State::new(actors, links)).collect()
    }

    fn actions(&self, state: &State<S>, out: &mut Vec<ActionOf<S>>) {
        let hub_waits = self.hub_waits(state);
        for (link, process) in state.links().zip((0..).map(ProcessId)) {
            if !hub_waits {
                if link.outbox.front().is_some_and(|request| self.0.can_serve(state, request)) {
                    out.push(Action::Serve(process));
                }
                if link.orphans.front().is_some_and(|request| self.0.can_serve(state, request)) {
                    out.push(Action::ServeOrphan(process));
                }
            }
            for (queue, stream) in link.streams.iter().zip((0..).map(StreamId)) {
                if queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
                    out.push(Action::Observe(process, stream));
                }
            }
        }
        let mut internals = Vec::new();
        self.0.internals(state, &mut internals);
        internals.retain(|step| !hub_waits || !self.0.is_of_hub(step));
        out.extend(internals.into_iter().map(Action::Internal));
        let mut faults = Vec::new();
        self.0.faults(state, &mut faults);
        out.extend(faults.into_iter().map(Action::Fault));
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
