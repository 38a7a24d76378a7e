//! Events: every decision that a person would ask about, told where `kubectl describe` shows it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder as KubeRecorder, Reporter};

use crate::names::MANAGER;

/// An Event is told, not promised: a slow API server does not hold up the work for it.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest note the API takes, in bytes.
const NOTE_LIMIT: usize = 1024;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Something a person should look at.
    pub warning: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// What happened, to which thing, and what to do.
    pub text: String,
}

impl Note {
    /// Something that was done.
    pub fn done(reason: &'static str, text: impl Into<String>) -> Self {
        Self { warning: false, reason, text: text.into() }
    }

    /// Something a person should look at.
    pub fn warning(reason: &'static str, text: impl Into<String>) -> Self {
        Self { warning: true, reason, text: text.into() }
    }
}

/// Writes Events.
pub struct Recorder {
    inner: KubeRecorder,
}

impl Recorder {
    /// Writes in the name of the operator's pod.
    pub fn new(client: Client, pod: &str) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(pod.to_owned()) };
        Self { inner: KubeRecorder::new(client, reporter) }
    }

    /// Tells `note` about the object. A failure is logged, nothing more.
    pub async fn tell(&self, about: &ObjectReference, note: &Note) {
        let name = about.name.as_deref().unwrap_or_default();
        tracing::info!(element = name, namespace = about.namespace, reason = note.reason, "{}", note.text);
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.to_owned(),
            note: Some(cut(&note.text, NOTE_LIMIT)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match tokio::time::timeout(EVENT_TIMEOUT, self.inner.publish(&event, about)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(element = name, %error, "an Event could not be written"),
            Err(_) => tracing::warn!(element = name, "an Event could not be written in time"),
        }
    }
}

/// The beginning of `text`, at most `limit` bytes of it.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
