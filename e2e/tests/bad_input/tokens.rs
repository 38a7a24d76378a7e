//! Tokens that are none, or not good enough.

use anyhow::{Result, ensure};
use serde_json::json;
use storage_element_e2e::tokens::{now_seconds, standard_claims};
use storage_element_e2e::{Client, Make, Tokens, on_every_make};

use super::table::is_envelope;

async fn every_token_that_is_not_good_is_refused_with_its_reason(make: Make) -> Result<()> {
    let node = make.setup().start()?;
    let tokens = Tokens::shared();
    let changed = |field: &str, value: serde_json::Value| {
        let mut claims = standard_claims("user-1", "user");
        claims[field] = value;
        tokens.claims(&claims)
    };
    let good = standard_claims("user-1", "user");
    let now = now_seconds();
    let mut expired = good.clone();
    (expired["iat"], expired["exp"]) = (json!(now - 120), json!(now - 60));
    let cases = [
        ("not a token", "garbage".to_owned(), "INVALID_TOKEN"),
        ("an expired one", tokens.claims(&expired), "TOKEN_EXPIRED"),
        ("one that expires before it was issued", changed("exp", json!(now - 60)), "INVALID_TOKEN"),
        ("no expiry", changed("exp", json!(null)), "INVALID_TOKEN"),
        ("no issue time", changed("iat", json!(null)), "INVALID_TOKEN"),
        ("issued in the future", changed("iat", json!(now + 600)), "INVALID_TOKEN"),
        ("not yet valid", changed("nbf", json!(now + 600)), "INVALID_TOKEN"),
        ("a refresh token", changed("type", json!("refresh")), "INVALID_TOKEN"),
        ("no subject", changed("sub", json!(null)), "INVALID_TOKEN"),
        ("a system subject", changed("sub", json!("system:gc")), "INVALID_TOKEN"),
        ("a stranger's key", Tokens::generate("test")?.role("user"), "INVALID_TOKEN"),
        ("an unknown kid", tokens.sign(&json!({"alg": "RS256", "kid": "other"}), &good), "INVALID_TOKEN"),
        ("alg none", tokens.sign(&json!({"alg": "none", "kid": "test"}), &good), "INVALID_TOKEN"),
        ("alg HS256", tokens.sign(&json!({"alg": "HS256", "kid": "test"}), &good), "INVALID_TOKEN"),
        ("crit", tokens.sign(&json!({"alg": "RS256", "kid": "test", "crit": ["x"], "x": 1}), &good), "INVALID_TOKEN"),
    ];
    for (what, token, reason) in cases {
        let answer = Client::new(&node.url(), Some(token))?.get("/api/v1/files").await?;
        is_envelope(&answer, 401, "UNAUTHORIZED")?;
        let told = &answer.json()?["error"]["details"]["reason"];
        ensure!(told == reason, "{what}: expected {reason}, got {answer}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        ensure!(challenge.contains("error=\"invalid_token\""), "{what}: challenged with {challenge:?}");
    }

    let anonymous = Client::new(&node.url(), None)?;
    let answer = anonymous.get("/api/v1/files").await?;
    is_envelope(&answer, 401, "UNAUTHORIZED")?;
    ensure!(answer.json()?["error"]["details"]["reason"] == "MISSING_TOKEN", "without a token: {answer}");
    ensure!(answer.header("www-authenticate") == Some("Bearer realm=\"storage-element\""), "{:?}", answer.headers);

    let token = tokens.role("user");
    let query = anonymous.get(&format!("/api/v1/files?access_token={token}")).await?;
    ensure!(query.status == 401, "a token in the query was answered {query}");
    Ok(())
}

on_every_make!(every_token_that_is_not_good_is_refused_with_its_reason);
