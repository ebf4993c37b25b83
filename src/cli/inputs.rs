//! What the user names: files, standard input, bundled scenarios, properties, versions.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use models::config::{ClusterConfig, Settings, WatchMode};
use models::guarantees::{self, Guarantee};
use models::version::Version;

use crate::cli::failure::Failure;
use crate::cli::matrix::rows;
use crate::scenario::{
    Expectation, Input, InputError, Scenario, catalogue, load, nearest, read_input,
};

/// Options that change a scenario.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Overrides {
    /// Kubernetes version, 1.26 to 1.36, instead of the scenario's
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<Version>,
    /// How far watches may lag, instead of the scenario's: fresh, unbounded, or a number of events
    #[arg(long, value_name = "MODE", value_parser = watch_mode)]
    pub watch: Option<WatchMode>,
}

impl Overrides {
    /// Changes a scenario. A flag that had the default of one version gets that of the other.
    pub(super) fn apply(&self, config: &mut ClusterConfig) {
        if let Some(version) = self.kubernetes {
            let old = Settings::defaults(config.version).node_monitor_grace_period;
            if config.settings.node_monitor_grace_period == old {
                config.settings.node_monitor_grace_period =
                    Settings::defaults(version).node_monitor_grace_period;
            }
            config.version = version;
        }
        if let Some(watch) = self.watch {
            config.watch = watch;
        }
    }

    /// The options as they were given.
    pub(super) fn words(&self) -> String {
        let version = self.kubernetes.map(|version| format!(" --kubernetes {version}"));
        let watch = self.watch.map(|watch| format!(" --watch {}", watch_argument(watch)));
        version.unwrap_or_default() + &watch.unwrap_or_default()
    }
}

/// A watch mode on the command line and in saved schedules.
pub(super) fn watch_argument(watch: WatchMode) -> String {
    match watch {
        WatchMode::Fresh => "fresh".to_string(),
        WatchMode::Lag(lag) => lag.to_string(),
        WatchMode::Unbounded => "unbounded".to_string(),
    }
}

/// Reads what [`watch_argument`] writes.
pub(super) fn watch_mode(text: &str) -> Result<WatchMode, String> {
    match text {
        "fresh" => Ok(WatchMode::Fresh),
        "unbounded" => Ok(WatchMode::Unbounded),
        number => match number.parse() {
            Ok(0) => Ok(WatchMode::Fresh),
            Ok(lag @ 1..=16) => Ok(WatchMode::Lag(lag)),
            _ => Err("expected fresh, unbounded, or a number of events up to 16".to_string()),
        },
    }
}

/// Reads `30`, `30s`, `5m`, `1h`, `500ms`.
pub(super) fn time_limit(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a time such as 30, 30s or 5m".to_string()),
    };
    let seconds = number.parse::<f64>().map_err(|_| "expected a time such as 30, 30s or 5m")?;
    Duration::try_from_secs_f64(seconds * factor).map_err(|error| error.to_string())
}

/// Reads `500M`, `8G`, `1.5GiB`; a number alone is bytes.
pub(super) fn memory_limit(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_end_matches('B').trim_end_matches('i') {
        "" => 1u64,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err("expected an amount of memory such as 500M or 8G".to_string()),
    };
    let number: f64 =
        number.parse().map_err(|_| "expected an amount of memory such as 500M or 8G")?;
    match number * factor as f64 {
        bytes if (1.0..2f64.powi(60)).contains(&bytes) => Ok(bytes as u64),
        _ => Err("expected an amount of memory between a byte and 2^60 bytes".to_string()),
    }
}

/// Reads an input: a file, standard input (`-`), or a bundled scenario.
pub(super) fn read(name: &str) -> Result<Input, InputError> {
    if name == "-" || Path::new(name).exists() {
        return read_input(name);
    }
    if let Some(bundled) = catalogue::find(name) {
        return Ok(bundled.input());
    }
    if let Some(row) = rows::find(name) {
        return row.input();
    }
    read_input(name).map_err(|error| match catalogue::nearest_name(name) {
        Some(near) => error.with_help(format!("did you mean the bundled scenario `{near}`?")),
        None => error,
    })
}

/// Reads scenarios, and refuses properties that do not exist.
pub(super) fn scenarios(
    files: &[String],
    overrides: &Overrides,
) -> Result<(Vec<Input>, Vec<Scenario>), Failure> {
    let inputs = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let mut scenarios = load(&inputs)?;
    for scenario in &mut scenarios {
        overrides.apply(&mut scenario.config);
        for Expectation { property, place, .. } in &scenario.expectations {
            find_property(property).map_err(|(message, help)| {
                InputError::at(place.clone(), message).with_help(help)
            })?;
        }
    }
    Ok((inputs, scenarios))
}

/// Exactly one scenario.
pub(super) fn one_scenario(file: &str, overrides: &Overrides) -> Result<Scenario, Failure> {
    let (_, mut scenarios) = scenarios(&[file.to_string()], overrides)?;
    let several = || Failure::usage(format!("{file} does not hold exactly one scenario"), None);
    scenarios.pop().filter(|_| scenarios.is_empty()).ok_or_else(several)
}

/// The property of this name, or what is wrong and what may have been meant.
pub(super) fn find_property(name: &str) -> Result<&'static Guarantee, (String, String)> {
    guarantees::find(name).ok_or_else(|| {
        let names = guarantees::ALL.iter().map(|guarantee| guarantee.name);
        let help = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", names.collect::<Vec<_>>().join(", ")),
        };
        (format!("unknown property `{name}`"), help)
    })
}

/// The properties named on the command line.
pub(super) fn chosen_properties(names: &[String]) -> Result<Vec<&'static Guarantee>, Failure> {
    let mut chosen: Vec<&'static Guarantee> = Vec::new();
    for name in names {
        let guarantee =
            find_property(name).map_err(|(message, help)| Failure::usage(message, Some(help)))?;
        if chosen.iter().all(|known| known.name != guarantee.name) {
            chosen.push(guarantee);
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let read = |text| time_limit(text).map(|time| time.as_millis());
        assert_eq!(read("30"), Ok(30_000));
        assert_eq!(read("1.5s"), Ok(1_500));
        assert_eq!(read("5m"), Ok(300_000));
        assert_eq!(read("250ms"), Ok(250));
        for bad in ["", "s", "-1", "3 s", "1d", "1.2.3", "99999999999999999999999h"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_of_memory_have_units() {
        assert_eq!(memory_limit("4096"), Ok(4096));
        assert_eq!(memory_limit("500M"), Ok(500 << 20));
        assert_eq!(memory_limit("1.5GiB"), Ok(3 << 29));
        assert_eq!(memory_limit("8GB"), memory_limit("8G"));
        for bad in ["", "G", "-1", "0", "8X", "1.2.3", "99999999999999999999T"] {
            assert!(memory_limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn watch_modes_read_back() {
        for mode in [WatchMode::Fresh, WatchMode::Lag(3), WatchMode::Unbounded] {
            assert_eq!(watch_mode(&watch_argument(mode)), Ok(mode));
        }
        assert!(watch_mode("17").is_err() && watch_mode("often").is_err());
    }

    #[test]
    fn unknown_properties_get_a_suggestion() {
        assert_eq!(find_property("p3A").unwrap().name, "P3a");
        assert_eq!(find_property("P1.aip").unwrap_err().1, "did you mean `P1.api`?");
        assert!(find_property("xyzzy").unwrap_err().1.starts_with("known are P1.api"));
    }
}
