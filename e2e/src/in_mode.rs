//! A node with one file, brought into a mode the way people do it: over the API.

use anyhow::Result;
use serde_json::json;

use crate::{Content, Make, Node, Upload};

/// A node in a mode.
pub struct InMode {
    /// The mode.
    pub mode: &'static str,
    /// The node.
    pub node: Node,
    /// The file on it, sent before the mode was left.
    pub file_id: String,
}

impl InMode {
    /// Every mode, in the order of an element's two lives.
    pub const ALL: [&'static str; 4] = ["edit", "rw", "ro", "ar"];

    /// Starts a node of this make in `edit` or `rw`, sends a file, and takes the steps to `mode`.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn start(make: Make, mode: &'static str) -> Result<Self> {
        let first = if mode == "edit" { "edit" } else { "rw" };
        let node = make.setup().setting("element.mode", first).start()?;
        let upload = Upload::new("contract.txt", Content::bytes("The contract of 2026"));
        let file_id = node.client("user")?.upload(&upload).await?.expect(201)?.file_id()?;
        let steps: &[&str] = match mode {
            "ro" => &["ro"],
            "ar" => &["ro", "ar"],
            _ => &[],
        };
        for step in steps {
            node.client("admin")?.send_json("PUT", "/api/v1/admin/mode", &json!({"mode": step})).await?.expect(200)?;
        }
        Ok(Self { mode, node, file_id })
    }
}
