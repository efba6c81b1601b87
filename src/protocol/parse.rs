//! Hot path: one operation from the start of a connection's bytes. Before it stands the read
//! buffer, after it `client` (permit, map, match).
//!
//! The parser keeps no state: an unfinished operation is parsed again from its first byte when
//! more has arrived, and the answer says how much that must be at least. A publish in the usual
//! shape takes one pass over its control line (`quick_publish`); everything else, and whatever
//! that pass cannot finish, takes the thorough way, which alone reports violations.

use std::ops::Range;

use crate::arguments::{self, HeaderField, SIZE_DIGITS_MAX};
use crate::publish::{Parts, Publish};
use crate::violation::Violation;

/// What bounds one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// Most bytes of arguments on a control line (`max_control_line`), below 4 GiB.
    pub control_line_max: usize,
    /// Most bytes of headers and payload together; `u64::MAX` is unlimited.
    pub payload_max: u64,
    /// Whether the connection negotiated headers, so that HPUB is allowed.
    pub headers: bool,
}

impl Default for ParseLimits {
    // spec/client-protocol.md §1 Limits
    fn default() -> Self {
        ParseLimits { control_line_max: 4096, payload_max: 1024 * 1024, headers: false }
    }
}

/// What the bytes at hand amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole operation.
    Op {
        /// The operation; borrows from the input.
        op: Op<'a>,
        /// How many bytes of the input it took, at least 1.
        len: usize,
    },
    /// The start of an operation, so far without fault.
    Incomplete {
        /// Least length of the input, from its start, with which parsing again can make
        /// progress. More than the input's length. For a message it is one more than the
        /// payload's end, because a wrong byte there is a violation at once.
        need: usize,
        /// Where the message ends, last CRLF included, once its control line is there: for
        /// making room. At least `need`.
        message_end: Option<usize>,
    },
}

/// One operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// CONNECT with its JSON, not yet decoded ([`crate::Connect::decode_over`]).
    Connect(&'a [u8]),
    /// INFO with its JSON: to be checked ([`crate::info::check`]) and otherwise ignored.
    Info(&'a [u8]),
    /// PING
    Ping,
    /// PONG
    Pong,
    /// `+OK`
    Ok,
    /// `-ERR` with its text, quotes included: the client gives up, the connection closes with
    /// [`crate::CloseReason::ParseError`].
    Err(&'a [u8]),
    /// PUB or HPUB.
    Publish(Publish<'a>),
    /// SUB
    Subscribe {
        /// As received, not validated.
        subject: &'a [u8],
        /// Queue group, if any.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// UNSUB
    Unsubscribe {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Deliveries since SUB after which the subscription ends; `None` ends it at once.
        max: Option<u64>,
    },
}

/// Parses one operation from the start of `input`.
///
/// A violation is reported as soon as the bytes at hand prove it, as nats-server does: a wrong
/// verb letter without waiting for the line's end, an over-long control line before its end, a
/// size over the limit before any payload.
#[inline]
pub fn parse<'a>(input: &'a [u8], limits: &ParseLimits) -> Result<Parsed<'a>, Violation> {
    match parse_publish(input, limits) {
        Some((publish, len)) => Ok(Parsed::Op { op: Op::Publish(publish), len }),
        None => parse_thoroughly(input, limits),
    }
}

/// A whole, canonical PUB or HPUB from the start of `input`, and its length; `None` for anything
/// else, which [`parse`] then judges.
///
/// It and what it calls are inlined by force: as calls they return through memory, which takes
/// `PUB foo.bar 16` from 10 ns to 19 (`parse_speed` in the tests).
#[inline(always)]
pub fn parse_publish<'a>(input: &'a [u8], limits: &ParseLimits) -> Option<(Publish<'a>, usize)> {
    match input {
        [b'P', b'U', b'B', b' ', ..] => publish_in::<1>(input, 4, limits),
        [b'H', b'P', b'U', b'B', b' ', ..] if limits.headers => publish_in::<2>(input, 5, limits),
        _ => None,
    }
}

/// The same for a PUB (one size) or HPUB (two) with its arguments from `args`.
#[inline(always)]
fn publish_in<'a, const SIZES: usize>(
    input: &'a [u8],
    args: usize,
    limits: &ParseLimits,
) -> Option<(Publish<'a>, usize)> {
    let subject_end = token_end(input, args)?;
    if subject_end == args || input[subject_end] != b' ' {
        return None;
    }
    // With the subject gone, what is left is the sizes, or a reply and the sizes.
    let mut at = subject_end + 1;
    let mut reply_len = 0;
    let (header_len, total, line_end) = match quick_sizes::<SIZES>(input, at) {
        Some(found) => found,
        None => {
            let reply_end = token_end(input, at)?;
            reply_len = reply_end - at;
            if reply_len == 0 || input[reply_end] != b' ' {
                return None;
            }
            at = reply_end + 1;
            quick_sizes::<SIZES>(input, at)?
        }
    };
    let hpub_without_headers = SIZES == 2 && header_len == 0;
    if line_end - args > limits.control_line_max
        || u64::from(total) > limits.payload_max
        || header_len > total
        || hpub_without_headers
    {
        return None;
    }
    let body = line_end + 2;
    let body_end = body + total as usize;
    if input.get(body_end..body_end + 2)? != b"\r\n" {
        return None;
    }
    let publish = Publish::from_parts(Parts {
        wire: &input[..body_end + 2],
        subject: args..subject_end,
        reply: subject_end + 1..subject_end + 1 + reply_len,
        body,
        header_len,
        canonical: true,
    });
    Some((publish, body_end + 2))
}

/// One or two canonical sizes from `at`, then CRLF: header length, total length, index of the CR.
#[inline(always)]
fn quick_sizes<const SIZES: usize>(input: &[u8], at: usize) -> Option<(u32, u32, usize)> {
    let (first, first_end) = quick_size(input, at)?;
    let (header_len, total, line_end) = if SIZES == 1 {
        (0, first, first_end)
    } else {
        if *input.get(first_end)? != b' ' {
            return None;
        }
        let (total, end) = quick_size(input, first_end + 1)?;
        (first, total, end)
    };
    (input.get(line_end..line_end + 2)? == b"\r\n").then_some((header_len, total, line_end))
}

/// A size without leading zeros from `at`, and the index of the byte after it.
#[inline(always)]
fn quick_size(input: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut value = 0u32;
    let mut end = at;
    while let Some(digit) = input.get(end).map(|byte| byte.wrapping_sub(b'0')) {
        if digit > 9 {
            break;
        }
        if end - at == SIZE_DIGITS_MAX {
            return None;
        }
        value = value * 10 + u32::from(digit);
        end += 1;
    }
    let digits = end - at;
    (digits == 1 || (digits > 1 && input[at] != b'0')).then_some((value, end))
}

/// Index of the first byte at or after `from` that is a space or below; `None` if there is none.
#[inline(always)]
fn token_end(input: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut at = from;
    while let Some(word) = input.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        // The classic "a byte less than n" test: exact for the lowest byte that it marks.
        let word = u64::from_le_bytes(*word);
        let marks = word.wrapping_sub(ONES * (b' ' as u64 + 1)) & !word & HIGHS;
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = input.get(at..)?;
    rest.iter().position(|&byte| byte <= b' ').map(|offset| at + offset)
}

/// The verbs of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Connect,
    Info,
    Ping,
    Pong,
    Ok,
    Err,
    Pub,
    Hpub,
    Sub,
    Unsub,
}

impl Verb {
    const fn letters(self) -> &'static [u8] {
        match self {
            Verb::Connect => b"CONNECT",
            Verb::Info => b"INFO",
            Verb::Ping => b"PING",
            Verb::Pong => b"PONG",
            Verb::Ok => b"+OK",
            Verb::Err => b"-ERR",
            Verb::Pub => b"PUB",
            Verb::Hpub => b"HPUB",
            Verb::Sub => b"SUB",
            Verb::Unsub => b"UNSUB",
        }
    }

    /// Whether a blank must follow the letters, so that `PUBfoo` is an unknown operation.
    const fn wants_blank(self) -> bool {
        matches!(self, Verb::Pub | Verb::Hpub | Verb::Sub | Verb::Unsub | Verb::Err)
    }

    /// Whether everything up to the line's end is discarded unread.
    const fn ignores_rest(self) -> bool {
        matches!(self, Verb::Ping | Verb::Pong | Verb::Ok)
    }
}

/// The verb at the start of `input`; `None` while its letters are not all there.
fn verb(input: &[u8]) -> Result<Option<Verb>, Violation> {
    let letter = |at: usize| input.get(at).map(u8::to_ascii_uppercase);
    let verb = match (letter(0), letter(1)) {
        (None, _) | (Some(b'P'), None) => return Ok(None),
        (Some(b'P'), Some(b'U')) => Verb::Pub,
        (Some(b'P'), Some(b'I')) => Verb::Ping,
        (Some(b'P'), Some(b'O')) => Verb::Pong,
        (Some(b'H'), _) => Verb::Hpub,
        (Some(b'S'), _) => Verb::Sub,
        (Some(b'U'), _) => Verb::Unsub,
        (Some(b'C'), _) => Verb::Connect,
        (Some(b'I'), _) => Verb::Info,
        (Some(b'+'), _) => Verb::Ok,
        (Some(b'-'), _) => Verb::Err,
        _ => return Err(Violation::UnknownOperation),
    };
    // spec/client-protocol.md §1: letters are matched one at a time, a wrong one fails at once.
    let letters = verb.letters();
    let seen = &input[..input.len().min(letters.len())];
    if !seen.eq_ignore_ascii_case(&letters[..seen.len()]) {
        return Err(Violation::UnknownOperation);
    }
    Ok((seen.len() == letters.len()).then_some(verb))
}

/// Any operation in any accepted spelling, or what is wrong with it.
#[cold]
fn parse_thoroughly<'a>(input: &'a [u8], limits: &ParseLimits) -> Result<Parsed<'a>, Violation> {
    let more = Ok(Parsed::Incomplete { need: input.len() + 1, message_end: None });
    let Some(verb) = verb(input)? else { return more };
    let Some(args_start) = args_start(input, verb, limits)? else { return more };
    let Some(line) = control_line(input, args_start, limits)? else { return more };
    let args = &input[line.args.clone()];
    let op = match verb {
        Verb::Ping => Op::Ping,
        Verb::Pong => Op::Pong,
        Verb::Ok => Op::Ok,
        Verb::Err => Op::Err(args),
        Verb::Connect => Op::Connect(args),
        Verb::Info => Op::Info(args),
        Verb::Sub => arguments::subscribe(args)?,
        Verb::Unsub => arguments::unsubscribe(args)?,
        Verb::Pub => return publish(input, line, HeaderField::Absent, limits),
        Verb::Hpub if !limits.headers => return Err(Violation::HeadersNotSupported),
        Verb::Hpub => return publish(input, line, HeaderField::Present, limits),
    };
    Ok(Parsed::Op { op, len: line.end })
}

/// Where the arguments begin: after the verb's letters and the blanks that follow them.
///
/// nats-server skips any number of blanks here; a parser without state must hold them, so they
/// are bounded like the arguments are.
fn args_start(input: &[u8], verb: Verb, limits: &ParseLimits) -> Result<Option<usize>, Violation> {
    let letters_end = verb.letters().len();
    if verb.ignores_rest() {
        return Ok(Some(letters_end));
    }
    let rest = &input[letters_end..];
    let blanks = rest.iter().position(|&byte| !is_blank(byte)).unwrap_or(rest.len());
    if blanks > limits.control_line_max {
        return Err(Violation::ControlLineTooLong);
    }
    if blanks == rest.len() {
        return Ok(None);
    }
    if blanks == 0 && verb.wants_blank() {
        return Err(Violation::UnknownOperation);
    }
    Ok(Some(letters_end + blanks))
}

/// One control line, as indices into the input.
struct Line {
    /// The arguments, without the line's end.
    args: Range<usize>,
    /// The first byte after the line feed.
    end: usize,
}

/// The control line whose arguments begin at `start`; `None` while its end has not arrived.
// spec/client-protocol.md §1: LF ends the line, a CR immediately before it is dropped.
fn control_line(
    input: &[u8],
    start: usize,
    limits: &ParseLimits,
) -> Result<Option<Line>, Violation> {
    let window = &input[start..];
    let window = &window[..window.len().min(limits.control_line_max.saturating_add(2))];
    let feed = memchr::memchr(b'\n', window);
    let args = &window[..feed.unwrap_or(window.len())];
    // A CR at the end is not counted: the LF that makes it a line end may still come.
    let args = args.strip_suffix(b"\r").unwrap_or(args);
    if args.len() > limits.control_line_max {
        return Err(Violation::ControlLineTooLong);
    }
    Ok(feed.map(|feed| Line { args: start..start + args.len(), end: start + feed + 1 }))
}

/// A PUB or HPUB whose control line is whole: its arguments, then its payload.
fn publish<'a>(
    input: &'a [u8],
    line: Line,
    header_field: HeaderField,
    limits: &ParseLimits,
) -> Result<Parsed<'a>, Violation> {
    let args = arguments::publish(&input[line.args.clone()], header_field)?;
    // spec/client-protocol.md §1: the total is checked on the control line, before the payload.
    let size = u64::from(args.total);
    if size > limits.payload_max {
        return Err(Violation::PayloadTooLarge { size, max: limits.payload_max });
    }
    let body = line.end;
    let body_end = body + args.total as usize;
    let terminator = b"\r\n";
    let arrived = input.get(body_end..).unwrap_or_default();
    let arrived = &arrived[..arrived.len().min(terminator.len())];
    if *arrived != terminator[..arrived.len()] {
        return Err(Violation::PayloadNotTerminated);
    }
    let end = body_end + terminator.len();
    if arrived.len() < terminator.len() {
        let need = body_end + arrived.len() + 1;
        return Ok(Parsed::Incomplete { need, message_end: Some(end) });
    }
    let start = line.args.start;
    let verb_is_canonical = matches!(
        (&input[..start], header_field),
        (b"PUB ", HeaderField::Absent) | (b"HPUB ", HeaderField::Present)
    );
    let line_end_is_canonical = input[line.args.end..body] == *b"\r\n";
    let publish = Publish::from_parts(Parts {
        wire: &input[..end],
        subject: start + args.subject.start..start + args.subject.end,
        reply: start + args.reply.start..start + args.reply.end,
        body,
        header_len: args.header_len,
        canonical: verb_is_canonical && args.canonical && line_end_is_canonical,
    });
    Ok(Parsed::Op { op: Op::Publish(publish), len: end })
}

/// What separates a verb from its arguments and the arguments from each other.
// spec/client-protocol.md §1 Separators
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
