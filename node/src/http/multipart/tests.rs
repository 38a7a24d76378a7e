use bytes::Bytes;
use proptest::prelude::*;

use super::{Event, Malformed, Parser, PartHead};

/// Parts as `(head, data)`, with the body cut into pieces of these sizes.
fn parts(boundary: &str, body: &[u8], sizes: &[usize]) -> Result<Vec<(PartHead, Vec<u8>)>, Malformed> {
    let mut parser = Parser::new(boundary).unwrap();
    let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(7));
    let mut rest = body;
    loop {
        match parser.next_event()? {
            Some(Event::Part(head)) => parts.push((head, Vec::new())),
            Some(Event::Data(data)) => {
                assert!(!data.is_empty());
                parts.last_mut().unwrap().1.extend_from_slice(&data);
            }
            Some(Event::End) => return Ok(parts),
            None if rest.is_empty() => return Err(Malformed("the body ends early")),
            None => {
                let (piece, tail) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
                parser.feed(Bytes::copy_from_slice(piece));
                rest = tail;
            }
        }
    }
}

fn head(disposition: &str) -> Result<PartHead, Malformed> {
    let body = format!("--b\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--b--\r\n");
    parts("b", body.as_bytes(), &[1000]).map(|parts| parts[0].0.clone())
}

fn named(disposition: &str) -> (String, Option<String>) {
    let head = head(disposition).unwrap();
    (head.name, head.filename)
}

#[test]
fn names_as_clients_write_them() {
    let name = |name: &str, filename: Option<&str>| (name.to_owned(), filename.map(str::to_owned));
    assert_eq!(named(r#"form-data; name="a""#), name("a", None));
    assert_eq!(named(r"form-data;name=a"), name("a", None));
    assert_eq!(named(r#"Form-Data; filename="f"; NAME="a""#), name("a", Some("f")));
    assert_eq!(named(r#"form-data; name="a"; filename="q\"b\\c""#), name("a", Some("q\"b\\c")));
    assert_eq!(named(r#"form-data; name="a"; filename="C:\new\file.txt""#), name("a", Some(r"C:\new\file.txt")));
    assert_eq!(named(r#"form-data; name="a"; filename="a%22; b=c.txt""#), name("a", Some("a%22; b=c.txt")));
    assert_eq!(named("form-data; name=\"a\"; filename=\"договор.pdf\""), name("a", Some("договор.pdf")));
    assert_eq!(named(r#"form-data; name="a"; filename="""#), name("a", Some("")));
    assert_eq!(named(r#"form-data; name="a"; filename*=UTF-8''x"#), name("a", None));
    for bad in
        ["form-data", "attachment; name=a", r#"form-data; name="a"#, "form-data; name=a; name=b", "form-data name=a"]
    {
        assert!(head(bad).is_err(), "{bad}");
    }
    assert!(head("form-data; name=\"a\0b\"").is_err());
}

#[test]
fn bodies_that_are_not_forms_are_refused() {
    let part = "Content-Disposition: form-data; name=a\r\n\r\n1";
    for (body, why) in [
        (String::new(), "empty"),
        (format!("--b\r\n{part}"), "no end"),
        (format!("--b\r\n{part}\r\n--b"), "cut in the last boundary"),
        (format!("--bx\r\n{part}\r\n--bx--"), "another boundary"),
        (format!("--b\r\n\r\n1{part}\r\n--b--"), "no head"),
        (format!("--b \tx\r\n{part}\r\n--b--"), "text after the boundary"),
        (format!("--b\r\nX: {}\r\n{part}\r\n--b--", "y".repeat(9000)), "long head"),
        (format!("{}\r\n--b\r\n{part}\r\n--b--", "y".repeat(9000)), "long preamble"),
        (format!("--b{}\r\n{part}\r\n--b--", " ".repeat(9000)), "long padding"),
    ] {
        for size in [1, 3, 100_000] {
            assert!(parts("b", body.as_bytes(), &vec![size; body.len() + 1]).is_err(), "{why}");
        }
    }
    assert!(Parser::new("").is_none());
    assert!(Parser::new(&"b".repeat(71)).is_none());
    assert!(Parser::new("a\r\nb").is_none());
}

/// Data made of what boundaries are made of, so that near misses are common.
fn tricky_data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n--bound".to_vec()),
        Just(b"\r\n--boun".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"--boundary".to_vec()),
        Just(b"\n--boundary".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn data_comes_out_as_it_went_in_however_it_is_cut(
        fields in proptest::collection::vec(tricky_data(), 0..4),
        preamble in "[a-z\r\n]{0,20}",
        epilogue in "[a-z\r\n]{0,20}",
        sizes in proptest::collection::vec(1usize..60, 0..200),
    ) {
        prop_assume!(fields.iter().all(|data| !data.windows(12).any(|w| w == b"\r\n--boundary")));
        let mut body = preamble.into_bytes();
        for (i, data) in fields.iter().enumerate() {
            body.extend_from_slice(format!("\r\n--boundary\r\ncontent-disposition: form-data; name=f{i}\r\n\r\n").as_bytes());
            body.extend_from_slice(data);
        }
        body.extend_from_slice(b"\r\n--boundary--");
        body.extend_from_slice(epilogue.as_bytes());
        let parts = parts("boundary", &body, &sizes).unwrap();
        prop_assert_eq!(parts.len(), fields.len());
        for (i, ((head, data), sent)) in parts.iter().zip(&fields).enumerate() {
            prop_assert_eq!(&head.name, &format!("f{i}"));
            prop_assert_eq!(data, sent);
        }
    }

    #[test]
    fn any_bytes_are_read_without_fault(body in tricky_data(), sizes in proptest::collection::vec(1usize..60, 0..50)) {
        let _ = parts("boundary", &body, &sizes);
    }
}
