//! The plain tables of some recordings, and nothing else, are explained too.

use std::fs;

use node_recovery::conform::search::Limits;
use node_recovery::conform::source::{LogFile, read};
use node_recovery::conform::tables::Given;
use node_recovery::conform::verdict::{Verdict, judge};

use crate::files::{folder, is_a_run};

/// States to look at before the test gives up.
const LIMITS: Limits = Limits { states: 300_000 };

/// The tables of a recording.
fn tables(name: &str) -> Vec<LogFile> {
    let entries = fs::read_dir(folder("tables").join(name)).expect("the tables");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let open = |path| fs::File::open(path).expect("a table");
    paths.iter().map(|path| read(&path.display().to_string(), open(path)).expect("text")).collect()
}

/// Deployments, StatefulSets and DaemonSets.
#[test]
fn tables_alone_are_explained() {
    for name in [
        "06-partition-recover-after-migration",
        "09-statefulset-poweroff-recover",
        "14-daemonset-poweroff",
        "34-daemonset-partition-rolling",
        "36-statefulset-partition-recover-after-terminating",
    ] {
        let judged = judge(&tables(name), &Given::default(), LIMITS).expect("tables");
        let Verdict::Searched(history, answer) = judged else { panic!("{name} is searched") };
        let reached = answer.reached(&history);
        let next: Vec<_> = history.next(&reached).collect();
        assert!(answer.conforms, "{name}: explained up to {next:#?}");
        assert!(history.is_done(&reached));
        is_a_run(&history, &answer);
    }
}
