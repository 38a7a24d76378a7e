//! CRC64NVME, as the store tells it: base64 of eight bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};

/// A CRC64NVME that grows with its data.
pub(super) struct Crc64(Digest);

impl Crc64 {
    pub(super) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Nvme))
    }

    pub(super) fn of(bytes: &[u8]) -> String {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.text()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn text(&self) -> String {
        STANDARD.encode(self.0.finalize().to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Crc64;

    #[test]
    fn it_is_the_one_the_store_computes() {
        // The check value of CRC-64/NVME: AE8B14860A799888.
        assert_eq!(Crc64::of(b"123456789"), "rosUhgp5mIg=");
        let mut grown = Crc64::new();
        grown.update(b"1234");
        grown.update(b"56789");
        assert_eq!(grown.text(), "rosUhgp5mIg=");
    }
}
