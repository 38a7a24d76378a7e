//! The lines above a part's data.

use super::Malformed;

/// What a part says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name.
    pub name: String,
    /// The file's name, if it is a file. `filename*` is not read: RFC 7578 §4.2 forbids it.
    pub filename: Option<String>,
    /// The part's own content type, as it stands there.
    pub content_type: Option<String>,
}

impl PartHead {
    /// Reads lines that each end in CR LF; the first one is empty.
    pub(super) fn parse(lines: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(lines).map_err(|_| Malformed("the name of a field or file is not UTF-8"))?;
        let (mut disposition, mut content_type) = (None, None);
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(Malformed("a line above a part's data has no colon"))?;
            let value = value.trim_matches([' ', '\t']);
            if value.contains(|c: char| c.is_control() && c != '\t') {
                return Err(Malformed("a line above a part's data contains a control character"));
            }
            if name.eq_ignore_ascii_case("content-disposition") {
                if disposition.replace(value).is_some() {
                    return Err(Malformed("a part has two Content-Disposition lines"));
                }
            } else if name.eq_ignore_ascii_case("content-type") {
                content_type = Some(value.to_owned());
            }
        }
        let mut rest = disposition.ok_or(Malformed("a part has no Content-Disposition line"))?;
        rest = strip_prefix_any_case(rest, "form-data")
            .ok_or(Malformed("a part's Content-Disposition is not form-data"))?;
        let (mut name, mut filename) = (None, None);
        while let Some((key, value, tail)) = parameter(rest)? {
            let place = match key {
                _ if key.eq_ignore_ascii_case("name") => &mut name,
                _ if key.eq_ignore_ascii_case("filename") => &mut filename,
                _ => &mut None,
            };
            if place.replace(value).is_some() {
                return Err(Malformed("a part's Content-Disposition says something twice"));
            }
            rest = tail;
        }
        Ok(Self { name: name.ok_or(Malformed("a part has no name"))?, filename, content_type })
    }
}

/// The next `; key=value`, and what follows it.
fn parameter(text: &str) -> Result<Option<(&str, String, &str)>, Malformed> {
    const BAD: Malformed = Malformed("a part's Content-Disposition cannot be read");
    let text = text.trim_start_matches([' ', '\t']);
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.strip_prefix(';').ok_or(BAD)?.trim_start_matches([' ', '\t']);
    if text.is_empty() {
        return Ok(None);
    }
    let (key, value) = text.split_once('=').ok_or(BAD)?;
    let key = key.trim_end_matches([' ', '\t']);
    let value = value.trim_start_matches([' ', '\t']);
    if let Some(quoted) = value.strip_prefix('"') {
        let (value, tail) = unquote(quoted).ok_or(BAD)?;
        return Ok(Some((key, value, tail)));
    }
    let end = value.find(';').unwrap_or(value.len());
    let (value, tail) = value.split_at(end);
    Ok(Some((key, value.trim_end_matches([' ', '\t']).to_owned(), tail)))
}

/// What stands up to the closing quote, and what follows it. Only `\"` and `\\` are escapes: old clients send paths
/// such as `C:\files\a.txt` with bare backslashes.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next_if(|&(_, next)| next == '"' || next == '\\') {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    None
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}
