//! Connections that are open obey new settings: a few a turn, so that a core with thousands of
//! them keeps turning (spec/cli-and-config.md §8).

use base::{ClientId, ConnSlot};
use protocol::CloseReason;
use runtime::network::Network;

use crate::connection::State;
use crate::connections::{Connections, Limits, Rest, Turn};
use crate::dialect::Reconfigured;

impl Connections {
    /// New limits, from now on, for all that connections have in common. Those that are open are
    /// to be visited by [`Connections::reconfigure`] too.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Lets the open connections in `count` slots from `from` on obey the settings. Says where
    /// to go on; `None` when all were visited.
    pub fn reconfigure<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        from: usize,
        count: usize,
    ) -> Option<usize> {
        let until = (from + count).min(self.slots.len());
        for index in from..until {
            self.reconfigure_one(turn, ConnSlot(index as u32));
        }
        (until < self.slots.len()).then_some(until)
    }

    fn reconfigure_one<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        if !matches!(connection.state, State::Open | State::Paused(_)) {
            return;
        }
        connection.link.liveness.hasten(turn.now, self.limits.ping_interval);
        turn.shard.reconfigure_outbox(slot);
        let verdict = self.with(turn, slot, |dialect, context| dialect.reconfigured(context));
        match verdict {
            Some(Reconfigured::Closes(reason)) => self.close(turn, slot, reason, Rest::Sent),
            Some(Reconfigured::Stays) | None => self.look_again(slot, turn.now),
        }
    }

    /// Closes those of these connections that are open here, after a last word in the wire's
    /// language.
    pub fn close_clients<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        cids: &[ClientId],
        last_word: &[u8],
        reason: CloseReason,
    ) {
        let slots: Vec<ConnSlot> = self.open_slots().collect();
        for slot in slots {
            let held = self.slots[slot.index()].as_ref().map(|connection| connection.link.cid);
            if held.is_some_and(|cid| cids.contains(&cid)) {
                turn.shard.write(slot, last_word);
                self.close(turn, slot, reason, Rest::Sent);
            }
        }
    }
}
