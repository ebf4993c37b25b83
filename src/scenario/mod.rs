//! From files to a star: scenarios, manifests, and the cluster that they describe.
//!
//! Texts become trees whose values know their lines (`source`); manifests are read with the types
//! of Kubernetes (`manifest`), the document of `kind: Scenario` by hand (`file`); [`load()`]
//! puts both together. What is wrong has a place and a remedy; what is set and not modelled has a
//! warning. [`cluster`] is the star that comes of it.

pub mod catalogue;
mod clock;
pub mod cluster;
mod cursor;
mod decode;
mod disruption_budget;
mod error;
mod expectation;
mod faults;
mod file;
mod job;
mod json;
mod load;
mod manifest;
mod nodes;
mod operations;
mod placement;
mod pod;
pub mod properties;
mod quiet;
mod records;
mod selector;
mod settings;
mod source;
mod start;
pub mod strikes;
mod symmetry;
mod unmodelled;
mod volumes;
mod wiring;
mod workload_operations;
mod yaml;

pub use error::{InputError, Place, Warning, nearest};
pub use expectation::{Expectation, ExpectedVerdict};
pub use load::{Scenario, load};
pub use source::{Input, read_input};

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
