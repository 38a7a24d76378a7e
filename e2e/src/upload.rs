//! One upload as a client sends it.

use anyhow::Result;
use reqwest::multipart::{Form, Part};

use crate::Content;

/// An upload: the file's name and content, and what is said about it.
#[derive(Clone, Debug)]
pub struct Upload {
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) content_type: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Upload {
    /// A file of this name.
    pub fn new(name: impl Into<String>, content: Content) -> Self {
        Self { name: name.into(), content, content_type: None, fields: Vec::new(), headers: Vec::new() }
    }

    /// With this field of the form, sent before the file.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// With this media type of the file.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.content_type = Some(content_type.to_owned());
        self
    }

    /// With this header of the request.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With this `Idempotency-Key`.
    #[must_use]
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.header("idempotency-key", key)
    }

    /// What is uploaded.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The multipart form. Names go as they are, in UTF-8, the way curl and browsers send them.
    pub(crate) fn form(&self) -> Result<Form> {
        let mut part = Part::stream_with_length(self.content.body(), self.content.size()).file_name(self.name.clone());
        if let Some(content_type) = &self.content_type {
            part = part.mime_str(content_type)?;
        }
        let fields = self.fields.iter().cloned();
        Ok(fields
            .fold(Form::new().percent_encode_noop(), |form, (name, value)| form.text(name, value))
            .part("file", part))
    }
}
