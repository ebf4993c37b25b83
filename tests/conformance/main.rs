//! Histories of real clusters are behaviours of the model; what no cluster does is not.

mod article;
mod dice;
mod files;
mod generated;
mod hostile;
mod long;
mod mutants;
mod parts;
mod plain;
mod recordings;
mod telling;
mod timing;
mod writer;
