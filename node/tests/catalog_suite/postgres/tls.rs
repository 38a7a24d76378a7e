//! TLS to the server: only with a certificate of the authority that is trusted, and in the server's name.

use sqlx::Row;
use storage_node::catalog::Catalog;
use storage_node::catalog::CatalogError;
use storage_node::catalog::postgres::{PostgresCatalog, PostgresOptions, Server};

use super::At;
use super::running::{Postgres as Running, unprivileged};
use crate::authority::Authority;

/// Gives the running server a certificate; without one it speaks no TLS.
async fn certified(running: &Running, at: &At, pair: Option<(String, String)>) {
    let folder = running.folder().unwrap();
    let mut settings = "ALTER SYSTEM SET ssl = off;".to_owned();
    if let Some((certificate, key)) = pair {
        for (name, text) in [("tls.crt", certificate), ("tls.key", key)] {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&file, mode).unwrap();
            // Theirs whom the server runs as.
            drop(unprivileged(&file));
            let setting = if name == "tls.crt" { "ssl_cert_file" } else { "ssl_key_file" };
            settings = format!("ALTER SYSTEM SET {setting} = '{}';{settings}", file.display());
        }
        settings = settings.replace("ssl = off", "ssl = on");
    }
    for sql in settings.split_terminator(';') {
        at.by_hand(sql).await;
    }
    at.by_hand("SELECT pg_reload_conf()").await;
    let wanted = if settings.contains("ssl = on") { "on" } else { "off" };
    for _ in 0..500 {
        let mut conn = at.connect().await;
        let row = sqlx::query("SHOW ssl").fetch_one(&mut conn).await.unwrap();
        if row.get::<String, _>(0) == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the server does not take its new settings");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_whose_authority_and_name_are_right_is_spoken_to() {
    let running = Running::start_listening();
    let (right, wrong) = (Authority::new(), Authority::new());
    let at = At::on(&running);
    let port = running.port().unwrap();
    let options = |host: &str, authority: &Authority| PostgresOptions {
        url: format!("postgres://se@{host}:{port}/postgres"),
        ca_file: Some(authority.ca_file()),
        ..at.options()
    };
    let refused = async |options, why: &str| {
        let said = Server::reach(options).await.err().unwrap_or_else(|| panic!("{why}: it is spoken to"));
        assert!(matches!(said, CatalogError::Unavailable { .. } | CatalogError::Refused { .. }), "{why}: {said}");
        said.to_string()
    };
    certified(&running, &at, None).await;
    let said = refused(options("localhost", &right), "a server without TLS").await;
    assert!(said.contains("TLS"), "{said}");

    certified(&running, &at, Some(right.certificate("localhost"))).await;
    let server = Server::reach(options("localhost", &right)).await.unwrap();
    let catalog = PostgresCatalog::open(server);
    catalog.migrate().await.unwrap();
    let mut conn = at.connect().await;
    let rows =
        sqlx::query("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'se-%'")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row.get::<bool, _>(0)), "sessions outside TLS");

    let said = refused(options("localhost", &wrong), "another authority").await;
    assert!(said.contains("ertificate"), "{said}");
    let said = refused(options("127.0.0.1", &right), "a certificate in another name").await;
    assert!(said.contains("ertificate"), "{said}");
    // The URL does not talk the node out of it.
    let mut talked = options("localhost", &wrong);
    talked.url += "?sslmode=disable";
    refused(talked, "another authority, and TLS switched off by the URL").await;
}
