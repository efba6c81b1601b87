//! Hot path: acknowledgements, as text and waiting for the disk.
//!
//! Before it stands `ingest.rs`, after it the outlet. An acknowledgement leaves when the storage
//! has reached the mark of what it acknowledges; until then it waits here, in the order of the
//! marks, without an allocation of its own. Source: spec/jetstream.md §5.

use std::collections::VecDeque;
use std::io::Write as _;

use base::decimal;
use storage::Mark;

use crate::ApiError;
use crate::outlet::Way;

/// What an acknowledgement says beyond stream and sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Also<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// The message was there before.
    Duplicate,
    /// It was the last of a batch: the batch's id, and how many messages.
    Batch(&'a [u8], u64),
    /// The counter's new value.
    Value(&'a str),
}

/// The texts of one stream's acknowledgements.
#[derive(Clone, Debug)]
pub(super) struct AckText {
    /// `{"stream":"S","domain":"D","seq":`
    before_seq: Box<[u8]>,
    /// `,"stream":"S","seq":0}`
    after_error: Box<[u8]>,
}

impl AckText {
    pub(super) fn new(stream: &str, domain: Option<&str>) -> AckText {
        let stream = serde_json::Value::from(stream);
        let domain = domain.map(serde_json::Value::from);
        let domain = domain.map_or(String::new(), |domain| format!("\"domain\":{domain},"));
        AckText {
            before_seq: format!("{{\"stream\":{stream},{domain}\"seq\":").into_bytes().into(),
            after_error: format!(",\"stream\":{stream},\"seq\":0}}").into_bytes().into(),
        }
    }

    /// Appends `{"stream":"S","seq":7}` to `out`.
    // The only space is that in `"duplicate": true`, as nats-server's since 2.14.
    #[inline]
    pub(super) fn write(&self, seq: u64, also: Also<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before_seq);
        decimal::push(out, seq);
        match also {
            Also::Nothing => {}
            Also::Duplicate => out.extend_from_slice(b",\"duplicate\": true"),
            Also::Batch(id, count) => {
                let id = serde_json::Value::from(String::from_utf8_lossy(id));
                write!(out, ",\"batch\":{id},\"count\":{count}").expect("memory takes any bytes");
            }
            Also::Value(value) => {
                write!(out, ",\"val\":\"{value}\"").expect("memory takes any bytes");
            }
        }
        out.push(b'}');
    }

    /// Appends `{"error":{…},"stream":"S","seq":0}` to `out`.
    pub(super) fn write_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"error\":");
        serde_json::to_writer(&mut *out, error).expect("numbers and text are written to memory");
        out.extend_from_slice(&self.after_error);
    }
}

/// Acknowledgements that wait for the disk.
#[derive(Debug, Default)]
pub(super) struct AckQueue {
    waiting: VecDeque<Waiting>,
    /// Reply subjects and texts, one behind the other; `released` bytes of it are done with.
    bytes: Vec<u8>,
    released: usize,
    /// Bytes of the messages that are to be acknowledged.
    owed_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    mark: Mark,
    reply_len: u32,
    text_len: u32,
    message_bytes: u32,
}

impl AckQueue {
    /// Whether none waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of the messages that wait to be acknowledged.
    #[inline]
    pub(super) fn owed_bytes(&self) -> u64 {
        self.owed_bytes
    }

    /// Lets the acknowledgement `text` to `reply` wait for `mark`, and what was queued before. It
    /// is for `message_bytes`.
    #[inline]
    pub(super) fn push(&mut self, mark: Mark, reply: &[u8], text: &[u8], message_bytes: u64) {
        self.bytes.extend_from_slice(reply);
        self.bytes.extend_from_slice(text);
        let (reply_len, text_len) = (reply.len() as u32, text.len() as u32);
        let message_bytes = u32::try_from(message_bytes).unwrap_or(u32::MAX);
        self.owed_bytes += u64::from(message_bytes);
        self.waiting.push_back(Waiting { mark, reply_len, text_len, message_bytes });
    }

    /// Hands out reply and text of each that `durable` has reached, in order, until the way of one
    /// is congested.
    pub(super) fn release(
        &mut self,
        durable: Mark,
        mut send: impl FnMut(&[u8], &[u8]) -> Way,
    ) -> Way {
        let mut way = Way::Clear;
        while way == Way::Clear
            && let Some(next) = self.waiting.front().filter(|next| next.mark <= durable).copied()
        {
            self.waiting.pop_front();
            self.owed_bytes -= u64::from(next.message_bytes);
            let text_at = self.released + next.reply_len as usize;
            let end = text_at + next.text_len as usize;
            way = send(&self.bytes[self.released..text_at], &self.bytes[text_at..end]);
            self.released = end;
        }
        if self.waiting.is_empty() {
            self.bytes.clear();
            self.released = 0;
        } else if self.released > self.bytes.len() / 2 {
            self.bytes.drain(..self.released);
            self.released = 0;
        }
        way
    }
}

#[cfg(test)]
mod tests {
    use base::{ShardId, ShardSet};

    use super::*;
    use crate::ErrorCode;

    fn text(domain: Option<&str>, seq: u64, also: Also<'_>) -> String {
        let mut out = Vec::new();
        AckText::new("S", domain).write(seq, also, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn acknowledgements_have_nats_servers_text() {
        assert_eq!(text(None, 1, Also::Nothing), r#"{"stream":"S","seq":1}"#);
        assert_eq!(text(None, 0, Also::Duplicate), r#"{"stream":"S","seq":0,"duplicate": true}"#);
        assert_eq!(
            text(Some("D"), u64::MAX, Also::Batch(b"x", 3)),
            r#"{"stream":"S","domain":"D","seq":18446744073709551615,"batch":"x","count":3}"#
        );
        assert_eq!(text(None, 10, Also::Value("-5")), r#"{"stream":"S","seq":10,"val":"-5"}"#);
        let mut out = Vec::new();
        let error = ApiError::new(ErrorCode::StreamNotMatch);
        AckText::new("S", None).write_error(&error, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"error":{"code":400,"err_code":10060,"#,
                r#""description":"expected stream does not match"},"stream":"S","seq":0}"#
            )
        );
    }

    #[test]
    fn they_leave_in_order_when_their_mark_is_reached() {
        let mut queue = AckQueue::default();
        for mark in 1..=5 {
            queue.push(Mark(mark), b"reply", mark.to_string().as_bytes(), 10 * mark);
        }
        let mut sent = Vec::new();
        let mut release = |queue: &mut AckQueue, durable| {
            let way = queue.release(Mark(durable), |reply, text| {
                assert_eq!(reply, b"reply");
                sent.push(String::from_utf8(text.to_vec()).unwrap());
                Way::Clear
            });
            assert_eq!(way, Way::Clear);
            sent.len()
        };
        assert_eq!(release(&mut queue, 0), 0);
        assert_eq!(release(&mut queue, 4), 4);
        assert_eq!((queue.len(), queue.owed_bytes()), (1, 50));
        queue.push(Mark(6), b"reply", b"6", 60);
        assert_eq!(release(&mut queue, 9), 6);
        assert!(queue.is_empty() && queue.bytes.is_empty() && queue.owed_bytes() == 0);
        assert_eq!(sent, ["1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn they_wait_while_the_way_is_congested() {
        let mut queue = AckQueue::default();
        for number in 1..=3 {
            queue.push(Mark(1), b"reply", number.to_string().as_bytes(), 0);
        }
        let mut one = ShardSet::EMPTY;
        one.insert(ShardId(1));
        let full = Way::Congested(one);
        let mut sent = Vec::new();
        for (way, sent_by_then) in [(full, 1), (full, 2), (Way::Clear, 3)] {
            let after = queue.release(Mark(1), |_, text| {
                sent.push(text.to_vec());
                way
            });
            assert_eq!((after, sent.len()), (way, sent_by_then));
        }
        assert_eq!(sent, [b"1", b"2", b"3"]);
    }
}
