//! `spec.faults`: what may go wrong, how often, and where; `spec.operator`: what people may do.

use models::faults::{FaultBudget, FaultKind, Scope, When};
use models::ids::{NodeSet, Seconds};

use super::cursor::Cursor;
use super::error::InputError;
use super::nodes::Nodes;
use super::settings::duration;
use super::source::Value;
use super::workload_operations;

/// Most faults of one kind.
pub(super) const MAX_COUNT: i64 = 9;

/// Fields of `operator` that name a taint.
const TAINTS: [&str; 2] = ["taint", "untaint"];

/// What a scenario says of one kind.
struct Given<'a> {
    kind: FaultKind,
    count: u8,
    nodes: Option<NodeSet>,
    outage: Option<Seconds>,
    when: When,
    at: Cursor<'a>,
}

/// Reads `faults` and `operator`. A recovery that is not mentioned may happen as often as what it
/// mends, and on the same nodes; a boot without network, and what people do, happens only where it
/// is asked for.
pub(super) fn read_faults(
    faults: Option<&Cursor<'_>>,
    operator: Option<&Cursor<'_>>,
    cluster: &mut Nodes,
) -> Result<Vec<FaultBudget>, InputError> {
    let mut given: Vec<Given<'_>> = Vec::new();
    for (section, by_operator) in [(faults, false), (operator, true)] {
        let kinds =
            || FaultKind::ALL.into_iter().filter(|kind| kind.is_by_operator() == by_operator);
        let parametric = TAINTS.into_iter().chain(workload_operations::FIELDS);
        let parametric = parametric.filter(|_| by_operator);
        let names: Vec<&str> = kinds().map(FaultKind::field).chain(parametric).collect();
        for (key, field) in section.map(|s| s.fields()).transpose()?.unwrap_or_default() {
            if by_operator && workload_operations::FIELDS.contains(&key.name.as_str()) {
                continue;
            }
            if by_operator && TAINTS.contains(&key.name.as_str()) {
                read_taints(&key.name, &field, cluster, &mut given)?;
                continue;
            }
            let kind = kinds().find(|kind| kind.field() == key.name);
            let kind = kind.ok_or_else(|| match section {
                Some(section) => section.unknown(key, &names),
                None => field.error("is unknown"),
            })?;
            given.push(read_one(kind, &field, cluster)?);
        }
    }
    let cluster = &*cluster;
    let mut budgets: Vec<FaultBudget> = Vec::new();
    // A fault stands before what mends it in `ALL`.
    for kind in FaultKind::ALL {
        let given = given.iter().find(|given| given.kind == kind);
        let mended: Vec<&FaultBudget> =
            budgets.iter().filter(|budget| kind.mends().contains(&budget.kind)).collect();
        let budget = match given {
            Some(given) if kind.mends().is_empty() => strike(given, cluster)?,
            Some(given) => mend(given, &mended, cluster)?,
            None if kind == FaultKind::PowerOnNoNetwork || kind.is_by_operator() => continue,
            None if mended.is_empty() => continue,
            None => {
                let count = mended.iter().map(|budget| budget.count).sum();
                let (nodes, when) = (nodes_of(&mended), When::Always);
                FaultBudget { kind, count, nodes, outage: None, when }
            }
        };
        if budget.count > 0 {
            budgets.push(budget);
        }
    }
    for given in given.iter().filter(|given| !FaultKind::ALL.contains(&given.kind)) {
        budgets.extend(Some(strike(given, cluster)?).filter(|budget| budget.count > 0));
    }
    for given in given.iter().filter(|given| given.outage.is_some()) {
        outages_can_end(given, &budgets, cluster)?;
    }
    Ok(budgets)
}

/// Reads `taint` or `untaint`: one such thing, or a list of them.
fn read_taints<'a>(
    name: &str,
    field: &Cursor<'a>,
    cluster: &mut Nodes,
    given: &mut Vec<Given<'a>>,
) -> Result<(), InputError> {
    let items = match field.node.value {
        Value::Sequence(_) => field.items()?,
        _ => vec![field.clone()],
    };
    for item in items {
        item.only(&["count", "nodes", "taint", "when"])?;
        let at = item.required("taint")?;
        let taint = cluster.taint(&at)?;
        let kind =
            if name == TAINTS[0] { FaultKind::Taint(taint) } else { FaultKind::Untaint(taint) };
        if given.iter().any(|given| given.kind == kind) {
            return Err(at.error("is named a second time"));
        }
        given.push(read_fields(kind, &item, cluster)?);
    }
    Ok(())
}

/// An outage that ends in time needs a recovery for each strike, wherever it may strike; else what
/// follows from its end would hold of nothing.
fn outages_can_end(
    given: &Given<'_>,
    budgets: &[FaultBudget],
    cluster: &Nodes,
) -> Result<(), InputError> {
    let Some(strike) = budgets.iter().find(|budget| budget.kind == given.kind) else {
        return Ok(());
    };
    let recoveries = |node| {
        let mends = budgets.iter().filter(|b| b.kind.mends().contains(&strike.kind));
        mends.filter(|b| b.nodes.contains(node)).map(|b| u32::from(b.count)).sum::<u32>()
    };
    match strike.nodes.iter().find(|&node| recoveries(node) < u32::from(strike.count)) {
        None => Ok(()),
        Some(node) => {
            let name = cluster.name(node);
            let problem = format!("ends in time, but {name} may not recover as often as that");
            let help = "leave `outage` out, or allow as many recoveries as strikes";
            Err(given.at.toward(&["outage"]).error(problem).with_help(help))
        }
    }
}

/// One power-off and one power-on of any node: what a bare manifest gets.
pub(super) fn default_faults(cluster: &Nodes) -> Vec<FaultBudget> {
    let kinds = [FaultKind::PowerOff, FaultKind::PowerOn];
    let nodes = cluster.power_off_victims();
    kinds
        .map(|kind| FaultBudget { kind, count: 1, nodes, outage: None, when: When::Always })
        .to_vec()
}

/// A number, or `{count, nodes, outage}`.
fn read_one<'a>(
    kind: FaultKind,
    field: &Cursor<'a>,
    cluster: &Nodes,
) -> Result<Given<'a>, InputError> {
    if !matches!(field.node.value, Value::Mapping(_)) {
        let count = field.integer(0..=MAX_COUNT)? as u8;
        let when = When::Always;
        return Ok(Given { kind, count, nodes: None, outage: None, when, at: field.clone() });
    }
    let last = if kind.is_by_operator() { "when" } else { "outage" };
    field.only(&["count", "nodes", last])?;
    read_fields(kind, field, cluster)
}

/// `{count, nodes, outage, when}`.
fn read_fields<'a>(
    kind: FaultKind,
    field: &Cursor<'a>,
    cluster: &Nodes,
) -> Result<Given<'a>, InputError> {
    let when =
        field.get("when").map(|when| read_when(kind, &when)).transpose()?.unwrap_or_default();
    let outage = field.get("outage").map(|outage| match kind.silences() {
        true => duration(&outage),
        false => Err(outage.error("makes no sense: this fault ends no heartbeats")),
    });
    let outage = outage.transpose()?;
    let count = match field.get("count") {
        Some(count) => count.integer(0..=MAX_COUNT)? as u8,
        None => 1,
    };
    let Some(list) = field.get("nodes") else {
        return Ok(Given { kind, count, nodes: None, outage, when, at: field.clone() });
    };
    if kind.scope() == Scope::ControlPlane {
        return Err(list.error("makes no sense: this fault strikes no node"));
    }
    let mut nodes = NodeSet::EMPTY;
    for item in list.items()? {
        let node = cluster.find(&item)?;
        let power = kind.takes_power() || kind.mends().contains(&FaultKind::PowerOff);
        if power && cluster.is_always_on(node) {
            let name = cluster.name(node);
            return Err(item.error(format!("names {name}, which says `powerOff: false`")));
        }
        nodes.insert(node);
    }
    if nodes.is_empty() && count > 0 {
        return Err(list.error("is empty: the fault could never happen"));
    }
    Ok(Given { kind, count, nodes: Some(nodes), outage, when, at: field.clone() })
}

/// When people do something.
fn read_when(kind: FaultKind, at: &Cursor<'_>) -> Result<When, InputError> {
    let words = [
        ("always", When::Always),
        ("notReady", When::NotReady),
        ("poweredOff", When::PoweredOff),
        ("terminating", When::Terminating),
    ];
    let all = if kind.scope() == Scope::Pod { &words[..] } else { &words[..3] };
    at.word(all)
}

/// The budget of something that goes wrong.
fn strike(given: &Given<'_>, cluster: &Nodes) -> Result<FaultBudget, InputError> {
    let usual = match given.kind {
        kind if kind.takes_power() => cluster.power_off_victims(),
        FaultKind::Partition => cluster.usual_victims(),
        _ => cluster.all(),
    };
    let nodes = given.nodes.unwrap_or(usual);
    if nodes.is_empty() && given.count > 0 {
        let error = given.at.error("can strike no node");
        return Err(error.with_help("no node may be struck by default: name some with `nodes`"));
    }
    let Given { kind, count, outage, when, .. } = *given;
    Ok(FaultBudget { kind, count, nodes, outage, when })
}

/// Where any of these may happen.
fn nodes_of(budgets: &[&FaultBudget]) -> NodeSet {
    budgets.iter().fold(NodeSet::EMPTY, |nodes, budget| nodes.union(budget.nodes))
}

/// The budget of a recovery.
fn mend(
    given: &Given<'_>,
    mended: &[&FaultBudget],
    cluster: &Nodes,
) -> Result<FaultBudget, InputError> {
    let what = given.kind.mends()[0].field();
    if mended.is_empty() {
        if given.count == 0 {
            let nodes = NodeSet::EMPTY;
            return Ok(FaultBudget {
                kind: given.kind,
                count: 0,
                nodes,
                outage: None,
                when: given.when,
            });
        }
        let error = given.at.error("has nothing to mend");
        return Err(error.with_help(format!("allow the fault too, e.g. `{what}: 1`")));
    }
    let victims = nodes_of(mended);
    let nodes = given.nodes.unwrap_or(victims);
    if let Some(node) = nodes.minus(victims).iter().next() {
        let name = cluster.name(node);
        let problem = format!("names {name}, where `{what}` never happens");
        return Err(given.at.toward(&["nodes"]).error(problem));
    }
    let Given { kind, count, when, .. } = *given;
    Ok(FaultBudget { kind, count, nodes, outage: None, when })
}
