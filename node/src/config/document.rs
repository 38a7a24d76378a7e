//! The documentation of the configuration, written from the keys themselves.

use std::fmt::Write as _;

use super::keys;
use super::sources::variable_of;

const INTRODUCTION: &str = "# Configuration

Generated from the code; a test compares. To write it anew:
`UPDATE_DOCS=1 cargo test -p storage-node configuration_page`.

Environment over file over defaults. The file is YAML: `--config FILE`, or the variable `STORAGE_ELEMENT_CONFIG`; levels
are nested mappings. Variables begin with `SE_`, with `__` between levels. An unknown key is an error in either place,
and all errors are reported at once, each with its key, where the value came from, and what would be right.

- Sizes are bytes, or carry a unit: `1048576`, `500Mi`, `10GiB`, `1GB`.
- Lists are YAML lists; in the environment, text with commas between.
- An empty variable is an error: remove it to use the default. An empty value in the file is as if it was not there.
- Two keys are required: `storage.local.path` and `auth.jwt.keys`.

`GET /api/v1/admin/config` shows every key with its value in force and where it came from; secrets show as `***`.
";

/// The page `docs/configuration.md`.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut section = "";
    for doc in keys() {
        let next = section_of(doc.key);
        if next != section {
            section = next;
            let _ = write!(page, "\n## {section}\n\n| key | variable | default | meaning |\n|---|---|---|---|\n");
        }
        let default = doc.default.map_or("—".to_owned(), |default| format!("`{default}`"));
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {default} | {} |",
            doc.key,
            variable_of(doc.key),
            doc.meaning.replace('|', "\\|"),
        );
    }
    let _ = write!(page, "\n## A file to begin with\n\n```yaml\n{}```\n", sample());
    page
}

/// A file with every key of this version, those with a default commented out.
pub fn sample() -> String {
    let mut sample = String::new();
    let mut open: Vec<&str> = Vec::new();
    for doc in &keys() {
        let mut levels: Vec<&str> = doc.key.split('.').collect();
        let Some(name) = levels.pop() else { continue };
        let same = open.iter().zip(&levels).take_while(|(a, b)| a == b).count();
        for (depth, level) in levels.iter().enumerate().skip(same) {
            let _ = writeln!(sample, "{}{level}:", "  ".repeat(depth));
        }
        let indent = "  ".repeat(levels.len());
        open = levels;
        let _ = writeln!(sample, "{indent}# {}", doc.meaning.replace('`', ""));
        let _ = match (doc.key, doc.default) {
            ("storage.local.path", _) => writeln!(sample, "{indent}{name}: /var/lib/storage-element/storage"),
            ("auth.jwt.keys", _) => writeln!(sample, "{indent}{name}: /etc/storage-element/jwks.json"),
            (_, Some(default)) => writeln!(sample, "{indent}#{name}: {default}"),
            (_, None) => writeln!(sample, "{indent}#{name}:"),
        };
    }
    sample
}

fn section_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(section, _)| section)
}
