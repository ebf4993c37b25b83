//! Results of checks, for people ([`text`]) and for programs ([`json`]).

pub mod assumptions;
pub mod json;
pub mod text;

use std::time::Duration;

use models::guarantees::Guarantee;
use models::version::Version;

use crate::engine::property::Verdict;
use crate::scenario::{ExpectedVerdict, Warning};
use crate::story::Story;

/// The result of checking one scenario.
pub struct Report {
    /// Name of the scenario.
    pub scenario: String,
    /// One line about it.
    pub title: String,
    /// Where it stands.
    pub file: String,
    /// The version that was checked.
    pub kubernetes: Version,
    /// The watch mode, as a scenario file writes it.
    pub watch: String,
    /// The engine that searched.
    pub engine: &'static str,
    /// Whether its traces are shortest ones.
    pub shortest: bool,
    /// Unique states.
    pub states: u64,
    /// Transitions.
    pub transitions: u64,
    /// Length of the longest shortest run.
    pub depth: u32,
    /// Time used.
    pub elapsed: Duration,
    /// Whether all reachable states were seen.
    pub complete: bool,
    /// Why not, if not.
    pub stopped: Option<&'static str>,
    /// Bits of the hash by which a state is known again.
    pub hash_bits: u32,
    /// At most this probable is it that two states were taken for one.
    pub collision_odds: f64,
    /// What the verdicts rest on.
    pub assumptions: Vec<String>,
    /// What the input sets and the check does not take into account.
    pub warnings: Vec<Warning>,
    /// One per property.
    pub verdicts: Vec<Judged>,
    /// An error of the model itself.
    pub error: Option<ModelFailure>,
    /// How often each rule was implemented by a transition, by its index.
    pub rule_counts: Vec<u64>,
    /// The lags that were searched, one after the other, if it was deepened.
    pub levels: Vec<Level>,
}

/// A search at one lag of several.
pub struct Level {
    /// The watch mode.
    pub watch: String,
    /// Unique states.
    pub states: u64,
    /// Time used.
    pub elapsed: Duration,
    /// Whether all reachable states were seen.
    pub complete: bool,
    /// Why not, if not.
    pub stopped: Option<&'static str>,
}

/// The verdict on one property.
pub struct Judged {
    /// The property.
    pub guarantee: &'static Guarantee,
    /// Whether Kubernetes promises it in this version.
    pub promised: bool,
    /// What the scenario expects.
    pub expected: Option<ExpectedVerdict>,
    /// Why it expects that.
    pub because: Option<String>,
    /// What came out.
    pub verdict: Verdict,
    /// Runs that decide the property, but fit no timing.
    pub rejected: u32,
    /// A run that shows it.
    pub trace: Option<Trace>,
    /// The watch mode at which it came out, the largest for what holds, if several were searched.
    pub watch: Option<String>,
}

/// An actor got a message that it cannot handle, or the model came to a halt.
pub struct ModelFailure {
    /// What happened.
    pub message: String,
    /// The run that leads there.
    pub trace: Trace,
}

/// A run, told.
pub struct Trace {
    /// Its steps and tables.
    pub story: Story,
    /// The command that shows it again.
    pub again: String,
    /// Whether it has the writes of workload status, so that those tables are as they would be.
    pub has_workload_status: bool,
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Everything is as expected.
    AsExpected,
    /// The search ended before it could tell.
    Incomplete,
    /// Something is not as expected, or a promise is broken.
    NotAsExpected,
}

impl Conclusion {
    /// The exit code. (2 is for input that cannot be checked.)
    pub fn exit_code(self) -> u8 {
        match self {
            Conclusion::AsExpected => 0,
            Conclusion::NotAsExpected => 1,
            Conclusion::Incomplete => 3,
        }
    }

    /// The more important one.
    pub fn and(self, other: Self) -> Self {
        let rank = |conclusion| match conclusion {
            Conclusion::AsExpected => 0,
            Conclusion::Incomplete => 1,
            Conclusion::NotAsExpected => 2,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl Judged {
    /// Whether the verdict is the expected one; without an expectation, whether no promise is
    /// broken.
    pub fn conclusion(&self) -> Conclusion {
        let undecided = matches!(self.verdict, Verdict::Unknown | Verdict::NotChecked);
        match self.expected {
            Some(expected) if expected.word() == self.verdict.word() => Conclusion::AsExpected,
            _ if undecided => Conclusion::Incomplete,
            Some(_) => Conclusion::NotAsExpected,
            None if self.promised && self.verdict == Verdict::Violated => Conclusion::NotAsExpected,
            None => Conclusion::AsExpected,
        }
    }
}

impl Report {
    /// What the verdicts come to, all together.
    pub fn conclusion(&self) -> Conclusion {
        let search = match (&self.error, self.complete) {
            (Some(_), _) => Conclusion::NotAsExpected,
            (None, false) => Conclusion::Incomplete,
            (None, true) => Conclusion::AsExpected,
        };
        self.verdicts.iter().map(Judged::conclusion).fold(search, Conclusion::and)
    }
}

/// A scenario that was left out.
pub struct Skipped {
    /// Its name.
    pub scenario: String,
    /// Where it stands.
    pub file: String,
    /// Why it is left out.
    pub because: String,
    /// The command that checks it.
    pub command: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::guarantees;

    fn judged(promised: bool, expected: Option<ExpectedVerdict>, verdict: Verdict) -> Conclusion {
        let guarantee = &guarantees::ALL[0];
        let judged = Judged {
            guarantee,
            promised,
            expected,
            because: None,
            verdict,
            rejected: 0,
            trace: None,
            watch: None,
        };
        judged.conclusion()
    }

    #[test]
    fn an_expectation_decides_even_against_a_promise() {
        let expected = Some(ExpectedVerdict::Violated);
        assert_eq!(judged(true, expected, Verdict::Violated), Conclusion::AsExpected);
        assert_eq!(judged(true, expected, Verdict::Holds), Conclusion::NotAsExpected);
        assert_eq!(judged(true, expected, Verdict::Unknown), Conclusion::Incomplete);
        let expected = Some(ExpectedVerdict::Unknown);
        assert_eq!(judged(false, expected, Verdict::Unknown), Conclusion::AsExpected);
    }

    #[test]
    fn without_expectation_only_a_broken_promise_counts() {
        assert_eq!(judged(true, None, Verdict::Violated), Conclusion::NotAsExpected);
        assert_eq!(judged(false, None, Verdict::Violated), Conclusion::AsExpected);
        assert_eq!(judged(false, None, Verdict::Unreachable), Conclusion::AsExpected);
        assert_eq!(judged(true, None, Verdict::NotChecked), Conclusion::Incomplete);
    }

    #[test]
    fn what_is_wrong_comes_before_what_is_not_known() {
        let all = [Conclusion::AsExpected, Conclusion::Incomplete, Conclusion::NotAsExpected];
        let worst = all.into_iter().reduce(Conclusion::and);
        assert_eq!(worst, Some(Conclusion::NotAsExpected));
        assert_eq!(all.into_iter().rev().reduce(Conclusion::and), worst);
        assert_eq!(all.map(Conclusion::exit_code), [0, 3, 1]);
    }
}
