//! Histories from tables of `kubectl get --watch`: the cluster is taken from what they show, and
//! from a model where they do not.

use std::collections::BTreeMap;

use models::config::{
    ClusterConfig, DaemonSetConfig, DeploymentConfig, Effect, NOT_READY, NodeConfig, PodTemplate,
    ReplicaSetConfig, RestartPolicy, Settings, Start, StatefulSetConfig, Strategy, Toleration,
    UNREACHABLE, WatchMode, daemon_tolerations, well_known_taints,
};
use models::ids::{
    DaemonSetId, NameSet, NodeId, NodeSet, PodName, PodSet, ReplicaSetId, Seconds, TaintSet,
    TemplateId, VolumeId, VolumeSet, ZoneId,
};
use models::objects::{Object, Owner};
use models::printers;
use models::version::Version;

use crate::conform::derive;
use crate::conform::facts::{self, Bindings, NotModelled, Symbols};
use crate::conform::history::{Entry, Expected, History, Stream};
use crate::conform::rows::{Kind, Line};
use crate::conform::told::Telling;
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, MAX_NODES};

/// A table that has been read.
pub struct Table {
    /// Its rows.
    pub lines: Vec<Line>,
}

/// What tables do not show, as far as it is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The version.
    pub version: Option<Version>,
    /// The cluster.
    pub model: Option<ClusterConfig>,
    /// Which lines of a log are held against the story too.
    pub telling: Telling,
}

/// Room for pods beyond those that are wanted.
const SPARE_PODS: usize = 3;

/// Makes one history of tables.
pub fn history(
    files: Vec<String>,
    tables: Vec<Table>,
    symbols: Symbols,
    given: &Given,
) -> Result<History, NotModelled> {
    let shown = Shown::of(&tables, &symbols);
    let mut config = match &given.model {
        Some(model) => model.clone(),
        None => shown.cluster(given.version)?,
    };
    if let Some(version) = given.version {
        config.version = version;
    }
    let daemons = !config.daemon_sets.is_empty();
    config.watch = if daemons { WatchMode::Lag(1) } else { WatchMode::Fresh };
    config.workload_status = true;
    config.start = shown.start(&config)?;
    config.faults = derive::hidden_faults(&config, shown.struck(&config));
    let streams = streams(tables);
    let mut history = History {
        config,
        files,
        streams,
        symbols,
        bound: Bindings::default(),
        stutters: 0,
        aside: 0,
        replica_sets: Vec::new(),
        accounts: Vec::new(),
        pods: BTreeMap::new(),
        timing: None,
        middle: None,
    };
    bind_start(&mut history, &shown)?;
    Ok(history)
}

/// One stream per kind: a second table of a kind goes on where the first ended.
fn streams(tables: Vec<Table>) -> Vec<Stream> {
    let mut streams: Vec<(Kind, Stream)> = Vec::new();
    for (file, table) in tables.into_iter().enumerate() {
        let Some(kind) = table.lines.first().map(|line| line.row.kind) else { continue };
        let entries = table.lines.into_iter().map(|line| Entry {
            file,
            line: line.line,
            expected: Expected::Row(line.row),
            repeats: false,
            text: line.text,
            time: None,
        });
        match streams.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, stream)) => stream.entries.extend(entries),
            None => streams.push((kind, Stream { entries: entries.collect() })),
        }
    }
    let mut streams: Vec<Stream> = streams.into_iter().map(|(_, stream)| stream).collect();
    for stream in &mut streams {
        let mut last = BTreeMap::new();
        for entry in &mut stream.entries {
            if let Expected::Row(row) = &entry.expected {
                let before = last.insert(row.name, row.clone());
                entry.repeats = before.as_ref() == Some(row);
            }
        }
    }
    streams
}

/// An object as its first row shows it, and the nodes that later rows name.
#[derive(Clone, Debug, Default)]
struct First {
    cells: BTreeMap<String, String>,
}

impl First {
    fn cell(&self, name: &str) -> &str {
        self.cells.get(name).map_or("", String::as_str)
    }
}

/// What tables show of a cluster: names in the order in which they come.
#[derive(Default)]
struct Shown {
    pods: Vec<(String, First)>,
    nodes: Vec<(String, First)>,
    deployments: Vec<(String, First)>,
    replica_sets: Vec<(String, First)>,
    stateful_sets: Vec<(String, First)>,
    daemon_sets: Vec<(String, First)>,
    jobs: Vec<(String, First)>,
    /// Nodes that pods were on.
    hosts: Vec<String>,
    /// Pods, and the nodes that they were on.
    placed: Vec<(String, String)>,
    /// Nodes whose status was other than Ready.
    troubled: Vec<String>,
}

impl Shown {
    fn of(tables: &[Table], symbols: &Symbols) -> Self {
        let mut shown = Shown::default();
        for line in tables.iter().flat_map(|table| &table.lines) {
            let name = symbols.text(line.row.name).to_string();
            let list = match line.row.kind {
                Kind::Pods => &mut shown.pods,
                Kind::Nodes => &mut shown.nodes,
                Kind::Deployments => &mut shown.deployments,
                Kind::ReplicaSets => &mut shown.replica_sets,
                Kind::StatefulSets => &mut shown.stateful_sets,
                Kind::DaemonSets => &mut shown.daemon_sets,
                Kind::Jobs => &mut shown.jobs,
                Kind::VolumeAttachments => continue,
            };
            if !list.iter().any(|(known, _)| *known == name) {
                list.push((name.clone(), First { cells: line.cells.clone() }));
            }
            let cell = |column: &str| line.cells.get(column).map_or("", String::as_str);
            let host = cell("NODE");
            if line.row.kind == Kind::Pods && host != printers::NONE && !host.is_empty() {
                push_new(&mut shown.hosts, host);
                shown.placed.push((name.clone(), host.to_string()));
            }
            if line.row.kind == Kind::Nodes && cell("STATUS") != "Ready" {
                push_new(&mut shown.troubled, &name);
            }
        }
        shown
    }

    /// The cluster that the tables show, with defaults for what they do not.
    fn cluster(&self, version: Option<Version>) -> Result<ClusterConfig, NotModelled> {
        let printed = self.nodes.first().map(|(_, node)| node.cell("VERSION"));
        let version = match (version, printed) {
            (Some(version), _) => version,
            (None, Some(text)) => text.parse()?,
            (None, None) => Version::NEWEST,
        };
        let mut names: Vec<String> = self.nodes.iter().map(|(name, _)| name.clone()).collect();
        self.hosts.iter().for_each(|host| push_new(&mut names, host));
        if names.is_empty() {
            return Err("tables that name no node: pass -o wide ones, or --model".to_string());
        }
        if names.len() > MAX_NODES {
            return Err(format!("more than {} nodes ({})", MAX_NODES, names.len()));
        }
        let node = |name: &String| {
            let shown = self.nodes.iter().find(|(known, _)| known == name);
            let roles = shown.map_or(printers::NONE, |(_, node)| node.cell("ROLES"));
            NodeConfig {
                name: name.clone(),
                zone: ZoneId(0),
                taints: TaintSet::EMPTY,
                roles: roles.to_string(),
            }
        };
        let mut config = ClusterConfig {
            version,
            nodes: names.iter().map(node).collect(),
            zones: vec![String::new()],
            taints: well_known_taints(),
            templates: Vec::new(),
            replica_sets: Vec::new(),
            deployments: Vec::new(),
            stateful_sets: Vec::new(),
            daemon_sets: Vec::new(),
            jobs: Vec::new(),
            pods: Vec::new(),
            volumes: Vec::new(),
            disruption_budgets: Vec::new(),
            settings: Settings::defaults(version),
            faults: Vec::new(),
            watch: WatchMode::Fresh,
            workload_status: true,
            start: Start::Empty,
            max_pods: 0,
        };
        self.workloads(&mut config)?;
        derive::fits(&config)?;
        let sets = config.replica_sets.iter().map(|set| usize::from(set.replicas));
        let identities = config.stateful_sets.iter().map(|set| usize::from(set.replicas));
        let daemons = config.daemon_sets.len() * config.nodes.len();
        let wanted = sets.chain(identities).sum::<usize>() + daemons;
        config.max_pods = (wanted + SPARE_PODS).min(32) as u8;
        Ok(config)
    }

    fn workloads(&self, config: &mut ClusterConfig) -> Result<(), NotModelled> {
        if let Some((name, _)) = self.jobs.first() {
            return Err(format!("a Job in tables alone ({name}): pass --model"));
        }
        self.stateful_sets(config)?;
        self.daemon_sets(config);
        for (name, deployment) in &self.deployments {
            let wanted = deployment.cell("READY").split('/').nth(1).map(str::parse);
            let Some(Ok(replicas)) = wanted else {
                return Err(format!("a Deployment without READY ({name})"));
            };
            let replica_set = ReplicaSetId(config.replica_sets.len() as u8);
            let selector = deployment.cell("SELECTOR").to_string();
            self.replica_set(config, self.set_of(name), replicas, &selector);
            let config_of = DeploymentConfig {
                name: name.clone(),
                replica_set,
                later: Vec::new(),
                strategy: Strategy::DEFAULT,
                selector,
            };
            config.deployments.push(config_of);
        }
        for (name, set) in &self.replica_sets {
            if !config.replica_sets.iter().any(|known| known.name == *name) {
                let replicas = set.cell("DESIRED").parse().unwrap_or(1);
                self.replica_set(config, name.clone(), replicas, set.cell("SELECTOR"));
            }
        }
        for (pod, _) in &self.pods {
            let owned = config.replica_sets.iter().any(|set| is_of(pod, &set.name))
                || config.daemon_sets.iter().any(|set| is_of(pod, &set.name))
                || facts::identity(config, pod).is_some();
            let parent = pod.rsplit_once('-').map(|(parent, _)| parent.to_string());
            if let (false, Some(parent)) = (owned, parent) {
                let of_it =
                    |(name, first): &&(String, First)| is_of(name, &parent) && !is_new(first);
                let replicas = self.pods.iter().filter(of_it).count().clamp(1, 255) as u8;
                self.replica_set(config, parent, replicas, "");
            }
        }
        Ok(())
    }

    /// The name of the ReplicaSet of a Deployment, as its pods show it.
    fn set_of(&self, deployment: &str) -> String {
        let pods = self.pods.iter().map(|(pod, _)| pod.as_str());
        let mut parents = pods
            .filter(|pod| is_of(pod, deployment))
            .filter_map(|pod| pod.rsplit_once('-').map(|(parent, _)| parent.to_string()));
        parents.next().unwrap_or_else(|| deployment.to_string())
    }

    fn stateful_sets(&self, config: &mut ClusterConfig) -> Result<(), NotModelled> {
        let mut taken = 0u8;
        for (name, set) in &self.stateful_sets {
            let wanted = set.cell("READY").split('/').nth(1).map(str::parse::<u8>);
            let Some(Ok(replicas)) = wanted else {
                return Err(format!("a StatefulSet without READY ({name})"));
            };
            if usize::from(taken) + usize::from(replicas) > NameSet::CAPACITY - PodSet::CAPACITY {
                return Err("more identities of StatefulSets than there is room for".to_string());
            }
            let template = add_template(config, default_tolerations(), config.node_ids().collect());
            config.stateful_sets.push(StatefulSetConfig {
                name: name.clone(),
                template,
                replicas,
                ordered: true,
                first_name: PodName(PodName::FIRST_RECURRING.0 + taken),
                identities: replicas,
                first_volume: VolumeId(0),
                claims: 0,
            });
            taken += replicas;
        }
        Ok(())
    }

    /// A DaemonSet runs where its pods are seen; where none are, on every node.
    fn daemon_sets(&self, config: &mut ClusterConfig) {
        for (name, set) in &self.daemon_sets {
            let pods = self.placed.iter().filter(|(pod, _)| is_of(pod, name));
            let hosts = pods.filter_map(|(_, host)| node_id(config, host));
            let mut selected: NodeSet = hosts.collect();
            if selected.is_empty() {
                selected = config.node_ids().collect();
            }
            let template = add_template(config, daemon_tolerations().collect(), selected);
            config.daemon_sets.push(DaemonSetConfig {
                name: name.clone(),
                template,
                selector: set.cell("SELECTOR").to_string(),
                node_selector: String::new(),
            });
        }
    }

    fn replica_set(&self, config: &mut ClusterConfig, name: String, replicas: u8, selector: &str) {
        let all = config.node_ids().collect();
        let template = add_template(config, default_tolerations(), all);
        config.replica_sets.push(ReplicaSetConfig {
            name,
            template,
            replicas,
            min_ready: Seconds(0),
            selector: selector.to_string(),
        });
    }

    /// Which pods were there at the start, by owner.
    fn start(&self, config: &ClusterConfig) -> Result<Start, NotModelled> {
        let mut there: Vec<&(String, First)> =
            self.pods.iter().filter(|(_, first)| !is_new(first)).collect();
        // Identities are placed in the order of their ordinals.
        there.sort_by_key(|(name, _)| facts::identity(config, name));
        let mut placed: Vec<(Owner, Vec<NodeId>)> = Vec::new();
        for (name, first) in there {
            let owner = self.owner(config, name, first)?;
            let node = node_id(config, first.cell("NODE"))
                .ok_or_else(|| format!("pod {name}, of which no row says its node"))?;
            match placed.iter_mut().find(|(known, _)| *known == owner) {
                Some((_, nodes)) => nodes.push(node),
                None => placed.push((owner, vec![node])),
            }
        }
        Ok(if placed.is_empty() { Start::Empty } else { Start::Placed(placed) })
    }

    fn owner(
        &self,
        config: &ClusterConfig,
        pod: &str,
        first: &First,
    ) -> Result<Owner, NotModelled> {
        if let Some((set, _)) = facts::identity(config, pod).and_then(|name| config.identity(name))
        {
            return Ok(Owner::StatefulSet(set));
        }
        let daemons = config.daemon_sets.iter().position(|set| is_of(pod, &set.name));
        if let (Some(at), Some(node)) = (daemons, node_id(config, first.cell("NODE"))) {
            return Ok(Owner::DaemonSet(DaemonSetId(at as u8), node));
        }
        if config.pods.iter().any(|bare| bare.name == pod) {
            return Ok(Owner::None);
        }
        let sets = config.replica_sets.iter().zip((0..).map(ReplicaSetId));
        let of_deployment = |id: ReplicaSetId| {
            let mut owners = config.deployments.iter().filter(|known| known.replica_set == id);
            owners.any(|deployment| is_of(pod, &deployment.name))
        };
        let mut owners = sets.filter(|(set, id)| is_of(pod, &set.name) || of_deployment(*id));
        let owner = owners.next().map(|(_, id)| Owner::ReplicaSet(id));
        owner.ok_or_else(|| format!("pod {pod}, whose workload is not known"))
    }

    /// Nodes of which the tables show anything that a fault could explain.
    fn struck(&self, config: &ClusterConfig) -> NodeSet {
        let names = self.hosts.iter().chain(&self.troubled);
        names.filter_map(|name| node_id(config, name)).collect()
    }
}

fn push_new(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|known| known == name) {
        list.push(name.to_string());
    }
}

/// Whether a pod's name is generated from a workload's.
fn is_of(pod: &str, workload: &str) -> bool {
    pod.strip_prefix(workload).is_some_and(|rest| rest.starts_with('-'))
}

/// Whether a first row is that of a pod that has just been created.
fn is_new(first: &First) -> bool {
    first.cell("STATUS") == "Pending" && [printers::NONE, ""].contains(&first.cell("NODE"))
}

fn node_id(config: &ClusterConfig, name: &str) -> Option<NodeId> {
    let at = config.nodes.iter().position(|node| node.name == name)?;
    Some(NodeId(at as u8))
}

/// What AD-1 gives a pod that says nothing of these taints.
fn default_tolerations() -> Vec<Toleration> {
    let toleration = |key: &str| Toleration {
        key: Some(key.to_string()),
        value: None,
        effect: Some(Effect::NoExecute),
        seconds: Some(300),
    };
    [NOT_READY, UNREACHABLE].map(toleration).to_vec()
}

/// A template with what a manifest says that says nothing else.
fn add_template(
    config: &mut ClusterConfig,
    tolerations: Vec<Toleration>,
    selected: NodeSet,
) -> TemplateId {
    let id = TemplateId(config.templates.len() as u8);
    config.templates.push(PodTemplate {
        tolerations,
        grace: Seconds(30),
        restart_policy: RestartPolicy::Always,
        min_ready: Seconds(0),
        completes: false,
        node_name: None,
        volumes: VolumeSet::EMPTY,
        selected,
        container: String::new(),
        image: String::new(),
        ends_on_sigterm: true,
        priority: 0,
    });
    id
}

/// Binds the names of the start state, and checks that the first rows show it.
fn bind_start(history: &mut History, shown: &Shown) -> Result<(), NotModelled> {
    let config = history.config.clone();
    let symbols = &mut history.symbols;
    let bound = &mut history.bound;
    bound.nodes = config.nodes.iter().map(|node| symbols.of(&node.name)).collect();
    bound.deployments = config.deployments.iter().map(|set| symbols.of(&set.name)).collect();
    bound.jobs = config.jobs.iter().map(|job| symbols.of(&job.name)).collect();
    bound.daemon_sets = config.daemon_sets.iter().map(|set| symbols.of(&set.name)).collect();
    bound.stateful_sets = config.stateful_sets.iter().map(|set| symbols.of(&set.name)).collect();
    bound.replica_sets = config.replica_sets.iter().map(|set| symbols.of(&set.name)).collect();
    let system = StarSystem(Cluster { config });
    let states = system.initial_states();
    let start = &states[0];
    let api = system.0.view(start).api();
    for pod in &api.pods {
        let there = shown.pods.iter().filter(|(name, first)| {
            !is_new(first)
                && shown.owner(&system.0.config, name, first).ok() == Some(pod.owner)
                && facts::identity(&system.0.config, name).is_none_or(|own| own == pod.name)
                && node_id(&system.0.config, first.cell("NODE")) == pod.node
        });
        let free = there.map(|(name, _)| symbols.of(name));
        let free: Vec<_> = free.filter(|name| !bound.pods.iter().any(|(_, n)| n == name)).collect();
        let Some(&name) = free.first() else {
            return Err("fewer pods at the start than are wanted".to_string());
        };
        bound.added(pod.uid.0, name);
    }
    let objects: Vec<Object> = (api.pods.iter().map(|pod| Object::Pod(*pod)))
        .chain(api.nodes.iter().map(|node| Object::Node(*node)))
        .chain(api.replica_sets.iter().map(|set| Object::ReplicaSet(*set)))
        .chain(api.deployments.iter().map(|set| Object::Deployment(*set)))
        .chain(api.stateful_sets.iter().map(|set| Object::StatefulSet(*set)))
        .chain(api.daemon_sets.iter().map(|set| Object::DaemonSet(*set)))
        .collect();
    for object in &objects {
        let rows = history.streams.iter_mut().flat_map(|stream| &mut stream.entries);
        let mut first = rows.filter(|entry| match &entry.expected {
            Expected::Row(row) => row.names(bound, object),
            Expected::Event(..) => false,
        });
        if let Some(entry) = first.next()
            && let Expected::Row(row) = &entry.expected
        {
            if !row.shows(&system.0.config, bound, object) {
                return Err(format!("a start that is not at rest: {}", entry.text));
            }
            entry.repeats = true;
        }
    }
    Ok(())
}
