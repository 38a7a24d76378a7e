//! Hops that fail: what the client is told depends on what had left the standby.

use std::time::Duration;

use storage_element_crds::Mode;
use storage_node::http::{Limits, Patience};
use storage_node::security::Role;
use tokio::net::TcpListener;

use crate::authority::Authority;
use crate::element::{Ground, Node, Traits, token};
use crate::form::FORM;
use crate::scripted::{PeerWire, Scripted};
use crate::wire::{Answer, PATIENCE, Wire, ask, connect};

/// A patience that a test tries.
const SHORT: Duration = Duration::from_millis(300);
const FILE: &str = "/api/v1/files/0199c0de-0000-7000-8000-00000000000a";

struct Scene {
    _ground: Ground,
    authority: Authority,
    master: Scripted,
    standby: Node,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut Patience)) -> Self {
        let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
        let master = Scripted::new(authority.tls()).await;
        let mut patience = Patience::of(&Limits::default());
        change(&mut patience);
        let traits = Traits { patience: Some(patience), ..Traits::with(authority.tls()) };
        let standby = ground.standby(traits).await;
        standby.follows(master.address);
        Self { _ground: ground, authority, master, standby }
    }

    async fn upload(&self) -> Wire<tokio::net::TcpStream> {
        let mut client = connect(self.standby.public).await;
        let user = token(Role::User);
        client.send("POST", "/api/v1/files/upload", &[("Authorization", &user), FORM], &vec![7; 100_000]).await;
        client
    }

    async fn delete(&self) -> Answer {
        let operator = token(Role::Operator);
        ask(self.standby.public, "DELETE", FILE, &[("Authorization", &operator)], b"").await
    }

    /// A client whose body has begun to pass, and the hop it passes over.
    async fn passing(&self) -> (Wire<tokio::net::TcpStream>, PeerWire) {
        let client = self.upload().await;
        let mut hop = self.master.accept().await;
        hop.head().await;
        hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        hop.take(1).await;
        (client, hop)
    }
}

#[track_caller]
fn not_master(answer: &Answer) {
    answer.is(503, "NOT_MASTER");
    assert_eq!(answer.head.header("retry-after"), Some("2"));
}

#[track_caller]
fn unknown(answer: &Answer) {
    answer.is(503, "OUTCOME_UNKNOWN");
    assert_eq!(answer.head.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn without_a_master_nothing_has_happened() {
    let scene = Scene::new(|_| {}).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    scene.standby.follows(address);
    not_master(&scene.upload().await.answer().await);
    not_master(&scene.delete().await);
    scene.standby.mastership.saw(None);
    not_master(&scene.upload().await.answer().await);
    not_master(&scene.delete().await);
    assert_eq!((scene.standby.hops("not_master"), scene.standby.hops("outcome_unknown")), (4, 0));
}

#[tokio::test]
async fn a_master_that_is_gone_before_it_asks_has_done_nothing() {
    let scene = Scene::new(|_| {}).await;
    let mut client = scene.upload().await;
    let mut hop = scene.master.accept().await;
    hop.head().await;
    drop(hop);
    not_master(&client.answer().await);
}

#[tokio::test]
async fn a_master_that_is_gone_in_the_middle_may_have_done_it() {
    let scene = Scene::new(|_| {}).await;
    let (mut client, hop) = scene.passing().await;
    drop(hop);
    unknown(&client.answer().await);
    assert_eq!(scene.standby.hops("outcome_unknown"), 1);
}

#[tokio::test]
async fn a_request_without_a_body_has_begun_with_its_head() {
    let scene = Scene::new(|_| {}).await;
    let gone = async {
        let mut hop = scene.master.accept().await;
        let head = hop.head().await;
        assert_eq!((head.line.as_str(), head.header("expect")), (&*format!("DELETE {FILE} HTTP/1.1"), None));
    };
    let (answer, ()) = tokio::join!(scene.delete(), gone);
    unknown(&answer);
}

#[tokio::test]
async fn a_master_that_does_not_ask_is_left() {
    let scene = Scene::new(|patience| patience.ask = SHORT).await;
    let mut client = scene.upload().await;
    let mut hop = scene.master.accept().await;
    hop.head().await;
    not_master(&client.answer().await);
}

#[tokio::test]
async fn a_master_that_does_not_answer_is_left() {
    let scene = Scene::new(|patience| patience.answer = SHORT).await;
    let (mut client, mut hop) = scene.passing().await;
    hop.take(99_999).await;
    unknown(&client.answer().await);
    let silent = async {
        let mut hop = scene.master.accept().await;
        hop.head().await;
        assert_eq!(hop.more().await, 0, "the standby hangs up");
    };
    let (answer, ()) = tokio::join!(scene.delete(), silent);
    unknown(&answer);
}

#[tokio::test]
async fn a_master_that_does_not_end_its_answer_is_left() {
    let scene = Scene::new(|patience| patience.stall = SHORT).await;
    let (mut client, mut hop) = scene.passing().await;
    hop.take(99_999).await;
    hop.write("HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{").await;
    assert_eq!(client.head().await.status(), 201);
    assert_eq!(client.take(1).await, b"{");
    assert_eq!(client.more().await, 0, "what is cut must not look whole");
}

#[tokio::test]
async fn a_master_that_does_not_shake_hands_is_left() {
    let scene = Scene::new(|patience| patience.connect = SHORT).await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    scene.standby.follows(mute.local_addr().unwrap());
    not_master(&scene.delete().await);
}

#[tokio::test]
async fn a_master_that_takes_no_byte_is_left() {
    let scene = Scene::new(|patience| patience.stall = SHORT).await;
    let mut client = connect(scene.standby.public).await;
    let user = token(Role::User);
    client
        .write(format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: a\r\nAuthorization: {user}\r\n{}: {}\r\nContent-Length: {}\r\n\r\n",
            FORM.0,
            FORM.1,
            1_u64 << 40
        ))
        .await;
    let mut hop = scene.master.accept().await;
    hop.head().await;
    hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    let (mut reading, mut writing) = tokio::io::split(client.stream);
    let sending = async {
        let piece = vec![7; 1 << 20];
        while tokio::io::AsyncWriteExt::write_all(&mut writing, &piece).await.is_ok() {}
    };
    let reading = async {
        let mut head = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut reading, &mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 503");
    };
    tokio::select! {
        () = sending => panic!("no answer"),
        () = reading => {}
        () = tokio::time::sleep(PATIENCE) => panic!("it waits for ever"),
    }
    assert_eq!(scene.standby.hops("outcome_unknown"), 1);
}

#[tokio::test]
async fn the_answer_of_a_master_that_has_a_successor_is_not_waited_for() {
    let scene = Scene::new(|patience| patience.superseded = Duration::from_millis(100)).await;
    let (mut client, mut hop) = scene.passing().await;
    hop.take(99_999).await;
    scene.standby.mastership.saw(None);
    assert!(client.is_silent().await, "not knowing for a moment is no reason");
    scene.standby.saw(scene.master.address, 2);
    unknown(&client.answer().await);
}

#[tokio::test]
async fn a_request_is_passed_on_once() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let first = ground.standby(Traits::with(authority.tls())).await;
    let second = ground.standby(Traits::with(authority.tls())).await;
    first.follows(second.peer.unwrap());
    second.follows(first.peer.unwrap());
    let user = token(Role::User);
    let headers = [("Authorization", user.as_str()), FORM];
    not_master(&ask(first.public, "POST", "/api/v1/files/upload", &headers, &[7; 1000]).await);
    assert_eq!((first.hops("answered"), second.hops("answered") + second.hops("not_master")), (1, 0));
    // A node that takes itself for the master.
    second.follows(second.peer.unwrap());
    not_master(&ask(second.public, "POST", "/api/v1/files/upload", &headers, &[7; 1000]).await);
    assert_eq!(second.hops("answered"), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    let scene = Scene::new(|_| {}).await;
    let user = token(Role::User);
    let mut client = connect(scene.standby.public).await;
    let head = format!(
        "POST /api/v1/files/upload HTTP/1.1\r\nHost: a\r\nAuthorization: {user}\r\n{}: {}\r\nContent-Length: 1000\r\n\r\nx",
        FORM.0, FORM.1
    );
    client.write(head).await;
    let mut hop = scene.master.accept().await;
    hop.head().await;
    hop.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    hop.take(1).await;
    drop(client);
    assert_eq!(hop.more().await, 0, "the master does not hear that the client is gone");
    for _ in 0..500 {
        if scene.standby.hops("abandoned") == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the hop was not counted");
}

#[tokio::test]
async fn a_master_that_is_not_believed_gets_nothing() {
    let scene = Scene::new(|_| {}).await;
    let stranger = Authority::new();
    let fake = Scripted::new(stranger.tls()).await;
    scene.standby.follows(fake.address);
    let accepting = async {
        let (stream, _) = crate::scripted::raw(&fake).await;
        assert!(stranger.tls().acceptor().accept(stream).await.is_err());
    };
    let (answer, ()) = tokio::join!(scene.delete(), accepting);
    not_master(&answer);
    // Nor does one whose certificate is for another host.
    let elsewhere = scene.authority.for_host("elsewhere.example");
    let fake = Scripted::new(elsewhere).await;
    scene.standby.follows(fake.address);
    let accepting = async {
        let (stream, _) = crate::scripted::raw(&fake).await;
        let _ = fake.accepted(stream).await;
    };
    let (answer, ()) = tokio::join!(scene.delete(), accepting);
    not_master(&answer);
}
