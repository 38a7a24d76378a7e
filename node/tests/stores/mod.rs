//! Real S3 stores for tests: a versitygw of our own, or the one that `E2E_S3_ENDPOINT` names.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::expect_used)]

mod faults;
mod gate;
#[path = "../../../e2e/src/versitygw.rs"]
mod versitygw;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use storage_node::storage::s3::{Patience, S3Options};
use tokio::sync::OnceCell;
use uuid::Uuid;

use self::versitygw::Versitygw;

pub use faults::{Fault, Proxy};

/// A store and a bucket in it, shared by all tests of one program.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub endpoint: String,
    pub name: String,
    access_key: String,
    secret_key: String,
}

static BUCKET: OnceCell<Bucket> = OnceCell::const_new();

/// The bucket, once its store has passed the race: no test is worth anything on a store that lets two writers win.
pub async fn bucket() -> Bucket {
    let made = BUCKET.get_or_init(|| async {
        // The endpoint's own bucket, access key and secret come along: E2E_S3_BUCKET and the usual AWS variables.
        let bucket = match std::env::var("E2E_S3_ENDPOINT") {
            Ok(endpoint) => Bucket {
                endpoint,
                name: variable("E2E_S3_BUCKET"),
                access_key: variable("AWS_ACCESS_KEY_ID"),
                secret_key: variable("AWS_SECRET_ACCESS_KEY"),
            },
            Err(_) => own(),
        };
        gate::race(&bucket).await;
        bucket
    });
    made.await.clone()
}

/// A store that ends with this program, and its one bucket.
fn own() -> Bucket {
    let own = Box::leak(Box::new(Versitygw::start()));
    std::fs::create_dir(own.buckets().join("elements")).expect("a bucket");
    let (access_key, secret_key) = own.credentials();
    Bucket {
        endpoint: own.endpoint().to_owned(),
        name: "elements".to_owned(),
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("E2E_S3_ENDPOINT is set, {name} is not: set it too"))
}

impl Bucket {
    /// A client that goes past the storage.
    pub fn client(&self) -> Client {
        let credentials = Credentials::new(&self.access_key, &self.secret_key, None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .credentials_provider(credentials);
        Client::from_conf(config.build())
    }

    /// How a storage is opened at `prefix`, through `endpoint` (the store's own, or a proxy's).
    pub fn options(&self, endpoint: &str, prefix: &str) -> S3Options {
        let folder = std::env::temp_dir().join(format!("storage-element-credentials-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            if !path.exists() {
                let fresh = folder.join(Uuid::new_v4().to_string());
                std::fs::write(&fresh, format!("{text}\n")).unwrap();
                std::fs::rename(fresh, &path).unwrap();
            }
            path
        };
        S3Options {
            bucket: self.name.clone(),
            prefix: prefix.to_owned(),
            region: Some("us-east-1".to_owned()),
            endpoint: Some(endpoint.to_owned()),
            force_path_style: true,
            ca_file: None,
            credential_files: Some((file("id", &self.access_key), file("secret", &self.secret_key))),
            allow_unconditional: false,
            patience: Patience::default(),
        }
    }
}

/// A prefix that nobody else uses.
pub fn fresh_prefix() -> String {
    format!("elements/{}", Uuid::new_v4().simple())
}
