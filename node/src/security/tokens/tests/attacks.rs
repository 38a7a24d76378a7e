//! Attacks, each by name. None may be let in.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{INVALID, ISSUER, NOW, Node, OPERATOR, STRANGER, claims, headers, reason};

fn good() -> String {
    claims(&json!({})).to_string()
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn alg_none_in_any_spelling() {
    let node = Node::plain();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let signed = format!("{}.{}", part(&json!({"alg": alg}).to_string()), part(&good()));
        for token in [format!("{signed}."), signed.clone(), format!("{signed}.AAAA")] {
            assert_eq!(reason(&node.check(&token)), INVALID, "{alg}: {token}");
        }
    }
}

#[test]
fn hs256_with_the_public_key_as_the_secret_in_every_encoding() {
    let node = Node::plain();
    let jwk = ISSUER.jwk();
    let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let pkcs1 = ISSUER.pkcs1();
    // The same within SubjectPublicKeyInfo.
    let mut spki = hex::decode("30820122300d06092a864886f70d01010105000382010f00").unwrap();
    spki.extend_from_slice(&pkcs1);
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)).into_bytes()
    };
    let secrets: Vec<Vec<u8>> = vec![
        ISSUER.jwks.clone().into_bytes(),
        jwk.to_string().into_bytes(),
        jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        n,
        pem("PUBLIC KEY", &spki),
        pem("PUBLIC KEY", &spki).trim_ascii_end().to_vec(),
        pem("RSA PUBLIC KEY", &pkcs1),
        spki,
        pkcs1,
        Vec::new(),
    ];
    for secret in secrets {
        for alg in ["HS256", "RS256"] {
            for header in [json!({"alg": alg, "kid": ISSUER.kid}), json!({"alg": alg})] {
                let signed = format!("{}.{}", part(&header.to_string()), part(&good()));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
                let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
                assert_eq!(reason(&node.check(&token)), INVALID);
            }
        }
    }
}

#[test]
fn other_algorithms_of_the_same_key() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    let node = Node::plain();
    let key = EncodingKey::from_rsa_pem(ISSUER.private_pem.as_bytes()).unwrap();
    for alg in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let header = Header { kid: Some(ISSUER.kid.clone()), ..Header::new(alg) };
        let token = jsonwebtoken::encode(&header, &claims(&json!({})), &key).unwrap();
        assert_eq!(reason(&node.check(&token)), INVALID, "{alg:?}");
    }
}

#[test]
fn a_good_signature_under_another_algorithms_name() {
    let node = Node::plain();
    for alg in ["none", "HS256", "RS512", "rs256", "RS256 ", ""] {
        let header = json!({"alg": alg, "kid": ISSUER.kid}).to_string();
        assert_eq!(reason(&node.check(&ISSUER.sign(&header, &good()))), INVALID, "{alg}");
    }
    assert_eq!(reason(&node.check(&ISSUER.sign(r#"{"typ":"JWT"}"#, &good()))), INVALID, "no alg");
}

#[test]
fn kid_as_a_path_as_sql_or_as_another_type() {
    let node = Node::plain();
    let kids = [
        json!("../../../../dev/null"),
        json!("/etc/passwd"),
        json!("jwks.json"),
        json!("x' OR '1'='1"),
        json!("x'; DROP TABLE keys; --"),
        json!("$(id)"),
        json!(format!("{}\0", ISSUER.kid)),
        json!(format!("{} ", ISSUER.kid)),
        json!(ISSUER.kid.to_uppercase() + "x"),
        json!(""),
        json!(0),
        json!([ISSUER.kid]),
        json!({"kid": ISSUER.kid}),
    ];
    for kid in kids {
        let token = ISSUER.sign(&json!({"alg": "RS256", "kid": kid}).to_string(), &good());
        assert_eq!(reason(&node.check(&token)), INVALID, "{kid}");
    }
}

#[test]
fn a_key_within_the_token_jwk_jku_x5u_x5c() {
    let node = Node::plain();
    for (name, value) in [
        ("jwk", STRANGER.jwk()),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("jku", json!("file:///etc/passwd")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        for kid in [json!(STRANGER.kid), json!(ISSUER.kid), Value::Null] {
            let mut header = json!({"alg": "RS256", name: value});
            if !kid.is_null() {
                header["kid"] = kid;
            }
            let token = STRANGER.sign(&header.to_string(), &good());
            assert_eq!(reason(&node.check(&token)), INVALID, "{header}");
        }
    }
    // Beside a good signature they are not looked at.
    let header = json!({"alg": "RS256", "kid": ISSUER.kid, "jwk": STRANGER.jwk(), "jku": "https://attacker.example"});
    assert!(node.check(&ISSUER.sign(&header.to_string(), &good())).is_ok());
}

#[test]
fn crit_of_any_kind() {
    let node = Node::plain();
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("x"), Value::Null] {
        let header = json!({"alg": "RS256", "kid": ISSUER.kid, "crit": crit, "b64": false});
        assert_eq!(reason(&node.check(&ISSUER.sign(&header.to_string(), &good()))), INVALID, "{crit}");
    }
}

#[test]
fn nbf_and_iat_in_the_future() {
    let node = Node::plain();
    for name in ["nbf", "iat"] {
        assert_eq!(reason(&node.check_claims(&json!({name: NOW + 6.0}))), INVALID, "{name}");
        assert!(node.check_claims(&json!({name: NOW + 4.0})).is_ok(), "{name} within the leeway");
    }
}

#[test]
fn a_refresh_token_or_one_of_no_or_another_type() {
    let node = Node::plain();
    for token_type in [json!("refresh"), json!("Access"), json!(""), json!(["access"]), json!(1), Value::Null] {
        assert_eq!(reason(&node.check_claims(&json!({"type": token_type}))), INVALID, "{token_type}");
    }
}

#[test]
fn an_unknown_role_has_no_rights() {
    let node = Node::plain();
    for role in [json!("root"), json!("administrator"), json!("admin "), json!(1), json!(true), json!({}), Value::Null]
    {
        let caller = node.check_claims(&json!({"role": role})).unwrap();
        assert_eq!(caller.role, None, "{role}");
        assert!(!caller.has(crate::security::Role::User));
    }
}

#[test]
fn two_authorization_headers() {
    let node = Node::plain();
    let token = format!("Bearer {}", ISSUER.token(&claims(&json!({}))));
    for second in [token.as_str(), "Basic dTpw", "Bearer x"] {
        assert_eq!(reason(&node.authenticator.authenticate(&headers(&[&token, second]))), INVALID);
        assert_eq!(reason(&node.authenticator.authenticate(&headers(&[second, &token]))), INVALID);
    }
}

#[test]
fn a_claim_that_is_there_twice() {
    let node = Node::plain();
    for twice in [r#""sub":"a""#, r#""exp":1800000300"#, r#""role":"admin""#, r#""type":"access""#] {
        let payload = good().replacen('{', &format!("{{{twice},"), 1);
        assert_eq!(reason(&node.check(&ISSUER.token_text(&payload))), INVALID, "{payload}");
    }
    let header = format!(r#"{{"alg":"none","alg":"RS256","kid":"{}"}}"#, ISSUER.kid);
    assert_eq!(reason(&node.check(&ISSUER.sign(&header, &good()))), INVALID);
}

#[test]
fn a_strangers_signature_and_a_changed_payload() {
    let node = Node::plain();
    assert_eq!(reason(&node.check(&STRANGER.token(&claims(&json!({}))))), INVALID);
    let header = json!({"alg": "RS256", "kid": ISSUER.kid}).to_string();
    assert_eq!(reason(&node.check(&STRANGER.sign(&header, &good()))), INVALID);
    let token = ISSUER.token(&claims(&json!({})));
    assert!(node.check(&token).is_ok(), "and it is remembered");
    let mut parts: Vec<&str> = token.split('.').collect();
    let admin = part(&claims(&json!({"role": "admin"})).to_string());
    parts[1] = &admin;
    assert_eq!(reason(&node.check(&parts.join("."))), INVALID);
    parts[2] = "";
    assert_eq!(reason(&node.check(&parts.join("."))), INVALID);
}

#[test]
fn system_names_signed_by_others_than_the_operator() {
    let node = Node::plain();
    assert_eq!(reason(&node.check_claims(&json!({"sub": "system:operator"}))), INVALID);
    let pretended = json!({"sub": "system:operator", "iss": "storage-operator", "aud": "element-1", "exp": NOW + 30.0});
    let pretended = claims(&pretended);
    assert_eq!(reason(&node.check(&ISSUER.token(&pretended))), INVALID, "the issuer's key does not count for it");
    let header = json!({"alg": "RS256"}).to_string();
    assert_eq!(reason(&node.check(&ISSUER.sign(&header, &pretended.to_string()))), INVALID);
    assert_eq!(reason(&node.check(&OPERATOR.token(&claims(&json!({}))))), INVALID, "nor the operator's for others");
}

#[test]
fn shapes_that_are_no_token() {
    let node = Node::plain();
    let good = ISSUER.token(&claims(&json!({})));
    let long = format!("{good}{}", "A".repeat(9000));
    let padded = good.replace('.', "=.");
    let behind = format!("{good}.x");
    let before = format!(".{good}");
    for token in ["", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "é.é.é", &long, &padded, &behind, &before] {
        let value = http::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
        let sent = std::iter::once((http::header::AUTHORIZATION, value)).collect();
        assert_eq!(reason(&node.authenticator.authenticate(&sent)), INVALID, "{token}");
    }
    for payload in ["[]", "null", "\"x\"", "{", "{\"sub\":1}", "\u{0}"] {
        assert_eq!(reason(&node.check(&ISSUER.token_text(payload))), INVALID, "{payload}");
    }
}

#[test]
fn times_that_are_no_times() {
    let node = Node::plain();
    for time in [json!("1800000300"), json!(-1), json!(1e300), json!(true), json!(null)] {
        assert_eq!(reason(&node.check_claims(&json!({"exp": time}))), INVALID, "{time}");
        assert_eq!(reason(&node.check_claims(&json!({"iat": time}))), INVALID, "{time}");
    }
}
