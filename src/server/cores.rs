//! The control thread's handle on all cores: their command queues, bells and counters.

use std::sync::Arc;
use std::time::Duration;

use base::Counters;
use crossbeam_channel::{Sender, TrySendError};
use runtime::uring::ControlBell;
use tokio::sync::oneshot;

use crate::command::{Command, Page};

/// How long a core with a full queue is left alone.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// One core, seen from the control thread.
pub struct CoreHandle {
    /// Its command queue.
    pub commands: Sender<Command>,
    /// What makes it look into the queue.
    pub bell: ControlBell,
    /// Its counters.
    pub counters: Arc<Counters>,
}

/// All cores, by shard.
pub struct Cores {
    handles: Vec<CoreHandle>,
    counters: Vec<Arc<Counters>>,
}

impl CoreHandle {
    /// Asks something of the core; `false` if its queue is full or it is gone.
    fn send(&self, command: Command) -> bool {
        let sent = self.commands.try_send(command).is_ok();
        self.bell.ring();
        sent
    }

    /// Asks something of the core, once its queue has room; `false` if it is gone.
    async fn send_when_it_can(&self, mut command: Command) -> bool {
        loop {
            let sent = self.commands.try_send(command);
            self.bell.ring();
            match sent {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(unsent)) => command = unsent,
            }
            tokio::time::sleep(FULL_QUEUE_PAUSE).await;
        }
    }
}

impl Cores {
    /// Over all cores, by shard.
    pub fn new(handles: Vec<CoreHandle>) -> Cores {
        let counters = handles.iter().map(|handle| Arc::clone(&handle.counters)).collect();
        Cores { handles, counters }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Commands that wait for one core.
    pub fn waiting(&self, core: usize) -> usize {
        self.handles[core].commands.len()
    }

    /// The counters of all cores.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Asks the same of every core, those that are gone aside. Nothing is lost: for a queue that is
    /// full it waits.
    pub async fn send_all(&self, command: impl Fn() -> Command) {
        for handle in &self.handles {
            // One that is gone does nothing more anyway.
            let _ = handle.send_when_it_can(command()).await;
        }
    }

    /// Asks something of one core; `false` if its queue is full or it is gone.
    pub fn send(&self, core: usize, command: Command) -> bool {
        self.handles[core].send(command)
    }

    /// Asks one core and waits for the answer; `None` if it is gone or overwhelmed.
    pub async fn ask<T>(
        &self,
        core: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        if !self.handles[core].send(command(answer)) {
            return None;
        }
        answered.await.ok()
    }

    /// Asks the same of every core and waits until all have answered, those that are gone aside.
    /// No question is lost: for a queue that is full it waits too.
    pub async fn ask_all<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) {
        let mut answers = Vec::with_capacity(self.handles.len());
        for handle in &self.handles {
            let (answer, answered) = oneshot::channel();
            if handle.send_when_it_can(command(answer)).await {
                answers.push(answered);
            }
        }
        for answered in answers {
            // A core that ended meanwhile does not answer.
            let _ = answered.await;
        }
    }

    /// Asks one core for a page that begins at `from`; also says where the next begins.
    pub async fn ask_page<Q, A>(
        &self,
        core: usize,
        query: Q,
        from: usize,
        command: impl FnOnce(Page<Q, A>) -> Command,
    ) -> Option<(A, Option<usize>)> {
        self.ask(core, |answer| command(Page { query, from, answer })).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_full_queue_is_waited_for_and_a_core_that_is_gone_is_not() {
        let (commands, inbox) = crossbeam_channel::bounded(1);
        let (gone, _) = crossbeam_channel::bounded(1);
        let handles = [gone, commands].map(|commands| {
            let bell = ControlBell::new().expect("a descriptor");
            CoreHandle { commands, bell, counters: Arc::default() }
        });
        let cores = Cores::new(handles.into());
        assert!(cores.send(1, Command::CloseOne));
        assert!(!cores.send(1, Command::CloseOne), "its queue is full");
        let asked = async {
            cores.send_all(|| Command::Shutdown).await;
            cores.ask_all(Command::RefreshCounters).await;
        };
        let works = async {
            let mut taken = Vec::new();
            while taken.len() < 3 {
                tokio::task::yield_now().await;
                taken.extend(inbox.try_iter().map(|command| match command {
                    Command::CloseOne => "close one",
                    Command::Shutdown => "shutdown",
                    Command::RefreshCounters(answer) => answer.send(()).map_or("", |()| "refresh"),
                    _ => "",
                }));
            }
            taken
        };
        let (taken, ()) = tokio::join!(works, asked);
        assert_eq!(taken, ["close one", "shutdown", "refresh"]);
    }
}
