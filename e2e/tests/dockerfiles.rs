//! The images that people build and the ones that the tests with pods run are in step.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::path::Path;

use storage_element_e2e::cluster::image::{AUTHORITIES, USER, inside};

#[test]
fn dockerfiles_say_what_the_tests_run() {
    for (folder, program) in [("node", "storage-node"), ("operator", "storage-operator")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("Dockerfile");
        let text = std::fs::read_to_string(&path).unwrap();
        let last = text.rsplit("\nFROM ").next().unwrap();
        let has = |line: &str| last.lines().any(|own| own == line);
        assert!(last.starts_with("scratch\n"), "{folder}: the image has nothing but the program: {last}");
        assert!(has(&format!("USER {USER}")), "{folder}: {last}");
        assert!(has(&format!("ENTRYPOINT [\"{}\"]", inside(program))), "{folder}: {last}");
        assert!(last.contains(&format!(" {}\n", inside(program))), "{folder}: {last}");
        assert!(has(&format!("ENV SSL_CERT_FILE={AUTHORITIES} PATH=/usr/local/bin")), "{folder}: {last}");
        assert!(text.contains(&format!("-p {program} --bin {program}")), "{folder}: {text}");
        let toolchain = std::fs::read_to_string(path.parent().unwrap().join("../rust-toolchain.toml")).unwrap();
        let version = toolchain.split('"').nth(1).unwrap().trim_end_matches(".0");
        assert!(text.contains(&format!("FROM rust:{version}-")), "{folder}: the toolchain is {version}");
    }
}
