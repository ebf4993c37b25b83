//! Renamings of the nodes and pods of a whole cluster: its states, and what can happen in them.

use models::ids::NodeId;
use models::symmetry::{Permute, Renaming};

use crate::engine::star::{Action, Inbox, Outbox, ProcessId};
use crate::scenario::cluster::*;

impl Permute for Local {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Local::ApiServer(local) => local.permute(by),
            Local::Environment(local) => local.permute(by),
            Local::ControllerManager(local) => local.permute(by),
            Local::Scheduler(local) => local.permute(by),
            Local::Kubelet(local) => local.permute(by),
            Local::ContainerRuntime(local) => local.permute(by),
        }
    }
}

impl Permute for Addressed {
    fn permute(&mut self, by: &Renaming) {
        let Addressed { controller: _, request } = self;
        request.permute(by);
    }
}

impl Permute for Internal {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Internal::RemovePod(uid) => uid.permute(by),
            Internal::Controller(step) => step.permute(by),
            Internal::Scheduler(step) => step.permute(by),
            Internal::Kubelet(node, step) => {
                node.permute(by);
                step.permute(by);
            }
            Internal::Runtime(node, step) => {
                node.permute(by);
                step.permute(by);
            }
        }
    }
}

impl Permute for Fault {
    fn permute(&mut self, by: &Renaming) {
        let Fault { kind: _, node, kept: _ } = self;
        node.permute(by);
    }
}

impl Permute for ProcessId {
    fn permute(&mut self, by: &Renaming) {
        if let Some(node) = node_of(*self) {
            *self = kubelet_process(by.node(node));
        }
    }
}

impl Permute for ClusterAction {
    fn permute(&mut self, by: &Renaming) {
        match self {
            Action::Serve(process) | Action::ServeOrphan(process) => process.permute(by),
            Action::Observe(process, _) => process.permute(by),
            Action::Internal(step) => step.permute(by),
            Action::Fault(fault) => fault.permute(by),
        }
    }
}

/// The actors and channels of a node move to where its new name belongs.
impl Permute for ClusterState {
    fn permute(&mut self, by: &Renaming) {
        let old = by.inverse();
        let process_before = |process: ProcessId| process.permuted(&old);
        let actors = (0..self.locals().count()).map(|slot| {
            let before = match slot_of(slot) {
                Some((node, kubelet)) => node_slot(old.node(node), kubelet),
                None => slot,
            };
            self.local(before).permuted(by)
        });
        let outboxes = self.processes().map(|process| {
            let Outbox { live, orphans } = self.outbox(process_before(process));
            Outbox { live: live.permuted(by), orphans: orphans.permuted(by) }
        });
        let inboxes = self.processes().map(|process| {
            let Inbox(streams) = self.inbox(process_before(process));
            Inbox(streams.permuted(by))
        });
        *self = ClusterState::of_parts(actors.collect(), outboxes.collect(), inboxes.collect());
    }
}

/// The node whose actor a slot is, and whether it is the kubelet (else the runtime).
fn slot_of(slot: usize) -> Option<(NodeId, bool)> {
    let at = slot.checked_sub(kubelet_slot(NodeId(0)))?;
    Some((NodeId((at / 2) as u8), at % 2 == 0))
}

fn node_slot(node: NodeId, kubelet: bool) -> usize {
    if kubelet { kubelet_slot(node) } else { runtime_slot(node) }
}
