//! No bytes make the reading of lines panic, or take long: watch events, tables, packed or not, put
//! in order and looked through for contradictions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use node_recovery::conform::facts::Symbols;
use node_recovery::conform::{history, record, rows, sanity, source};

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = source::read("fuzzed", bytes) else { return };
    // Both, whatever it looks like: more of the bytes is read.
    let _ = rows::read_table(&file.text, &mut Symbols::default());
    if let Ok(records) = record::read_json(0, &file.text) {
        let events = history::in_order(&records);
        let lines = events.iter().map(|(record, event)| ((record.file, record.line), *event));
        let _ = sanity::contradiction(lines);
    }
});
