//! The bounded buffer between the lines and where they go, and the thread that empties it.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::rotate::RotatingFile;

/// How many bytes may wait to be written: some ten thousand lines.
const BUFFER_LIMIT_BYTES: usize = 4 << 20;

/// How long an important line waits for room.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the end of logging waits for a slow reader.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where lines go.
pub(super) enum Sink {
    Stdout,
    Stderr,
    File(RotatingFile),
    #[cfg(test)]
    Slow(Arc<Mutex<Vec<u8>>>, Duration),
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().write_all(lines).and_then(|()| io::stdout().lock().flush()),
            Self::Stderr => io::stderr().lock().write_all(lines),
            Self::File(file) => file.write(lines),
            #[cfg(test)]
            Self::Slow(written, delay) => {
                std::thread::sleep(*delay);
                written.lock().extend_from_slice(lines);
                Ok(())
            }
        }
    }
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    ended: bool,
    done: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end has come.
    work: Condvar,
    /// There is room again, or all is written.
    room: Condvar,
    dropped: AtomicU64,
}

/// Takes lines from any thread.
#[derive(Clone)]
pub(super) struct Input(Arc<Shared>);

impl Input {
    /// Hands over a line. When the buffer is full an important line waits a little, another is dropped and counted.
    pub fn line(&self, line: &[u8], important: bool) {
        let mut state = self.0.state.lock();
        if state.waiting.len() + line.len() > BUFFER_LIMIT_BYTES && important {
            let until = Instant::now() + PATIENCE;
            let full = |state: &mut State| state.waiting.len() + line.len() > BUFFER_LIMIT_BYTES;
            self.0.room.wait_while_until(&mut state, full, until);
        }
        if state.waiting.len() + line.len() > BUFFER_LIMIT_BYTES || state.ended {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.0.work.notify_one();
    }
}

/// The thread that writes. Ends, after writing what is there, when this is dropped.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(sinks: Vec<Sink>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || run(&theirs, sinks))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub fn input(&self) -> Input {
        Input(Arc::clone(&self.shared))
    }

    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.ended = true;
        self.shared.work.notify_one();
        let until = Instant::now() + LAST_WORDS;
        let waited = self.shared.room.wait_while_until(&mut state, |state| !state.done, until);
        drop(state);
        // A thread that still hangs in a write is left to the end of the process.
        if let Some(thread) = self.thread.take().filter(|_| !waited.timed_out()) {
            // It does not panic: it only writes, and errors are told on standard error.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, mut sinks: Vec<Sink>) {
    let mut lines = Vec::new();
    let mut told_errors = 0_u32;
    loop {
        let mut state = shared.state.lock();
        shared.work.wait_while(&mut state, |state| state.waiting.is_empty() && !state.ended);
        if state.waiting.is_empty() {
            state.done = true;
            drop(state);
            shared.room.notify_all();
            return;
        }
        std::mem::swap(&mut state.waiting, &mut lines);
        drop(state);
        shared.room.notify_all();
        for sink in &mut sinks {
            if let Err(error) = sink.write(&lines) {
                tell(sink, &error, &mut told_errors);
            }
        }
        lines.clear();
    }
}

/// Errors of logging cannot be logged; a few on standard error are better than none.
fn tell(sink: &Sink, error: &io::Error, told: &mut u32) {
    *told = told.saturating_add(1);
    if *told <= 10 && !matches!(sink, Sink::Stderr) {
        let _ = writeln!(io::stderr(), "log lines could not be written: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use parking_lot::Mutex;

    use super::{BUFFER_LIMIT_BYTES, Sink, Writer};

    #[test]
    fn all_lines_are_written_before_the_end() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer::start(vec![Sink::Slow(Arc::clone(&written), Duration::from_millis(5))]).unwrap();
        for number in 0..1000 {
            writer.input().line(format!("{number}\n").as_bytes(), false);
        }
        drop(writer);
        let written = String::from_utf8(written.lock().clone()).unwrap();
        assert!(written.lines().map(|line| line.parse::<usize>().unwrap()).eq(0..1000), "{written}");
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_not_the_node() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let blocked = written.lock();
        let writer = Writer::start(vec![Sink::Slow(Arc::clone(&written), Duration::ZERO)]).unwrap();
        let line = vec![b'x'; 1 << 16];
        writer.input().line(&line, false);
        while !writer.shared.state.lock().waiting.is_empty() {
            // Until the thread hangs in its first write.
            std::thread::yield_now();
        }
        let begun = Instant::now();
        for _ in 0..3 * (BUFFER_LIMIT_BYTES >> 16) {
            writer.input().line(&line, false);
        }
        assert!(writer.dropped() > 0);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        let important = Instant::now();
        writer.input().line(&line, true);
        assert!(important.elapsed() >= Duration::from_millis(90), "an important line waits");
        assert!(important.elapsed() < Duration::from_secs(2), "but not for ever");
        drop(blocked);
    }
}
