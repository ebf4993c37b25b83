//! Graceful node shutdown: groups of pods, one after the other (12.9).

use models::container_runtime::Container;
use models::guarantees::{Guarantee, GuaranteeKind, Test};
use models::ids::{NodeId, PodUid, Seconds};
use models::view::ClusterView;
use node_recovery::engine::compact;
use node_recovery::engine::property::Verdict;
use node_recovery::engine::search::Options;
use node_recovery::engine::star::StarSystem;
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::properties::property;
use node_recovery::scenario::{Input, Scenario, catalogue, load};

/// Where both pods run.
const NODE: NodeId = NodeId(1);

/// The critical one.
const AGENT: PodUid = PodUid(0);
const PROBE: PodUid = PodUid(1);

fn scenario(change: impl Fn(&str) -> String) -> Scenario {
    let text = change(&scenario_text());
    load(&[Input { name: "s.yaml".into(), text }]).expect("it is valid").swap_remove(0)
}

fn verdict(scenario: Scenario, test: Test) -> Verdict {
    let guarantee = Guarantee {
        name: "test",
        title: "",
        kind: GuaranteeKind::Sometimes,
        meaning: "",
        promised: |_| false,
        rules: "",
        test,
    };
    let system = StarSystem(Cluster { config: scenario.config });
    let outcome = compact::breadth_first(&system, &[property(&guarantee)], &Options::default());
    outcome.findings[0].verdict
}

fn runs(view: &ClusterView<'_>, uid: PodUid) -> bool {
    view.runtime(NODE).pod(uid).is_some_and(|pod| pod.container == Container::Running)
}

/// The critical pod has ended, and the other runs on.
const WRONG_ORDER: Test =
    Test::State(|view| view.runtime(NODE).powered && !runs(view, AGENT) && runs(view, PROBE));

const RIGHT_ORDER: Test =
    Test::State(|view| view.runtime(NODE).powered && runs(view, AGENT) && !runs(view, PROBE));

#[test]
fn critical_pods_end_last() {
    assert_eq!(verdict(scenario(str::to_string), RIGHT_ORDER), Verdict::Reachable);
    assert_eq!(verdict(scenario(str::to_string), WRONG_ORDER), Verdict::Unreachable);
}

/// A group that has had its time is not waited for.
#[test]
fn a_pod_that_ignores_sigterm_is_waited_for_as_long_as_its_group_has() {
    let stubborn = |text: &str| {
        text.replace("  kubelet: {", "  containers: {onSigterm: ignores}\n  kubelet: {")
    };
    assert_eq!(verdict(scenario(stubborn), WRONG_ORDER), Verdict::Reachable);
}

/// Pods of one group end in any order.
#[test]
fn pods_of_one_group_end_together() {
    let alike = |text: &str| text.replace("  priorityClassName: system-node-critical\n", "");
    assert_eq!(verdict(scenario(alike), WRONG_ORDER), Verdict::Reachable);
    assert_eq!(verdict(scenario(alike), RIGHT_ORDER), Verdict::Reachable);
}

/// KEP-2712: those below the lowest priority belong to the first group, those in between to the lower.
#[test]
fn priorities_choose_the_group() {
    let by_priority = |text: &str| {
        let groups = "  kubelet:
    shutdownGracePeriodByPodPriority:
      - {priority: 1000, shutdownGracePeriodSeconds: 5}
      - {priority: -10, shutdownGracePeriodSeconds: 60}
      - {priority: 100, shutdownGracePeriodSeconds: 0}
";
        let lines = text.lines().filter(|line| !line.starts_with("  kubelet: {"));
        let text: Vec<&str> = lines.collect();
        text.join("\n").replace("  faults:\n", &format!("{groups}  faults:\n"))
    };
    let settings = scenario(by_priority).config.settings;
    let groups: Vec<u8> =
        [-11, -10, 0, 99, 100, 999, 1000, 2_000_001_000].map(|p| settings.shutdown_group(p)).into();
    assert_eq!(groups, [0, 0, 0, 0, 1, 1, 2, 2]);
    assert_eq!(settings.shutdown_grace(), Some(Seconds(65)));
}

#[test]
fn what_a_kubelet_would_refuse_is_refused() {
    let with = |fields: &str| {
        let usual = "{shutdownGracePeriod: 30s, shutdownGracePeriodCriticalPods: 10s}";
        let text = scenario_text().replace(usual, fields);
        load(&[Input { name: "s.yaml".into(), text }]).map(|_| ()).map_err(|e| e.to_string())
    };
    let cases = [
        ("{shutdownGracePeriodCriticalPods: 10s}", "needs `shutdownGracePeriod`"),
        ("{shutdownGracePeriod: 5s, shutdownGracePeriodCriticalPods: 10s}", "must be at most"),
        (
            "{shutdownGracePeriod: 5s, shutdownGracePeriodByPodPriority: []}",
            "cannot be given beside",
        ),
    ];
    for (fields, expected) in cases {
        let error = with(fields).expect_err(fields);
        assert!(error.contains(expected), "{fields}: {error}");
    }
}

fn scenario_text() -> String {
    catalogue::find("87-shutdown-by-priority").expect("a bundled scenario").text.to_string()
}
