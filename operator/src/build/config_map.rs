//! The node's configuration file, immutable and named by its hash: a pod never sees another than it began with.

use serde_json::json;

use super::metadata::owned;
use super::{How, Input, Wish, hash_of, node_config};
use crate::cache::Kind;
use crate::names::Names;

/// The file's name.
pub const CONFIG_FILE: &str = "config.yaml";

/// The ConfigMap.
pub fn build(input: &Input<'_>) -> Wish {
    let config = node_config::build(input);
    // A JSON value always has a YAML form.
    let text = serde_yaml::to_string(&config).unwrap_or_default();
    let element = input.name();
    let name = Names(&element).config(&hash_of(&text, 10));
    let value = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owned(input, &name),
        "immutable": true,
        "data": {CONFIG_FILE: text},
    });
    Wish { kind: Kind::ConfigMap, name, how: How::Apply, keeps: false, value }
}
