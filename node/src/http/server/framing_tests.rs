//! Framing: which requests are refused, and that everything else passes unchanged however it is cut.

use proptest::prelude::*;

use super::{BadChunk, Framing};

/// The bytes as the library sees them.
fn passed(bytes: &[u8], cut: usize) -> Result<Vec<u8>, BadChunk> {
    let mut framing = Framing::new();
    let mut seen = bytes.to_vec();
    for piece in seen.chunks_mut(cut.max(1)) {
        framing.inspect(piece)?;
    }
    Ok(seen)
}

fn is_refused(head: &str) -> bool {
    let answers: Vec<_> = [1, 2, 7, 1000].iter().map(|&cut| passed(head.as_bytes(), cut).unwrap()).collect();
    assert!(answers.iter().all(|seen| *seen == answers[0]), "{head:?} depends on how it is cut");
    answers[0].contains(&0)
}

#[test]
fn two_ways_to_read_a_body_are_refused() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "content-length: 5\r\nX: y\r\nCONTENT-LENGTH: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        assert!(is_refused(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")), "{lines:?}");
    }
    for lines in [
        "",
        "Content-Length: 0\r\n",
        "Content-Length:\t5 \r\n",
        "Transfer-Encoding: chunked\r\n",
        "X-Content-Length: 5\r\nContent-Length: 6\r\n",
    ] {
        assert!(!is_refused(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")), "{lines:?}");
    }
}

#[test]
fn what_looks_like_a_head_within_a_body_is_left_alone() {
    let evil = "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";
    let by_length = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{evil}", evil.len());
    let by_chunks =
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{evil}\r\n0\r\n\r\n", evil.len());
    for body in [by_length, by_chunks] {
        assert!(!is_refused(&body));
        // The request after it is watched again.
        assert!(is_refused(&format!("{body}{evil}")));
        assert!(is_refused(&format!("{body}\r\n{evil}")));
    }
}

#[test]
fn bad_chunks_end_the_connection() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in
        ["\r\n", "x\r\n", "-1\r\n", "5\n", "1\r\naXY", "ffffffffffffffffff\r\n", "0\r\n\n", "0\r\na\rb\r\n\rx", "1 \n"]
    {
        for cut in [1, 1000] {
            assert_eq!(passed(format!("{head}{body}").as_bytes(), cut), Err(BadChunk), "{body:?}");
        }
    }
    assert!(passed(format!("{head}1;{}\r\n", "x".repeat(9000)).as_bytes(), 100).is_err());
}

#[test]
fn http_2_is_not_watched() {
    let bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nContent-Length: 1\r\nContent-Length: 1\r\n";
    assert_eq!(passed(bytes, 3).unwrap(), bytes);
    // But only at the beginning of a connection.
    let later = b"GET / HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n";
    assert!(passed(later, 3).unwrap().contains(&0));
}

#[test]
fn a_head_is_awaited_from_its_first_byte_to_its_last() {
    let mut framing = Framing::new();
    assert!(framing.awaits_head());
    for (bytes, awaits, mid) in [
        ("GET / HT", true, true),
        ("TP/1.1\r\nContent-Length: 2\r\n", true, true),
        ("\r\n", false, true),
        ("ab", false, false),
        ("G", true, true),
    ] {
        framing.inspect(&mut bytes.as_bytes().to_vec()).unwrap();
        assert_eq!((framing.awaits_head(), framing.is_mid_request()), (awaits, mid), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn well_formed_requests_pass_unchanged(
        requests in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200), any::<bool>(), 1usize..50), 1..5),
        cut in 1usize..80,
    ) {
        let mut bytes = Vec::new();
        for (body, chunked, size) in &requests {
            if *chunked {
                bytes.extend_from_slice(b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n");
                for chunk in body.chunks(*size) {
                    bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\nTrailer: content-length: 1\r\n\r\n");
            } else {
                bytes.extend_from_slice(format!("PUT /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
        }
        prop_assert_eq!(passed(&bytes, cut).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_are_read_without_fault(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..50) {
        let _ = passed(&bytes, cut);
    }
}
