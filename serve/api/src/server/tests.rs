//! The server on real sockets, asked by clients that write bytes.

mod bodies;
mod fixture;
mod http2;
mod limits;
mod protocols;
mod stop;
