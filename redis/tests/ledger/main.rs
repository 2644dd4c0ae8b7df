//! The script and the connection, with a real server that keeps nothing on disk.

#[cfg(feature = "cluster")]
mod cluster;
mod exchanges;
mod faults;
mod processes;
mod reference;
mod server;
mod speed;
mod store;
#[cfg(feature = "rustls")]
mod tls;
mod versions;
