//! `Expect: 100-continue` through a standby: the client hears it from the master, or never.

use storage_element_crds::Mode;
use storage_node::security::Role;

use crate::authority::Authority;
use crate::element::{Ground, Node, Traits, token};
use crate::form::FORM;
use crate::scripted::Scripted;
use crate::wire::{Wire, connect};

async fn waiting(standby: &Node) -> Wire<tokio::net::TcpStream> {
    let mut client = connect(standby.public).await;
    let user = token(Role::User);
    client
        .write(format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: a\r\nAuthorization: {user}\r\n{}: {}\r\n\
             Expect: 100-continue\r\nContent-Length: 4\r\n\r\n",
            FORM.0, FORM.1
        ))
        .await;
    client
}

#[tokio::test]
async fn the_client_is_told_to_go_on_only_when_the_master_says_so() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let mut client = waiting(&standby).await;
    let mut hop = master.accept().await;
    assert_eq!(hop.head().await.header("expect"), Some("100-continue"));
    assert!(client.is_silent().await, "the client was told to go on though the master has not asked");
    hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 100);
    client.write("body").await;
    assert_eq!(hop.take(4).await, b"body");
    hop.write("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 201);
}

#[tokio::test]
async fn a_refusal_by_the_master_costs_the_client_nothing() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let mut client = waiting(&standby).await;
    let mut hop = master.accept().await;
    hop.head().await;
    let refusal = "{\"error\":{\"code\":\"TOO_MANY_REQUESTS\"}}";
    hop.write(format!(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{refusal}",
        refusal.len()
    ))
    .await;
    let head = client.head().await;
    assert_eq!((head.status(), head.header("retry-after")), (429, Some("1")), "no 100 before it");
    assert_eq!(head.header("connection"), Some("close"), "what is left of the body is not the next request");
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_made_to() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let master = Scripted::new(authority.tls()).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.address);
    let mut client = connect(standby.public).await;
    let user = token(Role::User);
    client.send("POST", "/api/v1/files/upload", &[("Authorization", &user), FORM], b"body").await;
    let mut hop = master.accept().await;
    assert_eq!(hop.head().await.header("expect"), Some("100-continue"));
    assert!(hop.is_silent().await, "the body was passed on though the master has not asked");
    hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(hop.take(4).await, b"body");
    hop.write("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 201, "a client that did not wait is not told to go on");
}
