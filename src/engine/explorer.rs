//! Stateright's Explorer over any system: a person walks from state to state in a browser.
//!
//! The Explorer shows a state as its `Debug` text, and asks for the words of an action without
//! saying in which state. States and actions here therefore carry the run that led to them, and a
//! [`Guide`] tells it. The Explorer does not judge properties while one walks; the guide's text of
//! a state says what they come to. Only its button "Run to completion" makes stateright judge them,
//! those of states, on all that is reachable.

use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use ::stateright::{Expectation, Model};

use crate::engine::property::{Kind, Property, Test};
use crate::engine::search::Path;
use crate::engine::system::System;
use crate::engine::trail::Trail;

/// Tells a person what is to be seen.
pub trait Guide<S: System>: Send + Sync + 'static {
    /// The state at the end of a run.
    fn state(&self, system: &S, path: &Path<S>) -> String;

    /// The last step of a run, in a line.
    fn action(&self, system: &S, path: &Path<S>) -> String;

    /// A drawing of a run, in SVG.
    fn drawing(&self, system: &S, path: &Path<S>) -> String;

    /// What a property is called in the list of all properties.
    fn property(&self, name: &str) -> String;
}

/// How many properties the Explorer can list. The functions that judge them are all made in
/// advance: stateright takes nothing but bare functions.
pub const MOST_PROPERTIES: usize = 64;

/// Serves the Explorer; returns only if it fails, by a panic.
///
/// It prefers files in `./ui/` to its own pages: call this in a directory without such.
pub fn serve<S: System>(
    system: S,
    properties: &[Property<S>],
    guide: impl Guide<S>,
    address: SocketAddr,
) {
    let of_states = properties.iter().filter(|known| matches!(known.test, Test::State(_)));
    let listed: Vec<Listed<S>> = of_states
        .take(MOST_PROPERTIES)
        .map(|property| Listed {
            // Once in the life of a process: stateright wants names that live for ever.
            name: Box::leak(guide.property(&property.name).into_boxed_str()),
            property: property.clone(),
        })
        .collect();
    let tour = Arc::new(Tour { system, listed, guide: Box::new(guide) });
    let _ = Walk(tour).checker().serve(address);
}

/// A property of states, with the name that the Explorer shows.
struct Listed<S: System> {
    name: &'static str,
    property: Property<S>,
}

/// What all states of a walk have in common.
struct Tour<S: System> {
    system: S,
    listed: Vec<Listed<S>>,
    guide: Box<dyn Guide<S>>,
}

/// A system as the Explorer sees it. (It shows the name of this type.)
struct Walk<S: System>(Arc<Tour<S>>);

/// A state, and the run that led to it. Only the state is compared and hashed.
struct Place<S: System> {
    tour: Arc<Tour<S>>,
    start: Arc<S::State>,
    trail: Trail<(S::Action, S::State)>,
}

/// Something that can happen in a state.
struct Offer<S: System> {
    at: Place<S>,
    action: S::Action,
}

impl<S: System> Place<S> {
    fn state(&self) -> &S::State {
        self.trail.last().map_or(&self.start, |(_, state)| state)
    }

    fn path(&self) -> Path<S> {
        let steps = self.trail.items().into_iter().cloned().collect();
        Path { start: S::State::clone(&self.start), steps }
    }

    fn after(&self, action: S::Action) -> Self {
        let state = self.tour.system.step(self.state(), &action).state;
        Place { trail: self.trail.then((action, state)), ..self.clone() }
    }
}

impl<S: System> Clone for Place<S> {
    fn clone(&self) -> Self {
        let Place { tour, start, trail } = self;
        Place { tour: Arc::clone(tour), start: Arc::clone(start), trail: trail.clone() }
    }
}

impl<S: System> PartialEq for Place<S> {
    fn eq(&self, other: &Self) -> bool {
        self.state() == other.state()
    }
}

impl<S: System> Hash for Place<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.state().hash(hasher);
    }
}

impl<S: System> Debug for Place<S> {
    /// What the Explorer shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tour.guide.state(&self.tour.system, &self.path()))
    }
}

impl<S: System> Clone for Offer<S> {
    fn clone(&self) -> Self {
        Offer { at: self.at.clone(), action: self.action.clone() }
    }
}

impl<S: System> PartialEq for Offer<S> {
    fn eq(&self, other: &Self) -> bool {
        self.action == other.action
    }
}

impl<S: System> Debug for Offer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.action.fmt(f)
    }
}

impl<S: System> Model for Walk<S> {
    type State = Place<S>;
    type Action = Offer<S>;

    fn init_states(&self) -> Vec<Place<S>> {
        let starts = self.0.system.initial_states().into_iter();
        let place = |start| Place {
            tour: Arc::clone(&self.0),
            start: Arc::new(start),
            trail: Trail::default(),
        };
        starts.map(place).collect()
    }

    fn actions(&self, at: &Place<S>, out: &mut Vec<Offer<S>>) {
        let mut actions = Vec::new();
        self.0.system.actions(at.state(), &mut actions);
        out.extend(actions.into_iter().map(|action| Offer { at: at.clone(), action }));
    }

    fn next_state(&self, before: &Place<S>, offer: Offer<S>) -> Option<Place<S>> {
        Some(before.after(offer.action))
    }

    fn format_action(&self, offer: &Offer<S>) -> String {
        let after = offer.at.after(offer.action.clone());
        self.0.guide.action(&self.0.system, &after.path())
    }

    /// Nothing: the state says it all, and would be hidden behind this.
    fn format_step(&self, _: &Place<S>, _: Offer<S>) -> Option<String> {
        None
    }

    fn as_svg(&self, path: ::stateright::Path<Place<S>, Offer<S>>) -> Option<String> {
        let at = path.last_state();
        Some(self.0.guide.drawing(&self.0.system, &at.path()))
    }

    fn properties(&self) -> Vec<::stateright::Property<Self>> {
        let listed = self.0.listed.iter().zip(judges());
        let property = |(listed, condition): (&Listed<S>, Judge<S>)| {
            let expectation = match listed.property.kind {
                Kind::Sometimes => Expectation::Sometimes,
                Kind::State | Kind::Step => Expectation::Always,
            };
            ::stateright::Property { expectation, name: listed.name, condition }
        };
        listed.map(property).collect()
    }
}

type Judge<S> = fn(&Walk<S>, &Place<S>) -> bool;

/// Whether a state satisfies the property in this place of the list.
fn satisfies<S: System, const AT: usize>(model: &Walk<S>, at: &Place<S>) -> bool {
    let Tour { system, listed, .. } = &*model.0;
    listed.get(AT).is_none_or(|Listed { property, .. }| match &property.test {
        Test::State(test) => test(system, at.state()),
        Test::Step(_) => true,
    })
}

/// One function for each place of the list.
fn judges<S: System>() -> [Judge<S>; MOST_PROPERTIES] {
    macro_rules! eight {
        ($($first:literal)*) => {
            [$(
                satisfies::<S, { $first }>,
                satisfies::<S, { $first + 1 }>,
                satisfies::<S, { $first + 2 }>,
                satisfies::<S, { $first + 3 }>,
                satisfies::<S, { $first + 4 }>,
                satisfies::<S, { $first + 5 }>,
                satisfies::<S, { $first + 6 }>,
                satisfies::<S, { $first + 7 }>,
            )*]
        };
    }
    eight!(0 8 16 24 32 40 48 56)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fingerprint::Fingerprint;
    use crate::engine::system::Step;
    use ::stateright::Checker;

    /// Adds one or two, up to ten.
    struct Sum;

    impl System for Sum {
        type State = u32;
        type Action = u32;

        fn initial_states(&self) -> Vec<u32> {
            vec![0, 5]
        }
        fn actions(&self, state: &u32, out: &mut Vec<u32>) {
            out.extend([1, 2].into_iter().filter(|more| state + more <= 10));
        }
        fn step(&self, state: &u32, action: &u32) -> Step<u32> {
            Step { state: state + action, rules: Vec::new(), error: None }
        }
        fn fingerprint(&self, state: &u32) -> Fingerprint {
            Fingerprint::of(state)
        }
        fn is_fault(&self, _: &u32) -> bool {
            false
        }
        fn is_quiet(&self, _: &u32) -> bool {
            true
        }
    }

    struct Plain;

    impl Guide<Sum> for Plain {
        fn state(&self, _: &Sum, path: &Path<Sum>) -> String {
            let steps: Vec<String> = path.steps.iter().map(|(add, _)| add.to_string()).collect();
            format!("{} after {} + {}", path.end(), path.start, steps.join(" + "))
        }
        fn action(&self, _: &Sum, path: &Path<Sum>) -> String {
            format!("to {}", path.end())
        }
        fn drawing(&self, _: &Sum, path: &Path<Sum>) -> String {
            format!("<svg>{}</svg>", path.steps.len())
        }
        fn property(&self, name: &str) -> String {
            name.to_uppercase()
        }
    }

    fn model(properties: Vec<Property<Sum>>) -> Walk<Sum> {
        let list = |property: Property<Sum>| Listed {
            name: Box::leak(Plain.property(&property.name).into_boxed_str()),
            property,
        };
        let listed = properties.into_iter().map(list).collect();
        Walk(Arc::new(Tour { system: Sum, listed, guide: Box::new(Plain) }))
    }

    #[test]
    fn a_state_tells_the_run_that_led_to_it_and_is_the_same_by_any_other() {
        let model = model(Vec::new());
        let start = model.init_states().swap_remove(1);
        let to_eight = |first: usize| {
            let mut at = start.clone();
            for choice in [first, 1 - first] {
                let mut offers = Vec::new();
                model.actions(&at, &mut offers);
                assert_eq!(model.format_action(&offers[0]), format!("to {}", at.state() + 1));
                at = model.next_state(&at, offers.swap_remove(choice)).unwrap();
            }
            at
        };
        let (one, other) = (to_eight(0), to_eight(1));
        assert_eq!(format!("{one:#?}"), "8 after 5 + 1 + 2");
        assert_eq!(format!("{other:#?}"), "8 after 5 + 2 + 1");
        assert!(one == other && Fingerprint::of(&one) == Fingerprint::of(&other));
    }

    #[test]
    fn every_place_of_the_list_is_judged_by_its_own_property() {
        let properties = (0..MOST_PROPERTIES as u32).map(|at| Property {
            name: format!("not {at}"),
            kind: Kind::State,
            test: Test::State(Arc::new(move |_: &Sum, state: &u32| *state != at)),
        });
        let model = model(properties.collect());
        let names: Vec<_> = model.properties().iter().map(|property| property.name).collect();
        assert_eq!((names[0], names[63], names.len()), ("NOT 0", "NOT 63", 64));
        let checker = model.checker().spawn_bfs().join();
        let mut found: Vec<_> = checker.discoveries().into_keys().collect();
        found.sort_unstable();
        let mut violated: Vec<_> = (0..=10).map(|at| format!("NOT {at}")).collect();
        violated.sort_unstable();
        assert_eq!(found, violated);
    }
}
