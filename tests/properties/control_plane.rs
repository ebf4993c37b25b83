//! The same for the control plane in states that no run need reach: whatever the store, the caches
//! and the controllers' memories hold, names do not matter. (Random runs seldom come to a surplus of
//! pods, and then choose among few.)

use models::api_server::ApiServer;
use models::config::ClusterConfig;
use models::effects::Effects;
use models::ids::{
    DeploymentId, NodeSet, PodName, PodSet, PodUid, ReplicaSetId, TaintSet, TemplateId, VolumeId,
    VolumeSet,
};
use models::kube_controller_manager::{Controller, ControllerManager, ControllerStep};
use models::objects::{
    ContainerState, Deployment, DeploymentStatus, Exit, Finalizer, Node, NodeReady, Object, Owner,
    Phase, Pod, PodReady, PodStatus, ReplicaSet, ReplicaSetStatus, VolumeAttachment, WatchEvent,
};
use models::requests::Request;
use models::rules::Rule;
use models::scheduler::{Scheduler, SchedulerStep};
use models::symmetry::{Permute, Renaming};
use node_recovery::engine::simulate::Random;
use node_recovery::scenario::cluster::Cluster;
use proptest::prelude::*;

use crate::equivariance::renaming;
use crate::generated::{cases, scenarios};

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

fn status(random: &mut Random) -> PodStatus {
    let exits = [Exit::Completed, Exit::Killed, Exit::Unknown, Exit::Lost];
    let ended = ContainerState::Terminated(pick(random, &exits));
    PodStatus {
        phase: pick(random, &[Phase::Pending, Phase::Running, Phase::Running, Phase::Failed]),
        reason: None,
        ready: pick(random, &[PodReady::Absent, PodReady::False, PodReady::True { since: 1 }]),
        container: pick(random, &[ContainerState::Creating, ContainerState::Running, ended]),
        restart_count: random.below(2) as u8,
        ip: None,
    }
}

/// A pod of a ReplicaSet.
fn pod(config: &ClusterConfig, uid: PodUid, random: &mut Random) -> Pod {
    let set = random.below(config.replica_sets.len());
    let nodes: Vec<_> = config.node_ids().map(Some).chain([None]).collect();
    let template: TemplateId = config.replica_sets[set].template;
    let grace = config.template(template).grace;
    Pod {
        uid,
        name: PodName::generated(uid),
        owner: Owner::ReplicaSet(ReplicaSetId(set as u8)),
        template,
        node: pick(random, &nodes),
        deletion: pick(random, &[None, None, None, Some(grace)]),
        tracked: false,
        disruption_target: None,
        status: status(random),
    }
}

fn any_finalizer(random: &mut Random) -> Option<Finalizer> {
    pick(random, &[None, None, Some(Finalizer::Foreground), Some(Finalizer::Orphan)])
}

/// Any store: pods of any age on any node, nodes in any condition.
fn store(config: &ClusterConfig, random: &mut Random) -> ApiServer {
    let mut slots: Vec<PodUid> = (config.pods.len() as u8..config.max_pods).map(PodUid).collect();
    let count = random.below(slots.len());
    let mut pods = Vec::new();
    for _ in 0..count {
        let uid = slots.swap_remove(random.below(slots.len()));
        pods.push(pod(config, uid, random));
    }
    let node = |id, random: &mut Random| Node {
        id,
        ready: pick(random, &[NodeReady::True, NodeReady::False, NodeReady::Unknown]),
        taints: TaintSet(random.below(1 << config.taints.len()) as u16),
        unschedulable: random.below(4) == 0,
        boot: 0,
        attached: VolumeSet(random.below(1 << config.volumes.len()) as u16),
        in_use: VolumeSet(random.below(1 << config.volumes.len()) as u16),
    };
    let volumes = (0..config.volumes.len() as u8).map(VolumeId);
    let places: Vec<_> = config.node_ids().map(Some).chain([None]).collect();
    let attachments = volumes
        .filter_map(|volume| pick(random, &places).map(|node| VolumeAttachment { volume, node }));
    let attachments = attachments.collect();
    let (sets, deployments) = (config.replica_sets.len(), config.deployments.len());
    let status = ReplicaSetStatus::default();
    ApiServer {
        pods,
        nodes: config.node_ids().map(|id| node(id, random)).collect(),
        daemon_sets: Vec::new(),
        jobs: Vec::new(),
        attachments,
        replica_sets: (0..sets)
            .map(|id| ReplicaSet {
                id: ReplicaSetId(id as u8),
                replicas: random.below(4) as u8,
                desired: random.below(4) as u8,
                owner: config.deployment_of(ReplicaSetId(id as u8)),
                finalizer: any_finalizer(random),
                status,
            })
            .collect(),
        deployments: (0..deployments)
            .map(|id| Deployment {
                id: DeploymentId(id as u8),
                replicas: random.below(4) as u8,
                revision: 0,
                finalizer: any_finalizer(random),
                status: DeploymentStatus {
                    ready: random.below(2) as u8,
                    ..DeploymentStatus::default()
                },
            })
            .collect(),
        stateful_sets: Vec::new(),
        removing: PodSet::EMPTY,
    }
}

/// The store, the controller manager and the scheduler, which talk in any order.
#[derive(Clone, Debug, PartialEq)]
struct ControlPlane {
    api: ApiServer,
    manager: ControllerManager,
    scheduler: Scheduler,
    asked: Vec<(Option<Controller>, Request)>,
    events: Vec<WatchEvent>,
    rules: Vec<Rule>,
    unhandled: Option<&'static str>,
}

impl Permute for ControlPlane {
    fn permute(&mut self, by: &Renaming) {
        let ControlPlane { api, manager, scheduler, asked, events, rules: _, unhandled: _ } = self;
        api.permute(by);
        manager.permute(by);
        scheduler.permute(by);
        asked.iter_mut().for_each(|(_, request)| request.permute(by));
        events.permute(by);
    }
}

/// Something that a control plane does next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Controller(ControllerStep),
    Scheduler(SchedulerStep),
    /// Any of the requests is served; the pod that it may create gets this uid.
    Serve(usize, PodUid),
    /// Any of the events is seen, by both.
    Observe(usize),
}

impl Permute for Next {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Next::Controller(step) => step.permute(by),
            Next::Scheduler(step) => step.permute(by),
            Next::Serve(_, uid) => uid.permute(by),
            Next::Observe(_) => {}
        }
    }
}

impl ControlPlane {
    fn any(config: &ClusterConfig, random: &mut Random) -> Self {
        let seen = store(config, random);
        ControlPlane {
            // The caches are about another moment than the store.
            api: store(config, random),
            manager: ControllerManager::converged(config, seen.list()),
            scheduler: Scheduler::with_cache(config, seen.list()),
            asked: Vec::new(),
            events: Vec::new(),
            rules: Vec::new(),
            unhandled: None,
        }
    }

    fn next(&self, config: &ClusterConfig, late: NodeSet, fresh: Option<PodUid>) -> Vec<Next> {
        let (mut steps, mut placed) = (Vec::new(), Vec::new());
        self.manager.steps(config, late, &mut steps);
        self.scheduler.steps(config, &mut placed);
        let served = (0..self.asked.len()).filter_map(|at| Some(Next::Serve(at, fresh?)));
        let steps = steps.into_iter().map(Next::Controller);
        steps
            .chain(placed.into_iter().map(Next::Scheduler))
            .chain(served)
            .chain((0..self.events.len()).map(Next::Observe))
            .collect()
    }

    fn take(mut self, config: &ClusterConfig, next: Next) -> Self {
        let mut fx = Effects::default();
        let mut by = None;
        match next {
            Next::Controller(step) => {
                self.manager.step(config, step, &mut fx);
                by = Some(step.controller());
            }
            Next::Scheduler(step) => self.scheduler.step(config, step, &mut fx),
            Next::Observe(at) => {
                let event = self.events.remove(at);
                self.scheduler.observe(config, &event);
                self.manager.observe(config, &event, &mut fx);
            }
            Next::Serve(at, fresh) => {
                let (controller, request) = self.asked.remove(at);
                let reply = self.api.serve(config, &request, Some(fresh), &mut fx);
                by = controller;
                match controller {
                    Some(to) => self.manager.reply(config, to, &request, &reply, &mut fx),
                    None => self.scheduler.reply(&request, &reply, &mut fx),
                }
            }
        }
        self.asked.extend(fx.requests.into_iter().map(|request| (by, request)));
        self.events.extend(fx.events);
        (self.rules, self.unhandled) = (fx.rules, fx.unhandled);
        self
    }

    /// A slot that nothing here names.
    fn fresh(&self, config: &ClusterConfig) -> Option<PodUid> {
        let events = self.events.iter().filter_map(|event| match event.object {
            Object::Pod(pod) => Some(pod.uid),
            _ => None,
        });
        let asked = self.asked.iter().flat_map(|(_, request)| request.names().iter());
        let named = [self.api.mentions(), self.manager.mentions(), self.scheduler.mentions()];
        let named = named.into_iter().chain([events.chain(asked).collect()]);
        let named = named.fold(PodSet::EMPTY, PodSet::union);
        (config.pods.len() as u8..config.max_pods).map(PodUid).find(|uid| !named.contains(*uid))
    }
}

/// Twenty things that happen, and at each moment everything that could.
fn check(config: ClusterConfig, seed: u64) -> Result<(), TestCaseError> {
    let cluster = Cluster { config };
    let config = &cluster.config;
    let mut random = Random::new(seed);
    let mut here = ControlPlane::any(config, &mut random);
    for _ in 0..20 {
        let renaming = renaming(&cluster, &mut random);
        let there = here.permuted(&renaming);
        let late = NodeSet(random.below(1 << config.nodes.len()) as u16);
        let fresh = here.fresh(config);
        let next = here.next(config, late, fresh);
        let renamed = there.next(config, late.permuted(&renaming), fresh.permuted(&renaming));
        prop_assert_eq!(renamed.len(), next.len());
        for next in &next {
            prop_assert!(renamed.contains(&next.permuted(&renaming)), "{:?} is missing", next);
            let after = here.clone().take(config, *next).permuted(&renaming);
            let renamed = there.clone().take(config, next.permuted(&renaming));
            prop_assert_eq!(renamed, after, "after {:?}", next);
        }
        let Some(next) = (!next.is_empty()).then(|| pick(&mut random, &next)) else { break };
        here = here.take(config, next);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn names_do_not_matter_to_the_control_plane(scenario in scenarios(), seed in any::<u64>()) {
        prop_assume!(scenario.config().max_pods > scenario.config().pods.len() as u8);
        check(scenario.config(), seed)?;
    }
}
