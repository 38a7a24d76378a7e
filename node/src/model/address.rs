//! Where a peer port is, as a node advertises it.

use http::uri::Authority;

/// Host and port of a peer port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    authority: Authority,
    port: u16,
}

impl PeerAddress {
    /// Reads `HOST:PORT`, such as `node-0.files-headless.prod.svc:8443` or `[2001:db8::1]:8443`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a host with a port, such as node-0.example.org:8443");
        let authority: Authority = text.parse().map_err(|_| wrong())?;
        let port = authority.port_u16().filter(|port| *port != 0);
        match port {
            Some(port) if !authority.host().is_empty() && !text.contains('@') => Ok(Self { authority, port }),
            _ => Err(wrong()),
        }
    }

    /// The name or address that the other's certificate has to be for.
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Both, as they were written.
    pub fn as_str(&self) -> &str {
        self.authority.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::PeerAddress;

    #[test]
    fn hosts_with_ports() {
        let read = |text| PeerAddress::parse(text).map(|address| (address.host().to_owned(), address.port())).ok();
        assert_eq!(read("a-0.a-headless.ns.svc:8443"), Some(("a-0.a-headless.ns.svc".to_owned(), 8443)));
        assert_eq!(read("127.0.0.1:1"), Some(("127.0.0.1".to_owned(), 1)));
        assert_eq!(read("[::1]:8443"), Some(("::1".to_owned(), 8443)));
        for bad in ["", "a", "a:", ":8443", "a:0", "a:65536", "u@a:1", "a:1/x", "https://a:1", "::1:8443 "] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
