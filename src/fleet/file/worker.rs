//! The thread on which a ledger's file is read and written.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use tokio::sync::oneshot;

use super::store::Store;
use crate::fleet::ScopeName;
use crate::fleet::ledger::{Exchange, Reply, Unreachable};

/// Starts the thread with the first exchange, and again if it has ended. It ends with the last sender.
#[derive(Debug)]
pub(super) struct Worker {
    store: Store,
    thread: Mutex<Option<Sender<Task>>>,
}

#[derive(Debug)]
struct Task {
    scope: ScopeName,
    exchange: Exchange,
    reply: oneshot::Sender<io::Result<Reply>>,
}

impl Worker {
    pub(super) fn over(store: Store) -> Self {
        Self {
            store,
            thread: Mutex::new(None),
        }
    }

    pub(super) async fn exchange(
        &self,
        scope: ScopeName,
        exchange: Exchange,
    ) -> Result<Reply, Unreachable> {
        let (reply, replied) = oneshot::channel();
        let task = Task {
            scope,
            exchange,
            reply,
        };
        self.send(task).map_err(unreachable)?;
        match replied.await {
            Ok(result) => result.map_err(unreachable),
            Err(_) => Err(Unreachable::NoConnection("its thread has ended".to_owned())),
        }
    }

    fn send(&self, task: Task) -> io::Result<()> {
        let mut thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let task = match thread.as_ref() {
            Some(sender) => match sender.send(task) {
                Ok(()) => return Ok(()),
                Err(returned) => returned.0,
            },
            None => task,
        };
        self.start(&mut thread, task)
    }

    fn start(&self, thread: &mut Option<Sender<Task>>, task: Task) -> io::Result<()> {
        let (sender, tasks) = channel();
        let store = self.store.clone();
        thread::Builder::new()
            .name("tower-backoff ledger".to_owned())
            .spawn(move || work(&store, &tasks))?;
        let _ = sender.send(task);
        *thread = Some(sender);
        Ok(())
    }
}

/// Serves all exchanges that wait under one lock.
fn work(store: &Store, tasks: &Receiver<Task>) {
    while let Ok(first) = tasks.recv() {
        let mut waiting: Vec<_> = std::iter::once(first).chain(tasks.try_iter()).collect();
        // Those for which no member waits any more have pent up while another process held the lock.
        waiting.retain(|task| !task.reply.is_closed());
        if waiting.is_empty() {
            continue;
        }
        let exchanges = waiting.iter().map(|task| (task.scope, &task.exchange));
        match store.exchange(exchanges) {
            Ok(replies) => {
                for (task, reply) in waiting.into_iter().zip(replies) {
                    let _ = task.reply.send(Ok(reply));
                }
            }
            Err(error) => {
                for task in waiting {
                    let _ = task
                        .reply
                        .send(Err(io::Error::new(error.kind(), error.to_string())));
                }
            }
        }
    }
}

fn unreachable(error: io::Error) -> Unreachable {
    Unreachable::NoConnection(error.to_string())
}
