//! The tables that the article published: Kubernetes 1.26.4, default timing.

use std::fs;

use node_recovery::conform::facts::Symbols;
use node_recovery::conform::history::History;
use node_recovery::conform::search::{Limits, explain};
use node_recovery::conform::tables::{Given, Table};
use node_recovery::conform::{rows, tables};

use crate::files::folder;

/// States to look at before a test gives up; each history needs far fewer.
const LIMITS: Limits = Limits { states: 100_000 };

/// The history of some of the article's tables.
fn article(files: &[&str]) -> History {
    let folder = folder("article");
    let mut symbols = Symbols::default();
    let mut read = |file: &&str| {
        let text = fs::read_to_string(folder.join(file)).expect("a table of the article");
        let lines = rows::read_table(&text, &mut symbols).expect("a well-formed table");
        Table { lines }
    };
    let tables = files.iter().map(&mut read).collect();
    let names = files.iter().map(|file| file.to_string()).collect();
    let given = Given { version: "1.26".parse().ok(), ..Given::default() };
    tables::history(names, tables, symbols, &given).expect("a history of what is modelled")
}

/// Some run of the model prints these tables: order and columns are the same; ages, generated names
/// and addresses aside, of which only the identity counts.
fn is_reproduced(files: &[&str]) {
    let history = article(files);
    let answer = explain(&history, LIMITS);
    let reached = answer.positions.last().cloned().unwrap_or_default();
    let next: Vec<&str> = history.next(&reached).map(|entry| entry.text.as_str()).collect();
    assert!(answer.conforms, "the model prints no such tables; after {reached:?} comes {next:#?}");
    assert!(history.is_done(&reached));
}

#[test]
fn the_model_prints_the_articles_power_off() {
    is_reproduced(&[
        "poweroff-not-recovered/pods.txt",
        "poweroff-not-recovered/nodes.txt",
        "poweroff-not-recovered/deployments.txt",
    ]);
}

#[test]
fn the_model_prints_the_articles_recovery_before_the_eviction() {
    is_reproduced(&[
        "1-recovered-before-eviction/pods.txt",
        "1-recovered-before-eviction/nodes.txt",
        "1-recovered-before-eviction/deployments.txt",
    ]);
}

#[test]
fn the_model_prints_the_articles_recovery_during_the_migration() {
    is_reproduced(&[
        "2-recovered-during-migration/pods.txt",
        "2-recovered-during-migration/deployments.txt",
    ]);
}

/// The third history goes on with the pod of the first: its first rows are the last ones there.
#[test]
fn the_model_prints_the_articles_recovery_after_the_migration() {
    is_reproduced(&[
        "1-recovered-before-eviction/pods.txt",
        "3-recovered-after-migration/pods.txt",
        "1-recovered-before-eviction/nodes.txt",
        "1-recovered-before-eviction/deployments.txt",
        "3-recovered-after-migration/deployments.txt",
    ]);
}

/// A row that no Kubernetes 1.26 prints there is found out.
#[test]
fn altered_tables_of_the_article_are_not_reproduced() {
    let mut history =
        article(&["1-recovered-before-eviction/pods.txt", "1-recovered-before-eviction/nodes.txt"]);
    let stream = &mut history.streams[0];
    // The last row, Running after the restart, before the rows that say Unknown.
    let last = stream.entries.pop().expect("rows");
    stream.entries.insert(2, last);
    assert!(!explain(&history, Limits { states: 30_000 }).conforms);
}
