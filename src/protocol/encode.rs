//! Hot path: MSG and HMSG for one subscription, and the server's fixed replies. Before it stands
//! the match, after it the outbox of a connection.
//!
//! A [`Delivery`] writes nothing by itself: it knows its length and its pieces, so that the
//! caller copies them into its own chunk, or sends a large tail without copying.

use crate::error::ErrorText;
use crate::publish::Publish;

/// `+OK`, in verbose mode.
pub const OK: &[u8] = b"+OK\r\n";
/// `PING`
pub const PING: &[u8] = b"PING\r\n";
/// `PONG`
pub const PONG: &[u8] = b"PONG\r\n";

/// Whether the receiver negotiated headers in its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSupport {
    /// It takes HMSG.
    Supported,
    /// Headers are stripped for it.
    Unsupported,
}

/// One message for one subscription.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// `MSG ` or `HMSG `, to stand in place of the first bytes of `head`.
    verb: &'static [u8],
    /// As many bytes as `verb` has, then the subject.
    head: &'a [u8],
    sid: &'a [u8],
    /// What stands between sid and `rest` when headers are left out.
    stripped: Option<Stripped<'a>>,
    /// What follows, to the last CRLF.
    rest: &'a [u8],
}

/// The reply and size of a message whose headers are left out.
#[derive(Clone, Copy, Debug)]
struct Stripped<'a> {
    /// ` reply`, or nothing.
    reply: &'a [u8],
    size: SizeField,
}

impl<'a> Delivery<'a> {
    /// `publish` must be canonical (`canonical`).
    // spec/client-protocol.md §2.2 MSG, HMSG
    #[inline]
    pub fn new(publish: &Publish<'a>, sid: &'a [u8], receiver: HeaderSupport) -> Delivery<'a> {
        let verb: &[u8] = match (publish.has_headers(), receiver) {
            (false, _) => b"MSG ",
            (true, HeaderSupport::Supported) => b"HMSG ",
            (true, HeaderSupport::Unsupported) => return Delivery::stripped(publish, sid),
        };
        Delivery { verb, head: publish.head(), sid, stripped: None, rest: publish.tail() }
    }

    /// A message with headers for a receiver without: MSG with the reduced size.
    // spec/client-protocol.md §2.2 HMSG
    #[cold]
    fn stripped(publish: &Publish<'a>, sid: &'a [u8]) -> Delivery<'a> {
        let reply = publish.reply().map_or(&[][..], |reply| &publish.tail()[..1 + reply.len()]);
        let headers = publish.headers().unwrap_or_default();
        Delivery {
            verb: b"MSG ",
            head: &publish.head()[1..],
            sid,
            stripped: Some(Stripped { reply, size: SizeField::of(publish.payload().len()) }),
            rest: &publish.body()[headers.len()..],
        }
    }

    /// Bytes on the wire.
    #[expect(clippy::len_without_is_empty, reason = "a delivery is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        let whole = self.head.len() + 1 + self.sid.len() + self.rest.len();
        match &self.stripped {
            None => whole,
            Some(stripped) => whole + stripped.reply.len() + stripped.size.as_bytes().len(),
        }
    }

    /// The bytes in order: verb, subject, space, sid, reply and size (both empty unless headers
    /// are stripped), and the rest, which alone can be large.
    #[inline]
    pub fn pieces(&self) -> [&[u8]; 7] {
        let subject = &self.head[self.verb.len()..];
        let (reply, size) = match &self.stripped {
            None => (&[][..], &[][..]),
            Some(stripped) => (stripped.reply, stripped.size.as_bytes()),
        };
        [self.verb, subject, b" ", self.sid, reply, size, self.rest]
    }

    /// The last piece, from the publish itself: what a caller may send without copying.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Writes everything before [`Delivery::rest`] to the start of `out`, which must hold it,
    /// and returns how many bytes that was.
    #[inline]
    pub fn write_start(&self, out: &mut [u8]) -> usize {
        // The verb has the length of the publish's own, so both go in one copy.
        let at = put(out, 0, self.head);
        out[..self.verb.len()].copy_from_slice(self.verb);
        out[at] = b' ';
        let at = put(out, at + 1, self.sid);
        match &self.stripped {
            None => at,
            Some(stripped) => {
                let at = put(out, at, stripped.reply);
                put(out, at, stripped.size.as_bytes())
            }
        }
    }

    /// Writes the whole to the start of `out`, which must hold [`Delivery::len`] bytes, and
    /// returns that number.
    #[inline]
    pub fn write_to(&self, out: &mut [u8]) -> usize {
        let at = self.write_start(out);
        put(out, at, self.rest)
    }

    /// Appends the whole.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        for piece in self.pieces() {
            out.extend_from_slice(piece);
        }
    }
}

/// Copies `piece` to `out[at..]`, which must hold it, and returns where it ends there, bytes from
/// the start of `out`.
///
/// Pieces are short as a rule: two copies of a fixed size that overlap in the middle are a few
/// instructions, where a copy of any length is a call.
#[inline(always)]
pub fn put(out: &mut [u8], at: usize, piece: &[u8]) -> usize {
    let end = at + piece.len();
    let out = &mut out[at..end];
    match piece.len() {
        0 => {}
        1..4 => {
            for (to, from) in out.iter_mut().zip(piece) {
                *to = *from;
            }
        }
        4..8 => put_ends::<4>(out, piece),
        8..16 => put_ends::<8>(out, piece),
        16..=32 => put_ends::<16>(out, piece),
        33..=64 => put_ends::<32>(out, piece),
        _ => out.copy_from_slice(piece),
    }
    end
}

/// Copies the first and the last `N` bytes of a piece of `N` to `2 N`.
#[inline(always)]
fn put_ends<const N: usize>(out: &mut [u8], piece: &[u8]) {
    let last = piece.len() - N;
    out[..N].copy_from_slice(&piece[..N]);
    out[last..].copy_from_slice(&piece[last..last + N]);
}

/// ` N CRLF`, where it is not the publisher's own bytes.
#[derive(Clone, Copy, Debug)]
struct SizeField {
    bytes: [u8; SizeField::LEN_MAX],
    len: u8,
}

impl SizeField {
    /// A space, the digits of a 64-bit number and CRLF.
    const LEN_MAX: usize = 1 + 20 + 2;

    fn of(size: usize) -> SizeField {
        use std::io::Write;
        let mut field = SizeField { bytes: [0; SizeField::LEN_MAX], len: 0 };
        let mut free = &mut field.bytes[..];
        write!(free, " {size}\r\n").expect("a 64-bit number fits");
        let left = free.len();
        field.len = (SizeField::LEN_MAX - left) as u8;
        field
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Appends `-ERR 'text'` and CRLF.
// spec/client-protocol.md §2.2 -ERR
pub fn write_error(text: &ErrorText<'_>, out: &mut Vec<u8>) {
    use std::io::Write;
    write!(out, "-ERR '{text}'\r\n").expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests;
