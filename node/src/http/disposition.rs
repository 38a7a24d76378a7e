//! `Content-Disposition` of a download by RFC 6266: always `attachment`, names in UTF-8.

use std::fmt::Write as _;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 8187 §3.2.1 lets stand in `filename*` as it is (`attr-char`).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The header for a file named `name`.
///
/// `filename` is for clients that know no `filename*`: what they could misread becomes `_` there (RFC 6266, appendix D:
/// no percent signs, no backslashes). `filename*` follows only when something was lost.
pub fn attachment(name: &str) -> HeaderValue {
    let mut header = String::with_capacity(32 + 4 * name.len());
    header.push_str("attachment; filename=\"");
    let mut lost = false;
    for c in name.chars() {
        let plain = (c == ' ' || c.is_ascii_graphic()) && !matches!(c, '"' | '\\' | '%' | '/');
        lost |= !plain;
        header.push(if plain { c } else { '_' });
    }
    header.push('"');
    if lost {
        // Writing to a String cannot fail.
        let _ = write!(header, "; filename*=UTF-8''{}", utf8_percent_encode(name, ATTR_CHAR));
    }
    HeaderValue::try_from(header).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::attachment;

    fn text(name: &str) -> String {
        attachment(name).to_str().unwrap().to_owned()
    }

    #[test]
    fn plain_names_stand_as_they_are_and_others_twice() {
        assert_eq!(text("report 1.pdf"), "attachment; filename=\"report 1.pdf\"");
        assert_eq!(
            text("договор.pdf"),
            "attachment; filename=\"_______.pdf\"; filename*=UTF-8''%D0%B4%D0%BE%D0%B3%D0%BE%D0%B2%D0%BE%D1%80.pdf"
        );
        assert_eq!(text("a\"b\\c%.txt"), "attachment; filename=\"a_b_c_.txt\"; filename*=UTF-8''a%22b%5Cc%25.txt");
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_and_every_name_comes_back(name in any::<String>()) {
            let header = text(&name);
            let rest = header.strip_prefix("attachment; filename=\"").unwrap();
            let (plain, rest) = rest.split_once('"').unwrap();
            prop_assert!(plain.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
            let back = match rest.strip_prefix("; filename*=UTF-8''") {
                Some(encoded) => {
                    prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic() && !b"\"'();,\\ ".contains(&b)));
                    percent_decode_str(encoded).decode_utf8().unwrap().into_owned()
                }
                None => plain.to_owned(),
            };
            prop_assert_eq!(back, name);
        }
    }
}
