//! Status messages: what a requester or receiver is told between messages, exactly as written.
//!
//! Source: spec/jetstream.md §8. Each is a header block without payload.

use base::decimal;

/// Why something other than a message is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status<'a> {
    /// 100: still here. What was delivered last, and the flow-control subject while stalled.
    Heartbeat {
        /// The last consumer sequence.
        consumer_seq: u64,
        /// The last stream sequence.
        stream_seq: u64,
        /// Where the answer that is missing should go.
        stalled: Option<&'a [u8]>,
    },
    /// 100: answer this, to show that you read.
    FlowControl,
    /// 400: the request cannot be understood, and why.
    BadRequest(&'a str),
    /// 404: nothing there, or nothing more.
    NoMessages,
    /// 408: the time is over.
    RequestTimeout(Left),
    /// 408: others wait for what is there.
    RequestsPending,
    /// 409: this consumer pushes.
    PushBased,
    /// 409: it is gone.
    ConsumerDeleted,
    /// 409: the server is about to stop.
    ServerShutdown,
    /// 409: all messages came, though not all bytes.
    BatchCompleted(Left),
    /// 409: the next message is larger than what is left.
    MaxBytes(Left),
    /// 409: too many requests wait.
    MaxWaiting,
    /// 409: more messages asked for than allowed.
    RequestBatch(u64),
    /// 409: a longer time asked for than allowed, as a Go duration.
    RequestExpires(&'a str),
    /// 409: more bytes asked for than allowed.
    RequestMaxBytes(u64),
    /// 412: the request asks for a newer server.
    ApiLevel,
    /// 423: the client that was pinned is not any more.
    WrongPin(Left),
    /// 423: another client is pinned.
    PinMismatch,
}

/// What of a pull request was not served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Messages.
    pub messages: u64,
    /// Bytes; 0 when none were asked for.
    pub bytes: u64,
}

impl Status<'_> {
    /// Writes the header block into `out`, which is cleared first.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(b"NATS/1.0 ");
        match self {
            Status::Heartbeat { consumer_seq, stream_seq, stalled } => {
                out.extend_from_slice(b"100 Idle Heartbeat\r\nNats-Last-Consumer: ");
                decimal::push(out, *consumer_seq);
                out.extend_from_slice(b"\r\nNats-Last-Stream: ");
                decimal::push(out, *stream_seq);
                if let Some(subject) = stalled {
                    out.extend_from_slice(b"\r\nNats-Consumer-Stalled: ");
                    out.extend_from_slice(subject);
                }
            }
            Status::FlowControl => out.extend_from_slice(b"100 FlowControl Request"),
            Status::BadRequest(why) => {
                out.extend_from_slice(b"400 Bad Request - ");
                out.extend(why.bytes().filter(|byte| !byte.is_ascii_control()));
            }
            Status::NoMessages => out.extend_from_slice(b"404 No Messages"),
            Status::RequestTimeout(left) => left.write(b"408 Request Timeout", out),
            Status::RequestsPending => out.extend_from_slice(b"408 Requests Pending"),
            Status::PushBased => out.extend_from_slice(b"409 Consumer is push based"),
            Status::ConsumerDeleted => out.extend_from_slice(b"409 Consumer Deleted"),
            Status::ServerShutdown => out.extend_from_slice(b"409 Server Shutdown"),
            Status::BatchCompleted(left) => left.write(b"409 Batch Completed", out),
            Status::MaxBytes(left) => left.write(b"409 Message Size Exceeds MaxBytes", out),
            Status::MaxWaiting => out.extend_from_slice(b"409 Exceeded MaxWaiting"),
            Status::RequestBatch(most) => {
                out.extend_from_slice(b"409 Exceeded MaxRequestBatch of ");
                decimal::push(out, *most);
            }
            Status::RequestExpires(most) => {
                out.extend_from_slice(b"409 Exceeded MaxRequestExpires of ");
                out.extend_from_slice(most.as_bytes());
            }
            Status::RequestMaxBytes(most) => {
                out.extend_from_slice(b"409 Exceeded MaxRequestMaxBytes of ");
                decimal::push(out, *most);
            }
            Status::ApiLevel => out.extend_from_slice(b"412 Required Api Level"),
            Status::WrongPin(left) => left.write(b"423 Nats-Wrong-Pin-Id", out),
            Status::PinMismatch => out.extend_from_slice(b"423 Nats-Pin-Id mismatch"),
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl Left {
    fn write(self, line: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\nNats-Pending-Messages: ");
        decimal::push(out, self.messages);
        out.extend_from_slice(b"\r\nNats-Pending-Bytes: ");
        decimal::push(out, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_as_the_specification_lists_it() {
        let left = Left { messages: 3, bytes: 40 };
        let pending = "\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 40";
        let beat = |stalled| Status::Heartbeat { consumer_seq: 7, stream_seq: 9, stalled };
        let last = "100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last-Stream: 9";
        let table: [(Status<'_>, String); 20] = [
            (beat(None), last.to_owned()),
            (beat(Some(b"$JS.FC.S.C.x")), format!("{last}\r\nNats-Consumer-Stalled: $JS.FC.S.C.x")),
            (Status::FlowControl, "100 FlowControl Request".to_owned()),
            (Status::BadRequest("no\r\nJSON"), "400 Bad Request - noJSON".to_owned()),
            (Status::NoMessages, "404 No Messages".to_owned()),
            (Status::RequestTimeout(left), format!("408 Request Timeout{pending}")),
            (Status::RequestsPending, "408 Requests Pending".to_owned()),
            (Status::PushBased, "409 Consumer is push based".to_owned()),
            (Status::ConsumerDeleted, "409 Consumer Deleted".to_owned()),
            (Status::ServerShutdown, "409 Server Shutdown".to_owned()),
            (Status::BatchCompleted(left), format!("409 Batch Completed{pending}")),
            (Status::MaxBytes(left), format!("409 Message Size Exceeds MaxBytes{pending}")),
            (Status::MaxWaiting, "409 Exceeded MaxWaiting".to_owned()),
            (Status::RequestBatch(10), "409 Exceeded MaxRequestBatch of 10".to_owned()),
            (Status::RequestExpires("5s"), "409 Exceeded MaxRequestExpires of 5s".to_owned()),
            (Status::RequestMaxBytes(99), "409 Exceeded MaxRequestMaxBytes of 99".to_owned()),
            (Status::ApiLevel, "412 Required Api Level".to_owned()),
            (Status::WrongPin(left), format!("423 Nats-Wrong-Pin-Id{pending}")),
            (Status::PinMismatch, "423 Nats-Pin-Id mismatch".to_owned()),
            (Status::BadRequest("x"), "400 Bad Request - x".to_owned()),
        ];
        let mut out = Vec::new();
        for (status, text) in table {
            status.write(&mut out);
            assert_eq!(out.escape_ascii().to_string(), {
                format!("NATS/1.0 {text}\r\n\r\n").as_bytes().escape_ascii().to_string()
            });
        }
    }
}
