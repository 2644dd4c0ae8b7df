//! The script and the connection, with a real server that keeps nothing on disk.

mod faults;
mod processes;
mod reference;
mod server;
mod speed;
mod store;
