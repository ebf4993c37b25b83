//! Label selectors: whether they match, and how kubectl prints them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Labels of an object.
pub(super) type Labels = BTreeMap<String, String>;

/// A selector that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    /// Sorted by key, as kubectl prints them.
    terms: Vec<(String, Term)>,
}

/// What is asked of one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Term {
    Equals(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Checks a selector as the API server does.
    pub(super) fn new(selector: &LabelSelector) -> Result<Self, String> {
        let labels = selector.match_labels.iter().flatten();
        let mut terms: Vec<_> =
            labels.map(|(key, value)| (key.clone(), Term::Equals(value.clone()))).collect();
        for expression in selector.match_expressions.iter().flatten() {
            terms.push((expression.key.clone(), term(expression)?));
        }
        if terms.is_empty() {
            return Err("must not be empty".to_string());
        }
        terms.sort();
        Ok(Selector { terms })
    }

    /// The same selector, with one more label.
    pub(super) fn with(&self, key: &str, value: &str) -> Self {
        let mut terms = self.terms.clone();
        terms.push((key.to_string(), Term::Equals(value.to_string())));
        terms.sort();
        Selector { terms }
    }

    /// Whether an object with these labels is selected.
    pub(super) fn matches(&self, labels: &Labels) -> bool {
        self.terms.iter().all(|(key, term)| {
            let value = labels.get(key);
            match term {
                Term::Equals(wanted) => value == Some(wanted),
                Term::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
                Term::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
                Term::Exists => value.is_some(),
                Term::DoesNotExist => value.is_none(),
            }
        })
    }
}

/// One entry of `matchExpressions`.
fn term(expression: &LabelSelectorRequirement) -> Result<Term, String> {
    let mut values = expression.values.clone().unwrap_or_default();
    values.sort();
    let operator = expression.operator.as_str();
    let needs_values = matches!(operator, "In" | "NotIn");
    if needs_values == values.is_empty() {
        let must = if needs_values { "needs" } else { "must not have" };
        return Err(format!("{must} values for operator {operator} on `{}`", expression.key));
    }
    match operator {
        "In" => Ok(Term::In(values)),
        "NotIn" => Ok(Term::NotIn(values)),
        "Exists" => Ok(Term::Exists),
        "DoesNotExist" => Ok(Term::DoesNotExist),
        _ => Err(format!("has the operator \"{operator}\", not In, NotIn, Exists or DoesNotExist")),
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (key, term)) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match term {
                Term::Equals(value) => write!(f, "{key}={value}")?,
                Term::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Term::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Term::Exists => f.write_str(key)?,
                Term::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
        LabelSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values: (!values.is_empty()).then(|| values.iter().map(|v| v.to_string()).collect()),
        }
    }

    #[test]
    fn a_selector_matches_and_prints_as_kubectl_does() {
        let selector = Selector::new(&LabelSelector {
            match_labels: Some(labels(&[("app", "web")])),
            match_expressions: Some(vec![
                expression("tier", "In", &["b", "a"]),
                expression("old", "DoesNotExist", &[]),
                expression("env", "NotIn", &["test"]),
                expression("zone", "Exists", &[]),
            ]),
        })
        .unwrap();
        assert_eq!(selector.to_string(), "app=web,env notin (test),!old,tier in (a,b),zone");
        let good = labels(&[("app", "web"), ("tier", "a"), ("zone", "")]);
        assert!(selector.matches(&good));
        for (key, value) in [("app", "db"), ("tier", "c"), ("old", ""), ("env", "test")] {
            let mut bad = good.clone();
            bad.insert(key.to_string(), value.to_string());
            assert!(!selector.matches(&bad), "{key}={value}");
        }
        let hashed = selector.with("pod-template-hash", "x");
        assert!(hashed.to_string().contains("!old,pod-template-hash=x,tier"));
    }

    #[test]
    fn selectors_that_an_api_server_refuses_are_refused() {
        assert!(Selector::new(&LabelSelector::default()).is_err());
        for bad in [
            expression("a", "In", &[]),
            expression("a", "Exists", &["x"]),
            expression("a", "Near", &["x"]),
        ] {
            let selector = LabelSelector { match_expressions: Some(vec![bad]), match_labels: None };
            assert!(Selector::new(&selector).is_err());
        }
    }
}
