//! The nodes of a scenario: names, zones, labels, taints.

use std::collections::BTreeMap;

use models::config::{
    Effect, INSTANCE_STOPPED, NOT_READY, NodeConfig, OUT_OF_SERVICE, Taint, Toleration,
    UNREACHABLE, UNSCHEDULABLE, well_known_taints,
};
use models::faults::{FaultBudget, FaultKind};
use models::ids::{NodeId, NodeSet, TaintId, TaintSet, ZoneId};

use super::cluster::MAX_NODES;
use super::cursor::Cursor;
use super::error::{InputError, nearest};
use super::pod::{EFFECTS, PodShape};
use super::selector::Labels;
use super::source::{Meaning, Value};

const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
const ROLE_LABEL_PREFIX: &str = "node-role.kubernetes.io/";
const CONTROL_PLANE: &str = "control-plane";

/// Room for the taints that what people do brings about.
const SPARE_TAINTS: usize = 4;

/// A node as a scenario describes it.
#[derive(Clone, Debug, Default)]
struct NodeSketch {
    name: String,
    zone: String,
    labels: Labels,
    taints: TaintSet,
    roles: Vec<String>,
    /// `powerOff`, where it is said.
    power_off: Option<bool>,
}

/// The nodes of a scenario, ready for the model.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    sketches: Vec<NodeSketch>,
    /// Taints by id, the well-known first.
    pub taints: Vec<Taint>,
}

impl Nodes {
    /// Workers without anything special about them: what a bare manifest gets.
    pub(super) fn workers(names: impl IntoIterator<Item = String>) -> Self {
        let sketch = |name| NodeSketch { name, ..NodeSketch::default() };
        let mut cluster = Nodes {
            sketches: names.into_iter().map(sketch).collect(),
            taints: well_known_taints(),
        };
        cluster.complete_labels();
        cluster
    }

    /// Reads `nodes` and `controlPlane` of the spec of a scenario.
    pub(super) fn read(spec: &Cursor<'_>) -> Result<Self, InputError> {
        let Some(nodes) = spec.get("nodes") else {
            return Err(spec.error("has no `nodes`").with_help("e.g. `nodes: 3`"));
        };
        let mut cluster = Nodes { sketches: Vec::new(), taints: well_known_taints() };
        match (&nodes.node.value, nodes.node.meaning()) {
            (Value::Sequence(_), _) => {
                for item in nodes.items()? {
                    cluster.add(&item)?;
                }
            }
            (_, Some(Meaning::Integer(_))) => {
                let count = nodes.integer(0..=MAX_NODES as i64)?;
                let names = (1..=count).map(|number| format!("node-{number}"));
                cluster = Nodes::workers(names);
            }
            _ => return Err(nodes.expected("a number of nodes or a list of them")),
        }
        if cluster.sketches.is_empty() {
            return Err(nodes.error("must not be zero: pods need a node to run on"));
        }
        if cluster.sketches.len() > MAX_NODES {
            let count = cluster.sketches.len();
            return Err(nodes.error(format!("must be at most {MAX_NODES}, are {count}")));
        }
        if let Some(control_plane) = spec.get("controlPlane") {
            let node = cluster.find(&control_plane)?;
            let taint = Taint {
                key: format!("{ROLE_LABEL_PREFIX}{CONTROL_PLANE}"),
                value: String::new(),
                effect: Effect::NoSchedule,
            };
            let taint = cluster.taint_id(taint, &control_plane)?;
            let sketch = &mut cluster.sketches[node.0 as usize];
            sketch.taints.insert(taint);
            if !sketch.roles.iter().any(|role| role == CONTROL_PLANE) {
                sketch.roles.push(CONTROL_PLANE.to_string());
            }
        }
        cluster.complete_labels();
        Ok(cluster)
    }

    /// Adds a node: its name, or a mapping.
    fn add(&mut self, item: &Cursor<'_>) -> Result<(), InputError> {
        let mut sketch = NodeSketch::default();
        let name_at = if matches!(item.node.value, Value::Mapping(_)) {
            item.only(&["name", "zone", "labels", "taints", "roles", "powerOff"])?;
            self.read_fields(item, &mut sketch)?;
            item.required("name")?
        } else {
            item.clone()
        };
        sketch.name = name_at.object_name()?.to_string();
        if self.sketches.iter().any(|other| other.name == sketch.name) {
            return Err(name_at.error(format!("names `{}` a second time", sketch.name)));
        }
        self.sketches.push(sketch);
        Ok(())
    }

    fn read_fields(
        &mut self,
        item: &Cursor<'_>,
        sketch: &mut NodeSketch,
    ) -> Result<(), InputError> {
        for (key, value) in item.get("labels").map(|l| l.fields()).transpose()?.unwrap_or_default()
        {
            sketch.labels.insert(key.name.clone(), value.text()?.to_string());
        }
        sketch.zone = match item.get("zone") {
            Some(zone) => zone.text()?.to_string(),
            None => sketch.labels.get(ZONE_LABEL).cloned().unwrap_or_default(),
        };
        for taint in item.get("taints").map(|t| t.items()).transpose()?.unwrap_or_default() {
            let id = read_taint(&taint).and_then(|content| self.taint_id(content, &taint))?;
            sketch.taints.insert(id);
        }
        if let Some(roles) = item.get("roles") {
            let list = match &roles.node.value {
                Value::Sequence(_) => roles.items()?,
                _ => vec![roles],
            };
            for role in list {
                sketch.roles.push(role.text()?.to_string());
            }
        }
        let labelled = sketch.labels.keys().filter_map(|key| key.strip_prefix(ROLE_LABEL_PREFIX));
        let missing = labelled.filter(|role| !sketch.roles.iter().any(|known| known == role));
        let missing: Vec<String> = missing.map(str::to_string).collect();
        sketch.roles.extend(missing);
        sketch.power_off = item.get("powerOff").map(|field| field.boolean()).transpose()?;
        Ok(())
    }

    /// The id of the taint that is written at `at`, a new one if need be.
    pub(super) fn taint(&mut self, at: &Cursor<'_>) -> Result<TaintId, InputError> {
        read_taint(at).and_then(|taint| self.taint_id(taint, at))
    }

    /// The id of a taint, a new one if need be.
    fn taint_id(&mut self, taint: Taint, at: &Cursor<'_>) -> Result<TaintId, InputError> {
        if [NOT_READY, UNREACHABLE].contains(&taint.key.as_str()) {
            let error = at.error(format!("must not be {}", taint.key));
            return Err(
                error.with_help("the node lifecycle controller sets and removes this taint")
            );
        }
        let index = self.taints.iter().position(|known| *known == taint).unwrap_or_else(|| {
            self.taints.push(taint);
            self.taints.len() - 1
        });
        if index >= TaintSet::CAPACITY - SPARE_TAINTS {
            let most = TaintSet::CAPACITY - SPARE_TAINTS - well_known_taints().len();
            return Err(at.error(format!("is one too many: at most {most} different taints")));
        }
        Ok(TaintId(index as u8))
    }

    /// Adds the taints that what people do brings about, unless the scenario names them already.
    pub(super) fn know_taints_of(&mut self, budgets: &[FaultBudget]) {
        let taints = [
            (FaultKind::OutOfService, OUT_OF_SERVICE, "nodeshutdown", Effect::NoExecute),
            (FaultKind::Cordon, UNSCHEDULABLE, "", Effect::NoSchedule),
            (FaultKind::Drain, UNSCHEDULABLE, "", Effect::NoSchedule),
            (FaultKind::InstanceStopped, INSTANCE_STOPPED, "", Effect::NoSchedule),
            (FaultKind::InstanceGone, INSTANCE_STOPPED, "", Effect::NoSchedule),
        ];
        for (kind, key, value, effect) in taints {
            let known = self.taints.iter().any(|taint| taint.key == key && taint.effect == effect);
            if budgets.iter().any(|budget| budget.kind == kind) && !known {
                self.taints.push(Taint { key: key.into(), value: value.into(), effect });
            }
        }
    }

    /// Adds the labels that every kubelet and cloud adds.
    fn complete_labels(&mut self) {
        for sketch in &mut self.sketches {
            let mut add = |key: String, value: &str| {
                sketch.labels.entry(key).or_insert_with(|| value.to_string());
            };
            add(HOSTNAME_LABEL.into(), &sketch.name);
            add("kubernetes.io/os".into(), "linux");
            add("kubernetes.io/arch".into(), "amd64");
            if !sketch.zone.is_empty() {
                add(ZONE_LABEL.into(), &sketch.zone);
            }
            for role in &sketch.roles {
                add(format!("{ROLE_LABEL_PREFIX}{role}"), "");
            }
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.sketches.len()
    }

    /// The name of a node.
    pub(super) fn name(&self, node: NodeId) -> &str {
        &self.sketches[node.0 as usize].name
    }

    fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.len() as u8).map(NodeId)
    }

    fn that(&self, keep: impl Fn(&NodeSketch) -> bool) -> NodeSet {
        self.ids().filter(|id| keep(&self.sketches[id.0 as usize])).collect()
    }

    /// All nodes.
    pub(super) fn all(&self) -> NodeSet {
        self.that(|_| true)
    }

    /// Nodes that faults strike unless a scenario says where: not the control plane, for the API
    /// server that would go with it is never down in the model.
    pub(super) fn usual_victims(&self) -> NodeSet {
        self.that(|sketch| !sketch.roles.iter().any(|role| role == CONTROL_PLANE))
    }

    /// Nodes that may be switched off unless a scenario says where.
    pub(super) fn power_off_victims(&self) -> NodeSet {
        self.usual_victims()
            .union(self.that(|sketch| sketch.power_off == Some(true)))
            .minus(self.that(|sketch| sketch.power_off == Some(false)))
    }

    /// Whether the scenario says that this node cannot be switched off.
    pub(super) fn is_always_on(&self, node: NodeId) -> bool {
        self.sketches[node.0 as usize].power_off == Some(false)
    }

    /// The node whose name stands at `at`.
    pub(super) fn find(&self, at: &Cursor<'_>) -> Result<NodeId, InputError> {
        let name = at.text()?;
        self.ids().find(|id| self.name(*id) == name).ok_or_else(|| {
            let names: Vec<&str> =
                self.sketches.iter().map(|sketch| sketch.name.as_str()).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the nodes are {}", names.join(", ")),
            };
            at.error(format!("names the unknown node \"{}\"", name.escape_debug())).with_help(help)
        })
    }

    /// Nodes that match the `nodeSelector` of a pod.
    pub(super) fn selected(&self, pod: &PodShape) -> NodeSet {
        let wanted = &pod.node_selector;
        self.that(|sketch| wanted.iter().all(|(key, value)| sketch.labels.get(key) == Some(value)))
    }

    /// Nodes with a taint of one of `effects` that no toleration matches.
    pub(super) fn repelling(&self, tolerations: &[Toleration], effects: &[Effect]) -> NodeSet {
        self.that(|sketch| {
            let taints = sketch.taints.iter().map(|id| &self.taints[id.0 as usize]);
            let mut repelling = taints.filter(|taint| effects.contains(&taint.effect));
            repelling.any(|taint| !tolerations.iter().any(|toleration| toleration.tolerates(taint)))
        })
    }

    /// Nodes and zones as the model wants them; zones in the order in which they are first named.
    pub(super) fn into_config(self) -> (Vec<NodeConfig>, Vec<String>, Vec<Taint>) {
        let mut zones: Vec<String> = Vec::new();
        let mut ids: BTreeMap<String, ZoneId> = BTreeMap::new();
        let nodes = self.sketches.into_iter().map(|sketch| {
            let zone = *ids.entry(sketch.zone.clone()).or_insert_with(|| {
                zones.push(sketch.zone);
                ZoneId(zones.len() as u8 - 1)
            });
            let mut roles = sketch.roles;
            roles.sort();
            let roles = if roles.is_empty() { "<none>".to_string() } else { roles.join(",") };
            NodeConfig { name: sketch.name, zone, taints: sketch.taints, roles }
        });
        let nodes = nodes.collect();
        (nodes, zones, self.taints)
    }
}

/// `key=value:Effect`, `key:Effect`, or a mapping.
fn read_taint(at: &Cursor<'_>) -> Result<Taint, InputError> {
    if matches!(at.node.value, Value::Mapping(_)) {
        at.only(&["key", "value", "effect"])?;
        let value = at.get("value").map(|value| value.text()).transpose()?.unwrap_or_default();
        return Ok(Taint {
            key: at.required("key")?.text()?.to_string(),
            value: value.to_string(),
            effect: at.required("effect")?.word(&EFFECTS)?,
        });
    }
    let text = at.text()?;
    let error = || {
        at.error(format!("is no taint: \"{}\"", text.escape_debug())).with_help(
            "a taint is key=value:Effect or key:Effect; \
                effects are NoSchedule, PreferNoSchedule, NoExecute",
        )
    };
    let (label, effect) = text.rsplit_once(':').ok_or_else(error)?;
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    let effect = EFFECTS.iter().find(|(name, _)| *name == effect).ok_or_else(error)?.1;
    if key.is_empty() {
        return Err(error());
    }
    Ok(Taint { key: key.to_string(), value: value.to_string(), effect })
}
