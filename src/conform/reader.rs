//! Reading a log of watch events: what each of them shows, and what was there before.

use std::collections::BTreeMap;

use serde_json::Value;

use models::config::ClusterConfig;
use models::ids::ReplicaSetId;
use models::objects::{NodeReady, Owner};

use crate::conform::begin::{self, Begin, FirstPod};
use crate::conform::content;
use crate::conform::derive::{WorkloadId, Workloads};
use crate::conform::facts::{self, Bindings, Facts, NotModelled, ReplicaSetFacts, Symbol, Symbols};
use crate::conform::history::Expected;
use crate::conform::record::{Change, ObjectEvent};

/// What has been read so far.
pub(super) struct Reader<'a> {
    config: &'a ClusterConfig,
    workloads: &'a Workloads,
    pub(super) symbols: Symbols,
    pub(super) bound: Bindings,
    /// The last facts of each object, by uid.
    last: BTreeMap<String, Facts>,
    /// The last template of each Deployment, by uid, and how many there were before it.
    templates: BTreeMap<String, (&'a Value, u8)>,
    /// Names of pods by uid.
    pub(super) pods: BTreeMap<Symbol, String>,
    /// How often the containers of each pod had restarted when the history began.
    restarts: BTreeMap<Symbol, u8>,
    pub(super) begin: Begin,
    bare: u8,
    /// What each ReplicaSet looked like, after how many expected events.
    pub(super) replica_sets: Vec<Vec<(u32, ReplicaSetFacts)>>,
    expected: u32,
    /// Events that show nothing new.
    pub(super) stutters: usize,
    /// Events of objects that have nothing to do with the model.
    pub(super) aside: usize,
}

impl<'a> Reader<'a> {
    /// Nothing has been read.
    pub(super) fn new(config: &'a ClusterConfig, workloads: &'a Workloads) -> Self {
        Reader {
            config,
            workloads,
            symbols: Symbols::default(),
            bound: Bindings::default(),
            last: BTreeMap::new(),
            templates: BTreeMap::new(),
            pods: BTreeMap::new(),
            restarts: BTreeMap::new(),
            begin: Begin::default(),
            bare: 0,
            replica_sets: vec![Vec::new(); config.replica_sets.len()],
            expected: 0,
            stutters: 0,
            aside: 0,
        }
    }

    /// What is compared of an object; none if it has nothing to do with the model.
    fn facts(&mut self, event: &'a ObjectEvent) -> Result<Option<Facts>, NotModelled> {
        let object = &event.object;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        Ok(Some(match object["kind"].as_str().unwrap_or_default() {
            "Pod" => {
                if !begin::is_modelled(self.workloads, object) {
                    return Ok(None);
                }
                let mut pod = facts::pod(self.config, &mut self.symbols, object)?;
                // The model counts restarts from the beginning of the history.
                let before = if event.initial { pod.restarts } else { 0 };
                let before = *self.restarts.entry(pod.uid).or_insert(before);
                pod.restarts = pod.restarts.saturating_sub(before);
                Facts::Pod(pod)
            }
            "Node" => Facts::Node(facts::node(self.config, &mut self.symbols, object)?),
            _ => match self.workloads.get(uid) {
                None => return Ok(None),
                Some(WorkloadId::ReplicaSet(id)) => {
                    Facts::ReplicaSet(*id, facts::replica_set(object))
                }
                Some(WorkloadId::Deployment(id)) => {
                    let template = &object["spec"]["template"];
                    let known = self.templates.entry(uid.to_string()).or_insert((template, 0));
                    if known.0 != template {
                        *known = (template, known.1.saturating_add(1));
                    }
                    Facts::Deployment(*id, facts::deployment(object, known.1))
                }
                Some(WorkloadId::StatefulSet(id)) => {
                    Facts::StatefulSet(*id, facts::stateful_set_status(object))
                }
                Some(WorkloadId::Job(id)) => Facts::Job(*id, facts::job(object)),
                Some(WorkloadId::DaemonSet(id)) => {
                    Facts::DaemonSet(*id, facts::daemon_set_status(object)?)
                }
            },
        }))
    }

    /// What the model has to publish for an event; nothing if it shows nothing new.
    pub(super) fn expect(
        &mut self,
        event: &'a ObjectEvent,
    ) -> Result<Option<(Expected, String)>, NotModelled> {
        let object = &event.object;
        let metadata = &object["metadata"];
        let (name, uid) = (metadata["name"].as_str(), metadata["uid"].as_str());
        let (name, uid) = (name.unwrap_or_default(), uid.unwrap_or_default().to_string());
        let kind = object["kind"].as_str().unwrap_or_default();
        let Some(facts) = self.facts(event)? else {
            self.aside += 1;
            return Ok(None);
        };
        if let Facts::Pod(pod) = &facts {
            self.pods.entry(pod.uid).or_insert_with(|| name.to_string());
        }
        let known = self.last.insert(uid.clone(), facts.clone());
        if event.change == Change::Deleted {
            self.last.remove(&uid);
        }
        let is_old = known.as_ref() == Some(&facts) && event.change != Change::Deleted;
        let is_start = known.is_none() && self.is_start(event, &facts)?;
        if let Facts::ReplicaSet(id, facts) = &facts {
            let from = if is_start { 0 } else { self.expected + 1 };
            self.replica_sets[id.0 as usize].push((from, *facts));
        }
        if is_old || is_start {
            self.stutters += 1;
            return Ok(None);
        }
        let words = |facts| content::of_facts(self.config, &self.symbols, None, facts);
        let text = match (event.change, &known) {
            (Change::Deleted, _) => format!("{kind} {name} is removed"),
            (Change::Modified, Some(known)) => {
                format!("{kind} {name}: {}", content::changes(&words(known), &words(&facts)))
            }
            _ => format!("{kind} {name} is added: {}", content::whole(&words(&facts))),
        };
        self.expected += 1;
        Ok(Some((Expected::Event(event.change, facts), text)))
    }

    /// Whether the first sight of an object is of the state from which the model starts.
    fn is_start(&mut self, event: &ObjectEvent, facts: &Facts) -> Result<bool, NotModelled> {
        match facts {
            Facts::Pod(pod) if event.initial => {
                let name = event.object["metadata"]["name"].as_str().unwrap_or_default();
                let Some(owner) = begin::owner(self.workloads, &event.object, pod.node) else {
                    return Err(format!("the workload of pod {name}, which has no node yet"));
                };
                let bare = (owner == Owner::None).then_some(self.bare);
                self.bare += u8::from(bare.is_some());
                let created = event.object["metadata"]["creationTimestamp"].as_str();
                let (name, created) = (name.to_string(), created.unwrap_or_default().to_string());
                let facts = pod.clone();
                self.begin.pods.push(FirstPod { owner, name, created, bare, facts });
                Ok(true)
            }
            Facts::Pod(pod) => {
                let owners = event.object["metadata"]["ownerReferences"].as_array();
                let bare = owners.is_none_or(Vec::is_empty);
                if bare {
                    self.bound.added(self.bare, pod.uid);
                    self.bare += 1;
                    self.begin.later_pods = true;
                }
                Ok(bare)
            }
            // A Node object that is created anew.
            Facts::Node(node) if self.bound.boots.iter().any(|(id, ..)| *id == node.node.0) => {
                Ok(false)
            }
            Facts::Node(node) => {
                self.bound.boots.push((node.node.0, 0, node.boot));
                if event.initial {
                    self.begin.nodes.push(node.clone());
                } else if node.ready != NodeReady::True {
                    return Err("a node that is not Ready at the start".to_string());
                }
                Ok(event.initial)
            }
            // What a rollout makes.
            Facts::ReplicaSet(id, _) if self.is_later(*id) && !event.initial => Ok(false),
            workload => {
                if event.initial {
                    if let Facts::Job(id, _) = workload {
                        let uids = facts::uncounted(&mut self.symbols, &event.object);
                        self.begin.uncounted.push((*id, uids));
                    }
                    self.begin.workloads.push(workload.clone());
                } else if !begin::is_new(workload) {
                    return Err("a workload that is there before the history".to_string());
                }
                Ok(true)
            }
        }
    }
    /// Whether a ReplicaSet is of a template that its Deployment gets later.
    fn is_later(&self, id: ReplicaSetId) -> bool {
        self.config.deployments.iter().any(|deployment| deployment.later.contains(&id))
    }
}
