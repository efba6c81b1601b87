//! What goes by itself: messages past `max_age`, messages past their own time, and the markers
//! that they leave behind. Source: spec/jetstream.md §5 Nats-TTL, §12 max_age.

use std::time::Duration;

use config::duration;
use protocol::headers;
use storage::{Place, Read, Seq, Storage};

use super::publication::Asked;
use super::rules::Ttl;
use super::store::Entry;
use super::{Stream, Turn, header_block};

/// Messages that one turn lets go; what is left goes in the next.
const PER_TURN_MAX: usize = 4096;

/// How one look at a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Gone,
    /// It may not go: `Nats-TTL: never`.
    Exempt,
    /// It has to come from the disk first.
    Wait,
}

impl Stream {
    /// Lets go what is too old. True if more is left than one turn takes.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) -> bool {
        let now_ns = turn.now.wall_ns;
        let mut left = PER_TURN_MAX;
        while let Some((at_ns, seq)) = turn.storage.next_expiry(self.id)
            && at_ns <= now_ns
        {
            if left == 0 {
                return true;
            }
            if self.expire_message(seq, turn) == Look::Wait {
                break;
            }
            left -= 1;
        }
        while let Some((at_ns, seq)) = self.next_aged(turn.storage)
            && at_ns <= now_ns
        {
            if left == 0 {
                return true;
            }
            match self.expire_aged(seq, turn) {
                Look::Gone => {}
                Look::Exempt => self.aged_upto = seq,
                Look::Wait => break,
            }
            left -= 1;
        }
        false
    }

    /// The next message that `max_age` lets go, and when.
    pub(super) fn next_aged(&self, storage: &Storage) -> Option<(u64, Seq)> {
        if self.rules.age_max_ns == 0 {
            return None;
        }
        let stored = storage.stream(self.id);
        let mut seq = stored.first_seq();
        if self.aged_upto >= seq {
            seq = stored.first_matching(&storage::Filter::all(), self.aged_upto.next())?;
        }
        let known = stored.look(seq)?;
        Some((known.time_ns.saturating_add(self.rules.age_max_ns), seq))
    }

    fn expire_aged(&mut self, seq: Seq, turn: &mut Turn<'_>) -> Look {
        if self.config.allow_msg_ttl {
            match turn.storage.read(self.id, seq, self.ingest_waiter()) {
                Read::Ready(message) => {
                    let ttl = Asked::read(message.headers).ttl.and_then(Ttl::parse);
                    if ttl == Some(Ttl::Never) {
                        return Look::Exempt;
                    }
                }
                Read::Pending => return Look::Wait,
                Read::Gone => return Look::Gone,
            }
        }
        self.expire_message(seq, turn)
    }

    /// Lets one message go, and leaves a marker if it was the last of its subject.
    fn expire_message(&mut self, seq: Seq, turn: &mut Turn<'_>) -> Look {
        let marked = match self.rules.marker_ttl_ns {
            0 => None,
            _ => match self.subject_to_mark(seq, turn) {
                Ok(subject) => subject,
                Err(Wait) => return Look::Wait,
            },
        };
        self.drop_message(seq, turn);
        if let Some(subject) = marked {
            self.leave_marker(&subject, turn);
        }
        Look::Gone
    }

    /// The subject that gets a marker when the message `seq` goes: it is the subject's last, and
    /// no marker itself.
    fn subject_to_mark(&self, seq: Seq, turn: &mut Turn<'_>) -> Result<Option<Vec<u8>>, Wait> {
        let stored = turn.storage.stream(self.id);
        let Some(known) = stored.look(seq) else { return Ok(None) };
        let is_last = stored.subject(known.subject).is_some_and(|state| state.messages == 1);
        if !is_last {
            return Ok(None);
        }
        let subject = known.subject.to_vec();
        match turn.storage.read(self.id, seq, self.ingest_waiter()) {
            Read::Ready(message) => {
                let is_marker = Asked::read(message.headers).marker_reason.is_some();
                // A key-value store's own marker is as good; nats-server leaves it at that.
                let is_purge = headers::get(message.headers, b"KV-Operation") == Some(b"PURGE");
                Ok((!is_marker && !is_purge).then_some(subject))
            }
            Read::Pending => Err(Wait),
            Read::Gone => Ok(None),
        }
    }

    // spec/jetstream.md §12: empty payload, headers Nats-Marker-Reason: MaxAge, Nats-TTL:
    // <seconds>, Nats-Rollup: sub; nats-server 2.15 writes those seconds as a duration, `1m30s`
    fn leave_marker(&mut self, subject: &[u8], turn: &mut Turn<'_>) {
        let ttl = Duration::from_nanos(self.rules.marker_ttl_ns).as_secs().max(1);
        let mut block = Vec::with_capacity(96);
        header_block::begin(&mut block);
        header_block::add(&mut block, "Nats-Marker-Reason", b"MaxAge");
        let ttl = duration::print(Duration::from_secs(ttl));
        header_block::add(&mut block, "Nats-TTL", ttl.as_bytes());
        header_block::add(&mut block, "Nats-Rollup", b"sub");
        header_block::end(&mut block);
        let entry = Entry {
            subject,
            headers: &block,
            payload: &[],
            shared: None,
            expires_ns: turn.now.wall_ns.saturating_add(self.rules.marker_ttl_ns),
            msg_id: None,
            rollup: None,
            place: Place::Next,
            time_ns: None,
        };
        // A marker that does not fit (quota) is left out: the message is gone all the same.
        let _stored_or_left_out = self.store(&entry, turn).is_ok();
    }
}

/// A message has to come from the disk first.
struct Wait;
