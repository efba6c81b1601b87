//! The protocols of this room under every interleaving that loom finds within its bounds:
//! `RUSTFLAGS="--cfg loom" cargo test -p corewire-ring --release loom_`.
//!
//! A lost wake-up shows as loom's deadlock: a shard waits at its bell and nobody is left to ring.

use base::ShardId;
use bytes::Bytes;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::byte_ring::{Consumer, Released, Tag, byte_ring};
use crate::lane::{LaneSizes, lane};
use crate::{Doorbell, MeshEnd, Receive, Sizes, mesh};

fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

fn read_into(consumer: &mut Consumer, records: &mut Vec<Vec<u8>>) {
    let mark = consumer.note_tail();
    while let Some(record) = consumer.next_until(mark) {
        records.push(record.bytes.to_vec());
    }
    let _ = consumer.release();
}

#[test]
fn loom_records_come_whole_and_in_order() {
    model(|| {
        let (mut producer, mut consumer) = byte_ring(64);
        let writer = thread::spawn(move || {
            let mut sent = Vec::new();
            // The third record does not fit before the end: padding, and a second round.
            for (byte, len) in [(1, 16), (2, 8), (3, 24), (4, 1)] {
                if let Some(place) = producer.reserve(len) {
                    place.fill(byte);
                    producer.commit(Tag::Alone);
                    sent.push(vec![byte; len]);
                }
                if byte != 1 {
                    let _ = producer.publish();
                }
            }
            sent
        });
        let mut received = Vec::new();
        read_into(&mut consumer, &mut received);
        read_into(&mut consumer, &mut received);
        let sent = writer.join().unwrap();
        read_into(&mut consumer, &mut received);
        assert_eq!(received, sent);
        assert!(sent.len() >= 2);
    });
}

/// The blocked flag alone, without the look that a shard takes before it sleeps: the ring holds
/// two records, the third waits for the one batch that the receiver reads.
#[test]
fn loom_space_is_announced_to_who_declared_itself_blocked() {
    model(|| {
        let sizes = LaneSizes { ring_bytes: 32, payloads: 0, spill_bytes_max: 8 };
        let (mut sender, mut receiver) = lane(sizes);
        let bells = Bells::default();
        let mut receiver_bells = bells.clone();
        for byte in 1..=2 {
            sender.send(8, None, |place| place.fill(byte)).unwrap();
        }
        let _ = sender.flush();
        let receiving = thread::spawn(move || {
            let mark = receiver.note_tail();
            while receiver.next_until(mark).is_some() {}
            if receiver.release() == Released::AwaitedSpace {
                receiver_bells.ring(ShardId(0));
            }
        });
        sender.send(8, None, |place| place.fill(3)).unwrap();
        let _ = sender.flush();
        while sender.spilled().records > 0 {
            bells.wait(ShardId(0));
            let _ = sender.flush();
        }
        receiving.join().unwrap();
    });
}

/// Smallest rings: two data records of 8 bytes, two interest records.
const TINY: Sizes =
    Sizes { data_bytes: 32, interest_bytes: 32, payloads: 1, data_spill_bytes_max: 1 << 10 };

/// A bell remembers that it was rung, as an eventfd does.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

#[derive(Clone, Default)]
struct Bells(Arc<[Bell; 2]>);

impl Bells {
    fn wait(&self, me: ShardId) {
        let bell = &self.0[me.index()];
        let mut rung = bell.rung.lock().unwrap();
        while !*rung {
            rung = bell.heard.wait(rung).unwrap();
        }
        *rung = false;
    }
}

impl Doorbell for Bells {
    fn ring(&mut self, peer: ShardId) {
        let bell = &self.0[peer.index()];
        *bell.rung.lock().unwrap() = true;
        bell.heard.notify_one();
    }
}

/// Counts, and checks order and that data finds all interest that was sent before it.
#[derive(Default)]
struct Counting {
    interest: u8,
    data: u8,
    interest_before_data: u8,
}

impl Receive for Counting {
    fn interest(&mut self, _from: ShardId, record: &[u8]) {
        self.interest += 1;
        assert_eq!(record, [self.interest; 8]);
    }
    fn data(&mut self, _from: ShardId, record: &[u8], payload: Option<Bytes>) {
        self.data += 1;
        assert_eq!(record, [self.data; 8]);
        assert!(payload.is_none());
        assert!(self.interest >= self.interest_before_data);
    }
}

/// Turns of one shard until `done`; sleeps whenever it may.
fn turns(mut end: MeshEnd, bells: &mut Bells, mut turn: impl FnMut(&mut MeshEnd) -> bool) {
    loop {
        let done = turn(&mut end);
        end.wake_peers(bells);
        if done {
            return;
        }
        if end.prepare_sleep() {
            bells.wait(end.shard());
            end.woke();
        }
    }
}

/// Shard 0 sends `interest` and `data` records and lives until all are out and applied; shard 1
/// lives until it has received them.
fn sender_and_receiver(interest: u8, data: u8) {
    let [sender, receiver]: [MeshEnd; 2] = mesh(2, &TINY).try_into().ok().unwrap();
    let mut bells = Bells::default();
    let mut receiver_bells = bells.clone();
    let receiving = thread::spawn(move || {
        let mut counting = Counting { interest_before_data: interest, ..Counting::default() };
        turns(receiver, &mut receiver_bells, |end| {
            end.incoming.drain(usize::MAX, &mut counting);
            counting.interest == interest && counting.data == data
        });
    });
    let mut sent = false;
    turns(sender, &mut bells, |end| {
        if !sent {
            for byte in 1..=interest {
                end.outgoing.send_interest(8, |place| place.fill(byte)).unwrap();
            }
            for byte in 1..=data {
                end.outgoing.send_data(ShardId(1), 8, None, |place| place.fill(byte)).unwrap();
            }
            sent = true;
        }
        end.outgoing.flush();
        let applied = end.outgoing.await_applied(end.outgoing.interest_sent());
        applied && end.outgoing.spilled().records == 0
    });
    receiving.join().unwrap();
}

#[test]
fn loom_a_sleeper_is_rung_for_data() {
    model(|| sender_and_receiver(0, 1));
}

#[test]
fn loom_a_blocked_sender_is_rung_for_space() {
    model(|| sender_and_receiver(0, 3));
}

#[test]
fn loom_a_waiting_source_is_rung_for_applied_interest() {
    model(|| sender_and_receiver(1, 0));
}

#[test]
fn loom_data_never_overtakes_interest() {
    model(|| sender_and_receiver(1, 1));
}

#[test]
fn loom_data_waits_for_interest_that_spilled() {
    model(|| sender_and_receiver(3, 1));
}
