//! Lists that share their beginnings: how each of many states was reached.

use std::sync::Arc;

/// A list that grows at its end. Copies are cheap, and share what they have in common.
pub struct Trail<T>(Option<Arc<Link<T>>>);

struct Link<T> {
    item: T,
    length: u32,
    before: Trail<T>,
}

impl<T> Clone for Trail<T> {
    fn clone(&self) -> Self {
        Trail(self.0.clone())
    }
}

impl<T> Default for Trail<T> {
    /// Without items.
    fn default() -> Self {
        Trail(None)
    }
}

impl<T> Trail<T> {
    /// How many items it has.
    pub fn length(&self) -> u32 {
        self.0.as_ref().map_or(0, |link| link.length)
    }

    /// The same list with one item more.
    pub fn then(&self, item: T) -> Self {
        Trail(Some(Arc::new(Link { item, length: self.length() + 1, before: self.clone() })))
    }

    /// The last item.
    pub fn last(&self) -> Option<&T> {
        self.0.as_ref().map(|link| &link.item)
    }

    /// All items, the first one first.
    pub fn items(&self) -> Vec<&T> {
        let mut items = Vec::with_capacity(self.length() as usize);
        let mut next = &self.0;
        while let Some(link) = next {
            items.push(&link.item);
            next = &link.before.0;
        }
        items.reverse();
        items
    }
}

impl<T> Drop for Trail<T> {
    /// One link after the other: a depth-first run is longer than a stack is deep.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.before.0.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_their_beginning_and_go_on_by_themselves() {
        let common = Trail::default().then(1).then(2);
        let (left, right) = (common.then(3), common.then(4).then(5));
        assert_eq!((left.items(), right.items()), (vec![&1, &2, &3], vec![&1, &2, &4, &5]));
        assert_eq!((common.length(), right.length(), right.last()), (2, 4, Some(&5)));
        assert_eq!(Trail::<u8>::default().items(), Vec::<&u8>::new());
    }

    #[test]
    fn a_long_list_is_dropped_without_a_deep_stack() {
        let long = (0..100_000).fold(Trail::default(), |list: Trail<u32>, item| list.then(item));
        let other = long.then(0);
        drop(long);
        assert_eq!(other.length(), 100_001);
    }
}
