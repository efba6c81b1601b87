//! Who is let in, and where the registry listens for requests of the API.
//!
//! An account that may use JetStream is listened to on what the registry answers; pull requests
//! and direct gets go to the streams' own subscriptions. Any other account is listened to as a
//! whole, and told that it may not. Source: spec/jetstream.md §1 Routing.

use base::AccountId;
use protocol::MessageParts;
use security::Account;
use shard::Shard;

use super::post::Post;
use super::{API, JetStream, OUTSIDE};
use crate::AccountLimits;
use crate::api::kind;
use crate::desk::Desk;
use crate::note::Question;
use crate::outlet::{Outlet, Purpose, Token};
use crate::service::held::api_prefixes;

/// How an account is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    /// It may use JetStream.
    Inside,
    /// It may not.
    Outside,
}

impl JetStream {
    /// Lets in whom the shard's directory says, and listens to all others. Who is in stays in,
    /// with the limits that it has now.
    pub(super) fn admit_all(&mut self, shard: &mut Shard) {
        let directory = std::sync::Arc::clone(shard.directory());
        for account in directory.accounts().iter() {
            match account.jetstream {
                Some(limits) => self.admit(shard, account, limits.into()),
                None => self.listen(shard, account.id, Listening::Outside),
            }
        }
    }

    fn admit(&mut self, shard: &mut Shard, account: &Account, limits: AccountLimits) {
        self.names.insert(account.id, account.name.as_ref().to_owned());
        self.streams.admit(account.id, &account.name, limits);
        if let Some(meta) = &mut self.meta {
            let tiers = account.tiers.iter();
            let tiers = tiers.map(|(name, limits)| (name.clone(), (*limits).into())).collect();
            meta.admit(account.id, limits, tiers);
        }
        self.listen(shard, account.id, Listening::Inside);
    }

    /// Listens to an account, if this is the registry's core and it does not yet.
    fn listen(&mut self, shard: &mut Shard, account: AccountId, how: Listening) {
        let before = self.listening.get(&account).copied();
        if self.meta.is_none() || before == Some(how) || before == Some(Listening::Inside) {
            return;
        }
        self.listening.insert(account, how);
        let outside = Token::new(OUTSIDE, Purpose::Service, account.0 & Token::INDEX_MAX);
        let domain = self.settings.domain.clone();
        let mut post = Post {
            shard,
            service: self.id,
            wire: &mut self.wire,
            subscribed: &mut self.subscribed,
        };
        post.unsubscribe(outside);
        for prefix in api_prefixes(domain.as_deref()) {
            match how {
                Listening::Outside => {
                    post.subscribe(account, format!("{prefix}.>").as_bytes(), outside);
                }
                Listening::Inside => {
                    for pattern in kind::PATTERNS {
                        post.subscribe(account, format!("{prefix}.{pattern}").as_bytes(), API);
                    }
                }
            }
        }
    }
}

/// Whether a stream would answer, not the registry.
pub(super) fn reaches_stream(question: &Question) -> bool {
    let mut tokens = question.subject.split('.').skip_while(|token| *token != "API").skip(1);
    match (tokens.next(), tokens.next()) {
        (Some("DIRECT"), Some("GET")) => true,
        (Some("CONSUMER"), Some("MSG")) => tokens.next() == Some("NEXT"),
        _ => false,
    }
}

/// Answers as if nobody had listened.
// spec/jetstream.md §8: `NATS/1.0 503` no responders (consumer/stream missing)
pub(super) fn answer_nobody(question: &Question, desk: &mut Desk<'_>) {
    if question.reply.is_empty() {
        return;
    }
    let (subject, headers) = (question.reply.as_bytes(), Some(&b"NATS/1.0 503\r\n\r\n"[..]));
    let parts = MessageParts { subject, reply: None, headers, payload: b"" };
    desk.out.publish(question.account(), &parts);
}
