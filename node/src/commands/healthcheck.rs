//! `healthcheck`: asks a running node whether it is ready; for containers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{CommandError, CommandResult, ConfigArgs, FINDINGS, runtime};

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub(super) struct HealthcheckArgs {
    /// What to ask; by default `/health/ready` where the configuration says that the node listens
    #[arg(long)]
    url: Option<Uri>,
}

pub(super) fn run(config: &ConfigArgs, args: &HealthcheckArgs) -> CommandResult {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => configured(config)?,
    };
    let (status, body) = runtime()?.block_on(async {
        tokio::time::timeout(PATIENCE, ask(&url))
            .await
            .unwrap_or_else(|_| Err(CommandError::Other(format!("{url} has not answered within 10 s"))))
    })?;
    if status.is_success() {
        println!("ready");
        return Ok(ExitCode::SUCCESS);
    }
    println!("not ready ({status}): {body}");
    Ok(ExitCode::from(FINDINGS))
}

fn configured(config: &ConfigArgs) -> Result<Uri, CommandError> {
    let mut listen = config.load()?.server.listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{listen}/health/ready").parse().map_err(|error| CommandError::Other(format!("{listen}: {error}")))
}

async fn ask(url: &Uri) -> Result<(http::StatusCode, String), CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Other(format!("{url} cannot be asked: {error}"));
    let host = url.host().filter(|_| url.scheme_str() == Some("http"));
    let host = host.ok_or_else(|| failed(&"give an http:// address with a host"))?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), url.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let authority = url.authority().map_or(host, http::uri::Authority::as_str);
    let request = http::Request::get(url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str))
        .header(http::header::HOST, authority)
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| failed(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.map_err(|error| failed(&error))?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(&error)),
        },
    }
}
