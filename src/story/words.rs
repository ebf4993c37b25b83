//! Steps in words: who acts, and what is done. Every other layer takes its wording from here.

use models::cloud;
use models::config::{ClusterConfig, Effect};
use models::container_runtime::RuntimeStep;
use models::daemon_set::DaemonSetStep;
use models::faults::FaultKind;
use models::garbage_collector::{Dependent, GarbageCollectorStep};
use models::ids::{DaemonSetId, JobId, NodeId, PodName, PodUid, TaintId, TaintSet};
use models::job::JobStep;
use models::kube_controller_manager::{Controller, ControllerStep};
use models::kubelet::KubeletStep;
use models::node_lifecycle::NodeLifecycleStep;
use models::objects::{
    DaemonSetStatus, DeploymentStatus, DisruptionReason, JobCondition, NodeReady, Owner, PodStatus,
    ReplicaSetStatus, StatefulSetStatus, Workload,
};
use models::operator;
use models::pod_gc::PodGcStep;
use models::printers;
use models::replica_set::ReplicaSetStep;
use models::requests::{Propagation, Reply, Request};
use models::taint_eviction::TaintEvictionStep;
use models::view::ClusterView;

use crate::engine::star::{Action, ProcessId};
use crate::scenario::cluster::{
    Addressed, CONTROLLER_MANAGER_PROCESS, ClusterAction, Fault, Internal, node_of,
};
use crate::story::names::{Names, workload_name};

/// Names things as they are called in one state of a run.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// What does not change.
    pub config: &'a ClusterConfig,
    /// Names along the run.
    pub names: &'a Names,
    /// The state, by its number.
    pub at: usize,
}

impl<'a> Words<'a> {
    /// A node.
    pub fn node(&self, node: NodeId) -> &'a str {
        &self.config.nodes[node.0 as usize].name
    }

    /// The pod that has a uid.
    pub fn pod(&self, uid: PodUid) -> &'a str {
        self.names.pod(self.at, uid)
    }

    fn named(&self, name: PodName) -> &'a str {
        self.names.named(self.at, name)
    }

    /// A taint without the domain of the well-known keys: `unreachable:NoExecute`.
    pub fn taint(&self, id: TaintId) -> String {
        let taint = &self.config.taints[id.0 as usize];
        let key = taint.key.strip_prefix("node.kubernetes.io/").unwrap_or(&taint.key);
        let value =
            if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
        let effect = match taint.effect {
            Effect::NoSchedule => "NoSchedule",
            Effect::PreferNoSchedule => "PreferNoSchedule",
            Effect::NoExecute => "NoExecute",
        };
        format!("{key}{value}:{effect}")
    }

    fn taints(&self, sign: char, taints: TaintSet) -> Vec<String> {
        taints.iter().map(|id| format!("{sign}{}", self.taint(id))).collect()
    }

    /// A process.
    pub fn process(&self, process: ProcessId) -> String {
        match node_of(process) {
            Some(node) => format!("kubelet {}", self.node(node)),
            None if process == CONTROLLER_MANAGER_PROCESS => "controller-manager".to_string(),
            None => "scheduler".to_string(),
        }
    }

    /// Who asks: a controller rather than its process.
    pub fn asker(&self, process: ProcessId, controller: Option<Controller>) -> String {
        match controller {
            Some(controller) => controller_name(controller).to_string(),
            None => self.process(process),
        }
    }

    /// Who takes a step.
    pub fn actor(&self, action: &ClusterAction) -> String {
        match action {
            Action::Serve(..) | Action::ServeOrphan(..) => "api-server".to_string(),
            Action::Observe(process, _) => self.process(*process),
            Action::Fault(fault) if fault.kind.is_by_operator() => "operator".to_string(),
            Action::Fault(_) => "fault".to_string(),
            Action::Internal(step) => match step {
                Internal::RemovePod(_) => "api-server".to_string(),
                Internal::Evict(_) => "operator".to_string(),
                Internal::PowerDown(node) => format!("systemd {}", self.node(*node)),
                Internal::Controller(step) => controller_name(step.controller()).to_string(),
                Internal::Scheduler(_) => "scheduler".to_string(),
                Internal::Cloud(_) => "cloud-controller-manager".to_string(),
                Internal::Kubelet(node, _) => format!("kubelet {}", self.node(*node)),
                Internal::Runtime(node, _) => format!("containerd {}", self.node(*node)),
            },
        }
    }

    /// What an actor does by itself.
    pub fn internal(&self, view: &ClusterView<'_>, step: &Internal) -> String {
        match *step {
            Internal::RemovePod(uid) => format!("removes pod {} from etcd", self.pod(uid)),
            Internal::PowerDown(node) => {
                format!("is held up no longer: {} powers down", self.node(node))
            }
            Internal::Evict(uid) => format!("POST pods/{}/eviction", self.pod(uid)),
            Internal::Cloud(step) => self.request(&cloud::request(self.config, step)),
            Internal::Controller(step) => self.controller(view, step),
            Internal::Scheduler(step) => {
                format!("chooses {} for pod {}", self.node(step.node), self.pod(step.uid))
            }
            Internal::Kubelet(node, step) => self.kubelet(view, node, step),
            Internal::Runtime(_, step) => match step {
                RuntimeStep::RunSandbox(uid) => format!("runs a sandbox for pod {}", self.pod(uid)),
                RuntimeStep::StartContainer(uid) => {
                    format!("starts the container of pod {}", self.pod(uid))
                }
                RuntimeStep::Complete(uid) => {
                    format!("the container of pod {} has done its work", self.pod(uid))
                }
                RuntimeStep::StopContainer(uid) => {
                    format!("stops the container of pod {}", self.pod(uid))
                }
                RuntimeStep::StopSandbox(uid) => {
                    format!("tears down the sandbox of pod {}", self.pod(uid))
                }
            },
        }
    }

    fn controller(&self, view: &ClusterView<'_>, step: ControllerStep) -> String {
        match step {
            ControllerStep::NodeLifecycle(step) => self.node_lifecycle(view, step),
            ControllerStep::TaintEviction(step) => match step {
                TaintEvictionStep::HandleNode(node) => {
                    format!("judges the pods on {} by its NoExecute taints", self.node(node))
                }
                TaintEvictionStep::HandlePod(update) => {
                    format!("judges pod {} on {}", self.named(update.name), self.node(update.node))
                }
                TaintEvictionStep::Fire(name) => {
                    format!("the eviction timer of pod {} fires", self.named(name))
                }
            },
            ControllerStep::PodGc(step) => match step {
                PodGcStep::Quarantine(node) => {
                    format!("finds no node {}: its quarantine begins", self.node(node))
                }
                PodGcStep::Confirm(node) => {
                    format!("the quarantine of node {} is over", self.node(node))
                }
                PodGcStep::Collect(uid) => format!("collects pod {}", self.pod(uid)),
            },
            ControllerStep::ReplicaSet(ReplicaSetStep::Sync(id)) => {
                format!("syncs replicaset {}", self.config.replica_sets[id.0 as usize].name)
            }
            ControllerStep::ReplicaSet(ReplicaSetStep::Available(id, uid)) => {
                let wait = self.config.replica_sets[id.0 as usize].min_ready;
                format!("pod {} has been ready for {wait}: it is available", self.pod(uid))
            }
            ControllerStep::StatefulSet(step) => {
                format!("syncs statefulset {}", self.config.stateful_sets[step.0.0 as usize].name)
            }
            ControllerStep::AttachDetach(step) => self.attach_detach(step),
            ControllerStep::Deployment(step) => {
                format!("syncs deployment {}", self.config.deployments[step.0.0 as usize].name)
            }
            ControllerStep::Job(step) => {
                let name = |id: JobId| &self.config.jobs[id.0 as usize].name;
                match step {
                    JobStep::Manage(id) => format!("looks after the pods of job {}", name(id)),
                    JobStep::Track(id) => format!("counts the ended pods of job {}", name(id)),
                    JobStep::Release(uid) => {
                        format!("lets go of pod {}, which has no job", self.pod(uid))
                    }
                }
            }
            ControllerStep::GarbageCollector(GarbageCollectorStep::Collect(dependent)) => {
                format!("finds that the owner of {} goes or is gone", self.dependent(dependent))
            }
            ControllerStep::GarbageCollector(GarbageCollectorStep::Finish(owner)) => {
                format!("finishes the deletion of {}", self.workload(owner))
            }
            ControllerStep::DaemonSet(step) => {
                let name = |id: DaemonSetId| &self.config.daemon_sets[id.0 as usize].name;
                match step {
                    DaemonSetStep::Sync(id) => format!("syncs daemonset {}", name(id)),
                    DaemonSetStep::Finish(id) => {
                        format!("counts the pods of daemonset {}", name(id))
                    }
                    DaemonSetStep::Create(id, node) => {
                        format!("creates the pod of daemonset {} for {}", name(id), self.node(node))
                    }
                    DaemonSetStep::BackoffOver(id, node) => format!(
                        "has waited long enough to delete the failed pod of daemonset {} on {}",
                        name(id),
                        self.node(node)
                    ),
                }
            }
        }
    }

    fn node_lifecycle(&self, view: &ClusterView<'_>, step: NodeLifecycleStep) -> String {
        match step {
            NodeLifecycleStep::Monitor { node, expired: true } => format!(
                "{} has not renewed its lease for {}",
                self.node(node),
                self.config.settings.node_monitor_grace_period
            ),
            NodeLifecycleStep::Monitor { node, expired: false } => {
                format!("looks at {}", self.node(node))
            }
            NodeLifecycleStep::EndPass => "ends its pass with a look at the zones".to_string(),
            NodeLifecycleStep::Clear(node) => {
                format!("stops evictions: clears the taints of {}", self.node(node))
            }
            NodeLifecycleStep::HandlePod(uid) => {
                format!(
                    "looks at pod {}, which was bound to a node that is not ready",
                    self.pod(uid)
                )
            }
            NodeLifecycleStep::MarkPod(uid) => format!("marks pod {} not ready", self.pod(uid)),
            NodeLifecycleStep::TaintNoExecute(zone) => {
                let queue = &view.controller_manager().node_lifecycle.zones[zone.0 as usize].queue;
                let node = queue.first().map_or("the next node", |node| self.node(*node));
                match self.config.zones.len() {
                    0 | 1 => format!("it is the turn of {node} to be tainted NoExecute"),
                    _ => format!(
                        "in zone {} it is the turn of {node} to be tainted NoExecute",
                        self.config.zones[zone.0 as usize]
                    ),
                }
            }
            NodeLifecycleStep::TaintNoSchedule(node) => {
                format!("makes the NoSchedule taints of {} mirror its conditions", self.node(node))
            }
        }
    }

    fn kubelet(&self, view: &ClusterView<'_>, node: NodeId, step: KubeletStep) -> String {
        match step {
            KubeletStep::ConnectHeartbeat if view.kubelet(node).registered => {
                "its heartbeat connection recovers".to_string()
            }
            KubeletStep::ConnectHeartbeat => "registers its node".to_string(),
            KubeletStep::ConnectWatch => "asks for its pods".to_string(),
            KubeletStep::ConnectStatus => "its connection for pod statuses recovers".to_string(),
            KubeletStep::PostNodeStatus => "posts the node status".to_string(),
            KubeletStep::HandlePod(uid) => {
                format!("takes up pod {}, which waited for the runtime", self.pod(uid))
            }
            KubeletStep::Relist(uid) => format!("sees how pod {} is", self.pod(uid)),
            KubeletStep::VerifyVolumes(uid) => {
                format!("looks whether the volumes of pod {} are attached", self.pod(uid))
            }
            KubeletStep::SyncPod(uid) => format!("has pod {} started", self.pod(uid)),
            KubeletStep::KillPod(uid) => format!("has pod {} stopped", self.pod(uid)),
            KubeletStep::FinishPod(uid) => format!("frees what pod {} held", self.pod(uid)),
            KubeletStep::Housekeep(uid) => {
                format!("finds remains of pod {}, which it knows nothing of", self.pod(uid))
            }
            KubeletStep::EndNextGroup => {
                let ended = view.kubelet(node).group_has_ended(self.config);
                let why = if ended { "have ended" } else { "have had their time" };
                format!("goes on to pods of a higher priority: those before {why}")
            }
            KubeletStep::SyncStatus(uid) => format!("reports the status of pod {}", self.pod(uid)),
        }
    }

    /// What happens from outside.
    pub fn fault(&self, fault: &Fault) -> String {
        let node = fault.node.map_or("", |node| self.node(node));
        let pod = fault.pod.map_or("", |pod| self.pod(pod));
        let what = match fault.kind {
            FaultKind::PowerOff => format!("{node} loses power"),
            FaultKind::InstanceStopped => format!("the instance of {node} is stopped"),
            FaultKind::Shutdown => format!("systemctl poweroff on {node}"),
            FaultKind::InstanceGone => format!("the instance of {node} is deleted"),
            FaultKind::PowerOn => format!("{node} has power again and boots"),
            FaultKind::PowerOnNoNetwork => {
                format!("{node} has power again and boots, without a pod network")
            }
            FaultKind::NetworkConfigured => format!("the pod network of {node} is configured"),
            FaultKind::KubeletCrash => format!("the kubelet of {node} dies"),
            FaultKind::KubeletRestart => format!("the kubelet of {node} starts again"),
            FaultKind::RuntimeCrash => format!("containerd on {node} dies"),
            FaultKind::RuntimeRestart => format!("containerd on {node} starts again"),
            FaultKind::Partition => format!("{node} is cut off from the API server"),
            FaultKind::Heal => format!("{node} can reach the API server again"),
            FaultKind::ControllerManagerCrash => "the controller-manager dies".to_string(),
            FaultKind::ControllerManagerRestart => {
                "the controller-manager starts again".to_string()
            }
            FaultKind::SlowStart => format!("containers start very slowly on {node} from now on"),
            FaultKind::SlowHeartbeat => format!("heartbeats of {node} are late"),
            FaultKind::DeletePod => format!("kubectl delete pod {pod}"),
            FaultKind::DeletePodNow => format!("kubectl delete pod {pod} --grace-period=1"),
            FaultKind::ForceDeletePod => {
                format!("kubectl delete pod {pod} --force --grace-period=0")
            }
            FaultKind::OutOfService => {
                format!("kubectl taint node {node} {}", self.out_of_service(""))
            }
            FaultKind::BackInService => {
                format!("kubectl taint node {node} {}", self.out_of_service("-"))
            }
            FaultKind::Cordon => format!("kubectl cordon {node}"),
            FaultKind::Uncordon => format!("kubectl uncordon {node}"),
            FaultKind::Rollout(id) => {
                let name = &self.config.deployments[id.0 as usize].name;
                format!("kubectl rollout restart deployment {name}")
            }
            FaultKind::Scale(workload, replicas) => {
                format!("kubectl scale {} --replicas={replicas}", self.workload(workload))
            }
            FaultKind::DeleteWorkload(workload, propagation) => {
                let cascade = match propagation {
                    Propagation::Background => "",
                    Propagation::Foreground => " --cascade=foreground",
                    Propagation::Orphan => " --cascade=orphan",
                };
                format!("kubectl delete {}{cascade}", self.workload(workload))
            }
            FaultKind::DeleteNode => format!("kubectl delete node {node}"),
            FaultKind::Drain => format!("kubectl drain {node} --ignore-daemonsets"),
            FaultKind::Taint(taint) => {
                format!("kubectl taint node {node} {}", self.config.taints[taint.0 as usize])
            }
            FaultKind::Untaint(taint) => {
                format!("kubectl taint node {node} {}-", self.config.taints[taint.0 as usize])
            }
        };
        match fault.kept.len() {
            0 => what,
            1 => format!("{what}; one of its requests is still on its way"),
            kept => format!("{what}; {kept} of its requests are still on their way"),
        }
    }

    /// The taint out-of-service as one would type it.
    fn out_of_service(&self, end: &str) -> String {
        let taint = operator::out_of_service(self.config);
        let taint = taint.map(|id| &self.config.taints[id.0 as usize]);
        taint.map_or(String::new(), |taint| format!("{taint}{end}"))
    }

    /// A request as one would type it.
    pub fn request(&self, request: &Request) -> String {
        match *request {
            Request::CreatePod { name: Some(name), .. } => {
                format!("POST pods {}", self.named(name))
            }
            Request::CreatePod { owner, .. } => match owner {
                Owner::None => "POST pods".to_string(),
                Owner::DaemonSet(_, node) => {
                    let name = workload_name(self.config, owner);
                    format!("POST pods {name}-… for {}", self.node(node))
                }
                _ => format!("POST pods {}-…", workload_name(self.config, owner)),
            },
            Request::BindPod { name, node, .. } => {
                format!("POST pods/{}/binding to {}", self.named(name), self.node(node))
            }
            Request::GetPod { name } => format!("GET pods/{}", self.named(name)),
            Request::GetNode { node } => format!("GET nodes/{}", self.node(node)),
            Request::PatchPodStatus { uid, ref status, .. } => {
                format!("PATCH pods/{}/status {}", self.pod(uid), self.status(uid, status))
            }
            Request::PutPodNotReady { seen } => {
                format!("PUT pods/{}/status Ready=False", self.pod(seen.uid))
            }
            Request::PatchPodDisruption { name, .. } => {
                format!("PATCH pods/{}/status DisruptionTarget=True", self.named(name))
            }
            Request::PatchPodFailed { name, disruption, .. } => {
                let also = if disruption.is_some() { ", DisruptionTarget=True" } else { "" };
                format!("PATCH pods/{}/status phase Failed{also}", self.named(name))
            }
            Request::DeletePod { name, uid, grace } => {
                let grace = grace.map(|grace| format!("grace {grace}"));
                let uid = uid.map(|_| "this uid only".to_string());
                let options: Vec<String> = grace.into_iter().chain(uid).collect();
                match options.is_empty() {
                    true => format!("DELETE pods/{}", self.named(name)),
                    false => format!("DELETE pods/{} ({})", self.named(name), options.join(", ")),
                }
            }
            Request::EvictPod { name } => format!("POST pods/{}/eviction", self.named(name)),
            Request::ListPodsOfNode { node } => {
                format!("LIST and WATCH pods on {}", self.node(node))
            }
            Request::RegisterNode { node, .. } => format!("POST nodes/{}", self.node(node)),
            Request::DeleteNode { node } => format!("DELETE nodes/{}", self.node(node)),
            Request::PatchNodeStatus { node, ready, in_use, .. } => {
                let has_volumes = !self.config.volumes.is_empty();
                let in_use = in_use.filter(|_| has_volumes);
                let also = in_use
                    .map(|in_use| format!(" volumesInUse {}", self.volumes(in_use)))
                    .unwrap_or_default();
                let ready = ready_word(ready);
                format!("PATCH nodes/{}/status Ready={ready}{also}", self.node(node))
            }
            Request::GetAttachedVolumes { node } => {
                format!("GET nodes/{} and its volumeattachments", self.node(node))
            }
            Request::PatchVolumesAttached { node, attached, .. } => {
                let attached = self.volumes(attached);
                format!("PATCH nodes/{}/status volumesAttached {attached}", self.node(node))
            }
            Request::CreateVolumeAttachment { attachment } => {
                let (volume, node) = (self.volume(attachment.volume), self.node(attachment.node));
                format!("POST volumeattachments {volume} to {node}")
            }
            Request::DeleteVolumeAttachment { attachment } => {
                let (volume, node) = (self.volume(attachment.volume), self.node(attachment.node));
                format!("DELETE volumeattachments {volume} to {node}")
            }
            Request::PutNodeUnknown { seen } => {
                format!("PUT nodes/{}/status Ready=Unknown", self.node(seen.id))
            }
            Request::PatchNodeTaints { node, add, remove, .. } => {
                let (mut taints, removed) = (self.taints('+', add), self.taints('-', remove));
                taints.extend(removed);
                format!("PATCH nodes/{} taints {}", self.node(node), taints.join(" "))
            }
            Request::PatchNodeUnschedulable { node, unschedulable } => {
                format!("PATCH nodes/{} spec.unschedulable {unschedulable}", self.node(node))
            }
            Request::GetReplicaSet { id } => {
                format!("GET replicasets/{}", self.config.replica_sets[id.0 as usize].name)
            }
            Request::PutReplicaSetStatus { seen, ref status } => {
                let name = &self.config.replica_sets[seen.id.0 as usize].name;
                format!("PUT replicasets/{name}/status {}", counts(status))
            }
            Request::CreateReplicaSet { id, replicas, .. } => {
                let name = &self.config.replica_sets[id.0 as usize].name;
                format!("POST replicasets/{name} spec.replicas {replicas}")
            }
            Request::PutReplicaSet { seen, replicas, .. } => {
                let name = &self.config.replica_sets[seen.id.0 as usize].name;
                format!("PUT replicasets/{name} spec.replicas {replicas}")
            }
            Request::PutDeploymentStatus { seen, ref status } => {
                let name = &self.config.deployments[seen.id.0 as usize].name;
                let DeploymentStatus { replicas, updated, ready, available, terminating } = *status;
                let counts = counts(&ReplicaSetStatus { replicas, ready, available, terminating });
                let updated = match updated == replicas {
                    true => String::new(),
                    false => format!(", {updated} updated"),
                };
                format!("PUT deployments/{name}/status {counts}{updated}")
            }
            Request::PutStatefulSetStatus { id, ref status, .. } => {
                let name = &self.config.stateful_sets[id.0 as usize].name;
                let StatefulSetStatus { replicas, ready, current, .. } = status;
                format!(
                    "PUT statefulsets/{name}/status {replicas} replicas, {ready} ready, {current} \
                     current"
                )
            }
            Request::PatchDeploymentTemplate { id } => {
                let name = &self.config.deployments[id.0 as usize].name;
                format!("PATCH deployments/{name} spec.template")
            }
            Request::PatchScale { workload, replicas } => {
                format!("PATCH {}/scale spec.replicas {replicas}", self.resource(workload))
            }
            Request::DeleteWorkload { workload, propagation } => {
                let propagation = match propagation {
                    Propagation::Background => "background",
                    Propagation::Foreground => "foreground",
                    Propagation::Orphan => "orphan",
                };
                format!("DELETE {} (propagation {propagation})", self.resource(workload))
            }
            Request::GetOwner { owner, dependent } => {
                format!("GET {}, the owner of {}", self.resource(owner), self.dependent(dependent))
            }
            Request::PatchOwner { dependent, .. } => {
                format!("PATCH {} without its ownerReference", self.dependent(dependent))
            }
            Request::RemoveFinalizer { owner } => {
                format!("PATCH {} without its finalizer", self.resource(owner))
            }
            Request::PutJobStatus { id, status, .. } => {
                let name = &self.config.jobs[id.0 as usize].name;
                let uncounted = status.uncounted().len();
                let ends = match status.condition {
                    JobCondition::None => String::new(),
                    condition => format!(", {condition:?}"),
                };
                let (succeeded, failed) = (status.succeeded, status.failed);
                format!(
                    "PUT jobs/{name}/status {succeeded} succeeded, {failed} failed, {uncounted} \
                     to be counted{ends}"
                )
            }
            Request::PatchPodFinalizer { name } => {
                format!("PATCH pods/{} without its finalizer", self.named(name))
            }
            Request::PutDaemonSetStatus { id, status, .. } => {
                let name = &self.config.daemon_sets[id.0 as usize].name;
                let DaemonSetStatus { desired, current, ready, misscheduled } = status;
                format!(
                    "PUT daemonsets/{name}/status {desired} desired, {current} current, {ready} \
                     ready, {misscheduled} misscheduled"
                )
            }
        }
    }

    /// `deployment web`.
    fn workload(&self, workload: Workload) -> String {
        match workload {
            Workload::ReplicaSet(id) => {
                format!("replicaset {}", self.config.replica_sets[id.0 as usize].name)
            }
            Workload::Deployment(id) => {
                format!("deployment {}", self.config.deployments[id.0 as usize].name)
            }
            Workload::StatefulSet(id) => {
                format!("statefulset {}", self.config.stateful_sets[id.0 as usize].name)
            }
            Workload::DaemonSet(id) => {
                format!("daemonset {}", self.config.daemon_sets[id.0 as usize].name)
            }
            Workload::Job(id) => format!("job {}", self.config.jobs[id.0 as usize].name),
        }
    }

    fn dependent(&self, dependent: Dependent) -> String {
        match dependent {
            Dependent::Pod(uid) => format!("pod {}", self.pod(uid)),
            Dependent::Workload(workload) => self.workload(workload),
        }
    }

    /// `deployments/web`.
    fn resource(&self, workload: Workload) -> String {
        self.workload(workload).replace(' ', "s/")
    }

    fn status(&self, uid: PodUid, status: &PodStatus) -> String {
        let mut words = vec![printers::phase_word(status.phase).to_string()];
        if let Some(container) = container_word(status.container) {
            words.push(container.to_string());
        }
        words.push(format!("Ready={}", if status.ready.is_true() { "True" } else { "False" }));
        if let Some(ip) = status.ip.and_then(|ip| self.names.address(self.at, uid, ip)) {
            words.push(format!("IP {ip}"));
        }
        words.join(", ")
    }

    /// A request being served.
    pub fn served(
        &self,
        from: ProcessId,
        orphan: bool,
        addressed: &Addressed,
        reply: &Reply,
    ) -> String {
        let Addressed { controller, request } = addressed;
        let late = if orphan { ", which is dead by now" } else { "" };
        let from = self.asker(from, *controller);
        let answer = match reply {
            Reply::NotFound => ": 404 NotFound",
            Reply::Conflict => ": 409 Conflict",
            Reply::TooManyRequests => "429 TooManyRequests",
            Reply::AlreadyExists => ": 409 AlreadyExists",
            Reply::Done
            | Reply::Pod(_)
            | Reply::Node(_)
            | Reply::ReplicaSet(_)
            | Reply::Owner(_)
            | Reply::Volumes(_)
            | Reply::Pods(..) => "",
        };
        format!("{} (from {from}{late}){answer}", self.request(request))
    }
}

/// A controller, as people call it.
pub fn controller_name(controller: Controller) -> &'static str {
    match controller {
        Controller::NodeLifecycle => "node-lifecycle",
        Controller::TaintEviction => "taint-eviction",
        Controller::PodGc => "pod-gc",
        Controller::ReplicaSet => "replicaset",
        Controller::Deployment => "deployment",
        Controller::GarbageCollector => "garbage-collector",
        Controller::StatefulSet => "statefulset",
        Controller::DaemonSet => "daemonset",
        Controller::Job => "job",
        Controller::AttachDetach => "attach-detach",
    }
}

/// The condition Ready of a node.
pub fn ready_word(ready: NodeReady) -> &'static str {
    match ready {
        NodeReady::True => "True",
        NodeReady::False => "False",
        NodeReady::Unknown => "Unknown",
    }
}

/// The reason of a DisruptionTarget.
pub fn disruption_word(reason: DisruptionReason) -> &'static str {
    match reason {
        DisruptionReason::DeletionByTaintManager => "DeletionByTaintManager",
        DisruptionReason::DeletionByPodGC => "DeletionByPodGC",
        DisruptionReason::EvictionByEvictionAPI => "EvictionByEvictionAPI",
        DisruptionReason::TerminationByKubelet => "TerminationByKubelet",
    }
}

/// The state of a container in the API, if there is one.
fn container_word(container: models::objects::ContainerState) -> Option<&'static str> {
    use models::objects::ContainerState;
    match container {
        ContainerState::Absent | ContainerState::Running => None,
        ContainerState::Creating => Some("ContainerCreating"),
        ContainerState::Terminated(exit) => Some(match exit {
            models::objects::Exit::Completed => "container terminated Completed",
            models::objects::Exit::Killed => "container terminated Error",
            models::objects::Exit::Unknown => "container terminated Unknown",
            models::objects::Exit::Lost => "container terminated ContainerStatusUnknown",
        }),
    }
}

fn counts(status: &ReplicaSetStatus) -> String {
    let ReplicaSetStatus { replicas, ready, available, terminating } = status;
    let terminating =
        if *terminating > 0 { format!(", {terminating} terminating") } else { String::new() };
    format!("{replicas} replicas, {ready} ready, {available} available{terminating}")
}
