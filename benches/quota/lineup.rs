//! The list of all contenders.

use crate::contender::Contender;
use crate::{ours, peers};

/// All contenders, in the order of the table.
pub fn all() -> Vec<Contender> {
    ours::all().into_iter().chain(peers::all()).collect()
}
