//! Hot path: the way out of streams and consumers, over the shard that their service runs on.
//! Before it: the stream or consumer that answers or delivers; after it: `shard::publish`.

use std::collections::HashMap;

use base::{AccountId, ServiceId, SubKey};
use protocol::{MessageParts, canonical};
use shard::{Message, Shard};
use smallvec::SmallVec;

use crate::{Outlet, Token};

/// A service's subscriptions, by what it asked them for.
pub(crate) type Subscribed = HashMap<Token, SmallVec<[SubKey; 1]>, ahash::RandomState>;

/// The way out, for one turn.
pub(crate) struct Post<'a> {
    pub(crate) shard: &'a mut Shard,
    pub(crate) service: ServiceId,
    /// Where messages are written; kept between turns.
    pub(crate) wire: &'a mut Vec<u8>,
    pub(crate) subscribed: &'a mut Subscribed,
}

impl Outlet for Post<'_> {
    fn publish(&mut self, account: AccountId, message: &MessageParts<'_>) {
        let publish = canonical(*message, self.wire);
        self.shard.publish_for(self.service, account, &mut Message::borrowed(&publish));
    }

    fn publish_to(&mut self, account: AccountId, to: &[u8], message: &MessageParts<'_>) {
        let publish = canonical(*message, self.wire);
        let mut message = Message::borrowed(&publish).addressed_to(to);
        self.shard.publish_for(self.service, account, &mut message);
    }

    fn has_interest(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.shard.has_interest(account, subject)
    }

    fn subscribe(&mut self, account: AccountId, subject: &[u8], token: Token) {
        let key = self.shard.subscribe_service(self.service, account, subject, None, token.0);
        // Subjects were checked with the configuration that they stand in.
        let key = key.expect("a stream's subjects are valid");
        self.subscribed.entry(token).or_default().push(key);
    }

    fn unsubscribe(&mut self, token: Token) {
        for key in self.subscribed.remove(&token).unwrap_or_default() {
            self.shard.unsubscribe_service(key);
        }
    }
}
