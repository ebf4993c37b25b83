//! The end of a run as one text: the last step, what the properties come to here, what kubectl
//! prints, what really runs, and what is on its way.

use std::fmt::Write;

use models::container_runtime::Call;

use crate::engine::property::{Kind, Property, Taken, Test};
use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::scenario::cluster::{Cluster, ClusterState};
use crate::story::names::Names;
use crate::story::tables::{Printer, Tables, reality};
use crate::story::trace::{Step, Story, event_words};
use crate::story::words::Words;
use crate::story::{timeline, timing};

type System = StarSystem<Cluster>;

/// A property, and what it says in a few words.
pub struct Titled {
    /// The property.
    pub property: Property<System>,
    /// The words.
    pub title: String,
}

/// Shows the end of a run.
pub fn render(system: &System, path: &Path<System>, properties: &[Titled]) -> String {
    let mut out = String::new();
    match Story::tell(system, path).steps.last() {
        Some(step) => last_step(&mut out, step),
        None => out.push_str("start of the run\n"),
    }
    judge(&mut out, system, path, properties);
    let states: Vec<&ClusterState> =
        std::iter::once(&path.start).chain(path.steps.iter().map(|(_, state)| state)).collect();
    let cluster = &system.0;
    let at = path.steps.len();
    let view = cluster.view(path.end());
    let names = Names::along(cluster, &states);
    let times: Option<Vec<_>> =
        timing::solve(cluster, path).map(|steps| std::iter::once(0).chain(steps).collect());
    let printer = Printer { cluster, names: &names, times: times.as_deref() };
    for table in Tables::of_objects(&printer, &view, at).shown() {
        say(&mut out, format_args!("\n$ kubectl get {} -o wide\n", table.resource));
        out.push_str(&table.render());
    }
    out.push_str("\nwhat really runs\n");
    out.push_str(&reality(&view, &names, at).render());
    out.push_str("\non its way\n");
    let words = Words { config: &cluster.config, names: &names, at };
    for line in aligned(&on_its_way(cluster, path.end(), words, &printer)) {
        say(&mut out, format_args!("{line}\n"));
    }
    out
}

fn say(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(text);
}

/// The last step of a run in one line: who, what, under which rule.
pub fn headline(step: &Step) -> String {
    let rule = step.rule.map(|rule| format!(" [{rule}]")).unwrap_or_default();
    format!("{}: {}{rule}", step.actor, step.action)
}

fn last_step(out: &mut String, step: &Step) {
    let time = match step.at_seconds {
        Some(at) => timeline::seconds(at),
        None => "no timing of the timer table fits this run".to_string(),
    };
    say(out, format_args!("step {} ({time})  {}\n", step.number, headline(step)));
    if let Some(meaning) = step.meaning {
        say(out, format_args!("  \"{meaning}\"\n"));
    }
    for change in &step.changes {
        say(out, format_args!("  {change}\n"));
    }
    for sent in &step.sends {
        say(out, format_args!("  asks: {sent}\n"));
    }
}

/// What each property comes to in this state, or in the step that led to it.
fn judge(out: &mut String, system: &System, path: &Path<System>, properties: &[Titled]) {
    out.push_str("\nproperties\n");
    let row = |Titled { property, title }: &Titled| {
        let decided = deciding_steps(system, path, property);
        let here = decided.last() == Some(&path.steps.len());
        let verdict = match (property.kind, &property.test, here) {
            (Kind::Sometimes, _, true) => "HERE",
            (Kind::Sometimes, _, false) => "not here",
            (_, _, true) => "VIOLATED",
            (_, Test::Step(_), false) if path.steps.is_empty() => "no step yet",
            (_, Test::Step(_), false) => "holds in this step",
            (_, Test::State(_), false) => "holds here",
        };
        let earlier = decided.first().filter(|step| **step < path.steps.len());
        let since = earlier.map_or(String::new(), |step| match (property.kind, here) {
            (_, true) => format!(", first at step {step}"),
            (Kind::Sometimes, false) => format!(", but at step {step}"),
            (_, false) => format!(", violated at step {step}"),
        });
        [property.name.clone(), format!("{verdict}{since}"), title.clone()]
    };
    let rows: Vec<[String; 3]> = properties.iter().map(row).collect();
    for line in aligned(&rows) {
        say(out, format_args!("{line}\n"));
    }
}

/// The steps of a run that decide a property, by themselves or by the state that they lead to; 0 is
/// the start.
fn deciding_steps(system: &System, path: &Path<System>, property: &Property<System>) -> Vec<usize> {
    let mut decided = Vec::new();
    if property.decided_by_state(system, &path.start) {
        decided.push(0);
    }
    let mut before = &path.start;
    for (at, (action, after)) in (1..).zip(&path.steps) {
        if property.decided_by_state(system, after)
            || property.decided_by_step(system, before, &Taken::new(action), after)
        {
            decided.push(at);
        }
        before = after;
    }
    decided
}

/// Requests, watch events and calls that somebody still has to take: from, to, what.
fn on_its_way(
    cluster: &Cluster,
    state: &ClusterState,
    words: Words<'_>,
    printer: &Printer<'_>,
) -> Vec<[String; 3]> {
    let hub = || "api-server".to_string();
    let mut rows = Vec::new();
    for process in state.processes() {
        let outbox = state.outbox(process);
        let sent = (outbox.orphans.iter().map(|sent| (", dead by now", sent)))
            .chain(outbox.live.iter().map(|sent| ("", sent)));
        for (late, sent) in sent {
            let from = words.asker(process, sent.controller);
            rows.push([format!("{from}{late}"), hub(), words.request(&sent.request)]);
        }
        for event in state.inbox(process).0.iter().flatten().flatten() {
            let what = event_words(printer, words.at, event);
            rows.push([hub(), words.process(process), what]);
        }
    }
    let view = cluster.view(state);
    for node in cluster.config.node_ids() {
        for pod in &view.runtime(node).pods {
            let what = match pod.call {
                Some(Call::Start) => "start",
                Some(Call::Stop) => "stop",
                Some(Call::Signalled) => "end by itself",
                Some(Call::Remove) => "remove",
                None => continue,
            };
            let name = words.node(node);
            let what = format!("{what} {}", words.pod(pod.uid));
            rows.push([format!("kubelet {name}"), format!("containerd {name}"), what]);
        }
    }
    if rows.is_empty() {
        rows.push(["nothing".to_string(), String::new(), String::new()]);
    } else {
        rows.insert(0, ["FROM", "TO", "WHAT"].map(str::to_string));
    }
    rows
}

/// Rows with their cells below each other.
fn aligned(rows: &[[String; 3]]) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let line = |[a, b, c]: &[String; 3]| format!("{a:<first$}   {b:<second$}   {c}");
    rows.iter().map(|row| line(row).trim_end().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let rows = [["a", "bb", "c"], ["aaa", "", "cc"]].map(|row| row.map(str::to_string));
        assert_eq!(aligned(&rows), ["a     bb   c", "aaa        cc"]);
    }
}
