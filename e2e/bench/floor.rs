//! The floor of a durable upload: a bare program that does the same fsyncs and renames, and nothing else.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::Result;

/// Size of the second file, as large as a usual attr file.
const ATTR_BYTES: usize = 1_000;

/// What one thread does for each file: two files written and fsynced, two renames into the final folder, one fsync of
/// that folder.
pub fn writer(folder: &Path, thread: usize, data: &'static [u8]) -> Result<impl FnMut(usize) -> Result<()> + Send> {
    let (staging, last) = (folder.join("staging"), folder.join("final"));
    fs::create_dir_all(&staging)?;
    fs::create_dir_all(&last)?;
    let attr = vec![b'a'; ATTR_BYTES];
    let last_open = File::open(&last)?;
    Ok(move |number: usize| {
        let names = [format!("{thread}-{number}.data"), format!("{thread}-{number}.attr")];
        for (name, content) in names.iter().zip([data, &attr]) {
            let mut file = File::create(staging.join(name))?;
            file.write_all(content)?;
            file.sync_all()?;
        }
        for name in &names {
            fs::rename(staging.join(name), last.join(name))?;
        }
        Ok(last_open.sync_all()?)
    })
}
