//! What `specs/` holds, embedded in the program: it works from any folder.

use std::collections::BTreeMap;

use super::records::{Record, records};
use super::{Input, InputError, Scenario, load, nearest};

/// A scenario of `specs/`.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Its folder, `03-power-off`.
    pub folder: &'static str,
    /// Its file, from the root of the project.
    pub file: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All of them, in the order of their numbers.
pub const SCENARIOS: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

const RULES: &str = include_str!("../../specs/rules.yaml");

impl Bundled {
    /// The text as an input.
    pub fn input(&self) -> Input {
        Input { name: self.file.to_string(), text: self.text.to_string() }
    }

    /// The scenario that it describes.
    pub fn load(&self) -> Result<Scenario, InputError> {
        let mut scenarios = load(&[self.input()])?;
        match scenarios.pop() {
            Some(scenario) if scenarios.is_empty() => Ok(scenario),
            _ => Err(InputError::of_file(self.file, "does not hold one scenario")),
        }
    }
}

/// The bundled scenario of this name: its folder, its folder without the number, or its file.
pub fn find(name: &str) -> Option<&'static Bundled> {
    let name = name.strip_prefix("./").unwrap_or(name).trim_end_matches('/');
    SCENARIOS.iter().find(|bundled| {
        let unnumbered = bundled.folder.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = bundled.folder.split('-').next();
        [bundled.folder, bundled.file, unnumbered.trim_start_matches('-')].contains(&name)
            || number == Some(name)
    })
}

/// The bundled scenario whose name is most like this one.
pub fn nearest_name(name: &str) -> Option<&'static str> {
    nearest(name, SCENARIOS.iter().map(|bundled| bundled.folder))
}

/// What `specs/rules.yaml` says of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEntry {
    /// Its number.
    pub id: String,
    /// Who does it.
    pub component: String,
    /// `modelled`, `abstracted`, `waiting` or `left-out`.
    pub status: String,
    /// What happens, in one line.
    pub meaning: String,
    /// Everything else that is said of it: `why`, `waits_for`, `reason`, `note`.
    pub remarks: BTreeMap<String, String>,
    /// Recordings of real clusters that show it.
    pub recorded: Vec<String>,
}

/// All rules, in the order of the file.
pub fn rules() -> Result<Vec<RuleEntry>, InputError> {
    let input = Input { name: "specs/rules.yaml".to_string(), text: RULES.to_string() };
    Ok(records(&input)?.into_iter().map(rule_entry).collect())
}

fn rule_entry(mut record: Record) -> RuleEntry {
    let mut take = |field: &str| record.remove(field).unwrap_or_default();
    RuleEntry {
        id: take("id").concat(),
        component: take("component").concat(),
        status: take("status").concat(),
        meaning: take("meaning").concat(),
        recorded: take("recorded"),
        remarks: record.into_iter().map(|(field, text)| (field, text.join(", "))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use models::config::WatchMode;

    use super::*;

    #[test]
    fn every_bundled_scenario_is_read_without_warnings() {
        for bundled in SCENARIOS {
            let scenario = bundled.load().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.name, bundled.folder);
            assert_eq!(scenario.warnings, [], "{}", bundled.file);
        }
    }

    /// What a plain run has the time for.
    #[test]
    fn single_faults_are_checked_one_event_behind_at_least() {
        let mut single = 0;
        for scenario in SCENARIOS.iter().map(|bundled| bundled.load().unwrap()) {
            let config = &scenario.config;
            let strikes = config.faults.iter().filter(|budget| budget.kind.mends().is_empty());
            let strikes: Vec<_> = strikes.collect();
            if let [strike] = strikes[..]
                && strike.count == 1
                && !strike.kind.is_by_operator()
            {
                single += 1;
                assert!(scenario.skip.is_none(), "{}", scenario.name);
                assert_ne!(config.watch, WatchMode::Fresh, "{}", scenario.name);
            }
        }
        assert!(single >= 25, "{single}");
    }

    #[test]
    fn a_scenario_is_found_by_each_of_its_names() {
        for bundled in SCENARIOS {
            let number = bundled.folder.split('-').next().unwrap();
            for name in [bundled.folder, bundled.file, number] {
                assert_eq!(find(name).map(|found| found.folder), Some(bundled.folder));
            }
        }
        assert!(find("no-such-scenario").is_none() && find("").is_none());
    }

    #[test]
    fn every_rule_says_what_it_means_and_what_became_of_it() {
        let rules = rules().unwrap();
        assert!(rules.len() > 80);
        for rule in rules {
            let known = ["modelled", "abstracted", "waiting", "left-out"];
            assert!(known.contains(&rule.status.as_str()), "{rule:?}");
            assert!(!rule.id.is_empty() && !rule.meaning.is_empty(), "{rule:?}");
            assert_eq!(rule.status == "abstracted", rule.remarks.contains_key("why"), "{rule:?}");
        }
    }
}
