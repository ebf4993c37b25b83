//! Guarantees of the models as properties for the engine.

use std::sync::Arc;

use models::guarantees::{Guarantee, GuaranteeKind, Test as ModelTest, Transition};

use crate::engine::property::{Kind, Property, Test};
use crate::engine::star::StarSystem;
use crate::scenario::cluster::Cluster;

/// A guarantee as a property of a cluster.
pub fn property(guarantee: &Guarantee) -> Property<StarSystem<Cluster>> {
    let kind = match guarantee.kind {
        GuaranteeKind::State => Kind::State,
        GuaranteeKind::Step => Kind::Step,
        GuaranteeKind::Sometimes => Kind::Sometimes,
    };
    let test = match guarantee.test {
        ModelTest::State(test) => {
            Test::State(Arc::new(move |system: &StarSystem<Cluster>, state| {
                test(&system.0.view(state))
            }))
        }
        ModelTest::Step(test) => {
            Test::Step(Arc::new(move |system: &StarSystem<Cluster>, before, _, after| {
                test(&Transition { before: system.0.view(before), after: system.0.view(after) })
            }))
        }
    };
    Property { name: guarantee.name.to_string(), kind, test }
}
