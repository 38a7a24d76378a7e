//! What a server answered.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Status, headers and whole body of an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value; `None` when it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {self}"))
    }

    /// The code of the error envelope; empty when the body is none.
    pub fn code(&self) -> String {
        let envelope = self.json().unwrap_or_default();
        envelope["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The `file_id` of a metadata body.
    ///
    /// # Errors
    /// When there is none.
    pub fn file_id(&self) -> Result<String> {
        let body = self.json()?;
        Ok(body["file_id"].as_str().with_context(|| format!("no file_id: {self}"))?.to_owned())
    }

    /// Itself, if the status is the expected one.
    ///
    /// # Errors
    /// When it is another; the message shows the answer.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "expected {status}, got {self}");
        Ok(self)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(600)];
        write!(f, "{} {}", self.status, String::from_utf8_lossy(shown))
    }
}
