//! Bodies pass through a standby as they come, and it keeps none of them.

use std::time::Duration;

use storage_element_crds::Mode;
use storage_node::http::Limits;
use storage_node::security::Role;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::authority::Authority;
use crate::element::{FILE_LIMIT, Ground, Traits, token};
use crate::form::{FORM, data, upload};
use crate::scripted::Scripted;
use crate::wire::{ask, connect};

#[tokio::test]
async fn an_upload_through_a_standby_is_a_file_of_the_masters() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = ground.master(Traits::with(authority.tls())).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.peer.unwrap());
    let (user, operator) = (token(Role::User), token(Role::Operator));
    let sent = data(24 << 20);
    let headers = [("Authorization", user.as_str()), FORM, ("Idempotency-Key", "once")];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = ask(standby.public, "POST", "/api/v1/files/upload", &headers, &upload(&sent)).await;
        assert_eq!(answer.status(), 201, "{}", answer.body);
        let id = answer.json()["file_id"].as_str().unwrap().to_owned();
        assert_eq!(answer.head.header("location").unwrap(), format!("/api/v1/files/{id}"));
        let path = ground.volume().join(answer.json()["storage_path"].as_str().unwrap());
        assert!(std::fs::read(path).unwrap() == sent, "other bytes");
        ids.push(id);
    }
    assert_eq!(ids[0], ids[1], "the key of the upload went on");
    let path = format!("/api/v1/files/{}", ids[0]);
    let patch = [("Authorization", user.as_str()), ("Content-Type", "application/json")];
    let answer = ask(standby.public, "PATCH", &path, &patch, b"{\"version\":\"2\"}").await;
    assert_eq!((answer.status(), answer.json()["revision"].as_u64()), (200, Some(2)));
    let stale = [("Authorization", operator.as_str()), ("If-Match", "\"x\"")];
    ask(standby.public, "DELETE", &path, &stale, b"").await.is(412, "PRECONDITION_FAILED");
    let answer = ask(standby.public, "DELETE", &path, &stale[..1], b"").await;
    assert_eq!((answer.status(), answer.body.as_str()), (204, ""));
    ask(master.public, "GET", &path, &patch[..1], b"").await.is(404, "NOT_FOUND");
    assert_eq!(standby.hops("answered"), 5);
}

#[tokio::test]
async fn a_master_that_reads_slowly_slows_the_client_down() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let user = token(Role::User);
    let mut client = connect(standby.public).await;
    let all = 192_usize << 20;
    let head = format!(
        "POST /api/v1/files/upload HTTP/1.1\r\nHost: a\r\nAuthorization: {user}\r\n{}: {}\r\nContent-Length: {all}\r\n\r\n",
        FORM.0, FORM.1
    );
    client.write(head).await;
    let mut hop = master.accept().await;
    assert_eq!(hop.head().await.header("content-length").unwrap(), all.to_string());
    hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    // Nothing is read: what still moves is what lies in the buffers of sockets on the way.
    let (piece, mut sent) = (vec![7; 1 << 20], 0);
    while let Ok(written) = timeout(Duration::from_secs(2), client.stream.write(&piece)).await {
        sent += written.unwrap();
        assert!(sent < 96 << 20, "{sent} bytes were taken for a master that reads none");
    }
    assert!(sent > 0);
    let sending = async {
        while sent < all {
            let next = piece.len().min(all - sent);
            client.stream.write_all(&piece[..next]).await.unwrap();
            sent += next;
        }
    };
    let reading = async {
        let mut left = all;
        while left > 0 {
            let next = left.min(1 << 20);
            assert!(hop.take(next).await == piece[..next], "other bytes");
            left -= next;
        }
        hop.write("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nEtag: \"e\"\r\nConnection: close\r\n\r\n{}").await;
    };
    tokio::join!(sending, reading);
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.as_str(), answer.head.header("etag")), (201, "{}", Some("\"e\"")));
    assert_eq!(answer.head.header("connection"), None, "the connection to the client goes on");
    assert!(answer.head.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_body_without_a_length_passes_in_chunks() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = ground.master(Traits::with(authority.tls())).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.peer.unwrap());
    let mut client = connect(standby.public).await;
    let user = token(Role::User);
    client
        .write(format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: a\r\nAuthorization: {user}\r\n{}: {}\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            FORM.0, FORM.1
        ))
        .await;
    let sent = data(300_000);
    for piece in upload(&sent).chunks(70_001) {
        client.write([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).await;
    }
    client.write("0\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.json()["file_size"].as_u64()), (201, Some(300_000)), "{}", answer.body);
}

#[tokio::test]
async fn limits_are_the_masters() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let limits = Limits { file_bytes: Some(FILE_LIMIT), stall_timeout: Duration::from_secs(2), ..Limits::default() };
    let master = ground.master(Traits { limits, ..Traits::with(authority.tls()) }).await;
    let standby = ground.standby(Traits { limits: Limits::default(), ..Traits::with(authority.tls()) }).await;
    standby.follows(master.peer.unwrap());
    let user = token(Role::User);
    let headers = |length: u64| {
        format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: a\r\nAuthorization: {user}\r\n{}: {}\r\n\
             Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
            FORM.0, FORM.1
        )
    };
    let mut client = connect(standby.public).await;
    client.write(headers(FILE_LIMIT * 2)).await;
    let head = client.head().await;
    assert_eq!(head.status(), 413, "refused before a byte of the body");
    // A client that stands still hears of it from the master.
    let mut client = connect(standby.public).await;
    client.write(headers(100)).await;
    assert_eq!(client.head().await.status(), 100);
    client.write("--b\r\n").await;
    client.answer().await.is(408, "REQUEST_TIMEOUT");
}
