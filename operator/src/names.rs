//! Names of what is built for an element, labels and annotations. Source: `20-operator`, Channels and keys.

/// The field manager of everything the operator applies, and its name in Events.
pub const MANAGER: &str = "storage-operator";
/// Label with the element's name, on everything that belongs to it.
pub const ELEMENT_LABEL: &str = "storage.artstore.dev/element";
/// Label of pods: `master` or `standby`. For people; nothing is decided by it.
pub const ROLE_LABEL: &str = "storage.artstore.dev/role";
/// Annotation with the hash of what was applied: tells a change of wish from a change by somebody else.
pub const APPLIED_ANNOTATION: &str = "storage.artstore.dev/applied";
/// Annotation of pods with the hash of what they were asked to be: pods with another one are replaced.
pub const SHAPE_ANNOTATION: &str = "storage.artstore.dev/shape";
/// Annotation of pods with the hash of their database: all of them stop before it changes.
pub const DATABASE_ANNOTATION: &str = "storage.artstore.dev/database";
/// Annotation of pods that mount their volume read-only.
pub const SEALED_ANNOTATION: &str = "storage.artstore.dev/sealed";
/// Annotation of the StatefulSet with the mode the element was made with.
pub const FIRST_MODE_ANNOTATION: &str = "storage.artstore.dev/first-mode";
/// Annotation of the StatefulSet with the image of the operator that made it: an upgrade of the operator moves no pod.
pub const IMAGE_ANNOTATION: &str = "storage.artstore.dev/operator-image";
/// Annotation of an element: take the operator's current image.
pub const USE_OPERATOR_IMAGE: &str = "storage.artstore.dev/use-operator-image";
/// Finalizer of elements with `deletionPolicy: Delete`.
pub const FINALIZER: &str = "storage.artstore.dev/delete";

/// Key of a Secret with a private key.
pub const PRIVATE_PEM: &str = "private.pem";
/// Key of a Secret with public keys.
pub const JWKS_JSON: &str = "jwks.json";
/// Key of a Secret with authorities.
pub const CA_CRT: &str = "ca.crt";
/// Key of a Secret with a certificate.
pub const TLS_CRT: &str = "tls.crt";
/// Key of a Secret with the certificate's private key.
pub const TLS_KEY: &str = "tls.key";

/// Names of the objects of one element.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(pub &'a str);

impl Names<'_> {
    /// StatefulSet, Service, ServiceAccount, Role, RoleBinding, Lease, PodDisruptionBudget, NetworkPolicy.
    pub fn main(self) -> String {
        self.0.to_owned()
    }

    /// The headless Service that gives pods their names.
    pub fn headless(self) -> String {
        format!("{}-headless", self.0)
    }

    /// The ConfigMap with this content hash.
    pub fn config(self, hash: &str) -> String {
        format!("{}-config-{hash}", self.0)
    }

    /// The Secret with the issuers' private key. No node mounts it.
    pub fn issuer(self) -> String {
        format!("{}-issuer", self.0)
    }

    /// The Secret with the issuers' public keys.
    pub fn jwks(self) -> String {
        format!("{}-jwks", self.0)
    }

    /// The Secret with the operator's private key for this element.
    pub fn operator(self) -> String {
        format!("{}-operator", self.0)
    }

    /// The Secret with the public half of that.
    pub fn operator_jwks(self) -> String {
        format!("{}-operator-jwks", self.0)
    }

    /// The Secret with the certificate of the peer port.
    pub fn peer_tls(self) -> String {
        format!("{}-peer-tls", self.0)
    }

    /// The claim for files.
    pub fn data(self) -> String {
        format!("{}-data", self.0)
    }

    /// The claim for the embedded database.
    pub fn db(self) -> String {
        format!("{}-db", self.0)
    }
}
