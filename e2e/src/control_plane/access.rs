//! A way into a cluster: a kubeconfig file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::certificates::Signed;
use crate::Link;

/// Who asks where: a kubeconfig.
#[derive(Clone, Debug)]
pub struct Access {
    path: PathBuf,
}

impl Access {
    /// One that exists.
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes a kubeconfig.
    pub(crate) fn write(path: PathBuf, server: &str, authority: &Path, signed: &Signed) -> Result<Self> {
        let user = json!({"client-certificate": signed.certificate, "client-key": signed.key});
        let cluster = json!({"server": server, "certificate-authority": authority});
        write(&path, &cluster, &user)?;
        Ok(Self { path })
    }

    /// The kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.path
    }

    /// A client that asks as this one. To be made inside of the runtime that uses it.
    ///
    /// # Errors
    /// When the file is no kubeconfig.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// What a client is made of.
    ///
    /// # Errors
    /// When the file is no kubeconfig.
    pub async fn config(&self) -> Result<Config> {
        let file = Kubeconfig::read_from(&self.path)?;
        Ok(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
    }

    /// The same one, whose way to the API server leads over `link`, which can be cut.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn through(&self, link: &Link) -> Result<Self> {
        let file = Kubeconfig::read_from(&self.path)?;
        let mut value = serde_json::to_value(&file)?;
        let cluster = value.pointer_mut("/clusters/0/cluster").and_then(Value::as_object_mut).context("no cluster")?;
        let server = cluster.get("server").and_then(Value::as_str).context("no server")?;
        let host = server.trim_start_matches("https://").rsplit_once(':').map_or(server, |(host, _)| host).to_owned();
        cluster.insert("server".to_owned(), json!(format!("https://{}", link.address())));
        // The certificate is checked against the name that it has, not against the link's port.
        cluster.insert("tls-server-name".to_owned(), json!(host));
        let path = self.path.with_extension(format!("through-{}.json", link.address().port()));
        std::fs::write(&path, serde_json::to_vec_pretty(&value)?)?;
        Ok(Self { path })
    }

    /// A way in for a service account that exists, by a token asked for with this one's rights.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn account(&self, namespace: &str, name: &str) -> Result<Self> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(24 * 3600), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request(name, &kube::api::PostParams::default(), &request).await?;
        let token = answer.status.context("a token request is answered with a token")?.token;
        let value = serde_json::to_value(Kubeconfig::read_from(&self.path)?)?;
        let cluster = value.pointer("/clusters/0/cluster").context("no cluster")?;
        let path = self.path.with_extension(format!("{namespace}-{name}.json"));
        write(&path, cluster, &json!({"token": token}))?;
        Ok(Self { path })
    }
}

fn write(path: &Path, cluster: &Value, user: &Value) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "e2e", "user": user}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "current-context": "e2e",
    });
    std::fs::write(path, serde_json::to_vec_pretty(&config)?)?;
    Ok(())
}
