//! Files of `check run --save`: everything that a replay needs, the scenario's text included.

use std::path::Path as FilePath;

use serde::{Deserialize, Serialize};

use crate::cli::checking::{Checked, System};
use crate::cli::failure::Failure;
use crate::cli::inputs::watch_argument;
use crate::cli::telling;
use crate::engine::schedule::{Schedule, record};
use crate::engine::search::{ModelError, Path};
use crate::scenario::{Input, Scenario};

/// What such files say they are.
pub(super) const FORMAT: &str = "node-recovery/schedules/v1";

/// Saved runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// [`FORMAT`].
    pub format: String,
    /// The version of the program that saved them.
    pub program: String,
    /// The texts that were checked.
    pub inputs: Vec<SavedInput>,
    /// The runs.
    pub runs: Vec<SavedRun>,
}

/// A text that was checked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedInput {
    /// Its file name.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A run of one scenario.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedRun {
    /// Name of the scenario.
    pub scenario: String,
    /// The property that the run decides; none if it leads to an error of the model.
    pub property: Option<String>,
    /// The verdict that it shows.
    pub verdict: String,
    /// The version that was checked.
    pub kubernetes: String,
    /// The watch mode, as on the command line.
    pub watch: String,
    /// What happens.
    #[serde(flatten)]
    pub schedule: Schedule,
}

impl Saved {
    /// A file without runs.
    pub(super) fn new(inputs: &[Input]) -> Self {
        let inputs = inputs.iter();
        Saved {
            format: FORMAT.to_string(),
            program: env!("CARGO_PKG_VERSION").to_string(),
            inputs: inputs
                .map(|input| SavedInput { name: input.name.clone(), text: input.text.clone() })
                .collect(),
            runs: Vec::new(),
        }
    }

    /// Adds every trace of a scenario.
    pub(super) fn add(&mut self, scenario: &Scenario, checked: &Checked) {
        let Checked { system, wanted, outcome, .. } = checked;
        let mut keep = |property: Option<&str>, verdict: &str, path: &Path<System>| {
            self.runs.push(SavedRun {
                scenario: scenario.name.clone(),
                property: property.map(str::to_string),
                verdict: verdict.to_string(),
                kubernetes: scenario.config.version.to_string(),
                watch: watch_argument(scenario.config.watch),
                schedule: record(system, path, &telling::words(system, path)),
            });
        };
        for (wanted, finding) in wanted.iter().zip(&outcome.findings) {
            if let Some(path) = &finding.path {
                keep(Some(wanted.guarantee.name), finding.verdict.word(), path);
            }
        }
        match &outcome.error {
            Some(ModelError::Unhandled(_, path)) => keep(None, "unhandled message", path),
            Some(ModelError::Deadlock(path)) => keep(None, "deadlock", path),
            None => {}
        }
    }

    /// Writes the file.
    pub(super) fn write(&self, file: &str) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::usage(format!("{file}: cannot be written: {error}"), None))?;
        text.push('\n');
        std::fs::write(file, text)
            .map_err(|error| Failure::usage(format!("{file}: cannot be written: {error}"), None))
    }
}

/// Refuses a place where no file can be, before time is spent on a search.
pub(super) fn check_writable(file: &str) -> Result<(), Failure> {
    let path = FilePath::new(file);
    if path.is_dir() {
        return Err(Failure::usage(format!("{file}: is a directory"), None));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::usage(format!("{file}: there is no folder {}", folder.display()), None))
        }
        _ => Ok(()),
    }
}
