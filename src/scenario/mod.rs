//! From files to a star: scenarios, manifests, and the cluster that they describe.

mod clock;
pub mod cluster;
pub mod properties;
mod quiet;
mod start;
