//! A client of the HTTP API.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Answer, Metrics, Upload};

/// A client with one token, or none.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client of the node at `base` (`http://host:port`).
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(base: &str, token: Option<String>) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, base: base.to_owned(), token })
    }

    /// One that opens a connection for every request: a connection kept open may be closed just when the next request
    /// is sent, which says nothing about the server.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn of_one_request(base: &str, token: Option<String>) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5));
        Ok(Self { http: http.pool_max_idle_per_host(0).build()?, base: base.to_owned(), token })
    }

    /// The same client with another token, or none.
    #[must_use]
    pub fn with_token(&self, token: Option<String>) -> Self {
        Self { token, ..self.clone() }
    }

    /// A request with this client's token. `path` begins with `/`.
    ///
    /// # Errors
    /// When method or path cannot be one.
    pub fn request(&self, method: &str, path: &str) -> Result<RequestBuilder> {
        let method = Method::from_bytes(method.as_bytes())?;
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Sends a request with headers and a body.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer> {
        let mut request = self.request(method, path)?;
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        finish(request).await
    }

    /// `GET` of any path.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None).await
    }

    /// Sends a JSON body.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn send_json(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let headers = [("content-type", "application/json")];
        self.send(method, path, &headers, Some(Bytes::from(body.to_string()))).await
    }

    /// Uploads a file, streaming its content.
    ///
    /// # Errors
    /// When no whole answer comes: whether the file is there is not known then.
    pub async fn upload(&self, upload: &Upload) -> Result<Answer> {
        let mut request = self.request("POST", "/api/v1/files/upload")?.multipart(upload.form()?);
        for (name, value) in &upload.headers {
            request = request.header(name, value);
        }
        finish(request).await
    }

    /// A file's metadata.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn metadata(&self, file_id: &str) -> Result<Answer> {
        self.get(&format!("/api/v1/files/{file_id}")).await
    }

    /// A file's bytes, held in memory.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn download(&self, file_id: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.send("GET", &format!("/api/v1/files/{file_id}/download"), headers, None).await
    }

    /// Downloads a file of any size: status, SHA-256 and size of what came.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn download_digest(&self, file_id: &str) -> Result<(u16, String, u64)> {
        let answer = self.request("GET", &format!("/api/v1/files/{file_id}/download"))?.send().await?;
        let status = answer.status().as_u16();
        let (mut hash, mut size, mut body) = (Sha256::new(), 0, answer.bytes_stream());
        while let Some(piece) = body.next().await {
            let piece = piece.context("the download broke off")?;
            size += piece.len() as u64;
            hash.update(&piece);
        }
        Ok((status, hex::encode(hash.finalize()), size))
    }

    /// Changes a file's description by a JSON merge patch.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn patch(&self, file_id: &str, patch: &Value) -> Result<Answer> {
        let headers = [("content-type", "application/merge-patch+json")];
        self.send("PATCH", &format!("/api/v1/files/{file_id}"), &headers, Some(Bytes::from(patch.to_string()))).await
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn delete(&self, file_id: &str) -> Result<Answer> {
        self.send("DELETE", &format!("/api/v1/files/{file_id}"), &[], None).await
    }

    /// `GET` of `path` with query parameters.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn query(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        let url = Url::parse_with_params(&format!("{}{path}", self.base), parameters)?;
        let query = url.query().unwrap_or_default();
        self.get(&format!("{path}?{query}")).await
    }

    /// Every item of a paged list, page by page.
    ///
    /// # Errors
    /// When a page is not answered with 200.
    pub async fn all(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut parameters = parameters.to_vec();
            parameters.push(("limit", "1000"));
            parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.query(path, &parameters).await?.expect(200)?.json()?;
            items.extend(page["items"].as_array().context("a page without items")?.iter().cloned());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// A reading of `/metrics`.
    ///
    /// # Errors
    /// When it is not answered with 200.
    pub async fn metrics(&self) -> Result<Metrics> {
        let answer = self.with_token(None).get("/metrics").await?.expect(200)?;
        Ok(Metrics::parse(&String::from_utf8_lossy(&answer.body)))
    }
}

async fn finish(request: RequestBuilder) -> Result<Answer> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.context("the answer broke off")?;
    Ok(Answer { status, headers, body })
}
