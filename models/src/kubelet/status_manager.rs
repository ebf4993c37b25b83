//! The status manager (SM-1 … SM-3). Upstream: `pkg/kubelet/status/status_manager.go`.

use super::{Connection, Kubelet, PodWorker, StatusCall, WorkerState};
use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::ids::{PodUid, Seconds};
use crate::objects::PodStatus;
use crate::requests::{Reply, Request};
use crate::rules::Rule;

impl Kubelet {
    pub(super) fn may_sync_status(&self, worker: &PodWorker) -> bool {
        self.status == Connection::Up && self.status_call.is_none() && worker.dirty
    }

    /// SM-1. Its live GET and its PATCH are one request: whatever comes between them, the object
    /// ends the same.
    pub(super) fn sync_status(&mut self, uid: PodUid, fx: &mut Effects) {
        fx.rule(Rule::Sm1);
        let Some(worker) = self.pod(uid) else { return };
        fx.send(Request::PatchPodStatus { name: worker.name, uid, status: worker.status });
        self.status_call = Some(StatusCall::Patch(uid));
    }

    /// The answer to SM-1; SM-2 follows at once if the pod can be deleted.
    pub(super) fn status_patched(
        &mut self,
        config: &ClusterConfig,
        uid: PodUid,
        sent: &PodStatus,
        reply: &Reply,
        fx: &mut Effects,
    ) {
        self.status_call = None;
        let Some(worker) = self.pod_mut(uid) else { return };
        worker.dirty = worker.status != *sent;
        let Reply::Pod(pod) = reply else {
            // Gone, or the name has another owner: the entry is dropped.
            worker.dirty = false;
            return;
        };
        let terminal =
            pod.status.phase.is_terminal() || !config.version.terminal_phase_before_delete();
        if pod.is_terminating()
            && terminal
            && worker.state == WorkerState::Finished
            && !worker.dirty
        {
            fx.rule(Rule::Sm2);
            fx.send(Request::DeletePod { name: pod.name, uid: Some(uid), grace: Some(Seconds(0)) });
            self.status_call = Some(StatusCall::Delete(uid));
        }
    }
}
