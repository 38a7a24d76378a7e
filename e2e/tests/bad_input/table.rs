//! One request, and what it has to be answered with.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use storage_element_e2e::{Answer, Content, Node, Setup, Upload};

/// A request that is refused.
pub struct Case {
    pub what: &'static str,
    pub method: &'static str,
    pub path: String,
    /// `None` sends no token.
    pub role: Option<&'static str>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
    pub status: u16,
    pub code: &'static str,
    /// What the message or the details have to name.
    pub names: &'static str,
}

impl Case {
    /// A request of a user, without headers and body.
    pub fn new(
        what: &'static str,
        method: &'static str,
        path: impl Into<String>,
        status: u16,
        code: &'static str,
    ) -> Self {
        let (role, headers) = (Some("user"), Vec::new());
        Self { what, method, path: path.into(), role, headers, body: None, status, code, names: "" }
    }

    pub fn role(mut self, role: Option<&'static str>) -> Self {
        self.role = role;
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The error has to name this.
    pub fn names(mut self, name: &'static str) -> Self {
        self.names = name;
        self
    }
}

/// A node and one file on it.
pub struct Place {
    pub node: Node,
    pub id: String,
}

/// The bytes of the file on the node.
pub const CONTENT: &[u8] = b"0123456789";

impl Place {
    pub async fn new(setup: Setup) -> Result<Self> {
        let node = setup.start()?;
        let upload = Upload::new("ten.txt", Content::bytes(CONTENT));
        let id = node.client("user")?.upload(&upload).await?.expect(201)?.file_id()?;
        Ok(Self { node, id })
    }

    /// Sends every case and tells all that were answered otherwise.
    pub async fn refuses(&self, cases: Vec<Case>) -> Result<()> {
        let mut wrong = Vec::new();
        for case in cases {
            if let Err(error) = self.refuses_one(&case).await {
                wrong.push(format!("{} ({} {}): {error:#}", case.what, case.method, case.path));
            }
        }
        ensure!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
        Ok(())
    }

    async fn refuses_one(&self, case: &Case) -> Result<()> {
        let client = match case.role {
            Some(role) => self.node.client(role)?,
            None => self.node.client("user")?.with_token(None),
        };
        let headers: Vec<_> = case.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = client.send(case.method, &case.path, &headers, case.body.clone()).await?;
        is_envelope(&answer, case.status, case.code)?;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(said.contains(case.names), "the error does not name {}: {answer}", case.names);
        Ok(())
    }

    /// Nothing came of what was refused: the one file is still the only one.
    pub async fn has_one_file(&self) -> Result<()> {
        let files = self.node.client("user")?.all("/api/v1/files", &[]).await?;
        ensure!(files.len() == 1 && files[0]["file_id"] == self.id.as_str(), "what was refused left traces: {files:?}");
        Ok(())
    }
}

/// Checks status, code and the shape of the error envelope.
pub fn is_envelope(answer: &Answer, status: u16, code: &str) -> Result<()> {
    ensure!(answer.status == status && answer.code() == code, "expected {status} {code}, got {answer}");
    let error = answer.json()?["error"].take();
    ensure!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "no message: {answer}");
    let request_id = answer.header("x-request-id").context("no x-request-id")?;
    ensure!(error["request_id"] == request_id, "the envelope has another request id than the header: {answer}");
    Ok(())
}
