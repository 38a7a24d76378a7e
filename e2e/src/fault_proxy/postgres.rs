//! Between a node and PostgreSQL.

use std::io::Result;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Weather;
use super::dice::{Dice, Roll};
use super::serving::Serving;
use crate::Postgres;

/// How long the server may go on with what its client does not wait for any more.
const LINGER: Duration = Duration::from_secs(5);
const LEAST_DELAY: Duration = Duration::from_millis(2);
const LONGEST_DELAY: Duration = Duration::from_millis(600);
const LATE_LEAST: Duration = Duration::from_millis(400);
const LATEST: Duration = Duration::from_millis(2500);
/// The protocol's own number in a start-up message (3.0 and 3.2): anything else asks for encryption or cancels.
const MAJOR_PROTOCOL: u16 = 3;
/// The most a start-up message may have.
const STARTUP_MOST: usize = 10_000;

/// A proxy before a PostgreSQL server. It ends when it is dropped.
pub struct PostgresProxy {
    serving: Serving,
    shared: Arc<Shared>,
    url: String,
}

struct Shared {
    upstream: Upstream,
    dice: Dice,
    /// Sessions that hold a lock pass whatever the weather.
    locks_pass: AtomicBool,
    faults: AtomicU64,
    pending: AtomicUsize,
}

enum Upstream {
    Socket(PathBuf),
    Tcp(String),
}

/// What happens to what a client has just sent.
enum Fault {
    Delay(Duration),
    /// The server does not hear of it.
    Cut,
    /// The server hears a part of it.
    CutInside(usize),
    /// The server does it, the client does not hear of it.
    LoseAnswer,
    /// The client hears a part of the answer.
    CutAnswer(Roll),
    /// The client's connection ends now, the server hears of it later.
    Late(Duration),
}

impl PostgresProxy {
    /// Starts one before `server`, whose fair weather lasts until it is [`set`](Self::set).
    ///
    /// # Panics
    /// When it cannot be started.
    #[allow(clippy::expect_used, reason = "a test whose proxy does not start has failed")]
    pub fn start(server: &Postgres, seed: u64) -> Self {
        let mut url = Url::parse(server.url()).expect("a URL of PostgreSQL");
        let upstream = match server.folder() {
            Some(folder) => Upstream::Socket(folder.join(".s.PGSQL.5432")),
            None => Upstream::Tcp(format!(
                "{}:{}",
                url.host_str().expect("a host in the URL of PostgreSQL"),
                url.port().unwrap_or(5432)
            )),
        };
        let shared = Arc::new(Shared {
            upstream,
            dice: Dice::new(seed),
            locks_pass: AtomicBool::new(false),
            faults: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
        });
        let served = Arc::clone(&shared);
        let serving = Serving::start(move |client, seen| {
            let shared = Arc::clone(&served);
            async move {
                let _ = serve(client, seen, shared).await;
            }
        });
        // What passes is read, so it is not encrypted.
        url.set_query(Some("sslmode=disable"));
        let SocketAddr::V4(address) = serving.address() else { unreachable!("it listens on an address of IPv4") };
        url.set_host(Some(&address.ip().to_string())).expect("an address in the URL");
        url.set_port(Some(address.port())).expect("a port in the URL");
        Self { serving, shared, url: url.into() }
    }

    /// The URL of the database behind it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets the sessions that hold an element's lock pass unharmed: a node that loses its lock ends, as it should.
    pub fn let_locks_pass(&self) {
        self.shared.locks_pass.store(true, Ordering::Relaxed);
    }

    /// What happens from now on.
    pub fn set(&self, weather: Weather) {
        self.serving.set(weather);
    }

    /// How many faults it has made.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::Relaxed)
    }

    /// How much the server has yet to hear of that its client gave up.
    pub fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }
}

/// A server, by whichever kind of socket.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Upstream {
    async fn connect(&self) -> Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        })
    }
}

async fn serve(mut client: TcpStream, mut seen: watch::Receiver<Weather>, shared: Arc<Shared>) -> Result<()> {
    let Some(startup) = startup(&mut client).await? else { return Ok(()) };
    let holds_lock = startup.windows(8).any(|part| part == b"se-lock:");
    if holds_lock && shared.locks_pass.load(Ordering::Relaxed) {
        let mut server = shared.upstream.connect().await?;
        server.write_all(&startup).await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    if matches!(*seen.borrow(), Weather::Gone | Weather::Failing(_)) {
        return Ok(());
    }
    let mut server = shared.upstream.connect().await?;
    server.write_all(&startup).await?;
    let (mut asked, mut answered) = (Vec::with_capacity(64 * 1024), Vec::with_capacity(64 * 1024));
    loop {
        let weather = *seen.borrow_and_update();
        match weather {
            Weather::Gone | Weather::Failing(_) => return Ok(()),
            Weather::Silent => {
                if seen.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            }
            Weather::Fair | Weather::Rough | Weather::Slow(_) => {}
        }
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return Ok(()) },
            read = client.read_buf(&mut asked) => {
                if read? == 0 {
                    return Ok(());
                }
                let fault = match weather {
                    Weather::Rough => shared.fault(&asked),
                    Weather::Slow(delay) => Some(Fault::Delay(delay)),
                    _ => None,
                };
                match fault {
                    None => server.write_all(&asked).await?,
                    Some(Fault::Delay(delay)) => {
                        sleep(delay).await;
                        server.write_all(&asked).await?;
                    }
                    Some(fault) => return shared.end(fault, client, server, asked).await,
                }
                asked.clear();
            }
            read = server.read_buf(&mut answered) => {
                if read? == 0 {
                    return Ok(());
                }
                client.write_all(&answered).await?;
                answered.clear();
            }
        }
    }
}

impl Shared {
    fn fault(&self, asked: &[u8]) -> Option<Fault> {
        // A good-bye has no answer to lose.
        if asked.first() == Some(&b'X') {
            return None;
        }
        let mut roll = self.dice.next()?;
        self.faults.fetch_add(1, Ordering::Relaxed);
        if roll.storm {
            return Some(Fault::Late(roll.time(LATE_LEAST, LATEST)));
        }
        Some(match roll.below(100) {
            0..40 => Fault::Delay(roll.time(LEAST_DELAY, LONGEST_DELAY)),
            40..52 => Fault::Cut,
            52..62 => Fault::CutInside(roll.place(asked.len())),
            62..77 => Fault::LoseAnswer,
            77..87 => Fault::CutAnswer(roll),
            _ => Fault::Late(roll.time(LEAST_DELAY, LATEST)),
        })
    }

    /// Ends a session with a fault.
    async fn end(
        &self,
        fault: Fault,
        mut client: TcpStream,
        mut server: Box<dyn Stream>,
        asked: Vec<u8>,
    ) -> Result<()> {
        match fault {
            Fault::Delay(_) | Fault::Cut => return Ok(()),
            Fault::CutInside(place) => return server.write_all(&asked[..place]).await,
            Fault::LoseAnswer => {
                server.write_all(&asked).await?;
                drop(client);
            }
            Fault::CutAnswer(mut roll) => {
                server.write_all(&asked).await?;
                let mut answer = Vec::with_capacity(64 * 1024);
                server.read_buf(&mut answer).await?;
                client.write_all(&answer[..roll.place(answer.len())]).await?;
                drop(client);
            }
            Fault::Late(delay) => {
                drop(client);
                self.pending.fetch_add(1, Ordering::Relaxed);
                sleep(delay).await;
                let sent = server.write_all(&asked).await;
                self.pending.fetch_sub(1, Ordering::Relaxed);
                sent?;
            }
        }
        let mut rest = Vec::with_capacity(64 * 1024);
        let _ = timeout(LINGER, server.read_buf(&mut rest)).await;
        Ok(())
    }
}

/// The message that opens a session; `None` when it is none.
async fn startup(client: &mut TcpStream) -> Result<Option<Vec<u8>>> {
    let mut message = vec![0; 8];
    client.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[0], message[1], message[2], message[3]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let major = u16::from_be_bytes([message[4], message[5]]);
    if major != MAJOR_PROTOCOL || !(8..STARTUP_MOST).contains(&length) {
        return Ok(None);
    }
    message.resize(length, 0);
    client.read_exact(&mut message[8..]).await?;
    Ok(Some(message))
}
