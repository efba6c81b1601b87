//! New settings for a core that turns: in force from one turn to the next for all that is to come,
//! then for the connections that are open, some a turn (spec/cli-and-config.md §8).

use std::sync::Arc;

use base::Counter;
use config::Options;
use connection::{Limits, Turn};
use runtime::clock::Clock;
use runtime::network::Network;
use security::ListenerTls;
use tokio::sync::oneshot;

use super::{Core, Idle};

/// Slots of connections that one turn visits at most. Closing one costs about 20 us, so that a turn
/// stays far below a millisecond even where all of them must go.
const SLOTS_PER_TURN: usize = 16;

/// What a core is told at its start and on each reload. Made once, read by all cores.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// What the operator chose, for its services.
    pub options: Arc<Options>,
    /// What its shard obeys.
    pub shard: shard::Settings,
    /// What its connections obey.
    pub connections: Limits,
    /// How connections that come speak TLS, if they do.
    pub tls: Option<Arc<ListenerTls>>,
    /// Connections with TLS accepted in a second; `None` without limit.
    pub connections_per_second: Option<u32>,
    /// What its clients obey.
    pub clients: Arc<client::Settings>,
    /// Open connections on the whole server at most.
    pub connections_max: u64,
    /// What it does when idle.
    pub idle: Idle,
}

/// How far a core is with its open connections.
pub(super) struct Sweep {
    next: usize,
    done: oneshot::Sender<()>,
}

impl<N: Network, C: Clock> Core<N, C> {
    /// Takes the settings over. `done` is told when the last open connection obeys them.
    pub(super) fn reconfigure(&mut self, settings: &CoreSettings, done: oneshot::Sender<()>) {
        let parts = &mut self.parts;
        // This turn and those of the sweep are seen by themselves.
        parts.shard.counters().set(Counter::LongestTurnNanos, 0);
        parts.shard.reconfigure(settings.shard.clone());
        parts.connections.set_limits(settings.connections);
        parts.connections.set_tls(settings.tls.clone());
        parts.rate.set_max(settings.connections_per_second);
        parts.clients.replace(Arc::clone(&settings.clients));
        parts.connections_max = settings.connections_max;
        parts.idle = settings.idle;
        for service in &mut parts.services {
            service.reconfigured(&mut parts.shard, &settings.options);
        }
        // A sweep under way begins anew: its asker waits for this one no longer.
        self.sweep = Some(Sweep { next: 0, done });
    }

    /// Goes on with the open connections.
    pub(super) fn sweep(&mut self) {
        let Some(Sweep { next, done }) = self.sweep.take() else { return };
        let mut turn =
            Turn { net: &mut self.parts.net, shard: &mut self.parts.shard, now: self.now };
        match self.parts.connections.reconfigure(&mut turn, next, SLOTS_PER_TURN) {
            Some(next) => self.sweep = Some(Sweep { next, done }),
            None => {
                // Whoever asked may be gone.
                let _ = done.send(());
            }
        }
    }
}
