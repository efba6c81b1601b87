//! What leaves a stream or a consumer: messages, and subscriptions they want.
//!
//! The service of the core stands behind this in the server, a recorder in tests. Everything is
//! copied or encoded at once; nothing that is passed is kept. An account's messages reach that
//! account only.

use base::AccountId;
use protocol::MessageParts;

/// Who a letter is for, and what it is about: given when subscribing, found in the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// The way out.
pub trait Outlet {
    /// Publishes a message as the server: acknowledgements, answers, advisories, republished and
    /// produced messages. The headers are a whole block or none.
    fn publish(&mut self, account: AccountId, message: &MessageParts<'_>);

    /// Delivers a message to those who subscribed to `to`; they see the message's own subject.
    fn publish_to(&mut self, account: AccountId, to: &[u8], message: &MessageParts<'_>);

    /// Whether anybody, on any core, would get a message on `subject`.
    fn has_interest(&mut self, account: AccountId, subject: &[u8]) -> bool;

    /// Subscribes; letters come back with `token`.
    fn subscribe(&mut self, account: AccountId, subject: &[u8], token: Token);

    /// Ends every subscription that was made with `token`.
    fn unsubscribe(&mut self, token: Token);
}
