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

/// ReadWriteOncePod came with 1.27 (its gate was off before).
const FIRST_WITH_ONCE_PER_POD: u8 = 27;

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
pub(super) struct Claim<'a> {
    name: String,
    namespace: String,
    volume: Option<String>,
    access: Access,
    at: Cursor<'a>,
}

/// Whether a document is a PersistentVolumeClaim.
pub(super) fn is_claim(document: &Cursor<'_>) -> bool {
    document.get("kind").is_some_and(|kind| kind.text() == Ok("PersistentVolumeClaim"))
}

/// Reads the claims among the documents.
pub(super) fn read_claims<'a>(
    documents: &[Cursor<'a>],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Claim<'a>>, InputError> {
    documents.iter().filter(|document| is_claim(document)).map(|at| read(at, warnings)).collect()
}

fn read<'a>(document: &Cursor<'a>, warnings: &mut Vec<Warning>) -> Result<Claim<'a>, InputError> {
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
        at: document.clone(),
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
    claims: &[Claim<'_>],
    workloads: &[Workload<'_>],
    config: &mut ClusterConfig,
    warnings: &mut Vec<Warning>,
) -> Result<(), InputError> {
    let mut volumes = Volumes { claims, given: vec![None; claims.len()], config, warnings };
    let mut sets = (0..).map(StatefulSetId);
    for (workload, template) in workloads.iter().zip(0..) {
        let shared = volumes.shared(workload)?;
        volumes.config.templates[template].volumes = shared;
        if workload.kind == Kind::StatefulSet
            && let Some(set) = sets.next()
        {
            volumes.identities(workload, set)?;
        }
    }
    for (claim, _) in claims.iter().zip(&volumes.given).filter(|(_, given)| given.is_none()) {
        let unused = format!("PersistentVolumeClaim {} is used by no pod here", claim.name);
        volumes.warnings.push(Warning::at(claim.at.place(), unused));
    }
    Ok(())
}

/// Volumes being given to claims.
struct Volumes<'a> {
    claims: &'a [Claim<'a>],
    /// The volume of each claim, or that it has been seen to need none.
    given: Vec<Option<Option<VolumeId>>>,
    config: &'a mut ClusterConfig,
    warnings: &'a mut Vec<Warning>,
}

impl Volumes<'_> {
    /// The claims that a pod spec names.
    fn shared(&mut self, workload: &Workload<'_>) -> Result<VolumeSet, InputError> {
        let mut shared = VolumeSet::EMPTY;
        let Some(volumes) = workload.pod_at.get("volumes") else { return Ok(shared) };
        for volume in volumes.items()? {
            let Some(claim) = volume.get("persistentVolumeClaim") else { continue };
            let name = claim.required("claimName")?;
            match self.find(name.text()?, &workload.namespace) {
                None => self.warnings.push(name.warning(
                    "names a PersistentVolumeClaim that is not here: its volume is ignored",
                )),
                Some(at) => {
                    if let Some(volume) = self.of_claim(at, &name)? {
                        shared.insert(volume);
                    }
                }
            }
        }
        Ok(shared)
    }

    fn find(&self, name: &str, namespace: &str) -> Option<usize> {
        let is_it = |claim: &Claim<'_>| claim.name == name && claim.namespace == namespace;
        self.claims.iter().position(is_it)
    }

    /// The volume of a claim, which pods may share; none for one that several nodes may use.
    fn of_claim(&mut self, at: usize, user: &Cursor<'_>) -> Result<Option<VolumeId>, InputError> {
        if let Some(given) = self.given[at] {
            return Ok(given);
        }
        let claim = &self.claims[at];
        let given = match claim.access {
            Access::Many => {
                self.warnings.push(many(user));
                None
            }
            access => Some(self.add(&claim.name, access, claim.volume.as_deref(), user)?),
        };
        self.given[at] = Some(given);
        Ok(given)
    }

    fn add(
        &mut self,
        claim: &str,
        access: Access,
        volume: Option<&str>,
        user: &Cursor<'_>,
    ) -> Result<VolumeId, InputError> {
        let once_per_pod = access == Access::OncePerPod;
        if once_per_pod && self.config.version.minor() < FIRST_WITH_ONCE_PER_POD {
            return Err(user.error("has a claim with ReadWriteOncePod, which came with 1.27"));
        }
        let most = VolumeSet::CAPACITY;
        if self.config.volumes.len() == most {
            return Err(user.error(format!("has a volume too many: at most {most}")));
        }
        self.config.volumes.push(VolumeConfig {
            claim: claim.to_string(),
            name: volume.map_or_else(|| made_up(claim), str::to_string),
            once_per_pod,
        });
        Ok(VolumeId(self.config.volumes.len() as u8 - 1))
    }

    /// A volume for each claim template and each identity of a StatefulSet.
    fn identities(
        &mut self,
        workload: &Workload<'_>,
        set: StatefulSetId,
    ) -> Result<(), InputError> {
        let mut own = Vec::new();
        if let Some(templates) = workload.at.toward(&["spec"]).get("volumeClaimTemplates") {
            for template in templates.items()? {
                let name = template.required("metadata")?.required("name")?;
                match access(&template.required("spec")?, self.warnings)? {
                    Access::Many => self.warnings.push(many(&name)),
                    access => own.push((name, access)),
                }
            }
        }
        let first_volume = VolumeId(self.config.volumes.len() as u8);
        for ordinal in 0..self.config.stateful_sets[set.0 as usize].identities {
            for (template, access) in &own {
                let name = format!("{}-{}-{ordinal}", template.text()?, workload.name);
                // The claim that the controller made, as the cluster knows it.
                let made = self.find(&name, &workload.namespace);
                let claims = self.claims;
                let volume = made.and_then(|at| claims[at].volume.as_deref());
                let id = self.add(&name, *access, volume, template)?;
                made.into_iter().for_each(|at| self.given[at] = Some(Some(id)));
            }
        }
        let manifest = &mut self.config.stateful_sets[set.0 as usize];
        manifest.first_volume = first_volume;
        manifest.claims = own.len() as u8;
        Ok(())
    }
}

/// A volume that several nodes may use.
fn many(at: &Cursor<'_>) -> Warning {
    at.warning("may be used by several nodes at once: nothing waits for it, and it is ignored")
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
