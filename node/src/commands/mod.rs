//! The command line: one file a subcommand. This is where the parts are wired.

mod database;
mod dev;
mod healthcheck;
mod migrate;
mod opening;
mod rebuild;
mod serve;
mod terminal;
mod token;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigErrors};

/// Exit code of `verify` when it found something.
const FINDINGS: u8 = 1;
/// Exit code when a command could not do its work.
const COULD_NOT: u8 = 2;

/// Keeps an organisation's files for years, each with its description beside it.
#[derive(Parser)]
#[command(name = "storage-node", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
struct ConfigArgs {
    /// The configuration file (YAML). The environment (SE_…) goes above it.
    #[arg(long, value_name = "FILE", env = "STORAGE_ELEMENT_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves one storage element (the default)
    Serve,
    /// Serves an element of its own with a generated key, and prints what to paste
    Dev(dev::DevArgs),
    /// Mints a token from a private key
    Token(token::TokenArgs),
    /// Verifies every file: exit code 0 clean, 1 findings, 2 could not
    Verify(verify::VerifyArgs),
    /// Makes the catalog again from the attr files
    Rebuild,
    /// Brings the catalog's schema up to date
    Migrate,
    /// Prints the OpenAPI document
    Openapi,
    /// Asks a running node whether it is ready
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Prints the names of the fail points
    #[cfg(feature = "failpoints")]
    #[command(hide = true)]
    Failpoints,
}

/// Why a command could not do its work: a sentence for the person who ran it.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Log(#[from] crate::telemetry::logs::LogError),
    #[error(transparent)]
    Opening(#[from] opening::OpeningError),
    #[error(transparent)]
    Key(#[from] crate::security::KeyError),
    #[error(transparent)]
    Tls(#[from] crate::http::TlsError),
    #[error(transparent)]
    Otlp(#[from] crate::telemetry::otlp::OtlpError),
    #[error(transparent)]
    Mint(#[from] crate::security::MintError),
    #[error(transparent)]
    Job(#[from] crate::jobs::JobError),
    #[error("could not {action} {what}: {source}")]
    Io { action: &'static str, what: String, source: std::io::Error },
    #[error(transparent)]
    MastershipLost(#[from] crate::election::MastershipLost),
    #[error("{0}")]
    Other(String),
}

type CommandResult = Result<ExitCode, CommandError>;

impl ConfigArgs {
    fn load(&self) -> Result<Config, CommandError> {
        // `clap` has read STORAGE_ELEMENT_CONFIG already.
        Ok(Config::load(self.config.as_deref(), crate::config::environment())?)
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("storage-node: {error}");
            ExitCode::from(COULD_NOT)
        }
    }
}

fn run(cli: Cli) -> CommandResult {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&cli.config.load()?, None),
        Command::Dev(args) => dev::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Verify(args) => verify::run(&cli.config.load()?, &args),
        Command::Rebuild => rebuild::run(&cli.config.load()?),
        Command::Migrate => migrate::run(&cli.config.load()?),
        Command::Openapi => {
            println!("{}", crate::http::openapi_json());
            Ok(ExitCode::SUCCESS)
        }
        Command::Healthcheck(args) => healthcheck::run(&cli.config, &args),
        #[cfg(feature = "failpoints")]
        Command::Failpoints => {
            crate::failpoint::NAMES.iter().for_each(|name| println!("{name}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is counted; shown by `serve` only.
fn metrics() -> Result<std::sync::Arc<crate::telemetry::metrics::Metrics>, CommandError> {
    crate::telemetry::metrics::Metrics::new(env!("CARGO_PKG_VERSION"))
        .map(std::sync::Arc::new)
        .map_err(|error| CommandError::Other(error.to_string()))
}

/// A runtime for one command.
fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("storage-node")
        .build()
        .map_err(|source| CommandError::Io { action: "start", what: "the runtime".to_owned(), source })
}
