//! A file that is put aside when it is full: `app.log`, then `app.log.1` (the newest) to `app.log.5`.
//!
//! Ours, because the usual crate silently drops what it writes when the file cannot be opened again, and asserts what
//! another program can make untrue.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file of bounded size with a bounded number of predecessors.
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    older: usize,
}

impl RotatingFile {
    /// Opens the file for appending, and makes its folder if it is missing.
    pub fn open(path: &Path, limit: u64, older: usize) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let file = open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_path_buf(), file, size, limit, older })
    }

    /// Appends whole lines. Where the file cannot be put aside it goes on growing: a line is worth more than the limit.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        for chunk in whole_lines(lines, self.limit) {
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            let full = self.size > 0 && self.size.saturating_add(length) > self.limit;
            let rotated = if full { self.rotate() } else { Ok(()) };
            self.file.write_all(chunk)?;
            self.size = self.size.saturating_add(length);
            rotated?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.older).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match fs::rename(&self.path, self.numbered(1)) {
            // Somebody else has moved it: a new one is begun all the same.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Until the new file is open, lines go on into the old one.
        self.file = open(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Cuts `bytes` after line ends into pieces of at most `limit` bytes, but never within a line.
fn whole_lines(bytes: &[u8], limit: u64) -> impl Iterator<Item = &[u8]> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let within = rest.get(..limit).and_then(|part| part.iter().rposition(|byte| *byte == b'\n'));
        let end = match within {
            Some(at) => at + 1,
            None if rest.len() <= limit => rest.len(),
            None => rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::RotatingFile;

    #[test]
    fn rotation_loses_no_line_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/app.log");
        let mut file = RotatingFile::open(&path, 100, 5).unwrap();
        for number in 0..40 {
            // Two lines at a time, as the writer's batches are.
            file.write(format!("line {number:03} a\nline {number:03} b\n").as_bytes()).unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["app.log", "app.log.1", "app.log.2", "app.log.3", "app.log.4", "app.log.5"]);
        let all: String =
            names.iter().rev().map(|name| fs::read_to_string(path.with_file_name(name)).unwrap()).collect();
        let expected = (0..40).map(|n| format!("line {n:03} a\nline {n:03} b\n")).collect::<Vec<_>>().concat();
        assert!(expected.ends_with(&all), "a line is missing:\n{all}");
        assert!(all.lines().count() >= 36, "{all}");
        assert!(names.iter().all(|name| fs::metadata(path.with_file_name(name)).unwrap().len() <= 100));
    }

    #[test]
    fn a_batch_larger_than_the_limit_is_cut_between_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut file = RotatingFile::open(&path, 20, 2).unwrap();
        file.write(b"0123456789\n0123456789\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0123456789\n");
        file.write(&[b'x'; 50]).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 50);
    }

    #[test]
    fn it_goes_on_where_it_was_and_says_when_it_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        RotatingFile::open(&path, 100, 5).unwrap().write(b"first\n").unwrap();
        RotatingFile::open(&path, 100, 5).unwrap().write(b"second\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
        assert!(RotatingFile::open(folder.path(), 100, 5).is_err());
        assert!(RotatingFile::open(&path.join("below/a/file.log"), 100, 5).is_err());
    }

    #[test]
    fn a_line_is_kept_even_when_the_file_cannot_be_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut file = RotatingFile::open(&path, 10, 1).unwrap();
        file.write(b"first\n").unwrap();
        // A folder in the way, with something in it, cannot be replaced.
        fs::create_dir_all(folder.path().join("app.log.1/x")).unwrap();
        assert!(file.write(b"second\n").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    }
}
