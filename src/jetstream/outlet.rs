//! What leaves a stream or a consumer: messages, and subscriptions they want.
//!
//! The service of the core stands behind this in the server, a recorder in tests. Everything is
//! copied or encoded at once; nothing that is passed is kept. An account's messages reach that
//! account only.

use base::observed::{Streamed, TraceId};
use base::{AccountId, ShardSet};
use protocol::MessageParts;
use shard::Audience;

/// Who a letter is for, and what it is about: given when subscribing, found in the letter.
///
/// ```text
/// 63       32 31      24 23          0
/// │  stream  │  purpose │  index    │
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// What a stream's letter is about, and what the token's index counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// A message to be stored, on one of the stream's subjects. Index 0.
    Publish = 0,
    /// `$JS.API.DIRECT.GET.<stream>` or with a subject appended. Index: 0 for this stream, 1 for a
    /// mirror's origin.
    DirectGet = 1,
    /// `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>`. Index: the consumer's place.
    PullRequest = 2,
    /// `$JS.ACK.<stream>.<consumer>.>`. Index: the consumer's place.
    Ack = 3,
    /// `$JS.FC.<stream>.<consumer>.*`. Index: the consumer's place.
    FlowControl = 4,
    /// What a mirror or source delivers. Index: which source.
    Source = 5,
    /// `$JS.SNAPSHOT.ACK.<stream>.<id>.>`. Index: which snapshot.
    SnapshotAck = 6,
    /// Chunks of a stream that is restored. Index 0.
    Restore = 7,
    /// What the service asks for itself; no stream sees these.
    Service = 8,
}

impl Purpose {
    const ALL: [Purpose; 9] = [
        Purpose::Publish,
        Purpose::DirectGet,
        Purpose::PullRequest,
        Purpose::Ack,
        Purpose::FlowControl,
        Purpose::Source,
        Purpose::SnapshotAck,
        Purpose::Restore,
        Purpose::Service,
    ];

    /// Whether it is a request of the API that streams and consumers answer themselves.
    #[inline]
    #[must_use]
    pub fn is_asked(self) -> bool {
        matches!(self, Purpose::PullRequest | Purpose::DirectGet)
    }
}

impl Token {
    /// The highest index.
    pub const INDEX_MAX: u32 = (1 << 24) - 1;

    /// A token of the stream at `stream` in its core's table.
    #[must_use]
    pub const fn new(stream: u32, purpose: Purpose, index: u32) -> Token {
        assert!(index <= Token::INDEX_MAX, "an index has 24 bits");
        Token(((stream as u64) << 32) | ((purpose as u64) << 24) | index as u64)
    }

    /// The stream's place in its core's table.
    #[must_use]
    pub const fn stream(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// What the letter is about.
    #[must_use]
    pub fn purpose(self) -> Purpose {
        Purpose::ALL[(self.0 >> 24) as usize & 0xff]
    }

    /// What [`Purpose`] says that it counts.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0 as u32 & Token::INDEX_MAX
    }
}

/// Whether another message may follow one that was sent.
///
/// A full ring never refuses the message that finds it full (design §4 rule 4). What is sent on
/// all the same piles up in a spill queue, whose end drops it: who has more waits for the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It may.
    Clear,
    /// The rings to these shards are full; see [`Outlet::is_congested`].
    Congested(ShardSet),
}

impl Way {
    /// The shards that whoever sends more must wait for.
    #[inline]
    #[must_use]
    pub fn congested(self) -> ShardSet {
        match self {
            Way::Clear => ShardSet::EMPTY,
            Way::Congested(shards) => shards,
        }
    }
}

/// The way out.
pub trait Outlet {
    /// Publishes a message as the server: acknowledgements, answers, advisories, republished and
    /// produced messages. The headers are a whole block or none.
    fn publish(&mut self, account: AccountId, message: &MessageParts<'_>) -> Way;

    /// Delivers a message to those who subscribed to `to`; they see the message's own subject.
    fn publish_to(&mut self, account: AccountId, to: &[u8], message: &MessageParts<'_>) -> Way;

    /// Whether the ring to one of `shards` is still full.
    fn is_congested(&self, shards: ShardSet) -> bool;

    /// Whether anybody, on any core, would get a message on `subject`.
    fn has_interest(&mut self, account: AccountId, subject: &[u8]) -> bool;

    /// Whether somebody, on any core, subscribes to this very subject, as a member of the queue
    /// group `queue` or of none.
    fn is_subscribed(&mut self, account: AccountId, subject: &[u8], queue: Option<&[u8]>) -> bool;

    /// Who would get a message on it, and whether those on this core keep up.
    fn audience(&mut self, account: AccountId, subject: &[u8]) -> Audience;

    /// Asks the services of `shards` whether those who listen there on `subject` keep up, once
    /// they have what was sent to them so far. Each answers with the token and the number.
    fn ask_backlog(
        &mut self,
        shards: ShardSet,
        account: AccountId,
        subject: &str,
        asker: (Token, u64),
    );

    /// What the connection at a slot of this core says of itself: JSON. `None` where there is none.
    fn who(&self, _slot: u32) -> Option<String> {
        None
    }

    /// Subscribes; letters come back with `token`.
    fn subscribe(&mut self, account: AccountId, subject: &[u8], token: Token);

    /// The same for a subject that a stream keeps: letters may belong to a trace, which is told by
    /// [`Outlet::tell_trace`] what becomes of the message.
    fn subscribe_stream(&mut self, account: AccountId, subject: &[u8], token: Token);

    /// Tells the trace to which a message belongs what a stream did with it.
    fn tell_trace(&mut self, trace: TraceId, streamed: Streamed);

    /// The same as a member of a queue group.
    fn subscribe_shared(&mut self, account: AccountId, subject: &[u8], group: &[u8], token: Token);

    /// Ends every subscription that was made with `token`.
    fn unsubscribe(&mut self, token: Token);
}

/// Whether the rings to the shards that `congested` remembers are still full; it forgets them
/// when they are not.
#[inline]
pub(crate) fn is_held_back(congested: &mut ShardSet, outlet: &dyn Outlet) -> bool {
    if congested.is_empty() {
        return false;
    }
    if outlet.is_congested(*congested) {
        return true;
    }
    *congested = ShardSet::EMPTY;
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_its_three_parts() {
        for purpose in Purpose::ALL {
            for (stream, index) in [(0, 0), (7, Token::INDEX_MAX), (u32::MAX, 1)] {
                let token = Token::new(stream, purpose, index);
                assert_eq!(
                    (token.stream(), token.purpose(), token.index()),
                    (stream, purpose, index)
                );
            }
        }
    }
}
