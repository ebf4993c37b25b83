//! Runs made readable: names, times, words, kubectl's tables, a timeline, a sequence diagram.

mod changes;
pub mod names;
pub mod panel;
pub mod reorder;
mod request_rules;
pub mod sequence;
pub mod tables;
pub mod timeline;
mod timers;
pub mod timing;
pub mod trace;
mod volume_words;
pub mod words;
pub mod workload_status;

pub use trace::Story;
