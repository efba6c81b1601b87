//! Hot path: messages one after another that differ in nothing but their payload. A feed sends
//! many of them: one subject, no reply, one size. What the control line decides (permission,
//! match, way) is decided once for all of them, and only the first is parsed.
//!
//! ```text
//! PUB px.EURUSD 16 CRLF payload CRLF │ PUB px.EURUSD 16 CRLF payload CRLF │ PUB px.GBP …
//! └──────────── first ──────────────┘ └───── the same control line ──────┘
//! └────────────────────────────── run ───────────────────────────────────┘
//! ```

use crate::publish::Publish;

/// One message or more with the same control line, one behind another.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    first: Publish<'a>,
    /// All of them, verb of the first to last CRLF of the last.
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Run<'a> {
    /// The run that begins with `first` at the start of `bytes`: at most `bytes_max` bytes, but
    /// at least that one message.
    ///
    /// # Panics
    /// When `bytes` does not begin with `first`.
    #[inline]
    pub fn of(first: Publish<'a>, bytes: &'a [u8], bytes_max: usize) -> Run<'a> {
        let step = first.wire().len();
        let line = &first.wire()[..step - first.body().len()];
        let bytes = &bytes[..bytes.len().min(bytes_max.max(step))];
        let (mut end, mut count) = (step, 1);
        while let Some(next) = bytes.get(end..end + step)
            && next[step - 2..] == *b"\r\n"
            && begins_with(next, line)
        {
            end += step;
            count += 1;
        }
        Run { first, bytes: &bytes[..end], count }
    }

    /// The first message.
    #[inline]
    pub fn first(&self) -> &Publish<'a> {
        &self.first
    }

    /// How many messages they are.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// All of their bytes.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The messages, in order.
    #[inline]
    pub fn messages(&self) -> impl Iterator<Item = Publish<'a>> {
        let first = self.first;
        self.bytes.chunks_exact(first.wire().len()).map(move |wire| first.with_wire(wire))
    }
}

/// Whether `bytes`, which is not shorter, begins with `line`: words that overlap at the end, where
/// a comparison of any length would be a call. A control line has more than eight bytes.
#[inline]
fn begins_with(bytes: &[u8], line: &[u8]) -> bool {
    let (Some(last_line), Some(last)) =
        (line.last_chunk::<8>(), bytes[..line.len()].last_chunk::<8>())
    else {
        return bytes.starts_with(line);
    };
    last == last_line
        && line.chunks_exact(8).zip(bytes.chunks_exact(8)).all(|(line, bytes)| line == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseLimits, parse_publish};

    const MAX: usize = 1024;

    fn run(bytes: &[u8]) -> Run<'_> {
        let limits = ParseLimits { headers: true, ..ParseLimits::default() };
        let (first, _) = parse_publish(bytes, &limits).expect("a publish at the start");
        Run::of(first, bytes, MAX)
    }

    #[test]
    fn each_message_is_as_if_it_had_been_parsed() {
        let bytes = b"PUB px.EURUSD 2\r\naa\r\nPUB px.EURUSD 2\r\nbb\r\nPUB px.EURUSD 2\r\ncc\r\n";
        let run = run(bytes);
        assert_eq!((run.count(), run.bytes()), (3, &bytes[..]));
        let mut rest = &bytes[..];
        for message in run.messages() {
            let (parsed, len) = parse_publish(rest, &ParseLimits::default()).expect("a publish");
            assert_eq!(message, parsed);
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn whatever_differs_but_the_payload_ends_it() {
        for other in [
            &b"PUB px.EURUSE 2\r\nbb\r\n"[..],
            b"PUB px.EURUSD 1\r\nb\r\n",
            b"PUB px.EURUSD 22\r\n0123456789012345678901\r\n",
            b"PUB px.EURUSD r 2\r\nbb\r\n",
            b"pub px.EURUSD 2\r\nbb\r\n",
            b"PUB px.EURUSD 2\r\nbbb\r\n",
            b"PUB px.EURUSD 2\r\nbb\r",
            b"PING\r\n",
            b"",
        ] {
            let bytes = [&b"PUB px.EURUSD 2\r\naa\r\n"[..], other].concat();
            let run = run(&bytes);
            assert_eq!(run.count(), 1, "{}", other.escape_ascii());
            assert_eq!(run.bytes(), b"PUB px.EURUSD 2\r\naa\r\n");
        }
    }

    #[test]
    fn the_shortest_control_lines_are_compared_too() {
        assert_eq!(run(b"PUB a 0\r\n\r\nPUB a 0\r\n\r\n").count(), 2);
        assert_eq!(run(b"PUB a 0\r\n\r\nPUB b 0\r\n\r\n").count(), 1);
    }

    #[test]
    fn headers_and_replies_belong_to_the_message() {
        let one = b"HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
        let two = [&one[..], one].concat();
        let run = run(&two);
        assert_eq!(run.count(), 2);
        let message = run.messages().nth(1).expect("the second");
        assert_eq!((message.reply(), message.payload()), (Some(&b"r"[..]), &b"hi"[..]));
    }

    #[test]
    fn it_is_bounded_and_never_empty() {
        let one = b"PUB a 400\r\n".iter().copied().chain([b'x'; 400]).chain(*b"\r\n");
        let many: Vec<u8> = one.cycle().take(10 * 413).collect();
        assert_eq!(run(&many).count(), 2);
        let (first, _) = parse_publish(&many, &ParseLimits::default()).expect("a publish");
        assert_eq!(Run::of(first, &many, 1).count(), 1);
    }
}
