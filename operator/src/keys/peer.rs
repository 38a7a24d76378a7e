//! The certificate of the peer port: one for all nodes of an element and for the operator, signed by an authority that is
//! made for it and forgotten at once.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::KeyError;

/// How long a certificate is good.
const VALIDITY: Duration = Duration::days(10 * 365);
/// Clocks of nodes may be behind.
const BACKDATED: Duration = Duration::hours(1);
/// It is replaced when it has less than this left.
pub const RENEW_BEFORE: Duration = Duration::days(365);

/// The certificate, its key, and who signed it, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// `tls.crt`.
    pub certificate: String,
    /// `tls.key`.
    pub key: String,
    /// `ca.crt`: the authority, and the one before it while both are in use.
    pub authorities: String,
    /// Until when it is good.
    pub not_after: OffsetDateTime,
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl PeerCertificate {
    /// Makes one for `*.NAME-headless.NAMESPACE.svc`. `before`: authorities that peers may still be signed by.
    pub(super) fn make(name: &str, namespace: &str, before: &str, now: OffsetDateTime) -> Result<Self, KeyError> {
        let failed = |error: rcgen::Error| KeyError::NotMade(error.to_string());
        let (from, until) = (now - BACKDATED, now + VALIDITY);

        let mut authority = CertificateParams::default();
        authority.not_before = from;
        authority.not_after = until;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, format!("{name} peers"));
        authority.distinguished_name.push(DnType::OrganizationName, format!("{namespace} {}", from.unix_timestamp()));
        let authority_key = KeyPair::generate().map_err(failed)?;
        let authority_pem = authority.self_signed(&authority_key).map_err(failed)?.pem();

        let domain = format!("{name}-headless.{namespace}.svc");
        let mut leaf =
            CertificateParams::new(vec![format!("*.{domain}"), format!("*.{domain}.cluster.local")]).map_err(failed)?;
        leaf.not_before = from;
        leaf.not_after = until;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(failed)?;
        let issuer = Issuer::from_params(&authority, &authority_key);
        let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?.pem();

        Ok(Self {
            certificate,
            key: key.serialize_pem(),
            authorities: authority_pem + first_of(before),
            not_after: until,
        })
    }
}

/// The first PEM block: the authority in use; the ones before it have been replaced by now.
fn first_of(bundle: &str) -> &str {
    const END: &str = "-----END CERTIFICATE-----";
    bundle.find(END).map_or("", |at| bundle.get(..at + END.len() + 1).unwrap_or(bundle))
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::PeerCertificate;

    #[test]
    fn a_renewed_one_keeps_the_authority_before_it_and_no_more() {
        let now = OffsetDateTime::now_utc();
        let blocks = |text: &str| text.matches("BEGIN CERTIFICATE").count();
        let first = PeerCertificate::make("a", "ns", "", now).unwrap();
        assert_eq!((blocks(&first.certificate), blocks(&first.authorities)), (1, 1));
        let second = PeerCertificate::make("a", "ns", &first.authorities, now).unwrap();
        assert!(second.authorities.ends_with(&first.authorities));
        let third = PeerCertificate::make("a", "ns", &second.authorities, now).unwrap();
        assert_eq!(blocks(&third.authorities), 2);
        assert!(!format!("{third:?}").contains("KEY"));
    }
}
