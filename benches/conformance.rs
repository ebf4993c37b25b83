//! How many events a second are explained: `cargo bench --bench conformance`.
//!
//! First of every recording, the best of some tries: reading and deriving, the first story, and the
//! search for one with fewer faults. Then of long logs, made of the model's own runs: incident after
//! incident, on the clusters of two recordings. A story is not told.

use std::path::Path;
use std::time::Instant;

use models::config::ClusterConfig;
use node_recovery::conform::history::History;
use node_recovery::conform::search::{Answer, Limits, explain, explain_somehow};
use node_recovery::conform::source::{LogFile, read};
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::{Verdict, judge};

#[path = "../tests/conformance/dice.rs"]
mod dice;
#[path = "../tests/conformance/generated.rs"]
mod generated;
#[path = "../tests/conformance/writer.rs"]
mod writer;

/// How often a recording is explained; the best counts.
const TRIES: usize = 5;

const LIMITS: Limits = Limits { states: 400_000 };

fn recordings() -> Vec<LogFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let files = std::fs::read_dir(folder).expect("the recordings");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let log = |path: &std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str())?.strip_suffix(".jsonl.gz")?;
        Some(read(name, std::fs::File::open(path).expect("a recording")).expect("a packed text"))
    };
    paths.iter().filter_map(log).collect()
}

/// A log as it is read, without a search.
fn history(log: &LogFile, faults: bool) -> History {
    let given = Given { telling: Telling { faults, containers: false }, ..Given::default() };
    match judge(std::slice::from_ref(log), &given, Limits { states: 0 }) {
        Ok(Verdict::Searched(history, _)) => *history,
        _ => panic!("{} is searched", log.name),
    }
}

/// The shortest time of some tries, in seconds, and what came of the last.
fn best<T>(tries: usize, run: impl Fn() -> T) -> (f64, T) {
    let one = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed().as_secs_f64(), result)
    };
    let mut best = one();
    for _ in 1..tries {
        let (took, result) = one();
        best = (best.0.min(took), result);
    }
    best
}

fn line(history: &History, name: &str, (read, took): (f64, f64), answer: &Answer) {
    let events = answer.reached(history).events();
    println!(
        "{name:<55} {:>5}/{:<5} {:>7} {:>9.2} {:>9.2} {:>8.0} {:>3} {}",
        events,
        history.length(),
        answer.states,
        1000.0 * read,
        1000.0 * took,
        f64::from(events) / took,
        answer.faults,
        if answer.conforms { "" } else { "not explained" },
    );
}

fn measure(log: &LogFile, faults: bool, tries: usize) {
    let (read, history) = best(tries, || history(log, faults));
    let (took, answer) = best(tries, || explain_somehow(&history, LIMITS));
    let told = if faults { "told" } else { "inferred" };
    line(&history, &format!("{}, {told}", log.name), (read, took), &answer);
    if !faults && tries > 1 {
        let (took, answer) = best(tries, || explain(&history, LIMITS));
        let fewest = if answer.fewest { "fewest" } else { "perhaps fewer" };
        line(&history, &format!("    {fewest}"), (read, took), &answer);
    }
}

fn main() {
    println!(
        "{:<55} {:>11} {:>7} {:>9} {:>9} {:>8} faults",
        "", "events", "states", "read ms", "ms", "per s"
    );
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let recordings = recordings();
    for log in &recordings {
        if wanted(&log.name) {
            measure(log, false, TRIES);
        }
    }
    for name in ["11-out-of-service-taint", "20-two-replicas-one-node-lost"] {
        let log = recordings.iter().find(|log| log.name == name).expect("a recording");
        let config = ClusterConfig { max_pods: 32, ..history(log, false).config };
        for seed in [4711, 4712, 4713] {
            let name = format!("generated {name} {seed}");
            if wanted(&name) {
                let log = LogFile { name, ..generated::generated(&config, seed, 3_000) };
                for faults in [true, false] {
                    measure(&log, faults, 1);
                }
            }
        }
    }
}
