//! A protocol of ordinary stateright actors, through this search and through stateright's own
//! model of actors: the same states, the same verdicts, traces of the same length.
//!
//! A cook gives out the only spoon. Guests ask when they are hungry, eat, and bring it back, or dawdle
//! until he asks for it. A forgetful cook gives out the spoon again while he asks for it.

use std::borrow::Cow;

use ::stateright::actor::{Actor, ActorModel, Id, Network, Out};
use ::stateright::{Checker, Expectation, Model};

use super::*;
use crate::engine::actors::Actors;

const COOK: usize = 0;

#[derive(Clone, Debug)]
enum Person {
    Cook { forgetful: bool },
    Guest { meals: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Word {
    Ask,
    Give,
    Refuse,
    WantBack,
    BringBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Timer {
    Hungry(usize),
    Impatient,
}

#[derive(Clone, Debug, PartialEq, Hash)]
enum Mood {
    Cook { given_to: Option<u64> },
    Guest { has_spoon: bool, meals: u8 },
}

impl Actor for Person {
    type Msg = Word;
    type Timer = Timer;
    type State = Mood;
    type Storage = u8;
    type Random = bool;

    fn on_start(&self, id: Id, _: &Option<u8>, o: &mut Out<Self>) -> Mood {
        match *self {
            Person::Cook { .. } => Mood::Cook { given_to: None },
            Person::Guest { meals } if usize::from(id) == 1 => {
                o.send(COOK.into(), Word::Ask);
                Mood::Guest { has_spoon: false, meals }
            }
            Person::Guest { meals } => {
                o.set_timer(Timer::Hungry(id.into()), Duration::ZERO..Duration::ZERO);
                Mood::Guest { has_spoon: false, meals }
            }
        }
    }

    fn on_msg(&self, id: Id, mood: &mut Cow<'_, Mood>, src: Id, word: Word, o: &mut Out<Self>) {
        match (word, mood.to_mut()) {
            (Word::Ask, Mood::Cook { given_to }) if given_to.is_none() => {
                *given_to = Some(usize::from(src) as u64);
                o.set_timer(Timer::Impatient, Duration::ZERO..Duration::ZERO);
                o.send(src, Word::Give);
            }
            (Word::Ask, _) => o.send(src, Word::Refuse),
            (Word::BringBack, Mood::Cook { given_to })
                if *given_to == Some(usize::from(src) as u64) =>
            {
                *given_to = None;
                o.cancel_timer(Timer::Impatient);
            }
            (Word::Give, Mood::Guest { has_spoon, meals }) => {
                *has_spoon = true;
                o.save(*meals);
                o.choose_random(when(id), vec![false, true]);
            }
            (Word::Refuse, _) => {
                o.set_timer(Timer::Hungry(id.into()), Duration::ZERO..Duration::ZERO)
            }
            (Word::WantBack, Mood::Guest { has_spoon: true, .. }) => {
                o.remove_random(when(id));
                bring_back(id, mood.to_mut(), o);
            }
            _ => {}
        }
    }

    fn on_timeout(&self, _: Id, mood: &mut Cow<'_, Mood>, timer: &Timer, o: &mut Out<Self>) {
        match (timer, mood.to_mut(), self) {
            (Timer::Hungry(_), Mood::Guest { .. }, _) => o.send(COOK.into(), Word::Ask),
            (Timer::Impatient, Mood::Cook { given_to }, Person::Cook { forgetful }) => {
                if let Some(guest) = *given_to {
                    o.send((guest as usize).into(), Word::WantBack);
                }
                if *forgetful {
                    *given_to = None;
                }
            }
            _ => {}
        }
    }

    fn on_random(&self, id: Id, mood: &mut Cow<'_, Mood>, at_once: &bool, o: &mut Out<Self>) {
        if *at_once {
            bring_back(id, mood.to_mut(), o);
        }
    }
}

/// Choices, as timers, have names of their own for each actor: stateright's hash of a state does not
/// tell who has which.
fn when(id: Id) -> String {
    format!("when {}", usize::from(id))
}

fn bring_back(id: Id, mood: &mut Mood, o: &mut Out<Person>) {
    let Mood::Guest { has_spoon, meals } = mood else { return };
    *has_spoon = false;
    o.send(COOK.into(), Word::BringBack);
    if *meals > 0 {
        *meals -= 1;
        o.set_timer(Timer::Hungry(id.into()), Duration::ZERO..Duration::ZERO);
    }
}

fn people(guests: usize, forgetful: bool) -> Vec<Person> {
    let guests = (0..guests).map(|guest| Person::Guest { meals: 1 + (guest % 2) as u8 });
    std::iter::once(Person::Cook { forgetful }).chain(guests).collect()
}

fn eating<'a>(moods: impl Iterator<Item = &'a Mood>) -> usize {
    moods.filter(|mood| matches!(mood, Mood::Guest { has_spoon: true, .. })).count()
}

/// Unique states, and how long the way to two guests who eat is, by stateright's model of actors.
fn by_stateright(guests: usize, forgetful: bool) -> (u64, Option<usize>) {
    let model = || {
        ActorModel::new((), ())
            .actors(people(guests, forgetful))
            .init_network(Network::new_ordered([]))
    };
    let all = model().property(Expectation::Always, "true", |_, _| true);
    let states = all.checker().spawn_bfs().join().unique_state_count();
    let one_spoon = model().property(Expectation::Always, "one spoon", |_, state| {
        eating(state.actor_states.iter().map(AsRef::as_ref)) < 2
    });
    let found = one_spoon.checker().spawn_bfs().join();
    let length = found.discovery("one spoon").map(|path| path.into_actions().len());
    (states as u64, length)
}

/// The same by this search.
fn by_look_up(guests: usize, forgetful: bool, threads: usize) -> (u64, Option<usize>) {
    let system = StarSystem(Actors::new(people(guests, forgetful)));
    let one_spoon = of_states::<Actors<Person>>(Kind::State, |state| {
        eating(state.locals().map(|acting| &acting.state)) < 2
    });
    let options = Options { threads, ..Options::default() };
    let outcome = search(&system, &[one_spoon], &options, FINE);
    assert!(outcome.complete && outcome.error.is_none());
    (outcome.states, outcome.findings[0].path.as_ref().map(|path| path.steps.len()))
}

#[test]
fn actors_of_stateright_are_searched_as_stateright_searches_them() {
    for (guests, forgetful) in [(1, false), (2, false), (2, true), (3, false), (3, true)] {
        let expected = by_stateright(guests, forgetful);
        assert_eq!(expected.1.is_some(), forgetful && guests > 1);
        for threads in [1, 3] {
            assert_eq!(by_look_up(guests, forgetful, threads), expected, "{guests} {forgetful}");
        }
    }
}

#[test]
fn past_the_hub_nobody_is_talked_to() {
    struct Gossip;
    impl Actor for Gossip {
        type Msg = ();
        type Timer = ();
        type State = ();
        type Storage = ();
        type Random = ();
        fn on_start(&self, id: Id, _: &Option<()>, o: &mut Out<Self>) {
            if usize::from(id) == 1 {
                o.set_timer((), Duration::ZERO..Duration::ZERO);
            }
        }
        fn on_timeout(&self, _: Id, _: &mut Cow<'_, ()>, (): &(), o: &mut Out<Self>) {
            o.send(2.into(), ());
        }
    }
    let system = StarSystem(Actors::new(vec![Gossip, Gossip, Gossip]));
    let outcome = breadth_first(&system, &[], &Options::default());
    assert!(matches!(outcome.error, Some(ModelError::Unhandled(..))));
}
