//! Guarantees about volumes.

use super::{Guarantee, GuaranteeKind, Test, Transition};
use crate::attach_detach::{Attached, Known};
use crate::config::OUT_OF_SERVICE;
use crate::container_runtime::Container;
use crate::ids::{NodeId, VolumeSet};
use crate::objects::{Node, Pod, VolumeAttachment};
use crate::scheduler::claims_are_free;
use crate::view::ClusterView;

/// See its title.
pub(super) const P9: Guarantee = Guarantee {
    name: "P9",
    title: "a volume is never written from two nodes at once",
    kind: GuaranteeKind::State,
    meaning: "in no state do containers run on two nodes with one ReadWriteOnce or ReadWriteOncePod \
              volume mounted",
    promised: |terms| !terms.by_force && !terms.detaches,
    rules: "AD-V2 AD-V3 12.7",
    test: Test::State(one_node_writes),
};

/// See its title.
pub(super) const R25: Guarantee = Guarantee {
    name: "R25",
    title: "detached by force",
    kind: GuaranteeKind::Sometimes,
    meaning: "the attach/detach controller begins to detach a volume from a node that says that it is \
              in use, or that is gone, without a taint out-of-service",
    promised: |_| false,
    rules: "AD-V2",
    test: Test::Step(|t| {
        let uses = |what: VolumeAttachment, node: &Node| node.in_use.contains(what.volume);
        detaching(t).any(|(what, node)| {
            node.is_none_or(|node| uses(what, node) && !is_out_of_service(t, node))
        })
    }),
};

/// See its title.
pub(super) const R26: Guarantee = Guarantee {
    name: "R26",
    title: "detached from a node out of service",
    kind: GuaranteeKind::Sometimes,
    meaning: "the attach/detach controller begins to detach a volume from a node that has the taint \
              out-of-service and says that it is in use",
    promised: |_| false,
    rules: "AD-V2",
    test: Test::Step(|t| {
        let uses = |what: VolumeAttachment, node: &Node| node.in_use.contains(what.volume);
        detaching(t).any(|(what, node)| {
            node.is_some_and(|node| uses(what, node) && is_out_of_service(t, node))
        })
    }),
};

/// See its title.
pub(super) const R27: Guarantee = Guarantee {
    name: "R27",
    title: "a pod waits for its volume",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod that is not Terminating is bound to a node, and a volume of it is attached to \
              another (event Multi-Attach error)",
    promised: |_| false,
    rules: "AD-V3",
    test: Test::State(|view| view.api().pods.iter().any(|pod| waits_for_volume(view, pod))),
};

/// See its title.
pub(super) const R28: Guarantee = Guarantee {
    name: "R28",
    title: "detached after it was unmounted",
    kind: GuaranteeKind::Sometimes,
    meaning: "the attach/detach controller begins to detach a volume from a node that says that it is \
              not in use",
    promised: |_| false,
    rules: "AD-V2",
    test: Test::Step(|t| {
        detaching(t).any(|(what, node)| node.is_some_and(|node| !node.in_use.contains(what.volume)))
    }),
};

/// See its title.
pub(super) const R29: Guarantee = Guarantee {
    name: "R29",
    title: "a pod waits for a claim of another pod",
    kind: GuaranteeKind::Sometimes,
    meaning: "a pod that is not Terminating is not bound, and a ReadWriteOncePod claim of it is used \
              by a pod that is",
    promised: |_| false,
    rules: "SC-5 AD-V4",
    test: Test::State(|view| {
        let api = view.api();
        let waits = |pod: &Pod| pod.node.is_none() && !pod.is_terminating();
        let held = |pod: &Pod| !claims_are_free(view.config, &api.pods, pod);
        api.pods.iter().any(|pod| waits(pod) && held(pod))
    }),
};

/// The volumes that containers on a node write to.
fn written(view: &ClusterView<'_>, node: NodeId) -> VolumeSet {
    let pods = view.runtime(node).pods.iter();
    let running = pods.filter(|pod| pod.container == Container::Running);
    running.fold(VolumeSet::EMPTY, |all, pod| {
        all.union(view.config.volumes_of(pod.template, pod.name))
    })
}

fn one_node_writes(view: &ClusterView<'_>) -> bool {
    if view.config.volumes.is_empty() {
        return true;
    }
    let mut elsewhere = VolumeSet::EMPTY;
    view.config.node_ids().all(|node| {
        let here = written(view, node);
        let alone = here.intersection(elsewhere).is_empty();
        elsewhere = elsewhere.union(here);
        alone
    })
}

/// What the controller begins to detach in the step, with the Node object as it knows it.
fn detaching<'a>(
    t: &Transition<'a>,
) -> impl Iterator<Item = (VolumeAttachment, Option<&'a Node>)> + use<'a> {
    let (before, after) = (t.before.controller_manager(), t.after.controller_manager());
    let begins = |known: &&Known| {
        let was = before.attach_detach.known.iter();
        let was = was.map(|known| (known.attachment, known.state));
        let rested = |state| matches!(state, Attached::Attached | Attached::Uncertain);
        let is = matches!(known.state, Attached::Unlisted(_) | Attached::Deleted);
        is && was.into_iter().any(|(what, state)| what == known.attachment && rested(state))
    };
    let known = after.attach_detach.known.iter().filter(begins).map(|known| known.attachment);
    known.map(|what| (what, before.cache.node(what.node))).collect::<Vec<_>>().into_iter()
}

fn is_out_of_service(t: &Transition<'_>, node: &Node) -> bool {
    t.before.config.has_key(node.taints, OUT_OF_SERVICE)
}

fn waits_for_volume(view: &ClusterView<'_>, pod: &Pod) -> bool {
    let Some(node) = pod.node.filter(|_| pod.is_active()) else { return false };
    let volumes = view.config.volumes_of(pod.template, pod.name);
    let here = view.api().attached(node);
    let elsewhere = |what: &VolumeAttachment| what.node != node && volumes.contains(what.volume);
    let mut all = view.api().attachments.iter();
    all.any(|what| elsewhere(what) && !here.contains(what.volume))
}
