//! The container runtime of one node: what really runs (RB-1, and the CRI side of PW-3 and PW-4).
//!
//! It outlives its kubelet, and its disk (metadata of sandboxes and containers) outlives a
//! power-off. Upstream: containerd's CRI plugin; `pkg/kubelet/kuberuntime`.

use crate::config::ClusterConfig;
use crate::effects::Effects;
use crate::ids::{PodName, PodSet, PodUid, TemplateId};
use crate::objects::Exit;
use crate::rules::Rule;

/// A call of the kubelet that the runtime works on. A pod's worker has one call at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Run a sandbox if none is ready, then start the container (PW-3).
    Start,
    /// Stop the container with its grace period, then the sandbox (PW-4).
    Stop,
    /// What is left of [`Stop`](Call::Stop) when its kubelet has died: SIGTERM has been sent, and
    /// nobody goes on to kill the container or to stop the sandbox.
    Signalled,
    /// Forget the pod's dead sandbox and container.
    Remove,
}

/// A pod sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sandbox {
    /// Never run.
    Absent,
    /// Running, with network and address.
    Ready,
    /// Stopped, or dead with its node.
    NotReady,
}

/// A container as the runtime knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// Never started.
    Absent,
    /// Its process runs.
    Running,
    /// Its process ended.
    Exited(Exit),
}

/// What the runtime knows of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuntimePod {
    /// Whose containers.
    pub uid: PodUid,
    /// The pod's name.
    pub name: PodName,
    /// The spec, for the behaviour on SIGTERM.
    pub template: TemplateId,
    /// The latest sandbox.
    pub sandbox: Sandbox,
    /// The number of the latest sandbox; each has a new address.
    pub attempt: u8,
    /// The latest container.
    pub container: Container,
    /// How often the container was started.
    pub starts: u8,
    /// The call being worked on.
    pub call: Option<Call>,
}

/// The container runtime and the containers of one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerRuntime {
    /// Whether the node has power.
    pub powered: bool,
    /// Whether the daemon answers.
    pub up: bool,
    /// Whether the pod network is configured (CNI).
    pub network: bool,
    /// `bootID`, counted from 0.
    pub boot: u8,
    /// Pods that left a trace, by uid.
    pub pods: Vec<RuntimePod>,
}

/// A step of the runtime on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuntimeStep {
    /// Create the sandbox, network included.
    RunSandbox(PodUid),
    /// Start the container's process.
    StartContainer(PodUid),
    /// The container's process has done its work and ends by itself (JB-7).
    Complete(PodUid),
    /// The container's process ends: by itself on SIGTERM, or killed after the grace period.
    StopContainer(PodUid),
    /// Tear the sandbox down, network included.
    StopSandbox(PodUid),
}

impl RuntimePod {
    /// The last part of a stop.
    fn stop_sandbox(&mut self) {
        if self.sandbox == Sandbox::Ready {
            self.sandbox = Sandbox::NotReady;
        }
        self.call = None;
    }
}

impl RuntimeStep {
    /// Whose containers.
    pub fn uid(self) -> PodUid {
        match self {
            RuntimeStep::RunSandbox(uid)
            | RuntimeStep::StartContainer(uid)
            | RuntimeStep::Complete(uid)
            | RuntimeStep::StopContainer(uid)
            | RuntimeStep::StopSandbox(uid) => uid,
        }
    }
}

impl Default for ContainerRuntime {
    /// A node that runs and has never run a pod.
    fn default() -> Self {
        ContainerRuntime { powered: true, up: true, network: true, boot: 0, pods: Vec::new() }
    }
}

impl ContainerRuntime {
    /// What is known of a pod.
    pub fn pod(&self, uid: PodUid) -> Option<&RuntimePod> {
        self.pods.iter().find(|pod| pod.uid == uid)
    }

    /// Pods whose container process runs.
    pub fn running(&self) -> PodSet {
        let running = self.pods.iter().filter(|pod| pod.container == Container::Running);
        running.map(|pod| pod.uid).collect()
    }

    /// Uids that the runtime names.
    pub fn mentions(&self) -> PodSet {
        self.pods.iter().map(|pod| pod.uid).collect()
    }

    /// Accepts a call of the kubelet.
    pub fn accept(
        &mut self,
        (uid, name): (PodUid, PodName),
        template: TemplateId,
        call: Call,
        fx: &mut Effects,
    ) {
        if !self.up {
            fx.unhandled("a kubelet called a container runtime that does not answer");
            return;
        }
        if call == Call::Remove {
            self.pods.retain(|pod| pod.uid != uid);
            return;
        }
        let at = match self.pods.binary_search_by_key(&uid, |pod| pod.uid) {
            Ok(at) => at,
            Err(at) => {
                let pod = RuntimePod {
                    uid,
                    name,
                    template,
                    sandbox: Sandbox::Absent,
                    attempt: 0,
                    container: Container::Absent,
                    starts: 0,
                    call: None,
                };
                self.pods.insert(at, pod);
                at
            }
        };
        self.pods[at].call = Some(call);
    }

    /// The steps that the runtime can take now.
    pub fn steps(&self, config: &ClusterConfig, out: &mut Vec<RuntimeStep>) {
        for pod in &self.pods {
            if pod.container == Container::Running && config.template(pod.template).completes {
                out.push(RuntimeStep::Complete(pod.uid));
            }
            // A process ends by itself, whether or not the daemon looks.
            if !self.up && pod.call != Some(Call::Signalled) {
                continue;
            }
            match (pod.call, pod.sandbox, pod.container) {
                (Some(Call::Start), Sandbox::Ready, _) => {
                    out.push(RuntimeStep::StartContainer(pod.uid))
                }
                (Some(Call::Start), _, _) if self.network => {
                    out.push(RuntimeStep::RunSandbox(pod.uid))
                }
                (Some(Call::Stop | Call::Signalled), _, Container::Running) => {
                    out.push(RuntimeStep::StopContainer(pod.uid))
                }
                (Some(Call::Stop), _, _) if self.network => {
                    out.push(RuntimeStep::StopSandbox(pod.uid))
                }
                _ => {}
            }
        }
    }

    /// Takes a step.
    pub fn step(&mut self, config: &ClusterConfig, step: RuntimeStep, fx: &mut Effects) {
        let uid = step.uid();
        let Some(pod) = self.pods.iter_mut().find(|pod| pod.uid == uid) else {
            fx.unhandled("the container runtime was to act on a pod that it does not know");
            return;
        };
        match step {
            RuntimeStep::RunSandbox(_) => {
                fx.rule(Rule::Pw3);
                if pod.sandbox != Sandbox::Absent {
                    // A sandbox that died is replaced by one with a new address.
                    fx.rule(Rule::Rb3);
                    pod.attempt += 1;
                }
                pod.sandbox = Sandbox::Ready;
            }
            RuntimeStep::StartContainer(_) => {
                fx.rule(if pod.starts == 0 { Rule::Pw3 } else { Rule::Rb3 });
                pod.container = Container::Running;
                pod.starts += 1;
                pod.call = None;
            }
            RuntimeStep::Complete(_) => {
                fx.rule(Rule::Jb7);
                pod.container = Container::Exited(Exit::Completed);
                pod.call = pod.call.filter(|call| *call != Call::Signalled);
            }
            RuntimeStep::StopContainer(_) => {
                fx.rule(Rule::Pw4);
                let ends = config.template(pod.template).ends_on_sigterm;
                pod.container =
                    Container::Exited(if ends { Exit::Completed } else { Exit::Killed });
                pod.call = pod.call.filter(|call| *call != Call::Signalled);
                if pod.call == Some(Call::Stop) && self.network {
                    // The sandbox follows at once. A crash between the two leaves what a crash after
                    // the signal does, if the container ends on it.
                    pod.stop_sandbox();
                }
            }
            RuntimeStep::StopSandbox(_) => {
                fx.rule(Rule::Pw4);
                pod.stop_sandbox();
            }
        }
    }

    /// The node loses power: every process ends, metadata stays on disk (RB-1).
    pub fn power_off(&mut self, config: &ClusterConfig) {
        self.crash(config);
        self.powered = false;
        self.network = false;
        for pod in &mut self.pods {
            pod.call = None;
            if pod.sandbox == Sandbox::Ready {
                pod.sandbox = Sandbox::NotReady;
            }
            if pod.container == Container::Running {
                // What containerd finds at the next boot: no task, exit code 255.
                pod.container = Container::Exited(Exit::Unknown);
            }
        }
    }

    /// The node boots.
    pub fn power_on(&mut self, network: bool) {
        self.powered = true;
        self.up = true;
        self.network = network;
        self.boot += 1;
    }

    /// The daemon dies: calls are lost, containers go on.
    pub fn crash(&mut self, config: &ClusterConfig) {
        self.up = false;
        self.lose_calls(config);
    }

    /// The kubelet or the daemon dies. A start is a row of calls, and the one under way ends with
    /// its connection; a container that was told to end goes on ending, if it does so by itself.
    pub fn lose_calls(&mut self, config: &ClusterConfig) {
        for pod in &mut self.pods {
            let told = matches!(pod.call, Some(Call::Stop | Call::Signalled));
            let running = pod.container == Container::Running;
            let ends = told && running && config.template(pod.template).ends_on_sigterm;
            pod.call = ends.then_some(Call::Signalled);
        }
        self.pods.retain(|pod| pod.sandbox != Sandbox::Absent);
    }
}
