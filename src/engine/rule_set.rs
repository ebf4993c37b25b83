//! Sets of rules, as bits.

/// As many rules as a number of eight bits tells apart.
pub const RULES: usize = 256;

/// A set of rules by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RuleSet([u128; 2]);

impl RuleSet {
    /// The same set with one more rule.
    pub(super) fn with(mut self, rule: u8) -> Self {
        self.0[usize::from(rule >> 7)] |= 1 << (rule & 127);
        self
    }

    /// Takes in all of another set.
    pub(super) fn take_in(&mut self, other: Self) {
        self.0[0] |= other.0[0];
        self.0[1] |= other.0[1];
    }

    /// Its rules.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(half, mut bits)| {
            std::iter::from_fn(move || {
                let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(half * 128 + lowest)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_what_it_took() {
        let rules = [0, 1, 63, 64, 127, 128, 129, 255];
        let mut set = rules[..4].iter().copied().fold(RuleSet::default(), RuleSet::with);
        set.take_in(rules[3..].iter().copied().fold(RuleSet::default(), RuleSet::with));
        assert!(set.iter().eq(rules.into_iter().map(usize::from)));
        assert_eq!(RuleSet::default().iter().count(), 0);
    }
}
