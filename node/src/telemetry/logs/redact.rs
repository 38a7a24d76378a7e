//! The last line of defence: what looks like a secret does not get into a line, whoever put it there.

use std::borrow::Cow;

const MASK: &str = "***";

/// Names of fields that are never shown.
const SECRET_FIELDS: [&str; 6] = ["authorization", "token", "password", "secret", "private_key", "access_key"];

/// Whether a field's name says that its value is a secret.
pub(super) fn is_secret(field: &str) -> bool {
    SECRET_FIELDS.iter().any(|name| field.eq_ignore_ascii_case(name))
}

/// `text` with tokens (`eyJ….….…`) and passwords in URLs (`scheme://user:password@host`) masked.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let text = mask(Cow::Borrowed(text), "eyJ", token_at);
    mask(text, "://", password_at)
}

/// Masks what `find` reports at each place where `mark` stands: bytes from the mark's end or start to hide.
fn mask<'a>(text: Cow<'a, str>, mark: &str, find: fn(&str) -> Option<(usize, usize)>) -> Cow<'a, str> {
    let mut masked = String::new();
    let (mut rest, mut found) = (&*text, false);
    while let Some(at) = rest.find(mark) {
        let (from, to) = find(&rest[at..]).map_or((mark.len(), mark.len()), |range| {
            found = true;
            range
        });
        masked.push_str(&rest[..at + from]);
        if to > from {
            masked.push_str(MASK);
        }
        rest = &rest[at + to..];
    }
    if !found {
        return text;
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// A compact JWS at the beginning of `text`.
fn token_at(text: &str) -> Option<(usize, usize)> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'.';
    let end = text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let dots = text[..end].bytes().filter(|byte| *byte == b'.').count();
    (dots >= 1 && end >= 20).then_some((0, end))
}

/// The password of `://user:password@host` at the beginning of `text`.
fn password_at(text: &str) -> Option<(usize, usize)> {
    let end = text[3..].find(['/', ' ', '"', '?', '#', '\n']).map_or(text.len(), |at| at + 3);
    let at_sign = text[..end].rfind('@')?;
    let colon = text[3..at_sign].find(':')? + 3;
    Some((colon + 1, at_sign))
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn tokens_and_passwords_are_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln tail", "Bearer *** tail"),
            ("two eyJhbGciOiJSUzI1NiJ9.a.b eyJhbGciOiJSUzI1NiJ9.c.d", "two *** ***"),
            ("postgres://user:pa@ss@host/db and more", "postgres://user:***@host/db and more"),
            ("https://host:8080/a@b", "https://host:8080/a@b"),
            ("a file called eyJ.txt", "a file called eyJ.txt"),
            ("://", "://"),
            ("", ""),
            ("договор eyJ", "договор eyJ"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
