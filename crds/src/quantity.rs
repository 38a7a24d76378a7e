//! Amounts of bytes as Kubernetes writes them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of bytes in Kubernetes' notation, such as `500Gi`, `1.5T` or the number `1073741824`, kept as it was written.
///
/// Notation: `resource.Quantity` of apimachinery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity(Written);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Written {
    Number(i64),
    Text(String),
}

/// Why a quantity cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAQuantity(String);

impl fmt::Display for NotAQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an amount of bytes: write a number, such as 500Gi, 2T or 1073741824", self.0)
    }
}

impl std::error::Error for NotAQuantity {}

const KIB: u64 = 1024;
/// Binary units, the largest first.
const BINARY: [(&str, u32); 6] = [("Ei", 6), ("Pi", 5), ("Ti", 4), ("Gi", 3), ("Mi", 2), ("Ki", 1)];

impl Quantity {
    /// What `text` says, right or wrong; [`Quantity::bytes`] tells.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Written::Text(text.into()))
    }

    /// Exactly `bytes`, in the largest binary unit that divides them.
    pub fn from_bytes(bytes: u64) -> Self {
        let unit = BINARY.iter().find(|(_, power)| bytes > 0 && bytes.is_multiple_of(KIB.pow(*power)));
        Self::new(match unit {
            Some((name, power)) => format!("{}{name}", bytes / KIB.pow(*power)),
            None => bytes.to_string(),
        })
    }

    /// About `bytes`, for people: whole units, at least three digits where there are as many (`1536Mi`, `412Gi`).
    pub fn rounded(bytes: u64) -> Self {
        let unit = BINARY.iter().find(|(_, power)| bytes / KIB.pow(*power) >= 100);
        match unit {
            Some((_, power)) => {
                let size = KIB.pow(*power);
                Self::from_bytes((bytes / size).saturating_mul(size))
            }
            None => Self::from_bytes(bytes),
        }
    }

    /// The amount in bytes, fractions rounded up as Kubernetes does.
    pub fn bytes(&self) -> Result<u64, NotAQuantity> {
        match &self.0 {
            Written::Number(number) => u64::try_from(*number).map_err(|_| NotAQuantity(number.to_string())),
            Written::Text(text) => parse(text).ok_or_else(|| NotAQuantity(text.clone())),
        }
    }
}

/// `[+]digits[.digits][suffix]`, the suffix a binary or decimal unit or an exponent.
fn parse(text: &str) -> Option<u64> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let end = unsigned.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits: u128 = format!("0{whole}{fraction}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let (multiply, divide) = unit(suffix)?;
    let exact = digits.checked_mul(multiply)?;
    u64::try_from(exact.div_ceil(scale.checked_mul(divide)?)).ok()
}

/// What one of the unit is: a multiplier and a divisor.
fn unit(suffix: &str) -> Option<(u128, u128)> {
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((u128::from(KIB).pow(*power), 1));
    }
    let thousands = match suffix {
        "n" => return Some((1, 1_000_000_000)),
        "u" => return Some((1, 1_000_000)),
        "m" => return Some((1, 1_000)),
        "" => 0,
        "k" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return exponent(suffix),
    };
    Some((1000_u128.pow(thousands), 1))
}

fn exponent(suffix: &str) -> Option<(u128, u128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = 10_u128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, factor) } else { (factor, 1) })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Number(number) => write!(f, "{number}"),
            Written::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Written::Number(number) => serializer.serialize_i64(*number),
            Written::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum IntOrString {
            Int(i64),
            String(String),
        }
        Ok(Self(match IntOrString::deserialize(deserializer)? {
            IntOrString::Int(number) => Written::Number(number),
            IntOrString::String(text) => Written::Text(text),
        }))
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        crate::schema::quantity()
    }
}

#[cfg(test)]
mod tests;
