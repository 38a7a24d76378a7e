//! Entity tags (RFC 9110 §8.8.3) and how they compare.

/// An entity tag as it stands in a header, its quotes taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// `W/` stood before it.
    pub weak: bool,
    /// What stood between the quotes.
    pub opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads one tag that fills `text`.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        match read(text)? {
            (tag, []) => Some(tag),
            _ => None,
        }
    }

    /// Same tag, neither of them weak. `current` is always strong.
    pub fn matches_strongly(self, current: &str) -> bool {
        !self.weak && self.opaque == current.as_bytes()
    }

    /// Same tag, weak or not.
    pub fn matches_weakly(self, current: &str) -> bool {
        self.opaque == current.as_bytes()
    }
}

/// Whether any tag of a list header satisfies `wanted`; `*` always does. A list that cannot be read stops at the fault.
pub fn any_of(list: &[u8], wanted: impl Fn(EntityTag<'_>) -> bool) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        match read(rest) {
            Some((tag, _)) if wanted(tag) => return true,
            Some((_, tail)) => match tail.trim_ascii_start() {
                [b',', tail @ ..] => rest = tail,
                _ => return false,
            },
            None => return false,
        }
    }
}

fn read(text: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (weak, text) = match text {
        [b'W', b'/', tail @ ..] => (true, tail),
        _ => (false, text),
    };
    let [b'"', text @ ..] = text else { return None };
    let end = text.iter().position(|&b| b == b'"')?;
    let (opaque, rest) = text.split_at(end);
    Some((EntityTag { weak, opaque }, rest.get(1..).unwrap_or_default()))
}
