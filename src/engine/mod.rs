//! The checker: search over any system, and the star of actors as one kind of system.
//!
//! Nothing here knows what it is that is modelled, or depends on another folder of the project.

pub mod actors;
pub mod bare;
pub mod compact;
pub mod explorer;
pub mod fingerprint;
pub mod property;
pub mod reach;
pub mod reference;
pub mod schedule;
pub mod search;
pub mod simulate;
pub mod slots;
pub mod star;
pub mod stateright;
pub mod system;
pub mod trail;
pub mod usage;
