//! The document of `kind: Scenario`: what the cluster looks like, what may go wrong, what is
//! expected.

use models::config::{Settings, WatchMode};
use models::faults::FaultBudget;
use models::version::Version;

use super::cursor::Cursor;
use super::error::InputError;
use super::expectation::{Expectation, read_properties};
use super::faults::{default_faults, read_faults};
use super::nodes::Nodes;
use super::settings::{read_settings, read_watch};

/// The `apiVersion` of scenarios.
const API_VERSION: &str = "node-recovery/v1";

/// Most pods at once that the model has room for.
pub(super) const MAX_PODS: i64 = models::ids::PodSet::CAPACITY as i64;

const FIELDS: [&str; 17] = [
    "title",
    "description",
    "kubernetes",
    "nodes",
    "controlPlane",
    "watch",
    "workloadStatus",
    "start",
    "maxPods",
    "faults",
    "operator",
    "controllerManager",
    "kubelet",
    "apiServer",
    "containers",
    "properties",
    "skip",
];

/// A scenario document that was read and checked, before the workloads are placed.
#[derive(Clone, Debug)]
pub(super) struct ScenarioFile<'a> {
    /// `metadata.name`.
    pub name: Option<String>,
    /// `title`.
    pub title: Option<String>,
    /// `description`.
    pub description: String,
    /// `kubernetes`.
    pub version: Version,
    /// `nodes` and `controlPlane`.
    pub cluster: Nodes,
    /// `watch`.
    pub watch: WatchMode,
    /// `workloadStatus`: whether the status of ReplicaSets and Deployments is searched too.
    pub workload_status: bool,
    /// `start`, still to be read: it names workloads.
    pub start: Option<Cursor<'a>>,
    /// `maxPods`.
    pub max_pods: Option<(u8, Cursor<'a>)>,
    /// `faults` and `operator`.
    pub faults: Vec<FaultBudget>,
    /// `operator`, which may name workloads.
    pub operator: Option<Cursor<'a>>,
    /// `controllerManager` and `apiServer`.
    pub settings: Settings,
    /// `containers.onSigterm`.
    pub ends_on_sigterm: bool,
    /// `properties`.
    pub expectations: Vec<Expectation>,
    /// `skip`.
    pub skip: Option<String>,
}

impl<'a> ScenarioFile<'a> {
    /// Whether a document says that it is a scenario.
    pub(super) fn is_scenario(document: &Cursor<'_>) -> bool {
        document.get("kind").is_some_and(|kind| kind.text() == Ok("Scenario"))
    }

    /// What a bare manifest gets: one power-off and one power-on of any of its workers.
    pub(super) fn default_for(cluster: Nodes) -> Self {
        let version = Version::NEWEST;
        ScenarioFile {
            name: None,
            title: None,
            description: String::new(),
            version,
            faults: default_faults(&cluster),
            operator: None,
            cluster,
            watch: WatchMode::Fresh,
            workload_status: false,
            start: None,
            max_pods: None,
            settings: Settings::defaults(version),
            ends_on_sigterm: true,
            expectations: Vec::new(),
            skip: None,
        }
    }

    /// Reads a scenario document.
    pub(super) fn read(document: &Cursor<'a>) -> Result<Self, InputError> {
        let api_version = document.required("apiVersion")?;
        if api_version.text()? != API_VERSION {
            let shown = api_version.node.describe();
            return Err(
                api_version.error(format!("of a Scenario must be {API_VERSION}, is {shown}"))
            );
        }
        document.only(&["apiVersion", "kind", "metadata", "spec"])?;
        let name = document.get("metadata").map(|metadata| read_name(&metadata)).transpose()?;
        let spec = document.required("spec")?;
        spec.only(&FIELDS)?;
        let text = |field: &str| {
            let text = spec.get(field).map(|field| field.text().map(str::trim));
            text.transpose().map(|text| text.map(str::to_string))
        };
        let version = read_version(&spec)?;
        let mut cluster = Nodes::read(&spec)?;
        let (faults, operator) = (spec.get("faults"), spec.get("operator"));
        let faults = read_faults(faults.as_ref(), operator.as_ref(), &mut cluster)?;
        cluster.know_taints_of(&faults);
        let max_pods =
            spec.get("maxPods").map(|field| Ok((field.integer(1..=MAX_PODS)? as u8, field)));
        let watch = spec.get("watch").map(|watch| read_watch(&watch)).transpose()?;
        let expectations = spec.get("properties").map(|list| read_properties(&list)).transpose()?;
        Ok(ScenarioFile {
            name: name.flatten(),
            title: text("title")?,
            description: text("description")?.unwrap_or_default(),
            version,
            faults,
            operator,
            cluster,
            watch: watch.unwrap_or(WatchMode::Fresh),
            workload_status: read_workload_status(&spec)?,
            start: spec.get("start"),
            max_pods: max_pods.transpose()?,
            settings: read_settings(&spec, version)?,
            ends_on_sigterm: read_on_sigterm(&spec)?,
            expectations: expectations.unwrap_or_default(),
            skip: text("skip")?,
        })
    }
}

fn read_name(metadata: &Cursor<'_>) -> Result<Option<String>, InputError> {
    metadata.only(&["name"])?;
    let name = metadata.get("name").map(|name| name.object_name().map(str::to_string));
    name.transpose()
}

fn read_version(spec: &Cursor<'_>) -> Result<Version, InputError> {
    let Some(field) = spec.get("kubernetes") else { return Ok(Version::NEWEST) };
    field.text()?.parse().map_err(|problem: String| field.error(format!("is an {problem}")))
}

fn read_workload_status(spec: &Cursor<'_>) -> Result<bool, InputError> {
    match spec.get("workloadStatus") {
        Some(field) => field.word(&[("searched", true), ("shown", false)]),
        None => Ok(false),
    }
}

fn read_on_sigterm(spec: &Cursor<'_>) -> Result<bool, InputError> {
    let Some(containers) = spec.get("containers") else { return Ok(true) };
    containers.only(&["onSigterm"])?;
    match containers.get("onSigterm") {
        Some(field) => field.word(&[("exits", true), ("ignores", false)]),
        None => Ok(true),
    }
}
