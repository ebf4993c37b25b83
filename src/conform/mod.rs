//! Recorded histories of clusters, held against the model: is this a behaviour of the model, and
//! which hidden steps explain it?
//!
//! [`source`] is the text of a log, [`record`] reads its lines, [`rows`] those of tables; [`facts`]
//! keeps of each object what is compared, and [`content`] says it in words; [`mod@derive`] and
//! [`tables`] make a cluster of them, [`begin`] its start, [`middle`] one in the middle of things; [`sanity`] finds what no history can be.
//! A [`history`] is what has to be matched (`reader` makes it of watch events); [`search`] looks for a run of the star whose published
//! events are those of the history, guided by [`hints`] and with [`mod@open`] what is still to be
//! looked at; [`others`] asks whether something else explains it as well, and [`apart`] what would
//! have told; [`wanted`] says why the model cannot go on, [`timing`] what came too early. [`told`]
//! are the lines that tell of faults and containers, [`naming`] the log's names in a story, and
//! [`verdict`] is what comes of it all.

pub mod apart;
pub mod begin;
pub mod content;
pub mod derive;
pub mod facts;
pub mod hints;
pub mod history;
pub mod middle;
pub mod naming;
pub mod open;
pub mod others;
mod reader;
pub mod record;
pub mod rows;
pub mod sanity;
pub mod search;
pub mod source;
pub mod tables;
pub mod time;
pub mod timing;
pub mod told;
pub mod verdict;
pub mod wanted;
pub mod writers;
