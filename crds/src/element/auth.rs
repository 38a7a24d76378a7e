//! Who may call the nodes: the keys that tokens are checked with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretRef;

/// Who may call the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Tokens: JSON Web Tokens signed with RS256.
    #[serde(default)]
    pub jwt: Jwt,
}

/// Which tokens are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Jwt {
    /// What `iss` of a token must be. Unset: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub issuer: Option<String>,

    /// What `aud` of a token must contain. Unset: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,

    /// Secret with the key `jwks.json`: the public keys of an issuer outside of the cluster. Nodes read it again when it
    /// changes. Unset: the operator makes a key pair, whose private half is in the Secret `NAME-issuer` for whoever issues
    /// tokens and is mounted by no node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_secret_ref: Option<SecretRef>,

    /// The key pairs that the operator makes and changes: the issuers' (unless `jwksSecretRef` is set) and its own. A new key
    /// is published first and used only when every node knows it; the old one is accepted for `overlapHours` more.
    #[serde(default)]
    pub keys: Keys,
}

/// How often keys change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Days after which a key is replaced.
    #[serde(default = "ninety")]
    #[schemars(range(min = 1, max = 3650))]
    pub rotate_every_days: u32,

    /// Hours for which a replaced key is still accepted. Not less than `maxTokenLifetimeHours`, so that no token dies early,
    /// and not more than the time between two rotations.
    #[serde(default = "one_day")]
    #[schemars(range(min = 1, max = 8760))]
    pub overlap_hours: u32,

    /// The longest life of a token (`exp` − `iat`) that nodes accept.
    #[serde(default = "half_a_day")]
    #[schemars(range(min = 1, max = 8760))]
    pub max_token_lifetime_hours: u32,

    /// Size of an RSA key in bits: 2048, 3072 or 4096. New keys only.
    #[serde(default = "three_kibibits")]
    #[schemars(extend("enum" = [2048, 3072, 4096]))]
    pub bits: u32,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            rotate_every_days: ninety(),
            overlap_hours: one_day(),
            max_token_lifetime_hours: half_a_day(),
            bits: three_kibibits(),
        }
    }
}

const fn ninety() -> u32 {
    90
}

const fn one_day() -> u32 {
    24
}

const fn half_a_day() -> u32 {
    12
}

const fn three_kibibits() -> u32 {
    3072
}
