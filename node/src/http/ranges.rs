//! Byte ranges by RFC 9110 §14: what a `Range` header asks for, and what is worth serving.

use std::ops::Range;

/// The most ranges that are looked at; a header with more is ignored, and the whole file is sent.
const RANGES_LIMIT: usize = 64;
/// The most parts of one answer, after coalescing; more, and the whole file is sent.
const PARTS_LIMIT: usize = 16;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything (200): no range was asked for, or the header is to be ignored.
    Whole,
    /// One range (206).
    Single(Range<u64>),
    /// Several ranges (206, `multipart/byteranges`), in the order asked for, none touching another.
    Several(Vec<Range<u64>>),
    /// None of the ranges lies within the file (416).
    Unsatisfiable,
}

/// What a `Range` header asks for of a file of `size` bytes. What cannot be read is ignored (RFC 9110 §14.2), and so is
/// what only costs: very many ranges, or ranges that add up to the file or more.
pub fn select(header: &[u8], size: u64) -> Selection {
    let Some(specs) = parse(header) else { return Selection::Whole };
    let mut parts: Vec<Range<u64>> = Vec::with_capacity(specs.len().min(PARTS_LIMIT));
    let mut touches_empty = false;
    for spec in specs {
        match spec.within(size) {
            Some(range) if range.is_empty() => touches_empty = true,
            Some(range) => add(&mut parts, range),
            None => {}
        }
    }
    let bytes = parts.iter().map(|part| part.end - part.start).fold(0, u64::saturating_add);
    match parts.len() {
        // The last bytes of an empty file can be had, but no Content-Range can say so.
        0 if touches_empty => Selection::Whole,
        0 => Selection::Unsatisfiable,
        1 => Selection::Single(parts.swap_remove(0)),
        2..=PARTS_LIMIT if bytes < size => Selection::Several(parts),
        _ => Selection::Whole,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    From { first: u64, last: Option<u64> },
    Last { bytes: u64 },
}

impl Spec {
    /// The bytes of a file of `size` bytes; `None` when unsatisfiable, empty for the last bytes of an empty file.
    fn within(self, size: u64) -> Option<Range<u64>> {
        match self {
            Self::From { first, last } => {
                (first < size).then(|| first..last.map_or(size, |last| last.saturating_add(1).min(size)))
            }
            Self::Last { bytes } => (bytes > 0).then(|| size.saturating_sub(bytes)..size),
        }
    }
}

/// Joins `range` with what it overlaps or touches; else it becomes a part of its own, after the others.
fn add(parts: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let touch = |a: &Range<u64>, b: &Range<u64>| a.start <= b.end && b.start <= a.end;
    let mut place = None;
    // Joining may make the range touch a part it was far from: begin again until it touches none.
    while let Some(at) = parts.iter().position(|part| touch(part, &range)) {
        let part = parts.remove(at);
        range = part.start.min(range.start)..part.end.max(range.end);
        place = Some(place.map_or(at, |before: usize| before.min(at)));
    }
    parts.insert(place.unwrap_or(parts.len()).min(parts.len()), range);
}

fn parse(header: &[u8]) -> Option<Vec<Spec>> {
    let text = std::str::from_utf8(header).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        if specs.len() == RANGES_LIMIT {
            return None;
        }
        let (first, last) = spec.split_once('-')?;
        specs.push(match (first, last) {
            ("", bytes) => Spec::Last { bytes: number(bytes)? },
            (first, "") => Spec::From { first: number(first)?, last: None },
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                Spec::From { first, last: Some(last) }
            }
        });
    }
    (!specs.is_empty()).then_some(specs)
}

/// Digits only. A number too large for any file is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
