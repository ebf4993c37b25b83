//! Stateright's actors as a star: the first of them is the hub, and the others talk to it alone.
//!
//! Each way between the hub and another actor keeps its order, as in stateright's
//! [`Network::new_ordered`](stateright::actor::Network), and nothing is lost. No actor crashes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;

use ::stateright::actor::{Actor, Command, Id, Out};

use crate::engine::star::{
    Context, Inbox, Lag, Outbox, PartId, ProcessId, Settle, Star, State, StreamId, Value,
};

/// An actor that a star can be made of.
pub trait StarActor:
    Actor<
        Msg: Value,
        Timer: Value + Ord,
        Random: Value,
        State: Clone + PartialEq + Hash + Debug + Send + Sync + 'static,
        Storage: Clone + PartialEq + Hash + Debug + Send + Sync + 'static,
    > + Send
    + Sync
    + 'static
{
}

impl<A> StarActor for A where
    A: Actor<
            Msg: Value,
            Timer: Value + Ord,
            Random: Value,
            State: Clone + PartialEq + Hash + Debug + Send + Sync + 'static,
            Storage: Clone + PartialEq + Hash + Debug + Send + Sync + 'static,
        > + Send
        + Sync
        + 'static
{
}

/// A star of actors.
pub struct Actors<A: StarActor>(Vec<A>);

/// What stateright keeps of one actor.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Acting<S, T, R, D> {
    /// Its state.
    pub state: S,
    /// Timers that are set.
    pub timers: BTreeSet<T>,
    /// Choices that are open.
    pub choices: BTreeMap<String, Vec<R>>,
    /// What it has saved.
    pub storage: Option<D>,
}

impl<S: PartialEq, T: Eq, R: Eq, D: PartialEq> Eq for Acting<S, T, R, D> {}

/// What stateright keeps of an actor of this kind.
pub type ActingOf<A> =
    Acting<<A as Actor>::State, <A as Actor>::Timer, <A as Actor>::Random, <A as Actor>::Storage>;

/// What an actor does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Move<T, R> {
    /// A timer fires.
    Timeout(T),
    /// It makes a choice.
    Choose(String, R),
}

const HUB: usize = 0;
const STREAM: StreamId = StreamId(0);

/// Where an actor sends: only the hub sends to others, and all others to the hub.
fn process_of(actor: usize) -> ProcessId {
    ProcessId(actor - 1)
}

fn actor_of(process: ProcessId) -> usize {
    process.0 + 1
}

impl<A: StarActor> Actors<A> {
    /// The first of these actors is the hub.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(actors: Vec<A>) -> Self {
        assert!(!actors.is_empty(), "a star has a hub");
        Actors(actors)
    }

    /// An actor handles something; what it wants done is done.
    fn act(
        &self,
        cx: &mut Context<'_, Self>,
        actor: usize,
        handle: impl FnOnce(&A, &mut Cow<'_, A::State>, &mut Out<A>),
    ) {
        let mut out = Out::new();
        let mut state = Cow::Borrowed(&cx.state().local(actor).state);
        handle(&self.0[actor], &mut state, &mut out);
        if let Cow::Owned(state) = state {
            cx.modify(actor).state = state;
        }
        for command in out {
            match keep::<A>(command, || cx.modify(actor)) {
                Some((to, message)) if actor == HUB && (1..self.0.len()).contains(&to) => {
                    cx.publish((process_of(to), message));
                }
                Some((HUB, message)) if actor != HUB => cx.send(process_of(actor), message),
                Some(_) => cx.error("an actor that is not the hub is sent to by another"),
                None => {}
            }
        }
    }
}

/// Does what an actor wants, if that is its own matter; else it is a message to somebody.
fn keep<'a, A: StarActor>(
    command: Command<A::Msg, A::Timer, A::Random, A::Storage>,
    acting: impl FnOnce() -> &'a mut ActingOf<A>,
) -> Option<(usize, A::Msg)> {
    match command {
        Command::Send(to, message) => return Some((to.into(), message)),
        Command::SetTimer(timer, _) => {
            acting().timers.insert(timer);
        }
        Command::CancelTimer(timer) => {
            acting().timers.remove(&timer);
        }
        Command::ChooseRandom(key, choices) if choices.is_empty() => {
            acting().choices.remove(&key);
        }
        Command::ChooseRandom(key, choices) => {
            acting().choices.insert(key, choices);
        }
        Command::Save(storage) => acting().storage = Some(storage),
    }
    None
}

impl<A: StarActor> Star for Actors<A> {
    type Local = ActingOf<A>;
    type Request = A::Msg;
    type Event = (ProcessId, A::Msg);
    type Internal = (usize, Move<A::Timer, A::Random>);
    type Fault = Infallible;
    type Task = Infallible;
    type Probe = ();

    fn lag(&self) -> Lag {
        Lag::Unbounded
    }

    fn initial(&self) -> Vec<State<Self>> {
        let processes = self.0.len() - 1;
        let outbox = || Outbox { live: VecDeque::new(), orphans: VecDeque::new() };
        let mut outboxes: Vec<Outbox<A::Msg>> =
            std::iter::repeat_with(outbox).take(processes).collect();
        let mut inboxes = vec![Inbox::new(1, true); processes];
        let mut all = Vec::new();
        for (id, actor) in self.0.iter().enumerate() {
            let mut out = Out::new();
            let state = actor.on_start(Id::from(id), &None, &mut out);
            let mut acting =
                Acting { state, timers: BTreeSet::new(), choices: BTreeMap::new(), storage: None };
            for (to, message) in out.into_iter().filter_map(|c| keep::<A>(c, || &mut acting)) {
                assert!((id == HUB) != (to == HUB), "an actor begins with a message past the hub");
                match id {
                    HUB => {
                        let to = process_of(to);
                        let queue = inboxes[to.0].0[STREAM.0].as_mut();
                        queue.expect("streams are connected").push_back((to, message));
                    }
                    _ => outboxes[process_of(id).0].live.push_back(message),
                }
            }
            all.push(acting);
        }
        vec![State::of_parts(all, outboxes, inboxes)]
    }

    fn internal_parts(&self) -> usize {
        self.0.len()
    }

    fn internals(&self, at: &State<Self>, part: PartId, out: &mut Vec<Self::Internal>) {
        let acting = at.local(part.0);
        out.extend(acting.timers.iter().map(|timer| (part.0, Move::Timeout(timer.clone()))));
        for (key, choices) in &acting.choices {
            let choose = |choice: &A::Random| (part.0, Move::Choose(key.clone(), choice.clone()));
            out.extend(choices.iter().map(choose));
        }
    }

    fn is_of_hub(&self, (actor, _): &Self::Internal) -> bool {
        *actor == HUB
    }

    fn can_serve(&self, _: &State<Self>, _: &A::Msg) -> bool {
        true
    }

    fn fault_parts(&self) -> usize {
        0
    }

    fn faults(&self, _: &State<Self>, _: PartId, _: &mut Vec<Infallible>) {}

    fn internal(&self, cx: &mut Context<'_, Self>, (actor, step): &Self::Internal) {
        let id = Id::from(*actor);
        match step {
            Move::Timeout(timer) => {
                cx.modify(*actor).timers.remove(timer);
                self.act(cx, *actor, |a, state, out| a.on_timeout(id, state, timer, out));
            }
            Move::Choose(key, choice) => {
                cx.modify(*actor).choices.remove(key);
                self.act(cx, *actor, |a, state, out| a.on_random(id, state, choice, out));
            }
        }
    }

    fn serve(&self, cx: &mut Context<'_, Self>, from: ProcessId, _: bool, message: &A::Msg) {
        let from = Id::from(actor_of(from));
        let message = message.clone();
        self.act(cx, HUB, |hub, state, out| hub.on_msg(HUB.into(), state, from, message, out));
    }

    fn task(&self, _: &mut Context<'_, Self>, task: &Infallible) {
        match *task {}
    }

    fn subscribers(&self, (to, _): &Self::Event, out: &mut Vec<(ProcessId, StreamId)>) {
        out.push((*to, STREAM));
    }

    fn concerns(
        &self,
        _: &State<Self>,
        _: ProcessId,
        _: &VecDeque<Self::Event>,
        _: &Self::Event,
    ) -> bool {
        true
    }

    fn observe(&self, cx: &mut Context<'_, Self>, process: ProcessId, event: &Self::Event) {
        let (actor, message) = (actor_of(process), event.1.clone());
        let (id, hub) = (Id::from(actor), Id::from(HUB));
        self.act(cx, actor, |a, state, out| a.on_msg(id, state, hub, message, out));
    }

    fn fault(&self, _: &mut Context<'_, Self>, fault: &Infallible) {
        match *fault {}
    }

    fn settle(&self, _: &mut dyn Settle<Self>) {}

    fn probe(&self, _: &State<Self>, (): &()) -> u64 {
        0
    }

    /// Stateright does not ask whether an end is a proper one.
    fn is_quiet(&self, _: &State<Self>) -> bool {
        true
    }
}
