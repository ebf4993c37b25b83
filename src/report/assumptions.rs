//! What a verdict rests on, in words: fault budgets, lag, heartbeats, start, room for pods.

use models::config::{ClusterConfig, Start, WatchMode};
use models::faults::{FaultBudget, FaultKind, Scope, When};
use models::ids::{NodeId, NodeSet};
use models::objects::Owner;

use crate::story::names::workload_name;

/// All assumptions of a scenario, one sentence each.
pub fn assumptions(config: &ClusterConfig) -> Vec<String> {
    let mut all = vec![start(config)];
    all.extend(faults(config));
    all.push(watches(config.watch));
    all.extend(heartbeats(config));
    all.push(
        "what needs no waiting is done before a longer timer runs out; traces are solved against \
         the timers of Kubernetes, and one that fits no timing does not count"
            .to_string(),
    );
    let counts_pods = !config.replica_sets.is_empty() || !config.stateful_sets.is_empty();
    if !config.workload_status && counts_pods {
        all.push(
            "the status of workloads, which nothing but kubectl reads, is shown in \
             traces and not searched"
                .to_string(),
        );
    }
    all.push(format!(
        "at most {} pod uids are stored or remembered at once; a create waits for a free one",
        config.max_pods
    ));
    all
}

/// The watch mode as a scenario file writes it.
pub fn watch_word(watch: WatchMode) -> String {
    match watch {
        WatchMode::Fresh => "fresh".to_string(),
        WatchMode::Lag(lag) => format!("lag {lag}"),
        WatchMode::Unbounded => "unbounded".to_string(),
    }
}

fn start(config: &ClusterConfig) -> String {
    match &config.start {
        Start::Converged => {
            "runs start converged: pods Running and Ready, in every placement that \
                             differs in more than the names of like nodes"
                .to_string()
        }
        Start::Placed(placed) => {
            let places = placed.iter().map(|(owner, nodes)| {
                format!("{} on {}", workload(config, *owner), names(config, nodes.iter().copied()))
            });
            let places = places.collect::<Vec<_>>().join(", ");
            format!("runs start converged: pods Running and Ready, those of {places}")
        }
        Start::Empty => {
            "runs start with Ready nodes and stored workloads, without pods of theirs".to_string()
        }
    }
}

fn workload(config: &ClusterConfig, owner: Owner) -> String {
    match owner {
        Owner::None => "bare pods".to_string(),
        owner => workload_name(config, owner).to_string(),
    }
}

fn names(config: &ClusterConfig, nodes: impl Iterator<Item = NodeId>) -> String {
    let names: Vec<&str> = nodes.map(|node| config.nodes[node.0 as usize].name.as_str()).collect();
    names.join(" and ")
}

fn faults(config: &ClusterConfig) -> Vec<String> {
    if config.faults.is_empty() {
        return vec!["nothing goes wrong: there is no fault budget".to_string()];
    }
    let budgets: Vec<String> = config.faults.iter().map(|budget| fault(config, budget)).collect();
    vec![format!("faults, at most: {}", budgets.join(", ")), "no other faults happen".to_string()]
}

fn fault(config: &ClusterConfig, budget: &FaultBudget) -> String {
    let FaultBudget { kind, count, nodes, outage, when } = *budget;
    let all: NodeSet = config.node_ids().collect();
    let name = match kind {
        FaultKind::Taint(taint) | FaultKind::Untaint(taint) => {
            format!("{} {}", kind.field(), config.taints[taint.0 as usize])
        }
        _ => kind.field().to_string(),
    };
    let what = if kind.scope() == Scope::ControlPlane || all.minus(nodes).is_empty() {
        format!("{count} {name}")
    } else {
        format!("{count} {name} ({})", names(config, nodes.iter()))
    };
    let what = match when {
        When::Always => what,
        When::NotReady => format!("{what} while the node is not Ready"),
        When::PoweredOff => format!("{what} while the node has no power"),
        When::Terminating => format!("{what} while the pod is Terminating"),
    };
    match outage {
        Some(most) => format!("{what} with heartbeats back within {most}"),
        None => what,
    }
}

fn watches(watch: WatchMode) -> String {
    match watch {
        WatchMode::Fresh => {
            "watch fresh: a write reaches every connected watcher in the same step".to_string()
        }
        WatchMode::Lag(lag) => {
            format!("watch lag {lag}: no connected watch is more than {lag} events behind")
        }
        WatchMode::Unbounded => "watch unbounded: watches may be behind without bound".to_string(),
    }
}

fn heartbeats(config: &ClusterConfig) -> Vec<String> {
    let budget = |kind| config.faults.iter().any(|budget| budget.kind == kind);
    let mut said = Vec::new();
    if !budget(FaultKind::SlowHeartbeat) {
        said.push(
            "heartbeats of a live, connected node are in time: a node times out only while \
             nothing renews its lease"
                .to_string(),
        );
    }
    if !budget(FaultKind::SlowStart) {
        said.push("containers start within the grace period of a node".to_string());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Input, load};

    fn said(scenario: &str) -> String {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a}}]}}\n---\n\
             apiVersion: node-recovery/v1\nkind: Scenario\nspec: {scenario}\n"
        );
        let scenarios = load(&[Input { name: "t.yaml".into(), text }]).unwrap();
        assumptions(&scenarios[0].config).join("\n")
    }

    #[test]
    fn budgets_are_told_with_their_nodes() {
        let said =
            said("{nodes: [a, b], faults: {powerOff: {count: 2, nodes: [b]}, partition: 1}}");
        assert!(said.contains("2 powerOff (b)") && said.contains("1 partition"), "{said}");
        assert!(!said.contains("nothing goes wrong"));
    }

    #[test]
    fn each_dial_changes_what_is_said() {
        let plain = said("{nodes: 2, faults: {powerOff: 0}}");
        assert!(plain.contains("nothing goes wrong"), "{plain}");
        assert!(plain.contains("heartbeats of a live, connected node are in time"));
        for other in [
            "{nodes: 2, faults: {slowHeartbeat: 1}}",
            "{nodes: 2, faults: {slowStart: 1}}",
            "{nodes: 2, faults: {powerOff: 0}, watch: {lag: 2}}",
            "{nodes: 2, faults: {powerOff: 0}, watch: unbounded}",
            "{nodes: 2, faults: {powerOff: 0}, start: empty}",
            "{nodes: 2, faults: {powerOff: 0}, maxPods: 5}",
        ] {
            assert_ne!(said(other), plain, "{other}");
        }
    }
}
