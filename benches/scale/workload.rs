//! The work whose cost per step is measured, as the number of callers or hosts grows.

use tower_backoff::Quota;

use crate::gate::Queue;
use crate::hosts;

/// One kind of work, among a number of callers or hosts.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub kind: Kind,
    pub among: usize,
}

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call joins the queue of a gate, and the first in the queue gets a response.
    Queue,
    /// A call to the next host, with a quota per minute for each host.
    Hosts,
    /// The same with a quota per second.
    HostsBySecond,
    /// A call of the bare service to the next host, and a counter for each host.
    HostsCounted,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Queue,
        Self::Hosts,
        Self::HostsBySecond,
        Self::HostsCounted,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Hosts => "hosts",
            Self::HostsBySecond => "hosts-by-second",
            Self::HostsCounted => "hosts-counted",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Workload {
    /// The number of steps that instructions are counted over.
    pub fn counted_steps(self) -> u64 {
        match self.kind {
            Kind::Queue => 5_000,
            // Each host is asked at least eight times, since not every response is read.
            Kind::Hosts | Kind::HostsBySecond | Kind::HostsCounted => 80_000,
        }
    }

    /// Sets everything up and returns a function that makes a number of steps.
    pub fn steps(self) -> Box<dyn FnMut(u64)> {
        match self.kind {
            Kind::Queue => {
                let mut queue = Queue::with_callers(self.among);
                Box::new(move |steps| (0..steps).for_each(|_| queue.step()))
            }
            Kind::Hosts => hosts::ours(self.among, Quota::per_minute(1_000_000_000)),
            Kind::HostsBySecond => hosts::ours(self.among, Quota::per_second(1_000_000)),
            Kind::HostsCounted => hosts::counted(self.among),
        }
    }
}
