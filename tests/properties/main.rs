//! What holds in every cluster and on every run: tested on generated clusters and random runs.

mod control_plane;
mod equivariance;
mod generated;
mod printing;
mod runs;
mod traces;
