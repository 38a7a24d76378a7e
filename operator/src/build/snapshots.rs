//! All objects of a table of specs, as they were reviewed. `cargo insta review` shows what changed.

use super::build;
use super::samples::{element, input, keys, specs};

#[test]
fn objects_are_as_reviewed() {
    for (name, spec) in specs() {
        let element = element("contracts-2026", &spec);
        let mut keys = keys();
        if element.spec.auth.jwt.jwks_secret_ref.is_some() {
            keys.issuer = None;
        }
        let built: Vec<String> = build(&input(&element, &keys))
            .into_iter()
            .map(|wish| serde_yaml::to_string(&wish.value).unwrap())
            .collect();
        insta::assert_snapshot!(name, built.join("---\n"));
    }
}
