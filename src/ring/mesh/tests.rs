//! The mesh: the rules of design §4 that it keeps, one at a time, and real threads that sleep.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

const SMALL: Sizes =
    Sizes { data_bytes: 128, interest_bytes: 64, payloads: 2, data_spill_bytes_max: 1 << 20 };

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Interest(u16, u8),
    Data(u16, u8),
}

/// Keeps the first byte of everything.
#[derive(Default)]
struct Log(Vec<Got>);

impl Receive for Log {
    fn interest(&mut self, from: ShardId, record: &[u8]) {
        self.0.push(Got::Interest(from.0, record[0]));
    }
    fn data(&mut self, from: ShardId, record: &[u8], _payload: Option<Bytes>) {
        self.0.push(Got::Data(from.0, record[0]));
    }
}

#[derive(Default)]
struct Bells(Vec<u16>);

impl Doorbell for Bells {
    fn ring(&mut self, peer: ShardId) {
        self.0.push(peer.0);
    }
}

fn data(end: &mut MeshEnd, to: u16, byte: u8) -> Sent {
    end.outgoing.send_data(ShardId(to), 8, None, |place| place.fill(byte)).unwrap()
}

fn interest(end: &mut MeshEnd, byte: u8) -> InterestSeq {
    end.outgoing.send_interest(8, |place| place.fill(byte)).unwrap()
}

fn drain(end: &mut MeshEnd) -> Vec<Got> {
    let mut log = Log::default();
    end.incoming.drain(usize::MAX, &mut log);
    log.0
}

fn two(sizes: &Sizes) -> [MeshEnd; 2] {
    mesh(2, sizes).try_into().ok().unwrap()
}

#[test]
fn one_shard_needs_no_ring() {
    let mut end = mesh(1, &Sizes::default()).pop().unwrap();
    assert_eq!(end.outgoing.peers().count(), 0);
    let seq = interest(&mut end, 1);
    end.outgoing.flush();
    assert!(end.outgoing.await_applied(seq));
    assert_eq!(end.incoming.drain(usize::MAX, &mut Log::default()), Drained::default());
    assert!(end.prepare_sleep());
}

#[test]
fn everyone_reaches_everyone() {
    let mut ends = mesh(3, &Sizes::default());
    for end in &mut ends {
        let me = end.shard().0;
        interest(end, me as u8);
        for peer in end.outgoing.peers().collect::<Vec<_>>() {
            data(end, peer.0, me as u8);
        }
        end.outgoing.flush();
    }
    use Got::{Data, Interest};
    assert_eq!(drain(&mut ends[0]), [Interest(1, 1), Interest(2, 2), Data(1, 1), Data(2, 2)]);
    assert_eq!(drain(&mut ends[1]), [Interest(0, 0), Interest(2, 2), Data(0, 0), Data(2, 2)]);
    assert_eq!(drain(&mut ends[2]), [Interest(0, 0), Interest(1, 1), Data(0, 0), Data(1, 1)]);
}

// design §4 rule 1: flush means visible.
#[test]
fn interest_counts_once_the_last_peer_applied_it() {
    let mut ends = mesh(3, &Sizes::default());
    let first = interest(&mut ends[0], 1);
    let second = interest(&mut ends[0], 2);
    ends[0].outgoing.flush();
    drain(&mut ends[1]);
    assert!(!ends[0].outgoing.await_applied(first));
    drain(&mut ends[2]);
    assert!(ends[0].outgoing.await_applied(first) && ends[0].outgoing.await_applied(second));
    assert_eq!(ends[0].outgoing.applied_by_all(), ends[0].outgoing.interest_sent());
}

/// While it applies interest, its peer sends more interest and then data.
struct Busy<'a> {
    peer: &'a mut MeshEnd,
    log: Log,
}

impl Receive for Busy<'_> {
    fn interest(&mut self, from: ShardId, record: &[u8]) {
        self.log.interest(from, record);
        // design §4 rule 1: not counted before it is applied.
        assert_eq!(self.peer.outgoing.applied_by_all(), InterestSeq(u64::from(record[0]) - 1));
        interest(self.peer, 2);
        data(self.peer, 0, 2);
        self.peer.outgoing.flush();
    }
    fn data(&mut self, from: ShardId, record: &[u8], payload: Option<Bytes>) {
        self.log.data(from, record, payload);
    }
}

// design §4 rule 2, the receiver's part.
#[test]
fn data_past_the_noted_tail_waits_for_its_interest() {
    let [mut here, mut peer] = two(&Sizes::default());
    interest(&mut peer, 1);
    data(&mut peer, 0, 1);
    peer.outgoing.flush();
    let mut busy = Busy { peer: &mut peer, log: Log::default() };
    here.incoming.drain(usize::MAX, &mut busy);
    assert_eq!(busy.log.0, [Got::Interest(1, 1), Got::Data(1, 1)]);
    assert_eq!(drain(&mut here), [Got::Interest(1, 2), Got::Data(1, 2)]);
}

// design §4 rule 2, the sender's part; rule 4: the sender is not held up meanwhile.
#[test]
fn data_is_held_while_interest_waits_in_a_spill_queue() {
    let mut ends = mesh(3, &SMALL);
    for byte in 0..6 {
        interest(&mut ends[0], byte);
    }
    assert_eq!(data(&mut ends[0], 1, 9), Sent::InRing);
    ends[0].outgoing.flush();
    // Shard 1 makes room, shard 2 does not: data to shard 1 still waits.
    assert_eq!(drain(&mut ends[1]).len(), 4);
    ends[0].outgoing.flush();
    assert_eq!(drain(&mut ends[1]), [Got::Interest(0, 4), Got::Interest(0, 5)]);
    ends[0].outgoing.flush();
    assert_eq!(drain(&mut ends[1]), []);
    assert_eq!(ends[0].outgoing.spilled_to(ShardId(2)), Spill { records: 2, bytes: 16 });
    drain(&mut ends[2]);
    ends[0].outgoing.flush();
    assert_eq!(drain(&mut ends[1]), [Got::Data(0, 9)]);
    assert_eq!(ends[0].outgoing.spilled(), Spill::default());
}

// design §4 rules 3 and 4.
#[test]
fn a_flood_keeps_its_order_and_returns_at_once() {
    let [mut from, mut to] = two(&SMALL);
    let sent: Vec<Got> = (0..100).map(|byte| Got::Data(0, byte)).collect();
    for byte in 0..100 {
        assert_eq!(data(&mut from, 1, byte) == Sent::Spilled, byte >= 8);
    }
    let mut got = Vec::new();
    while got.len() < 100 {
        from.outgoing.flush();
        got.extend(drain(&mut to));
    }
    assert_eq!(got, sent);
}

#[test]
fn a_drain_takes_from_each_peer_what_it_may() {
    let [mut from, mut to] = two(&SMALL);
    for byte in 0..8 {
        data(&mut from, 1, byte);
    }
    from.outgoing.flush();
    let drained = to.incoming.drain(32, &mut Log::default());
    assert_eq!(drained, Drained { interest: 0, data: 2 });
    assert!(!to.prepare_sleep(), "six are left");
}

#[test]
fn a_record_too_long_goes_to_nobody() {
    let [mut from, mut to] = two(&SMALL);
    assert_eq!(from.outgoing.send_interest(25, |_| ()), Err(SendError::TooLong));
    let sent = from.outgoing.send_data(ShardId(1), 57, None, |_| ());
    assert_eq!(sent, Err(SendError::TooLong));
    assert_eq!(from.outgoing.interest_sent(), InterestSeq(0));
    from.outgoing.flush();
    assert_eq!(drain(&mut to), []);
}

#[test]
fn only_a_sleeper_is_rung_and_one_with_work_does_not_sleep() {
    let [mut a, mut b] = two(&SMALL);
    let mut bells = Bells::default();
    assert!(b.prepare_sleep());
    data(&mut a, 1, 1);
    assert!(!a.prepare_sleep(), "not flushed");
    a.outgoing.flush();
    assert!(!a.prepare_sleep(), "b is not yet rung");
    assert_eq!(a.wake_peers(&mut bells), 1);
    assert!(!b.prepare_sleep(), "a record waits");
    data(&mut a, 1, 2);
    a.outgoing.flush();
    assert_eq!(a.wake_peers(&mut bells), 0, "b is awake");
    assert_eq!(bells.0, [1]);
    drain(&mut b);
    assert!(a.prepare_sleep() && b.prepare_sleep());
    a.woke();
    b.woke();
}

#[test]
fn sleepers_are_rung_for_space_and_for_applied_interest() {
    let [mut a, mut b] = two(&SMALL);
    let mut bells = Bells::default();
    for byte in 0..9 {
        data(&mut a, 1, byte);
    }
    a.outgoing.flush();
    a.wake_peers(&mut bells);
    assert!(a.prepare_sleep(), "the ninth waits for space");
    drain(&mut b);
    assert!(!b.prepare_sleep(), "a is not yet rung");
    assert_eq!(b.wake_peers(&mut bells), 1);
    assert!(!a.prepare_sleep(), "there is space");
    let seq = interest(&mut a, 1);
    a.outgoing.flush();
    a.wake_peers(&mut bells);
    assert!(!a.outgoing.await_applied(seq));
    assert!(a.prepare_sleep(), "interest is not yet applied");
    drain(&mut b);
    assert_eq!(b.wake_peers(&mut bells), 1);
    assert!(!a.prepare_sleep(), "it is applied now");
    assert!(a.prepare_sleep(), "a wait that nobody repeats keeps no core awake");
    assert_eq!(bells.0, [0, 0]);
}

/// Rings by a channel, as a runtime rings by eventfd.
struct Channels(Vec<mpsc::Sender<()>>);

impl Doorbell for Channels {
    fn ring(&mut self, peer: ShardId) {
        // A shard that has finished hears nothing any more.
        let _ = self.0[peer.index()].send(());
    }
}

/// Checks order and rule 2: data says how much of its sender's interest came before it.
struct Checker {
    interest: Vec<u32>,
    data: Vec<u32>,
}

impl Receive for Checker {
    fn interest(&mut self, from: ShardId, record: &[u8]) {
        let number = u32::from_le_bytes(record[..4].try_into().unwrap());
        assert_eq!(number, self.interest[from.index()]);
        self.interest[from.index()] += 1;
    }
    fn data(&mut self, from: ShardId, record: &[u8], payload: Option<Bytes>) {
        let number = u32::from_le_bytes(record[..4].try_into().unwrap());
        let interest = u32::from_le_bytes(record[4..8].try_into().unwrap());
        assert_eq!(number, self.data[from.index()]);
        assert!(interest <= self.interest[from.index()], "data overtook its interest");
        assert_eq!(payload.is_some(), number.is_multiple_of(16));
        self.data[from.index()] += 1;
    }
}

/// One shard's life: sends `records` to every peer, waits until its interest is in force, and
/// receives all that is sent to it; sleeps whenever it may.
fn shard_life(mut end: MeshEnd, bell: &mpsc::Receiver<()>, bells: &mut Channels, records: u32) {
    let peers: Vec<ShardId> = end.outgoing.peers().collect();
    let shards = peers.len() + 1;
    let mut checker = Checker { interest: vec![0; shards], data: vec![0; shards] };
    let mut sent = 0u32;
    loop {
        end.incoming.drain(4096, &mut checker);
        for _ in 0..20 {
            if sent == records || end.outgoing.spilled().records > 50 {
                break;
            }
            let known = sent / 10 + 1;
            if sent.is_multiple_of(10) {
                let number = sent / 10;
                let fill = |place: &mut [u8]| place.copy_from_slice(&number.to_le_bytes());
                end.outgoing.send_interest(4, fill).unwrap();
            }
            for &peer in &peers {
                let payload = sent.is_multiple_of(16).then(|| Bytes::from_static(b"large"));
                let fill = |place: &mut [u8]| {
                    place[..4].copy_from_slice(&sent.to_le_bytes());
                    place[4..].copy_from_slice(&known.to_le_bytes());
                };
                end.outgoing.send_data(peer, 8, payload, fill).unwrap();
            }
            sent += 1;
        }
        end.outgoing.flush();
        end.wake_peers(bells);
        let applied = end.outgoing.await_applied(end.outgoing.interest_sent());
        let received = peers.iter().all(|peer| checker.data[peer.index()] == records);
        if sent == records && applied && received && end.outgoing.spilled().records == 0 {
            return;
        }
        let may_send = sent < records && end.outgoing.spilled().records <= 50;
        if !may_send && end.prepare_sleep() {
            bell.recv_timeout(Duration::from_secs(20)).expect("a wake-up was lost");
            end.woke();
        }
    }
}

#[test]
fn three_threads_that_sleep_lose_nothing() {
    const RECORDS: u32 = if cfg!(miri) { 40 } else { 60_000 };
    let sizes = Sizes { data_bytes: 2048, interest_bytes: 128, ..SMALL };
    let (bells, ears): (Vec<_>, Vec<_>) = (0..3).map(|_| mpsc::channel()).unzip();
    let shards: Vec<_> = mesh(3, &sizes)
        .into_iter()
        .zip(ears)
        .map(|(end, ear)| {
            let mut bells = Channels(bells.clone());
            thread::spawn(move || shard_life(end, &ear, &mut bells, RECORDS))
        })
        .collect();
    for shard in shards {
        shard.join().unwrap();
    }
}
