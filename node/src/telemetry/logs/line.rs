//! How one line looks.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::redact::{is_secret, redact};
use crate::model::Timestamp;
use crate::telemetry::request::CONTEXT_FIELDS;

/// What the span around a request says.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    values: [Option<String>; CONTEXT_FIELDS.len()],
}

impl Context {
    fn set(&mut self, field: &str, value: String) {
        if let Some(at) = CONTEXT_FIELDS.iter().position(|name| *name == field) {
            self.values[at] = Some(value);
        }
    }
}

impl Visit for Context {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field.name(), format!("{value:?}"));
    }
}

/// What an event says.
#[derive(Default)]
pub(super) struct Event {
    message: String,
    fields: Map<String, Value>,
}

impl Event {
    fn set(&mut self, field: &Field, value: Value) {
        let value = match value {
            _ if is_secret(field.name()) => Value::from("***"),
            Value::String(text) => Value::from(redact(&text).into_owned()),
            other => other,
        };
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }

    /// A field with a name of the line's own, taken out; the `log` crate's records bring their origin so.
    fn take_text(&mut self, field: &str) -> Option<String> {
        match self.fields.remove(field)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::from(value));
    }
}

/// Everything about one line.
pub(super) struct Line<'a> {
    pub at: Timestamp,
    pub metadata: &'a Metadata<'a>,
    /// Name of the innermost span: the closest thing to a function that an event knows.
    pub function: Option<&'a str>,
    pub context: Context,
    pub event: Event,
}

impl Line<'_> {
    /// One JSON object: timestamp, level, logger, module, function, line, [`CONTEXT_FIELDS`],
    /// message, then the event's fields. A field of the event's with one of the four context names takes its place; one
    /// with another of these names gets `field_` in front.
    pub fn json(mut self, out: &mut String) {
        let logger = self.event.take_text("log.target");
        let module = self.event.take_text("log.module_path");
        let line = self.event.fields.remove("log.line");
        self.event.fields.remove("log.file");
        out.push('{');
        pair(out, "timestamp", &Value::from(self.at.to_string()));
        pair(out, "level", &Value::from(self.metadata.level().as_str()));
        pair(out, "logger", &logger.map_or_else(|| Value::from(self.metadata.target()), Value::from));
        pair(out, "module", &module.map_or_else(|| Value::from(self.metadata.module_path()), Value::from));
        pair(out, "function", &Value::from(self.function));
        pair(out, "line", &line.unwrap_or_else(|| Value::from(self.metadata.line())));
        for (name, value) in CONTEXT_FIELDS.iter().zip(self.context.values) {
            let own = self.event.fields.remove(*name);
            pair(out, name, &own.unwrap_or_else(|| Value::from(value)));
        }
        pair(out, "message", &Value::from(self.event.message));
        for (name, value) in &self.event.fields {
            let taken = ["timestamp", "level", "logger", "module", "function", "line"].contains(&name.as_str());
            if taken { pair(out, &format!("field_{name}"), value) } else { pair(out, name, value) }
        }
        // The comma behind the last pair.
        out.pop();
        out.push_str("}\n");
    }

    /// For people: time, level, logger, message, fields, request.
    pub fn text(mut self, out: &mut String) {
        let logger = self.event.take_text("log.target");
        for field in ["log.module_path", "log.line", "log.file"] {
            self.event.fields.remove(field);
        }
        let time = self.at.to_string();
        let clock = time.get(11..23).unwrap_or(&time);
        let logger = logger.as_deref().unwrap_or(self.metadata.target());
        // Control characters could rewrite the reader's terminal.
        let message: String = self.event.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = write!(out, "{clock} {:5} {logger}: {message}", level(*self.metadata.level()));
        for (name, value) in &self.event.fields {
            let _ = write!(out, " {name}={value}");
        }
        for (name, value) in CONTEXT_FIELDS.iter().zip(&self.context.values).skip(2) {
            if let Some(value) = value {
                let _ = write!(out, " {name}={}", Value::from(value.as_str()));
            }
        }
        out.push('\n');
    }
}

fn level(level: Level) -> &'static str {
    level.as_str()
}

fn pair(out: &mut String, name: &str, value: &Value) {
    let _ = write!(out, "{}:{value},", Value::from(name));
}
