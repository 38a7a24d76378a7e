//! Names: what a client calls a file, what the storage calls it, and where it lies.
//!
//! Source of the rules: the product specification, `10-node`, section The attr file, and `15-api`, Metadata.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::ids::{hour_folder, time_of};

/// What the attr file's name adds to the data file's.
pub const ATTR_SUFFIX: &str = ".attr.json";

/// The longest storage filename, in bytes of UTF-8.
const STORAGE_FILENAME_BYTES: usize = 200;
/// The most of it that the user's name takes, in bytes.
const USERNAME_BYTES: usize = 40;
/// The most of it that the extension takes, in bytes.
const EXTENSION_BYTES: usize = 16;

/// The relative path of a data file: folders and name, with `/` between, never leaving the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StoragePath(String);

impl StoragePath {
    /// Takes a path only if it stays below the root: relative, no empty, `.` or `..` part, no control character or
    /// backslash, and not in one of the element's own folders, which begin with a dot.
    pub fn new(path: impl Into<String>) -> Option<Self> {
        let path = path.into();
        let plain = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(|c: char| c == '\\' || c.is_control())
        };
        (path.len() <= 1024 && path.split('/').all(plain)).then_some(Self(path))
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder, without the name.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The name, without the folder.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// The path of the attr file beside it.
    pub fn attr_path(&self) -> String {
        format!("{}{ATTR_SUFFIX}", self.0)
    }
}

/// The id in `{stem}_{username}_{timestamp}_{uuid}.{ext}`: the last 32 hex digits before the extension.
pub fn id_in_name(name: &str) -> Option<Uuid> {
    let tail = name.rsplit('_').next()?;
    let digits = tail.get(..32)?;
    matches!(tail.as_bytes().get(32), None | Some(b'.')).then(|| Uuid::try_parse(digits).ok()).flatten()
}

impl fmt::Display for StoragePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StoragePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        Self::new(path).ok_or_else(|| serde::de::Error::custom("a path that leaves the element's root"))
    }
}

/// A name the storage can carry, and where the file with it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredName {
    /// `{stem}_{username}_{timestamp}_{uuid}.{ext}`.
    pub storage_filename: String,
    /// Below `/year/month/day/hour/`.
    pub storage_path: StoragePath,
}

/// The name a client gave, as the API shows it: without any path, NFC, without control characters.
///
/// `None` when nothing is left, or U+0000 is in it.
pub fn original_filename(sent: &str) -> Option<String> {
    if sent.contains('\0') {
        return None;
    }
    let name = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.nfc().filter(|c| !c.is_control()).collect();
    (!name.is_empty()).then_some(name)
}

/// The name and place the storage gives a file: `{stem}_{username}_{timestamp}_{uuid}.{ext}` in the hour's folder,
/// at most 200 bytes.
pub fn storage_filename(original: &str, username: &str, id: Uuid) -> StoredName {
    let original: String = original.nfc().collect();
    let (stem, extension) = match original.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => (stem, extension),
        _ => (original.as_str(), ""),
    };
    let username: String = username.nfc().collect();
    let username = cut(&harmless(&username), USERNAME_BYTES).to_owned();
    let extension = cut(&harmless(extension), EXTENSION_BYTES).to_owned();
    let at = time_of(id).calendar();
    let timestamp = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    let dot = if extension.is_empty() { "" } else { "." };
    let tail = format!("_{username}_{timestamp}_{}{dot}{extension}", id.simple());
    let stem = harmless(stem);
    let stem = cut(&stem, STORAGE_FILENAME_BYTES.saturating_sub(tail.len()));
    let storage_filename = format!("{stem}{tail}");
    let storage_path = StoragePath(format!("{}/{storage_filename}", hour_folder(id)));
    StoredName { storage_filename, storage_path }
}

/// Replaces what could leave the folder or confuse a shell: separators, control characters, leading dots.
fn harmless(part: &str) -> String {
    let leading_dots = part.len() - part.trim_start_matches('.').len();
    part.char_indices()
        .map(|(at, c)| if at < leading_dots || c == '/' || c == '\\' || is_unsafe(c) { '_' } else { c })
        .collect()
}

/// Control characters, and those that turn the reading direction or cannot be seen.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '$' | '`' | '"' | '\'' | ';' | '&' | '|' | '<' | '>' | '*' | '?' | '!' | '~' | '#')
}

/// The longest beginning of `text` with at most `bytes` bytes that ends between two characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{StoragePath, id_in_name, original_filename, storage_filename};

    const ID: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);

    #[test]
    fn the_id_is_read_from_names_with_and_without_extension() {
        let id = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);
        for name in ["a_b_20260101T000000_{}.pdf", "a_b_20260101T000000_{}", "x_y_z_{}.tar"] {
            assert_eq!(id_in_name(&name.replace("{}", &id.simple().to_string())), Some(id), "{name}");
        }
        assert_eq!(id_in_name("README"), None);
        assert_eq!(id_in_name("a_0199000000007000800000000000000é"), None);
    }

    proptest! {
        #[test]
        fn storage_names_always_fit_and_stay_in_their_folder(original in "\\PC{0,300}|[a-zA-Zа-яё./\\\\\\u{0}-\\u{1f}]{0,300}", user in "\\PC{0,80}") {
            let name = storage_filename(&original, &user, ID);
            prop_assert!(name.storage_filename.len() <= 200);
            prop_assert!(!name.storage_filename.contains(['/', '\\', '\0']));
            prop_assert!(!name.storage_filename.chars().any(char::is_control));
            prop_assert!(!name.storage_filename.starts_with('.'));
            prop_assert!(name.storage_filename.contains(&ID.simple().to_string()));
            prop_assert_eq!(StoragePath::new(name.storage_path.as_str()), Some(name.storage_path.clone()));
        }

        #[test]
        fn original_names_carry_no_path_and_no_control(sent in ".{0,300}") {
            if let Some(name) = original_filename(&sent) {
                prop_assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control) && !name.is_empty());
            }
        }
    }

    #[test]
    fn the_parts_stand_in_order() {
        let name = storage_filename("Договор №7.pdf", "i.petrov", ID);
        assert_eq!(name.storage_filename, "Договор №7_i.petrov_20250831T120024_01990000000070008000000000000001.pdf");
        assert!(name.storage_path.as_str().starts_with("2025/08/31/12/"));
    }

    #[test]
    fn a_name_without_extension_gives_no_dot() {
        for original in ["README", "README.", ".bashrc"] {
            let name = storage_filename(original, "u", ID).storage_filename;
            assert!(name.ends_with("0001"), "{name}");
        }
    }

    #[test]
    fn paths_that_leave_the_root_are_refused() {
        for path in ["", "/etc/passwd", "a/../b", "a//b", "./a", ".element/element.json", "a\\b", "a/\u{0}"] {
            assert_eq!(StoragePath::new(path), None, "{path:?}");
        }
    }

    #[test]
    fn client_paths_are_dropped() {
        assert_eq!(original_filename("C:\\scans\\a.pdf").as_deref(), Some("a.pdf"));
        assert_eq!(original_filename("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(original_filename("a\u{0}b"), None);
        assert_eq!(original_filename("dir/"), None);
        assert_eq!(original_filename("e\u{301}.txt").as_deref(), Some("é.txt"));
    }
}
