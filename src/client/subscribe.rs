//! SUB and UNSUB (spec/client-protocol.md §2.1, §5).

use base::{Level, ShardSet};
use connection::{Context, Pause};
use protocol::ErrorText;
use protocol::error::GoQuoted;
use shard::SubscribeOutcome;

use crate::client::{Client, Flow};

/// The queue group of the server's own subscriptions.
const RESERVED_QUEUE: &[u8] = b"_sys_";

impl Client {
    pub(crate) fn subscribe(
        &mut self,
        context: &mut Context<'_>,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> Flow {
        if queue == Some(RESERVED_QUEUE) {
            self.deny_subscription(context, subject, queue, sid);
            return Flow::Continue;
        }
        if let Some(refused) = self.refuses_subscription(context, subject) {
            self.error(context, refused);
            match refused {
                ErrorText::SubscribeTooManyTokens { .. } => {
                    let (shown, sid) = (GoQuoted(subject), String::from_utf8_lossy(sid));
                    let text = format!(
                        "Subscription Violation Too Many Tokens - Subject {shown}, SID {sid}"
                    );
                    self.say(context, Level::Error, &text);
                }
                // Once: whoever is full will go on asking.
                _ if !std::mem::replace(&mut self.said_full, true) => {
                    self.say(context, Level::Error, &refused.to_string());
                }
                _ => {}
            }
            return Flow::Continue;
        }
        let account = self.publisher.account;
        match context.shard.subscribe(context.slot, account, subject, queue, sid) {
            SubscribeOutcome::Added => {
                context.link.told = context.shard.interest_told();
                self.ok(context);
                // design §4 rule 2: what follows may be a request with this as its inbox.
                if context.shard.holds_interest() {
                    return Flow::Pause(Pause::Congested(ShardSet::EMPTY));
                }
            }
            SubscribeOutcome::Known => self.ok(context),
            SubscribeOutcome::Denied => self.deny_subscription(context, subject, queue, sid),
            SubscribeOutcome::InvalidSubject => self.error(context, ErrorText::InvalidSubject),
        }
        Flow::Continue
    }

    fn refuses_subscription<'a>(
        &self,
        context: &mut Context<'_>,
        subject: &'a [u8],
    ) -> Option<ErrorText<'a>> {
        let tokens_max = self.settings.tokens_max.map_or(usize::MAX, usize::from);
        if subject::name::token_count(subject) > tokens_max {
            return Some(ErrorText::SubscribeTooManyTokens { subject });
        }
        let count = context.shard.outbox(context.slot).map_or(0, |outbox| outbox.subscriptions());
        if self.subscriptions_max().is_some_and(|max| count >= max as usize) {
            return Some(ErrorText::MaximumSubscriptionsExceeded);
        }
        None
    }

    #[cold]
    fn deny_subscription(
        &self,
        context: &mut Context<'_>,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) {
        let (shown, sid) = (GoQuoted(subject), String::from_utf8_lossy(sid));
        let group = queue.map(|queue| format!("Queue: {}, ", GoQuoted(queue))).unwrap_or_default();
        let text = format!("Subscription Violation - Subject {shown}, {group}SID {sid}");
        self.error(
            context,
            match queue {
                Some(queue) => ErrorText::SubscribeQueueDenied { subject, queue },
                None => ErrorText::SubscribeDenied { subject },
            },
        );
        self.say(context, Level::Error, &text);
    }

    pub(crate) fn unsubscribe(
        &mut self,
        context: &mut Context<'_>,
        sid: &[u8],
        max: Option<u64>,
    ) -> Flow {
        context.shard.unsubscribe(context.slot, sid, max);
        context.link.told = context.shard.interest_told();
        self.ok(context);
        Flow::Continue
    }
}
