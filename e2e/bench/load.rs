//! A closed loop of clients on bare sockets: each sends, waits for the whole answer, and sends again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use storage_element_e2e::Wire;

/// How many operations a second `clients` threads do in `window`, each calling its own `operation` (made by `make`
/// with the thread's number) with a running number.
pub fn rate<O>(clients: usize, window: Duration, make: impl Fn(usize) -> Result<O> + Sync) -> Result<f64>
where
    O: FnMut(usize) -> Result<()> + Send,
{
    let over = AtomicBool::new(false);
    let barrier = std::sync::Barrier::new(clients + 1);
    let (make, over, barrier) = (&make, &over, &barrier);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                scope.spawn(move || {
                    let operation = make(client);
                    barrier.wait();
                    let (mut operation, mut done) = (operation?, 0);
                    while !over.load(Ordering::Relaxed) {
                        operation(done)?;
                        done += 1;
                    }
                    Ok::<_, anyhow::Error>(done)
                })
            })
            .collect();
        barrier.wait();
        let begun = Instant::now();
        std::thread::sleep(window);
        over.store(true, Ordering::Relaxed);
        let mut done = 0;
        for thread in threads {
            done += thread.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        // Up to the end of the last operation, so that none is counted without its time.
        Ok(f64::from(u32::try_from(done)?) / begun.elapsed().as_secs_f64())
    })
}

/// Sends one request on a kept connection and forgets the body.
pub fn exchange(wire: &mut Wire, request: &[u8], status: u16) -> Result<u64> {
    wire.send(request)?;
    let head = wire.head()?.context("the connection was closed instead of an answer")?;
    if head.status != status {
        let body = wire.body(head.content_length).unwrap_or_default();
        return Err(anyhow!("{}{}", head.text, String::from_utf8_lossy(&body)));
    }
    wire.skip_body(head.content_length)?;
    Ok(head.content_length)
}

/// A `GET` request; with a token if there is one.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{authorization}\r\n").into_bytes()
}

/// Megabytes (10⁶ bytes) a second of one transfer.
pub fn megabytes_per_second(bytes: u64, transfer: impl FnOnce() -> Result<u64>) -> Result<f64> {
    let begun = Instant::now();
    let moved = transfer()?;
    ensure!(moved == bytes, "{moved} bytes came instead of {bytes}");
    Ok(f64::from(u32::try_from(bytes / 1_000)?) / 1_000.0 / begun.elapsed().as_secs_f64())
}
