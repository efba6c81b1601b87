//! What is stored is published again under another subject.
//! Source: spec/jetstream.md §12 republish.
//!
//! Where the ring to a core that listens is full, the stream takes no further message before there
//! is room: what is published waits in it, within the bounds of ingest, and what origins send is
//! not answered. So a flood of republished messages never drops what others send to that core.

use protocol::MessageParts;
use storage::Seq;

use super::store::Entry;
use super::{Stream, Turn, header_block};
use crate::outlet::is_held_back;

/// Publishes a stored message again, if the stream's rule takes its subject. `before` is the
/// subject's last sequence before it.
pub(super) fn send(
    stream: &mut Stream,
    entry: &Entry<'_>,
    seq: Seq,
    time_ns: u64,
    before: Seq,
    turn: &mut Turn<'_>,
) {
    let Some(rule) = &stream.rules.republish else { return };
    let mut to = Vec::with_capacity(entry.subject.len() + 32);
    if !rule.transform.apply(entry.subject, &mut stream.random, &mut to) {
        return;
    }
    let mut block = Vec::with_capacity(entry.headers.len() + 256);
    header_block::begin(&mut block);
    header_block::add_from(&mut block, entry.headers, |_| true);
    header_block::add(&mut block, "Nats-Stream", stream.config.name.as_bytes());
    header_block::add(&mut block, "Nats-Subject", entry.subject);
    header_block::add_display(&mut block, "Nats-Sequence", seq);
    header_block::add_time(&mut block, "Nats-Time-Stamp", time_ns);
    header_block::add_display(&mut block, "Nats-Last-Sequence", before);
    let mut payload = entry.payload;
    if rule.headers_only {
        header_block::add_number(&mut block, "Nats-Msg-Size", payload.len() as u64);
        payload = &[];
    }
    header_block::end(&mut block);
    let message = MessageParts { subject: &to, reply: None, headers: Some(&block), payload };
    let way = turn.outlet.publish(stream.account, &message);
    stream.republished_to = stream.republished_to.union(way.congested());
}

impl Stream {
    /// Whether what was republished last waits for room in a ring.
    #[inline]
    pub(super) fn is_republishing(&mut self, turn: &Turn<'_>) -> bool {
        is_held_back(&mut self.republished_to, turn.outlet)
    }
}
