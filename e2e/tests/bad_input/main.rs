//! Every limit and every malformed request has its status and its code, in the one envelope, and leaves nothing behind.

mod limits;
mod requests;
mod sockets;
mod table;
mod tokens;
mod uploads;
