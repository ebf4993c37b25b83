//! Jobs, as `kubectl get -o yaml` prints them.

use k8s_openapi::api::batch::v1::{JobSpec, PodFailurePolicyRule};
use models::config::{FailureAction, FailureRule, JobConfig, Replacement, RestartPolicy, Strategy};
use models::ids::{Seconds, TemplateId};

use super::cursor::Cursor;
use super::decode::decode;
use super::error::{InputError, Warning};
use super::manifest::{Kind, MAX_REPLICAS, Workload, pod_shape};
use super::unmodelled::{warn_job, warn_metadata};

/// `backoffLimit` where a manifest has none.
const DEFAULT_BACKOFF_LIMIT: i64 = 6;

/// What the API server makes of a Job without a selector; the value is the Job's uid.
const SELECTOR: &str = "batch.kubernetes.io/controller-uid=…";

/// Reads the spec of a Job. Its name and template come later.
pub(super) fn read<'a>(
    document: &Cursor<'a>,
    at: &Cursor<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Workload<'a>, InputError> {
    let spec: JobSpec = decode(at, warnings)?;
    warn_job(at, warnings);
    let template_at = at.required("template")?;
    let pod_at = template_at.required("spec")?;
    if let Some(metadata) = template_at.get("metadata") {
        warn_metadata(&metadata, warnings);
    }
    let pod = pod_shape(&spec.template.spec.clone().unwrap_or_default(), &pod_at, warnings)?;
    if pod.restart_policy == RestartPolicy::Always {
        let at = pod_at.toward(&["restartPolicy"]);
        return Err(at.error("of a Job must be OnFailure or Never"));
    }
    let number = |name: &str, most: i64| at.get(name).map(|field| field.integer(0..=most));
    let parallelism = number("parallelism", MAX_REPLICAS).transpose()?;
    let completions = match number("completions", MAX_REPLICAS).transpose()? {
        None if parallelism.is_none() => Some(1),
        given => given,
    };
    let backoff_limit = number("backoffLimit", i64::from(i32::MAX)).transpose()?;
    let replacement = match at.get("podReplacementPolicy") {
        Some(policy) => Some(policy.word(&[
            ("TerminatingOrFailed", Replacement::TerminatingOrFailed),
            ("Failed", Replacement::Failed),
        ])?),
        None => None,
    };
    let failure_policy = failure_policy(&spec, at, warnings)?;
    check_policies(at, &pod_at, pod.restart_policy, replacement, failure_policy.is_some())?;
    let parallelism = parallelism.unwrap_or(1) as u8;
    let completions = completions.map(|all| all as u8);
    let job = JobConfig {
        name: String::new(),
        template: TemplateId(0),
        parallelism,
        completions,
        backoff_limit: backoff_limit.unwrap_or(DEFAULT_BACKOFF_LIMIT) as u32,
        replacement,
        failure_policy,
        selector: SELECTOR.to_string(),
    };
    Ok(Workload {
        kind: Kind::Job,
        name: String::new(),
        namespace: String::new(),
        replicas: completions.map_or(parallelism, |all| all.min(parallelism)),
        min_ready: Seconds(0),
        selector: None,
        labels: spec.template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default(),
        ordered: false,
        strategy: Strategy::DEFAULT,
        job: Some(job),
        pod,
        at: document.clone(),
        pod_at,
        owner: None,
    })
}

/// What the API server refuses.
fn check_policies(
    at: &Cursor<'_>,
    pod_at: &Cursor<'_>,
    restart_policy: RestartPolicy,
    replacement: Option<Replacement>,
    has_failure_policy: bool,
) -> Result<(), InputError> {
    if has_failure_policy && restart_policy != RestartPolicy::Never {
        let at = pod_at.toward(&["restartPolicy"]);
        return Err(at.error("of a Job with a podFailurePolicy must be Never"));
    }
    if has_failure_policy && replacement == Some(Replacement::TerminatingOrFailed) {
        let at = at.toward(&["podReplacementPolicy"]);
        return Err(at.error("of a Job with a podFailurePolicy must be Failed"));
    }
    Ok(())
}

fn failure_policy(
    spec: &JobSpec,
    at: &Cursor<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Vec<FailureRule>>, InputError> {
    let Some(policy) = &spec.pod_failure_policy else { return Ok(None) };
    let rules_at = at.required("podFailurePolicy")?.required("rules")?.items()?;
    let rules = policy.rules.iter().zip(&rules_at);
    rules.map(|(rule, at)| failure_rule(rule, at, warnings)).collect::<Result<_, _>>().map(Some)
}

fn failure_rule(
    rule: &PodFailurePolicyRule,
    at: &Cursor<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<FailureRule, InputError> {
    let action = at.required("action")?.word(&[
        ("Ignore", FailureAction::Ignore),
        ("Count", FailureAction::Count),
        ("FailJob", FailureAction::FailJob),
    ])?;
    let conditions = rule.on_pod_conditions.iter().flatten();
    let mut on_disruption = false;
    for condition in conditions {
        let status = condition.status.as_deref().unwrap_or("True");
        match (condition.type_.as_str(), status) {
            ("DisruptionTarget", "True") => on_disruption = true,
            (other, _) => {
                let at = at.toward(&["onPodConditions"]);
                let condition = other.escape_debug();
                let what = format!("names condition {condition}, which no pod has here");
                warnings.push(at.warning(&what));
            }
        }
    }
    let exit_codes = match &rule.on_exit_codes {
        None => None,
        Some(codes) => {
            let at = at.required("onExitCodes")?;
            let listed = at.required("operator")?.word(&[("In", true), ("NotIn", false)])?;
            Some((listed, codes.values.clone()))
        }
    };
    Ok(FailureRule { action, on_disruption, exit_codes })
}
