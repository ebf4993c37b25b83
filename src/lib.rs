//! A model checker of Kubernetes node-recovery semantics.

pub mod engine;
pub mod scenario;
