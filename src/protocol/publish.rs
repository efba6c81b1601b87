//! Hot path: one message as the bytes it arrived in. Before it stands the parser, after it the
//! delivery (`encode.rs`) and the rings to other cores.
//!
//! A delivered MSG differs from the PUB it came from in its verb and an inserted sid only:
//!
//! ```text
//! PUB  subject      reply 5 CRLF payload CRLF
//! └───── head ────┘└───────── tail ─────────┘
//! MSG  subject  sid reply 5 CRLF payload CRLF
//! ```
//!
//! That holds when the PUB is *canonical*: upper-case verb, single spaces, sizes without leading
//! zeros, CRLF. Almost every client writes it so; what is not is rewritten by [`canonical()`].

use std::ops::Range;

use base::decimal;

/// A PUB or HPUB. Borrows the bytes of the whole operation, verb to last CRLF.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    wire: &'a [u8],
    subject_start: u32,
    subject_len: u32,
    reply_start: u32,
    /// 0 when there is no reply: a token is never empty.
    reply_len: u32,
    /// Index of the first byte after the control line; `body + total + 2 == wire.len()`.
    body: u32,
    /// Part of the body; 0 when there are no headers.
    header_len: u32,
    canonical: bool,
}

/// Where things stand in a canonical publish: all that another core needs besides the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Layout {
    /// Bytes of the subject.
    pub subject_len: u32,
    /// Bytes of the reply subject; 0 without one.
    pub reply_len: u32,
    /// Bytes of the header block; 0 without one.
    pub header_len: u32,
    /// Index of the first byte after the control line.
    pub body: u32,
}

/// What a message consists of, to be written by [`canonical()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageParts<'a> {
    /// A non-empty subject without blanks or line ends.
    pub subject: &'a [u8],
    /// Likewise.
    pub reply: Option<&'a [u8]>,
    /// The header block with its empty last line; `None` or empty without headers.
    pub headers: Option<&'a [u8]>,
    /// Any bytes.
    pub payload: &'a [u8],
}

/// What the parser found, as indices into `wire`.
pub(crate) struct Parts<'a> {
    pub(crate) wire: &'a [u8],
    pub(crate) subject: Range<usize>,
    pub(crate) reply: Range<usize>,
    pub(crate) body: usize,
    pub(crate) header_len: u32,
    pub(crate) canonical: bool,
}

impl<'a> Publish<'a> {
    /// The parser's door. Control lines are below 4 GiB, so their indices fit 32 bits.
    #[inline]
    pub(crate) fn from_parts(parts: Parts<'a>) -> Publish<'a> {
        debug_assert!(parts.body + parts.header_len as usize + 2 <= parts.wire.len());
        Publish {
            wire: parts.wire,
            subject_start: parts.subject.start as u32,
            subject_len: (parts.subject.end - parts.subject.start) as u32,
            reply_start: parts.reply.start as u32,
            reply_len: (parts.reply.end - parts.reply.start) as u32,
            body: parts.body as u32,
            header_len: parts.header_len,
            canonical: parts.canonical,
        }
    }

    /// The same publish again from its bytes and its [`Layout`], without parsing: on another
    /// core. Both must come from one canonical publish.
    #[inline]
    pub fn from_layout(wire: &'a [u8], layout: Layout) -> Publish<'a> {
        let subject_start = if layout.header_len == 0 { 4 } else { 5 };
        debug_assert!(wire.len() >= (layout.body + layout.header_len) as usize + 2);
        debug_assert!(wire.starts_with(if layout.header_len == 0 { b"PUB " } else { b"HPUB " }));
        Publish {
            wire,
            subject_start,
            subject_len: layout.subject_len,
            reply_start: subject_start + layout.subject_len + 1,
            reply_len: layout.reply_len,
            body: layout.body,
            header_len: layout.header_len,
            canonical: true,
        }
    }

    /// Another message with the same control line: `wire` is as long as this one's and differs in
    /// the body only.
    #[inline]
    pub(crate) fn with_wire<'b>(&self, wire: &'b [u8]) -> Publish<'b> {
        debug_assert_eq!(wire.len(), self.wire.len());
        debug_assert!(wire.starts_with(&self.wire[..self.body as usize]));
        Publish { wire, ..*self }
    }

    /// Where things stand in it. Only a canonical publish has a layout.
    #[inline]
    pub fn layout(&self) -> Layout {
        debug_assert!(self.canonical);
        Layout {
            subject_len: self.subject_len,
            reply_len: self.reply_len,
            header_len: self.header_len,
            body: self.body,
        }
    }

    #[inline]
    fn slice(&self, start: u32, len: u32) -> &'a [u8] {
        &self.wire[start as usize..start as usize + len as usize]
    }

    /// The subject, as received.
    #[inline]
    pub fn subject(&self) -> &'a [u8] {
        self.slice(self.subject_start, self.subject_len)
    }

    /// The subject to answer to.
    #[inline]
    pub fn reply(&self) -> Option<&'a [u8]> {
        (self.reply_len != 0).then(|| self.slice(self.reply_start, self.reply_len))
    }

    /// Whether there is a header block that is not empty.
    #[inline]
    pub fn has_headers(&self) -> bool {
        self.header_len != 0
    }

    /// The header block, from `NATS/1.0` to its empty line, unchecked.
    #[inline]
    pub fn headers(&self) -> Option<&'a [u8]> {
        self.has_headers().then(|| self.slice(self.body, self.header_len))
    }

    /// What follows the headers.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        &self.wire[(self.body + self.header_len) as usize..self.wire.len() - 2]
    }

    /// Bytes of headers and payload together: what counts as the message's size.
    #[inline]
    pub fn total_len(&self) -> usize {
        self.wire.len() - 2 - self.body as usize
    }

    /// Whether the bytes are those of the MSG or HMSG that is delivered, but for verb and sid.
    #[inline]
    pub fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// The whole operation as received, verb to last CRLF.
    #[inline]
    pub fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// `PUB subject` or `HPUB subject`, when canonical.
    #[inline]
    pub fn head(&self) -> &'a [u8] {
        debug_assert!(self.canonical);
        &self.wire[..self.head_len()]
    }

    /// What follows the subject, from its space to the last CRLF, when canonical.
    #[inline]
    pub fn tail(&self) -> &'a [u8] {
        debug_assert!(self.canonical);
        &self.wire[self.head_len()..]
    }

    /// Headers, payload and the CRLF behind them.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        &self.wire[self.body as usize..]
    }

    /// The control line without its end, for trace lines: `PUB foo 5`.
    pub fn control_line(&self) -> &'a [u8] {
        let line = &self.wire[..self.body as usize];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// What it consists of, to be written again under another subject or canonically.
    pub fn parts(&self) -> MessageParts<'a> {
        MessageParts {
            subject: self.subject(),
            reply: self.reply(),
            headers: self.headers(),
            payload: self.payload(),
        }
    }

    #[inline]
    fn head_len(&self) -> usize {
        self.subject_start as usize + self.subject_len as usize
    }
}

impl std::fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publish")
            .field("wire", &self.wire.escape_ascii().to_string())
            .field("canonical", &self.canonical)
            .finish_non_exhaustive()
    }
}

/// Writes a message canonically into `out`, which is cleared first, and returns it as a publish:
/// for a publish in an unusual spelling, for the server's own messages, and for delivery under
/// another subject.
pub fn canonical<'a>(parts: MessageParts<'_>, out: &'a mut Vec<u8>) -> Publish<'a> {
    let headers = parts.headers.unwrap_or_default();
    let reply = parts.reply.unwrap_or_default();
    let total = headers.len() + parts.payload.len();
    out.clear();
    out.reserve(64 + parts.subject.len() + reply.len() + total);
    out.extend_from_slice(if headers.is_empty() { b"PUB " } else { b"HPUB " });
    let subject = out.len()..out.len() + parts.subject.len();
    out.extend_from_slice(parts.subject);
    out.push(b' ');
    let reply_at = out.len()..out.len() + reply.len();
    if !reply.is_empty() {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if !headers.is_empty() {
        decimal::push(out, headers.len() as u64);
        out.push(b' ');
    }
    decimal::push(out, total as u64);
    out.extend_from_slice(b"\r\n");
    let body = out.len();
    out.extend_from_slice(headers);
    out.extend_from_slice(parts.payload);
    out.extend_from_slice(b"\r\n");
    Publish::from_parts(Parts {
        wire: out,
        subject,
        reply: reply_at,
        body,
        header_len: headers.len() as u32,
        canonical: true,
    })
}

#[cfg(test)]
mod tests;
