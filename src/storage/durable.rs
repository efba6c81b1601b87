//! What the log is told, and when: messages at once, removals together at the end of a turn.
//!
//! A stream at its limit loses one message for each that comes. Told one by one, each removal
//! would be a record; told together, neighbours are one. What the log cannot take now (it is
//! behind, or full) is owed to it and told before anything else, so that what is on disk has the
//! order of what was asked for: until then messages and values are refused. Messages of streams
//! that compress are made shorter here, and read out again.

use std::collections::VecDeque;

use crate::bodies::InLog;
use crate::compression::{Codec, Compressor};
use crate::log::{
    AppendError, At, Content, Key, KeyKind, Log, LogRead, NewMessage, Removed, StreamNumber,
};
use crate::streams::Streams;
use crate::{Incoming, Mark, Message, Read, Refused, Seq, Waiter};

/// The log, and what it is still to be told.
pub(crate) struct Durable {
    pub(crate) log: Log,
    owed: VecDeque<Owed>,
    /// Streams that have removals to tell.
    leaving: Vec<StreamNumber>,
    codec: Codec,
    /// Places of messages that did not come out of what was read.
    unreadable: Vec<At>,
}

/// Something that changed in memory and is not in the log yet.
#[derive(Clone, Copy, Debug)]
enum Owed {
    Removed(Removed),
    Reached(StreamNumber, Seq, u64),
    Gone(StreamNumber),
    Forgotten(Key),
}

impl Durable {
    pub(crate) fn new(log: Log) -> Durable {
        Durable {
            log,
            owed: VecDeque::new(),
            leaving: Vec::new(),
            codec: Codec::default(),
            unreadable: Vec::new(),
        }
    }

    /// Appends a message, compressed if its stream has a compressor that says so.
    #[inline]
    pub(crate) fn append(
        &mut self,
        number: StreamNumber,
        seq: Seq,
        message: &Incoming<'_>,
        compressor: Option<&mut Compressor>,
    ) -> Result<(InLog, Mark), Refused> {
        if !self.owed.is_empty() {
            self.pay()?;
        }
        let Incoming { subject, headers, payload, time_ns, expires_ns, .. } = *message;
        let message = NewMessage {
            stream: number,
            sequence: seq.0,
            time_ns,
            due_ns: expires_ns,
            subject,
            content: Content::Plain { headers, payload },
        };
        if let Some(compressor) = compressor.filter(|compressor| compressor.is_on()) {
            return self.append_compressed(&message, (headers, payload), compressor);
        }
        let (at, mark) = self.log.append(&message)?;
        Ok((InLog { at, has_due: expires_ns != 0, saved_bytes: 0 }, mark))
    }

    /// [`Durable::append`] in fewer bytes, where that is possible.
    #[inline(never)]
    fn append_compressed(
        &mut self,
        plain: &NewMessage<'_>,
        (headers, payload): (&[u8], &[u8]),
        compressor: &mut Compressor,
    ) -> Result<(InLog, Mark), Refused> {
        if let Some(dictionary) = compressor.learn(headers, payload) {
            let number = u64::from(dictionary.number());
            let key = Key { stream: plain.stream, kind: KeyKind::DICTIONARY, key: number };
            // It stands before what needs it. What the log cannot take is learned another time.
            if self.put(key, dictionary.text()).is_ok() {
                compressor.take(dictionary);
            }
        }
        let content = self.codec.compress(headers, payload, compressor);
        let content = content.map_or(plain.content, Content::Compressed);
        let message = NewMessage { content, ..*plain };
        let (at, mark) = self.log.append(&message)?;
        let (plain_bytes, record_bytes) = (plain.record_bytes(), message.record_bytes());
        compressor.count(plain_bytes, record_bytes);
        let saved_bytes = (plain_bytes - record_bytes) as u32;
        Ok((InLog { at, has_due: plain.due_ns != 0, saved_bytes }, mark))
    }

    /// Reads a message that is there.
    #[inline]
    pub(crate) fn read(
        &mut self,
        place: InLog,
        size: u32,
        compressor: Option<&Compressor>,
        waiter: Waiter,
    ) -> Read<'_> {
        let Durable { log, codec, unreadable, .. } = self;
        let message = match log.read(place.at, place.record_bytes(size), waiter) {
            LogRead::Ready(message) => message,
            LogRead::Pending => return Read::Pending,
            LogRead::Damaged => return Read::Gone,
        };
        let (headers, payload) = match message.content {
            Content::Plain { headers, payload } => (headers, payload),
            Content::Compressed(content) => {
                // The index knows what it comes to: nothing else makes it take memory.
                let is_known =
                    message.plain_record_bytes() == place.plain_record_bytes(size) as usize;
                let expanded = is_known.then(|| codec.expand(&content, compressor)).flatten();
                let Some(parts) = expanded else {
                    unreadable.push(place.at);
                    return Read::Gone;
                };
                parts
            }
        };
        Read::Ready(Message {
            seq: Seq(message.sequence),
            subject: message.subject,
            headers,
            payload,
            shared: None,
            time_ns: message.time_ns,
        })
    }

    /// The body of a message is needed no more.
    #[inline]
    pub(crate) fn release(&mut self, number: StreamNumber, place: InLog, size: u32) {
        self.log.release(number, place.at, place.record_bytes(size));
    }

    /// The body of a message that is being removed shall be overwritten.
    pub(crate) fn erase(&mut self, number: StreamNumber, seq: Seq, place: InLog, size: u32) {
        self.log.erase(number, seq.0, place.at, place.record_bytes(size));
    }

    /// A stream has removals to tell, with the next turn.
    pub(crate) fn will_leave(&mut self, number: StreamNumber) {
        self.leaving.push(number);
    }

    /// Messages of a stream are gone, both ends included.
    pub(crate) fn removed(&mut self, number: StreamNumber, (first, last): (Seq, Seq)) {
        let removed = Removed { stream: number, first: first.0, last: last.0 };
        self.tell(Owed::Removed(removed));
    }

    /// Every sequence of a stream up to `seq` is used.
    pub(crate) fn reached(&mut self, number: StreamNumber, seq: Seq, time_ns: u64) {
        self.tell(Owed::Reached(number, seq, time_ns));
    }

    /// A stream is gone, with everything.
    pub(crate) fn gone(&mut self, number: StreamNumber) {
        self.tell(Owed::Gone(number));
    }

    /// Appends a key's newest value.
    pub(crate) fn put(&mut self, key: Key, value: &[u8]) -> Result<Mark, Refused> {
        self.pay()?;
        Ok(self.log.put(key, Some(value))?)
    }

    /// A key holds nothing any longer.
    pub(crate) fn forgotten(&mut self, key: Key) {
        self.tell(Owed::Forgotten(key));
    }

    /// What was done so far is safe when the log is durable up to here, what is owed too.
    pub(crate) fn appended(&self) -> Mark {
        self.log.appended()
    }

    fn tell(&mut self, owed: Owed) {
        self.owed.push_back(owed);
        // What is not taken now is told later; the mark covers it.
        let _ = self.pay();
    }

    /// Tells what is owed. The error says why the log does not take the rest.
    fn pay(&mut self) -> Result<(), AppendError> {
        let mut paid = Ok(());
        while let Some(&owed) = self.owed.front() {
            let told = match owed {
                Owed::Removed(removed) => self.log.remove(removed),
                Owed::Reached(number, seq, time_ns) => self.log.reach(number, seq.0, time_ns),
                Owed::Gone(number) => self.log.drop_stream(number),
                Owed::Forgotten(key) => self.log.put(key, None),
            };
            if let Err(error @ (AppendError::Behind | AppendError::Full)) = told {
                paid = Err(error);
                break;
            }
            // After a failure nothing is told any more; the log says so itself.
            self.owed.pop_front();
        }
        self.log.promise(self.owed.len());
        paid
    }

    /// Tells everything: what is owed, and what left since.
    pub(crate) fn settle(&mut self, streams: &mut Streams) {
        for at in self.unreadable.drain(..) {
            self.log.say_damaged(at);
        }
        // Marks and refusals tell of what the log does not take.
        let _ = self.pay();
        while let Some(number) = self.leaving.pop() {
            let id = streams.numbered(number);
            if let Some(range) = id.and_then(|id| streams.get_mut(id).leaving.take()) {
                self.removed(number, range);
            }
        }
        if self.owed.is_empty() {
            self.log.tell_erasures();
        }
    }

    /// Tells what the log can take now that the disk has come further.
    pub(crate) fn catch_up(&mut self) {
        if !self.owed.is_empty() {
            let _ = self.pay();
        }
    }

    /// How much is owed.
    #[cfg(test)]
    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Whether there is something to do that no event announces. The log takes what is owed to it
    /// when a write is done or space comes back, and both are events.
    pub(crate) fn has_work(&self) -> bool {
        !self.leaving.is_empty() || self.log.has_work()
    }

    /// Whether everything is told and on disk. On a full disk the rest would wait for good.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_told = self.leaving.is_empty() && (self.owed.is_empty() || self.log.is_full());
        is_told && self.log.is_at_rest()
    }
}

impl std::fmt::Debug for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable").field("owed", &self.owed.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod crash;
