//! Traces as they are shown: in time, and with the status of workloads.

use models::config::PROMPT;
use models::faults::FaultKind;
use models::kube_controller_manager::ControllerStep;
use models::objects::{Owner, Pod};
use models::requests::Request;
use node_recovery::engine::search::Path;
use node_recovery::engine::simulate::{End, random_run};
use node_recovery::engine::star::{Action, StarSystem};
use node_recovery::engine::system::System as _;
use node_recovery::scenario::catalogue;
use node_recovery::scenario::cluster::{
    CONTROLLER_MANAGER_PROCESS, Cluster, ClusterAction, ClusterState, Internal,
};
use node_recovery::story::reorder::{Patience, timely};
use node_recovery::story::timing::{Bound, bounds, solve};
use node_recovery::story::workload_status::with_workload_status;
use proptest::prelude::*;

use crate::generated::{System, cases, runs};

fn sorted(path: &Path<System>) -> Vec<String> {
    let mut actions: Vec<String> =
        path.steps.iter().map(|(action, _)| format!("{action:?}")).collect();
    actions.sort();
    actions
}

/// Whether each step of a run is enabled where it is taken, and leads where the run says.
fn is_a_run(system: &System, path: &Path<System>) -> bool {
    let mut before = &path.start;
    path.steps.iter().all(|(action, after)| {
        let mut enabled = Vec::new();
        system.actions(before, &mut enabled);
        let taken = enabled.contains(action) && system.step(before, action).state == *after;
        before = after;
        taken
    })
}

fn is_status(request: &Request) -> bool {
    matches!(
        request,
        Request::PutReplicaSetStatus { .. }
            | Request::GetReplicaSet { .. }
            | Request::PutDeploymentStatus { .. }
    )
}

/// What a step is apart from workload status, if it is anything.
fn apart_from_status(action: &ClusterAction) -> Option<String> {
    let of_status = match action {
        Action::Serve(CONTROLLER_MANAGER_PROCESS, sent)
        | Action::ServeOrphan(CONTROLLER_MANAGER_PROCESS, sent) => Some(sent),
        _ => None,
    };
    let is_deployment =
        matches!(action, Action::Internal(Internal::Controller(ControllerStep::Deployment(_))));
    let status = of_status.is_some_and(|sent| is_status(&sent.request)) || is_deployment;
    (!status).then(|| format!("{action:?}"))
}

proptest! {
    #![proptest_config(cases(300))]

    /// Another order is the same actions, possible one after the other, with the same last step.
    #[test]
    fn another_order_is_the_same_run_in_time(run in runs()) {
        let (system, path, _) = run.take(120);
        let was_timely = solve(&system.0, &path).is_some();
        let found = timely(&system, path.clone(), &Patience::default());
        prop_assert!(found.is_some() || !was_timely, "a run that is in time is kept");
        if let Some(found) = found {
            prop_assert!(solve(&system.0, &found).is_some());
            prop_assert!(is_a_run(&system, &found));
            prop_assert_eq!(sorted(&found), sorted(&path));
            prop_assert!(found.end() == path.end());
            prop_assert!(found.steps.last().map(|step| &step.0) == path.steps.last().map(|step| &step.0));
        }
    }

    /// Status that is woven in changes nothing else, and is what the pods ask for in the end.
    #[test]
    fn woven_status_is_a_run_and_follows_the_pods(run in runs()) {
        let (system, path, _) = run.take(200);
        let (full, told) = with_workload_status(&system, &path);
        prop_assert!(is_a_run(&full, &told));
        let pods = |state: &ClusterState| -> Vec<Pod> { full.0.view(state).api().pods.clone() };
        prop_assert_eq!(pods(told.end()), pods(path.end()));
        if system.0.config.workload_status {
            prop_assert_eq!(told.steps.len(), path.steps.len());
        }
    }
}

/// Random runs of a bundled scenario.
fn bundled(name: &str, seeds: u64) -> impl Iterator<Item = (System, Path<System>, End)> {
    let bundled = catalogue::SCENARIOS.iter().find(|bundled| bundled.folder.starts_with(name));
    let config = bundled.expect("the scenario is bundled").load().unwrap().config;
    (0..seeds).map(move |seed| {
        let system = StarSystem(Cluster { config: config.clone() });
        let run = random_run(&system, seed, 600).expect("it has a start");
        (system, run.path, run.end)
    })
}

#[test]
fn status_is_woven_into_every_run_of_a_power_failure() {
    let mut written = 0;
    for (system, path, end) in bundled("14", 60) {
        let (full, told) = with_workload_status(&system, &path);
        assert!(full.0.config.workload_status, "the status found its place");
        let told_steps = told.steps.iter();
        let kept: Vec<_> = told_steps.filter_map(|(action, _)| apart_from_status(action)).collect();
        written += usize::from(told.steps.len() > path.steps.len());
        // A sync that only writes status is one more of its kind: nothing of the run is missing.
        let mut rest = kept.into_iter();
        for (action, _) in &path.steps {
            assert!(rest.any(|kept| kept == format!("{action:?}")), "{action:?} is missing");
        }
        if end == End::Quiet && told.steps.len() > 1 {
            let view = full.0.view(told.end());
            for deployment in &view.api().deployments {
                let set = full.0.config.deployments[deployment.id.0 as usize].replica_set;
                let active = view.pods_of(Owner::ReplicaSet(set)).filter(|pod| pod.is_active());
                assert!(usize::from(deployment.status.replicas).abs_diff(active.count()) <= 1);
            }
        }
    }
    assert!(written > 30, "{written} of 60 runs write status");
}

/// The moments at which an action is taken, counted from 1.
fn moments(path: &Path<System>, is: impl Fn(&ClusterAction) -> bool) -> Vec<usize> {
    let taken = path.steps.iter().zip(1..);
    taken.filter(|((action, _), _)| is(action)).map(|(_, moment)| moment).collect()
}

#[test]
fn an_outage_that_ends_in_time_bounds_the_return_of_heartbeats() {
    let mut seen = 0;
    for (system, path, _) in bundled("17", 40) {
        let strikes = moments(
            &path,
            |action| matches!(action, Action::Fault(fault) if fault.kind == FaultKind::PowerOff),
        );
        let node = models::ids::NodeId(1);
        let renews = |state: &ClusterState| system.0.view(state).kubelet(node).renews_lease();
        let states: Vec<&ClusterState> =
            std::iter::once(&path.start).chain(path.steps.iter().map(|(_, state)| state)).collect();
        let back = (1..states.len()).find(|&at| !renews(states[at - 1]) && renews(states[at]));
        let bounds = bounds(&system.0, &path);
        if let (Some(&strike), Some(back)) = (strikes.first(), back) {
            seen += 1;
            let expected = Bound { earlier: back, later: strike, least: -30_000 };
            assert!(bounds.contains(&expected), "{expected:?} is not among {bounds:?}");
        }
    }
    assert!(seen > 20, "{seen} of 40 runs see the node return");
}

#[test]
fn a_request_is_served_soon_after_it_was_sent() {
    let mut served = 0;
    let most = -1000 * i64::from(PROMPT.0);
    for (system, path, _) in bundled("05", 10) {
        let bounds = bounds(&system.0, &path);
        for moment in moments(&path, |action| matches!(action, Action::Serve(..))) {
            served += 1;
            let bound = bounds.iter().find(|bound| bound.earlier == moment && bound.least == most);
            let sent = bound.unwrap_or_else(|| panic!("nothing bounds the service at {moment}"));
            assert!(sent.later < moment, "{sent:?}");
        }
    }
    assert!(served > 50, "{served} requests were served");
}
