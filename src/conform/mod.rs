//! Recorded histories of clusters, held against the model: is this a behaviour of the model, and
//! which hidden steps explain it?
//!
//! [`record`] reads the lines of a log; [`facts`] keeps of each object what is compared;
//! [`mod@derive`] makes a cluster of the objects; [`sanity`] finds what no history can be;
//! [`history`] is what has to be matched, from JSON events or from
//! tables ([`rows`]); [`search`] looks for a run of the star whose published events are those of the
//! history, and [`verdict`] says what comes of it.

pub mod derive;
pub mod facts;
pub mod hints;
pub mod history;
pub mod others;
pub mod record;
pub mod rows;
pub mod sanity;
pub mod search;
pub mod tables;
pub mod verdict;
