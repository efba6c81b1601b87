//! The naive twin of a log for tests: what a row of appends comes to, kept in plain maps.

use std::collections::BTreeMap;

use runtime::simulated_disk::SimulatedDisk;

use super::recovery::Recover;
use super::{At, Content, Indexed, Key, Log, LogRead, NewMessage, Owner, Removed, StreamNumber};
use crate::Waiter;
use crate::compression::{Codec, Compressor};

/// What is in a log, as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub streams: BTreeMap<StreamNumber, StreamState>,
    pub keys: BTreeMap<Key, Vec<u8>>,
}

/// One stream. A stream is there once it has used a sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// The messages that are there, each with what tells it from all others.
    pub messages: BTreeMap<u64, u64>,
    pub last: u64,
}

/// One append.
#[derive(Clone, Debug)]
pub enum Op {
    Message { stream: StreamNumber, sequence: u64, tag: u64 },
    Remove(Removed),
    Put(Key, Option<Vec<u8>>),
    Reach(StreamNumber, u64),
    Gone(StreamNumber),
}

impl State {
    /// What an append changes.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Message { stream, sequence, tag } => {
                let stream = self.streams.entry(*stream).or_default();
                stream.messages.insert(*sequence, *tag);
                stream.last = *sequence;
            }
            Op::Remove(Removed { stream, first, last }) => {
                let stream = self.streams.entry(*stream).or_default();
                stream.messages.retain(|sequence, _| !(first..=last).contains(&sequence));
            }
            Op::Put(key, Some(value)) => {
                self.keys.insert(*key, value.clone());
            }
            Op::Put(key, None) => {
                self.keys.remove(key);
            }
            Op::Reach(stream, sequence) => {
                let stream = self.streams.entry(*stream).or_default();
                stream.last = stream.last.max(*sequence);
            }
            Op::Gone(stream) => {
                self.streams.remove(stream);
                self.keys.retain(|key, _| key.stream != *stream);
            }
        }
    }
}

/// Where messages lie: the owner's part, and what recovery tells.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub at: BTreeMap<(StreamNumber, u64), (At, u32)>,
    pub keys: BTreeMap<Key, Vec<u8>>,
    pub last: BTreeMap<StreamNumber, u64>,
    removed: Vec<Removed>,
    pub moves: u64,
}

impl Owner for Places {
    fn is_live(&self, stream: StreamNumber, sequence: u64, at: At) -> bool {
        self.at.get(&(stream, sequence)).is_some_and(|(place, _)| *place == at)
    }

    fn is_readable(&self, message: &NewMessage<'_>) -> bool {
        tag_of(payload_of(message, &mut Codec::default())).is_some()
    }

    fn moved(&mut self, stream: StreamNumber, sequence: u64, from: At, to: At) {
        let (place, _) = self.at.get_mut(&(stream, sequence)).expect("it was said to be live");
        assert_eq!(std::mem::replace(place, to), from);
        self.moves += 1;
    }
}

impl Recover for Places {
    fn keyed(&mut self, key: Key, value: &[u8]) {
        assert!(self.keys.insert(key, value.to_vec()).is_none(), "each key once");
    }

    fn reached(&mut self, stream: StreamNumber, sequence: u64, _time_ns: u64) {
        let last = self.last.entry(stream).or_default();
        *last = sequence.max(*last);
    }

    fn removed(&mut self, removed: Removed) {
        self.removed.push(removed);
    }

    fn message(&mut self, stream: StreamNumber, at: At, message: &Indexed<'_>) -> bool {
        let sequence = message.sequence;
        let last = self.last.entry(stream).or_default();
        *last = sequence.max(*last);
        let is_removed = |removed: &Removed| {
            removed.stream == stream && (removed.first..=removed.last).contains(&sequence)
        };
        if self.removed.iter().any(is_removed) {
            return false;
        }
        let before = self.at.insert((stream, sequence), (at, message.length));
        assert!(before.is_none(), "{stream:?} {sequence} was told twice");
        true
    }
}

/// The payload of a message: its tag, then bytes that follow from it.
pub fn payload(tag: u64, len: usize) -> Vec<u8> {
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend((0..len).map(|at| (tag as u8).wrapping_mul(31).wrapping_add(at as u8 % 16)));
    bytes
}

/// The payload of a message that was read, which may have been compressed.
pub fn payload_of<'a>(message: &NewMessage<'a>, codec: &'a mut Codec) -> &'a [u8] {
    match message.content {
        Content::Plain { payload, .. } => payload,
        Content::Compressed(content) => codec.expand(&content, None).expect("it comes out").1,
    }
}

/// This content, in fewer bytes if that is possible.
pub fn compressed<'a>(codec: &'a mut Codec, headers: &'a [u8], payload: &'a [u8]) -> Content<'a> {
    let content = codec.compress(headers, payload, &Compressor::default());
    content.map_or(Content::Plain { headers, payload }, Content::Compressed)
}

/// The tag of a payload that is as it should be.
pub fn tag_of(bytes: &[u8]) -> Option<u64> {
    let tag = u64::from_le_bytes(*bytes.first_chunk()?);
    (payload(tag, bytes.len() - 8) == bytes).then_some(tag)
}

/// Reads everything in a log; those that are damaged are left out.
pub fn read_all(log: &mut Log, disk: &mut SimulatedDisk, places: &mut Places) -> State {
    let mut state = State { keys: places.keys.clone(), ..State::default() };
    for (&stream, &last) in &places.last {
        state.streams.entry(stream).or_default().last = last;
    }
    let all: Vec<_> = places.at.iter().map(|(key, place)| (*key, *place)).collect();
    let mut codec = Codec::default();
    for ((stream, sequence), (at, length)) in all {
        for attempt in 0.. {
            assert!(attempt < 100, "a read never comes");
            match log.read(at, length, Waiter(1)) {
                LogRead::Ready(message) => {
                    assert_eq!((message.stream, message.sequence), (stream, sequence));
                    let payload = payload_of(&message, &mut codec);
                    let tag = tag_of(payload).expect("a payload is what was sent");
                    let messages = &mut state.streams.entry(stream).or_default().messages;
                    messages.insert(sequence, tag);
                    break;
                }
                LogRead::Damaged => break,
                LogRead::Pending => turn(log, disk, places),
            }
        }
    }
    state
}

/// One turn in which the disk does all it was asked.
pub fn turn(log: &mut Log, disk: &mut SimulatedDisk, places: &mut Places) {
    log.turn(disk, base::Now::default(), places);
    disk.complete_all();
}
