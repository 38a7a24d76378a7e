//! A term: one mastership, from a takeover to the next.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a term. It only ever rises.
pub type Epoch = u64;

/// Sixteen hex digits that tell two terms of one epoch number apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nonce(u64);

impl Nonce {
    /// A fresh random nonce.
    pub fn fresh() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Nonce {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for Nonce {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A term, named by its epoch and nonce. Everything a master writes before its commit point is named by its term, so
/// that a successor can take away what an older term has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Term {
    /// The number of the term.
    pub epoch: Epoch,
    /// What tells it apart from any other term with this number.
    pub nonce: Nonce,
}

impl fmt::Display for Term {
    /// The name of the term's folder: `{epoch}-{nonce}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.nonce)
    }
}

impl FromStr for Term {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let (epoch, nonce) = name.split_once('-').ok_or(())?;
        if nonce.len() != 16 {
            return Err(());
        }
        Ok(Self { epoch: epoch.parse().map_err(|_| ())?, nonce: nonce.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Nonce, Term};

    #[test]
    fn a_folder_name_reads_back() {
        let term = Term { epoch: 17, nonce: Nonce::fresh() };
        assert_eq!(term.to_string().parse(), Ok(term));
        assert!("17-xyz".parse::<Term>().is_err());
        assert!("dead-17-0000000000000000".parse::<Term>().is_err());
    }
}
