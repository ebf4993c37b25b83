//! The status manager (SM-1 … SM-3). Upstream: `pkg/kubelet/status/status_manager.go`.

use super::{Connection, Kubelet, PodWorker, StatusCall, WorkerState};
use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::ids::{PodUid, Seconds};
use crate::objects::{DisruptionReason, Pod, PodStatus};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

impl Kubelet {
    pub(super) fn may_sync_status(&self, worker: &PodWorker) -> bool {
        self.status == Connection::Up && self.status_call.is_none() && worker.dirty
    }

    /// SM-1 begins: the cached status as it is now is what will be written.
    pub(super) fn sync_status(&mut self, uid: PodUid, fx: &mut Effects) {
        fx.rule(Rule::Sm1);
        let Some(worker) = self.pod(uid) else { return };
        let (name, status) = (worker.name, worker.status);
        fx.send(Request::GetPod { name });
        self.status_call = Some(StatusCall::Get(uid, status));
    }

    /// The answer to the live GET of SM-1: what differs is patched.
    pub(super) fn status_read(&mut self, config: &ClusterConfig, reply: &Reply, fx: &mut Effects) {
        let Some(StatusCall::Get(uid, status)) = self.status_call.take() else { return };
        // SM-1: the condition is held back, as the phase is, until nothing runs any more.
        let shut_down = self.pod(uid).is_some_and(|worker| worker.shut_down);
        let ended = shut_down && status.phase.is_terminal();
        let disruption = ended.then_some(DisruptionReason::TerminationByKubelet);
        let differs =
            |pod: &Pod| pod.status != status || (ended && pod.disruption_target != disruption);
        match reply {
            Reply::Pod(pod) if pod.uid == uid && differs(pod) => {
                fx.rule(Rule::Sm1);
                let (name, seen) = (pod.name, pod.status);
                fx.send(Request::PatchPodStatus { name, uid, seen, status, disruption });
                self.status_call = Some(StatusCall::Patch(uid));
            }
            Reply::Pod(pod) if pod.uid == uid => {
                self.status_written(config, uid, &status, Some(pod), fx)
            }
            // Gone, or the name has another owner: the entry is dropped.
            _ => self.status_written(config, uid, &status, None, fx),
        }
    }

    /// The API holds the status that was `sent`, in this `pod` if there still is one; SM-2 follows
    /// at once if the pod can be deleted.
    pub(super) fn status_written(
        &mut self,
        config: &ClusterConfig,
        uid: PodUid,
        sent: &PodStatus,
        pod: Option<&Pod>,
        fx: &mut Effects,
    ) {
        self.status_call = None;
        let Some(worker) = self.pod_mut(uid) else { return };
        let Some(pod) = pod else {
            worker.dirty = false;
            return;
        };
        // SM-3: what another writer changed between the GET and the PATCH is still different.
        worker.dirty = worker.status != *sent || worker.status != pod.status;
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
