//! `healthcheck`: asks a running node whether it is ready; for containers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{CommandError, CommandResult, ConfigArgs, FINDINGS, runtime};
use crate::http::pinned_client;

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub(super) struct HealthcheckArgs {
    /// What to ask; by default `/health/ready` where the configuration says that the node listens
    #[arg(long)]
    url: Option<Uri>,
}

pub(super) fn run(config: &ConfigArgs, args: &HealthcheckArgs) -> CommandResult {
    let (url, tls) = match &args.url {
        Some(url) => (url.clone(), None),
        None => configured(config)?,
    };
    let (status, body) = runtime()?.block_on(async {
        tokio::time::timeout(PATIENCE, ask(&url, tls))
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

/// The node's own address; with its certificate, if it was given one.
fn configured(config: &ConfigArgs) -> Result<(Uri, Option<TlsConnector>), CommandError> {
    let config = config.load()?;
    let tls = config.tls.cert_file.as_deref().map(pinned_client).transpose()?;
    let mut listen = config.server.listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{listen}/health/ready");
    Ok((url.parse().map_err(|error| CommandError::Other(format!("{listen}: {error}")))?, tls))
}

type Answer = Result<(http::StatusCode, String), CommandError>;

async fn ask(url: &Uri, tls: Option<TlsConnector>) -> Answer {
    let failed = |error: &dyn std::fmt::Display| CommandError::Other(format!("{url} cannot be asked: {error}"));
    let host = url.host().filter(|_| tls.is_some() || url.scheme_str() == Some("http"));
    let host = host.ok_or_else(|| {
        failed(
            &"give an http:// address with a host; a node with tls.cert_file is asked with --config and without --url",
        )
    })?;
    let host = host.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80))).await.map_err(|error| failed(&error))?;
    let Some(tls) = tls else { return exchange(url, stream).await };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
    exchange(url, tls.connect(name, stream).await.map_err(|error| failed(&error))?).await
}

async fn exchange<S>(url: &Uri, stream: S) -> Answer
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: &dyn std::fmt::Display| CommandError::Other(format!("{url} cannot be asked: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
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
