//! Requests no well-behaved client would send.

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Make, Tokens, Wire, check, on_every_make};

use super::table::Place;

async fn requests_that_could_be_read_in_two_ways_are_refused_and_the_connection_closed(make: Make) -> Result<()> {
    let place = Place::new(make.setup()).await?;
    let token = Tokens::shared().role("user");
    let start = format!("POST /api/v1/files/upload HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n");
    let form = "Content-Type: multipart/form-data; boundary=edge\r\n";
    for (what, rest) in [
        ("length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        ("a length in words", "Content-Length: five\r\n\r\nhello"),
        ("a negative length", "Content-Length: -5\r\n\r\nhello"),
        ("a chunk of no size", "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"),
        ("a header with a space before its colon", "X-Odd : 1\r\n\r\n"),
        ("a line that is no header", "nonsense\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(place.node.address())?;
        wire.send(format!("{start}{form}{rest}").as_bytes())?;
        if let Some(head) = wire.head()? {
            ensure!((400..500).contains(&head.status), "{what}: answered {}", head.text);
            wire.skip_body(head.content_length)?;
        }
        let next = wire.send(b"GET /health/live HTTP/1.1\r\nHost: node\r\n\r\n").and_then(|()| wire.head());
        ensure!(!matches!(next, Ok(Some(_))), "{what}: the connection goes on after it");
    }
    place.has_one_file().await
}

async fn heads_beyond_their_limits_are_refused(make: Make) -> Result<()> {
    let place = Place::new(make.setup()).await?;
    let token = Tokens::shared().role("user");
    let one = |head: String, statuses: &[u16]| -> Result<()> {
        let mut wire = Wire::connect(place.node.address())?;
        wire.send(head.as_bytes())?;
        let head = wire.head()?.context("closed without an answer")?;
        ensure!(statuses.contains(&head.status), "expected {statuses:?}, answered {}", head.text);
        Ok(())
    };
    let live = "GET /health/live HTTP/1.1\r\nHost: node\r\n";
    one(format!("{live}X-Large: {}\r\n\r\n", "x".repeat(200_000)), &[431])?;
    one(format!("GET /{} HTTP/1.1\r\nHost: node\r\n\r\n", "x".repeat(70_000)), &[414, 431])?;
    let upload = "POST /api/v1/files/upload HTTP/1.1\r\nHost: node\r\nContent-Length: 5\r\nExpect: a-miracle\r\n";
    one(format!("{upload}Authorization: Bearer {token}\r\n\r\n"), &[417])?;
    let list = "GET /api/v1/files HTTP/1.1\r\nHost: node\r\n";
    one(format!("{list}Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n\r\n"), &[401])?;
    one(format!("{list}Authorization: Basic dXNlcjpwYXNz\r\n\r\n"), &[401])?;
    one(format!("{live}\r\n"), &[200])
}

async fn a_client_that_goes_away_leaves_nothing(make: Make) -> Result<()> {
    let mut place = Place::new(make.setup()).await?;
    let token = Tokens::shared().role("user");
    for abrupt in [true, false] {
        let mut wire = Wire::connect(place.node.address())?;
        wire.send(
            format!(
                "POST /api/v1/files/upload HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 1000000\r\n\r\n\
                 --edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nsome bytes"
            )
            .as_bytes(),
        )?;
        std::thread::sleep(std::time::Duration::from_millis(200));
        if !abrupt {
            wire.finish_sending()?;
            if let Some(head) = wire.head()? {
                ensure!(head.status >= 400, "half an upload was answered {}", head.text);
            }
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    place.has_one_file().await?;
    place.node.stop()?;
    check::storage_is_tidy(&place.node).await
}

on_every_make!(
    requests_that_could_be_read_in_two_ways_are_refused_and_the_connection_closed,
    heads_beyond_their_limits_are_refused,
    a_client_that_goes_away_leaves_nothing
);
