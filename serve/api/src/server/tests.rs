//! The server on real sockets, asked by clients that write bytes.

mod bodies;
#[cfg(target_os = "linux")]
mod disk;
mod file_stream;
#[cfg(target_os = "linux")]
mod files;
mod fixture;
mod gone;
mod held;
mod http2;
mod limits;
mod parked;
mod protocols;
mod stop;
