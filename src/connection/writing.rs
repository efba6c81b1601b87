//! Hot path: bytes out. Before it: the outboxes that deliveries filled this turn; after it: the
//! network's send.
//!
//! Every connection with something queued and no send under way gets one send a turn. A batch
//! that takes too long makes a slow consumer (spec/client-protocol.md §8).

use base::{ConnSlot, Counter, Level};
use config::options::WriteTimeout;
use protocol::CloseReason;
use runtime::network::Network;

use crate::connection::{State, WriteState};
use crate::connections::{Connections, Rest, Turn};

impl Connections {
    /// Sends what this turn queued, and closes connections that went over their bound.
    pub fn flush<N: Network>(&mut self, turn: &mut Turn<'_, N>) {
        while let Some(slot) = turn.shard.next_overflowed() {
            turn.shard.counters().add(Counter::SlowConsumers, 1);
            let max = self.limits.pending_max;
            let text = format!("Slow Consumer Detected: MaxPending of {max} Exceeded");
            self.say(slot, Level::Info, &text);
            self.close(turn, slot, CloseReason::SlowConsumerPendingBytes, Rest::Dropped);
        }
        let mut dirty = 0;
        while let Some(slot) = turn.shard.next_dirty() {
            dirty += 1;
            self.start_send(turn, slot);
        }
        turn.shard.counters().add(Counter::DirtyConnections, dirty);
        while let Some(slot) = self.unsent.pop() {
            self.start_send(turn, slot);
        }
    }

    fn start_send<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        if connection.write.is_under_way() || connection.state == State::Closed {
            return;
        }
        let Some(outbox) = turn.shard.outbox(slot) else { return };
        connection.link.liveness.delivered(outbox.out_msgs, turn.now);
        let sends = match &mut connection.secure {
            None => {
                let some = !outbox.is_empty();
                if some {
                    turn.net.send(slot, outbox.take());
                }
                some
            }
            Some(secure) => secure.send(turn.net, slot, outbox, connection.state),
        };
        if sends {
            let late = connection.write.late;
            connection.write = WriteState { since_ns: turn.now.mono_ns.max(1), taken: 0, late };
        } else if let State::Closing { finished_sending, .. } = &mut connection.state
            && !std::mem::replace(finished_sending, true)
        {
            if connection.receive_ended.is_some() {
                self.close_socket(turn, slot);
            } else {
                turn.net.finish_sending(slot);
            }
        }
    }

    /// The kernel took bytes of the batch under way.
    pub fn on_sent<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        bytes: usize,
        idle: bool,
    ) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        match &mut connection.secure {
            None => turn.shard.sent(slot, bytes),
            Some(secure) if idle => turn.shard.sent(slot, secure.take_under_way()),
            Some(_) => {}
        }
        connection.write.taken += bytes;
        if idle {
            let recovered = std::mem::take(&mut connection.write).late;
            self.unsent.push(slot);
            if recovered {
                self.say(slot, Level::Info, "Slow Consumer Recovered");
            }
        }
    }

    /// A send failed: the other end is gone.
    pub fn on_send_failed<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        connection.write = WriteState::default();
        match connection.state {
            State::Closing { .. } => self.close_socket(turn, slot),
            _ => self.close(turn, slot, CloseReason::WriteError, Rest::Dropped),
        }
    }

    pub(crate) fn check_write_deadline<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
    ) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        let WriteState { since_ns, taken, .. } = connection.write;
        let deadline_ns = self.limits.write_deadline.as_nanos() as u64;
        if since_ns == 0 || turn.now.mono_ns < since_ns.saturating_add(deadline_ns) {
            return;
        }
        turn.shard.counters().add(Counter::SlowConsumers, 1);
        let pending = turn.shard.outbox(slot).map_or(0, |outbox| outbox.pending_bytes());
        let deadline = config::duration::print(self.limits.write_deadline);
        let text = format!(
            "Slow Consumer Detected: WriteDeadline of {deadline} exceeded with {pending} total \
             bytes."
        );
        self.say(slot, Level::Info, &text);
        if self.limits.write_timeout == WriteTimeout::Retry && taken > 0 {
            if let Some(connection) = self.slots[slot.index()].as_mut() {
                connection.write =
                    WriteState { since_ns: turn.now.mono_ns.max(1), taken: 0, late: true };
            }
            return;
        }
        self.close(turn, slot, CloseReason::SlowConsumerWriteDeadline, Rest::Dropped);
    }
}
