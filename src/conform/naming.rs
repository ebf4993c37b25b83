//! The names that a log has for what a story made up names for.

use crate::conform::history::History;
use crate::conform::search::Run;
use crate::engine::star::StarSystem;
use crate::scenario::cluster::Cluster;
use crate::story::names::Names;

/// What a story of this run calls each pod, and what the log calls it.
#[derive(Clone, Debug, Default)]
pub struct Naming(Vec<(String, String)>);

impl Naming {
    /// Goes through a run as the search did.
    pub fn of(system: &StarSystem<Cluster>, history: &History, run: &Run) -> Self {
        let states: Vec<_> =
            std::iter::once(&run.start).chain(run.steps.iter().map(|(_, state)| state)).collect();
        let names = Names::along(&system.0, &states);
        let (mut at, mut bound) = (history.start(), history.bound.clone());
        let mut known: Vec<(String, String)> = Vec::new();
        let mut learn = |step: usize, bound: &crate::conform::facts::Bindings| {
            for pod in &system.0.view(states[step]).api().pods {
                let name = bound.uid(pod.uid.0).and_then(|uid| history.pod_name(uid));
                let invented = names.pod(step, pod.uid);
                if let Some(name) = name
                    && !known.iter().any(|(known, _)| known == invented)
                {
                    known.push((invented.to_string(), name.to_string()));
                }
            }
        };
        learn(0, &bound);
        for (step, (action, _)) in run.steps.iter().enumerate() {
            for event in system.detail(states[step], action).events {
                // The last step of a near miss is not accepted: its names stay invented.
                let Some(next) = history.accept(&at, &bound, &event) else { break };
                (at, bound) = next;
            }
            learn(step + 1, &bound);
        }
        Naming(known)
    }

    /// A text of the story in the words of the log.
    pub fn apply(&self, text: &str) -> String {
        let replaced = self.0.iter().filter(|(invented, _)| text.contains(invented.as_str()));
        replaced.fold(text.to_string(), |text, (invented, name)| text.replace(invented, name))
    }
}
