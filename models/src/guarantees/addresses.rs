//! The guarantee about addresses of pods.

use super::{Guarantee, GuaranteeKind, Test};
use crate::container_runtime::{Container, Sandbox};
use crate::objects::{Exit, Pod};
use crate::view::ClusterView;

/// See its title.
pub(super) const P10: Guarantee = Guarantee {
    name: "P10",
    title: "the API never shows one address for two live pods",
    kind: GuaranteeKind::State,
    meaning: "in no state does the API show, for two pods of one node that are not terminal, the \
              addresses of a sandbox that a boot took away and of one that was made after it: the \
              second may have been given the address of the first",
    promised: |_| false,
    rules: "RB-2 RB-3",
    test: Test::State(addresses_differ),
};

fn addresses_differ(view: &ClusterView<'_>) -> bool {
    let pods = || view.api().pods.iter().filter(|pod| !pod.status.phase.is_terminal());
    pods().filter(|pod| shows_lost_address(view, pod)).all(|lost| {
        let mut others = pods().filter(|pod| pod.node == lost.node && pod.uid != lost.uid);
        !others.any(|pod| shows_new_address(view, pod))
    })
}

/// Whether the API shows the address of a sandbox that was there before the node's last boot. What
/// ran then was found dead, with an exit code that nothing else leaves behind (RB-1).
fn shows_lost_address(view: &ClusterView<'_>, pod: &Pod) -> bool {
    let known = pod.node.and_then(|node| view.runtime(node).pod(pod.uid));
    known.zip(pod.status.ip).is_some_and(|(known, shown)| {
        let replaced = known.sandbox == Sandbox::Ready && shown < known.attempt;
        let found_dead = known.container == Container::Exited(Exit::Unknown);
        replaced || (known.sandbox != Sandbox::Ready && shown == known.attempt && found_dead)
    })
}

/// Whether the API shows the address of a sandbox that is there now. What there was before the last
/// boot is not.
fn shows_new_address(view: &ClusterView<'_>, pod: &Pod) -> bool {
    let known = pod.node.and_then(|node| view.runtime(node).pod(pod.uid));
    known
        .zip(pod.status.ip)
        .is_some_and(|(known, shown)| known.sandbox == Sandbox::Ready && shown == known.attempt)
}
