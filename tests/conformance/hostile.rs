//! Damaged logs: whatever they hold, they are judged or refused, and nothing panics.

use serde_json::{Value, json};

use node_recovery::conform::search::Limits;
use node_recovery::conform::source::{self, LogFile};
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::judge;

use crate::dice::Dice;
use crate::files::{folder, lines, log, recording};

/// Judges with next to no search; what comes of it does not matter here.
fn looks_at(file: &LogFile) {
    let telling = Telling { faults: true, containers: true };
    for given in [Given { telling, ..Given::default() }, Given::default()] {
        let _ = judge(std::slice::from_ref(file), &given, Limits { states: 4 });
    }
}

/// Bytes are lost, doubled and changed.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..1 + dice.roll(4) {
        let from = dice.roll(bytes.len());
        let length = (1 + dice.roll(40)).min(bytes.len() - from);
        match dice.roll(4) {
            0 => drop(bytes.drain(from..from + length)),
            1 => {
                let again = bytes[from..from + length].to_vec();
                bytes.splice(from..from, again);
            }
            2 => bytes[from] = dice.roll(256) as u8,
            _ => bytes.truncate(from.max(1)),
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// Some value of a log becomes another: of another type, or absurdly large.
fn distort(value: &mut Value, dice: &mut Dice) {
    let inner = match value {
        Value::Object(map) if !map.is_empty() => {
            let at = dice.roll(map.len());
            map.values_mut().nth(at)
        }
        Value::Array(list) if !list.is_empty() => {
            let at = dice.roll(list.len());
            list.get_mut(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) if dice.roll(8) > 0 => distort(inner, dice),
        _ => {
            let strange = [
                Value::Null,
                json!([]),
                json!({}),
                json!(-1),
                json!(u64::MAX),
                json!(1.5e300),
                json!("é\u{0}"),
                json!([[], {}]),
                json!(true),
            ];
            *value = strange[dice.roll(strange.len())].clone();
        }
    }
}

#[test]
fn damaged_bytes_do_no_harm() {
    let mut dice = Dice::new(99);
    let json = recording("06-partition-recover-after-migration").text.into_bytes();
    let table = std::fs::read(folder("article/1-recovered-before-eviction/pods.txt"));
    let table = table.expect("a table of the article");
    for round in 0..400 {
        let mut bytes = if round % 2 == 0 { json.clone() } else { table.clone() };
        damage(&mut bytes, &mut dice);
        if let Ok(file) = source::read("damaged", &*bytes) {
            looks_at(&file);
        }
    }
}

#[test]
fn distorted_values_do_no_harm() {
    let mut dice = Dice::new(7);
    for name in ["06-partition-recover-after-migration", "11-out-of-service-taint"] {
        let original = lines(&recording(name));
        for _ in 0..300 {
            let mut lines = original.clone();
            for _ in 0..1 + dice.roll(3) {
                let at = dice.roll(lines.len());
                distort(&mut lines[at], &mut dice);
            }
            looks_at(&log(&lines));
        }
    }
}
