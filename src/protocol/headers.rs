//! Look-ups in a message's header block, and the block of a "no responders" message. Nothing is
//! validated: a block is whatever the publisher declared as headers.
//!
//! ```text
//! NATS/1.0[ <status>[ <description>]] CRLF
//! Name: value CRLF                          any number of these
//! CRLF
//! ```

/// The first word of every block.
const VERSION: &[u8] = b"NATS/1.0";

/// The first value of `key`, compared exactly (case included), without leading blanks.
// spec/client-protocol.md §6 Headers wire format
pub fn get<'a>(block: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    lines(block).skip(1).find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix(b":")?;
        let blanks = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(&value[blanks..])
    })
}

/// The same whatever the case of the key.
pub fn get_in_any_case<'a>(block: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    all(block).find_map(|(name, value)| name.eq_ignore_ascii_case(key).then_some(value))
}

/// All keys with their values, in order, without blanks around the values.
pub fn all(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(block).skip(1).filter_map(|line| {
        let end = memchr::memchr(b':', line)?;
        Some((&line[..end], line[end + 1..].trim_ascii()))
    })
}

/// Whether a W3C `traceparent` says that its request is sampled: bit 0 of its flags.
pub fn is_sampled_traceparent(value: &str) -> bool {
    let mut fields = value.trim().split('-');
    let flags = fields.nth(3).filter(|flags| flags.len() == 2);
    flags.is_some_and(|flags| u8::from_str_radix(flags, 16).is_ok_and(|bits| bits & 1 == 1))
}

/// The status line: `503` and what describes it, which may be empty. `None` without a status.
pub fn status(block: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = lines(block).next()?.strip_prefix(VERSION)?.strip_prefix(b" ")?.trim_ascii();
    let code_end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let (code, description) = line.split_at(code_end);
    (!code.is_empty()).then(|| (code, description.trim_ascii_start()))
}

/// The lines of a block without their ends, up to the empty one.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let feed = memchr::memchr(b'\n', rest)?;
        let line = &rest[..feed];
        rest = &rest[feed + 1..];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.is_empty()).then_some(line)
    })
}

/// Writes `block` into `out`, which is cleared first, with one line `key: value` in the place of
/// all it had of that key, in any case. An empty value leaves none; an empty block begins anew.
pub fn replace(block: &[u8], key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut lines = lines(block);
    out.extend_from_slice(lines.next().unwrap_or(VERSION));
    out.extend_from_slice(b"\r\n");
    let is_key = |line: &[u8]| {
        let name = memchr::memchr(b':', line).map(|end| line[..end].trim_ascii());
        name.is_some_and(|name| name.eq_ignore_ascii_case(key))
    };
    for line in lines.filter(|line| !is_key(line)) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    if !value.is_empty() {
        for piece in [key, b": ", value, b"\r\n"] {
            out.extend_from_slice(piece);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the header block that tells a requester that nobody listens on `subject` into `out`,
/// which is cleared first: `32 + subject.len()` bytes.
// spec/client-protocol.md §6 no_responders
pub fn write_no_responders(subject: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for piece in [VERSION, b" 503\r\nNats-Subject: ", subject, b"\r\n\r\n"] {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests;
