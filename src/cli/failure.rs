//! Why a command could not do what was asked: exit code 2.

use std::fmt;
use std::io;

use crate::scenario::InputError;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The input cannot be checked.
    Input(Box<InputError>),
    /// The command line asks for something that does not exist, or cannot be had.
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        help: Option<String>,
    },
    /// The output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// The exit code of all failures.
    pub(super) const EXIT_CODE: u8 = 2;

    /// A failure without a place in a file.
    pub(super) fn usage(message: impl Into<String>, help: Option<String>) -> Self {
        Failure::Usage { message: message.into(), help }
    }

    /// Whether the reader of the output went away, as `head` does: no failure at all.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Input(error) => error.fmt(f),
            Failure::Usage { message, help: None } => write!(f, "error: {message}"),
            Failure::Usage { message, help: Some(help) } => {
                write!(f, "error: {message}\nhelp: {help}")
            }
            Failure::Output(error) => write!(f, "error: the output cannot be written: {error}"),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Failure::Input(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}
