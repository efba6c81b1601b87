//! The arguments of PUB, HPUB, SUB and UNSUB in any accepted spelling. `parse.rs` hands over one
//! whole control line without verb and line end; indices are relative to it.

use std::ops::Range;

use crate::parse::{Op, is_blank};
use crate::violation::{ArgumentFault, Violation};

/// Most digits of a size; more is a bad size, whatever its value.
// spec/client-protocol.md §1 Limits
pub(crate) const SIZE_DIGITS_MAX: usize = 9;

/// Whether the sizes of a publish begin with that of the headers (HPUB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderField {
    Present,
    Absent,
}

/// The arguments of a publish.
pub(crate) struct PublishArguments {
    pub(crate) subject: Range<usize>,
    /// Empty when there is none: a token never is.
    pub(crate) reply: Range<usize>,
    pub(crate) header_len: u32,
    /// Headers and payload.
    pub(crate) total: u32,
    /// Whether the line reads as the server itself would have written it.
    pub(crate) canonical: bool,
}

/// `subject [reply] [#headers] #total`
// spec/client-protocol.md §2.1 PUB, HPUB
pub(crate) fn publish(
    args: &[u8],
    header_field: HeaderField,
) -> Result<PublishArguments, Violation> {
    use ArgumentFault as Fault;
    let (sizes, count_fault, total_fault) = match header_field {
        HeaderField::Absent => (1, Fault::PubArguments, Fault::PubSize),
        HeaderField::Present => (2, Fault::HpubArguments, Fault::HpubTotalSize),
    };
    let tokens = Tokens::<4>::split(args, is_blank).ok_or(Violation::BadArguments(count_fault))?;
    let has_reply = match tokens.len - sizes.min(tokens.len) {
        1 => false,
        2 => true,
        _ => return Err(Violation::BadArguments(count_fault)),
    };
    let size_at =
        |index: usize, fault| size(&args[tokens.span(index)]).ok_or(Violation::BadArguments(fault));
    let last = tokens.len - 1;
    let header_len = match header_field {
        HeaderField::Absent => 0,
        HeaderField::Present => size_at(last - 1, Fault::HpubHeaderSize)?,
    };
    let total = size_at(last, total_fault)?;
    if header_len > total {
        return Err(Violation::BadArguments(Fault::HpubHeadersOverTotal));
    }
    let subject = tokens.span(0);
    let reply = if has_reply { tokens.span(1) } else { subject.end..subject.end };
    let sizes_are_canonical = (tokens.len - sizes..tokens.len).all(|index| {
        let digits = &args[tokens.span(index)];
        digits.len() == 1 || digits[0] != b'0'
    });
    // An HPUB without headers is delivered as MSG, so it is not the bytes of what is delivered.
    let verb_fits = header_field == HeaderField::Absent || header_len > 0;
    let canonical = tokens.single_spaced(args) && sizes_are_canonical && verb_fits;
    Ok(PublishArguments { subject, reply, header_len, total, canonical })
}

/// `subject [queue] sid`
// spec/client-protocol.md §2.1 SUB
pub(crate) fn subscribe(args: &[u8]) -> Result<Op<'_>, Violation> {
    let fault = Violation::BadArguments(ArgumentFault::SubArguments);
    let tokens = Tokens::<3>::split(args, is_blank_or_cr).ok_or(fault)?;
    let token = |index| &args[tokens.span(index)];
    match tokens.len {
        2 => Ok(Op::Subscribe { subject: token(0), queue: None, sid: token(1) }),
        3 => Ok(Op::Subscribe { subject: token(0), queue: Some(token(1)), sid: token(2) }),
        _ => Err(fault),
    }
}

/// `sid [max]`
// spec/client-protocol.md §2.1 UNSUB
pub(crate) fn unsubscribe(args: &[u8]) -> Result<Op<'_>, Violation> {
    let fault = Violation::BadArguments(ArgumentFault::UnsubArguments);
    let tokens = Tokens::<2>::split(args, is_blank_or_cr).ok_or(fault)?;
    let token = |index| &args[tokens.span(index)];
    match tokens.len {
        1 => Ok(Op::Unsubscribe { sid: token(0), max: None }),
        2 => {
            // nats-server 2.9.10 takes 0, and what is no size at all (`abc`, `-5`, ten digits),
            // as "now".
            let max = size(token(1)).filter(|&max| max > 0).map(u64::from);
            Ok(Op::Unsubscribe { sid: token(0), max })
        }
        _ => Err(fault),
    }
}

/// 1 to 9 ASCII digits.
// spec/client-protocol.md §1 Limits
fn size(token: &[u8]) -> Option<u32> {
    if token.is_empty() || token.len() > SIZE_DIGITS_MAX {
        return None;
    }
    token.iter().try_fold(0u32, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// In SUB and UNSUB a CR inside the line separates as well (seen with nats-server 2.9.10); in
/// PUB it is part of its token.
const fn is_blank_or_cr(byte: u8) -> bool {
    is_blank(byte) || byte == b'\r'
}

/// Up to `N` tokens of one line, by start and end.
struct Tokens<const N: usize> {
    spans: [(usize, usize); N],
    len: usize,
}

impl<const N: usize> Tokens<N> {
    /// `None` when there are more than `N`.
    fn split(line: &[u8], separates: impl Fn(u8) -> bool) -> Option<Self> {
        let mut tokens = Tokens { spans: [(0, 0); N], len: 0 };
        let mut at = 0;
        while at < line.len() {
            let token = line[at..].iter().position(|&byte| separates(byte));
            let end = token.map_or(line.len(), |len| at + len);
            if end > at {
                *tokens.spans.get_mut(tokens.len)? = (at, end);
                tokens.len += 1;
            }
            at = end + 1;
        }
        Some(tokens)
    }

    /// The place of a token; `index` is below `len`.
    fn span(&self, index: usize) -> Range<usize> {
        let (start, end) = self.spans[index];
        start..end
    }

    /// Whether the tokens fill `line` with exactly one space between them.
    fn single_spaced(&self, line: &[u8]) -> bool {
        let spans = &self.spans[..self.len];
        let fills = spans.first().is_some_and(|first| first.0 == 0)
            && spans.last().is_some_and(|last| last.1 == line.len());
        fills && spans.windows(2).all(|pair| line[pair[0].1..pair[1].0] == *b" ")
    }
}
