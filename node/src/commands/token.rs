//! `token`: mints a token from a private key.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{CommandError, CommandResult};
use crate::security::{MintClaims, Role, mint, public_jwks};

#[derive(Args)]
pub(super) struct TokenArgs {
    /// The RSA private key (PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Whom the token names
    #[arg(long)]
    sub: String,
    /// user, operator or admin
    #[arg(long, value_parser = role)]
    role: Role,
    /// The name shown for whom it names
    #[arg(long)]
    username: Option<String>,
    /// The full name
    #[arg(long)]
    full_name: Option<String>,
    /// How long it is valid
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
    ttl_seconds: u64,
    /// Who issues it (`iss`)
    #[arg(long)]
    issuer: Option<String>,
    /// Whom it is for (`aud`)
    #[arg(long)]
    audience: Option<String>,
    /// The name of the key; by default its RFC 7638 thumbprint
    #[arg(long)]
    kid: Option<String>,
}

fn role(name: &str) -> Result<Role, String> {
    Role::parse(name).ok_or_else(|| "use user, operator or admin".to_owned())
}

pub(super) fn run(args: &TokenArgs) -> CommandResult {
    let pem = std::fs::read(&args.key).map_err(|source| CommandError::Io {
        action: "read",
        what: args.key.display().to_string(),
        source,
    })?;
    let kid = match &args.kid {
        Some(kid) => kid.clone(),
        None => public_jwks(&pem)?.0,
    };
    let claims = MintClaims {
        sub: args.sub.clone(),
        role: args.role,
        username: args.username.clone(),
        full_name: args.full_name.clone(),
        ttl: Duration::from_secs(args.ttl_seconds),
        issuer: args.issuer.clone(),
        audience: args.audience.clone(),
        kid: Some(kid),
    };
    println!("{}", mint(&pem, &claims)?);
    Ok(ExitCode::SUCCESS)
}
