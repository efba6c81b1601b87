//! Hot path: the way out of streams and consumers, over the shard that their service runs on.
//! Before it: the stream or consumer that answers or delivers; after it: `shard::publish`.

use std::collections::HashMap;

use base::observed::{Streamed, TraceId};
use base::{AccountId, ConnSlot, ServiceId, ShardSet, SubKey};
use protocol::{MessageParts, canonical};
use shard::{Audience, Message, Published, Shard};
use smallvec::SmallVec;

use crate::note::{self, Note};
use crate::outlet::Way;
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
    fn publish(&mut self, account: AccountId, message: &MessageParts<'_>) -> Way {
        let publish = canonical(*message, self.wire);
        let mut message = Message::borrowed(&publish);
        way(self.shard.publish_for(self.service, account, &mut message))
    }

    fn publish_to(&mut self, account: AccountId, to: &[u8], message: &MessageParts<'_>) -> Way {
        let publish = canonical(*message, self.wire);
        let mut message = Message::borrowed(&publish).addressed_to(to);
        way(self.shard.publish_for(self.service, account, &mut message))
    }

    fn is_congested(&self, shards: ShardSet) -> bool {
        self.shard.is_congested(shards)
    }

    fn has_interest(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.shard.has_interest(account, subject)
    }

    fn is_subscribed(&mut self, account: AccountId, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.shard.is_subscribed(account, subject, queue)
    }

    fn audience(&mut self, account: AccountId, subject: &[u8]) -> Audience {
        self.shard.audience(account, subject)
    }

    fn ask_backlog(
        &mut self,
        shards: ShardSet,
        account: AccountId,
        subject: &str,
        (token, number): (Token, u64),
    ) {
        let (account, subject) = (account.0, subject.to_owned());
        let asker = self.shard.id().0;
        let question = Note::Backlog { asker, account, subject, token: token.0, number }.write();
        for shard in shards {
            let subject = note::subject(shard);
            let payload = &question;
            let parts = MessageParts { subject: &subject, reply: None, headers: None, payload };
            self.publish(AccountId::SYSTEM, &parts);
        }
    }

    fn who(&self, slot: u32) -> Option<String> {
        let info = self.shard.request_info(ConnSlot(slot))?;
        String::from_utf8(info.all.clone()).ok()
    }

    fn subscribe(&mut self, account: AccountId, subject: &[u8], token: Token) {
        self.listen(account, subject, None, token);
    }

    fn subscribe_shared(&mut self, account: AccountId, subject: &[u8], group: &[u8], token: Token) {
        self.listen(account, subject, Some(group), token);
    }

    fn tell_trace(&mut self, trace: TraceId, streamed: Streamed) {
        self.shard.trace_streamed(trace, streamed);
    }

    fn subscribe_stream(&mut self, account: AccountId, subject: &[u8], token: Token) {
        let key = self.shard.subscribe_stream(self.service, account, subject, token.0);
        let key = key.expect("a stream's subjects are valid");
        self.subscribed.entry(token).or_default().push(key);
    }

    fn unsubscribe(&mut self, token: Token) {
        for key in self.subscribed.remove(&token).unwrap_or_default() {
            self.shard.unsubscribe_service(key);
        }
    }
}

impl Post<'_> {
    fn listen(&mut self, account: AccountId, subject: &[u8], group: Option<&[u8]>, token: Token) {
        let key = self.shard.subscribe_service(self.service, account, subject, group, token.0);
        // Subjects were checked with the configuration that they stand in.
        let key = key.expect("a stream's subjects are valid");
        self.subscribed.entry(token).or_default().push(key);
    }
}

#[inline]
fn way(published: Published) -> Way {
    match published.congested.is_empty() {
        true => Way::Clear,
        false => Way::Congested(published.congested),
    }
}
