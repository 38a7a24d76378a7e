//! What the API server refuses: the rules that one field cannot say by itself, in CEL.
//!
//! Source: the product specification, `20-operator`, The custom resource. Two habits hold for all of them:
//! - one-of and immutability are rules on `spec` with `has(self.x) == has(oldSelf.x)`: a rule on the field itself is bypassed
//!   by removing its parent;
//! - a rule that looks at `status` only judges what has changed in `spec`: it must never refuse the operator's own writes of
//!   the status, whatever they say.
//!
//! [`examples`] has for each rule what it refuses and what it lets pass, for the tests here and against a real API server.

mod element;
pub mod examples;
mod life;
mod mode;
mod pods;
mod storage;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

/// The schema node a rule is attached to, and so what `self` means in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The whole object: `self.spec`, `self.status`, `self.metadata.name`.
    Root,
    /// `spec`.
    Spec,
}

/// One thing the API server refuses.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, for tests and for people who read them.
    pub name: &'static str,
    /// Where it is attached.
    pub place: Place,
    /// The field the refusal is about, as a path from there.
    pub field: Option<&'static str>,
    /// What has to be true.
    pub cel: &'static str,
    /// What the API server says otherwise: which field, and what to do.
    pub message: &'static str,
}

impl Rule {
    /// The rule as the CRD has it. The reason makes the API server say the field and the message, and nothing else.
    pub fn validation(&self) -> ValidationRule {
        ValidationRule {
            rule: self.cel.to_owned(),
            message: Some(self.message.to_owned()),
            field_path: self.field.map(ToOwned::to_owned),
            reason: Some("FieldValueForbidden".to_owned()),
            ..ValidationRule::default()
        }
    }
}

/// Every rule, in the order of the CRD.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [element::RULES, mode::RULES, storage::RULES, life::RULES, pods::RULES].into_iter().flatten()
}

#[cfg(test)]
mod tests;
