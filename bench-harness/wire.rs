//! Hot path: counts message frames in received bytes. Before it stands `Inbox` (one large read),
//! after it the tally of a subscriber.
//!
//! Sans-I/O. The size in a frame's header says where the next one begins; payloads are never
//! searched. Consecutive frames mostly carry the same header, so the last one is kept as a template
//! and compared; only a header that differs is parsed.

use memchr::memchr;

/// Longest control line we accept; INFO of a large cluster stays far below.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Largest payload that nats-server can be configured to accept.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that a NATS server never sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A line begins with no known verb.
    #[error("unknown line {0:?}")]
    Verb(String),
    /// A MSG line without a readable size.
    #[error("bad message header {0:?}")]
    Header(String),
    /// A payload that does not end where its header says.
    #[error("payload of {0} bytes is not followed by CRLF")]
    Tail(usize),
    /// A control line without end.
    #[error("control line longer than {LINE_BYTES_MAX} bytes")]
    Endless,
}

/// One message as received. Borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Subject, first word of the header.
    pub subject: &'a [u8],
    /// Reply subject, empty when there is none.
    pub reply: &'a [u8],
    /// Headers (of HMSG) and payload.
    pub body: &'a [u8],
}

/// A line that is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control<'a> {
    /// The server asks for a PONG.
    Ping,
    /// Answer to our PING.
    Pong,
    /// `+OK`, INFO: of no interest while measuring.
    Other,
    /// `-ERR`, the text without quotes.
    Error(&'a [u8]),
}

/// Receives what a [`FrameScanner`] finds. Both calls stand in the hot loop and are inlined.
pub trait Frames {
    /// A message.
    fn frame(&mut self, frame: Frame<'_>);
    /// A control line.
    fn control(&mut self, control: Control<'_>);
}

/// Where the words of a header line lie, in bytes from its start.
#[derive(Debug, Default, Clone, Copy)]
struct Layout {
    subject_start: usize,
    subject_end: usize,
    reply_start: usize,
    reply_end: usize,
    body_bytes: usize,
}

/// Finds message frames in a stream of bytes that is cut anywhere.
#[derive(Debug, Default)]
pub struct FrameScanner {
    /// The last header line with its CRLF. Empty before the first message.
    template: Vec<u8>,
    layout: Layout,
}

impl FrameScanner {
    /// Reports each whole frame and control line in `bytes` and returns how many bytes they took.
    /// The rest is the beginning of something: the caller keeps it in front of the next read.
    ///
    /// # Errors
    /// [`WireError`] when the bytes cannot come from a NATS server; the stream is lost then.
    pub fn scan<F: Frames>(&mut self, bytes: &[u8], frames: &mut F) -> Result<usize, WireError> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            if !self.template.is_empty() && rest.starts_with(&self.template) {
                let end = self.template.len() + self.layout.body_bytes;
                if rest.len() < end + 2 {
                    return Ok(at);
                }
                if rest[end..end + 2] != *b"\r\n" {
                    return Err(WireError::Tail(self.layout.body_bytes));
                }
                frames.frame(self.frame(rest, end));
                at += end + 2;
                continue;
            }
            match self.line(rest, frames)? {
                Some(taken) => at += taken,
                None => return Ok(at),
            }
        }
    }

    fn frame<'a>(&self, rest: &'a [u8], end: usize) -> Frame<'a> {
        let layout = self.layout;
        Frame {
            subject: &rest[layout.subject_start..layout.subject_end],
            reply: &rest[layout.reply_start..layout.reply_end],
            body: &rest[self.template.len()..end],
        }
    }

    /// Handles a line that the template does not match. A message header becomes the template and
    /// takes no bytes: the loop then sees it match. `None`: the line is not whole.
    fn line<F: Frames>(&mut self, rest: &[u8], frames: &mut F) -> Result<Option<usize>, WireError> {
        let Some(newline) = memchr(b'\n', rest) else {
            if rest.len() > LINE_BYTES_MAX {
                return Err(WireError::Endless);
            }
            return Ok(None);
        };
        let line = rest[..newline].strip_suffix(b"\r").unwrap_or(&rest[..newline]);
        if line.starts_with(b"MSG ") || line.starts_with(b"HMSG ") {
            self.layout = layout(line).ok_or_else(|| WireError::Header(shown(line)))?;
            self.template.clear();
            self.template.extend_from_slice(&rest[..newline + 1]);
            return Ok(Some(0));
        }
        frames.control(control(line)?);
        Ok(Some(newline + 1))
    }
}

/// spec/client-protocol.md: `MSG <subject> <sid> [reply] <size>`,
/// `HMSG <subject> <sid> [reply] <header size> <total size>`.
fn layout(line: &[u8]) -> Option<Layout> {
    let mut words = [(0, 0); 6];
    let mut found = 0;
    let mut at = 0;
    for word in line.split(|&byte| byte == b' ') {
        if !word.is_empty() {
            *words.get_mut(found)? = (at, at + word.len());
            found += 1;
        }
        at += word.len() + 1;
    }
    let sizes = if line[0] == b'H' { 2 } else { 1 };
    let reply = match found.checked_sub(sizes)? {
        3 => (0, 0),
        4 => words[3],
        _ => return None,
    };
    let (start, end) = words[found - 1];
    let body_bytes = std::str::from_utf8(&line[start..end]).ok()?.parse().ok()?;
    if body_bytes > BODY_BYTES_MAX {
        return None;
    }
    Some(Layout {
        subject_start: words[1].0,
        subject_end: words[1].1,
        reply_start: reply.0,
        reply_end: reply.1,
        body_bytes,
    })
}

fn control(line: &[u8]) -> Result<Control<'_>, WireError> {
    Ok(match line {
        b"PING" => Control::Ping,
        b"PONG" => Control::Pong,
        b"+OK" => Control::Other,
        _ if line.starts_with(b"INFO ") => Control::Other,
        _ => match line.strip_prefix(b"-ERR") {
            Some(text) => Control::Error(unquoted(text)),
            None => return Err(WireError::Verb(shown(line))),
        },
    })
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"'").and_then(|inner| inner.strip_suffix(b"'")).unwrap_or(text)
}

/// The beginning of a line, for an error message.
pub fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned()
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
