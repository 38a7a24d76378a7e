//! A connection between two programs that a test can cut: in silence, as a network does it, or by refusal.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Result;

/// How long a pump waits before it looks at what the test wants.
const TICK: Duration = Duration::from_millis(20);

/// Where a link leads.
#[derive(Clone, Debug)]
pub enum Target {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

const OPEN: u8 = 0;
const SILENT: u8 = 1;
const REFUSING: u8 = 2;
const GONE: u8 = 3;

/// A TCP port on this machine whose connections lead to a target. They end with it.
pub struct Link {
    address: SocketAddr,
    state: Arc<AtomicU8>,
}

impl Link {
    /// An open link to `target`.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn to(target: Target) -> Result<Self> {
        Self::at(Ipv4Addr::LOCALHOST, target)
    }

    /// An open link whose port is at `address`, one of this machine's: for who is in another network namespace.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn at(address: Ipv4Addr, target: Target) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(AtomicU8::new(OPEN));
        let seen = Arc::clone(&state);
        std::thread::spawn(move || accept(&listener, &target, &seen));
        Ok(Self { address, state })
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, in neither direction, and nobody is told: connections hang.
    pub fn cut(&self) {
        self.state.store(SILENT, Ordering::SeqCst);
    }

    /// From now on connections are closed, old and new ones.
    pub fn refuse(&self) {
        self.state.store(REFUSING, Ordering::SeqCst);
    }

    /// It is open again. What was held back while it was cut passes now, as a network would deliver it late.
    pub fn restore(&self) {
        self.state.store(OPEN, Ordering::SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.store(GONE, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, target: &Target, state: &Arc<AtomicU8>) {
    loop {
        match (state.load(Ordering::SeqCst), listener.accept()) {
            (GONE, _) => return,
            (OPEN | SILENT, Ok((client, _))) => {
                let (target, state) = (target.clone(), Arc::clone(state));
                std::thread::spawn(move || {
                    if wait_while_silent(&state) {
                        let _ = connect(client, &target, &state);
                    }
                });
            }
            (_, Ok(_)) => {}
            (_, Err(_)) => std::thread::sleep(TICK / 4),
        }
    }
}

fn connect(client: TcpStream, target: &Target, state: &Arc<AtomicU8>) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    match target {
        Target::Tcp(address) => {
            let server = TcpStream::connect(address)?;
            server.set_nodelay(true)?;
            let back = (server.try_clone()?, client.try_clone()?);
            server.set_read_timeout(Some(TICK))?;
            client.set_read_timeout(Some(TICK))?;
            both(client, server, back.0, back.1, state);
        }
        Target::Unix(path) => {
            let server = UnixStream::connect(path)?;
            let back = (server.try_clone()?, client.try_clone()?);
            server.set_read_timeout(Some(TICK))?;
            client.set_read_timeout(Some(TICK))?;
            both(client, server, back.0, back.1, state);
        }
    }
    Ok(())
}

/// A stream whose writing half can be ended.
trait Closing: Read + Write + Send + 'static {
    fn close(&self, how: Shutdown);
}

impl Closing for TcpStream {
    fn close(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }
}

impl Closing for UnixStream {
    fn close(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }
}

fn both<S: Closing>(client: TcpStream, server: S, back_from: S, back_to: TcpStream, state: &Arc<AtomicU8>) {
    let there = Arc::clone(state);
    let pump_back = {
        let state = Arc::clone(state);
        std::thread::spawn(move || pump(back_from, back_to, &state))
    };
    pump(client, server, &there);
    let _ = pump_back.join();
}

/// Passes bytes until one side ends. A byte is passed only while the link is open.
fn pump(mut from: impl Closing, mut to: impl Closing, state: &AtomicU8) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let passed = match from.read(&mut buffer) {
            Ok(0) => {
                if wait_while_silent(state) {
                    to.close(Shutdown::Write);
                }
                return;
            }
            Ok(read) => wait_while_silent(state) && to.write_all(&buffer[..read]).is_ok(),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                matches!(state.load(Ordering::SeqCst), OPEN | SILENT)
            }
            Err(_) => false,
        };
        if !passed {
            from.close(Shutdown::Both);
            to.close(Shutdown::Both);
            return;
        }
    }
}

/// Waits for a cut to end; whether bytes may pass then.
fn wait_while_silent(state: &AtomicU8) -> bool {
    loop {
        match state.load(Ordering::SeqCst) {
            OPEN => return true,
            SILENT => std::thread::sleep(TICK),
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::{Link, Target};

    #[test]
    fn bytes_pass_wait_and_are_refused_as_told() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link::to(Target::Tcp(server.local_addr().unwrap())).unwrap();
        let mut client = TcpStream::connect(link.address()).unwrap();
        client.write_all(b"one").unwrap();
        let (mut seen, _) = server.accept().unwrap();
        let mut buffer = [0; 3];
        seen.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"one");

        link.cut();
        client.write_all(b"two").unwrap();
        seen.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(seen.read_exact(&mut buffer).is_err(), "nothing passes a cut");
        link.restore();
        seen.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        seen.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"two", "what was held back comes late");

        link.refuse();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(client.read(&mut buffer).unwrap_or(0), 0, "refused connections are closed");
    }
}
