//! Precedence, sources, every kind of error, and that all errors come at once.

use std::path::PathBuf;

use super::{Config, ConfigErrors, ElectionKind, page, sample};

const PEER: [(&str, &str); 5] = [
    ("SE_PEER__LISTEN", "0.0.0.0:8443"),
    ("SE_PEER__ADVERTISE", "files-0.files-headless.prod.svc:8443"),
    ("SE_PEER__CERT_FILE", "/peer/tls.crt"),
    ("SE_PEER__KEY_FILE", "/peer/tls.key"),
    ("SE_PEER__CA_FILE", "/peer/ca.crt"),
];
const LEAST: [(&str, &str); 2] = [("SE_STORAGE__LOCAL__PATH", "/data"), ("SE_AUTH__JWT__KEYS", "/keys/jwks.json")];

fn load(file: Option<&str>, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(file.map(|_| path.as_path()), env)
}

fn with(env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    load(None, &[&LEAST, env].concat())
}

/// The keys that are wrong, in order.
fn wrong(result: Result<Config, ConfigErrors>) -> Vec<String> {
    result.unwrap_err().problems.into_iter().map(|problem| problem.key).collect()
}

fn item(config: &Config, key: &str) -> (serde_json::Value, &'static str) {
    let item = config.items().iter().find(|item| item.key == key).unwrap();
    (item.value.clone(), item.source)
}

#[test]
fn defaults_need_two_keys_and_the_errors_say_which() {
    let errors = load(None, &[]).unwrap_err();
    let keys: Vec<&str> = errors.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["auth.jwt.keys", "storage.local.path"]);
    assert!(errors.to_string().contains("storage.local.path (not set): set it to the folder"), "{errors}");
    let config = with(&[]).unwrap();
    assert_eq!(config.limits.body_bytes, 1 << 20);
    assert_eq!(config.limits.file_bytes, None);
    assert_eq!(config.capacity.warning_bytes, 10 << 30);
    assert_eq!(config.server.listen.port(), 8080);
}

#[test]
fn environment_wins_over_file_and_file_over_default() {
    let file = "limits:\n  body_bytes: 2MiB\n  field_bytes: 4096\nstorage: {local: {path: /file}}\n";
    let config = load(Some(file), &[&LEAST[..], &[("SE_LIMITS__BODY_BYTES", "3MiB")]].concat()).unwrap();
    assert_eq!(config.limits.body_bytes, 3 << 20);
    assert_eq!(config.limits.field_bytes, 4096);
    assert_eq!(config.storage.local.path, PathBuf::from("/data"));
    assert_eq!(item(&config, "limits.body_bytes"), (serde_json::json!(3 << 20), "env"));
    assert_eq!(item(&config, "limits.field_bytes"), (serde_json::json!(4096), "file"));
    assert_eq!(item(&config, "limits.header_bytes"), (serde_json::json!(32 << 10), "default"));
    assert_eq!(item(&config, "auth.jwt.issuer"), (serde_json::Value::Null, "default"));
}

#[test]
fn all_errors_come_at_once_each_with_key_source_and_what_is_right() {
    let file = "server:\n  listen: nowhere\nlogging:\n  level: inof\nlimits: 5\nquota: {bytes: 1}\n";
    let errors =
        load(Some(file), &[("SE_LIMITS__BODY_BYTE", "1"), ("SE_AUTH__JWT__LEEWAY_SECONDS", "-1")]).unwrap_err();
    let text = errors.to_string();
    assert_eq!(errors.problems.len(), 8, "{text}");
    for part in [
        "server.listen (from /",
        "an IP address and a port",
        "\"inof\" is not a level",
        "limits (from /",
        "is a section",
        "limits.body_byte (from SE_LIMITS__BODY_BYTE): no such key; did you mean limits.body_bytes?",
        "auth.jwt.leeway_seconds (from SE_AUTH__JWT__LEEWAY_SECONDS): must be a whole number of seconds from 0 to 300",
        "auth.jwt.keys (not set)",
        "storage.local.path (not set)",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    let unknown = errors.problems.iter().find(|problem| problem.key == "quota").unwrap();
    assert!(unknown.problem.starts_with("no such key"), "{text}");
}

#[test]
fn text_that_looks_like_a_number_stays_text_in_the_environment_and_needs_quotes_in_the_file() {
    let config = with(&[("SE_AUTH__JWT__AUDIENCE", "007"), ("SE_AUTH__JWT__ISSUER", "true")]).unwrap();
    assert_eq!(config.auth.jwt.audience.as_deref(), Some("007"));
    assert_eq!(config.auth.jwt.issuer.as_deref(), Some("true"));
    let unquoted = load(Some("auth: {jwt: {audience: 1.10}}"), &LEAST).unwrap_err();
    assert!(unquoted.to_string().contains("put it in quotes"), "{unquoted}");
    assert!(load(Some("auth: {jwt: {audience: '1.10'}}"), &LEAST).is_ok());
}

#[test]
fn contradictions_are_found() {
    for (env, key) in [
        (("SE_CAPACITY__CRITICAL_PERCENT", "20"), "capacity.warning_percent"),
        (("SE_CAPACITY__FULL_BYTES", "5GiB"), "capacity.critical_bytes"),
        (("SE_TLS__CERT_FILE", "/c.pem"), "tls.key_file"),
        (("SE_SERVER__ADMIN_LISTEN", "127.0.0.1:8080"), "server.admin_listen"),
        (("SE_SERVER__CORS_ORIGINS", "*,https://a.example"), "server.cors_origins"),
        (("SE_SERVER__CORS_ORIGINS", "https://a.example/path"), "server.cors_origins"),
        (("SE_ELECTION__RETRY_PERIOD_SECONDS", "9"), "election.renew_deadline_seconds"),
        (("SE_ELECTION__LEASE_DURATION_SECONDS", "10"), "election.lease_duration_seconds"),
        (("SE_AUTH__JWT__ISSUER", "storage-operator"), "auth.jwt.issuer"),
        (("SE_LIMITS__HEADER_TIMEOUT_SECONDS", "0"), "limits.header_timeout_seconds"),
        (("SE_LIMITS__HEADER_BYTES", "4KiB"), "limits.header_bytes"),
        (("SE_ELEMENT__ID", "one"), "element.id"),
        (("SE_ELEMENT__MODE", "RW"), "element.mode"),
        (("SE_LOGGING__FORMAT", ""), "logging.format"),
        (("SE_TRACING__ENDPOINT", "https://user:word@host"), "tracing.endpoint"),
        (("OTEL_EXPORTER_OTLP_ENDPOINT", "host"), "tracing.endpoint"),
    ] {
        assert_eq!(wrong(with(&[env])), [key], "{env:?}");
    }
    let ttl = [("SE_RETENTION__MINIMUM_DAYS", "10"), ("SE_RETENTION__TIME_TO_LIVE_DAYS", "5")];
    assert_eq!(wrong(with(&ttl)), ["retention.time_to_live_days"]);
}

#[test]
fn a_lease_has_a_name_and_several_nodes_have_a_server() {
    let lease = [("SE_ELECTION__KIND", "lease")];
    assert_eq!(wrong(with(&lease)), ["election.lease_name", "election.namespace"]);
    let named = [lease[0], ("SE_ELECTION__NAMESPACE", "n"), ("SE_ELECTION__LEASE_NAME", "l")];
    assert_eq!(with(&named).unwrap().election.kind, ElectionKind::Lease);
    let several = [&named[..], &[("SE_ELECTION__REPLICAS", "2")]].concat();
    assert_eq!(wrong(with(&several)), ["database.postgres.url", "peer.listen"]);
    let server = [&several[..], &PEER, &[("SE_DATABASE__POSTGRES__URL", "postgres://se@localhost/se")]].concat();
    let config = with(&[&server[..], &[("SE_ELEMENT__MODE", "rw")]].concat()).unwrap();
    assert_eq!(config.compared_mode(), None, "an operator decides it");
    assert_eq!(wrong(with(&[("SE_ELECTION__REPLICAS", "2")])), ["election.replicas"]);
}

#[test]
fn a_bucket_takes_the_place_of_the_folder() {
    let bucket = [LEAST[1], ("SE_STORAGE__S3__BUCKET", "b"), ("SE_STORAGE__S3__ALLOW_UNCONDITIONAL", "true")];
    let config = load(None, &bucket).unwrap();
    assert_eq!(config.storage.s3.unwrap().bucket, "b");
    let keys = wrong(load(None, &[&bucket[..], &[("SE_ELECTION__REPLICAS", "2")]].concat()));
    assert!(keys.iter().any(|key| key == "storage.s3.allow_unconditional"), "{keys:?}");
    let keys = wrong(load(None, &[&bucket[..], &[("SE_STORAGE__S3__ACCESS_KEY_ID_FILE", "/id")]].concat()));
    assert_eq!(keys.len(), 1, "{keys:?}");
}

#[test]
fn the_peer_port_is_set_as_a_whole() {
    assert!(with(&[]).unwrap().peer.is_none());
    let peer = with(&PEER).unwrap().peer.unwrap();
    assert_eq!(peer.advertise, "files-0.files-headless.prod.svc:8443");
    assert_eq!((peer.listen.port(), peer.ca_file), (8443, PathBuf::from("/peer/ca.crt")));
    let keys = ["peer.advertise", "peer.ca_file", "peer.cert_file", "peer.key_file", "peer.listen"];
    for (index, (name, _)) in PEER.iter().enumerate() {
        let missing = format!("peer.{}", name.trim_start_matches("SE_PEER__").to_lowercase());
        let alone: Vec<_> = PEER[index..=index].to_vec();
        assert_eq!(wrong(with(&alone)), keys.iter().filter(|key| **key != missing).copied().collect::<Vec<_>>());
        let without: Vec<_> = PEER.iter().filter(|(other, _)| other != name).copied().collect();
        assert_eq!(wrong(with(&without)), [missing]);
    }
    let with_peer = |change: (&'static str, &'static str)| with(&[&PEER[..], &[change]].concat());
    assert_eq!(wrong(with_peer(("SE_SERVER__LISTEN", "127.0.0.1:8443"))), ["peer.listen"]);
    assert_eq!(wrong(with_peer(("SE_SERVER__ADMIN_LISTEN", "0.0.0.0:8443"))), ["peer.listen"]);
    assert_eq!(wrong(with_peer(("SE_PEER__ADVERTISE", "files-0"))), ["peer.advertise"]);
}

#[test]
fn one_of_two_is_one_of_two() {
    let both = with(&[("SE_STORAGE__S3__BUCKET", "b")]).unwrap_err().to_string();
    assert!(both.contains("excludes storage.local.path"), "{both}");
    let url = ("SE_DATABASE__POSTGRES__URL", "postgres://h/db");
    let both = with(&[url, ("SE_DATABASE__SQLITE__PATH", "/c.sqlite")]).unwrap_err().to_string();
    assert!(both.contains("excludes database.postgres"), "{both}");
    let both = with(&[url, ("SE_DATABASE__POSTGRES__URL_FILE", "/url")]).unwrap_err().to_string();
    assert!(both.contains("excludes database.postgres.url"), "{both}");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, "postgres://u:hidden@h/db\n").unwrap();
    let name = file.to_str().unwrap();
    let config = with(&[("SE_DATABASE__POSTGRES__URL_FILE", name)]).unwrap();
    let postgres = config.database.postgres.as_ref().unwrap();
    assert_eq!(postgres.url.expose(), "postgres://u:hidden@h/db");
    let config = with(&[("SE_DATABASE__POSTGRES__URL", "postgres://u:hidden@h/db")]).unwrap();
    assert!(!format!("{config:?}").contains("hidden"));
    let missing = with(&[("SE_DATABASE__POSTGRES__URL_FILE", "/nowhere/url")]).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/url cannot be read"), "{missing}");
    assert_eq!(format!("{:?}", super::Secret::new("hidden".to_owned())), "***");
    let shown = with(&[("SE_DATABASE__POSTGRES__URL", "hidden\0")]).unwrap_err().to_string();
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn a_file_that_is_missing_or_broken_is_an_error_beside_the_others() {
    let env = [("STORAGE_ELEMENT_CONFIG", "/nowhere/config.yaml"), ("SE_LIMITS__BODY_BYTES", "x")];
    assert_eq!(wrong(with(&env)), ["limits.body_bytes", "the file"]);
    assert_eq!(wrong(load(Some("a: [1,"), &LEAST)), ["the file"]);
    assert_eq!(wrong(load(Some("limits: {body_bytes: 2048, body_bytes: 4096}"), &LEAST)), ["the file"]);
    assert_eq!(wrong(load(Some("just text"), &LEAST)), ["the file"]);
    assert_eq!(wrong(load(Some("limits.body_bytes: 5"), &LEAST)), ["limits.body_bytes"]);
    assert!(load(Some("# nothing\n\n"), &LEAST).is_ok());
    assert!(load(Some("limits:\ncache:\n  ttl_hours:\n"), &LEAST).is_ok());
}

#[test]
fn the_collector_of_traces_is_found_under_its_usual_name() {
    let usual = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    assert_eq!(with(&[usual]).unwrap().tracing.endpoint.as_deref(), Some("http://collector:4318"));
    let own = with(&[usual, ("SE_TRACING__ENDPOINT", "http://mine:4318")]).unwrap();
    assert_eq!(own.tracing.endpoint.as_deref(), Some("http://mine:4318"));
}

#[test]
fn the_sample_loads_and_its_commented_lines_too() {
    let config = load(Some(&sample()), &[]).unwrap();
    assert_eq!(config.storage.local.path, PathBuf::from("/var/lib/storage-element/storage"));
    let uncommented = |line: &str| {
        let is_key = line.trim_start().strip_prefix('#').is_some_and(|rest| !rest.starts_with(' '));
        format!("{}\n", if is_key { line.replacen('#', "", 1) } else { line.to_owned() })
    };
    let all: String = sample().lines().map(uncommented).collect();
    assert!(all.contains("\n  body_bytes: 1MiB\n"), "{all}");
    load(Some(&all), &[]).unwrap();
}

#[test]
fn the_configuration_page_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/configuration.md lags behind: UPDATE_DOCS=1 cargo test -p storage-node configuration_page"
    );
}
