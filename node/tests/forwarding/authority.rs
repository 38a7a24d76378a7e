//! An authority that signs peers' certificates, and the files in which a node has them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use storage_node::http::MutualTls;
use tempfile::TempDir;

const BOTH: [ExtendedKeyUsagePurpose; 2] = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];

pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key for both sides, for 127.0.0.1.
    pub fn pair(&self) -> (String, String) {
        self.signed(&BOTH)
    }

    pub fn signed(&self, usages: &[ExtendedKeyUsagePurpose]) -> (String, String) {
        self.signed_for(SanType::IpAddress([127, 0, 0, 1].into()), usages)
    }

    /// Both sides of a peer port of another host.
    pub fn for_host(&self, name: &str) -> MutualTls {
        let (cert, key) = self.signed_for(SanType::DnsName(name.try_into().unwrap()), &BOTH);
        Files::new(&cert, &key, &self.pem).open().unwrap()
    }

    fn signed_for(&self, name: SanType, usages: &[ExtendedKeyUsagePurpose]) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The files of a node that this authority vouches for.
    pub fn files(&self) -> Files {
        let (cert, key) = self.pair();
        Files::new(&cert, &key, &self.pem)
    }

    /// Both sides of a peer port.
    pub fn tls(&self) -> MutualTls {
        self.files().open().unwrap()
    }
}

/// The three files.
pub struct Files(TempDir);

impl Files {
    pub fn new(cert: &str, key: &str, ca: &str) -> Self {
        let it = Self(tempfile::tempdir().unwrap());
        it.now_hold(cert, key, ca);
        it
    }

    pub fn now_hold(&self, cert: &str, key: &str, ca: &str) {
        for (name, text) in [("tls.crt", cert), ("tls.key", key), ("ca.crt", ca)] {
            fs::write(self.path(name), text).unwrap();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn open(&self) -> Result<MutualTls, storage_node::http::TlsError> {
        let [cert, key, ca] = ["tls.crt", "tls.key", "ca.crt"].map(|name| self.path(name));
        MutualTls::open(&cert, &key, &ca, Duration::from_secs(20))
    }
}
