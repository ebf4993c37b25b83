//! Histories of real clusters are behaviours of the model; what no cluster does is not.

mod article;
mod files;
mod mutants;
mod recordings;
