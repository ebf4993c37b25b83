//! `spec.controllerManager`, `spec.apiServer`, `spec.kubelet`, `spec.watch`: flags and the dial of watch lag.

use models::config::{Settings, ShutdownGroup, WatchMode};
use models::ids::Seconds;
use models::version::Version;

use super::cursor::Cursor;
use super::error::InputError;
use super::pod::SYSTEM_CRITICAL;
use super::source::Value;

/// Most events that a watch may lag behind; more is `unbounded`.
const MAX_LAG: i64 = 16;

/// Reads `controllerManager`, `apiServer` and `kubelet` of the spec of a scenario.
pub(super) fn read_settings(spec: &Cursor<'_>, version: Version) -> Result<Settings, InputError> {
    let mut settings = Settings::defaults(version);
    if let Some(flags) = spec.get("controllerManager") {
        for (key, field) in flags.fields()? {
            match key.name.as_str() {
                "nodeMonitorPeriod" => settings.node_monitor_period = duration(&field)?,
                "nodeMonitorGracePeriod" => settings.node_monitor_grace_period = duration(&field)?,
                "nodeEvictionRate" => settings.seconds_per_eviction = eviction_period(&field)?,
                "unhealthyZoneThreshold" => settings.unhealthy_zone_percent = percent(&field)?,
                "largeClusterSizeThreshold" => {
                    settings.large_cluster_size = field.integer(0..=i64::from(u16::MAX))? as u16;
                }
                "disableForceDetachOnTimeout" => {
                    if version.minor() < FIRST_WITH_DISABLE_FORCE_DETACH {
                        let error = field.error("is a flag of Kubernetes 1.30 and later");
                        return Err(error);
                    }
                    settings.disable_force_detach = field.boolean()?;
                }
                _ => return Err(flags.unknown(key, &CONTROLLER_MANAGER_FLAGS)),
            }
        }
        check_monitor_periods(&flags, &settings)?;
    }
    if let Some(flags) = spec.get("apiServer") {
        for (key, field) in flags.fields()? {
            let seconds = || Ok(Seconds(field.integer(0..=i64::from(u32::MAX))? as u32));
            match key.name.as_str() {
                "defaultNotReadyTolerationSeconds" => {
                    settings.default_not_ready_toleration = seconds()?;
                }
                "defaultUnreachableTolerationSeconds" => {
                    settings.default_unreachable_toleration = seconds()?;
                }
                _ => return Err(flags.unknown(key, &API_SERVER_FLAGS)),
            }
        }
    }
    if let Some(kubelet) = spec.get("kubelet") {
        settings.shutdown_groups = read_shutdown(&kubelet)?;
    }
    Ok(settings)
}

/// How kubelets hold a shutdown up (12.9): for all pods, of which the critical ones come last, or by
/// priorities (KEP-2712).
fn read_shutdown(kubelet: &Cursor<'_>) -> Result<Vec<ShutdownGroup>, InputError> {
    const TOTAL: &str = "shutdownGracePeriod";
    const CRITICAL: &str = "shutdownGracePeriodCriticalPods";
    const BY_PRIORITY: &str = "shutdownGracePeriodByPodPriority";
    kubelet.only(&[TOTAL, CRITICAL, BY_PRIORITY])?;
    let total = kubelet.get(TOTAL).map(|field| duration(&field)).transpose()?;
    let Some(list) = kubelet.get(BY_PRIORITY) else {
        let critical = kubelet.get(CRITICAL).map(|field| Ok((duration(&field)?, field)));
        return match (total, critical.transpose()?) {
            (None, None) => Ok(Vec::new()),
            (None, Some((_, at))) => Err(at.error(format!("needs `{TOTAL}`"))),
            (Some(total), Some((critical, at))) if critical > total => {
                Err(at.error(format!("must be at most {TOTAL}")))
            }
            (Some(total), critical) => {
                let critical = critical.map_or(Seconds(0), |(critical, _)| critical);
                let rest = Seconds(total.0 - critical.0);
                Ok(vec![
                    ShutdownGroup { priority: 0, grace: rest },
                    ShutdownGroup { priority: SYSTEM_CRITICAL, grace: critical },
                ])
            }
        };
    };
    if let Some(other) = [TOTAL, CRITICAL].into_iter().find_map(|name| kubelet.get(name)) {
        return Err(other.error(format!("cannot be given beside `{BY_PRIORITY}`")));
    }
    let mut groups = Vec::new();
    for group in list.items()? {
        group.only(&["priority", "shutdownGracePeriodSeconds"])?;
        let priority = group.required("priority")?;
        let number = priority.integer(i64::from(i32::MIN)..=i64::from(i32::MAX))? as i32;
        if groups.iter().any(|group: &ShutdownGroup| group.priority == number) {
            return Err(priority.error("is there twice"));
        }
        let time = group.required("shutdownGracePeriodSeconds")?.integer(0..=86_400)? as u32;
        groups.push(ShutdownGroup { priority: number, grace: Seconds(time) });
    }
    groups.sort_by_key(|group| group.priority);
    Ok(groups)
}

/// `--disable-force-detach-on-timeout` came with 1.30.
const FIRST_WITH_DISABLE_FORCE_DETACH: u8 = 30;

const CONTROLLER_MANAGER_FLAGS: [&str; 6] = [
    "nodeMonitorPeriod",
    "nodeMonitorGracePeriod",
    "nodeEvictionRate",
    "unhealthyZoneThreshold",
    "largeClusterSizeThreshold",
    "disableForceDetachOnTimeout",
];

const API_SERVER_FLAGS: [&str; 2] =
    ["defaultNotReadyTolerationSeconds", "defaultUnreachableTolerationSeconds"];

/// A grace period that is shorter than the period of the checks declares healthy nodes dead.
fn check_monitor_periods(flags: &Cursor<'_>, settings: &Settings) -> Result<(), InputError> {
    let (period, grace) = (settings.node_monitor_period, settings.node_monitor_grace_period);
    if grace > period {
        return Ok(());
    }
    let at = match flags.get("nodeMonitorGracePeriod") {
        Some(at) => at,
        None => flags.toward(&["nodeMonitorPeriod"]),
    };
    let message = format!(
        "makes nodeMonitorGracePeriod ({grace}) not longer than nodeMonitorPeriod ({period})"
    );
    Err(at.error(message))
}

/// A duration as Go writes it, in whole seconds: `50s`, `1m30s`, `1h`.
pub(super) fn duration(field: &Cursor<'_>) -> Result<Seconds, InputError> {
    let text = field.text()?;
    parse_duration(text).filter(|seconds| *seconds > 0).map(Seconds).ok_or_else(|| {
        let shown = text.escape_debug();
        let error = field.error(format!("is no duration in whole seconds: \"{shown}\""));
        error.with_help(match text.parse::<u32>() {
            Ok(seconds) if seconds > 0 => format!("say the unit: `{seconds}s`"),
            _ => "write it like 50s or 1m30s".to_string(),
        })
    })
}

fn parse_duration(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u32 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' if !rest[digits..].starts_with("ms") => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}

/// Seconds between two evictions, from nodes per second.
fn eviction_period(field: &Cursor<'_>) -> Result<Seconds, InputError> {
    let rate = field.number()?;
    if !(1e-6..=1.0).contains(&rate) {
        let error = field.error(format!("must be above 0 and at most 1, is {rate}"));
        return Err(error.with_help("nodes per second; the default 0.1 is one node in ten seconds"));
    }
    Ok(Seconds((1.0 / rate).round() as u32))
}

/// A share between 0 and 1, as percent.
fn percent(field: &Cursor<'_>) -> Result<u8, InputError> {
    let share = field.number()?;
    match (0.0..=1.0).contains(&share) {
        true => Ok((share * 100.0).round() as u8),
        false => Err(field.error(format!("must be 0 to 1, is {share}"))),
    }
}

/// Reads `watch`.
pub(super) fn read_watch(field: &Cursor<'_>) -> Result<WatchMode, InputError> {
    if matches!(field.node.value, Value::Mapping(_)) {
        field.only(&["lag"])?;
        let lag = field.required("lag")?;
        return match lag.integer(0..=MAX_LAG)? {
            0 => Err(lag.error("must be at least 1").with_help("without lag, say `watch: fresh`")),
            events => Ok(WatchMode::Lag(events as u8)),
        };
    }
    if !matches!(field.text(), Ok("fresh" | "unbounded")) {
        return Err(field.error(format!(
            "must be fresh, {{lag: 2}} or unbounded, is {}",
            field.node.describe()
        )));
    }
    field.word(&[("fresh", WatchMode::Fresh), ("unbounded", WatchMode::Unbounded)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let cases = [
            ("50s", Some(50)),
            ("1m30s", Some(90)),
            ("1h", Some(3600)),
            ("1h0m5s", Some(3605)),
            ("500ms", None),
            ("50", None),
            ("s", None),
            ("", None),
            ("-5s", None),
            ("99999999999s", None),
            ("5é", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_duration(text), seconds, "{text}");
        }
    }
}
