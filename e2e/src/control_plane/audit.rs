//! The API server's own log of what was asked of it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

/// The log, read anew each time.
pub struct Audit {
    path: PathBuf,
}

/// One request that was answered.
#[derive(Clone, Debug)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`…
    pub verb: String,
    /// Who asked.
    pub user: String,
    /// The resource, such as `secrets`, with `/status` for a subresource.
    pub resource: String,
    /// The namespace, or empty.
    pub namespace: String,
    /// The object's name, or empty.
    pub name: String,
    /// The whole target: path and query.
    pub uri: String,
    /// The status of the answer; 0 when there is none yet.
    pub code: u16,
    /// The kind of what was answered, where that is logged: `PartialObjectMetadata` when only metadata was asked for.
    pub answered: String,
    /// The labels of what was answered, where that is logged.
    pub labels: Value,
}

/// The options that make an API server write one.
pub(super) fn options(folder: &Path) -> Result<Vec<String>> {
    let policy = folder.join("audit-policy.json");
    // What was answered about Secrets shows whether their content was asked for. Only tests' Secrets are here.
    let rules = json!([
        {"level": "RequestResponse", "verbs": ["get", "list"], "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "Metadata"},
    ]);
    let text = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules,
    });
    std::fs::write(&policy, serde_json::to_vec(&text)?)?;
    Ok(vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", folder.join("audit.log").display()),
        "--audit-log-mode=blocking".to_owned(),
        "--audit-log-maxsize=4096".to_owned(),
    ])
}

impl Audit {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// How many bytes it has: what comes later is after that.
    ///
    /// # Errors
    /// When there is no log.
    pub fn mark(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)?.len())
    }

    /// The requests written after `mark`, for which `wanted` holds.
    ///
    /// # Errors
    /// When there is no log.
    pub fn since(&self, mark: u64, mut wanted: impl FnMut(&Request) -> bool) -> Result<Vec<Request>> {
        use std::io::Seek as _;
        let mut file = File::open(&self.path)?;
        file.seek(std::io::SeekFrom::Start(mark))?;
        let mut found = Vec::new();
        for line in BufReader::new(file).lines() {
            // The last line may be half written.
            let Ok(event) = serde_json::from_str::<Value>(&line?) else { continue };
            let request = Request::of(&event);
            if wanted(&request) {
                found.push(request);
            }
        }
        Ok(found)
    }
}

impl Request {
    fn of(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let subresource = text("/objectRef/subresource");
        let resource = text("/objectRef/resource");
        Self {
            verb: text("/verb"),
            user: text("/user/username"),
            resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            uri: text("/requestURI"),
            code: event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or(0).try_into().unwrap_or(0),
            answered: text("/responseObject/kind"),
            labels: event.pointer("/responseObject/metadata/labels").cloned().unwrap_or_default(),
        }
    }
}
