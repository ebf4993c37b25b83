//! A model checker of Kubernetes node-recovery semantics.

pub mod cli;
pub mod conform;
pub mod engine;
pub mod report;
pub mod scenario;
pub mod story;
