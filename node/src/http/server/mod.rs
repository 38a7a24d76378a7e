//! The server: accepts connections, bounds what each may cost, and stops without cutting anyone off.

mod connection;
mod framing;
mod guarded;
mod serving;

pub use connection::ClientAddress;
pub use serving::serve;
