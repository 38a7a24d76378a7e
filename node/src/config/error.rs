//! What is wrong with a configuration: everything at once.

use std::fmt;

use super::sources::Source;

/// One thing that is wrong, with the key, where its value came from, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key, such as `limits.body_bytes`; for what is not a key, what stands in its place.
    pub key: String,
    /// Where the value came from.
    pub source: Source,
    /// What is wrong and what would be right. Never shows the value of a secret.
    pub problem: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Default => write!(f, "{} (not set): {}", self.key, self.problem),
            source => write!(f, "{} (from {source}): {}", self.key, self.problem),
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Never empty.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "the configuration has an error:")?,
            count => write!(f, "the configuration has {count} errors:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}
