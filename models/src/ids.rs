//! Identities. Small integers inside the state, but never interchangeable ones.
//!
//! Names, addresses and ages are made from them by the presentation layer.

use std::fmt;

/// A node (worker or control plane), by its position in
/// [`ClusterConfig::nodes`](crate::config::ClusterConfig::nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u8);

/// The identity of one incarnation of a pod (`metadata.uid`).
///
/// A uid is a slot: once nothing in the cluster names it any more, the API server may give it to a
/// new pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodUid(pub u8);

/// The name of a pod. A DELETE without a UID precondition acts on whatever uid holds the name.
///
/// Pods of a ReplicaSet have generated names that never recur while anything remembers them, so
/// there is one name for each uid slot; names that do recur, the identities of StatefulSets, lie
/// above them and tell nothing of the uid that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName(pub u8);

impl PodName {
    /// The generated name of the pod in this uid slot (`generateName`, rule RS-4).
    pub fn generated(uid: PodUid) -> Self {
        PodName(uid.0)
    }

    /// The first of the names that recur.
    pub const FIRST_RECURRING: PodName = PodName(PodSet::CAPACITY as u8);

    /// The uid slot of a generated name; none for a name that recurs.
    pub fn slot(self) -> Option<PodUid> {
        (self < Self::FIRST_RECURRING).then_some(PodUid(self.0))
    }
}

/// A ReplicaSet, by its position in [`ClusterConfig::replica_sets`](crate::config::ClusterConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaSetId(pub u8);

/// A StatefulSet, by its position in
/// [`ClusterConfig::stateful_sets`](crate::config::ClusterConfig::stateful_sets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatefulSetId(pub u8);

/// A Deployment, by its position in [`ClusterConfig::deployments`](crate::config::ClusterConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId(pub u8);

/// A DaemonSet, by its position in [`ClusterConfig::daemon_sets`](crate::config::ClusterConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaemonSetId(pub u8);

/// A Job, by its position in [`ClusterConfig::jobs`](crate::config::ClusterConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u8);

/// A pod template, by its position in [`ClusterConfig::templates`](crate::config::ClusterConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u8);

/// A persistent volume, by its position in [`ClusterConfig::volumes`](crate::config::ClusterConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u8);

/// A zone, by its position in [`ClusterConfig::zones`](crate::config::ClusterConfig::zones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u8);

/// A taint key, value and effect, by its position in
/// [`ClusterConfig::taints`](crate::config::ClusterConfig::taints).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaintId(pub u8);

/// A duration in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u32);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// Defines a set of small ids, held in the bits of one integer.
macro_rules! id_set {
    ($(#[$doc:meta])* $set:ident of $id:ident in $bits:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $set(pub $bits);

        impl $set {
            /// How many different ids a set can hold.
            pub const CAPACITY: usize = <$bits>::BITS as usize;
            /// The set without members.
            pub const EMPTY: Self = $set(0);

            /// Whether `id` is a member.
            pub fn contains(self, id: $id) -> bool {
                self.0 >> id.0 & 1 == 1
            }
            /// Adds `id`; true if it was not a member.
            pub fn insert(&mut self, id: $id) -> bool {
                let new = !self.contains(id);
                self.0 |= 1 << id.0;
                new
            }
            /// Takes `id` out; true if it was a member.
            pub fn remove(&mut self, id: $id) -> bool {
                let old = self.contains(id);
                self.0 &= !(1 << id.0);
                old
            }
            /// This set and `id`.
            pub fn with(mut self, id: $id) -> Self {
                self.insert(id);
                self
            }
            /// Members of either.
            pub fn union(self, other: Self) -> Self {
                $set(self.0 | other.0)
            }
            /// Members of both.
            pub fn intersection(self, other: Self) -> Self {
                $set(self.0 & other.0)
            }
            /// Members of this set that are not in `other`.
            pub fn minus(self, other: Self) -> Self {
                $set(self.0 & !other.0)
            }
            /// Whether there is no member.
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }
            /// Number of members.
            pub fn len(self) -> usize {
                self.0.count_ones() as usize
            }
            /// The members, in ascending order.
            pub fn iter(self) -> impl Iterator<Item = $id> {
                (0..Self::CAPACITY as u8).map($id).filter(move |&id| self.contains(id))
            }
        }

        impl FromIterator<$id> for $set {
            fn from_iter<I: IntoIterator<Item = $id>>(ids: I) -> Self {
                ids.into_iter().fold($set::EMPTY, $set::with)
            }
        }
    };
}

id_set! {
    /// A set of nodes.
    NodeSet of NodeId in u16
}
id_set! {
    /// A set of pod uids.
    PodSet of PodUid in u32
}
id_set! {
    /// A set of pod names.
    NameSet of PodName in u64
}
id_set! {
    /// A set of volumes.
    VolumeSet of VolumeId in u16
}
id_set! {
    /// A set of taints (key, value and effect).
    TaintSet of TaintId in u16
}
