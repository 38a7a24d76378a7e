//! The client of the store: where it is, who we are there, whom we trust, how long we wait.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::credentials::CredentialFiles;
use crate::storage::{StorageError, StorageResult};

/// Region of a store that knows none.
const ANY_REGION: &str = "us-east-1";

/// Where an element lives in a store.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The bucket. It has to be there.
    pub bucket: String,
    /// What every key begins with, so that many elements share a bucket. A `/` is put after it if it has none.
    pub prefix: String,
    /// The region; else what the usual chain says.
    pub region: Option<String>,
    /// URL of a store that is not Amazon's.
    pub endpoint: Option<String>,
    /// The bucket goes into the path, not into the host name.
    pub force_path_style: bool,
    /// PEM file with authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Files with access key id and secret, looked at again while the process runs; else the usual chain.
    pub credential_files: Option<(PathBuf, PathBuf)>,
    /// Go on with a store that does not honour conditional writes. For one node only, at one's own risk.
    pub allow_unconditional: bool,
    /// How long to wait for the store.
    pub patience: Patience,
}

/// How long to wait for the store, and how often to ask.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// For the answer to a small request: a description, a listing, the head of a download.
    pub answer: Duration,
    /// For the answer to a request that carries data.
    pub data: Duration,
    /// Without a byte of a download.
    pub stall: Duration,
    /// Tries of one request. All requests together have a budget for tries beyond the first: a store in trouble is not
    /// asked four times as much.
    pub tries: u32,
    /// After this long credentials that came from files are read again: a rotated Secret needs no restart.
    pub credentials: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            data: Duration::from_mins(2),
            stall: Duration::from_secs(20),
            tries: 4,
            credentials: Duration::from_mins(1),
        }
    }
}

/// One connection pool, three ways of asking.
pub(super) struct Clients {
    /// For small requests that can be repeated blindly.
    pub(super) small: Client,
    /// For small requests whose repetition has to be thought about: conditional writes.
    pub(super) once: Client,
    /// For requests that carry data.
    pub(super) bulk: Client,
    /// Bodies travel inside TLS, so that they need not be hashed once more for the signature.
    pub(super) encrypted: bool,
}

impl Clients {
    pub(super) async fn new(options: &S3Options) -> StorageResult<Self> {
        let http = http_client(options)?;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http.clone());
        // A store of one's own has no instance to ask for its region.
        let own = || options.endpoint.as_ref().map(|_| std::env::var("AWS_REGION").unwrap_or(ANY_REGION.to_owned()));
        if let Some(region) = options.region.clone().or_else(own) {
            loader = loader.region(Region::new(region));
        }
        if let Some((id, secret)) = &options.credential_files {
            loader = loader.credentials_provider(CredentialFiles::open(id, secret, options.patience.credentials)?);
        }
        let shared = loader.load().await;
        let region = shared.region().cloned().unwrap_or_else(|| Region::new(ANY_REGION));
        let mut builder = Builder::from(&shared)
            .region(region)
            .force_path_style(options.force_path_style)
            .retry_partition(budget())
            // Checksums that we ask for ourselves are the ones we compare; stores that are not Amazon's refuse others.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // Reading has its own time-out, which does not count a slow client against the store.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &options.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        let patience = options.patience;
        let client = |answer: Duration, tries: u32| {
            let timeouts =
                TimeoutConfig::builder().connect_timeout(patience.connect).operation_attempt_timeout(answer).build();
            let retries = RetryConfig::standard().with_max_attempts(tries).with_max_backoff(Duration::from_secs(3));
            Client::from_conf(builder.clone().timeout_config(timeouts).retry_config(retries).build())
        };
        Ok(Self {
            small: client(patience.answer, patience.tries),
            once: client(patience.answer, 1),
            bulk: client(patience.data, patience.tries),
            encrypted: !is_plain(options),
        })
    }
}

/// What all requests of a storage together may spend on tries beyond the first: a hundred at once, then two a second.
/// What the client brings along is given back by requests that succeed alone, and so is gone for long after an outage.
fn budget() -> RetryPartition {
    const COST: u32 = 5;
    let bucket = TokenBucket::builder().capacity(500).retry_cost(COST).timeout_retry_cost(COST).refill_rate(10.0);
    RetryPartition::custom("storage element").token_bucket(bucket.build()).build()
}

fn is_plain(options: &S3Options) -> bool {
    options.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:"))
}

fn http_client(options: &S3Options) -> StorageResult<SharedHttpClient> {
    let failed = |message: String| StorageError::Io {
        action: "make a client for",
        path: "the S3 store".to_owned(),
        source: std::io::Error::other(message),
    };
    let native = system_has_authorities();
    if !native && options.ca_file.is_none() && !is_plain(options) {
        return Err(failed("this system has no certificate authorities: set storage.s3.ca_file".to_owned()));
    }
    let mut trust = TrustStore::empty().with_native_roots(native);
    if let Some(file) = &options.ca_file {
        trust = trust.with_pem_certificate(read_authorities(file)?);
    }
    let context = TlsContext::builder().with_trust_store(trust).build().map_err(|error| failed(error.to_string()))?;
    let tls = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    Ok(tls.tls_context(context).build_https())
}

fn system_has_authorities() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// Reads and judges the file: the client takes it for granted.
fn read_authorities(file: &Path) -> StorageResult<Vec<u8>> {
    let failed =
        |source| StorageError::Io { action: "read authorities from", path: file.display().to_string(), source };
    let pem = std::fs::read(file).map_err(failed)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(std::io::Error::other)
            .and_then(|certificate| roots.add(certificate).map_err(std::io::Error::other));
        added.map_err(failed)?;
    }
    if roots.is_empty() {
        return Err(failed(std::io::Error::other("it holds no PEM certificate")));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use aws_sdk_s3::presigning::PresigningConfig;

    use super::{Clients, Patience, S3Options};

    /// Where a request for `key` goes.
    async fn address(folder: &tempfile::TempDir, force_path_style: bool) -> String {
        let file = |name: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, "x\n").unwrap();
            path
        };
        let options = S3Options {
            bucket: "papers".to_owned(),
            prefix: String::new(),
            region: Some("eu-central-1".to_owned()),
            endpoint: Some("http://store.example:7070".to_owned()),
            force_path_style,
            ca_file: None,
            credential_files: Some((file("id"), file("secret"))),
            allow_unconditional: false,
            patience: Patience::default(),
        };
        let clients = Clients::new(&options).await.unwrap();
        let signed = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
        let request = clients.small.get_object().bucket("papers").key("a/b.pdf").presigned(signed).await.unwrap();
        request.uri().split('?').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_bucket_is_in_the_path_or_in_the_host_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(address(&folder, true).await, "http://store.example:7070/papers/a/b.pdf");
        assert_eq!(address(&folder, false).await, "http://papers.store.example:7070/a/b.pdf");
    }
}
