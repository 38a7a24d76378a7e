//! Files with public keys: a JWKS file, a PEM file, or a folder of such files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::rsa::RsaPublicKey;

/// The largest key file, in bytes: a JWKS with a hundred keys of 4096 bits is a tenth of it.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// The most files of a folder that are read, and the most keys of a source.
const COUNT_LIMIT: usize = 256;

/// Public keys by their `kid`.
pub(super) type Keys = BTreeMap<String, RsaPublicKey>;

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file or folder is there, but cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// What stands in it is not accepted.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// There is no key at all.
    #[error(
        "{}: no usable key: put a JWKS file (.json) or PEM files (.pem) with RSA public keys of 2048 bits or more there",
        path.display()
    )]
    NoKey {
        /// Where keys were looked for.
        path: PathBuf,
    },
}

/// What stood in a source of keys, byte by byte, so that a change is noticed whatever its time stamps say (Kubernetes
/// swaps a mounted Secret by one symbolic link).
pub(super) type Contents = Vec<(PathBuf, Vec<u8>)>;

/// Reads the files of a source. A source that is not there has none.
pub(super) fn read(source: &Path) -> Result<Contents, KeyError> {
    let unreadable =
        |path: &Path, error: &io::Error| KeyError::Unreadable { path: path.to_path_buf(), reason: error.to_string() };
    let kind = match std::fs::metadata(source) {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(source, &error)),
    };
    let mut paths = Vec::new();
    if kind.is_dir() {
        for entry in std::fs::read_dir(source).map_err(|error| unreadable(source, &error))? {
            let path = entry.map_err(|error| unreadable(source, &error))?.path();
            // Names with a dot in front are Kubernetes' own (`..data`), or an editor's.
            let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            let is_key_file = matches!(path.extension().and_then(|e| e.to_str()), Some("json" | "pem"));
            if !hidden && is_key_file {
                paths.push(path);
            }
        }
        paths.sort();
    } else {
        paths.push(source.to_path_buf());
    }
    if paths.len() > COUNT_LIMIT {
        let reason = format!("{} key files, at most {COUNT_LIMIT} are read", paths.len());
        return Err(KeyError::Refused { path: source.to_path_buf(), reason });
    }
    paths.into_iter().map(|path| read_one(&path).map(|bytes| (path, bytes))).collect()
}

fn read_one(path: &Path) -> Result<Vec<u8>, KeyError> {
    let unreadable = |reason: String| KeyError::Unreadable { path: path.to_path_buf(), reason };
    let kind = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    // A pipe would never end.
    if !kind.is_file() {
        return Err(unreadable("not a file".to_owned()));
    }
    let size = kind.len();
    if size > FILE_LIMIT_BYTES {
        return Err(unreadable(format!("{size} bytes, a key file has at most {FILE_LIMIT_BYTES}")));
    }
    std::fs::read(path).map_err(|error| unreadable(error.to_string()))
}

/// The keys in what was read.
pub(super) fn parse(contents: &Contents) -> Result<Keys, KeyError> {
    let mut keys = Keys::new();
    for (path, bytes) in contents {
        let refused = |reason: String| KeyError::Refused { path: path.clone(), reason };
        let text = std::str::from_utf8(bytes).map_err(|_| refused("is neither JSON nor PEM".to_owned()))?;
        let found = if text.trim_start().starts_with('{') {
            parse_jwks(text).map_err(refused)?
        } else {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            vec![(stem, RsaPublicKey::from_pem(text).map_err(refused)?)]
        };
        for (kid, key) in found {
            if keys.insert(kid.clone(), key.clone()).is_some_and(|other| other != key) {
                return Err(refused(format!("kid {kid:?} names two different keys: a kid names one")));
            }
        }
    }
    if keys.len() > COUNT_LIMIT {
        let path = contents.first().map(|(path, _)| path.clone()).unwrap_or_default();
        return Err(KeyError::Refused { path, reason: format!("more than {COUNT_LIMIT} keys") });
    }
    Ok(keys)
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// Parameters of RFC 7517 §4 and RFC 7518 §6.3 that matter here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// Only in a private key; `k` only in a shared one.
    d: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

/// Keys of other kinds and for other uses are passed over, as RFC 7517 §5 says; private ones are refused.
fn parse_jwks(text: &str) -> Result<Vec<(String, RsaPublicKey)>, String> {
    // The parser's message may quote the text, so only the place is told.
    let jwks: Jwks = serde_json::from_str(text).map_err(|error| {
        format!("is not a JWKS `{{\"keys\": […]}}` (line {}, column {})", error.line(), error.column())
    })?;
    let mut found = Vec::new();
    for jwk in jwks.keys {
        if jwk.d.is_some() || jwk.k.is_some() {
            return Err("the JWKS holds a private or shared key: whoever reads it can make tokens. Leave only public \
                        keys here"
                .to_owned());
        }
        let for_signatures = jwk.usage.is_none_or(|usage| usage == "sig");
        if jwk.kty != "RSA" || !for_signatures || jwk.alg.is_some_and(|alg| alg != "RS256") {
            continue;
        }
        let (Some(n), Some(e)) = (jwk.n, jwk.e) else { return Err("an RSA key lacks n or e".to_owned()) };
        let key = RsaPublicKey::from_jwk(&n, &e)?;
        found.push((jwk.kid.unwrap_or_else(|| key.thumbprint()), key));
    }
    Ok(found)
}
