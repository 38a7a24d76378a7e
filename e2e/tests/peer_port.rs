//! The peer port of a real node: who may come in, what may come through it only, and certificates that are replaced.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use storage_element_e2e::{Node, Peers, Setup, Tokens};

/// How long a node may take to see that its files have changed.
const RELOAD_PATIENCE: Duration = Duration::from_secs(30);

struct Place {
    peers: Peers,
    node: Node,
}

impl Place {
    fn start() -> Result<Self> {
        let peers = Peers::new(1)?;
        let node = peers.join(Setup::new().setting("element.mode", "rw"), 0)?.start()?;
        Ok(Self { peers, node })
    }

    /// Sends a phase of a mode change; the status, 0 without an answer, and the body.
    fn prepare(&self, mut curl: Command, base: &str) -> Result<(u16, Value)> {
        let wish = json!({"mode": "ro", "phase": "prepare", "transition_id": "t-1", "attempt": 1});
        let bearer = format!("Authorization: Bearer {}", Tokens::shared().role("admin"));
        curl.args(["-X", "PUT", "-H", &bearer, "-H", "Content-Type: application/json", "-d", &wish.to_string()]);
        let output = curl.arg(format!("{base}/api/v1/admin/mode")).output().context("curl could not be run")?;
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').context("curl said nothing")?;
        Ok((status.parse()?, serde_json::from_str(body).unwrap_or_default()))
    }

    fn as_peer(&self) -> Result<(u16, Value)> {
        self.prepare(self.peers.curl(), &format!("https://{}", self.peers.address(0)?))
    }
}

#[test]
fn phases_come_through_the_peer_port_and_peers_show_a_certificate() -> Result<()> {
    let place = Place::start()?;
    let (status, body) = place.prepare(Peers::curl_of_a_stranger(), &place.node.url())?;
    ensure!(status == 403 && body["error"]["code"] == "FORBIDDEN", "on the public port: {status} {body}");
    let peer = place.peers.address(0)?;
    for base in [format!("https://{peer}"), format!("http://{peer}")] {
        let mut stranger = Peers::curl_of_a_stranger();
        stranger.arg("--insecure");
        let (status, body) = place.prepare(stranger, &base)?;
        ensure!(status == 0, "a stranger was answered at {base}: {status} {body}");
    }
    let (status, body) = place.as_peer()?;
    ensure!(status == 200 && body["mode"] == "rw", "on the peer port: {status} {body}");
    place.peers.renew()?;
    let begun = Instant::now();
    loop {
        let (status, body) = place.as_peer()?;
        if status == 200 {
            return Ok(());
        }
        ensure!(begun.elapsed() < RELOAD_PATIENCE, "the new certificate does not count: {status} {body}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
