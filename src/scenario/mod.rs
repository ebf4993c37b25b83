//! From files to a star: scenarios, manifests, and the cluster that they describe.

pub mod cluster;
mod quiet;
mod start;
