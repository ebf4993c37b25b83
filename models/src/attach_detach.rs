//! The attach/detach controller (AD-V1 … AD-V3, AD-V5).
//!
//! Upstream: `pkg/controller/volume/attachdetach` (`reconciler/reconciler.go`,
//! `statusupdater/node_status_updater.go`), `pkg/volume/util/operationexecutor`. A pass of the
//! reconciler, ten a second, in which nothing would change is no step. Left out: errors of the
//! storage, the limit of volumes per node, volumes that several nodes may use at once.

use crate::config::{ClusterConfig, OUT_OF_SERVICE};
use crate::effects::Effects;
use crate::ids::{NodeId, NodeSet, Seconds, VolumeId, VolumeSet};
use crate::informer_cache::InformerCache;
use crate::objects::{ContainerState, EventType, NodeReady, Pod, VolumeAttachment};
use crate::requests::{Listing, Reply, Request};
use crate::rules::Rule;

/// A volume that a node says is in use is detached all the same after this time, if the node is not
/// Ready (`reconcilerMaxWaitForUnmountDuration`).
pub const MAX_WAIT_FOR_UNMOUNT: Seconds = Seconds(360);

/// What the controller believes of a volume and a node, and what it is doing about it. One thing at a
/// time is done about a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attached {
    /// A VolumeAttachment has been asked for; it is attached when the watch shows it.
    Asked,
    /// The storage refused: the volume is attached elsewhere. It is asked again after a while.
    Refused,
    /// There is a VolumeAttachment, of which this process does not know what came of it (AD-V5).
    Uncertain,
    /// It is attached.
    Attached,
    /// It is being detached: the node's status will no longer list it. Whether the node is to be asked
    /// once more after that.
    Unlisted(bool),
    /// It is being detached: the node is asked once more whether it is in use.
    Verified,
    /// It is being detached: the VolumeAttachment is deleted; it is detached when the watch shows that.
    Deleted,
}

/// A volume and a node as the controller sees them (its actual state of the world).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Known {
    /// What is attached where.
    pub attachment: VolumeAttachment,
    /// How far that is.
    pub state: Attached,
    /// It has not been wanted for six minutes. Set when time passes, by no handler.
    pub overdue: bool,
}

/// The controller's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachDetach {
    /// Volumes and nodes, by both.
    pub known: Vec<Known>,
    /// Nodes whose `volumesAttached` has to be written.
    pub to_list: NodeSet,
    /// A `volumesAttached` is being written; the reconciler waits for it.
    pub writing: bool,
}

/// A step of the controller on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttachDetachStep {
    /// AD-V3: attach a volume.
    Attach(VolumeAttachment),
    /// AD-V2: detach a volume. `forced`: although the node says that it is in use.
    Detach {
        /// What from where.
        attachment: VolumeAttachment,
        /// Guarded: after six minutes, from a node that is not Ready.
        forced: bool,
    },
    /// Write a node's `volumesAttached`.
    List(NodeId),
    /// What should be attached has no VolumeAttachment any more, as is seen once a minute.
    Verify(VolumeAttachment),
}

impl AttachDetach {
    /// The memory of a process that has just started (AD-V5): what nodes list and what
    /// VolumeAttachments say.
    pub fn start(listing: &Listing) -> Self {
        let mut memory = AttachDetach::default();
        for &attachment in &listing.attachments {
            let node = listing.nodes.iter().find(|node| node.id == attachment.node);
            let listed = node.is_some_and(|node| node.attached.contains(attachment.volume));
            let state = if listed { Attached::Attached } else { Attached::Uncertain };
            memory.known.push(Known { attachment, state, overdue: false });
        }
        for node in &listing.nodes {
            if !node.attached.union(memory.listed(node.id)).is_empty() {
                memory.to_list.insert(node.id);
            }
        }
        memory
    }

    /// The memory of a process that has been running: what is attached is listed.
    pub fn converged(listing: &Listing) -> Self {
        AttachDetach { to_list: NodeSet::EMPTY, ..Self::start(listing) }
    }

    /// What a node's `volumesAttached` should be.
    fn listed(&self, node: NodeId) -> VolumeSet {
        let own =
            |known: &&Known| known.attachment.node == node && known.state == Attached::Attached;
        self.known.iter().filter(own).map(|known| known.attachment.volume).collect()
    }

    fn find(&mut self, attachment: VolumeAttachment) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.attachment == attachment)
    }

    fn set(&mut self, attachment: VolumeAttachment, state: Attached) {
        let at = self.known.partition_point(|known| known.attachment < attachment);
        match self.known.get_mut(at).filter(|known| known.attachment == attachment) {
            Some(known) => known.state = state,
            None => self.known.insert(at, Known { attachment, state, overdue: false }),
        }
    }

    fn forget(&mut self, attachment: VolumeAttachment) {
        self.known.retain(|known| known.attachment != attachment);
    }

    /// Whether something is being done about a volume.
    fn is_busy(&self, volume: VolumeId) -> bool {
        self.known.iter().any(|known| {
            let resting =
                matches!(known.state, Attached::Attached | Attached::Uncertain | Attached::Refused);
            known.attachment.volume == volume && !resting
        })
    }

    /// The steps that the controller can take.
    pub fn steps(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        out: &mut Vec<AttachDetachStep>,
    ) {
        if self.writing {
            return;
        }
        for attachment in wanted(config, cache) {
            if self.may_attach(attachment) {
                out.push(AttachDetachStep::Attach(attachment));
            }
        }
        for known in &self.known {
            if let Some(forced) = self.may_detach(config, cache, known) {
                let attachment = known.attachment;
                out.push(AttachDetachStep::Detach { attachment, forced });
            }
        }
        let present = |node: &NodeId| cache.node(*node).is_some();
        out.extend(self.to_list.iter().filter(present).map(AttachDetachStep::List));
        let lost = |known: &&Known| {
            known.state == Attached::Attached && !cache.attachments.contains(&known.attachment)
        };
        let lost = self.known.iter().filter(lost).map(|known| known.attachment);
        out.extend(lost.map(AttachDetachStep::Verify));
    }

    /// AD-V3: a volume that is attached elsewhere waits ("Multi-Attach error").
    fn may_attach(&self, attachment: VolumeAttachment) -> bool {
        let blocks = |known: &Known| {
            let own = known.attachment == attachment;
            let waits = matches!(known.state, Attached::Uncertain | Attached::Refused);
            known.attachment.volume == attachment.volume
                && !(own && waits)
                && (own || known.state != Attached::Refused)
        };
        !self.is_busy(attachment.volume) && !self.known.iter().any(blocks)
    }

    /// AD-V2: whether a volume may be detached, and whether that takes force.
    fn may_detach(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
        known: &Known,
    ) -> Option<bool> {
        let VolumeAttachment { volume, node } = known.attachment;
        let rests = matches!(known.state, Attached::Attached | Attached::Uncertain);
        if !rests || self.is_busy(volume) || is_wanted(config, cache, known.attachment) {
            return None;
        }
        let stored = cache.node(node);
        let in_use = stored.is_some_and(|node| node.in_use.contains(volume));
        let healthy = stored.is_some_and(|node| node.ready == NodeReady::True);
        let force = known.overdue && !healthy && !config.settings.disable_force_detach;
        // A node that is gone counts as using what it had.
        let unused = stored.is_some() && !in_use;
        let at_once = unused || is_out_of_service(config, cache, node);
        (at_once || force).then_some(!at_once)
    }

    /// Takes a step.
    pub fn step(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        step: AttachDetachStep,
        fx: &mut Effects,
    ) {
        match step {
            AttachDetachStep::Attach(attachment) => {
                fx.rule(Rule::AdV3);
                fx.rule(Rule::AdV1);
                self.set(attachment, Attached::Asked);
                fx.send(Request::CreateVolumeAttachment { attachment });
            }
            AttachDetachStep::Detach { attachment, .. } => {
                fx.rule(Rule::AdV2);
                fx.rule(Rule::AdV1);
                let overdue = self.find(attachment).is_some_and(|known| known.overdue);
                let by_force = overdue || is_out_of_service(config, cache, attachment.node);
                self.set(attachment, Attached::Unlisted(!by_force));
                if cache.node(attachment.node).is_some() {
                    self.list(cache, attachment.node, fx);
                } else {
                    // The status of a node that is gone needs no update.
                    self.unlisted(attachment, !by_force, fx);
                }
            }
            AttachDetachStep::List(node) => {
                fx.rule(Rule::AdV3);
                self.to_list.remove(node);
                self.list(cache, node, fx);
            }
            AttachDetachStep::Verify(attachment) => {
                fx.rule(Rule::AdV5);
                self.forget(attachment);
                self.to_list.insert(attachment.node);
            }
        }
    }

    /// Writes a node's `volumesAttached`.
    fn list(&mut self, cache: &InformerCache, node: NodeId, fx: &mut Effects) {
        let seen = cache.node(node).map_or(VolumeSet::EMPTY, |node| node.attached);
        fx.send(Request::PatchVolumesAttached { node, seen, attached: self.listed(node) });
        self.writing = true;
    }

    /// AD-V2: the node no longer lists a volume, which is detached; without force, after a last look.
    fn unlisted(&mut self, attachment: VolumeAttachment, verify: bool, fx: &mut Effects) {
        if verify {
            self.set(attachment, Attached::Verified);
            fx.send(Request::GetNode { node: attachment.node });
        } else {
            self.set(attachment, Attached::Deleted);
            fx.send(Request::DeleteVolumeAttachment { attachment });
        }
    }

    /// A pod changed: what is wanted again is not overdue any more, and what is not is not asked for
    /// again.
    pub fn pod_changed(&mut self, config: &ClusterConfig, cache: &InformerCache) {
        self.known.retain_mut(|known| {
            let wanted = is_wanted(config, cache, known.attachment);
            known.overdue &= !wanted;
            wanted || known.state != Attached::Refused
        });
    }

    /// The watch shows that a VolumeAttachment is there, or gone.
    pub fn attachment_changed(&mut self, kind: EventType, attachment: VolumeAttachment) {
        match (kind, self.find(attachment).map(|known| known.state)) {
            (EventType::Deleted, Some(Attached::Deleted)) => self.forget(attachment),
            (EventType::Added, Some(Attached::Asked)) => self.attached(attachment),
            _ => {}
        }
    }

    fn attached(&mut self, attachment: VolumeAttachment) {
        self.set(attachment, Attached::Attached);
        self.to_list.insert(attachment.node);
    }

    /// A Node object is new: its status lists nothing yet.
    pub fn node_added(&mut self, node: NodeId) {
        if self.known.iter().any(|known| known.attachment.node == node) {
            self.to_list.insert(node);
        }
    }

    /// Whether a step is a new attempt after a refusal, or a look that is taken once a minute: minutes
    /// may pass before it.
    pub fn takes_its_time(&self, step: AttachDetachStep) -> bool {
        let refused = |attachment| {
            let mut known = self.known.iter();
            known.any(|known| known.attachment == attachment && known.state == Attached::Refused)
        };
        match step {
            AttachDetachStep::Attach(attachment) => refused(attachment),
            AttachDetachStep::Verify(_) => true,
            AttachDetachStep::Detach { .. } | AttachDetachStep::List(_) => false,
        }
    }

    /// Volumes that are attached where nobody wants them, and about which nothing is done.
    pub fn unwanted(
        &self,
        config: &ClusterConfig,
        cache: &InformerCache,
    ) -> impl Iterator<Item = VolumeAttachment> {
        let rests =
            |known: &&Known| matches!(known.state, Attached::Attached | Attached::Uncertain);
        let resting = self.known.iter().filter(rests).map(|known| known.attachment);
        resting.filter(|attachment| !is_wanted(config, cache, *attachment))
    }

    /// Whether a volume is attached where it is not wanted, and could become overdue.
    pub fn waits(&self, config: &ClusterConfig, cache: &InformerCache) -> bool {
        self.known.iter().any(|known| may_become_overdue(config, cache, known))
    }

    /// Time has passed: what nobody wants may be overdue, but for that of nodes which are back too
    /// soon.
    pub fn elapse(
        &mut self,
        config: &ClusterConfig,
        cache: &InformerCache,
        lasts: impl Fn(NodeId) -> bool,
    ) {
        for known in &mut self.known {
            if lasts(known.attachment.node) && may_become_overdue(config, cache, known) {
                known.overdue = true;
            }
        }
    }

    /// The answer to a request.
    pub fn reply(
        &mut self,
        cache: &InformerCache,
        request: &Request,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        match *request {
            Request::CreateVolumeAttachment { attachment } => {
                fx.rule(Rule::AdV3);
                if *reply == Reply::Conflict {
                    self.set(attachment, Attached::Refused);
                } else if cache.attachments.contains(&attachment) {
                    self.attached(attachment);
                }
            }
            Request::PatchVolumesAttached { .. } => {
                self.writing = false;
                let waiting = self.known.iter().find_map(|known| match known.state {
                    Attached::Unlisted(verify) => Some((known.attachment, verify)),
                    _ => None,
                });
                if let Some((attachment, verify)) = waiting {
                    fx.rule(Rule::AdV2);
                    self.unlisted(attachment, verify, fx);
                }
            }
            Request::GetNode { node } => self.verified(node, reply, fx),
            Request::DeleteVolumeAttachment { attachment } => {
                fx.rule(Rule::AdV2);
                let goes = self.find(attachment).is_some_and(|it| it.state == Attached::Deleted);
                if goes && !cache.attachments.contains(&attachment) {
                    self.forget(attachment);
                }
            }
            _ => {
                fx.unhandled("attach/detach got an answer to a question that it never asks");
            }
        }
    }

    /// AD-V2: what the node says now of a volume that is about to be detached.
    fn verified(&mut self, node: NodeId, reply: &Reply, fx: &mut Effects) {
        fx.rule(Rule::AdV2);
        let asked = self
            .known
            .iter()
            .find(|known| known.attachment.node == node && known.state == Attached::Verified);
        let Some(attachment) = asked.map(|known| known.attachment) else { return };
        match reply {
            Reply::Node(node) if node.in_use.contains(attachment.volume) => {
                self.set(attachment, Attached::Attached);
                self.to_list.insert(node.id);
            }
            _ => {
                self.set(attachment, Attached::Deleted);
                fx.send(Request::DeleteVolumeAttachment { attachment });
            }
        }
    }
}

/// AD-V1: whether a pod keeps its volumes attached. One that is Terminating does until its containers
/// are said not to run (`IsPodTerminated`).
fn keeps_volumes(pod: &Pod) -> bool {
    let runs = pod.status.container == ContainerState::Running;
    !pod.status.phase.is_terminal() && (runs || !pod.is_terminating())
}

/// AD-V1: which volumes are wanted where (the desired state of the world).
pub fn wanted(config: &ClusterConfig, cache: &InformerCache) -> Vec<VolumeAttachment> {
    let mut wanted = Vec::new();
    if config.volumes.is_empty() {
        return wanted;
    }
    for pod in cache.pods.iter().filter(|pod| keeps_volumes(pod)) {
        let Some(node) = pod.node else { continue };
        let volumes = config.volumes_of(pod.template, pod.name);
        wanted.extend(volumes.iter().map(|volume| VolumeAttachment { volume, node }));
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// The taint alone counts, whatever the node's condition Ready.
fn is_out_of_service(config: &ClusterConfig, cache: &InformerCache, node: NodeId) -> bool {
    cache.node(node).is_some_and(|node| config.has_key(node.taints, OUT_OF_SERVICE))
}

fn is_wanted(
    config: &ClusterConfig,
    cache: &InformerCache,
    VolumeAttachment { volume, node }: VolumeAttachment,
) -> bool {
    let uses = |pod: &Pod| config.volumes_of(pod.template, pod.name).contains(volume);
    cache.pods_on(node).any(|pod| keeps_volumes(pod) && uses(pod))
}

fn may_become_overdue(config: &ClusterConfig, cache: &InformerCache, known: &Known) -> bool {
    let rests = matches!(known.state, Attached::Attached | Attached::Uncertain);
    rests && !known.overdue && !is_wanted(config, cache, known.attachment)
}
