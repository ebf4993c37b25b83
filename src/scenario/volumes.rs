//! PersistentVolumeClaims, as `kubectl get -o yaml` prints them, and the volumes of pods.
//!
//! A claim is taken as bound, to a volume that can be attached to every node.

use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use models::config::{ClusterConfig, VolumeConfig};
use models::ids::{StatefulSetId, VolumeId, VolumeSet};

use super::cursor::Cursor;
use super::decode::decode;
use super::error::{InputError, Warning};
use super::manifest::{Kind, Workload};

/// Who may use a volume at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// One node.
    Once,
    /// One pod.
    OncePerPod,
    /// Several nodes: it is attached wherever it is wanted, and nothing waits for it.
    Many,
}

/// A PersistentVolumeClaim.
pub(super) struct Claim {
    name: String,
    namespace: String,
    volume: Option<String>,
    access: Access,
}

/// Whether a document is a PersistentVolumeClaim.
pub(super) fn is_claim(document: &Cursor<'_>) -> bool {
    document.get("kind").is_some_and(|kind| kind.text() == Ok("PersistentVolumeClaim"))
}

/// Reads the claims among the documents.
pub(super) fn read_claims(
    documents: &[Cursor<'_>],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Claim>, InputError> {
    documents.iter().filter(|document| is_claim(document)).map(|at| read(at, warnings)).collect()
}

fn read(document: &Cursor<'_>, warnings: &mut Vec<Warning>) -> Result<Claim, InputError> {
    let api_version = document.required("apiVersion")?;
    if api_version.text()? != "v1" {
        let shown = api_version.text()?.escape_debug().to_string();
        let problem = format!("of a PersistentVolumeClaim must be v1, is {shown}");
        return Err(api_version.error(problem));
    }
    document.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
    let metadata = document.required("metadata")?;
    let name = metadata.required("name")?.object_name()?.to_string();
    let namespace = metadata.get("namespace").map(|at| at.text().map(str::to_string));
    let spec = document.required("spec")?;
    Ok(Claim {
        name,
        namespace: namespace.transpose()?.unwrap_or_default(),
        volume: spec.get("volumeName").map(|at| at.text().map(str::to_string)).transpose()?,
        access: access(&spec, warnings)?,
    })
}

/// `accessModes` of a claim or of a claim template.
fn access(spec: &Cursor<'_>, warnings: &mut Vec<Warning>) -> Result<Access, InputError> {
    let _: PersistentVolumeClaimSpec = decode(spec, warnings)?;
    let modes_at = spec.required("accessModes")?;
    let words = [
        ("ReadWriteOnce", Access::Once),
        ("ReadWriteOncePod", Access::OncePerPod),
        ("ReadWriteMany", Access::Many),
        ("ReadOnlyMany", Access::Many),
    ];
    let modes =
        modes_at.items()?.iter().map(|mode| mode.word(&words)).collect::<Result<Vec<_>, _>>();
    match modes?[..] {
        [] => Err(modes_at.error("is empty")),
        [mode] => Ok(mode),
        ref several if several.contains(&Access::OncePerPod) => {
            Err(modes_at.error("must not have ReadWriteOncePod together with another mode"))
        }
        ref several if several.contains(&Access::Many) => Ok(Access::Many),
        _ => Ok(Access::Once),
    }
}

/// Gives the cluster its volumes, and the workloads those of their pods. Templates are numbered as
/// their workloads are.
pub(super) fn assign(
    claims: &[Claim],
    workloads: &[Workload<'_>],
    config: &mut ClusterConfig,
    warnings: &mut Vec<Warning>,
) -> Result<(), InputError> {
    let mut sets = (0..).map(StatefulSetId);
    for (workload, template) in workloads.iter().zip(0..) {
        config.templates[template].volumes = shared(claims, workload, config, warnings)?;
        if workload.kind == Kind::StatefulSet
            && let Some(set) = sets.next()
        {
            identities(claims, workload, set, config, warnings)?;
        }
    }
    if config.volumes.len() > VolumeSet::CAPACITY {
        let most = VolumeSet::CAPACITY;
        let last = &workloads[workloads.len() - 1].pod_at;
        return Err(last.error(format!("makes more than {most} volumes in all")));
    }
    Ok(())
}

/// The claims that a pod spec names.
fn shared(
    claims: &[Claim],
    workload: &Workload<'_>,
    config: &mut ClusterConfig,
    warnings: &mut Vec<Warning>,
) -> Result<VolumeSet, InputError> {
    let mut shared = VolumeSet::EMPTY;
    let Some(volumes) = workload.pod_at.get("volumes") else { return Ok(shared) };
    for volume in volumes.items()? {
        let Some(claim_at) = volume.get("persistentVolumeClaim") else { continue };
        let name_at = claim_at.required("claimName")?;
        let name = name_at.text()?;
        let of_name = |claim: &&Claim| claim.name == name && claim.namespace == workload.namespace;
        match claims.iter().find(of_name) {
            None => {
                warnings.push(name_at.warning(
                    "names a PersistentVolumeClaim that is not here: its volume is ignored",
                ))
            }
            Some(claim) if claim.access == Access::Many => warnings.push(many(&name_at)),
            Some(claim) => {
                shared.insert(volume_of(config, name, claim.access, claim.volume.as_deref()));
            }
        }
    }
    Ok(shared)
}

/// A volume that several nodes may use.
fn many(at: &Cursor<'_>) -> Warning {
    at.warning("may be used by several nodes at once: nothing waits for it, and it is ignored")
}

/// A volume for each claim template and each identity of a StatefulSet.
fn identities(
    claims: &[Claim],
    workload: &Workload<'_>,
    set: StatefulSetId,
    config: &mut ClusterConfig,
    warnings: &mut Vec<Warning>,
) -> Result<(), InputError> {
    let mut own = Vec::new();
    if let Some(templates) = workload.at.toward(&["spec"]).get("volumeClaimTemplates") {
        for template in templates.items()? {
            let name_at = template.required("metadata")?.required("name")?;
            match access(&template.required("spec")?, warnings)? {
                Access::Many => warnings.push(many(&name_at)),
                access => own.push((name_at.text()?.to_string(), access)),
            }
        }
    }
    let first_volume = VolumeId(config.volumes.len().min(VolumeSet::CAPACITY) as u8);
    let identities = config.stateful_sets[set.0 as usize].identities;
    for ordinal in 0..identities {
        for (name, access) in &own {
            let name = format!("{name}-{}-{ordinal}", workload.name);
            let of_name =
                |claim: &&Claim| claim.name == name && claim.namespace == workload.namespace;
            let volume = claims.iter().find(of_name).and_then(|claim| claim.volume.as_deref());
            config.volumes.push(volume_config(&name, *access, volume));
        }
    }
    let manifest = &mut config.stateful_sets[set.0 as usize];
    manifest.first_volume = first_volume;
    manifest.claims = own.len() as u8;
    Ok(())
}

/// The volume of a claim that several pods may name.
fn volume_of(
    config: &mut ClusterConfig,
    claim: &str,
    access: Access,
    volume: Option<&str>,
) -> VolumeId {
    let known = config.volumes.iter().position(|known| known.claim == claim);
    let at = known.unwrap_or_else(|| {
        config.volumes.push(volume_config(claim, access, volume));
        config.volumes.len() - 1
    });
    VolumeId(at.min(VolumeSet::CAPACITY - 1) as u8)
}

fn volume_config(claim: &str, access: Access, volume: Option<&str>) -> VolumeConfig {
    VolumeConfig {
        claim: claim.to_string(),
        name: volume.map_or_else(|| made_up(claim), str::to_string),
        once_per_pod: access == Access::OncePerPod,
    }
}

/// A name as a provisioner gives it: `pvc-` and the claim's uid, which is a function of its name here.
fn made_up(claim: &str) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in claim.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let digits = format!("{hash:032x}");
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("pvc-{}", groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::super::source::Input;
    use super::super::{Scenario, load};

    const SET: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
    - metadata: {name: log}
      spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 1Gi}}}
";

    fn scenario(text: &str) -> Scenario {
        let input = Input { name: "s.yaml".into(), text: text.into() };
        load(&[input]).unwrap_or_else(|error| panic!("{error}")).remove(0)
    }

    fn pod(claims: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c}}], \
             volumes: [{{name: v, persistentVolumeClaim: {{claimName: data}}}}]}}}}\n---\n{claims}"
        )
    }

    fn claim(mode: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: data}}, \
             spec: {{accessModes: [{mode}], volumeName: disk, resources: {{}}}}}}"
        )
    }

    #[test]
    fn each_identity_has_a_volume_for_each_claim_template() {
        let config = scenario(SET).config;
        let claims: Vec<_> =
            config.volumes.iter().map(|v| (v.claim.as_str(), v.once_per_pod)).collect();
        let expected =
            [("data-db-0", false), ("log-db-0", true), ("data-db-1", false), ("log-db-1", true)];
        assert_eq!(claims, expected);
        let set = &config.stateful_sets[0];
        let of = |ordinal| {
            let name = set.names().nth(ordinal).unwrap();
            config.volumes_of(set.template, name).iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!((of(0), of(1)), (vec![0, 1], vec![2, 3]));
    }

    #[test]
    fn a_claim_that_is_here_is_a_volume() {
        let scenario = scenario(&pod(&claim("ReadWriteOnce")));
        assert_eq!(scenario.config.volumes[0].name, "disk");
        assert_eq!(scenario.config.templates[0].volumes.len(), 1);
        assert!(scenario.warnings.is_empty(), "{:?}", scenario.warnings);
    }

    #[test]
    fn what_is_not_a_volume_of_one_node_is_named() {
        for (claims, message) in
            [("", "is not here"), (&claim("ReadWriteMany"), "may be used by several nodes")]
        {
            let scenario = scenario(&pod(claims));
            assert!(scenario.config.volumes.is_empty());
            let [warning] = &scenario.warnings[..] else { panic!("{:?}", scenario.warnings) };
            assert!(warning.message.contains(message), "{}", warning.message);
        }
    }

    #[test]
    fn modes_that_the_api_server_refuses_are_errors() {
        for (modes, message) in [
            ("", "is empty"),
            ("ReadWriteOnce, ReadWriteOncePod", "ReadWriteOncePod together"),
            ("Once", "must be"),
        ] {
            let input = Input { name: "s.yaml".into(), text: pod(&claim(modes)) };
            let error = load(&[input]).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
