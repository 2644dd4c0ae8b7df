//! A member of a fleet that grants what a ledger on another thread has given it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::Mutex;
use shuttle::sync::mpsc::{Receiver, Sender, channel};
use shuttle::thread;

use super::world::{CallerPlan, World, play_in};
use crate::fleet::{CallOutcome, CloseReason, Fleet, GateHandle, Grant, GrantId, Joining, Member};
use crate::gate::{GateConfig, Quota};

/// What is granted, given back and used.
#[derive(Debug, Default)]
pub(super) struct Rations {
    pub(super) stock: u32,
    pub(super) given: u32,
    pub(super) used: u32,
}

/// Makes members that have nothing until they ask the ledger. A message is a question of one of them.
#[derive(Clone)]
pub(super) struct RationedFleet {
    world: Arc<World>,
    pub(super) rations: Arc<Mutex<Rations>>,
    questions: Sender<Option<GateHandle>>,
    gate: Arc<Mutex<Option<GateHandle>>>,
}

impl RationedFleet {
    /// Also returns the ledger: it answers each question with one call, and then wakes the gate.
    pub(super) fn new(world: &Arc<World>) -> (Self, thread::JoinHandle<()>) {
        let (questions, asked): (_, Receiver<Option<GateHandle>>) = channel();
        let fleet = Self {
            world: Arc::clone(world),
            rations: Arc::default(),
            questions,
            gate: Arc::default(),
        };
        let (world, rations) = (Arc::clone(world), Arc::clone(&fleet.rations));
        let ledger = thread::spawn(move || {
            while let Ok(Some(gate)) = asked.recv() {
                {
                    let mut rations = rations.lock().unwrap();
                    rations.stock += 1;
                    rations.given += 1;
                }
                gate.wake();
                world.rests();
            }
        });
        (fleet, ledger)
    }
}

impl RationedFleet {
    /// Ends the ledger.
    pub(super) fn end(&self) {
        let _ = self.questions.send(None);
    }
}

impl Fleet for RationedFleet {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        *self.gate.lock().unwrap() = Some(joining.gate);
        Box::new(self.clone())
    }
}

impl Member for RationedFleet {
    fn admit(&self, _: u32) -> Grant {
        let mut rations = self.rations.lock().unwrap();
        if rations.stock > 0 {
            rations.stock -= 1;
            return Grant::Now(GrantId::new(NonZeroU64::MIN));
        }
        drop(rations);
        // Time stands still until the ledger has replied.
        self.world.wakes();
        let gate = self.gate.lock().unwrap().clone();
        let _ = self.questions.send(gate);
        Grant::Later
    }

    fn on_return(&self, _: GrantId) {
        self.rations.lock().unwrap().stock += 1;
    }

    fn on_outcome(&self, grant: Option<GrantId>, _: &CallOutcome) {
        assert!(grant.is_some(), "each call was granted");
        self.rations.lock().unwrap().used += 1;
    }

    fn on_close(&self, _: Duration, _: CloseReason) {}
}

/// Lets the callers run where each call has to be granted by the member of a fleet.
pub(super) fn play_in_fleet(quotas: &[Quota], plans: &[CallerPlan]) -> Duration {
    let world = Arc::new(World::new(quotas));
    let (fleet, ledger) = RationedFleet::new(&world);
    world.gate.join(&fleet, GateConfig::default(), "model");
    let rations = Arc::clone(&fleet.rations);
    let took = play_in(world, plans);
    fleet.end();
    ledger.join().unwrap();
    let rations = rations.lock().unwrap();
    assert_eq!(rations.given, rations.stock + rations.used, "none is lost");
    took
}
