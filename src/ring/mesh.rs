//! Hot path: match → [`Outgoing`] → another core's [`Incoming`] → deliver.
//!
//! One shard's end of every ring: for each peer two lanes out and two lanes in. Interest goes to
//! all peers; data goes to one. One turn of a shard: `incoming.drain`, work, `outgoing.flush`,
//! `wake_peers`, and `prepare_sleep` when nothing is left to do.
//!
//! design §4 rule 2 stands here twice. Sending: every interest lane is published before any data
//! lane, and while interest waits in a spill queue no data is published at all. Receiving: data
//! tails are noted first, then all interest is applied, then data up to those tails.

use base::{SHARDS_MAX, ShardId, ShardSet};
use bytes::Bytes;

use crate::applied::{AppliedReport, AppliedWatch, InterestSeq, Progress, applied_count};
use crate::byte_ring::{Mark, Published, Released};
use crate::doorbell::{Doorbell, Sleepers};
use crate::lane::{LaneReceiver, LaneSender, LaneSizes, SendError, Sent, Spill, lane};

/// How large the rings of a mesh are. Every ordered pair of shards has one of each; memory that
/// was never written costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a data ring, a power of two.
    pub data_bytes: usize,
    /// Bytes of an interest ring, a power of two.
    pub interest_bytes: usize,
    /// Large payloads under way beside a data ring.
    pub payloads: usize,
    /// Bytes of data that may wait in a pair's spill queue. Beyond it a message is refused
    /// ([`SendError::SpillFull`]). Interest has no such limit: it is never lost.
    pub data_spill_bytes_max: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            data_bytes: 1 << 20,
            interest_bytes: 256 << 10,
            payloads: 1024,
            data_spill_bytes_max: 64 << 20,
        }
    }
}

/// The ends of a full mesh, one for each shard, in order. Move each to its shard's thread.
///
/// # Panics
/// When there are more than [`SHARDS_MAX`] shards or a size is out of range.
pub fn mesh(shards: usize, sizes: &Sizes) -> Vec<MeshEnd> {
    assert!(shards <= SHARDS_MAX, "{shards} shards");
    let ids = || (0..shards as u16).map(ShardId);
    let sleepers = Sleepers::new(shards);
    let mut ends: Vec<MeshEnd> = ids().map(|me| MeshEnd::alone(me, sleepers.clone())).collect();
    for from in ids() {
        for to in ids().filter(|&to| to != from) {
            let (peer_out, peer_in) = pair(from, to, sizes);
            ends[from.index()].outgoing.peers.push(peer_out);
            ends[to.index()].incoming.peers.push(peer_in);
        }
    }
    ends
}

fn pair(from: ShardId, to: ShardId, sizes: &Sizes) -> (PeerOut, PeerIn) {
    let (interest_out, interest_in) = lane(LaneSizes {
        ring_bytes: sizes.interest_bytes,
        payloads: 0,
        spill_bytes_max: usize::MAX,
    });
    let (data_out, data_in) = lane(LaneSizes {
        ring_bytes: sizes.data_bytes,
        payloads: sizes.payloads,
        spill_bytes_max: sizes.data_spill_bytes_max,
    });
    let (report, watch) = applied_count();
    (
        PeerOut { shard: to, interest: interest_out, data: data_out, applied: watch },
        PeerIn {
            shard: from,
            interest: interest_in,
            data: data_in,
            data_mark: Mark::default(),
            applied: report,
        },
    )
}

/// One shard's end of all its rings. The two halves can be borrowed apart, so that handling a
/// record may send another.
pub struct MeshEnd {
    /// What this shard sends.
    pub outgoing: Outgoing,
    /// What this shard receives.
    pub incoming: Incoming,
    shard: ShardId,
    sleepers: Sleepers,
}

impl MeshEnd {
    fn alone(shard: ShardId, sleepers: Sleepers) -> MeshEnd {
        MeshEnd {
            outgoing: Outgoing {
                shard,
                peers: Vec::new(),
                sent: InterestSeq(0),
                awaited: None,
                interest: InterestLanes::Flushed,
                data_unflushed: ShardSet::EMPTY,
                data_spilled: ShardSet::EMPTY,
                wake_due: ShardSet::EMPTY,
            },
            incoming: Incoming { peers: Vec::new(), wake_due: ShardSet::EMPTY },
            shard,
            sleepers,
        }
    }

    /// The shard whose end this is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Who sleeps, for those who wake shards from outside the mesh.
    pub fn sleepers(&self) -> Sleepers {
        self.sleepers.clone()
    }

    /// Rings every peer that sleeps and, since the last call, got records, or got back space or
    /// an applied count that it waits for. Says how many were rung. Once a turn, after `flush`.
    pub fn wake_peers(&mut self, doorbell: &mut dyn Doorbell) -> usize {
        let due = self.outgoing.wake_due.union(self.incoming.wake_due);
        self.outgoing.wake_due = ShardSet::EMPTY;
        self.incoming.wake_due = ShardSet::EMPTY;
        self.sleepers.wake(due, doorbell)
    }

    /// Says that this shard is about to sleep and answers whether it may. After `true`, look at
    /// whatever else can wake it by [`Sleepers`] (the control thread's commands), then sleep, then
    /// call [`woke`](Self::woke). After `false` there is work: run another turn.
    #[must_use]
    pub fn prepare_sleep(&mut self) -> bool {
        self.sleepers.lie_down(self.shard);
        let work = self.incoming.has_work() || self.outgoing.has_work();
        if work {
            self.sleepers.get_up(self.shard);
        }
        !work
    }

    /// Says that this shard is awake again, whatever woke it.
    pub fn woke(&mut self) {
        self.sleepers.get_up(self.shard);
    }
}

/// How far the interest lanes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InterestLanes {
    /// Everything is published.
    Flushed,
    /// Something was sent since the last flush.
    Unflushed,
    /// The last flush left records in a spill queue, and asked for space.
    Spilled,
}

struct PeerOut {
    shard: ShardId,
    interest: LaneSender,
    data: LaneSender,
    applied: AppliedWatch,
}

/// The sending half of a shard's end.
pub struct Outgoing {
    shard: ShardId,
    /// In ascending order of shard, this shard left out.
    peers: Vec<PeerOut>,
    /// The last interest record sent.
    sent: InterestSeq,
    /// The lowest sequence that somebody on this shard waits for.
    awaited: Option<InterestSeq>,
    interest: InterestLanes,
    /// Peers whose data lane was written since the last flush that came to data.
    data_unflushed: ShardSet,
    /// Peers for whose data lane the last flush left records in the spill queue.
    data_spilled: ShardSet,
    /// Peers that got something new since the last `wake_peers`.
    wake_due: ShardSet,
}

impl Outgoing {
    /// The other shards, in ascending order.
    pub fn peers(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.peers.iter().map(|peer| peer.shard)
    }

    /// Sends a data record of `len` bytes, written by `fill`, with an optional payload beside it.
    /// It leaves with the next [`flush`](Self::flush).
    ///
    /// # Panics
    /// When `to` is this shard itself or no shard of the mesh.
    #[inline]
    pub fn send_data(
        &mut self,
        to: ShardId,
        len: usize,
        payload: Option<Bytes>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Sent, SendError> {
        let slot = self.slot(to);
        let sent = self.peers[slot].data.send(len, payload, fill)?;
        self.data_unflushed.insert(to);
        Ok(sent)
    }

    /// Sends an interest record of `len` bytes to every peer; `fill` writes it once for each. It
    /// leaves with the next [`flush`](Self::flush). The answer is what a PONG waits for. A record
    /// that is too long goes to nobody.
    pub fn send_interest(
        &mut self,
        len: usize,
        mut fill: impl FnMut(&mut [u8]),
    ) -> Result<InterestSeq, SendError> {
        for peer in &mut self.peers {
            // All interest rings have one size, and their spill queues no limit: the first
            // refusal is that of all.
            peer.interest.send(len, None, &mut fill)?;
        }
        self.sent.0 += 1;
        self.interest = InterestLanes::Unflushed;
        Ok(self.sent)
    }

    /// Publishes what was sent: all interest first, and data only when no interest waits in a
    /// spill queue. Data held back so leaves with a later flush.
    pub fn flush(&mut self) {
        if self.interest != InterestLanes::Flushed {
            self.flush_interest();
        }
        // design §4 rule 2: interest is never behind data.
        if self.interest == InterestLanes::Flushed {
            self.flush_data();
        }
    }

    fn flush_interest(&mut self) {
        self.interest = InterestLanes::Flushed;
        for peer in &mut self.peers {
            if peer.interest.flush() == Published::New {
                self.wake_due.insert(peer.shard);
            }
            if peer.interest.spilled().records > 0 {
                self.interest = InterestLanes::Spilled;
            }
        }
    }

    fn flush_data(&mut self) {
        let unflushed = self.data_unflushed.union(self.data_spilled);
        self.data_unflushed = ShardSet::EMPTY;
        self.data_spilled = ShardSet::EMPTY;
        for to in unflushed {
            let slot = self.slot(to);
            let lane = &mut self.peers[slot].data;
            if lane.flush() == Published::New {
                self.wake_due.insert(to);
            }
            if lane.spilled().records > 0 {
                self.data_spilled.insert(to);
            }
        }
    }

    /// The last interest record sent.
    pub fn interest_sent(&self) -> InterestSeq {
        self.sent
    }

    /// The last interest record that every peer has applied. Without peers: the last one sent.
    pub fn applied_by_all(&self) -> InterestSeq {
        self.peers.iter().map(|peer| peer.applied.applied()).min().unwrap_or(self.sent)
    }

    /// Whether every peer has applied `seq`; if not, this shard will not sleep through the moment
    /// when they have. Ask again every turn for the lowest sequence that is still waited for.
    #[must_use]
    pub fn await_applied(&mut self, seq: InterestSeq) -> bool {
        let applied = self.applied_by_all();
        self.awaited = self.awaited.filter(|&awaited| awaited > applied);
        if applied >= seq {
            return true;
        }
        self.awaited = Some(self.awaited.map_or(seq, |awaited| awaited.min(seq)));
        false
    }

    /// What waits in the spill queues towards one peer, interest and data.
    pub fn spilled_to(&self, to: ShardId) -> Spill {
        let peer = &self.peers[self.slot(to)];
        let mut spill = peer.interest.spilled();
        spill += peer.data.spilled();
        spill
    }

    /// What waits in all spill queues of this shard.
    pub fn spilled(&self) -> Spill {
        let mut total = Spill::default();
        for peer in &self.peers {
            total += peer.interest.spilled();
            total += peer.data.spilled();
        }
        total
    }

    /// Whether interest waits in a spill queue, which other shards cannot see yet.
    #[inline]
    pub fn holds_interest(&self) -> bool {
        self.interest != InterestLanes::Flushed
            && self.peers.iter().any(|peer| peer.interest.spilled().records > 0)
    }

    /// Whether there is something to do now that nobody would wake this shard for.
    fn has_work(&mut self) -> bool {
        let sending = match self.interest {
            InterestLanes::Unflushed => true,
            // Space for interest was asked for; data waits behind it.
            InterestLanes::Spilled => {
                self.peers.iter_mut().any(|peer| peer.interest.spill_can_move())
            }
            InterestLanes::Flushed => !self.data_unflushed.is_empty() || self.data_spill_can_move(),
        };
        sending || !self.wake_due.is_empty() || self.awaited_is_applied()
    }

    fn data_spill_can_move(&mut self) -> bool {
        let mut spilled = self.data_spilled;
        spilled.any(|to| {
            let slot = self.slot(to);
            self.peers[slot].data.spill_can_move()
        })
    }

    /// Whether the awaited interest is applied everywhere; if not, the peers that lack it will
    /// wake this shard.
    fn awaited_is_applied(&mut self) -> bool {
        let Some(awaited) = self.awaited else { return false };
        for peer in self.peers.iter().filter(|peer| peer.applied.applied() < awaited) {
            peer.applied.arm();
        }
        let applied = self.applied_by_all() >= awaited;
        if applied {
            self.awaited = None;
        }
        applied
    }

    #[inline]
    fn slot(&self, peer: ShardId) -> usize {
        assert_ne!(peer, self.shard, "a shard sends nothing to itself");
        peer.index() - usize::from(peer > self.shard)
    }
}

/// Whoever handles what other shards send. Records are read in place: what is to be kept is
/// copied.
pub trait Receive {
    /// Applies one interest record. It is in force when this returns.
    fn interest(&mut self, from: ShardId, record: &[u8]);
    /// Handles one data record and the payload that came beside it.
    fn data(&mut self, from: ShardId, record: &[u8], payload: Option<Bytes>);
}

/// What one `drain` handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Interest records.
    pub interest: u64,
    /// Data records.
    pub data: u64,
}

struct PeerIn {
    shard: ShardId,
    interest: LaneReceiver,
    data: LaneReceiver,
    /// How far data may be read in this drain.
    data_mark: Mark,
    applied: AppliedReport,
}

/// The receiving half of a shard's end. The default has no peers: it stands in while the real
/// one is borrowed.
#[derive(Default)]
pub struct Incoming {
    /// In ascending order of shard, this shard left out.
    peers: Vec<PeerIn>,
    /// Peers that wait for space or for an applied count and got it since the last `wake_peers`.
    wake_due: ShardSet,
}

impl Incoming {
    /// Handles all interest, then data: from each peer at most about `data_bytes_max` bytes of
    /// records. Bounded by what the rings hold; what arrives meanwhile is for the next turn.
    pub fn drain(&mut self, data_bytes_max: usize, receiver: &mut impl Receive) -> Drained {
        let mut drained = Drained::default();
        // design §4 rule 2: note the data tails, apply all interest, then handle data up to them.
        for peer in &mut self.peers {
            peer.data_mark = peer.data.note_tail_within(data_bytes_max);
        }
        for peer in &mut self.peers {
            let applied = peer.apply_interest(receiver, &mut self.wake_due);
            drained.interest += applied;
        }
        for peer in &mut self.peers {
            drained.data += peer.handle_data(receiver, &mut self.wake_due);
        }
        drained
    }

    /// Whether a lane holds something unread, by a fresh look, or a peer is still to be woken.
    fn has_work(&self) -> bool {
        !self.wake_due.is_empty()
            || self.peers.iter().any(|peer| !peer.interest.is_empty() || !peer.data.is_empty())
    }
}

impl PeerIn {
    fn apply_interest(&mut self, receiver: &mut impl Receive, wake_due: &mut ShardSet) -> u64 {
        let mark = self.interest.note_tail();
        let mut records = 0;
        while let Some((record, _)) = self.interest.next_until(mark) {
            receiver.interest(self.shard, record);
            records += 1;
        }
        if records > 0 {
            // design §4 rule 1: counted only once it is in force.
            let progress = self.applied.advance(records);
            let released = self.interest.release();
            if progress == Progress::Awaited || released == Released::AwaitedSpace {
                wake_due.insert(self.shard);
            }
        }
        records
    }

    fn handle_data(&mut self, receiver: &mut impl Receive, wake_due: &mut ShardSet) -> u64 {
        let mut records = 0;
        while let Some((record, payload)) = self.data.next_until(self.data_mark) {
            receiver.data(self.shard, record, payload);
            records += 1;
        }
        if self.data.release() == Released::AwaitedSpace {
            wake_due.insert(self.shard);
        }
        records
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
