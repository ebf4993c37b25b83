//! What no history can be, whatever happens to the cluster: a log that contradicts itself, and
//! changes of one object that some rule never allows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use models::rules::Rule;

use crate::conform::record::{Change, ObjectEvent};

/// Why a history is impossible, and from which line on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The number of the file.
    pub file: usize,
    /// The line of the first impossible event.
    pub line: usize,
    /// The rule that is broken; none if the log contradicts itself.
    pub rule: Option<Rule>,
    /// What is impossible about it.
    pub problem: String,
}

/// What is known of the objects of a log.
#[derive(Default)]
struct Known<'a> {
    /// The version of each object, by uid: the last event.
    last: BTreeMap<&'a str, &'a ObjectEvent>,
    /// Which uid holds a name, by kind, namespace and name.
    names: BTreeMap<[&'a str; 3], &'a str>,
    gone: BTreeSet<&'a str>,
    versions: BTreeMap<(&'a str, &'a str), &'a ObjectEvent>,
    /// Nodes that have had a NoExecute taint.
    tainted: BTreeSet<&'a str>,
    /// Boot ids of each node, and the one that it has.
    boots: BTreeMap<&'a str, (BTreeSet<&'a str>, &'a str)>,
}

/// Looks for the first contradiction among events in the order of their versions.
pub fn contradiction<'a>(
    events: impl IntoIterator<Item = ((usize, usize), &'a ObjectEvent)>,
) -> Option<Contradiction> {
    let mut known = Known::default();
    events.into_iter().find_map(|((file, line), event)| {
        let (rule, problem) = known.next(event).err()?;
        Some(Contradiction { file, line, rule, problem })
    })
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

type Broken = (Option<Rule>, String);

impl<'a> Known<'a> {
    fn next(&mut self, event: &'a ObjectEvent) -> Result<(), Broken> {
        let object = &event.object;
        let kind = object["kind"].as_str().unwrap_or_default();
        let (name, uid) = (text(object, "name"), text(object, "uid"));
        let own = |problem: String| (None, format!("{kind} {name} {problem}"));
        let version = (uid, text(object, "resourceVersion"));
        if let Some(same) = self.versions.insert(version, event) {
            return if same.object == *object && same.change == event.change {
                Ok(())
            } else {
                Err(own(format!("has two contents under resourceVersion {}", version.1)))
            };
        }
        if self.gone.contains(uid) {
            return Err(own("changes after its removal".to_string()));
        }
        let key = [kind, text(object, "namespace"), name];
        let holder = self.names.get(&key).copied();
        let before = self.last.insert(uid, event);
        match (event.change, before) {
            (Change::Added, Some(_)) => return Err(own("is added a second time".to_string())),
            (Change::Added, None) if holder.is_some() && event.initial => {
                let problem = "is there twice at the start: are these two histories?";
                return Err(own(problem.to_string()));
            }
            (Change::Added, None) if holder.is_some() => {
                return Err(own("is added while another object has its name".to_string()));
            }
            (Change::Modified | Change::Deleted, None) if holder.is_some() => {
                return Err(own("has a new uid without having been added".to_string()));
            }
            (Change::Modified | Change::Deleted, None) => {
                return Err(own("changes before it is added".to_string()));
            }
            _ => {}
        }
        if event.change == Change::Deleted {
            self.gone.insert(uid);
            self.names.remove(&key);
        } else {
            self.names.insert(key, uid);
        }
        match kind {
            "Node" => {
                let mut taints = object["spec"]["taints"].as_array().into_iter().flatten();
                if taints.any(|taint| taint["effect"] == "NoExecute") {
                    self.tainted.insert(name);
                }
                if let Some(boot) = object["status"]["nodeInfo"]["bootID"].as_str() {
                    let (all, now) =
                        self.boots.entry(name).or_insert_with(|| (BTreeSet::new(), boot));
                    let known = !all.insert(boot);
                    if known && *now != boot {
                        return Err((
                            Some(Rule::Kl8),
                            own("has an earlier boot id again".into()).1,
                        ));
                    }
                    *now = boot;
                }
            }
            "Pod" => self.pod(before.map(|before| &before.object), object)?,
            _ => {}
        }
        Ok(())
    }

    fn pod(&self, before: Option<&Value>, now: &Value) -> Result<(), Broken> {
        let name = text(now, "name");
        let broken = |rule: Rule, problem: &str| Err((Some(rule), format!("Pod {name} {problem}")));
        let node = now["spec"]["nodeName"].as_str();
        let evicted = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            conditions.clone().any(|condition| condition["reason"] == "DeletionByTaintManager")
        };
        let Some(before) = before else { return Ok(()) };
        if evicted(now) && !evicted(before) && node.is_none_or(|node| !self.tainted.contains(node))
        {
            return broken(Rule::Tec5, "is evicted from a node that never had a NoExecute taint");
        }
        let bound = before["spec"]["nodeName"].as_str();
        if bound.is_some() && bound != node {
            return broken(Rule::St9, "changes its node");
        }
        let deletion = |pod: &Value| {
            let terminating = !pod["metadata"]["deletionTimestamp"].is_null();
            terminating.then(|| pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0))
        };
        match (deletion(before), deletion(now)) {
            (Some(_), None) => return broken(Rule::St6, "has its deletionTimestamp withdrawn"),
            (Some(old), Some(new)) if new > old => {
                return broken(Rule::St6, "has its grace period lengthened");
            }
            _ => {}
        }
        let restarts = |pod: &Value| {
            pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0)
        };
        if restarts(now) < restarts(before) {
            return broken(Rule::Rb3, "has a restart count that falls");
        }
        let terminal =
            |pod: &Value| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let runs =
            |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["running"].is_object();
        if terminal(before) && (!terminal(now) || (runs(now) && !runs(before))) {
            return broken(Rule::Pw1, "runs again after its phase was terminal");
        }
        Ok(())
    }
}
