//! Hot path: acknowledgements on the wire. The reply subject of each delivery says where it
//! stands, the payload of the answer what became of it.
//!
//! ```text
//! v1  $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>
//! v2  $JS.ACK.<domain>.<account>.<stream>.<consumer>.<the same five>[.more]
//! ```
//!
//! Source: spec/jetstream.md §9. Both forms are read; `reply_form.rs` says which is written.

use std::time::Duration;

use base::decimal;
use config::duration;
use serde::Deserialize;

/// Tokens of the first form.
const TOKENS: usize = 9;
/// Tokens of the second form at least.
const TOKENS_V2_MIN: usize = 11;

/// Where a delivery stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How often the message had been delivered, this time included.
    pub deliveries: u64,
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// The delivery's own sequence.
    pub consumer_seq: u64,
    /// When the message was stored, nanoseconds since the Unix epoch.
    pub stored_ns: u64,
    /// How many messages were still to come.
    pub pending: u64,
}

impl Delivery {
    /// Appends the reply subject's last five tokens to what stands before them.
    pub(crate) fn write(&self, subject: &mut Vec<u8>) {
        decimal::push(subject, self.deliveries);
        for number in [self.stream_seq, self.consumer_seq, self.stored_ns, self.pending] {
            subject.push(b'.');
            decimal::push(subject, number);
        }
    }

    /// Reads a reply subject of either form. `None` when it is none.
    #[must_use]
    pub fn parse(subject: &[u8]) -> Option<Delivery> {
        // spec/jetstream.md §9: across routes the subject can be suffixed `@<deliver subject>`.
        let end = memchr::memchr(b'@', subject).unwrap_or(subject.len());
        let subject = &subject[..end];
        let dots = memchr::memchr_iter(b'.', subject).count();
        let skipped = match dots + 1 {
            TOKENS => 4,
            count if count >= TOKENS_V2_MIN => 6,
            _ => return None,
        };
        let mut tokens = subject.split(|&byte| byte == b'.').skip(skipped);
        let mut number = || decimal::parse(tokens.next()?);
        Some(Delivery {
            deliveries: number()?,
            stream_seq: number()?,
            consumer_seq: number()?,
            stored_ns: number()?,
            pending: number()?,
        })
    }
}

/// What the client says about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb<'a> {
    /// Done with it.
    Ack,
    /// Deliver it again, after so many nanoseconds.
    Nak(u64),
    /// Still working on it: the time to acknowledge starts again.
    Progress,
    /// Never deliver it again, for this reason.
    Term(&'a [u8]),
    /// Done with it, and here is the next pull request.
    Next(&'a [u8]),
    /// Nothing that is known: confirmed and without effect.
    Unknown,
}

impl<'a> Verb<'a> {
    /// Reads an acknowledgement's payload.
    #[must_use]
    pub fn parse(payload: &'a [u8]) -> Verb<'a> {
        match payload {
            b"" | b"+ACK" | b"+OK" => Verb::Ack,
            b"+WPI" => Verb::Progress,
            _ => {
                if let Some(rest) = payload.strip_prefix(b"-NAK") {
                    Verb::Nak(nak_delay_ns(rest.trim_ascii()))
                } else if let Some(rest) = payload.strip_prefix(b"+NXT") {
                    Verb::Next(rest.trim_ascii())
                } else if let Some(rest) = payload.strip_prefix(b"+TERM") {
                    Verb::Term(rest.trim_ascii())
                } else {
                    Verb::Unknown
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Nak {
    #[serde(default)]
    delay: i64,
}

/// `{"delay": ns}` or a Go duration; what is neither, or negative, is no delay.
fn nak_delay_ns(text: &[u8]) -> u64 {
    if text.first() == Some(&b'{') {
        let nak: Option<Nak> = serde_json::from_slice(text).ok();
        return nak.map_or(0, |nak| nak.delay.max(0) as u64);
    }
    let delay = std::str::from_utf8(text).ok().and_then(|text| duration::parse(text).ok());
    delay.unwrap_or(Duration::ZERO).as_nanos().min(i64::MAX as u128) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn no_letter_is_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            at in 0..8usize,
        ) {
            let starts = ["", "-NAK ", "-NAK {", "+NXT", "+TERM ", "$JS.ACK.S.c.", "1.2.3.4.", "@"];
            let text = [starts[at].as_bytes(), &bytes].concat();
            let _ = (Verb::parse(&text), Delivery::parse(&text));
        }

        #[test]
        fn what_is_written_is_read(numbers in any::<[u64; 5]>()) {
            let [deliveries, stream_seq, consumer_seq, stored_ns, pending] = numbers;
            let delivery = Delivery { deliveries, stream_seq, consumer_seq, stored_ns, pending };
            let mut subject = b"$JS.ACK.S.c.".to_vec();
            delivery.write(&mut subject);
            prop_assert_eq!(Delivery::parse(&subject), Some(delivery));
        }
    }

    #[test]
    fn both_forms_of_the_reply_subject_are_read() {
        let wanted =
            Delivery { deliveries: 1, stream_seq: 22, consumer_seq: 3, stored_ns: 44, pending: 5 };
        for subject in [
            "$JS.ACK.S.C.1.22.3.44.5",
            "$JS.ACK.S.C.1.22.3.44.5@some.where",
            "$JS.ACK._.hash.S.C.1.22.3.44.5",
            "$JS.ACK.hub.hash.S.C.1.22.3.44.5.random.more",
        ] {
            assert_eq!(Delivery::parse(subject.as_bytes()), Some(wanted), "{subject}");
        }
        let mut written = b"$JS.ACK.S.C.".to_vec();
        wanted.write(&mut written);
        assert_eq!(written, b"$JS.ACK.S.C.1.22.3.44.5");
    }

    #[test]
    fn what_is_no_reply_subject_is_refused() {
        for subject in [
            "",
            "$JS.ACK.S.C.1.22.3.44",
            "$JS.ACK.S.C.1.22.3.44.5.6",
            "$JS.ACK.S.C.x.22.3.44.5",
            "$JS.ACK.S.C.1.22.3.44.",
            "$JS.ACK.S.C.1.99999999999999999999999.3.44.5",
            "$JS.ACK.S.C.-1.22.3.44.5",
        ] {
            assert_eq!(Delivery::parse(subject.as_bytes()), None, "{subject}");
        }
    }

    #[test]
    fn payloads_mean_what_the_table_says() {
        let table: [(&str, Verb<'_>); 17] = [
            ("", Verb::Ack),
            ("+ACK", Verb::Ack),
            ("+OK", Verb::Ack),
            ("-NAK", Verb::Nak(0)),
            ("-NAK {\"delay\": 1500}", Verb::Nak(1500)),
            ("-NAK {\"delay\": -4}", Verb::Nak(0)),
            ("-NAK {", Verb::Nak(0)),
            ("-NAK 10s", Verb::Nak(10_000_000_000)),
            ("-NAK soon", Verb::Nak(0)),
            ("+WPI", Verb::Progress),
            ("+TERM", Verb::Term(b"")),
            ("+TERM not mine", Verb::Term(b"not mine")),
            ("+NXT", Verb::Next(b"")),
            ("+NXT 5", Verb::Next(b"5")),
            ("+NXT {\"batch\":5}", Verb::Next(b"{\"batch\":5}")),
            ("+ack", Verb::Unknown),
            ("hello", Verb::Unknown),
        ];
        for (payload, verb) in table {
            assert_eq!(Verb::parse(payload.as_bytes()), verb, "{payload}");
        }
    }
}
