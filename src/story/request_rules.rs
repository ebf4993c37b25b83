//! Which rule a request is made under.

use models::kube_controller_manager::Controller;
use models::objects::Owner;
use models::requests::{Request, TaintWriter};
use models::rules::Rule;

use crate::scenario::cluster::Addressed;

/// The rule under which a request is made: what the step that serves it is part of.
pub(super) fn request_rule(addressed: &Addressed) -> Rule {
    match (addressed.request, addressed.controller) {
        (Request::CreatePod { name: Some(_), .. }, _) => Rule::Ss3,
        (Request::CreatePod { owner: Owner::DaemonSet(..), .. }, _) => Rule::Ds2,
        (Request::CreatePod { owner: Owner::Job(_), .. }, _) => Rule::Jb2,
        (Request::CreatePod { .. }, _) => Rule::Rs4,
        (Request::BindPod { .. }, _) => Rule::Sc2,
        (Request::GetPod { .. }, None) => Rule::Sm1,
        (Request::GetPod { .. } | Request::PatchPodDisruption { .. }, _) => Rule::Tec5,
        (Request::GetNode { .. }, Some(Controller::AttachDetach)) => Rule::AdV2,
        (Request::GetNode { .. }, Some(_)) => Rule::Gc1,
        (Request::GetNode { .. }, None) => Rule::Partition,
        (Request::PatchPodStatus { .. }, _) => Rule::Sm1,
        (Request::PutPodNotReady { .. }, _) => Rule::Nlc4,
        (Request::PatchPodFailed { .. }, _) => Rule::Gc0,
        (Request::DeletePod { .. }, Some(Controller::TaintEviction)) => Rule::Tec5,
        (Request::DeletePod { .. }, Some(Controller::PodGc)) => Rule::Gc0,
        (Request::DeletePod { .. }, Some(Controller::GarbageCollector)) => Rule::Gcol1,
        (Request::DeletePod { .. }, Some(Controller::StatefulSet)) => Rule::Ss2,
        (Request::DeletePod { .. }, Some(Controller::DaemonSet)) => Rule::Ds2,
        (Request::DeletePod { .. }, Some(Controller::Job)) => Rule::Jb5,
        (Request::PutJobStatus { .. } | Request::PatchPodFinalizer { .. }, _) => Rule::Jb6,
        (Request::DeletePod { .. }, Some(_)) => Rule::Rs5,
        (Request::DeletePod { .. }, None) => Rule::Sm2,
        (Request::EvictPod { .. }, _) => Rule::Ev1,
        (Request::ListPodsOfNode { .. }, _) => Rule::Kl1,
        (Request::RegisterNode { .. }, _) => Rule::Kl5,
        (Request::DeleteNode { .. }, _) => Rule::OpDeleteNode,
        (Request::PatchNodeStatus { .. }, _) => Rule::Kl7,
        (Request::GetAttachedVolumes { .. }, _) => Rule::AdV3,
        (Request::PatchVolumesAttached { seen, attached, .. }, _)
            if !seen.minus(attached).is_empty() =>
        {
            Rule::AdV2
        }
        (Request::PatchVolumesAttached { .. }, _) => Rule::AdV3,
        (Request::CreateVolumeAttachment { .. }, _) => Rule::AdV3,
        (Request::DeleteVolumeAttachment { .. }, _) => Rule::AdV2,
        (Request::PutNodeUnknown { .. }, _) => Rule::Nlc3,
        (Request::PatchNodeTaints { writer, .. }, _) => taint_rule(writer),
        (Request::PatchNodeUnschedulable { .. }, _) => Rule::OpCordon,
        (Request::GetReplicaSet { .. } | Request::PutReplicaSetStatus { .. }, _) => Rule::Rs7,
        (Request::CreateReplicaSet { .. } | Request::PutReplicaSet { .. }, _) => Rule::Dp2,
        (Request::PutDeploymentStatus { .. }, _) => Rule::Dp1,
        (Request::PatchDeploymentTemplate { .. }, _) => Rule::OpRollout,
        (Request::PatchScale { .. }, _) => Rule::OpScale,
        (Request::DeleteWorkload { .. }, None) => Rule::OpDeleteWorkload,
        (
            Request::DeleteWorkload { .. }
            | Request::GetOwner { .. }
            | Request::PatchOwner { .. }
            | Request::RemoveFinalizer { .. },
            _,
        ) => Rule::Gcol1,
        (Request::PutStatefulSetStatus { .. }, _) => Rule::Ss1,
        (Request::PutDaemonSetStatus { .. }, _) => Rule::Ds3,
    }
}

fn taint_rule(writer: TaintWriter) -> Rule {
    match writer {
        TaintWriter::NewNode => Rule::Nlc1,
        TaintWriter::Monitor => Rule::Nlc6,
        TaintWriter::NoExecutePass => Rule::Nlc7,
        TaintWriter::NoSchedulePass => Rule::Nlc8,
        TaintWriter::MasterDisruption => Rule::Nlc11,
        TaintWriter::Operator => Rule::OpOutOfService,
        TaintWriter::Cloud => Rule::Cn1,
    }
}
