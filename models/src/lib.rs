//! Actor models of the Kubernetes components that matter when a node fails and returns.
//!
//! Each component is one file, named as Kubernetes names it: a state, a pure `step`, and the rules
//! ([`rules::Rule`]) that its transitions implement. Components know nothing of search, of channels
//! or of each other: they talk to the [`api_server`] only, and only through [`requests`] and
//! watch events ([`objects::WatchEvent`]).

pub mod actors;
pub mod api_server;
pub mod attach_detach;
pub mod cloud;
pub mod config;
pub mod container_runtime;
pub mod daemon_set;
pub mod deployment;
pub mod disruption;
pub mod effects;
pub mod environment;
pub mod faults;
pub mod garbage_collector;
pub mod guarantees;
pub mod ids;
pub mod informer_cache;
pub mod job;
pub mod kube_controller_manager;
pub mod kubelet;
pub mod node_lifecycle;
pub mod objects;
pub mod operator;
pub mod pod_gc;
pub mod printers;
pub mod replica_set;
pub mod requests;
pub mod rules;
pub mod scheduler;
pub mod stateful_set;
pub mod symmetry;
pub mod taint_eviction;
pub mod version;
pub mod view;
