//! The peer ports of several nodes: one authority, one certificate for all of them, as the operator makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tempfile::TempDir;

use crate::setup::free_port;
use crate::{Answer, Setup, Tokens};

/// The files that all nodes of an element share, and a free port for each. The folder is removed on drop: keep it as
/// long as the nodes.
pub struct Peers {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Peers {
    /// Files and ports for `nodes` nodes on 127.0.0.1.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn new(nodes: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("storage-element-peers-").tempdir()?;
        let ports = (0..nodes).map(|_| free_port()).collect::<Result<_>>()?;
        let it = Self { folder, ports };
        it.renew()?;
        Ok(it)
    }

    /// Makes a new authority and a new certificate in place of the old ones.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn renew(&self) -> Result<()> {
        let mut authority = CertificateParams::default();
        // Names of their own: where both are the same, OpenSSL takes the certificate for its own authority.
        authority.distinguished_name = named("peers' authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let ca = authority.self_signed(&key)?.pem();
        let issuer = Issuer::new(authority, key);
        let mut both_sides = CertificateParams::default();
        both_sides.distinguished_name = named("peer");
        both_sides.subject_alt_names =
            vec![SanType::IpAddress([127, 0, 0, 1].into()), SanType::DnsName("localhost".try_into()?)];
        both_sides.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let cert = both_sides.signed_by(&key, &issuer)?.pem();
        for (name, text) in [("ca.crt", ca), ("tls.crt", cert), ("tls.key", key.serialize_pem())] {
            // Whole or not at all: nodes read them whenever they like.
            let new = self.path(&format!("{name}.new"));
            fs::write(&new, text)?;
            fs::rename(new, self.path(name))?;
        }
        Ok(())
    }

    /// Gives node number `node` (from 0) its peer port.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn join(&self, setup: Setup, node: usize) -> Result<Setup> {
        let address = self.address(node)?;
        let file = |name| self.path(name).display().to_string();
        Ok(setup
            .setting("peer.listen", address.clone())
            .setting("peer.advertise", address)
            .setting("peer.cert_file", file("tls.crt"))
            .setting("peer.key_file", file("tls.key"))
            .setting("peer.ca_file", file("ca.crt")))
    }

    /// Where node number `node` listens for its peers.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn address(&self, node: usize) -> Result<String> {
        let port =
            self.ports.get(node).with_context(|| format!("there are peer ports for {} nodes", self.ports.len()))?;
        Ok(format!("127.0.0.1:{port}"))
    }

    /// `curl` as a peer: it trusts the authority, shows the certificate, and ends its output with a line that has the
    /// status.
    pub fn curl(&self) -> Command {
        let mut curl = Self::curl_of_a_stranger();
        for (option, name) in [("--cacert", "ca.crt"), ("--cert", "tls.crt"), ("--key", "tls.key")] {
            curl.arg(option).arg(self.path(name));
        }
        curl
    }

    /// Sends a request about the mode to node number `node`, as the operator does: by `curl`, with a certificate.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub fn put_mode(&self, node: usize, wish: &Value) -> Result<Answer> {
        let mut curl = self.curl();
        let bearer = format!("Authorization: Bearer {}", Tokens::shared().role("admin"));
        curl.args(["-X", "PUT", "-H", &bearer, "-H", "Content-Type: application/json", "-d", &wish.to_string()]);
        let output = curl.arg(format!("https://{}/api/v1/admin/mode", self.address(node)?)).output()?;
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').context("curl said nothing")?;
        let status = status.parse()?;
        ensure!(status != 0, "no answer from the peer port of node {node}");
        Ok(Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() })
    }

    /// `curl` without a certificate.
    pub fn curl_of_a_stranger() -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code}"]);
        curl
    }

    /// The folder with `ca.crt`, `tls.crt` and `tls.key`: what the operator mounts.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
