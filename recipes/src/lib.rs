//! What the recipes share: a limiter that does as it is told, a server on the loopback, and the three scenes.

mod limiter;
mod scenes;
mod server;

pub use limiter::{Decision, Limiter, Published};
pub use scenes::{Scenes, check, past_patience, play};
pub use server::{Received, Server};
