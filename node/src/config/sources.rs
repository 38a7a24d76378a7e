//! Where values come from: the environment over a file over defaults.
//!
//! A loader of our own and not figment's: figment stops at the first error, and it guesses a type for every variable,
//! so that an audience of `007` or a password of `true` would no longer be text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::error::ConfigProblem;

/// The variable that names the file where `--config` does not.
pub const CONFIG_FILE_VARIABLE: &str = "STORAGE_ELEMENT_CONFIG";

/// What every variable of the configuration begins with.
pub const VARIABLE_PREFIX: &str = "SE_";

/// The usual variable for the collector of traces; stands in for `SE_TRACING__ENDPOINT`.
pub const OTLP_ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This variable of the environment.
    Env(String),
    /// This file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl Source {
    /// The name in `GET /api/v1/admin/config`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::File(_) => "file",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(variable) => f.write_str(variable),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// From the environment, or a default: only text, whatever it looks like.
    Text(String),
    /// From the file.
    Yaml(Value),
}

/// What was given for a key.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub raw: Raw,
    pub source: Source,
}

/// What was given for each key, and what was given for none.
#[derive(Default)]
pub(super) struct Sources {
    pub given: BTreeMap<String, Given>,
    pub problems: Vec<ConfigProblem>,
}

/// The variable that sets `key`.
pub fn variable_of(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

impl Sources {
    /// Gathers the values for `keys` from the environment and the file.
    pub fn gather(file: Option<&Path>, env: &BTreeMap<String, String>, keys: &BTreeSet<&'static str>) -> Self {
        let mut sources = Self::default();
        let named = env.get(CONFIG_FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        if let Some(path) = file.map(Path::to_path_buf).or(named) {
            sources.read_file(&path, keys);
        }
        sources.read_env(env, keys);
        sources
    }

    fn read_file(&mut self, path: &Path, keys: &BTreeSet<&'static str>) {
        let source = Source::File(path.to_path_buf());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let problem = format!(
                    "the configuration file cannot be read ({error}): correct --config or {CONFIG_FILE_VARIABLE}, or \
                     make the file readable"
                );
                return self.problem("the file", source, problem);
            }
        };
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return;
        }
        match serde_yaml::from_str(&text) {
            Ok(root) => self.walk("", root, &source, keys),
            // The message names the place, and may quote a few words of syntax, not values.
            Err(error) => self.problem("the file", source, format!("not readable as YAML: {error}")),
        }
    }

    fn walk(&mut self, at: &str, value: Value, source: &Source, keys: &BTreeSet<&'static str>) {
        if keys.contains(at) {
            if !value.is_null() {
                self.given.insert(at.to_owned(), Given { raw: Raw::Yaml(value), source: source.clone() });
            }
            return;
        }
        let is_section =
            at.is_empty() || keys.iter().any(|key| key.strip_prefix(at).is_some_and(|k| k.starts_with('.')));
        if !is_section {
            return self.problem(at, source.clone(), unknown(at, keys));
        }
        match value {
            Value::Null => {}
            Value::Mapping(entries) => {
                for (name, value) in entries {
                    let Value::String(name) = name else {
                        let place = if at.is_empty() { "the file" } else { at };
                        self.problem(place, source.clone(), "has a key that is not text".to_owned());
                        continue;
                    };
                    // A dot inside a name would be taken for a level.
                    let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    if name.contains('.') {
                        let problem = "levels are written as nested mappings, not with dots".to_owned();
                        self.problem(&path, source.clone(), problem);
                        continue;
                    }
                    self.walk(&path, value, source, keys);
                }
            }
            _ if at.is_empty() => self.problem("the file", source.clone(), "must be a mapping of sections".to_owned()),
            _ => self.problem(at, source.clone(), "is a section: its keys go below it, indented".to_owned()),
        }
    }

    fn read_env(&mut self, env: &BTreeMap<String, String>, keys: &BTreeSet<&'static str>) {
        let known: BTreeMap<String, &'static str> = keys.iter().map(|key| (variable_of(key), *key)).collect();
        if let Some(endpoint) = env.get(OTLP_ENDPOINT_VARIABLE).filter(|value| !value.is_empty()) {
            self.set_from_env("tracing.endpoint", OTLP_ENDPOINT_VARIABLE, endpoint);
        }
        for (variable, value) in env.iter().filter(|(variable, _)| variable.starts_with(VARIABLE_PREFIX)) {
            match known.get(variable) {
                Some(key) => self.set_from_env(key, variable, value),
                None => self.unknown_variable(variable, keys),
            }
        }
    }

    fn set_from_env(&mut self, key: &str, variable: &str, value: &str) {
        let given = Given { raw: Raw::Text(value.to_owned()), source: Source::Env(variable.to_owned()) };
        self.given.insert(key.to_owned(), given);
    }

    fn unknown_variable(&mut self, variable: &str, keys: &BTreeSet<&'static str>) {
        let key = variable.trim_start_matches(VARIABLE_PREFIX).to_lowercase().replace("__", ".");
        let mut problem = unknown(&key, keys);
        // Kubernetes puts such variables into every pod when a Service is named `se` or begins with `se-`.
        if ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT", "_PROTO", "_ADDR"].iter().any(|end| variable.ends_with(end)) {
            problem.push_str("; if a Kubernetes Service brings it, set enableServiceLinks: false on the pod");
        }
        self.problem(&key, Source::Env(variable.to_owned()), problem);
    }

    fn problem(&mut self, key: &str, source: Source, problem: String) {
        self.problems.push(ConfigProblem { key: key.to_owned(), source, problem });
    }
}

/// Says that a key is unknown, and which known one comes closest.
fn unknown(key: &str, keys: &BTreeSet<&'static str>) -> String {
    let closest = keys.iter().map(|known| (distance(key, known), known)).min();
    match closest {
        Some((distance, known)) if distance <= 3 => format!("no such key; did you mean {known}?"),
        _ => "no such key: docs/configuration.md lists all of them".to_owned(),
    }
}

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
