//! Volumes in words.

use models::attach_detach::{AttachDetachStep, MAX_WAIT_FOR_UNMOUNT};
use models::config::ClusterConfig;
use models::ids::{VolumeId, VolumeSet};
use models::objects::{Node, VolumeAttachment};

use crate::story::words::Words;

impl<'a> Words<'a> {
    /// The claim that a volume is bound to.
    pub fn volume(&self, id: VolumeId) -> &'a str {
        &self.config.volumes[id.0 as usize].claim
    }

    /// A step of the attach/detach controller.
    pub(super) fn attach_detach(&self, step: AttachDetachStep) -> String {
        let volume = |attachment: VolumeAttachment| self.volume(attachment.volume);
        let node = |attachment: VolumeAttachment| self.node(attachment.node);
        match step {
            AttachDetachStep::Attach(what) => {
                format!("attaches volume {} to {}", volume(what), node(what))
            }
            AttachDetachStep::Detach { attachment: what, forced: false } => {
                format!("detaches volume {} from {}", volume(what), node(what))
            }
            AttachDetachStep::Detach { attachment: what, forced: true } => format!(
                "detaches volume {} from {} by force: it has not been wanted there for \
                 {MAX_WAIT_FOR_UNMOUNT}",
                volume(what),
                node(what)
            ),
            AttachDetachStep::Verify(what) => format!(
                "finds no volumeattachment of volume {} to {} any more",
                volume(what),
                node(what)
            ),
            AttachDetachStep::List(node) => {
                format!("reports what is attached to {}", self.node(node))
            }
        }
    }

    /// `volumesInUse -data-db-0`: what changed in a list of a node's status.
    pub(super) fn list_changes(&self, old: &Node, new: &Node) -> Vec<String> {
        let lists = [
            ("volumesAttached", old.attached, new.attached),
            ("volumesInUse", old.in_use, new.in_use),
        ];
        let mut said = Vec::new();
        for (list, old, new) in lists {
            let signed = |sign: char, volumes: VolumeSet| {
                let volumes: Vec<String> =
                    volumes.iter().map(|id| format!("{list} {sign}{}", self.volume(id))).collect();
                volumes
            };
            said.extend(signed('+', new.minus(old)));
            said.extend(signed('-', old.minus(new)));
        }
        said
    }

    /// The volumes of a set, as a list.
    pub(super) fn volumes(&self, volumes: VolumeSet) -> String {
        let names: Vec<&str> = volumes.iter().map(|id| self.volume(id)).collect();
        format!("[{}]", names.join(", "))
    }
}

/// The name of a VolumeAttachment: `csi-` and a SHA-256 in reality, of the same length here.
pub(super) fn attachment_name(config: &ClusterConfig, attachment: &VolumeAttachment) -> String {
    let volume = &config.volumes[attachment.volume.0 as usize].name;
    let node = &config.nodes[attachment.node.0 as usize].name;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let digits = (0..4u8).map(|round| {
        for byte in volume.bytes().chain(node.bytes()).chain([round]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{hash:016x}")
    });
    format!("csi-{}", digits.collect::<String>())
}
