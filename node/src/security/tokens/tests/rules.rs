//! What honest tokens get: names, roles, times.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::claims::TokenRules;
use super::super::{Authenticator, KeyStore};
use super::{INVALID, ISSUER, NOW, Node, OPERATOR, bearer, claims, headers, reason};
use crate::security::{DevKeys, MintClaims, Role, TokenReason, mint};

#[test]
fn no_token_another_scheme_and_any_case_of_bearer() {
    let node = Node::plain();
    let check = |value: &str| node.authenticator.authenticate(&headers(&[value]));
    assert_eq!(reason(&node.authenticator.authenticate(&headers(&[]))), Some(TokenReason::MissingToken));
    let token = ISSUER.token(&claims(&json!({})));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert!(check(&format!("{scheme} {token}")).is_ok(), "{scheme}");
    }
    for other in ["Basic dTpw", "Bearer", "", &token, &format!("Bearer\t{token}"), &format!("Bearer {token} x")] {
        assert_eq!(reason(&check(other)), INVALID, "{other}");
    }
    assert_eq!(TokenReason::MissingToken.challenge(), r#"Bearer realm="storage-element""#);
    assert!(TokenReason::TokenExpired.challenge().ends_with(r#", error="invalid_token""#));
}

#[test]
fn names_fall_back_and_must_be_fit_to_be_written() {
    let node = Node::plain();
    let caller = node.check_claims(&json!({"preferred_username": "pat", "name": "Pat P.", "role": "USER"})).unwrap();
    assert_eq!((caller.id.as_str(), caller.username.as_str()), ("u-1", "pat"));
    assert_eq!(caller.full_name.as_deref(), Some("Pat P."));
    let named = json!({"username": "u", "preferred_username": "pat", "full_name": "Full", "name": "N"});
    let caller = node.check_claims(&named).unwrap();
    assert_eq!((caller.username.as_str(), caller.full_name.as_deref()), ("u", Some("Full")));
    let caller = node.check_claims(&json!({"username": ""})).unwrap();
    assert_eq!((caller.username.as_str(), caller.full_name), ("u-1", None));
    for bad in [json!({"username": "a\nb"}), json!({"sub": ""}), json!({"sub": null}), json!({"name": "x".repeat(257)})]
    {
        assert_eq!(reason(&node.check_claims(&bad)), INVALID, "{bad}");
    }
}

#[test]
fn the_highest_known_role_counts() {
    let node = Node::plain();
    for (role, roles, counts) in [
        (json!("Operator"), Value::Null, Some(Role::Operator)),
        (Value::Null, json!(["user", "ADMIN", "root"]), Some(Role::Admin)),
        (json!("user"), json!(["operator"]), Some(Role::Operator)),
        (json!("admin"), json!(["user"]), Some(Role::Admin)),
        (Value::Null, json!("admin"), None),
        (Value::Null, json!([1, null]), None),
    ] {
        assert_eq!(node.check_claims(&json!({"role": role, "roles": roles})).unwrap().role, counts, "{role} {roles}");
    }
}

#[test]
fn expiry_has_its_own_reason_and_is_checked_for_remembered_tokens_too() {
    let mut node = Node::plain();
    let expired = |node: &Node, exp: f64| reason(&node.check_claims(&json!({"iat": NOW - 100.0, "exp": exp})));
    assert_eq!(expired(&node, NOW - 5.0), Some(TokenReason::TokenExpired));
    assert_eq!(expired(&node, NOW - 4.0), None, "within the leeway");
    let token = ISSUER.token(&claims(&json!({})));
    assert!(node.check(&token).is_ok());
    node.authenticator.now = || NOW + 306.0;
    assert_eq!(reason(&node.check(&token)), Some(TokenReason::TokenExpired));
    let token = ISSUER.token(&claims(&json!({"exp": NOW + 900.0})));
    assert!(node.check(&token).is_ok());
    node.authenticator.now = || NOW - 60.0;
    assert_eq!(reason(&node.check(&token)), INVALID, "issued in the future of a clock set back");
}

#[test]
fn issuer_audience_and_life_are_checked_when_configured() {
    let node = Node::start(TokenRules {
        issuer: Some("https://id".to_owned()),
        audience: Some("files".to_owned()),
        max_lifetime: Some(Duration::from_hours(1)),
        ..TokenRules::default()
    });
    let good = json!({"iss": "https://id", "aud": ["other", "files"]});
    assert!(node.check_claims(&good).is_ok());
    for (name, value) in [
        ("iss", json!("https://other")),
        ("iss", Value::Null),
        ("aud", json!("file")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("exp", json!(NOW + 3601.0)),
    ] {
        let mut changed = good.clone();
        changed[name] = value.clone();
        assert_eq!(reason(&node.check_claims(&changed)), INVALID, "{name} {value}");
    }
}

#[test]
fn the_operators_tokens_are_for_this_element_and_short() {
    let node = Node::plain();
    let good = json!({
        "iss": "storage-operator", "sub": "system:operator", "role": "admin", "aud": "element-1", "exp": NOW + 60.0,
    });
    let caller = node.check(&OPERATOR.token(&claims(&good))).unwrap();
    assert_eq!((caller.id.as_str(), caller.role), ("system:operator", Some(Role::Admin)));
    for (name, value) in [
        ("aud", json!("element-2")),
        ("aud", json!(["element-1", "element-2"])),
        ("aud", Value::Null),
        ("exp", json!(NOW + 61.0)),
    ] {
        let mut changed = good.clone();
        changed[name] = value.clone();
        assert_eq!(reason(&node.check(&OPERATOR.token(&claims(&changed)))), INVALID, "{name} {value}");
    }
}

#[test]
fn minted_tokens_are_let_in_and_development_keys_are_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let dev = DevKeys::load_or_create(&folder.path().join("dev")).unwrap();
    let again = DevKeys::load_or_create(&folder.path().join("dev")).unwrap();
    assert_eq!(dev.kid(), again.kid());
    for name in ["private.pem", "jwks.json"] {
        let mode = std::fs::metadata(folder.path().join("dev").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let keys = Arc::new(KeyStore::open(dev.jwks_path(), None).unwrap());
    let rules = TokenRules { leeway: Duration::from_secs(5), ..TokenRules::default() };
    let authenticator = Authenticator::new(keys, rules);
    for role in [Role::User, Role::Operator, Role::Admin] {
        let token = again.token(role, Duration::from_mins(1)).unwrap();
        let caller = authenticator.authenticate(&bearer(&token)).unwrap();
        assert_eq!(caller.role, Some(role));
        assert_eq!(caller.id, format!("dev-{}", role.as_str()));
    }
    let claims = MintClaims {
        sub: "u".to_owned(),
        role: Role::User,
        username: Some("name".to_owned()),
        full_name: None,
        ttl: Duration::from_mins(1),
        issuer: Some("i".to_owned()),
        audience: Some("a".to_owned()),
        kid: None,
    };
    let pem = std::fs::read(folder.path().join("dev/private.pem")).unwrap();
    let caller = authenticator.authenticate(&bearer(&mint(&pem, &claims).unwrap())).unwrap();
    assert_eq!(caller.username, "name");
    assert!(mint(b"no key", &claims).is_err());
}
