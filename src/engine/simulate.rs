//! Random runs. The same seed gives the same run for ever: the generator is part of this file, and
//! so is every way in which its numbers are used.

use crate::engine::search::Path;
use crate::engine::system::System;

/// xoshiro256** 1.0, seeded by splitmix64, both by Blackman and Vigna.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        let mut next = || {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = counter;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Random { state: [next(), next(), next(), next()] }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`, which is not 0. Every number is as likely, but for 1 in 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        let scaled = u128::from(self.next_u64()) * bound as u128;
        (scaled >> 64) as usize
    }
}

/// Why a random run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing can happen any more, and nobody wants anything.
    Quiet,
    /// Nothing can happen any more, and somebody still wants something: an error of the model.
    Deadlock,
    /// An actor got a message that it cannot handle: an error of the model.
    Unhandled(&'static str),
    /// As many steps as asked for.
    Steps,
}

/// A random run.
pub struct RandomRun<S: System> {
    /// What happened.
    pub path: Path<S>,
    /// Why it ended.
    pub end: End,
}

/// One fault among this many steps, while anything else can happen.
pub const STEPS_PER_FAULT: usize = 20;

/// One run of at most `steps` steps. Faults are rare, so that what follows from one is seen before
/// the next; they also come when nothing else can happen.
///
/// None if the system has no initial state.
pub fn random_run<S: System>(system: &S, seed: u64, steps: usize) -> Option<RandomRun<S>> {
    let mut random = Random::new(seed);
    let mut starts = system.initial_states();
    if starts.is_empty() {
        return None;
    }
    let start = starts.swap_remove(random.below(starts.len()));
    let mut path = Path { start, steps: Vec::new() };
    let mut end = End::Steps;
    for _ in 0..steps {
        let Some(action) = choose(system, path.end(), &mut random) else {
            end = if system.is_quiet(path.end()) { End::Quiet } else { End::Deadlock };
            break;
        };
        let step = system.step(path.end(), &action);
        path.steps.push((action, step.state));
        if let Some(what) = step.error {
            end = End::Unhandled(what);
            break;
        }
    }
    Some(RandomRun { path, end })
}

fn choose<S: System>(system: &S, state: &S::State, random: &mut Random) -> Option<S::Action> {
    let mut actions = Vec::new();
    system.actions(state, &mut actions);
    let (mut faults, mut others): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|action| system.is_fault(action));
    // A deadlock is not to be hidden by the fault that happens to end it.
    if others.is_empty() && !system.is_quiet(state) {
        return None;
    }
    let fault = match (faults.is_empty(), others.is_empty()) {
        (true, true) => return None,
        (true, false) => false,
        (false, true) => true,
        (false, false) => random.below(STEPS_PER_FAULT) == 0,
    };
    let chosen = if fault { &mut faults } else { &mut others };
    Some(chosen.swap_remove(random.below(chosen.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fingerprint::Fingerprint;
    use crate::engine::system::Step;

    /// Counts to 200 by 1, 2 or 3; a fault, possible `faults` times, takes it back to 0.
    struct Counter {
        quiet_at_end: bool,
    }

    impl System for Counter {
        type State = (u32, u32);
        type Action = u32;

        fn initial_states(&self) -> Vec<(u32, u32)> {
            vec![(0, 2), (1, 2)]
        }
        fn actions(&self, state: &(u32, u32), out: &mut Vec<u32>) {
            out.extend((1..=3).filter(|_| state.0 < 200));
            out.extend((state.1 > 0).then_some(0));
        }
        fn step(&self, &(count, faults): &(u32, u32), action: &u32) -> Step<(u32, u32)> {
            let state = if *action == 0 { (0, faults - 1) } else { (count + action, faults) };
            let error = (state.0 == 100).then_some("a hundred");
            Step { state, rules: Vec::new(), error }
        }
        fn fingerprint(&self, state: &(u32, u32)) -> Fingerprint {
            Fingerprint::of(state)
        }
        fn is_fault(&self, action: &u32) -> bool {
            *action == 0
        }
        fn is_quiet(&self, _: &(u32, u32)) -> bool {
            self.quiet_at_end
        }
    }

    fn actions(run: &RandomRun<Counter>) -> Vec<u32> {
        run.path.steps.iter().map(|(action, _)| *action).collect()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of the reference implementation in C, state {1, 2, 3, 4}.
        let mut random = Random { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..5).map(|_| random.next_u64()).collect();
        assert_eq!(first, [11520, 0, 1509978240, 1215971899390074240, 1216172134540287360]);
        // Splitmix64 of seed 0 begins so.
        assert_eq!(Random::new(0).state[0], 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_seed_gives_the_same_run_for_ever() {
        let system = Counter { quiet_at_end: true };
        let run = random_run(&system, 7, 12).unwrap();
        assert_eq!(run.path.start, (1, 2));
        assert_eq!(actions(&run), [3, 3, 1, 2, 2, 3, 2, 1, 1, 1, 3, 3]);
        assert_eq!(run.end, End::Steps);
    }

    #[test]
    fn other_seeds_give_other_runs() {
        let system = Counter { quiet_at_end: true };
        let runs: Vec<_> =
            (0..10).map(|seed| actions(&random_run(&system, seed, 30).unwrap())).collect();
        assert!(runs.iter().all(|run| runs.iter().filter(|other| *other == run).count() == 1));
    }

    #[test]
    fn runs_end_for_each_of_the_reasons() {
        let ends = |quiet_at_end| {
            let system = Counter { quiet_at_end };
            (0..50).map(|seed| random_run(&system, seed, 1000).unwrap().end).collect::<Vec<_>>()
        };
        assert!(ends(true).contains(&End::Quiet) && !ends(true).contains(&End::Deadlock));
        assert!(ends(false).contains(&End::Deadlock) && !ends(false).contains(&End::Quiet));
        assert!(ends(true).contains(&End::Unhandled("a hundred")));
    }

    #[test]
    fn faults_are_rare_but_come_when_nothing_else_can() {
        let system = Counter { quiet_at_end: true };
        for seed in 0..50 {
            let run = random_run(&system, seed, 1000).unwrap();
            if run.end == End::Quiet {
                assert_eq!(run.path.end().1, 0, "a run ends when no fault is left");
            }
        }
    }
}
