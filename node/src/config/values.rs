//! How a value is read: from text as the environment has it, or from YAML.

use std::borrow::Cow;

use serde_yaml::Value;

use super::sources::Raw;

/// A read value, or what is wrong and what would be right.
pub(super) type Read<T> = Result<T, String>;

impl Raw {
    /// One word: a number or a truth value of the file is taken as written.
    pub fn scalar(&self) -> Read<Cow<'_, str>> {
        match self {
            Self::Text(text) | Self::Yaml(Value::String(text)) => non_empty(text),
            Self::Yaml(Value::Number(number)) => Ok(Cow::Owned(number.to_string())),
            Self::Yaml(Value::Bool(flag)) => Ok(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Self::Yaml(_) => Err("must be one value, not a list or a mapping".to_owned()),
        }
    }

    /// Text. In the environment everything is text; in the file what YAML reads as a number or a truth value needs
    /// quotes, because YAML would already have changed it (`1.10` to 1.1).
    pub fn text(&self) -> Read<Cow<'_, str>> {
        match self {
            Self::Yaml(Value::Number(_) | Value::Bool(_)) => {
                Err("must be text: YAML reads this as a number or a truth value, so put it in quotes".to_owned())
            }
            _ => self.scalar(),
        }
    }

    /// Texts: a list in the file, or text with commas between.
    pub fn list(&self) -> Read<Vec<String>> {
        match self {
            Self::Text(text) | Self::Yaml(Value::String(text)) => {
                Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            Self::Yaml(Value::Sequence(items)) => items
                .iter()
                .map(|item| Self::Yaml(item.clone()).text().map(Cow::into_owned))
                .collect::<Read<Vec<_>>>()
                .map_err(|problem| format!("every item {problem}")),
            Self::Yaml(_) => Err("must be a list".to_owned()),
        }
    }
}

fn non_empty(text: &str) -> Read<Cow<'_, str>> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: give a value, or remove it to use the default".to_owned());
    }
    if text.contains('\0') {
        return Err("contains a NUL character".to_owned());
    }
    Ok(Cow::Borrowed(text))
}

/// A whole number within bounds.
pub(super) fn whole(text: &str, least: u64, most: u64, unit: &str) -> Read<u64> {
    let bounds = || match most {
        u64::MAX => format!("must be a whole number of {unit}, at least {least}, not {text:?}"),
        _ => format!("must be a whole number of {unit} from {least} to {most}, not {text:?}"),
    };
    let number = text.parse::<u64>().map_err(|_| bounds())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(bounds()) }
}

/// A part of a hundred.
pub(super) fn percent(text: &str) -> Read<f64> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && (0.0..100.0).contains(&number) => Ok(number),
        _ => Err(format!("must be a percentage from 0 to below 100, such as 15 or 2.5, not {text:?}")),
    }
}

/// A truth value.
pub(super) fn flag(text: &str) -> Read<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("must be true or false, not {text:?}")),
    }
}

const UNITS: [(&str, u64); 16] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

/// A size in bytes: `1048576`, `1MiB`, `500Mi`, `10 GiB`, `1GB`.
pub(super) fn size(text: &str) -> Read<u64> {
    let wrong = || format!("must be a size such as 1048576, 500Mi, 10GiB or 1GB, not {text:?}");
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits.trim_end(), *factor)))
        .unwrap_or((text, 1));
    let number = digits.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(|| format!("is larger than any storage can be: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::{flag, percent, size, whole};

    #[test]
    fn sizes_are_bytes_or_carry_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("500Mi", 500 << 20),
            ("10GiB", 10 << 30),
            ("10 GiB", 10 << 30),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "-1", "1.5Gi", "GiB", "ten", "99999999999Ti", "1 000", "1gib"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!(whole("5", 1, 10, "s"), Ok(5));
        for text in ["0", "11", "-5", "5.0", "", "five"] {
            assert!(whole(text, 1, 10, "s").is_err(), "{text}");
        }
        assert!(percent("100").is_err() && percent("NaN").is_err() && percent("-1").is_err());
        assert_eq!(percent("2.5"), Ok(2.5));
        assert_eq!(flag("TRUE"), Ok(true));
        assert!(flag("maybe").is_err());
    }
}
