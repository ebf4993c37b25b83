//! What a manifest sets and the model does not read. Nothing of it is ignored in silence, except
//! what has no effect on recovery and what the API server writes by itself.

use super::cursor::Cursor;
use super::error::Warning;

/// The fields of one type that need no warning.
struct Quiet {
    /// The model reads them.
    modelled: &'static [&'static str],
    /// They change what a pod does, or is shown as, but not how it lives through a node failure.
    no_effect_on_recovery: &'static [&'static str],
    /// They say what would hold without them.
    defaults: &'static [(&'static str, &'static str)],
}

const METADATA: Quiet = Quiet {
    modelled: &["name", "labels", "ownerReferences"],
    no_effect_on_recovery: &[
        "annotations",
        "creationTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    ],
    defaults: &[],
};

const DEPLOYMENT_SPEC: Quiet = Quiet {
    modelled: &["replicas", "selector", "template", "minReadySeconds", "strategy"],
    no_effect_on_recovery: &["revisionHistoryLimit", "progressDeadlineSeconds"],
    defaults: &[],
};

const STRATEGY: Quiet =
    Quiet { modelled: &["type", "rollingUpdate"], no_effect_on_recovery: &[], defaults: &[] };

const ROLLING_UPDATE: Quiet =
    Quiet { modelled: &["maxSurge", "maxUnavailable"], no_effect_on_recovery: &[], defaults: &[] };

const REPLICA_SET_SPEC: Quiet = Quiet {
    modelled: &["replicas", "selector", "template", "minReadySeconds"],
    no_effect_on_recovery: &[],
    defaults: &[],
};

/// Without a change of the template the strategy of updates has no effect.
const STATEFUL_SET_SPEC: Quiet = Quiet {
    modelled: &["replicas", "selector", "template", "podManagementPolicy", "volumeClaimTemplates"],
    no_effect_on_recovery: &[
        "persistentVolumeClaimRetentionPolicy",
        "revisionHistoryLimit",
        "serviceName",
        "updateStrategy",
    ],
    defaults: &[("minReadySeconds", "0")],
};

/// Templates do not change, so that no update begins; but a surge also says when a second pod of a
/// node is too much.
const DAEMON_SET_SPEC: Quiet = Quiet {
    modelled: &["selector", "template", "updateStrategy"],
    no_effect_on_recovery: &["revisionHistoryLimit"],
    defaults: &[("minReadySeconds", "0")],
};

const UPDATE_STRATEGY: Quiet =
    Quiet { modelled: &["rollingUpdate"], no_effect_on_recovery: &["type"], defaults: &[] };

const DAEMON_ROLLING_UPDATE: Quiet = Quiet {
    modelled: &[],
    no_effect_on_recovery: &["maxUnavailable"],
    defaults: &[("maxSurge", "0")],
};

const JOB_SPEC: Quiet = Quiet {
    modelled: &[
        "parallelism",
        "completions",
        "backoffLimit",
        "podReplacementPolicy",
        "podFailurePolicy",
        "template",
    ],
    no_effect_on_recovery: &["manualSelector", "selector"],
    defaults: &[("completionMode", "NonIndexed"), ("suspend", "false")],
};

const POD_SPEC: Quiet = Quiet {
    modelled: &[
        "containers",
        "nodeName",
        "nodeSelector",
        "priority",
        "priorityClassName",
        "restartPolicy",
        "terminationGracePeriodSeconds",
        "tolerations",
        "volumes",
    ],
    no_effect_on_recovery: &[
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostAliases",
        "hostIPC",
        "hostPID",
        "hostUsers",
        "hostname",
        "hostnameOverride",
        "imagePullSecrets",
        "os",
        "resources",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
    ],
    defaults: &[
        ("preemptionPolicy", "PreemptLowerPriority"),
        ("schedulerName", "default-scheduler"),
    ],
};

const CONTAINER: Quiet = Quiet {
    modelled: &["name", "image"],
    no_effect_on_recovery: &[
        "args",
        "command",
        "env",
        "envFrom",
        "imagePullPolicy",
        "ports",
        "resizePolicy",
        "resources",
        "securityContext",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ],
    defaults: &[],
};

/// Volumes that the API server adds to every pod.
const TOKEN_VOLUME_PREFIX: &str = "kube-api-access-";

/// Warns of whatever `at` sets that is not quiet.
fn warn(at: &Cursor<'_>, quiet: &Quiet, warnings: &mut Vec<Warning>) {
    for (key, field) in at.fields().into_iter().flatten() {
        let name = key.name.as_str();
        let said = quiet.modelled.contains(&name) || quiet.no_effect_on_recovery.contains(&name);
        let is_default = quiet.defaults.iter().any(|(default, value)| {
            *default == name && field.text().is_ok_and(|text| text == *value)
        });
        if !said && !is_default && !field.node.is_empty() {
            warnings.push(Warning::at(
                field.place_at(key.at),
                format!("{} is not modelled and is ignored", field.path),
            ));
        }
    }
}

/// `metadata` of an object or a template.
pub(super) fn warn_metadata(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &METADATA, warnings);
}

/// `spec` of a Deployment.
pub(super) fn warn_deployment(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &DEPLOYMENT_SPEC, warnings);
    if let Some(strategy) = at.get("strategy") {
        warn(&strategy, &STRATEGY, warnings);
        if let Some(rolling_update) = strategy.get("rollingUpdate") {
            warn(&rolling_update, &ROLLING_UPDATE, warnings);
        }
    }
}

/// `spec` of a ReplicaSet.
pub(super) fn warn_replica_set(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &REPLICA_SET_SPEC, warnings);
}

/// `spec` of a StatefulSet.
pub(super) fn warn_stateful_set(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &STATEFUL_SET_SPEC, warnings);
}

/// `spec` of a DaemonSet.
pub(super) fn warn_daemon_set(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &DAEMON_SET_SPEC, warnings);
    if let Some(strategy) = at.get("updateStrategy") {
        warn(&strategy, &UPDATE_STRATEGY, warnings);
        if let Some(rolling_update) = strategy.get("rollingUpdate") {
            warn(&rolling_update, &DAEMON_ROLLING_UPDATE, warnings);
        }
    }
}

/// `spec` of a Job.
pub(super) fn warn_job(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &JOB_SPEC, warnings);
}

/// `spec` of a pod or of a pod template.
pub(super) fn warn_pod(at: &Cursor<'_>, warnings: &mut Vec<Warning>) {
    warn(at, &POD_SPEC, warnings);
    let items = |name: &str| at.get(name).and_then(|list| list.items().ok()).unwrap_or_default();
    let own_volume = |volume: &Cursor<'_>| {
        let name = volume.get("name");
        // Those of claims are read, and warned of, with the claims.
        volume.get("persistentVolumeClaim").is_none()
            && !name.is_some_and(|name| {
                name.text().is_ok_and(|name| name.starts_with(TOKEN_VOLUME_PREFIX))
            })
    };
    if let Some(volume) = items("volumes").iter().find(|volume| own_volume(volume)) {
        let message = format!("{} is not modelled and is ignored", at.path_of("volumes"));
        warnings.push(Warning::at(volume.place(), message));
    }
    for (index, container) in items("containers").iter().enumerate() {
        if index == 0 {
            warn(container, &CONTAINER, warnings);
        } else {
            warnings.push(container.warning("is ignored: a pod is modelled with one container"));
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{
        DaemonSetSpec, DaemonSetUpdateStrategy, DeploymentSpec, DeploymentStrategy, ReplicaSetSpec,
        RollingUpdateDaemonSet, RollingUpdateDeployment,
    };
    use k8s_openapi::api::batch::v1::JobSpec;
    use k8s_openapi::api::core::v1::{Container, PodSpec};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::super::source::Input;
    use super::*;

    fn warned(text: &str, check: fn(&Cursor<'_>, &mut Vec<Warning>)) -> Vec<String> {
        let input = Input { name: "w.yaml".into(), text: text.into() };
        let documents = input.documents().unwrap();
        let mut warnings = Vec::new();
        let spec = Cursor::document(&input, &documents[0]).get("spec").unwrap();
        check(&spec, &mut warnings);
        warnings.iter().map(|w| format!("{} {}", w.line, w.message)).collect()
    }

    fn ignored(line: usize, path: &str) -> String {
        format!("{line} spec.{path} is not modelled and is ignored")
    }

    #[test]
    fn strategies_are_modelled_and_pauses_are_not() {
        let default = "spec:\n  strategy:\n    type: RollingUpdate\n    rollingUpdate:\n      maxSurge: 25%\n      maxUnavailable: 25%\n";
        assert_eq!(warned(default, warn_deployment), Vec::<String>::new());
        let other = "spec:\n  paused: true\n  strategy:\n    type: Recreate\n";
        assert_eq!(warned(other, warn_deployment), [ignored(2, "paused")]);
        let unknown = "spec:\n  strategy:\n    rollingUpdate: {maxSurge: 1, partition: 1}\n";
        let partition = ignored(3, "strategy.rollingUpdate.partition");
        assert_eq!(warned(unknown, warn_deployment), [partition]);
    }

    #[test]
    fn what_matters_to_recovery_is_named_with_its_line() {
        let text = "spec:\n  affinity: {nodeAffinity: {}}\n  hostNetwork: true\n  schedulerName: mine\n  initContainers: [{name: a}]\n  paused: false\n  dnsPolicy: ClusterFirst\n  securityContext: {}\n  volumes:\n  - name: kube-api-access-x\n  - name: data\n  containers:\n  - name: a\n    livenessProbe: {}\n    readinessProbe: {httpGet: {port: 80}}\n    env: [{name: A}]\n  - name: b\n";
        let expected = [
            ignored(2, "affinity"),
            ignored(3, "hostNetwork"),
            ignored(4, "schedulerName"),
            ignored(5, "initContainers"),
            ignored(11, "volumes"),
            ignored(15, "containers[0].readinessProbe"),
            "17 spec.containers[1] is ignored: a pod is modelled with one container".to_string(),
        ];
        assert_eq!(warned(text, warn_pod), expected);
    }

    /// A misspelt name in a table would warn of nothing or of everything.
    #[test]
    fn every_name_in_the_tables_is_a_field_of_kubernetes() {
        let tables = [
            (METADATA, fields_of::<ObjectMeta>()),
            (DEPLOYMENT_SPEC, fields_of::<DeploymentSpec>()),
            (STRATEGY, fields_of::<DeploymentStrategy>()),
            (ROLLING_UPDATE, fields_of::<RollingUpdateDeployment>()),
            (REPLICA_SET_SPEC, fields_of::<ReplicaSetSpec>()),
            (DAEMON_SET_SPEC, fields_of::<DaemonSetSpec>()),
            (UPDATE_STRATEGY, fields_of::<DaemonSetUpdateStrategy>()),
            (DAEMON_ROLLING_UPDATE, fields_of::<RollingUpdateDaemonSet>()),
            (JOB_SPEC, fields_of::<JobSpec>()),
            (POD_SPEC, fields_of::<PodSpec>()),
            (CONTAINER, fields_of::<Container>()),
        ];
        for (quiet, fields) in tables {
            let names = quiet.modelled.iter().chain(quiet.no_effect_on_recovery);
            for name in names.chain(quiet.defaults.iter().map(|(name, _)| name)) {
                assert!(fields.contains(name), "{name} is no field of these: {fields:?}");
            }
        }
    }

    /// The fields that a type tells `serde` it has.
    fn fields_of<'de, T: serde::Deserialize<'de>>() -> &'static [&'static str] {
        use serde::de::value::Error;
        struct Spy<'a>(&'a mut &'static [&'static str]);
        impl<'de> serde::Deserializer<'de> for Spy<'_> {
            type Error = Error;
            fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
                Err(serde::de::Error::custom("only structs are spied on"))
            }
            fn deserialize_struct<V: serde::de::Visitor<'de>>(
                self,
                _: &'static str,
                fields: &'static [&'static str],
                _: V,
            ) -> Result<V::Value, Error> {
                *self.0 = fields;
                Err(serde::de::Error::custom("seen enough"))
            }
            serde::forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
                unit unit_struct seq tuple tuple_struct map enum identifier ignored_any option
                newtype_struct
            }
        }
        let mut fields: &'static [&'static str] = &[];
        assert!(T::deserialize(Spy(&mut fields)).is_err());
        fields
    }
}
