//! The engines against each other: what `check bench` measures, optimised as a release is.
//!
//! `cargo bench --bench engines -- 01 --watch 1 --json` passes its arguments on.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // Cargo itself adds `--bench`.
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let status = Command::new(env!("CARGO_BIN_EXE_check")).arg("bench").args(arguments).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: check bench cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
