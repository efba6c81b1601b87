//! The streams of one core by id, and those in the log by the log's number.

use ahash::RandomState;
use hashbrown::HashMap;

use crate::bodies::{Bodies, InLog};
use crate::compression::Codec;
use crate::log::{At, Content, NewMessage, Owner, StreamNumber};
use crate::stream::Stream;
use crate::{Seq, StreamId};

/// The streams of one core.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    places: Vec<Option<Stream>>,
    vacant: Vec<StreamId>,
    numbers: HashMap<StreamNumber, StreamId, RandomState>,
}

impl Streams {
    /// Takes a stream in.
    pub(crate) fn insert(&mut self, stream: Stream) -> StreamId {
        let number = match stream.bodies {
            Bodies::Log(number) => Some(number),
            Bodies::Arena(_) => None,
        };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.places[id.0 as usize] = Some(stream);
                id
            }
            None => {
                self.places.push(Some(stream));
                StreamId(self.places.len() as u32 - 1)
            }
        };
        if let Some(number) = number {
            self.numbers.insert(number, id);
        }
        id
    }

    /// Takes a stream out that is there.
    pub(crate) fn remove(&mut self, id: StreamId) -> Stream {
        let stream = self.places[id.0 as usize].take().expect("a stream is deleted once");
        if let Bodies::Log(number) = stream.bodies {
            self.numbers.remove(&number);
        }
        self.vacant.push(id);
        stream
    }

    /// A stream that is there.
    #[inline]
    pub(crate) fn get(&self, id: StreamId) -> &Stream {
        self.places[id.0 as usize].as_ref().expect("a stream id names a stream")
    }

    /// A stream that is there.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: StreamId) -> &mut Stream {
        self.places[id.0 as usize].as_mut().expect("a stream id names a stream")
    }

    /// The stream that the log numbers so, if it is still there.
    pub(crate) fn numbered(&self, number: StreamNumber) -> Option<StreamId> {
        self.numbers.get(&number).copied()
    }
}

/// Answers the log about messages; what it moves is noted in the streams when it is done.
pub(crate) struct Movers<'a> {
    pub(crate) streams: &'a Streams,
    pub(crate) moves: Vec<(StreamId, Seq, u64)>,
}

impl Owner for Movers<'_> {
    fn is_live(&self, stream: StreamNumber, sequence: u64, at: At) -> bool {
        let Some(id) = self.streams.numbered(stream) else { return false };
        let entry = self.streams.get(id).blocks.get(Seq(sequence));
        entry.is_some_and(|entry| InLog::of(&entry).at == at)
    }

    fn is_readable(&self, message: &NewMessage<'_>) -> bool {
        let Content::Compressed(content) = message.content else { return true };
        let id = self.streams.numbered(message.stream);
        let compressor = id.and_then(|id| self.streams.get(id).compressor.as_deref());
        Codec::default().expand(&content, compressor).is_some()
    }

    fn moved(&mut self, stream: StreamNumber, sequence: u64, _from: At, to: At) {
        let id = self.streams.numbered(stream).expect("what moves is live");
        let entry = self.streams.get(id).blocks.get(Seq(sequence)).expect("what moves is live");
        let moved = InLog { at: to, ..InLog::of(&entry) };
        self.moves.push((id, Seq(sequence), moved.pack().at));
    }
}

impl Streams {
    /// Notes where the log has moved messages.
    pub(crate) fn relocate(&mut self, mut moves: Vec<(StreamId, Seq, u64)>) {
        moves.sort_unstable();
        for of_stream in moves.chunk_by(|a, b| a.0 == b.0) {
            let places: Vec<(Seq, u64)> = of_stream.iter().map(|&(_, seq, at)| (seq, at)).collect();
            self.get_mut(of_stream[0].0).blocks.relocate(&places);
        }
    }
}
