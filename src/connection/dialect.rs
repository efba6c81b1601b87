//! The seam between a connection and its language: client, and later mqtt, route, leafnode.

use base::snapshot::{ConnectionSnapshot, UserSnapshot};
use base::{AccountId, ConnSlot, Log, Now, ShardSet};
use bytes::Bytes;
use protocol::CloseReason;
use ring::InterestSeq;
use security::{Denied, Session};
use shard::Shard;

use crate::connection::Link;
use crate::events::Outside;

/// What a dialect works with while it handles something.
pub struct Context<'a> {
    /// This core's heart.
    pub shard: &'a mut Shard,
    /// The connection, as far as every dialect has it.
    pub link: &'a mut Link,
    /// Where it lives.
    pub slot: ConnSlot,
    /// The time of this turn.
    pub now: Now,
    /// Where to log.
    pub log: &'a Log,
    pub(crate) outside: &'a Outside,
}

/// Bytes to consume.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// In memory that is only lent.
    Borrowed(&'a [u8]),
    /// In refcounted memory, all of it.
    Shared(&'a Bytes),
}

impl<'a> Input<'a> {
    /// The bytes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Input::Borrowed(bytes) => bytes,
            Input::Shared(bytes) => bytes,
        }
    }
}

/// How far a dialect came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes it is done with.
    pub consumed: usize,
    /// What it wants next.
    pub next: Next,
}

/// What a dialect wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More bytes: at least so many from the first one not consumed.
    More {
        /// Counted from the first byte that was not consumed.
        need: usize,
    },
    /// Nothing until something has happened.
    Pause(Pause),
    /// The end; what was queued is still sent.
    Close(CloseReason),
    /// The end; what was queued is dropped, since the other end does not take it.
    Drop(CloseReason),
}

/// What a paused connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Every other shard knows what this connection subscribed to; then
    /// [`Dialect::visible`] is called.
    Visible(InterestSeq),
    /// The rings to these shards have room again, and no interest waits for any.
    Congested(ShardSet),
    /// The monotonic clock shows this many nanoseconds.
    Stalled(u64),
    /// Its login is checked elsewhere; then [`Dialect::login_checked`] is called.
    Login,
}

/// What becomes of a connection when the server is configured anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconfigured {
    /// It goes on.
    Stays,
    /// It is not allowed any more; what was queued is still sent.
    Closes(CloseReason),
}

/// What a connection's language must answer.
pub trait Dialect {
    /// The connection is open: say hello.
    fn opened(&mut self, context: &mut Context<'_>);

    /// Handles as much of `input` as it can. Never called while paused or closing.
    fn consume(&mut self, context: &mut Context<'_>, input: Input<'_>) -> Progress;

    /// What a [`Pause::Visible`] waited for has happened.
    fn visible(&mut self, context: &mut Context<'_>);

    /// Sends the language's keep-alive.
    fn ping(&mut self, context: &mut Context<'_>);

    /// Says that the connection ends because the other end was silent for too long.
    fn stale(&mut self, context: &mut Context<'_>);

    /// Monotonic nanoseconds by which the other end must have logged in, or at which its login is
    /// over; `None` when neither is to come.
    fn login_deadline_ns(&self) -> Option<u64>;

    /// Says that the other end did not log in in time, or that its login is over; the reason for
    /// which it is closed.
    fn login_timed_out(&mut self, context: &mut Context<'_>) -> CloseReason;

    /// Whoever checks the login has asked a service in `account` about it.
    fn login_asked(&mut self, context: &mut Context<'_>, account: AccountId);

    /// What a [`Pause::Login`] waited for; the reason if the connection ends by it.
    fn login_checked(
        &mut self,
        context: &mut Context<'_>,
        session: Result<Session, Denied>,
    ) -> Option<CloseReason>;

    /// Says that this server will soon be gone.
    fn lame_duck(&mut self, context: &mut Context<'_>);

    /// Obeys the settings that its server has now, which its dialect's own cell holds
    /// (spec/cli-and-config.md §8). Says what went wrong before it wants to be closed.
    fn reconfigured(&mut self, context: &mut Context<'_>) -> Reconfigured;

    /// Fills in what monitoring shows of this language.
    fn describe(&self, snapshot: &mut ConnectionSnapshot);

    /// Who the user is and what it may do.
    fn user(&self) -> UserSnapshot;

    /// What stands in front of a log line about this connection.
    fn log_prefix(&self, link: &Link) -> String;
}
