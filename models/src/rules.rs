//! The rules: every transition of the model names the one that it implements.
//!
//! One table holds them all. A test keeps it in step with `specs/rules.yaml`, which says of each
//! rule whether it is modelled, abstracted, waiting or left out, and why.

use std::fmt;
use std::str::FromStr;

struct Row {
    id: &'static str,
    component: &'static str,
    meaning: &'static str,
    source: &'static str,
}

/// Rows: variant, id, component, function; meaning; path in kubernetes/kubernetes.
macro_rules! rules {
    ($($variant:ident, $id:literal, $component:literal, $function:literal,
        $meaning:literal, $path:literal;)+) => {
        /// A transition of Kubernetes, or a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!($id, ": ", $meaning, ".")] $variant,)+
        }

        impl Rule {
            /// Every rule, by component; faults last.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),+];
        }

        const ROWS: &[Row] = &[$(Row {
            id: $id,
            component: $component,
            meaning: $meaning,
            source: concat!($path, ": ", $function),
        }),+];
    };
}

rules! {
    // API server and etcd.
    St1, "ST-1", "kube-apiserver", "store.GuaranteedUpdate",
        "a PUT based on an older version is refused; a PATCH merges into the current one",
        "staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go";
    St2, "ST-2", "kube-apiserver", "BeforeDelete",
        "first DELETE: deletionTimestamp is set; the pod goes at once if it is unbound or terminal",
        "staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go";
    St3, "ST-3", "kube-apiserver", "BeforeDelete",
        "DELETE of a Terminating pod: only a shorter grace has an effect; 0 removes it",
        "staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go";
    St4, "ST-4", "kube-apiserver", "podStrategy.CheckGracefulDelete",
        "DELETE with grace 0: the object goes without waiting for any kubelet",
        "pkg/registry/core/pod/strategy.go";
    St5, "ST-5", "kube-apiserver", "store.conditionalDelete",
        "DELETE with a uid removes only that pod; without, whatever pod now holds the name",
        "staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go";
    St6, "ST-6", "kube-apiserver", "BeforeUpdate",
        "a deletionTimestamp, once set, is never taken back; its grace only gets shorter",
        "staging/src/k8s.io/apiserver/pkg/registry/rest/update.go";
    St7, "ST-7", "kube-apiserver", "ShouldDeleteDuringUpdate",
        "a finalizer defers the removal until the last one is taken off",
        "staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go";
    St8, "ST-8", "kube-apiserver", "podStatusStrategy.PrepareForUpdate",
        "a status write changes nothing but the status, and may set any phase",
        "pkg/registry/core/pod/strategy.go";
    St9, "ST-9", "kube-apiserver", "BindingREST.setPodNodeAndMetadata",
        "a binding is refused if the pod is Terminating, already bound, or another incarnation",
        "pkg/registry/core/pod/storage/storage.go";
    St10, "ST-10", "kube-apiserver", "validateOnlyAddedTolerations",
        "a bound pod keeps its tolerations: only their seconds change, and new ones are added",
        "pkg/apis/core/validation/validation.go";
    St11, "ST-11", "kube-apiserver", "NodeAuthorizer.Authorize",
        "a kubelet may change its own Node only; a new Node is tainted not-ready:NoSchedule",
        "plugin/pkg/auth/authorizer/node/node_authorizer.go";
    St12, "ST-12", "kube-apiserver", "cacheWatcher.convertToWatchEvent",
        "a watcher gets every change in the order of the store; DELETED carries the last state",
        "staging/src/k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go";
    St13, "ST-13", "client-go", "Reflector.ListAndWatch",
        "the first list of a new process may be older than what its predecessor had seen",
        "staging/src/k8s.io/client-go/tools/cache/reflector.go";
    St14, "ST-14", "client-go", "processDeltas",
        "a relist turns delete-and-recreate under one name into a single update",
        "staging/src/k8s.io/client-go/tools/cache/controller.go";
    St15, "ST-15", "client-go", "AddOrUpdateTaintOnNode",
        "a taint patch computed from a stale read conflicts and is computed again",
        "pkg/controller/controller_utils.go";
    // Admission.
    Ad1, "AD-1", "kube-apiserver", "Plugin.Admit",
        "a new pod gets tolerations of the not-ready and unreachable NoExecute taints",
        "plugin/pkg/admission/defaulttolerationseconds/admission.go";
    // Scheduler.
    Sc1, "SC-1", "kube-scheduler", "TaintToleration.Filter",
        "a node is feasible if the pod tolerates its taints; its condition Ready does not count",
        "pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go";
    Sc2, "SC-2", "kube-scheduler", "Scheduler.bindingCycle",
        "a feasible node is chosen and the binding is sent with the uid of the pod",
        "pkg/scheduler/schedule_one.go";
    Sc3, "SC-3", "kube-scheduler", "Scheduler.handleBindingCycleError",
        "the binding failed: the choice is forgotten and the pod, if it is still there, retried",
        "pkg/scheduler/schedule_one.go";
    Sc4, "SC-4", "kube-scheduler", "PriorityQueue.MoveAllToActiveOrBackoffQueue",
        "an unschedulable pod is tried again when a node or its taints change",
        "pkg/scheduler/backend/queue/scheduling_queue.go";
    Sc5, "SC-5", "kube-scheduler", "VolumeRestrictions.PreFilter",
        "a ReadWriteOncePod claim in use by another scheduled pod makes a pod unschedulable",
        "pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go";
    // Node lifecycle controller.
    Nlc1, "NLC-1", "node-lifecycle-controller", "Controller.markNodeAsReachable",
        "node new to this process: its NoExecute condition taints are removed",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc2, "NLC-2", "node-lifecycle-controller", "Controller.tryUpdateNodeHealth",
        "a heartbeat is seen: the grace period of the node starts again",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc3, "NLC-3", "node-lifecycle-controller", "Controller.tryUpdateNodeHealth",
        "no heartbeat within the grace period: Ready becomes Unknown",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc4, "NLC-4", "node-lifecycle-controller", "MarkPodsNotReady",
        "the node went from Ready to Unknown: condition Ready of its pods becomes False",
        "pkg/controller/util/node/controller_utils.go";
    Nlc5, "NLC-5", "node-lifecycle-controller", "Controller.processPod",
        "a pod newly seen on a node that is not Ready: its condition Ready becomes False",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc6, "NLC-6", "node-lifecycle-controller", "Controller.processTaintBaseEviction",
        "by the condition Ready: NoExecute taint removed, swapped, or queued to be added",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc7, "NLC-7", "node-lifecycle-controller", "Controller.doNoExecuteTaintingPass",
        "the zone allows one more: the queued node gets its NoExecute taint",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc8, "NLC-8", "node-lifecycle-controller", "Controller.doNoScheduleTaintingPass",
        "the NoSchedule taints of a node are made to mirror its conditions",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc9, "NLC-9", "node-lifecycle-controller", "Controller.ComputeZoneState",
        "the state of a zone is computed from the nodes in it that are not Ready",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc10, "NLC-10", "node-lifecycle-controller", "Controller.setLimiterInZone",
        "the state of a zone sets how fast its nodes may be tainted, or that none may",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc11, "NLC-11", "node-lifecycle-controller", "Controller.handleDisruption",
        "no node of the cluster is Ready: NoExecute taints are removed, tainting stops",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc12, "NLC-12", "node-lifecycle-controller", "Controller.handleDisruption",
        "some node is Ready again: tainting resumes, and heartbeat clocks start anew",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc13, "NLC-13", "node-lifecycle-controller", "Controller.Run",
        "restarted: clocks, zone states and queues start from nothing",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    Nlc14, "NLC-14", "node-lifecycle-controller", "Controller.classifyNodes",
        "node object deleted: the node is forgotten, but its last known health is kept",
        "pkg/controller/nodelifecycle/node_lifecycle_controller.go";
    // Taint eviction controller.
    Tec1, "TEC-1", "taint-eviction-controller", "Controller.handleNodeUpdate",
        "NoExecute taints of a node changed: the pods on it are judged again",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec2, "TEC-2", "taint-eviction-controller", "Controller.handlePodUpdate",
        "a pod was added, bound or deleted, or its tolerations changed: it is judged again",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec3, "TEC-3", "taint-eviction-controller", "Controller.processPodOnNode",
        "a timer is armed for the tolerated time; one that already runs is kept as it is",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec4, "TEC-4", "taint-eviction-controller", "Controller.cancelWorkWithEvent",
        "nothing left to wait for: the eviction of the pod is cancelled",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec5, "TEC-5", "taint-eviction-controller", "addConditionAndDeletePod",
        "the toleration is over: the pod is read, marked DisruptionTarget and deleted by name",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec6, "TEC-6", "taint-eviction-controller", "TimedWorkerQueue.getWrappedWorkerFunc",
        "evicted: the timer under the name of the pod is cleared away",
        "pkg/controller/tainteviction/timed_workers.go";
    Tec7, "TEC-7", "taint-eviction-controller", "Controller.Run",
        "restarted: every tolerated time starts again in full",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec8, "TEC-8", "taint-eviction-controller", "Controller.handlePodUpdate",
        "a timer outlives its pod and deletes the next one of the same name",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec9, "TEC-9", "taint-eviction-controller", "deletePodHandler",
        "the node is Ready again but its taint is not off yet: the timer still fires",
        "pkg/controller/tainteviction/taint_eviction.go";
    Tec10, "TEC-10", "taint-eviction-controller", "TimedWorkerQueue.CancelWork",
        "a timer that has fired can no longer be cancelled: its requests go on by name",
        "pkg/controller/tainteviction/timed_workers.go";
    // Pod garbage collector.
    Gc0, "GC-0", "pod-garbage-collector-controller", "markFailedAndDeletePodWithCondition",
        "the pod is set to Failed, then deleted by name with grace 0",
        "pkg/controller/podgc/gc_controller.go";
    Gc1, "GC-1", "pod-garbage-collector-controller", "gcOrphaned",
        "the node of the pod is gone, and still is after a quarantine: the pod is removed",
        "pkg/controller/podgc/gc_controller.go";
    Gc2, "GC-2", "pod-garbage-collector-controller", "gcTerminating",
        "Terminating pod on a node that is not Ready and out of service: it is removed",
        "pkg/controller/podgc/gc_controller.go";
    Gc3, "GC-3", "pod-garbage-collector-controller", "gcTerminated",
        "more terminated pods than the threshold: the oldest are removed",
        "pkg/controller/podgc/gc_controller.go";
    Gc4, "GC-4", "pod-garbage-collector-controller", "gcUnscheduledTerminating",
        "a Terminating pod that was never bound is removed",
        "pkg/controller/podgc/gc_controller.go";
    // ReplicaSet controller.
    Rs1, "RS-1", "replicaset-controller", "IsPodActive",
        "a pod counts unless it is terminal or Terminating; the health of its node is no matter",
        "pkg/controller/controller_utils.go";
    Rs2, "RS-2", "replicaset-controller", "ReplicaSetController.syncReplicaSet",
        "a sync reads caches only, and acts once what it did before has been seen",
        "pkg/controller/replicaset/replica_set.go";
    Rs3, "RS-3", "replicaset-controller", "PodControllerRefManager.ClaimPods",
        "active pods that match the selector are claimed",
        "pkg/controller/controller_ref_manager.go";
    Rs4, "RS-4", "replicaset-controller", "ReplicaSetController.manageReplicas",
        "too few active pods: new ones are created under fresh names",
        "pkg/controller/replicaset/replica_set.go";
    Rs5, "RS-5", "replicaset-controller", "getPodsToDelete",
        "too many active pods: the least useful are deleted by name, not-ready ones first",
        "pkg/controller/replicaset/replica_set.go";
    Rs6, "RS-6", "replicaset-controller", "ControllerExpectations.SatisfiedExpectations",
        "a creation or deletion that was waited for shows up in the cache",
        "pkg/controller/controller_utils.go";
    Rs7, "RS-7", "replicaset-controller", "calculateStatus",
        "the counts of active, ready and available pods are written",
        "pkg/controller/replicaset/replica_set_utils.go";
    // StatefulSet controller.
    Ss1, "SS-1", "statefulset-controller", "StatefulSetController.sync",
        "a sync reads caches only, without expectations",
        "pkg/controller/statefulset/stateful_set.go";
    Ss2, "SS-2", "statefulset-controller", "defaultStatefulSetControl.processReplica",
        "a terminal pod that is not Terminating is deleted by name, then created anew",
        "pkg/controller/statefulset/stateful_set_control.go";
    Ss3, "SS-3", "statefulset-controller", "StatefulPodControl.CreateStatefulPod",
        "a missing ordinal gets its claims, then a pod of the same name",
        "pkg/controller/statefulset/stateful_pod_control.go";
    Ss4, "SS-4", "statefulset-controller", "defaultStatefulSetControl.updateStatefulSet",
        "in order: a pod that is Terminating or not Ready holds up all higher ordinals",
        "pkg/controller/statefulset/stateful_set_control.go";
    // Deployment controller.
    Dp1, "DP-1", "deployment-controller", "calculateStatus",
        "the counts of its ReplicaSets are added up in the status",
        "pkg/controller/deployment/sync.go";
    Dp2, "DP-2", "deployment-controller", "DeploymentController.rolloutRecreate",
        "a rollout counts active pods; Recreate waits until no old pod is left",
        "pkg/controller/deployment/recreate.go";
    Dp3, "DP-3", "deployment-controller", "KEP-5882",
        "a podReplacementPolicy would say whether to wait for Terminating pods",
        "none up to 1.36";
    // Garbage collector.
    Gcol1, "GCOL-1", "garbage-collector-controller", "GarbageCollector.attemptToDeleteItem",
        "dependents of a deleted owner are deleted one by one, with their uid",
        "pkg/controller/garbagecollector/garbagecollector.go";
    // DaemonSet controller.
    Ds1, "DS-1", "daemonset-controller", "AddOrUpdateDaemonPodTolerations",
        "its pods tolerate the node condition taints for ever, out-of-service not",
        "pkg/controller/daemon/util/daemonset_util.go";
    Ds2, "DS-2", "daemonset-controller", "DaemonSetsController.podsShouldBeOnNode",
        "one pod for each node; a Terminating one that is not terminal still counts",
        "pkg/controller/daemon/daemon_controller.go";
    Ds3, "DS-3", "daemonset-controller", "DaemonSetsController.updateDaemonSetStatus",
        "the counts of nodes that are to have a pod, and that have one, are written",
        "pkg/controller/daemon/daemon_controller.go";
    // Job controller.
    Jb1, "JB-1", "job-controller", "isPodFailed",
        "a pod counts as failed if Failed or, by the default policy, if Terminating",
        "pkg/controller/job/job_controller.go";
    Jb2, "JB-2", "job-controller", "Controller.manageJob",
        "by the default policy a Terminating pod is replaced at once, after a back-off",
        "pkg/controller/job/job_controller.go";
    Jb3, "JB-3", "job-controller", "onlyReplaceFailedPods",
        "by the policy Failed a replacement waits until the old pod is terminal",
        "pkg/controller/job/job_controller.go";
    Jb4, "JB-4", "job-controller", "matchPodFailurePolicy",
        "a podFailurePolicy judges Failed pods only, DisruptionTarget among the criteria",
        "pkg/controller/job/pod_failure_policy.go";
    Jb5, "JB-5", "job-controller", "Controller.syncJob",
        "enough pods succeeded or too many failed: the Job ends, and its pods with it",
        "pkg/controller/job/job_controller.go";
    Jb6, "JB-6", "job-controller", "Controller.trackJobStatusAndRemoveFinalizers",
        "an ended pod is noted in the status, then loses its finalizer, then is counted",
        "pkg/controller/job/job_controller.go";
    Jb7, "JB-7", "container", "process",
        "the container of a Job has done its work and ends with exit code 0",
        "outside Kubernetes";
    // Kubelet: start-up and node.
    Kl1, "KL-1", "kubelet", "NewSourceApiserver",
        "started: no API pod is acted on before the first list of this process",
        "pkg/kubelet/config/apiserver.go";
    Kl2, "KL-2", "kubelet", "Kubelet.syncLoop",
        "while the container runtime is down, nothing is done for any pod",
        "pkg/kubelet/kubelet.go";
    Kl3, "KL-3", "kubelet", "Kubelet.HandlePodAdditions",
        "a pod new to this process is admitted, or refused and set to Failed",
        "pkg/kubelet/kubelet.go";
    Kl4, "KL-4", "kubelet", "sourcesImpl.AllReady",
        "until the first pod list has come, running containers are left as they are",
        "pkg/kubelet/config/sources.go";
    Kl5, "KL-5", "kubelet", "Kubelet.registerWithAPIServer",
        "the node is registered, once for each start of the kubelet",
        "pkg/kubelet/kubelet_node_status.go";
    Kl6, "KL-6", "kubelet", "controller.sync",
        "the lease of the node is renewed",
        "staging/src/k8s.io/component-helpers/apimachinery/lease/controller.go";
    Kl7, "KL-7", "kubelet", "Kubelet.tryUpdateNodeStatus",
        "the node status is posted because it differs from the API: Ready True or False",
        "pkg/kubelet/kubelet_node_status.go";
    Kl8, "KL-8", "kubelet", "MachineInfo",
        "the boot ID differs from the stored one: it is overwritten, nothing else follows",
        "pkg/kubelet/nodestatus/setters.go";
    // Kubelet: pod workers.
    Pw1, "PW-1", "kubelet", "podWorkers.UpdatePod",
        "the pod is Terminating, terminal or no longer wanted: its worker turns to stopping it",
        "pkg/kubelet/pod_workers.go";
    Pw2, "PW-2", "kubelet", "calculateEffectiveGracePeriod",
        "the grace period starts in full when the worker begins to stop the pod",
        "pkg/kubelet/pod_workers.go";
    Pw3, "PW-3", "kubelet", "Kubelet.SyncPod",
        "the pod is synced: its sandbox is created and its containers are started",
        "pkg/kubelet/kubelet.go";
    Pw4, "PW-4", "kubelet", "Kubelet.SyncTerminatingPod",
        "the containers and the sandbox are stopped; the pod becomes Succeeded or Failed",
        "pkg/kubelet/kubelet.go";
    Pw5, "PW-5", "kubelet", "Kubelet.SyncTerminatedPod",
        "volumes and cgroup are gone: the worker is finished",
        "pkg/kubelet/kubelet.go";
    Pw6, "PW-6", "kubelet", "podWorkers.UpdatePod",
        "a pod first seen Terminating is stopped; no container of it is ever started",
        "pkg/kubelet/pod_workers.go";
    Pw7, "PW-7", "kubelet", "podWorkers.allowPodStart",
        "a pod does not wait for the old pod of its name that is still being stopped",
        "pkg/kubelet/pod_workers.go";
    Pw8, "PW-8", "kubelet", "Kubelet.HandlePodCleanups",
        "housekeeping stops what the API no longer names and finishes what nobody else would",
        "pkg/kubelet/kubelet_pods.go";
    // Kubelet: status manager.
    Sm1, "SM-1", "kubelet", "manager.syncPod",
        "the status of the pod is written if the API still holds this very uid",
        "pkg/kubelet/status/status_manager.go";
    Sm2, "SM-2", "kubelet", "manager.canBeDeleted",
        "a Terminating pod that has been stopped is deleted by uid with grace 0",
        "pkg/kubelet/status/status_manager.go";
    Sm3, "SM-3", "kubelet", "manager.needsReconcile",
        "a status in the API that differs from the kubelet's own is overwritten",
        "pkg/kubelet/status/status_manager.go";
    // Container runtime and kubelet: reboot.
    Rb1, "RB-1", "containerd", "criService.loadContainer",
        "booted: containers recorded as running have exited, 255, reason Unknown",
        "containerd/containerd: pkg/cri/server/restart.go";
    Rb2, "RB-2", "kubelet", "Kubelet.generateAPIPodStatus",
        "first status after a reboot: container Unknown, not ready, no pod IP, still Running",
        "pkg/kubelet/kubelet_pods.go";
    Rb3, "RB-3", "kubelet", "kubeGenericRuntimeManager.SyncPod",
        "after a reboot the same pod gets a new sandbox, a new IP and one restart more",
        "pkg/kubelet/kuberuntime/kuberuntime_manager.go";
    // Texts without a number, cited by section.
    Partition, "12.7", "kubelet", "Kubelet.syncLoopIteration",
        "without API server containers are kept; after a cut, connections recover one by one",
        "pkg/kubelet/kubelet.go";
    KubeletRestart, "12.8", "kubelet", "kubeGenericRuntimeManager.computePodActions",
        "the kubelet restarts without a reboot: it finds its containers and keeps them",
        "pkg/kubelet/kuberuntime/kuberuntime_manager.go";
    // Eviction.
    Ev1, "EV-1", "kube-apiserver", "EvictionREST.Create",
        "an eviction request marks the pod DisruptionTarget, then deletes it, if a budget allows",
        "pkg/registry/core/pod/storage/eviction.go";
    // The cloud.
    Cn1, "CN-1", "cloud-node-lifecycle-controller", "CloudNodeLifecycleController.MonitorNodes",
        "the instance of a not-ready node is gone: node deleted; shut down: node tainted",
        "staging/src/k8s.io/cloud-provider/controllers/nodelifecycle/node_lifecycle_controller.go";
    // Volumes.
    AdV1, "AD-V1", "persistentvolume-attach-detach-controller", "DetermineVolumeAction",
        "a volume is wanted on a node while a pod that is not terminal is bound there",
        "pkg/controller/volume/attachdetach/util/util.go";
    AdV2, "AD-V2", "persistentvolume-attach-detach-controller", "reconciler.reconcile",
        "an unwanted volume is detached: when unused, after 6 min not Ready, or out of service",
        "pkg/controller/volume/attachdetach/reconciler/reconciler.go";
    AdV3, "AD-V3", "persistentvolume-attach-detach-controller", "reconciler.attachDesiredVolumes",
        "a volume for one node is not attached to a second while it is attached to the first",
        "pkg/controller/volume/attachdetach/reconciler/reconciler.go";
    AdV4, "AD-V4", "kubelet", "operationGenerator.GenerateMountVolumeFunc",
        "ReadWriteOncePod: one pod at a time, checked again when it is mounted",
        "pkg/volume/util/operationexecutor/operation_generator.go";
    AdV5, "AD-V5", "persistentvolume-attach-detach-controller",
        "attachDetachController.populateActualStateOfWorld",
        "restarted: what is attached where is read from the nodes and VolumeAttachments",
        "pkg/controller/volume/attachdetach/attach_detach_controller.go";
    Shutdown, "12.9", "kubelet", "managerImpl.ProcessShutdownEvent",
        "the node shuts down: not Ready, new pods refused, running ones stopped in time",
        "pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go";
    // What people do.
    OpDeletePod, "OP-DELETE-POD", "operator", "DeleteOptions.DeleteResult",
        "a person deletes a pod by its name, with its own grace period or a shorter one",
        "staging/src/k8s.io/kubectl/pkg/cmd/delete/delete.go";
    OpForceDeletePod, "OP-FORCE-DELETE-POD", "operator", "DeleteOptions.DeleteResult",
        "a person deletes a pod by its name with grace 0: no kubelet is waited for",
        "staging/src/k8s.io/kubectl/pkg/cmd/delete/delete.go";
    OpOutOfService, "OP-OUT-OF-SERVICE", "operator", "TaintOptions.RunTaint",
        "a person puts the taint out-of-service on a node, or takes it off",
        "staging/src/k8s.io/kubectl/pkg/cmd/taint/taint.go";
    OpCordon, "OP-CORDON", "operator", "DrainCmdOptions.RunCordonOrUncordon",
        "a person makes a node unschedulable, or schedulable again",
        "staging/src/k8s.io/kubectl/pkg/cmd/drain/drain.go";
    OpRollout, "OP-ROLLOUT", "operator", "SetImageOptions.Run",
        "a person changes the template of a Deployment: a rollout begins",
        "staging/src/k8s.io/kubectl/pkg/cmd/set/set_image.go";
    OpScale, "OP-SCALE", "operator", "ScaleOptions.RunScale",
        "a person asks a workload for more or fewer replicas",
        "staging/src/k8s.io/kubectl/pkg/cmd/scale/scale.go";
    OpDeleteWorkload, "OP-DELETE-WORKLOAD", "operator", "DeleteOptions.DeleteResult",
        "a person deletes a workload, and says what becomes of its dependents",
        "staging/src/k8s.io/kubectl/pkg/cmd/delete/delete.go";
    OpDrain, "OP-DRAIN", "operator", "RunNodeDrain",
        "a person drains a node: it is cordoned, then its pods are evicted one by one",
        "staging/src/k8s.io/kubectl/pkg/drain/default.go";
    OpTaint, "OP-TAINT", "operator", "TaintOptions.RunTaint",
        "a person puts any taint on a node, or takes it off",
        "staging/src/k8s.io/kubectl/pkg/cmd/taint/taint.go";
    OpDeleteNode, "OP-DELETE-NODE", "operator", "DeleteOptions.DeleteResult",
        "a person deletes a Node object; what runs on the node is not asked",
        "staging/src/k8s.io/kubectl/pkg/cmd/delete/delete.go";
    // Faults.
    FPowerOff, "F-POWEROFF", "fault", "power",
        "the node loses power: everything on it dies, its disk stays",
        "outside Kubernetes";
    FShutdown, "F-SHUTDOWN", "fault", "systemd",
        "the node is shut down in order; systemd tells those who hold it up",
        "outside Kubernetes";
    FInstanceStopped, "F-INSTANCE-STOPPED", "fault", "cloud",
        "the instance of the node is stopped, and its cloud says so",
        "outside Kubernetes";
    FInstanceGone, "F-INSTANCE-GONE", "fault", "cloud",
        "the instance of the node is deleted: it never returns",
        "outside Kubernetes";
    FPowerOn, "F-POWERON", "fault", "power",
        "the node boots again",
        "outside Kubernetes";
    FPowerOnNoNetwork, "F-POWERON-NO-NETWORK", "fault", "power and container network",
        "the node boots again, its container network not configured yet",
        "outside Kubernetes";
    FNetworkConfigured, "F-NETWORK-CONFIGURED", "fault", "container network",
        "the container network of the node is configured",
        "outside Kubernetes";
    FKubeletCrash, "F-KUBELET-CRASH", "fault", "process",
        "the kubelet dies; containers go on",
        "outside Kubernetes";
    FKubeletRestart, "F-KUBELET-RESTART", "fault", "process",
        "the kubelet starts again",
        "outside Kubernetes";
    FRuntimeCrash, "F-RUNTIME-CRASH", "fault", "process",
        "the container runtime dies; containers go on",
        "outside Kubernetes";
    FRuntimeRestart, "F-RUNTIME-RESTART", "fault", "process",
        "the container runtime starts again",
        "outside Kubernetes";
    FPartition, "F-PARTITION", "fault", "network",
        "the node is cut off from the API server",
        "outside Kubernetes";
    FHeal, "F-HEAL", "fault", "network",
        "the network of the node is mended",
        "outside Kubernetes";
    FControllerManagerCrash, "F-KCM-CRASH", "fault", "process",
        "the controller manager dies: the memory of all its controllers is lost",
        "outside Kubernetes";
    FControllerManagerRestart, "F-KCM-RESTART", "fault", "process",
        "the controller manager starts again",
        "outside Kubernetes";
    FSlowStart, "F-SLOW-START", "fault", "time",
        "a container start takes longer than the time-out of a node",
        "outside Kubernetes";
    FSlowHeartbeat, "F-SLOW-HEARTBEAT", "fault", "time",
        "a heartbeat of a live, connected node comes too late",
        "outside Kubernetes";
}

impl Rule {
    fn row(self) -> &'static Row {
        &ROWS[self.index()]
    }

    /// Its number, such as `NLC-3`; for a text without a number the section, for a fault `F-…`.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The component that takes the step, named as Kubernetes names it; `fault` for faults.
    pub fn component(self) -> &'static str {
        self.row().component
    }

    /// What happens, in one line of at most 90 characters.
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Where upstream says so: a path in kubernetes/kubernetes and a function.
    pub fn source(self) -> &'static str {
        self.row().source
    }

    /// Its position in [`Rule::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether it is a fault, or the mending of one, and no act of Kubernetes.
    pub fn is_fault(self) -> bool {
        self >= Rule::FPowerOff
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Rule {
    type Err = String;

    /// Reads an id in any case, with or without the letter of a step: `tec-5b` is TEC-5.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.trim().to_ascii_uppercase();
        let find = |id: &str| Rule::ALL.iter().copied().find(|rule| rule.id() == id);
        let found = find(&wanted).or_else(|| find(without_step(&wanted)));
        found.ok_or_else(|| {
            let nearest = nearest(&wanted).join(", ");
            format!("unknown rule \"{}\"; nearest: {nearest}", text.trim())
        })
    }
}

/// `id` without the letter of a step, if a letter follows its number.
fn without_step(id: &str) -> &str {
    match id.strip_suffix(|last: char| last.is_ascii_uppercase()) {
        Some(rest) if rest.ends_with(|last: char| last.is_ascii_digit()) => rest,
        _ => id,
    }
}

/// The three rule ids that differ least from `id`.
fn nearest(id: &str) -> Vec<&'static str> {
    let mut ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    ids.sort_by_key(|known| edit_distance(id, known));
    ids.truncate(3);
    ids
}

/// How many characters must be added, dropped or replaced to make `b` of `a`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut distances: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut distances[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = distances[j + 1];
            distances[j + 1] = replaced.min(distances[j] + 1).min(diagonal + 1);
        }
    }
    distances[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
    }

    #[test]
    fn every_id_reads_back_in_any_case() {
        for (index, rule) in Rule::ALL.iter().enumerate() {
            assert_eq!(rule.index(), index);
            assert_eq!(rule.to_string().parse(), Ok(*rule));
            assert_eq!(rule.id().to_lowercase().parse(), Ok(*rule));
            assert_eq!(rule.is_fault(), rule.id().starts_with("F-"));
        }
    }

    #[test]
    fn meanings_fit_a_trace_line() {
        for rule in Rule::ALL {
            let length = rule.meaning().chars().count();
            assert!((1..=90).contains(&length), "{rule}: {length} characters");
            assert!(!rule.meaning().ends_with('.'), "{rule}");
        }
    }

    #[test]
    fn the_letter_of_a_step_is_accepted() {
        assert_eq!("TEC-5b".parse(), Ok(Rule::Tec5));
        assert_eq!(" gc-0A ".parse(), Ok(Rule::Gc0));
        assert_eq!("NLC-11c".parse(), Ok(Rule::Nlc11));
        assert!("F-HEALb".parse::<Rule>().is_err());
        assert!("TEC-5bb".parse::<Rule>().is_err());
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_ids() {
        let error = "NLC3".parse::<Rule>().unwrap_err();
        assert_eq!(error, "unknown rule \"NLC3\"; nearest: NLC-3, NLC-1, NLC-2");
        let error = "F-POWERON-NONETWORK".parse::<Rule>().unwrap_err();
        assert!(error.contains("nearest: F-POWERON-NO-NETWORK"), "{error}");
        assert!("".parse::<Rule>().is_err());
    }

    #[test]
    fn edit_distance_counts_single_changes() {
        assert_eq!(edit_distance("ST-2", "ST-2"), 0);
        assert_eq!(edit_distance("ST2", "ST-2"), 1);
        assert_eq!(edit_distance("TS-2", "ST-2"), 2);
        assert_eq!(edit_distance("", "RB-1"), 4);
    }
}
