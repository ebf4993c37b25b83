//! Names and addresses for the identities of a run: what the model abstracts, made up again in the
//! way Kubernetes would.
//!
//! A uid is a slot that is reused when nothing names it any more. Each use is an incarnation with a
//! name and addresses of its own.

use std::collections::{BTreeMap, BTreeSet};

use models::config::ClusterConfig;
use models::config::StatefulSetConfig;
use models::container_runtime::Sandbox;
use models::ids::{JobId, NodeId, PodName, PodUid};
use models::objects::{JobCondition, Owner, Pod};
use models::view::ClusterView;

use crate::scenario::cluster::{Cluster, ClusterState};

/// The letters of `generateName` (`k8s.io/apimachinery/pkg/util/rand`).
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// One use of a uid slot.
#[derive(Clone, Debug)]
struct Incarnation {
    uid: PodUid,
    name: String,
    /// The first state that has it: 0 is the start, `i` the state after step `i`.
    born: usize,
    /// When containers ended: number of the start that they followed, and the state that shows it.
    ends: Vec<(u8, usize)>,
}

/// Names and addresses along a run. States are numbered: 0 is the start, `i` comes after step `i`.
#[derive(Clone, Debug)]
pub struct Names {
    incarnations: Vec<Incarnation>,
    addresses: BTreeMap<(usize, u8), String>,
    completed: BTreeMap<JobId, usize>,
    /// Names that recur, by the model's.
    identities: BTreeMap<PodName, String>,
}

impl Names {
    /// Names for everything in these states, which follow each other.
    pub fn along(cluster: &Cluster, states: &[&ClusterState]) -> Self {
        let sets = cluster.config.stateful_sets.iter();
        let identities = sets.flat_map(StatefulSetConfig::names);
        let identities = identities.filter_map(|name| Some((name, identity(cluster, name)?)));
        let mut names = Names {
            incarnations: Vec::new(),
            addresses: BTreeMap::new(),
            completed: BTreeMap::new(),
            identities: identities.collect(),
        };
        let mut next = vec![2u32; cluster.config.nodes.len()];
        let mut before: Option<ClusterView<'_>> = None;
        for (at, state) in states.iter().enumerate() {
            let view = cluster.view(state);
            for pod in &view.api().pods {
                if before.is_none_or(|before| before.api().pod(pod.uid).is_none()) {
                    names.add(cluster, pod, at);
                }
            }
            for node in cluster.config.node_ids() {
                names.see_runtime(before.as_ref(), &view, at, node, &mut next);
            }
            for job in &view.api().jobs {
                if job.status.condition == JobCondition::Complete {
                    names.completed.entry(job.id).or_insert(at);
                }
            }
            before = Some(view);
        }
        names
    }

    fn add(&mut self, cluster: &Cluster, pod: &Pod, born: usize) {
        let name = match pod.owner {
            Owner::None => cluster.config.bare_pod(pod.name).map(|bare| bare.name.clone()),
            Owner::StatefulSet(_) => identity(cluster, pod.name),
            Owner::ReplicaSet(_) | Owner::DaemonSet(..) | Owner::Job(_) => {
                let set = workload_name(&cluster.config, pod.owner);
                let earlier = self.incarnations.iter().filter(|known| known.uid == pod.uid).count();
                let mut salt = (earlier as u64) << 8 | u64::from(pod.uid.0);
                let mut name = generated(set, salt);
                while self.incarnations.iter().any(|known| known.name == name) {
                    salt += 1 << 32;
                    name = generated(set, salt);
                }
                Some(name)
            }
        };
        let name = name.unwrap_or_else(|| format!("pod-{}", pod.uid.0));
        self.incarnations.push(Incarnation { uid: pod.uid, name, born, ends: Vec::new() });
    }

    /// New sandboxes get the next address of their node; ends of containers are noted.
    fn see_runtime(
        &mut self,
        before: Option<&ClusterView<'_>>,
        view: &ClusterView<'_>,
        at: usize,
        node: NodeId,
        next: &mut [u32],
    ) {
        let runtime = view.runtime(node);
        for pod in &runtime.pods {
            let Some(which) = self.incarnation(at, pod.uid) else { continue };
            if pod.sandbox == Sandbox::Ready && !self.addresses.contains_key(&(which, pod.attempt))
            {
                let next = &mut next[node.0 as usize];
                let address = format!("10.244.{}.{}", node.0 + 1, next);
                *next += 1;
                self.addresses.insert((which, pod.attempt), address);
            }
            // A container that died with its node is found dead at the next boot.
            let ended = runtime.powered
                && matches!(pod.container, models::container_runtime::Container::Exited(_));
            let ends = &mut self.incarnations[which].ends;
            if ended
                && before.is_some()
                && ends.last().is_none_or(|(starts, _)| *starts != pod.starts)
            {
                ends.push((pod.starts, at));
            }
        }
    }

    fn incarnation(&self, at: usize, uid: PodUid) -> Option<usize> {
        self.incarnations.iter().rposition(|known| known.uid == uid && known.born <= at)
    }

    /// The name of the pod that has, or had last, this uid in a state.
    pub fn pod(&self, at: usize, uid: PodUid) -> &str {
        self.incarnation(at, uid).map_or("<unknown>", |which| &self.incarnations[which].name)
    }

    /// The same, by the model's name.
    pub fn named(&self, at: usize, name: PodName) -> &str {
        match name.slot() {
            Some(uid) => self.pod(at, uid),
            None => self.identities.get(&name).map_or("<unknown>", String::as_str),
        }
    }

    /// The IP of the pod's sandbox with this number.
    pub fn address(&self, at: usize, uid: PodUid, sandbox: u8) -> Option<&str> {
        let which = self.incarnation(at, uid)?;
        self.addresses.get(&(which, sandbox)).map(String::as_str)
    }

    /// The first state in which the pod with this uid exists.
    pub fn born(&self, at: usize, uid: PodUid) -> Option<usize> {
        self.incarnation(at, uid).map(|which| self.incarnations[which].born)
    }

    /// The state that shows the end of the container before the pod's `restart`-th restart.
    pub fn ended(&self, at: usize, uid: PodUid, restart: u8) -> Option<usize> {
        let ends = &self.incarnations[self.incarnation(at, uid)?].ends;
        ends.iter().find(|(starts, _)| *starts == restart).map(|(_, at)| *at)
    }

    /// The first state in which a Job is Complete.
    pub fn completed(&self, id: JobId) -> Option<usize> {
        self.completed.get(&id).copied()
    }

    /// All pod names, oldest first.
    pub fn all(&self) -> BTreeSet<&str> {
        self.incarnations.iter().map(|known| known.name.as_str()).collect()
    }
}

/// `<set>-<ordinal>`.
fn identity(cluster: &Cluster, name: PodName) -> Option<String> {
    let (set, ordinal) = cluster.config.identity(name)?;
    Some(format!("{}-{ordinal}", cluster.config.stateful_sets[set.0 as usize].name))
}

/// The name of what generates the names of its pods.
pub fn workload_name(config: &ClusterConfig, owner: Owner) -> &str {
    match owner {
        Owner::None => "",
        Owner::ReplicaSet(set) => &config.replica_sets[set.0 as usize].name,
        Owner::StatefulSet(set) => &config.stateful_sets[set.0 as usize].name,
        Owner::Job(job) => &config.jobs[job.0 as usize].name,
        Owner::DaemonSet(set, _) => &config.daemon_sets[set.0 as usize].name,
    }
}

/// The address of a node.
pub fn internal_ip(node: NodeId) -> String {
    format!("10.200.0.{}", 10 + u32::from(node.0))
}

/// `<set>-` and five letters. The same salt gives the same name, on every run.
fn generated(set: &str, salt: u64) -> String {
    // splitmix64, seeded with the set's name.
    let seed = set.bytes().fold(salt, |seed, byte| seed.rotate_left(7) ^ u64::from(byte));
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let mut name = format!("{set}-");
    for _ in 0..5 {
        name.push(char::from(LETTERS[(mixed % LETTERS.len() as u64) as usize]));
        mixed /= LETTERS.len() as u64;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_look_like_those_of_kubernetes_and_differ() {
        let names: BTreeSet<String> = (0..1000).map(|salt| generated("web-5d4f8", salt)).collect();
        assert_eq!(names.len(), 1000);
        for name in &names {
            let letters = name.strip_prefix("web-5d4f8-").expect("the set's name comes first");
            assert_eq!(letters.len(), 5);
            assert!(letters.bytes().all(|letter| LETTERS.contains(&letter)), "{name}");
        }
    }
}
