//! The recordings: real clusters, Kubernetes 1.36.2, without the events and leases that are not
//! compared.

use std::fs;
use std::path::{Path, PathBuf};

use node_recovery::conform::search::Limits;
use node_recovery::conform::tables::Given;
use node_recovery::conform::verdict::{LogFile, Verdict, decode, judge};

/// A folder of `tests`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The names of all recordings.
pub fn recordings() -> Vec<String> {
    let entries = fs::read_dir(folder("recordings")).expect("the recordings");
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".jsonl.gz")?.to_string()))
        .collect();
    names.sort();
    names
}

/// A recording, unpacked.
pub fn recording(name: &str) -> LogFile {
    let file = folder("recordings").join(format!("{name}.jsonl.gz"));
    decode(name, &fs::read(file).expect("a recording")).expect("a packed text")
}

/// Judges a log that can be read.
pub fn judged(log: &LogFile, states: usize) -> Verdict {
    let verdict = judge(std::slice::from_ref(log), &Given::default(), Limits { states });
    verdict.unwrap_or_else(|bad| panic!("{} cannot be read: {bad:?}", log.name))
}
