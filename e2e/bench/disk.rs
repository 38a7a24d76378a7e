//! The physical limits: the disk's sequential writing, and hashing on one core.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use aws_lc_rs::digest::{Context, SHA256};

use crate::load::megabytes_per_second;

/// Pieces of a sequential write and of hashing.
const PIECE_BYTES: usize = 1 << 20;

/// Megabytes a second of writing `bytes` to a new file, its fsync included. The file is removed.
pub fn sequential_write(folder: &Path, bytes: u64, piece: &[u8]) -> Result<f64> {
    let path = folder.join("sequential");
    let rate = megabytes_per_second(bytes, || {
        let mut file = File::create(&path)?;
        let written = in_pieces(bytes, piece, |piece| Ok(file.write_all(piece)?))?;
        file.sync_all()?;
        Ok(written)
    });
    fs::remove_file(&path)?;
    rate
}

/// Megabytes a second of SHA-256 on one core.
pub fn hashing(bytes: u64, piece: &[u8]) -> Result<f64> {
    megabytes_per_second(bytes, || {
        let mut hash = Context::new(&SHA256);
        let hashed = in_pieces(bytes, piece, |piece| {
            hash.update(piece);
            Ok(())
        })?;
        std::hint::black_box(hash.finish());
        Ok(hashed)
    })
}

/// Hands out `bytes` bytes as repetitions of `piece`.
pub fn in_pieces(bytes: u64, piece: &[u8], mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let mut left = bytes;
    while left > 0 {
        let next = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        take(&piece[..next])?;
        left -= next as u64;
    }
    Ok(bytes)
}

/// A piece that no disk compresses.
pub fn random_piece() -> Vec<u8> {
    let mut piece = vec![0; PIECE_BYTES];
    rand::fill(&mut piece[..]);
    piece
}
