//! Reads every key once: its value, what it means, and what is wrong with it.
//!
//! Sections ask for their keys here, and by asking they declare them: the list of known keys, the documentation and
//! `GET /api/v1/admin/config` all come from the same questions, so none can lag behind.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::error::ConfigProblem;
use super::sources::{Given, Raw, Source, Sources};
use super::values::{self, Read};

/// What a masked secret shows.
pub const MASK: &str = "***";

/// One key of the effective configuration, as `GET /api/v1/admin/config` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigItem {
    /// The key.
    pub key: &'static str,
    /// Its value; null when it has none, [`MASK`] for a secret.
    pub value: Json,
    /// `env`, `file` or `default`.
    pub source: &'static str,
}

/// What the documentation says about a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyDoc {
    pub key: &'static str,
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

/// Reads keys from the sources.
pub(super) struct Reader {
    given: BTreeMap<String, Given>,
    pub docs: Vec<KeyDoc>,
    pub items: Vec<ConfigItem>,
    pub problems: Vec<ConfigProblem>,
}

/// A key about to be read: `Ask("limits.body_bytes", "1MiB", "What it means.")`; an empty default is none.
#[derive(Clone, Copy)]
pub(super) struct Ask(pub &'static str, pub &'static str, pub &'static str);

impl Reader {
    pub fn new(sources: Sources) -> Self {
        Self { given: sources.given, docs: Vec::new(), items: Vec::new(), problems: sources.problems }
    }

    /// Where the value of `key` came from.
    pub fn source(&self, key: &str) -> Source {
        self.given.get(key).map_or(Source::Default, |given| given.source.clone())
    }

    /// Whether anybody set `key`.
    pub fn is_set(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Notes that something is wrong with `key`.
    pub fn wrong(&mut self, key: &str, problem: impl Into<String>) {
        let problem = ConfigProblem { key: key.to_owned(), source: self.source(key), problem: problem.into() };
        self.problems.push(problem);
    }

    /// Reads a key with `read`, which gives the value and how it is shown.
    fn key<T>(&mut self, ask: Ask, read: impl Fn(&Raw) -> Read<(T, Json)>) -> Option<T> {
        let Ask(key, default, meaning) = ask;
        let default = Some(default).filter(|default| !default.is_empty());
        self.docs.push(KeyDoc { key, default, meaning });
        let raw = self.given.get(key).map(|given| given.raw.clone()).or(default.map(|text| Raw::Text(text.to_owned())));
        let (value, shown) = match raw.as_ref().map(read) {
            Some(Ok((value, shown))) => (Some(value), shown),
            Some(Err(problem)) => {
                self.wrong(key, problem);
                (None, Json::Null)
            }
            None => (None, Json::Null),
        };
        self.items.push(ConfigItem { key, value: shown, source: self.source(key).as_str() });
        value
    }

    pub fn text(&mut self, ask: Ask) -> Option<String> {
        self.checked_text(ask, |_| Ok(()))
    }

    pub fn checked_text(&mut self, ask: Ask, check: impl Fn(&str) -> Read<()>) -> Option<String> {
        self.key(ask, |raw| {
            let text = raw.text()?;
            check(&text)?;
            Ok((text.clone().into_owned(), json!(text)))
        })
    }

    /// Text that is never shown: not in the effective configuration, not in an error.
    pub fn secret(&mut self, ask: Ask) -> Option<String> {
        self.key(ask, |raw| Ok((raw.text()?.into_owned(), json!(MASK))))
    }

    pub fn path(&mut self, ask: Ask) -> Option<PathBuf> {
        self.text(ask).map(PathBuf::from)
    }

    pub fn list(&mut self, ask: Ask, check: impl Fn(&[String]) -> Read<()>) -> Vec<String> {
        let list = self.key(ask, |raw| {
            let list = raw.list()?;
            check(&list)?;
            Ok((list.clone(), json!(list)))
        });
        list.unwrap_or_default()
    }

    pub fn flag(&mut self, ask: Ask) -> bool {
        let flag = self.key(ask, |raw| {
            let flag = values::flag(&raw.scalar()?)?;
            Ok((flag, json!(flag)))
        });
        flag.unwrap_or_default()
    }

    pub fn whole(&mut self, ask: Ask, least: u64, most: u64, unit: &str) -> Option<u64> {
        self.key(ask, |raw| {
            let number = values::whole(&raw.scalar()?, least, most, unit)?;
            Ok((number, json!(number)))
        })
    }

    /// A number that fits 32 bits and has a default.
    pub fn small(&mut self, ask: Ask, least: u32, most: u32, unit: &str) -> u32 {
        self.whole(ask, least.into(), most.into(), unit).and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
    }

    pub fn percent(&mut self, ask: Ask) -> f64 {
        let percent = self.key(ask, |raw| {
            let percent = values::percent(&raw.scalar()?)?;
            Ok((percent, json!(percent)))
        });
        percent.unwrap_or_default()
    }

    pub fn size(&mut self, ask: Ask, least: u64, most: u64) -> Option<u64> {
        self.key(ask, |raw| {
            let text = raw.scalar()?;
            let size = values::size(&text)?;
            if !(least..=most).contains(&size) {
                return Err(format!("must be from {least} to {most} bytes, not {text}"));
            }
            Ok((size, json!(size)))
        })
    }

    /// A positive time in seconds, with a default.
    pub fn seconds(&mut self, ask: Ask, most: u64) -> Duration {
        Duration::from_secs(self.whole(ask, 1, most, "seconds").unwrap_or_default())
    }

    /// A positive time in hours; none when there is no default and nobody set it.
    pub fn hours(&mut self, ask: Ask, least: u64) -> Option<Duration> {
        self.whole(ask, least, 24 * 36_500, "hours").map(|hours| Duration::from_secs(hours * 3600))
    }

    pub fn address(&mut self, ask: Ask) -> Option<SocketAddr> {
        self.key(ask, |raw| {
            let text = raw.text()?;
            let address: SocketAddr = text.parse().map_err(|_| {
                format!("must be an IP address and a port, such as 0.0.0.0:8080 or [::]:8080, not {text:?}")
            })?;
            Ok((address, json!(address.to_string())))
        })
    }

    /// One of a few names.
    pub fn choice<T: Copy + Debug>(&mut self, ask: Ask, names: &[(&str, T)]) -> Option<T> {
        self.key(ask, |raw| {
            let text = raw.text()?;
            let found = names.iter().find(|(name, _)| *name == text);
            let (name, value) = found.ok_or_else(|| {
                let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                format!("must be one of {}, not {text:?}", known.join(", "))
            })?;
            Ok((*value, json!(name)))
        })
    }

    /// Text that reads as a `T`, shown as it was written.
    pub fn parsed<T: std::str::FromStr>(&mut self, ask: Ask, right: &str) -> Option<T> {
        self.key(ask, |raw| {
            let text = raw.text()?;
            let value = text.parse().map_err(|_| format!("must be {right}, not {text:?}"))?;
            Ok((value, json!(text)))
        })
    }
}
