//! `dev`: one command, nothing installed: an element on embedded defaults, with keys and tokens of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{CommandError, CommandResult, serve};
use crate::config::Config;
use crate::security::{DevKeys, Role, write_private_file};

/// How long the tokens last; they are made anew at each start.
const TOKEN_LIFETIME: Duration = Duration::from_hours(30 * 24);

#[derive(Args)]
pub(super) struct DevArgs {
    /// Where everything is kept
    #[arg(long, default_value = "./storage-element-data", value_name = "DIR")]
    data: PathBuf,
    /// Where the API is served
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The element's mode; counts only the first time
    #[arg(long, default_value = "edit")]
    mode: DevMode,
}

#[derive(Clone, Copy, ValueEnum)]
enum DevMode {
    Edit,
    Rw,
}

pub(super) fn run(args: &DevArgs) -> CommandResult {
    let failed = |action, path: &Path| {
        let what = path.display().to_string();
        move |source| CommandError::Io { action, what, source }
    };
    let (dev, storage) = (args.data.join("dev"), args.data.join("storage"));
    std::fs::create_dir_all(&storage).map_err(failed("make folder", &storage))?;
    let data = std::fs::canonicalize(&args.data).map_err(failed("find", &args.data))?;
    let keys = DevKeys::load_or_create(&dev)?;
    for role in [Role::Admin, Role::Operator, Role::User] {
        let path = dev.join(format!("{}.token", role.as_str()));
        write_private_file(&path, keys.token(role, TOKEN_LIFETIME)?.as_bytes())?;
    }
    let file = dev.join("config.yaml");
    write_private_file(&file, settings(args, &data).as_bytes())?;
    // The environment's SE_ keys would silently change what was asked for on the command line.
    let config = Config::load(Some(&file), std::iter::empty())?;
    serve::run(&config, Some(Welcome { data }))?;
    Ok(ExitCode::SUCCESS)
}

/// What `serve --config` would take.
fn settings(args: &DevArgs, data: &Path) -> String {
    let mode = match args.mode {
        DevMode::Edit => "edit",
        DevMode::Rw => "rw",
    };
    let path = |below: &str| json!(data.join(below).display().to_string());
    format!(
        "# Written by `storage-node dev` at each start; `storage-node serve --config` takes it too.\n\
         element:\n  mode: {mode}\n\
         server:\n  listen: {}\n\
         auth:\n  jwt:\n    keys: {}\n\
         storage:\n  local:\n    path: {}\n\
         database:\n  sqlite:\n    path: {}\n\
         logging:\n  format: text\n  level: warn\n",
        json!(args.listen.to_string()),
        path("dev/jwks.json"),
        path("storage"),
        path("catalog/catalog.sqlite"),
    )
}

/// What is printed when the node serves.
pub(super) struct Welcome {
    data: PathBuf,
}

impl Welcome {
    /// The URL, the docs page, and lines to paste: an upload, a search and a download.
    pub(super) fn text(&self, listen: SocketAddr) -> String {
        let url = format!("http://{listen}");
        let token = shell_word(&self.data.join("dev/user.token").display().to_string());
        let mut text = String::new();
        let _ = write!(
            text,
            "\nStorage element is serving.\n\n  \
             API    {url}/api/v1\n  \
             Docs   {url}/docs\n  \
             Data   {}\n  \
             Tokens {}/dev/{{user,operator,admin}}.token (valid 30 days)\n\n\
             Try it, in another terminal:\n\n  \
             TOKEN=$(cat {token})\n  \
             echo 'The contract of 2026' > contract.txt\n  \
             ID=$(curl -sS -H \"Authorization: Bearer $TOKEN\" -F file=@contract.txt \\\n    \
             -F description='First signed contracts' {url}/api/v1/files/upload | tee /dev/stderr | \
             sed -n 's/.*\"file_id\": *\"\\([^\"]*\\)\".*/\\1/p')\n  \
             curl -sS -H \"Authorization: Bearer $TOKEN\" '{url}/api/v1/files/search?q=contract'\n  \
             curl -sS -H \"Authorization: Bearer $TOKEN\" -o downloaded.txt {url}/api/v1/files/$ID/download\n  \
             cmp contract.txt downloaded.txt && echo unchanged\n\n\
             Stop with Ctrl-C; started again it goes on with the same data and keys.\n",
            self.data.display(),
            self.data.display(),
        );
        text
    }
}

/// A word as a shell takes it: quoted where it has to be.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(shell_word("/tmp/a-b.c"), "/tmp/a-b.c");
        assert_eq!(shell_word("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }
}
