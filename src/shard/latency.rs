//! How long services of other accounts take to answer (spec/client-protocol.md §12). What is
//! measured is decided as a request crosses, and told when it is over, once a turn.

use base::observed::{Observed, Place, ServiceOutcome, ServiceSample, Told};
use base::{AccountId, Now};
use config::accounts::{Latency, Sampling};
use protocol::{MessageParts, headers};
use security::Share;

use crate::publish::Publisher;
use crate::shard::Shard;

/// A request whose answer is measured.
pub(crate) struct Measure {
    /// What will be told; how it ends is added then.
    pub sample: ServiceSample,
    /// When it was asked, monotonic nanoseconds.
    asked_ns: u64,
    /// Whether somebody listened for its answer then.
    was_awaited: bool,
}

/// A measured request that is over.
pub(crate) struct Measured {
    pub measure: Box<Measure>,
    pub outcome: ServiceOutcome,
    /// When it was: an answer, when the core that reads the responder took it in. Monotonic
    /// nanoseconds.
    pub over_ns: u64,
    /// Who would have got the answer that did not come: account and subject.
    pub asker: Option<(AccountId, Vec<u8>)>,
}

/// The headers of one way to trace requests: the first of them decides.
struct Trigger {
    keys: &'static [&'static str],
    /// Whether the first header's value asks for a sample.
    asks: fn(&str) -> bool,
}

/// In the case in which nats-server 2.15.2 tells them.
const B3: [&str; 3] = ["X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid"];

/// spec/client-protocol.md §12, header-triggered sampling; the first that is there decides.
const TRIGGERS: [Trigger; 5] = [
    Trigger { keys: &["Uber-Trace-Id"], asks: uber_is_sampled },
    Trigger { keys: &["X-B3-Sampled", B3[0], B3[1], B3[2]], asks: |v| v == "1" },
    Trigger { keys: &B3, asks: |_| true },
    Trigger { keys: &["B3"], asks: b3_is_sampled },
    Trigger { keys: &["Traceparent", "Tracestate"], asks: headers::is_sampled_traceparent },
];

/// `{trace}:{span}:{parent}:{flags}`, bit 0 of the flags.
fn uber_is_sampled(value: &str) -> bool {
    let mut fields = value.split(':');
    let flags = fields.nth(3).filter(|_| fields.next().is_none());
    flags.is_some_and(|flags| u8::from_str_radix(flags, 16).is_ok_and(|bits| bits & 1 == 1))
}

/// `{trace}-{span}-{sampled}…`, or `0` alone.
fn b3_is_sampled(value: &str) -> bool {
    let sampled = value.split('-').nth(2);
    value != "0" && sampled != Some("0")
}

/// The headers by which a request asks to be measured; `None` if it does not.
fn triggered(block: &[u8]) -> Option<Vec<(String, String)>> {
    let value = |key: &str| {
        let value = headers::get_in_any_case(block, key.as_bytes())?;
        Some(String::from_utf8_lossy(value).trim_end().to_owned())
    };
    let (trigger, first) =
        TRIGGERS.iter().find_map(|trigger| Some((trigger, value(trigger.keys[0])?)))?;
    if !(trigger.asks)(&first) {
        return None;
    }
    let with_value = |key: &&str| Some(((*key).to_owned(), value(key)?));
    Some(trigger.keys.iter().filter_map(with_value).collect())
}

impl Shard {
    /// Whether this request is one of those that are measured. One that wants no answer is told
    /// of at once.
    #[cold]
    pub(crate) fn measure(
        &mut self,
        publisher: &Publisher,
        exporter: AccountId,
        share: Share,
        latency: &Latency,
        parts: &MessageParts<'_>,
    ) -> Option<Box<Measure>> {
        let headers = match latency.sampling {
            Sampling::Percent(percent) if self.random.u8(0..100) < percent => Vec::new(),
            Sampling::Percent(_) => return None,
            Sampling::Headers => triggered(parts.headers?)?,
        };
        let measure = Box::new(Measure {
            sample: ServiceSample {
                exporter,
                subject: latency.subject.clone().into_bytes(),
                outcome: ServiceOutcome::Answered,
                asked_wall_ns: 0,
                took_ns: 0,
                system_ns: 0,
                requestor: Place { shard: self.id, slot: publisher.slot },
                told: match share {
                    Share::Account => Told::Distance,
                    Share::All => Told::All,
                },
                responder: None,
                headers,
            },
            asked_ns: self.turn_ns,
            was_awaited: self.is_awaited(publisher.account, parts),
        });
        if parts.reply.is_some() {
            return Some(measure);
        }
        let outcome = ServiceOutcome::NoReply;
        let over_ns = self.turn_ns;
        self.crossings.answers.over(Measured { measure, outcome, over_ns, asker: None });
        None
    }

    fn is_awaited(&mut self, account: AccountId, parts: &MessageParts<'_>) -> bool {
        parts.reply.is_some_and(|reply| self.has_interest(account, reply))
    }

    /// Tells the control thread of the measured requests that are over. Answers that this turn
    /// sent home are told of in the next, when they are with the kernel: from there one sees what
    /// the server itself needed for them.
    pub(crate) fn tell_of_measured(&mut self, now: Now) {
        for measured in self.crossings.answers.take_untold() {
            let Measured { measure, mut outcome, over_ns, asker } = measured;
            let Measure { mut sample, asked_ns, was_awaited } = *measure;
            // spec/client-protocol.md §12: 408 when whoever asked listens no more.
            if was_awaited
                && let (ServiceOutcome::TooLate, Some((account, reply))) = (outcome, asker)
                && !self.has_interest(account, &reply)
            {
                outcome = ServiceOutcome::RequestorGone;
            }
            sample.outcome = outcome;
            sample.took_ns = over_ns.saturating_sub(asked_ns);
            if outcome == ServiceOutcome::Answered {
                sample.system_ns = now.mono_ns.saturating_sub(over_ns);
            }
            let ago_ns = now.mono_ns.saturating_sub(asked_ns);
            sample.asked_wall_ns = now.wall_ns.saturating_sub(ago_ns);
            self.observe(Observed::Service(Box::new(sample)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_measured_that_ask_for_it() {
        let of = |lines: &str| triggered(format!("NATS/1.0\r\n{lines}\r\n\r\n").as_bytes());
        let one = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(of("Uber-Trace-Id: a:b:0:1"), Some(one("Uber-Trace-Id", "a:b:0:1")));
        for unsampled in ["a:b:0:0", "a:b:1", "a:b:0:x", "a:b:0:1:1", ""] {
            assert_eq!(of(&format!("Uber-Trace-Id: {unsampled}")), None, "{unsampled}");
        }
        let b3 = "X-B3-Sampled: 1\r\nX-B3-TraceId: t\r\nX-B3-SpanId: s";
        assert_eq!(of(b3).map(|headers| headers.len()), Some(3));
        assert_eq!(of("X-B3-Sampled: 0\r\nX-B3-TraceId: t"), None);
        assert_eq!(of("x-b3-traceid: t"), Some(one("X-B3-Traceid", "t")));
        assert_eq!(of("b3: t-s-1"), Some(one("B3", "t-s-1")));
        assert_eq!(of("B3: t-s-0"), None);
        assert_eq!(of("B3: 0"), None);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(of(&format!("traceparent: {parent}")), Some(one("Traceparent", parent)));
        assert_eq!(of("traceparent: 00-a-b-00"), None);
        assert_eq!(of("Other: 1"), None);
    }
}
