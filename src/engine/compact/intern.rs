//! Numbers for contents: equal contents of a slot have one number, whoever asks first.
//!
//! Which number a content gets depends on who came first, so nothing that is shown may depend on
//! it. Everything here is asked only when something happens for the first time.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{PoisonError, RwLock};

use crate::engine::fingerprint::{Fingerprint, Slot, StableHasher};
use crate::engine::star::{ContentOf, Star, State, Value};

type Stable = BuildHasherDefault<StableHasher>;

/// Values, numbered from 0.
pub(super) struct Numbers<T>(RwLock<Numbered<T>>);

struct Numbered<T> {
    numbers: HashMap<T, u32, Stable>,
    values: Vec<T>,
}

impl<T: Value> Numbers<T> {
    pub(super) fn new() -> Self {
        Numbers(RwLock::new(Numbered { numbers: HashMap::default(), values: Vec::new() }))
    }

    /// The number of a value.
    pub(super) fn number(&self, value: &T) -> u32 {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = known.numbers.get(value) {
            return number;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(known.values.len()).expect("fewer than 2^32 values");
        let number = *known.numbers.entry(value.clone()).or_insert(next);
        if number == next {
            known.values.push(value.clone());
        }
        number
    }

    /// The value of a number.
    pub(super) fn value(&self, number: u32) -> T {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.values[number as usize].clone()
    }
}

/// The contents of all slots, numbered slot by slot.
pub(super) struct Contents<S: Star> {
    columns: RwLock<Vec<Column<S>>>,
    processes: usize,
}

struct Column<S: Star> {
    numbers: HashMap<Fingerprint, u32, Stable>,
    contents: Vec<Slot<ContentOf<S>>>,
}

impl<S: Star> Contents<S> {
    /// Room for states of `slots` slots.
    pub(super) fn new(slots: usize, processes: usize) -> Self {
        let column = || Column { numbers: HashMap::default(), contents: Vec::new() };
        let columns = std::iter::repeat_with(column).take(slots).collect();
        Contents { columns: RwLock::new(columns), processes }
    }

    /// The number of a content of a slot.
    ///
    /// # Panics
    /// If two different contents of a slot have the same fingerprint.
    pub(super) fn number(&self, slot: usize, content: &Slot<ContentOf<S>>) -> u32 {
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        let Column { numbers, contents } = &mut columns[slot];
        let next = contents.len() as u32;
        let number = *numbers.entry(content.fingerprint()).or_insert(next);
        if number == next {
            contents.push(content.clone());
        }
        assert!(contents[number as usize] == *content, "two contents have one fingerprint");
        number
    }

    /// The numbers of a whole state.
    pub(super) fn numbers(&self, state: &State<S>) -> Vec<u32> {
        state.slots().iter().enumerate().map(|(slot, content)| self.number(slot, content)).collect()
    }

    /// The content of a number.
    pub(super) fn content(&self, slot: usize, number: u32) -> Slot<ContentOf<S>> {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        columns[slot].contents[number as usize].clone()
    }

    /// The state of these numbers.
    pub(super) fn state(&self, ids: &[u32]) -> State<S> {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        let content = |(column, id): (&Column<S>, &u32)| column.contents[*id as usize].clone();
        State::of_slots(columns.iter().zip(ids).map(content).collect(), self.processes)
    }

    /// The slots that have the most contents, most first.
    pub(super) fn largest(&self, slots: usize) -> Vec<usize> {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|&slot| std::cmp::Reverse(columns[slot].contents.len()));
        order.truncate(slots);
        order
    }
}
