//! The control thread: monitoring, signals, lame duck, shutdown. An ordinary thread with a
//! current-thread tokio runtime; nothing here runs on a shard's core by right.
//!
//! ```text
//! Serving ──SIGUSR2──▶ LameDuck ──all clients closed──▶ end
//!    └──SIGINT, SIGTERM──▶ Shutdown ──▶ end      (LameDuck: SIGINT only)
//! ```

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Counter, Level, Log};
use config::{Options, limits};
use monitor::{Desk, Happened};
use security::Admission;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::command::Command;
use crate::cores::Cores;
use crate::gather::Gather;
use crate::orders::Order;
use crate::reload::Reloadable;
use crate::system::System;
use crate::systemd::{self, Stage};

/// How often closed connections are taken over from the cores. Each time this thread wakes it may
/// stand in the way of a core that shares its processor; at ten times a second that was one in 800
/// serial requests.
const CLOSED_INTERVAL: Duration = Duration::from_millis(500);

/// What the control thread works with.
pub struct Control {
    /// What the operator chose, and what a reload may change.
    pub reloadable: Reloadable,
    /// Where it logs.
    pub log: Log,
    /// The cores.
    pub cores: Arc<Cores>,
    /// What monitoring asks.
    pub gather: Rc<Gather>,
    /// The monitoring listener, if there is one.
    pub http: Option<TcpListener>,
    /// Cores that ended, and whether they did so as they should.
    pub ended: mpsc::UnboundedReceiver<CoreEnd>,
    /// Where HTTP requests are answered.
    pub desk: Rc<Desk<Gather>>,
    /// The system services.
    pub system: Rc<System>,
    /// Logins whose accounts are new.
    pub admissions: mpsc::Receiver<Admission>,
    /// What others ask.
    pub orders: mpsc::Receiver<Order>,
    /// What the operator sends.
    pub signals: Signals,
}

/// How a core's thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoreEnd {
    /// After a shutdown.
    Orderly,
    /// By a panic, which the log tells of.
    Panicked,
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it was told to.
    Orderly,
    /// Because a core failed.
    Failed,
}

/// The signals a server knows (spec/cli-and-config.md §3).
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    reopen: Signal,
    lame_duck: Signal,
}

impl Signals {
    /// Catches them from now on; until then the first one would end the process.
    ///
    /// # Errors
    /// The system's, when a handler cannot be installed.
    pub fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            lame_duck: signal(SignalKind::user_defined2())?,
        })
    }
}

impl Control {
    /// Watches over the cores until the server ends.
    pub async fn run(mut self) -> End {
        if let Some(listener) = self.http.take() {
            let https = self.reloadable.access.tls.monitoring.clone();
            let serving = monitor::serve(listener, https, Rc::clone(&self.desk));
            tokio::task::spawn_local(serving);
        }
        systemd::tell(&self.log, Stage::Ready);
        let mut closed_interval = tokio::time::interval(CLOSED_INTERVAL);
        let end = loop {
            tokio::select! {
                _ = self.signals.interrupt.recv() => {
                    self.trapped("interrupt");
                    break End::Orderly;
                }
                _ = self.signals.terminate.recv() => {
                    self.trapped("terminated");
                    break End::Orderly;
                }
                _ = self.signals.hangup.recv() => {
                    self.trapped("hangup");
                    // The log has told what is to be told.
                    let _ = self.reload().await;
                }
                _ = self.signals.reopen.recv() => {
                    self.trapped("user defined signal 1");
                    self.reloadable.writer.reopen();
                }
                _ = self.signals.lame_duck.recv() => {
                    self.trapped("user defined signal 2");
                    break self.lame_duck().await;
                }
                () = core_failed(&mut self.ended) => break End::Failed,
                Some(order) = self.orders.recv() => match order {
                    Order::Stop => break End::Orderly,
                    Order::Reload(answer) => {
                        // Whoever asked may be gone.
                        let _ = answer.send(self.reload().await);
                    }
                    Order::Claims(request, answer) => {
                        let _ = answer.send(self.claims(request).await);
                    }
                },
                Some(admission) = self.admissions.recv() => self.admit(admission).await,
                _ = closed_interval.tick() => {
                    self.gather.take_closed();
                    self.reloadable.drop_retired();
                    self.end_imports().await;
                }
            }
        };
        self.shut_down(end).await;
        end
    }

    fn trapped(&self, name: &str) {
        self.log.say(Level::Info, format!("Trapped {name:?} signal"));
    }

    /// spec/client-protocol.md §9: no new clients, a word to those there are, and after a grace
    /// period one close after the other.
    async fn lame_duck(&mut self) -> End {
        systemd::tell(&self.log, Stage::Stopping);
        self.log.say(Level::Info, "Entering lame duck mode, stop accepting new clients");
        self.gather.listening.set(false);
        self.cores.send_all(|| Command::StopListening).await;
        self.system.tell_end(Happened::LameDuck).await;
        self.cores.send_all(|| Command::AnnounceLameDuck).await;
        let Control { signals, reloadable, log, cores, ended, .. } = self;
        let closing = close_clients_slowly(&reloadable.options, log, cores);
        tokio::pin!(closing);
        loop {
            tokio::select! {
                () = &mut closing => return End::Orderly,
                // The clients that it had are never closed.
                () = core_failed(ended) => return End::Failed,
                _ = signals.interrupt.recv() => return End::Orderly,
                // SIGTERM is ignored while lame duck is in progress (spec/cli-and-config.md §3).
                _ = signals.terminate.recv() => {}
                _ = signals.lame_duck.recv() => {}
                _ = signals.hangup.recv() => {}
                // A log that is rotated meanwhile goes on in its new file.
                _ = signals.reopen.recv() => reloadable.writer.reopen(),
            }
        }
    }

    async fn shut_down(&mut self, end: End) {
        systemd::tell(&self.log, Stage::Stopping);
        self.log.say(Level::Info, "Initiating Shutdown...");
        self.gather.listening.set(false);
        if end == End::Orderly {
            self.system.tell_end(Happened::Shutdown).await;
        }
        self.cores.send_all(|| Command::Shutdown).await;
        let mut running = self.cores.len() - usize::from(end == End::Failed);
        while running > 0
            && let Some(_ended) = self.ended.recv().await
        {
            running -= 1;
        }
        self.log.say(Level::Info, "Server Exiting..");
    }
}

/// Comes back when a core has ended that was not told to. May be dropped at any time.
async fn core_failed(ended: &mut mpsc::UnboundedReceiver<CoreEnd>) {
    while ended.recv().await == Some(CoreEnd::Orderly) {}
}

/// One client after another, spread over the time that the operator gave.
async fn close_clients_slowly(options: &Options, log: &Log, cores: &Cores) {
    let grace = options.lame_duck_grace_period;
    if clients(cores).iter().sum::<u64>() == 0 {
        return;
    }
    tokio::time::sleep(grace).await;
    log.say(Level::Info, "Closing existing clients");
    let total = clients(cores).iter().sum::<u64>().max(1);
    let span = options.lame_duck_duration.saturating_sub(grace);
    let pause = (span / total as u32).min(limits::LAME_DUCK_CLOSE_INTERVAL_MAX);
    loop {
        let clients = clients(cores);
        let fullest = (0..clients.len()).max_by_key(|&core| clients[core]).unwrap_or(0);
        if clients[fullest] == 0 {
            return;
        }
        cores.send(fullest, Command::CloseOne);
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

/// Open connections, by core.
fn clients(cores: &Cores) -> Vec<u64> {
    cores.counters().iter().map(|core| core.get(Counter::Connections)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_core_that_panics_has_failed_and_so_have_all_that_are_gone() {
        for told in [&[CoreEnd::Orderly, CoreEnd::Panicked][..], &[CoreEnd::Orderly]] {
            let (sender, mut ended) = mpsc::unbounded_channel();
            sender.send(told[0]).expect("it is heard");
            let waits = tokio::time::timeout(Duration::ZERO, core_failed(&mut ended)).await;
            assert!(waits.is_err(), "it ended as it was told to");
            told[1..].iter().for_each(|end| sender.send(*end).expect("it is heard"));
            drop(sender);
            core_failed(&mut ended).await;
        }
    }
}
