//! No log that can be read makes what is derived of it panic, or take long: a cluster, a history,
//! its start, its times, and the first few states of the search.
#![no_main]

use libfuzzer_sys::fuzz_target;
use node_recovery::conform::search::Limits;
use node_recovery::conform::source;
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::judge;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = source::read("fuzzed", bytes) {
        let telling = Telling { faults: true, containers: true };
        let given = Given { telling, ..Given::default() };
        let _ = judge(std::slice::from_ref(&file), &given, Limits { states: 8 });
        let _ = judge(&[file], &Given::default(), Limits { states: 8 });
    }
});
