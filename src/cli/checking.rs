//! One scenario through one engine: what is checked, and what comes out.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use models::guarantees::{self, Guarantee};

use crate::cli::inputs::{memory_limit, time_limit};
use crate::cli::progress::Progress;
use crate::cli::{interrupt, telling};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::{self, Limits, ModelError, Options, Path};
use crate::engine::star::StarSystem;
use crate::engine::stateright::{self, Strategy};
use crate::engine::{compact, reference};
use crate::report::assumptions::{assumptions, watch_word};
use crate::report::{Judged, ModelFailure, Report};
use crate::scenario::cluster::Cluster;
use crate::scenario::properties::property;
use crate::scenario::{ExpectedVerdict, Scenario};
use crate::story::reorder::{Patience, timely};

/// A cluster as a system.
pub(super) type System = StarSystem<Cluster>;

/// Who searches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Our own breadth-first search: shortest traces
    #[default]
    Bfs,
    /// The same search without anything remembered: slow, and simple
    Reference,
    /// Stateright's breadth-first checker: properties of states only
    #[value(name = "stateright-bfs")]
    StaterightBfs,
    /// Stateright's depth-first checker: properties of states only
    #[value(name = "stateright-dfs")]
    StaterightDfs,
}

impl Engine {
    /// Its name on the command line and in reports.
    pub(super) fn word(self) -> &'static str {
        match self {
            Engine::Bfs => "bfs",
            Engine::Reference => "reference",
            Engine::StaterightBfs => "stateright-bfs",
            Engine::StaterightDfs => "stateright-dfs",
        }
    }

    /// Bits of the hash by which it knows a state again.
    fn hash_bits(self) -> u32 {
        match self {
            Engine::Bfs | Engine::Reference => Fingerprint::BITS,
            Engine::StaterightBfs | Engine::StaterightDfs => stateright::HASH_BITS,
        }
    }

    /// Whether a trace that it finds on so many threads is a shortest one.
    fn is_shortest(self, threads: usize) -> bool {
        match self {
            Engine::Bfs | Engine::Reference => true,
            Engine::StaterightBfs => threads == 1,
            Engine::StaterightDfs => false,
        }
    }
}

/// What is said of a search that used symmetry.
const SYMMETRY: &str = "states that differ only in the names of nodes and pods that are alike are \
                        counted as one; --no-symmetry tells them apart";

/// What P10 takes for granted.
const ADDRESSES: &str = "a node hands the addresses of pods out in turn, from the beginning after each \
                         boot, and does not use them up in between";

/// What is said of a search in which actions waited.
const POSTPONED: &str = "actions that disturb none of the others are taken first, and the others \
                         wait (persistent sets); --no-por lets none wait";

/// How to search.
#[derive(Args, Clone, Debug)]
pub(super) struct Searching {
    /// Who searches
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Stop when this many states have been found
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_states: Option<u64>,
    /// Stop after this time: 30, 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    pub timeout: Option<Duration>,
    /// Stop when the process uses this much memory: 500M, 8G
    #[arg(long, value_name = "BYTES", value_parser = memory_limit)]
    pub max_memory: Option<u64>,
    /// Tell states apart that differ only in the names of nodes and pods (engine `bfs`)
    #[arg(long)]
    pub no_symmetry: bool,
    /// Let no action wait for others that it does not disturb (engine `bfs`)
    #[arg(long)]
    pub no_por: bool,
}

impl Searching {
    /// Exhaustive, on one thread.
    pub(super) fn exhaustive() -> Self {
        Searching {
            engine: Engine::Bfs,
            threads: Some(1),
            max_states: None,
            timeout: None,
            max_memory: None,
            no_symmetry: false,
            no_por: false,
        }
    }

    /// Worker threads.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(processors, usize::from)
    }
}

/// Processors that this process may use.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A property to check, and what is expected of it.
#[derive(Clone)]
pub(super) struct Wanted {
    /// The property.
    pub guarantee: &'static Guarantee,
    /// What the scenario expects.
    pub expected: Option<ExpectedVerdict>,
    /// Why.
    pub because: Option<String>,
}

/// The chosen properties; without a choice those of the scenario; if it names none, all.
pub(super) fn wanted(scenario: &Scenario, chosen: &[&'static Guarantee]) -> Vec<Wanted> {
    let expectation = |guarantee: &'static Guarantee| {
        let known = scenario.expectations.iter();
        let known = known.clone().find(|e| e.property.eq_ignore_ascii_case(guarantee.name));
        Wanted {
            guarantee,
            expected: known.and_then(|expectation| expectation.verdict),
            because: known.and_then(|expectation| expectation.because.clone()),
        }
    };
    if !chosen.is_empty() {
        return chosen.iter().map(|guarantee| expectation(guarantee)).collect();
    }
    if scenario.expectations.is_empty() {
        return guarantees::ALL.iter().map(expectation).collect();
    }
    let named = scenario.expectations.iter().filter_map(|e| guarantees::find(&e.property));
    named.map(expectation).collect()
}

/// A scenario that was searched.
pub(super) struct Checked {
    /// The system.
    pub system: System,
    /// The properties, in the order of the findings.
    pub wanted: Vec<Wanted>,
    /// What came out.
    pub outcome: search::Outcome<System>,
    /// Whether its traces are shortest ones.
    pub shortest: bool,
}

/// Searches a scenario.
pub(super) fn check(
    scenario: &Scenario,
    wanted: Vec<Wanted>,
    searching: &Searching,
    progress: Option<&Progress>,
) -> Checked {
    let system = StarSystem(Cluster { config: scenario.config.clone() });
    let properties: Vec<_> = wanted.iter().map(|wanted| property(wanted.guarantee)).collect();
    let show = |at: search::Progress| {
        if let Some(progress) = progress {
            progress.searched(&scenario.name, at);
        }
    };
    let patience = Patience::default();
    let accept = |path: Path<System>| timely(&system, path, &patience);
    let options = Options {
        threads: searching.threads(),
        limits: Limits {
            max_states: searching.max_states,
            timeout: searching.timeout,
            max_memory: searching.max_memory,
        },
        stop: Some(interrupt::stop_flag()),
        progress: Some(&show),
        accept: Some(&accept),
        symmetry: !searching.no_symmetry,
        persistent: !searching.no_por,
    };
    let with_stateright = |strategy| {
        let system = Arc::new(StarSystem(system.0.clone()));
        stateright::check(&system, &properties, strategy, &options)
    };
    let outcome = match searching.engine {
        Engine::Bfs => compact::breadth_first(&system, &properties, &options),
        Engine::Reference => reference::breadth_first(&system, &properties, &options),
        Engine::StaterightBfs => with_stateright(Strategy::BreadthFirst),
        Engine::StaterightDfs => with_stateright(Strategy::DepthFirst),
    };
    let shortest = searching.engine.is_shortest(searching.threads()) && outcome.postponed == 0;
    Checked { system, wanted, outcome, shortest }
}

/// What a search comes to. `again` gives the command that shows a trace of a property (or of a
/// model error) again; without it no traces are told.
pub(super) fn report(
    scenario: &Scenario,
    checked: &Checked,
    engine: Engine,
    again: Option<&dyn Fn(Option<&str>) -> String>,
) -> Report {
    let all: Vec<_> = checked.wanted.iter().zip(&checked.outcome.findings).collect();
    report_of(scenario, checked, &all, engine, again)
}

/// What a search comes to for a scenario of the same cluster, which wants other properties.
pub(super) fn report_of_part(
    scenario: &Scenario,
    wanted: &[Wanted],
    checked: &Checked,
    again: Option<&dyn Fn(Option<&str>) -> String>,
) -> Report {
    let searched = |wanted: &Wanted| {
        let is_it = |searched: &Wanted| searched.guarantee.name == wanted.guarantee.name;
        checked.wanted.iter().position(is_it).map(|at| &checked.outcome.findings[at])
    };
    let part = wanted.iter().filter_map(|wanted| Some((wanted, searched(wanted)?)));
    report_of(scenario, checked, &part.collect::<Vec<_>>(), Engine::Bfs, again)
}

fn report_of(
    scenario: &Scenario,
    checked: &Checked,
    findings: &[(&Wanted, &search::Finding<System>)],
    engine: Engine,
    again: Option<&dyn Fn(Option<&str>) -> String>,
) -> Report {
    let Checked { system, outcome, shortest, .. } = checked;
    let judge = |&(wanted, finding): &(&Wanted, &search::Finding<System>)| Judged {
        guarantee: wanted.guarantee,
        promised: (wanted.guarantee.promised)((&scenario.config).into()),
        expected: wanted.expected,
        because: wanted.because.clone(),
        verdict: finding.verdict,
        rejected: finding.rejected,
        trace: again
            .zip(finding.path.as_ref())
            .map(|(again, path)| telling::tell(system, path, again(Some(wanted.guarantee.name)))),
        watch: None,
    };
    let error = outcome.error.as_ref().map(|error| {
        let (message, path) = match error {
            ModelError::Unhandled(what, path) => (format!("unhandled message: {what}"), path),
            ModelError::Deadlock(path) => ("deadlock: nothing can happen".to_string(), path),
        };
        let again = again.map(|again| again(None)).unwrap_or_default();
        ModelFailure { message, trace: telling::tell(system, path, again) }
    });
    let asks_of_addresses = findings.iter().any(|(wanted, _)| wanted.guarantee.name == "P10");
    let addresses = asks_of_addresses.then(|| ADDRESSES.to_string());
    let symmetry = (outcome.symmetry > 1).then(|| SYMMETRY.to_string());
    let postponed = (outcome.postponed > 0).then(|| POSTPONED.to_string());
    Report {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        file: scenario.file.clone(),
        kubernetes: scenario.config.version,
        watch: watch_word(scenario.config.watch),
        engine: engine.word(),
        shortest: *shortest,
        states: outcome.states,
        transitions: outcome.transitions,
        depth: outcome.depth,
        elapsed: outcome.elapsed,
        complete: outcome.complete,
        stopped: outcome.stopped,
        hash_bits: engine.hash_bits(),
        collision_odds: Fingerprint::collision_odds(outcome.states, engine.hash_bits()),
        assumptions: assumptions(&scenario.config)
            .into_iter()
            .chain(addresses)
            .chain(symmetry)
            .chain(postponed)
            .collect(),
        warnings: scenario.warnings.clone(),
        verdicts: findings.iter().map(judge).collect(),
        error,
        rule_counts: outcome.rule_counts.clone(),
        levels: Vec::new(),
    }
}
