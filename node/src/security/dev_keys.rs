//! Keys for development: made once, kept beside the data, good for tokens of every role.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::caller::Role;
use super::mint::{MintClaims, MintError, generate_private_key, mint, public_jwks};

/// A generated key and its public half, in a folder of their own.
pub struct DevKeys {
    folder: PathBuf,
    private_pem: String,
    kid: String,
}

impl DevKeys {
    /// Takes the key in `folder`, or makes one: `private.pem` and `jwks.json`, readable by nobody else.
    ///
    /// # Errors
    /// [`MintError`], with the file it is about.
    pub fn load_or_create(folder: &Path) -> Result<Self, MintError> {
        let at = |path: &Path, error: &std::io::Error| MintError::File {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| at(folder, &error))?;
        let private = folder.join("private.pem");
        let private_pem = match fs::read_to_string(&private) {
            Ok(pem) => pem,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let pem = generate_private_key()?;
                write_private_file(&private, pem.as_bytes())?;
                pem
            }
            Err(error) => return Err(at(&private, &error)),
        };
        let (kid, jwks) = public_jwks(private_pem.as_bytes()).map_err(|error| MintError::File {
            path: private,
            reason: format!("{error}; remove the file to have a new key made"),
        })?;
        let keys = Self { folder: folder.to_path_buf(), private_pem, kid };
        if fs::read(keys.jwks_path()).ok().as_deref() != Some(jwks.as_bytes()) {
            write_private_file(&keys.jwks_path(), jwks.as_bytes())?;
        }
        Ok(keys)
    }

    /// Where the public half is: what `auth.jwt.keys` takes.
    pub fn jwks_path(&self) -> PathBuf {
        self.folder.join("jwks.json")
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A token for `role`, valid for `ttl` from now; its bearer is called `dev-user`, `dev-operator`, `dev-admin`.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn token(&self, role: Role, ttl: Duration) -> Result<String, MintError> {
        let claims = MintClaims {
            sub: format!("dev-{}", role.as_str()),
            role,
            username: None,
            full_name: Some(format!("Development {}", role.as_str())),
            ttl,
            issuer: None,
            audience: None,
            kid: Some(self.kid.clone()),
        };
        mint(self.private_pem.as_bytes(), &claims)
    }
}

/// Writes a file that only its owner may read (mode 0600), whole or not at all.
///
/// # Errors
/// [`MintError::File`].
pub fn write_private_file(path: &Path, bytes: &[u8]) -> Result<(), MintError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    // A left-over of a process that had the same id.
    let _ = fs::remove_file(&new);
    write().map_err(|error| MintError::File { path: path.to_path_buf(), reason: error.to_string() })
}
