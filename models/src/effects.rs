//! What a transition does besides changing its own state.

use crate::container_runtime::Call;
use crate::ids::PodUid;
use crate::objects::{EventType, Object, WatchEvent};
use crate::requests::{Reply, Request};
use crate::rules::Rule;

/// Collects the outputs of one transition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The rules that the transition implements; the first is the primary one.
    pub rules: Vec<Rule>,
    /// Requests to the API server, in order.
    pub requests: Vec<Request>,
    /// Watch events, in the order of their resource versions (from the API server only).
    pub events: Vec<WatchEvent>,
    /// Calls to the container runtime of the same node (from a kubelet only).
    pub calls: Vec<(PodUid, Call)>,
    /// Set when an actor got a message that it cannot handle: an error of the model.
    pub unhandled: Option<&'static str>,
}

impl Effects {
    /// Names a rule that this transition implements.
    pub fn rule(&mut self, rule: Rule) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// Sends a request to the API server.
    pub fn send(&mut self, request: Request) {
        self.requests.push(request);
    }

    /// Announces a change of a stored object.
    pub fn publish(&mut self, kind: EventType, object: Object) {
        self.events.push(WatchEvent { kind, object });
    }

    /// Calls the container runtime.
    pub fn call(&mut self, uid: PodUid, call: Call) {
        self.calls.push((uid, call));
    }

    /// Records that a message could not be handled.
    pub fn unhandled(&mut self, what: &'static str) -> Reply {
        self.unhandled = Some(what);
        Reply::NotFound
    }
}
