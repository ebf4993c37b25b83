//! A protocol of its own: a library lends one book to readers, who ask for it, read, and bring it
//! back. The library tells everybody when it is back. A reader who forgets what he has asked for
//! may ask twice.

use std::collections::VecDeque;

use crate::engine::star::{Context, Inbox, Lag, PartId, ProcessId, Settle, Star, State, StreamId};

/// So many readers; what they have asked for is forgotten so many times.
#[derive(Clone, Debug)]
pub struct Lending {
    pub readers: usize,
    pub forgets: u8,
}

/// The library, then the readers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Local {
    Library { lent_to: Option<usize>, forgets: u8 },
    Reader { asked: bool, has: bool, knows_it_is_back: bool },
}

/// What readers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Borrow,
    Return,
}

/// The answer to one who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply(ProcessId, bool);

const BACK: StreamId = StreamId(0);

impl Lending {
    fn reader<'a>(cx: &'a mut Context<'_, Self>, reader: ProcessId) -> [&'a mut bool; 3] {
        match cx.modify(1 + reader.0) {
            Local::Reader { asked, has, knows_it_is_back } => [asked, has, knows_it_is_back],
            Local::Library { .. } => unreachable!("the library comes first"),
        }
    }
}

/// How many readers have the book.
pub fn holders(state: &State<Lending>) -> usize {
    state.locals().filter(|local| matches!(local, Local::Reader { has: true, .. })).count()
}

impl Star for Lending {
    type Local = Local;
    type Request = Request;
    type Event = ();
    type Internal = (ProcessId, Request);
    type Fault = ProcessId;
    type Task = Reply;
    type Probe = ();

    fn lag(&self) -> Lag {
        Lag::Unbounded
    }

    fn initial(&self) -> Vec<State<Self>> {
        let reader = Local::Reader { asked: false, has: false, knows_it_is_back: true };
        let library = Local::Library { lent_to: None, forgets: self.forgets };
        let actors = std::iter::once(library).chain(vec![reader; self.readers]).collect();
        vec![State::new(actors, vec![Inbox::new(1, true); self.readers])]
    }

    fn internal_parts(&self) -> usize {
        self.readers
    }

    fn internals(&self, at: &State<Self>, part: PartId, out: &mut Vec<(ProcessId, Request)>) {
        let reader = ProcessId(part.0);
        match at.local(1 + part.0) {
            Local::Reader { has: true, asked: false, .. } => out.push((reader, Request::Return)),
            Local::Reader { has: false, asked: false, knows_it_is_back: true } => {
                out.push((reader, Request::Borrow));
            }
            _ => {}
        }
    }

    fn is_of_hub(&self, _: &(ProcessId, Request)) -> bool {
        false
    }

    fn can_serve(&self, _: &State<Self>, _: &Request) -> bool {
        true
    }

    fn fault_parts(&self) -> usize {
        self.readers
    }

    fn faults(&self, at: &State<Self>, part: PartId, out: &mut Vec<ProcessId>) {
        let forgets = matches!(at.local(0), Local::Library { forgets: 1.., .. });
        if forgets && matches!(at.local(1 + part.0), Local::Reader { asked: true, .. }) {
            out.push(ProcessId(part.0));
        }
    }

    fn internal(&self, cx: &mut Context<'_, Self>, &(reader, request): &(ProcessId, Request)) {
        let [asked, _, knows] = Self::reader(cx, reader);
        (*asked, *knows) = (true, false);
        cx.rule(request as u8);
        cx.send(reader, request);
    }

    fn serve(&self, cx: &mut Context<'_, Self>, from: ProcessId, _: bool, request: &Request) {
        let Local::Library { lent_to, .. } = cx.modify(0) else { return };
        let granted = match request {
            Request::Borrow => lent_to.is_none() || *lent_to == Some(from.0),
            Request::Return => *lent_to == Some(from.0),
        };
        if granted {
            *lent_to = (*request == Request::Borrow).then_some(from.0);
        }
        if granted && *request == Request::Return {
            cx.publish(());
        }
        cx.rule(2 + *request as u8);
        cx.then(Reply(from, granted && *request == Request::Borrow));
    }

    fn task(&self, cx: &mut Context<'_, Self>, &Reply(reader, granted): &Reply) {
        let [asked, has, _] = Self::reader(cx, reader);
        (*asked, *has) = (false, granted);
    }

    fn subscribers(&self, (): &(), out: &mut Vec<(ProcessId, StreamId)>) {
        out.extend((0..self.readers).map(|reader| (ProcessId(reader), BACK)));
    }

    fn concerns(&self, _: &State<Self>, _: ProcessId, queue: &VecDeque<()>, (): &()) -> bool {
        queue.is_empty()
    }

    fn observe(&self, cx: &mut Context<'_, Self>, process: ProcessId, (): &()) {
        let [_, _, knows] = Self::reader(cx, process);
        *knows = true;
    }

    fn fault(&self, cx: &mut Context<'_, Self>, reader: &ProcessId) {
        if let Local::Library { forgets, .. } = cx.modify(0) {
            *forgets -= 1;
        }
        let [asked, _, knows] = Self::reader(cx, *reader);
        (*asked, *knows) = (false, true);
    }

    fn settle(&self, _: &mut dyn Settle<Self>) {}

    fn probe(&self, _: &State<Self>, (): &()) -> u64 {
        0
    }

    fn is_quiet(&self, at: &State<Self>) -> bool {
        // Who has not got the book, and does not hear of it again, waits for ever.
        holders(at) == 0
    }
}
