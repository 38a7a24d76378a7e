//! Through which port a request came, and for whom.
//!
//! Source of the rules: the product specification, `20-operator`, Channels and keys. Who reaches the peer port has shown
//! a certificate of the element's own authority: a node of the element, or the operator. Only they are believed about
//! whom a request is from; on the public port such a header is taken away.

use std::net::SocketAddr;

use axum::extract::Request;
use http::header::HeaderName;
use http::{Extensions, HeaderValue};

use super::error::{ApiError, ApiResult};
use super::server::ClientAddress;

/// What a node says about a request that it passes on: the port it came to, and the client's address.
pub const FORWARDED: HeaderName = HeaderName::from_static("storage-element-forwarded");

/// A port of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Anyone connects here.
    Public,
    /// Nodes of this element and the operator connect here.
    Peer,
}

impl Port {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Peer => "peer",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Public, Self::Peer].into_iter().find(|port| port.as_str() == text)
    }
}

/// How a request came: an extension of those that did not come straight to the public port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The port that the client itself came to, here or at the node that passed its request on.
    pub port: Port,
    /// Another node has passed it on.
    pub is_forwarded: bool,
}

impl Arrival {
    /// How this request came. Without word of it: to the public port, which is believed least.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().copied().unwrap_or(Self { port: Port::Public, is_forwarded: false })
    }
}

/// Notes how a request came to `port`, and whose it is.
///
/// # Errors
/// 400 on the peer port when what the other node says cannot be read: taking the request for the node's own would give
/// a client a peer's rights.
pub fn note(port: Port, request: &mut Request) -> ApiResult<()> {
    let mut values = request.headers().get_all(FORWARDED).iter();
    let (value, doubled) = (values.next().cloned(), values.next().is_some());
    if port == Port::Public {
        if value.is_some() {
            request.headers_mut().remove(FORWARDED);
        }
        return Ok(());
    }
    let Some(value) = value else {
        request.extensions_mut().insert(Arrival { port, is_forwarded: false });
        return Ok(());
    };
    let (from, client) = read(&value).filter(|_| !doubled).ok_or_else(|| {
        ApiError::invalid(FORWARDED.as_str(), "a forwarded request says once from which port and which client it is")
    })?;
    request.extensions_mut().insert(Arrival { port: from, is_forwarded: true });
    request.extensions_mut().insert(ClientAddress(client));
    Ok(())
}

fn read(value: &HeaderValue) -> Option<(Port, SocketAddr)> {
    let (port, client) = value.to_str().ok()?.split_once(' ')?;
    Some((Port::of(port)?, client.parse().ok()?))
}

/// What to say about a request that is passed on.
pub fn forwarded(extensions: &Extensions) -> Option<HeaderValue> {
    let client = extensions.get::<ClientAddress>()?.0;
    HeaderValue::try_from(format!("{} {client}", Arrival::of(extensions).port.as_str())).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;

    use super::{Arrival, FORWARDED, Port, forwarded, note};
    use crate::http::server::ClientAddress;

    fn request(values: &[&str]) -> Request {
        let mut request = Request::builder();
        for value in values {
            request = request.header(FORWARDED, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ClientAddress("10.0.0.9:4".parse().unwrap()));
        request
    }

    fn client(request: &Request) -> String {
        request.extensions().get::<ClientAddress>().unwrap().0.to_string()
    }

    #[test]
    fn the_public_port_believes_nobody() {
        let mut request = request(&["peer 203.0.113.7:80", "x"]);
        note(Port::Public, &mut request).unwrap();
        assert_eq!(Arrival::of(request.extensions()), Arrival { port: Port::Public, is_forwarded: false });
        assert_eq!(client(&request), "10.0.0.9:4");
        assert!(!request.headers().contains_key(FORWARDED));
        assert_eq!(forwarded(request.extensions()).unwrap(), "public 10.0.0.9:4");
    }

    #[test]
    fn the_peer_port_believes_what_it_can_read_and_refuses_the_rest() {
        let mut own = request(&[]);
        note(Port::Peer, &mut own).unwrap();
        assert_eq!(Arrival::of(own.extensions()), Arrival { port: Port::Peer, is_forwarded: false });
        for (value, port, address) in [
            ("public 203.0.113.7:80", Port::Public, "203.0.113.7:80"),
            ("peer [2001:db8::1]:443", Port::Peer, "[2001:db8::1]:443"),
        ] {
            let mut passed = request(&[value]);
            note(Port::Peer, &mut passed).unwrap();
            assert_eq!(Arrival::of(passed.extensions()), Arrival { port, is_forwarded: true });
            assert_eq!(client(&passed), address);
            assert_eq!(forwarded(passed.extensions()).unwrap(), value);
        }
        for bad in
            [&[""][..], &["public"], &["Public 1.2.3.4:5"], &["public 1.2.3.4"], &["peer 1.2.3.4:5", "peer 1.2.3.4:5"]]
        {
            assert!(note(Port::Peer, &mut request(bad)).is_err(), "{bad:?}");
        }
    }
}
