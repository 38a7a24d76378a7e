//! `storage-operator`: turns StorageElement objects into running storage elements.
//!
//! Source of the rules: the product specification, `20-operator`. Rooms: `controller` decides when, `reconcile` decides
//! what, `build` makes the objects (pure), `cluster` and `node_client` are the only ones that talk.

mod build;
mod cache;
mod cluster;
mod controller;
mod crd;
mod health;
mod keys;
mod leader;
mod logs;
mod metrics;
mod names;
mod node_client;
mod queue;
mod reconcile;
mod run;
mod settings;
mod watch;

use clap::{Parser, Subcommand};

/// Turns StorageElement objects into running storage elements.
#[derive(Parser)]
#[command(name = "storage-operator", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch StorageElements and keep what belongs to them as it should be.
    Run(Box<settings::Settings>),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
}

fn main() -> std::process::ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Run(settings) => run::run(*settings),
        Command::Crd => crd::print(),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storage-operator: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
