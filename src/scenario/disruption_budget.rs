//! PodDisruptionBudgets, as `kubectl get -o yaml` prints them.

use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use models::disruption::{Amount, DisruptionBudget, Limit};
use models::ids::TemplateId;

use super::cursor::Cursor;
use super::decode::decode;
use super::error::{InputError, Warning};
use super::manifest::Workload;
use super::selector::Selector;

/// Whether a document is a PodDisruptionBudget.
pub(super) fn is_budget(document: &Cursor<'_>) -> bool {
    document.get("kind").is_some_and(|kind| kind.text() == Ok("PodDisruptionBudget"))
}

/// Reads the budgets among the documents. Templates are numbered as their workloads are.
pub(super) fn read_budgets(
    documents: &[Cursor<'_>],
    workloads: &[Workload<'_>],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<DisruptionBudget>, InputError> {
    let budgets = documents.iter().filter(|document| is_budget(document));
    budgets.map(|document| read(document, workloads, warnings)).collect()
}

fn read(
    document: &Cursor<'_>,
    workloads: &[Workload<'_>],
    warnings: &mut Vec<Warning>,
) -> Result<DisruptionBudget, InputError> {
    let api_version = document.required("apiVersion")?;
    if api_version.text()? != "policy/v1" {
        let shown = api_version.text()?.escape_debug().to_string();
        let problem = format!("of a PodDisruptionBudget must be policy/v1, is {shown}");
        return Err(api_version.error(problem));
    }
    document.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
    let metadata = document.required("metadata")?;
    let name = metadata.required("name")?.object_name()?.to_string();
    let namespace =
        metadata.get("namespace").map(|at| at.text().map(str::to_string)).transpose()?;
    let at = document.required("spec")?;
    let spec: PodDisruptionBudgetSpec = decode(&at, warnings)?;
    let selector_at = at.required("selector")?;
    let selector = Selector::new(&spec.selector.unwrap_or_default());
    let selector = selector.map_err(|problem| selector_at.error(problem))?;
    let limit = match (&spec.min_available, &spec.max_unavailable) {
        (Some(least), None) => Limit::MinAvailable(amount(least, &at.toward(&["minAvailable"]))?),
        (None, Some(most)) => Limit::MaxUnavailable(amount(most, &at.toward(&["maxUnavailable"]))?),
        (None, None) => return Err(at.error("needs minAvailable or maxUnavailable")),
        (Some(_), Some(_)) => {
            return Err(at.error("must not have both minAvailable and maxUnavailable"));
        }
    };
    let selects = |workload: &Workload<'_>| {
        let same = namespace.as_deref().unwrap_or_default() == workload.namespace;
        same && selector.matches(&workload.labels)
    };
    let numbered = (0..).map(TemplateId).zip(workloads);
    let templates: Vec<TemplateId> =
        numbered.filter(|(_, w)| selects(w)).map(|(id, _)| id).collect();
    if templates.is_empty() {
        let message = format!("PodDisruptionBudget {name} selects the pods of no workload here");
        warnings.push(Warning::at(selector_at.place(), message));
    }
    let policy = spec.unhealthy_pod_eviction_policy;
    let always_allows_unhealthy = policy.as_deref() == Some("AlwaysAllow");
    Ok(DisruptionBudget { name, templates, limit, always_allows_unhealthy })
}

/// A number, or a share like `50%`.
fn amount(value: &IntOrString, at: &Cursor<'_>) -> Result<Amount, InputError> {
    let (digits, make): (String, fn(u32) -> Amount) = match value {
        IntOrString::Int(number) => (number.to_string(), Amount::Pods),
        IntOrString::String(text) => match text.strip_suffix('%') {
            Some(digits) => (digits.to_string(), Amount::Percent),
            None => (String::new(), Amount::Pods),
        },
    };
    match digits.parse::<u16>() {
        Ok(number) => Ok(make(u32::from(number))),
        Err(_) => Err(at.error("must be a number of pods, or a share like 50%")),
    }
}
