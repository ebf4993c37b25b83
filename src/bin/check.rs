//! `check`: parses its arguments, runs a verb, exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    node_recovery::cli::main()
}
