//! Each limit, set low and stepped over.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Content, Make, Upload, Wire, check, on_every_make};

use super::table::{Case, Place, is_envelope};

async fn a_file_too_large_is_refused_whether_it_says_so_or_not(make: Make) -> Result<()> {
    let mut place = Place::new(make.setup().setting("limits.file_bytes", 1_000_000)).await?;
    let client = place.node.client("user")?;
    client.upload(&Upload::new("fits", Content::Generated { seed: 1, size: 1_000_000 })).await?.expect(201)?;
    let before = client.all("/api/v1/files", &[]).await?.len();

    // Declared: refused before a byte of the body is asked for.
    let token = storage_element_e2e::Tokens::shared().role("user");
    let mut wire = Wire::connect(place.node.address())?;
    wire.send(
        format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 900000000\r\n\
             Expect: 100-continue\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let head = wire.head()?.context("closed without an answer")?;
    ensure!(head.status == 413, "answered {}", head.text);
    let body = String::from_utf8(wire.body(head.content_length)?)?;
    ensure!(body.contains("FILE_TOO_LARGE"), "answered {body}");

    // Not declared: noticed on the way. A client that goes on sending may see the connection closed instead.
    let mut wire = Wire::connect(place.node.address())?;
    wire.send(
        format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: multipart/form-data; boundary=edge\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let part = b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n";
    wire.send(&chunk(part))?;
    let piece = chunk(&vec![1; 50_000]);
    for _ in 0..21 {
        wire.send(&piece)?;
    }
    let head = wire.head()?.context("closed without an answer")?;
    ensure!(head.status == 413, "answered {}", head.text);

    ensure!(client.all("/api/v1/files", &[]).await?.len() == before, "a file too large is there");
    place.node.stop()?;
    check::storage_is_tidy(&place.node).await
}

async fn a_body_too_large_is_refused(make: Make) -> Result<()> {
    let place = Place::new(make.setup().setting("limits.body_bytes", 10_000)).await?;
    let case = Case::new("a patch", "PATCH", format!("/api/v1/files/{}", place.id), 413, "BODY_TOO_LARGE");
    let body = format!("{{\"description\":\"{}\"}}", "x".repeat(20_000));
    place.refuses(vec![case.header("content-type", "application/json").body(body)]).await
}

async fn uploads_beyond_their_number_are_put_off(make: Make) -> Result<()> {
    let node = make.setup().setting("limits.concurrent_uploads", 1).start()?;
    let client = node.client("user")?;
    let slow = Content::Slow { piece: 10_000, pieces: 20, pause: Duration::from_millis(100) };
    let (first, upload) = (client.clone(), Upload::new("first", slow));
    let first = tokio::spawn(async move { first.upload(&upload).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = client.upload(&Upload::new("second", Content::bytes("x"))).await?;
    is_envelope(&second, 429, "TOO_MANY_REQUESTS")?;
    ensure!(second.header("retry-after").is_some(), "put off without saying until when: {second}");
    first.await??.expect(201)?;
    client.upload(&Upload::new("third", Content::bytes("x"))).await?.expect(201).map(drop)
}

async fn slow_clients_are_let_go(make: Make) -> Result<()> {
    let setup = make.setup().setting("limits.header_timeout_seconds", 1).setting("limits.stall_timeout_seconds", 1);
    let mut place = Place::new(setup).await?;
    let mut trickle = Wire::connect(place.node.address())?;
    trickle.send(b"GET /health/live HTTP/1.1\r\nHost: no")?;
    ends_with(&mut trickle, 408)?;

    let token = storage_element_e2e::Tokens::shared().role("user");
    let mut stalled = Wire::connect(place.node.address())?;
    stalled.send(
        format!(
            "POST /api/v1/files/upload HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 100000\r\n\r\n\
             --edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nsome"
        )
        .as_bytes(),
    )?;
    ends_with(&mut stalled, 408)?;
    place.has_one_file().await?;
    place.node.stop()?;
    check::storage_is_tidy(&place.node).await
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Answered with this status, or closed without an answer; within a few seconds.
fn ends_with(wire: &mut Wire, status: u16) -> Result<()> {
    let begun = std::time::Instant::now();
    if let Some(head) = wire.head()? {
        ensure!(head.status == status, "answered {}", head.text);
    }
    ensure!(begun.elapsed() < Duration::from_secs(8), "a slow client was kept for {:?}", begun.elapsed());
    Ok(())
}

on_every_make!(
    a_file_too_large_is_refused_whether_it_says_so_or_not,
    a_body_too_large_is_refused,
    uploads_beyond_their_number_are_put_off,
    slow_clients_are_let_go
);
