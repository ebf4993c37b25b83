//! Ranges of Kubernetes versions, `1.26..1.36`, and where in them something differs.

use std::fmt;
use std::str::FromStr;

use models::version::{Difference, Version};

/// Versions from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first.
    pub first: Version,
    /// The last, not older.
    pub last: Version,
}

impl Range {
    /// All versions that are modelled.
    pub(super) const ALL: Range = Range { first: Version::OLDEST, last: Version::NEWEST };

    /// Its versions, oldest first.
    pub(super) fn versions(self) -> impl Iterator<Item = Version> {
        Version::all().filter(move |version| (self.first..=self.last).contains(version))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(f);
        }
        write!(f, "{}..{}", self.first, self.last)
    }
}

impl FromStr for Range {
    type Err = String;

    /// Reads `1.26..1.36`, or one version alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let range = Range { first: first.parse()?, last: last.parse()? };
        if range.first > range.last {
            return Err(format!("{} is newer than {}", range.first, range.last));
        }
        Ok(range)
    }
}

/// What a version does differently from the one before it.
pub(super) fn new_in(version: Version) -> impl Iterator<Item = Difference> {
    Difference::ALL.into_iter().filter(move |difference| difference.since() == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_with_both_ends() {
        let range: Range = "1.30..1.32".parse().unwrap();
        let minors: Vec<u8> = range.versions().map(Version::minor).collect();
        assert_eq!(minors, [30, 31, 32]);
        assert_eq!(range.to_string(), "1.30..1.32");
        assert_eq!("1.30".parse::<Range>().unwrap().versions().count(), 1);
        for bad in ["", "..", "1.30..", "1.30..1.29", "1.20..1.30", "1.30...1.32", "1.30-1.32"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn neighbours_that_differ_are_known() {
        assert!(new_in(Version::OLDEST).next().is_none());
        assert!(Version::all().any(|version| new_in(version).count() > 1));
    }
}
