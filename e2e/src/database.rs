//! Where a node's catalog is, to be lost, copied and brought back behind the node's back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Postgres;
use crate::postgres::client_program;

/// A catalog's place.
#[derive(Clone)]
pub enum Database {
    /// A folder with a SQLite file.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL server.
    Postgres(Arc<Schema>),
}

/// A schema that one element has for itself. It is dropped on drop, where the server stays.
pub struct Schema {
    server: Server,
    name: String,
}

enum Server {
    Shared(&'static Postgres),
    Own(Arc<Postgres>),
}

impl Schema {
    /// A fresh name on the server that all tests of this process share.
    ///
    /// # Panics
    /// When there is no server, with a sentence that says how to get it.
    pub fn shared() -> Self {
        Self { server: Server::Shared(Postgres::shared()), name: fresh_name() }
    }

    /// A fresh name on a server of one's own.
    pub fn on(server: &Arc<Postgres>) -> Self {
        Self { server: Server::Own(Arc::clone(server)), name: fresh_name() }
    }

    /// The server.
    pub fn server(&self) -> &Postgres {
        match &self.server {
            Server::Shared(server) => server,
            Server::Own(server) => server,
        }
    }

    /// The name of the schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements, with the schema on the search path, and returns what they print, unaligned.
    ///
    /// # Errors
    /// When the server refuses one.
    pub fn sql(&self, statements: &str) -> Result<String> {
        let mut psql = client_program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.env("PGOPTIONS", format!("--search_path={}", self.name));
        output(psql.args(["--command", statements]).arg(self.server().url()))
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // A server of this process goes as a whole.
        if self.server().folder().is_none()
            && let Err(error) = self.sql(&drop_schema(&self.name))
        {
            eprintln!("the schema {} could not be dropped: {error:#}", self.name);
        }
    }
}

impl Database {
    /// The section `database` of a node's configuration.
    pub fn settings(&self) -> Value {
        match self {
            Self::Sqlite(folder) => json!({"sqlite": {"path": folder.join("catalog.sqlite")}}),
            Self::Postgres(schema) => json!({"postgres": {"url": schema.server().url(), "schema": schema.name()}}),
        }
    }

    /// Loses all of it, as a disk that breaks would. The node has to be stopped.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn lose(&self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => {
                std::fs::remove_dir_all(folder)?;
                Ok(std::fs::create_dir(folder)?)
            }
            Self::Postgres(schema) => schema.sql(&drop_schema(schema.name())).map(drop),
        }
    }

    /// Takes it away while the node runs, as an outage does: the file's folder, or the server, which has to be one's own.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub fn take_away(&self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => Ok(std::fs::rename(folder, folder.with_extension("away"))?),
            Self::Postgres(schema) => {
                schema.server().kill();
                Ok(())
            }
        }
    }

    /// Brings it back.
    ///
    /// # Errors
    /// When it cannot be brought back.
    pub fn bring_back(&self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => Ok(std::fs::rename(folder.with_extension("away"), folder)?),
            Self::Postgres(schema) => {
                schema.server().recover();
                Ok(())
            }
        }
    }

    /// Exchanges it with another one of the same make. The nodes have to be stopped.
    ///
    /// # Errors
    /// When the makes differ, or it cannot be done.
    pub fn exchange(&self, other: &Self) -> Result<()> {
        match (self, other) {
            (Self::Sqlite(one), Self::Sqlite(two)) => {
                let aside = one.with_extension("aside");
                std::fs::rename(one, &aside)?;
                std::fs::rename(two, one)?;
                Ok(std::fs::rename(aside, two)?)
            }
            (Self::Postgres(one), Self::Postgres(two)) => {
                let (a, b, aside) = (one.name(), two.name(), fresh_name());
                one.sql(&format!(
                    "BEGIN; ALTER SCHEMA {a} RENAME TO {aside}; ALTER SCHEMA {b} RENAME TO {a}; \
                     ALTER SCHEMA {aside} RENAME TO {b}; COMMIT"
                ))
                .map(drop)
            }
            _ => anyhow::bail!("a file is not exchanged for a schema"),
        }
    }

    /// Backs it up to `copy`, where nothing is yet. The node has to be stopped.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn back_up(&self, copy: &Path) -> Result<()> {
        match self {
            Self::Sqlite(folder) => copy_files(folder, copy),
            Self::Postgres(schema) => {
                let mut dump = client_program("pg_dump");
                dump.arg("--schema").arg(schema.name()).arg("--file").arg(copy).arg(schema.server().url());
                output(&mut dump).map(drop)
            }
        }
    }

    /// Puts a backup in place of what is there. The node has to be stopped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn restore(&self, copy: &Path) -> Result<()> {
        self.lose()?;
        match self {
            Self::Sqlite(folder) => copy_files(copy, folder),
            Self::Postgres(schema) => {
                let mut psql = client_program("psql");
                psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"]).arg(copy);
                output(psql.arg(schema.server().url())).map(drop)
            }
        }
    }
}

fn fresh_name() -> String {
    format!("e2e_{}", Uuid::new_v4().simple())
}

fn drop_schema(name: &str) -> String {
    format!("SET client_min_messages = error; DROP SCHEMA IF EXISTS {name} CASCADE")
}

fn output(command: &mut std::process::Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} is missing (Debian package postgresql)"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
