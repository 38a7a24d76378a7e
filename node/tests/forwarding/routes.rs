//! Which requests are passed on, with what, and whose line the audit trail has.

use serde_json::json;
use storage_element_crds::Mode;
use storage_node::security::Role;

use crate::authority::Authority;
use crate::element::{Ground, Traits, token};
use crate::form::{FORM, upload};
use crate::logged::Logged;
use crate::scripted::Scripted;
use crate::wire::{ask, connect, connect_from};

const ID: &str = "0199c0de-0000-7000-8000-00000000000a";

#[tokio::test]
async fn every_write_is_passed_on_once_the_caller_may_do_it_and_no_read_is() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let (user, operator, admin) = (token(Role::User), token(Role::Operator), token(Role::Admin));
    let file = format!("/api/v1/files/{ID}");
    let (hold, job) = (format!("{file}/legal-hold"), format!("/api/v1/admin/jobs/{ID}"));
    let retry = format!("/api/v1/admin/wal/{ID}/retry");
    for (method, path, role, lower, body) in [
        ("POST", "/api/v1/files/upload", &user, "", "x"),
        ("PATCH", &file, &user, "", "{}"),
        ("DELETE", &file, &operator, &user, ""),
        ("PUT", &hold, &operator, &user, "{}"),
        ("PUT", &hold, &operator, &user, ""),
        ("DELETE", &hold, &operator, &user, ""),
        ("PUT", "/api/v1/admin/mode", &admin, &operator, "{}"),
        ("POST", "/api/v1/admin/cache/rebuild", &admin, &operator, ""),
        ("POST", "/api/v1/admin/cache/verify", &admin, &operator, "{}"),
        ("POST", "/api/v1/admin/gc", &admin, &operator, ""),
        ("DELETE", &job, &admin, &operator, ""),
        ("POST", &retry, &admin, &operator, ""),
    ] {
        ask(standby.public, method, path, &[], body.as_bytes()).await.is(401, "UNAUTHORIZED");
        if !lower.is_empty() {
            ask(standby.public, method, path, &[("Authorization", lower)], body.as_bytes()).await.is(403, "FORBIDDEN");
        }
        let answering = async {
            let mut hop = master.accept().await;
            let head = hop.head().await;
            assert_eq!(head.line, format!("{method} {path} HTTP/1.1"));
            assert_eq!(head.header("authorization"), Some(role.as_str()), "the master judges the token again");
            if !body.is_empty() {
                hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
                assert_eq!(hop.take(body.len()).await, body.as_bytes());
            }
            hop.write("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n").await;
        };
        let headers = [("Authorization", role.as_str())];
        let (answer, ()) = tokio::join!(ask(standby.public, method, path, &headers, body.as_bytes()), answering);
        assert_eq!(answer.status(), 418, "{method} {path}");
    }
    for path in ["/api/v1/files", "/api/v1/info", "/api/v1/admin/mode", "/api/v1/admin/jobs", "/api/v1/admin/wal"] {
        assert_eq!(ask(standby.public, "GET", path, &[("Authorization", &admin)], b"").await.status(), 200, "{path}");
    }
    assert!(master.was_left_alone().await);
    assert_eq!(standby.hops("answered"), 12);
}

#[tokio::test]
async fn a_body_nobody_reads_is_not_passed_on() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let admin = token(Role::Admin);
    let answering = async {
        let mut hop = master.accept().await;
        let head = hop.head().await;
        assert_eq!((head.header("expect"), head.header("transfer-encoding")), (None, None));
        assert!(matches!(head.header("content-length"), None | Some("0")));
        hop.write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    };
    let headers = [("Authorization", admin.as_str())];
    let asking = ask(standby.public, "POST", "/api/v1/admin/cache/rebuild", &headers, b"ignored");
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.status(), 202);
}

#[tokio::test]
async fn where_nobody_writes_every_node_does_it_itself() {
    let (ground, authority) = (Ground::new(Mode::Ro).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let user = token(Role::User);
    let headers = [("Authorization", user.as_str()), FORM];
    ask(standby.public, "POST", "/api/v1/files/upload", &headers, &upload(b"x")).await.is(409, "MODE_NOT_ALLOWED");
    assert!(master.was_left_alone().await);
}

#[tokio::test]
async fn id_and_trace_of_a_request_go_with_it() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let operator = token(Role::Operator);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    for given in [Some("mine-1"), None] {
        let mut client = connect(standby.public).await;
        let mut headers =
            vec![("Authorization", operator.as_str()), ("Traceparent", &traceparent), ("Tracestate", "a=b")];
        headers.extend(given.map(|id| ("X-Request-Id", id)));
        client.send("DELETE", &format!("/api/v1/files/{ID}"), &headers, b"").await;
        let mut hop = master.accept().await;
        let head = hop.head().await;
        let passed = head.header("x-request-id").unwrap().to_owned();
        assert!(given.is_none_or(|given| given == passed));
        let parts: Vec<&str> = head.header("traceparent").unwrap().split('-').collect();
        assert_eq!((parts[1], parts[3]), (trace, "01"));
        assert_ne!(parts[2], "b7ad6b7169203331", "the standby's own span is between");
        assert_eq!(head.header("tracestate"), Some("a=b"));
        let body = json!({"error": {"request_id": passed}}).to_string();
        hop.write(format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        assert_eq!(client.answer().await.head.header("x-request-id"), Some(passed.as_str()));
    }
}

#[tokio::test]
async fn one_audit_line_is_written_with_the_clients_own_address() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = ground.master(Traits::with(authority.tls())).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.peer.unwrap());
    let logged = Logged::new();
    let operator = token(Role::Operator);
    let delete = format!("/api/v1/files/{ID}");
    let mut client = connect_from("127.0.0.9", standby.public).await;
    // What a client says about itself counts for nothing.
    let headers = [
        ("Authorization", operator.as_str()),
        ("X-Forwarded-For", "198.51.100.1"),
        ("Forwarded", "for=198.51.100.1"),
        ("Storage-Element-Forwarded", "peer 198.51.100.1:1"),
    ];
    client.send("DELETE", &delete, &headers, b"").await;
    client.answer().await.is(404, "NOT_FOUND");
    let lines = logged.audit();
    assert_eq!(lines.len(), 1, "{}", logged.text());
    let fields = &lines[0]["fields"];
    assert_eq!((&fields["remote"], &fields["action"]), (&json!("127.0.0.9"), &json!("delete")), "{fields}");
    assert_eq!((&fields["user_id"], &fields["code"]), (&json!("dev-operator"), &json!("NOT_FOUND")), "{fields}");
    // Straight to the master it is the same.
    let mut client = connect_from("127.0.0.8", master.public).await;
    client.send("DELETE", &delete, &headers, b"").await;
    client.answer().await.is(404, "NOT_FOUND");
    assert_eq!(logged.audit()[1]["fields"]["remote"], json!("127.0.0.8"));
    // What the standby refuses or cannot pass on has its line there.
    ask(standby.public, "DELETE", &delete, &[], b"").await.is(401, "UNAUTHORIZED");
    standby.mastership.saw(None);
    ask(standby.public, "DELETE", &delete, &headers[..1], b"").await.is(503, "NOT_MASTER");
    let outcomes: Vec<_> = logged.audit().iter().map(|line| line["fields"]["outcome"].clone()).collect();
    assert_eq!(outcomes, ["refused", "refused", "refused", "failed"]);
}
