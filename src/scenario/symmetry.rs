//! Renamings of the nodes and pods of a whole cluster: its states, and what can happen in them.

use itertools::Itertools;
use models::ids::{NodeId, PodUid};
use models::symmetry::{Permute, Renaming};

use crate::engine::star::{Action, Content, ContentOf, Inbox, Outbox, ProcessId, Symmetry};
use crate::scenario::cluster::*;

impl Permute for Local {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Local::ApiServer(local) => local.permute(by),
            Local::Environment(local) => local.permute(by),
            Local::ControllerManager(local) => local.permute(by),
            Local::Scheduler(local) => local.permute(by),
            Local::Kubelet(local) => local.permute(by),
            Local::ContainerRuntime(local) => local.permute(by),
        }
    }
}

impl Permute for Addressed {
    fn permute(&mut self, by: &Renaming) {
        let Addressed { controller: _, request } = self;
        request.permute(by);
    }
}

impl Permute for Internal {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Internal::PowerDown(node) => node.permute(by),
            Internal::RemovePod(uid) | Internal::Evict(uid) => uid.permute(by),
            Internal::Controller(step) => step.permute(by),
            Internal::Scheduler(step) => step.permute(by),
            Internal::Cloud(step) => step.permute(by),
            Internal::Kubelet(node, step) => {
                node.permute(by);
                step.permute(by);
            }
            Internal::Runtime(node, step) => {
                node.permute(by);
                step.permute(by);
            }
        }
    }
}

impl Permute for Fault {
    fn permute(&mut self, by: &Renaming) {
        let Fault { kind: _, node, pod, kept: _ } = self;
        node.permute(by);
        pod.permute(by);
    }
}

impl Permute for ProcessId {
    fn permute(&mut self, by: &Renaming) {
        if let Some(node) = node_of(*self) {
            *self = kubelet_process(by.node(node));
        }
    }
}

impl Permute for ClusterAction {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Action::Serve(process, request) | Action::ServeOrphan(process, request) => {
                process.permute(by);
                request.permute(by);
            }
            Action::Observe(process, _) => process.permute(by),
            Action::Internal(step) => step.permute(by),
            Action::Fault(fault) => fault.permute(by),
        }
    }
}

/// The actors and channels of a node move to where its new name belongs.
impl Permute for ClusterState {
    fn permute(&mut self, by: &Renaming) {
        let old = by.inverse();
        let process_before = |process: ProcessId| process.permuted(&old);
        let actors = (0..self.locals().count()).map(|slot| {
            let before = match slot_of(slot) {
                Some((node, kubelet)) => node_slot(old.node(node), kubelet),
                None => slot,
            };
            self.local(before).permuted(by)
        });
        let outboxes = self.processes().map(|process| {
            let Outbox { live, orphans } = self.outbox(process_before(process));
            Outbox { live: live.permuted(by), orphans: orphans.permuted(by) }
        });
        let inboxes = self.processes().map(|process| {
            let Inbox(streams) = self.inbox(process_before(process));
            Inbox(streams.permuted(by))
        });
        *self = ClusterState::of_parts(actors.collect(), outboxes.collect(), inboxes.collect());
    }
}

/// The node whose actor a slot is, and whether it is the kubelet (else the runtime).
fn slot_of(slot: usize) -> Option<(NodeId, bool)> {
    let at = slot.checked_sub(kubelet_slot(NodeId(0)))?;
    Some((NodeId((at / 2) as u8), at % 2 == 0))
}

fn node_slot(node: NodeId, kubelet: bool) -> usize {
    if kubelet { kubelet_slot(node) } else { runtime_slot(node) }
}

/// Most renamings that a search tells not apart: each state is compared with all of its images.
const MAX_RENAMINGS: usize = 24;

impl Cluster {
    /// Renamings of nodes that are alike, and then those of uid slots too that are not those of
    /// bare pods: each a group, but for the identity. If there are too many, some names are left
    /// as they are.
    pub(super) fn renamings(&self) -> [Vec<Renaming>; 2] {
        let config = &self.config;
        let nodes = config.node_ids().into_group_map_by(|&node| config.node_class(node));
        let mut nodes: Vec<Vec<NodeId>> = nodes.into_values().collect();
        nodes.sort();
        let mut room = MAX_RENAMINGS;
        let mut all = vec![Renaming::IDENTITY];
        for mut alike in nodes {
            alike.truncate(fits(alike.len(), &mut room));
            all = products(&all, alike.len(), |renaming, from, to| {
                renaming.then_swap_nodes(renaming.node(alike[from]), alike[to])
            });
        }
        let of_nodes = all.clone();
        let mut pods: Vec<PodUid> =
            (config.pods.len() as u8..config.max_pods).map(PodUid).collect();
        pods.truncate(fits(pods.len(), &mut room));
        all = products(&all, pods.len(), |renaming, from, to| {
            renaming.then_swap_pods(renaming.pod(pods[from]), pods[to])
        });
        all.retain(|renaming| !of_nodes.contains(renaming));
        let named = |renaming: &Renaming| *renaming != Renaming::IDENTITY;
        [of_nodes.into_iter().filter(named).collect(), all]
    }

    /// A renaming as the engine applies it, slot by slot.
    pub(super) fn symmetry(&self, by: Renaming) -> Box<Symmetry<Self>> {
        let nodes = self.config.nodes.len();
        let actors = kubelet_slot(NodeId(0)) + 2 * nodes;
        let processes = FIRST_KUBELET + nodes;
        Box::new(move |slot, content: &ContentOf<Self>| {
            let process = |first: usize| first + ProcessId(slot - first).permuted(&by).0;
            match content {
                Content::Actor(local) => {
                    let to = match slot_of(slot) {
                        Some((node, kubelet)) => node_slot(by.node(node), kubelet),
                        None => slot,
                    };
                    (to, Content::Actor(local.permuted(&by)))
                }
                Content::Outbox(Outbox { live, orphans }) => {
                    let (live, orphans) = (live.permuted(&by), orphans.permuted(&by));
                    (process(actors), Content::Outbox(Outbox { live, orphans }))
                }
                Content::Inbox(Inbox(streams)) => {
                    (process(actors + processes), Content::Inbox(Inbox(streams.permuted(&by))))
                }
            }
        })
    }
}

/// How many of so many names can be exchanged; takes the permutations off what there is room for.
fn fits(names: usize, room: &mut usize) -> usize {
    let mut fits = 0;
    for more in 1..=names {
        if *room < more {
            break;
        }
        *room /= more;
        fits = more;
    }
    fits
}

/// Each renaming, and then each permutation of some names; `exchange` gives a name another's place.
fn products(
    renamings: &[Renaming],
    names: usize,
    exchange: impl Fn(Renaming, usize, usize) -> Renaming,
) -> Vec<Renaming> {
    let permutations = (0..names).permutations(names).collect_vec();
    let product = renamings.iter().cartesian_product(&permutations);
    let exchanged = product.map(|(renaming, permutation)| {
        let places = permutation.iter().enumerate();
        places.fold(*renaming, |renaming, (from, &to)| exchange(renaming, from, to))
    });
    exchanged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fingerprint::Fingerprint;
    use crate::engine::simulate::random_run;
    use crate::engine::star::StarSystem;
    use crate::scenario::{Input, load};

    fn cluster(scenario: &str) -> Cluster {
        let text = format!(
            "
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 2,
  selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}},
  spec: {{containers: [{{name: c}}]}}}}}}}}
---
{{apiVersion: node-recovery/v1, kind: Scenario, metadata: {{name: s}}, spec: {{{scenario}}}}}
"
        );
        let scenarios = load(&[Input { name: "s.yaml".into(), text }]);
        let scenario = scenarios.unwrap_or_else(|error| panic!("{error}")).remove(0);
        Cluster { config: scenario.config }
    }

    #[test]
    fn renamings_are_a_group() {
        let cluster = cluster("nodes: [a, b], faults: {powerOff: 1}, maxPods: 4");
        let renamings = cluster.renamings();
        assert_eq!(renamings[0].len(), 1, "two nodes");
        let renamings = renamings.concat();
        assert_eq!(renamings.len(), 2 * 6 - 1, "two nodes, and three of the uid slots");
        for (a, b) in renamings.iter().cartesian_product(&renamings) {
            let both = |id: u8| (b.node(a.node(NodeId(id % 2))), b.pod(a.pod(PodUid(id))));
            let is_it = |c: &Renaming| {
                (0..4).all(|id| (c.node(NodeId(id % 2)), c.pod(PodUid(id))) == both(id))
            };
            assert!(renamings.iter().chain([&Renaming::IDENTITY]).any(is_it));
        }
        assert!(renamings.iter().tuple_combinations().all(|(a, b)| a != b));
    }

    #[test]
    fn nodes_that_faults_tell_apart_are_not_exchanged() {
        let cluster = cluster("nodes: [a, b], faults: {powerOff: {nodes: [b]}}, maxPods: 3");
        let renamings = cluster.renamings().concat();
        assert!(renamings.iter().all(|renaming| renaming.node(NodeId(0)) == NodeId(0)));
        assert_eq!(renamings.len(), 5);
    }

    #[test]
    fn slot_by_slot_or_at_once_is_the_same() {
        let cluster = cluster("nodes: [a, b, c], faults: {powerOff: 1}, watch: {lag: 1}");
        let system = StarSystem(cluster.clone());
        for seed in 0..20 {
            let run = random_run(&system, seed, 60).unwrap().path;
            for by in cluster.renamings().concat() {
                let symmetry = cluster.symmetry(by);
                let slots = run.end().contents().enumerate();
                let images = slots.map(|(slot, content)| {
                    let (slot, content) = symmetry(slot, content);
                    Fingerprint::of(&content).at(slot)
                });
                let sum = images.fold(Fingerprint::default(), Fingerprint::and);
                assert_eq!(sum, run.end().permuted(&by).fingerprint());
            }
        }
    }
}
