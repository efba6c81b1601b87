//! The reply of a delivered message: where it stood. Both forms are read.
//! Source: spec/jetstream.md §9.

/// What a delivery's reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    /// In the origin.
    pub(super) stream_seq: u64,
    /// In the consumer.
    pub(super) consumer_seq: u64,
    /// When it was stored, Unix nanoseconds.
    pub(super) time_ns: u64,
    /// Messages behind it.
    pub(super) pending: u64,
}

impl Delivered {
    /// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, or
    /// with domain and account hash before the stream.
    pub(super) fn parse(reply: &[u8]) -> Option<Delivered> {
        let rest = reply.strip_prefix(b"$JS.ACK.")?;
        let tokens = rest.split(|&byte| byte == b'.').count();
        let skipped = if tokens == 7 { 3 } else { 5 };
        let mut tokens = rest.split(|&byte| byte == b'.').skip(skipped);
        let mut number = || std::str::from_utf8(tokens.next()?).ok()?.parse::<u64>().ok();
        Some(Delivered {
            stream_seq: number()?,
            consumer_seq: number()?,
            time_ns: number()?,
            pending: number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let expected = Delivered { stream_seq: 22, consumer_seq: 33, time_ns: 44, pending: 55 };
        for reply in ["$JS.ACK.S.C.1.22.33.44.55", "$JS.ACK._.hash.S.C.1.22.33.44.55.more"] {
            assert_eq!(Delivered::parse(reply.as_bytes()), Some(expected), "{reply}");
        }
        for reply in ["$JS.ACK.S.C.1.22.33.44", "$JS.ACK.S.C.1.x.33.44.55", "_INBOX.x", ""] {
            assert_eq!(Delivered::parse(reply.as_bytes()), None, "{reply}");
        }
    }
}
