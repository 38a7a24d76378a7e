//! A place in a real S3 store: in a versitygw of this process, or in the store that `E2E_S3_ENDPOINT` names.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::versitygw::Versitygw;

/// The variable that names a store to use in place of one started here. `E2E_S3_BUCKET`, `AWS_ACCESS_KEY_ID` and
/// `AWS_SECRET_ACCESS_KEY` come along; the bucket has to be there.
pub const ENDPOINT_VARIABLE: &str = "E2E_S3_ENDPOINT";

const REGION: &str = "us-east-1";

/// The store that all tests of this process share.
struct Store {
    endpoint: String,
    access_key: String,
    secret_key: String,
    at: At,
}

/// Whose store it is.
enum At {
    /// Ours: every test has a bucket of its own.
    Own(Versitygw),
    /// Somebody's: every test has a prefix of its own in this bucket.
    Given(String),
}

/// A bucket, or a prefix of one, that one test has for itself. It is emptied on drop.
pub struct Bucket {
    store: &'static Store,
    name: String,
    prefix: String,
    client: Client,
}

/// An object as a listing tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key without the prefix.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// # Panics
    /// When the variables that come along with the endpoint are not set, or the store does not start.
    #[allow(clippy::panic, reason = "a test without its store has failed, and says why")]
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Store> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(ENDPOINT_VARIABLE) {
            Ok(endpoint) if !endpoint.is_empty() => {
                let variable = |name: &str| {
                    std::env::var(name).unwrap_or_else(|_| panic!("{ENDPOINT_VARIABLE} is set, {name} is not: set it"))
                };
                Self {
                    endpoint,
                    access_key: variable("AWS_ACCESS_KEY_ID"),
                    secret_key: variable("AWS_SECRET_ACCESS_KEY"),
                    at: At::Given(variable("E2E_S3_BUCKET")),
                }
            }
            _ => {
                let own = Versitygw::start();
                let (access_key, secret_key) = Versitygw::credentials();
                Self {
                    endpoint: own.endpoint().to_owned(),
                    access_key: access_key.to_owned(),
                    secret_key: secret_key.to_owned(),
                    at: At::Own(own),
                }
            }
        })
    }

    fn client(&self) -> Client {
        let credentials = Credentials::new(&self.access_key, &self.secret_key, None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .credentials_provider(credentials);
        Client::from_conf(config.build())
    }
}

impl Bucket {
    /// A new and empty one.
    ///
    /// # Errors
    /// When it cannot be made.
    ///
    /// # Panics
    /// When there is no store, with a sentence that says how to get it.
    pub fn new() -> Result<Self> {
        let store = Store::shared();
        let fresh = Uuid::new_v4().simple().to_string();
        let name = match &store.at {
            At::Own(own) => {
                std::fs::create_dir(own.buckets().join(&fresh))?;
                fresh.clone()
            }
            At::Given(bucket) => bucket.clone(),
        };
        Ok(Self { store, name, prefix: format!("elements/{fresh}/"), client: store.client() })
    }

    /// URL of the store.
    pub fn endpoint(&self) -> &str {
        &self.store.endpoint
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What every key begins with, `/` at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Access key id and secret.
    pub fn credentials(&self) -> (&str, &str) {
        (&self.store.access_key, &self.store.secret_key)
    }

    /// A client that goes past the node.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The key of a path below the prefix.
    pub fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The section `storage` of a node's configuration. The credentials are written to files in `folder`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn settings(&self, folder: &Path) -> Result<Value> {
        let (id, secret) = (folder.join("access-key-id"), folder.join("secret-access-key"));
        std::fs::write(&id, &self.store.access_key)?;
        std::fs::write(&secret, &self.store.secret_key)?;
        Ok(json!({"s3": {
            "bucket": self.name, "prefix": self.prefix, "region": REGION, "endpoint": self.store.endpoint,
            "force_path_style": true, "access_key_id_file": id, "secret_access_key_file": secret,
        }}))
    }

    /// Every object below the prefix, in the order of keys.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn objects(&self) -> Result<Vec<Object>> {
        let (mut objects, mut next) = (Vec::new(), None);
        loop {
            let request = self.client.list_objects_v2().bucket(&self.name).prefix(&self.prefix);
            let page = request.set_continuation_token(next).send().await.context("listing a bucket")?;
            for object in page.contents() {
                let key = object.key().context("an object without a key")?;
                let path = key.strip_prefix(&self.prefix).context("a key outside of the prefix")?.to_owned();
                objects.push(Object { path, size: object.size().unwrap_or_default().try_into()? });
            }
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Keys, without the prefix, whose multipart uploads were begun and not ended.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unfinished(&self) -> Result<Vec<String>> {
        let keys = self.uploads().await?.into_iter();
        Ok(keys.filter_map(|(key, _)| Some(key.strip_prefix(&self.prefix)?.to_owned())).collect())
    }

    /// Key and id of multipart uploads.
    async fn uploads(&self) -> Result<Vec<(String, String)>> {
        let request = self.client.list_multipart_uploads().bucket(&self.name).prefix(&self.prefix);
        let page = request.send().await.context("listing unfinished uploads")?;
        let uploads = page.uploads.unwrap_or_default().into_iter();
        Ok(uploads.filter_map(|upload| Some((upload.key?, upload.upload_id?))).collect())
    }

    /// An object; `None` when it is not there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let asked = self.client.get_object().bucket(&self.name).key(self.key(path)).send().await;
        match asked {
            Ok(output) => Ok(Some(output.body.collect().await?.into_bytes())),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| path.to_owned()),
        }
    }

    /// Puts an object, whatever stands there.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let put = self.client.put_object().bucket(&self.name).key(self.key(path)).body(bytes.into());
        put.send().await.with_context(|| path.to_owned()).map(drop)
    }

    /// Removes an object.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn remove(&self, path: &str) -> Result<()> {
        let remove = self.client.delete_object().bucket(&self.name).key(self.key(path));
        remove.send().await.with_context(|| path.to_owned()).map(drop)
    }

    async fn empty(&self) -> Result<()> {
        for object in self.objects().await? {
            self.remove(&object.path).await?;
        }
        for (key, id) in self.uploads().await? {
            self.client.abort_multipart_upload().bucket(&self.name).key(key).upload_id(id).send().await?;
        }
        Ok(())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let At::Own(own) = &self.store.at {
            let _ = std::fs::remove_dir_all(own.buckets().join(&self.name));
            return;
        }
        // Connections belong to the runtime that made them, which may be gone.
        self.client = self.store.client();
        // A drop may happen within a runtime, which takes no second one on its own thread.
        let this = &*self;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let emptied = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(this.empty()));
                if let Err(error) = emptied {
                    eprintln!("s3://{}/{} could not be emptied: {error:#}", this.name, this.prefix);
                }
            });
        });
    }
}
