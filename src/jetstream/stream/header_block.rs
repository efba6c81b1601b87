//! Header blocks made from others: some headers left out, some added.
//!
//! Used where the stream itself makes a message: republish, sources, schedules, counters, direct
//! gets, markers. Blocks are written into a buffer that the caller keeps.

use super::publication::header_lines;

const FIRST_LINE: &[u8] = b"NATS/1.0\r\n";

/// Begins a block in `out`, which is cleared.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(FIRST_LINE);
}

/// Begins a block that is a status: `NATS/1.0 204 EOB`.
pub(super) fn begin_status(out: &mut Vec<u8>, status: &str) {
    out.clear();
    out.extend_from_slice(b"NATS/1.0 ");
    out.extend_from_slice(status.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Adds a header. The value must hold no line end.
pub(super) fn add(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Adds a header whose value is a number, a time or the like.
pub(super) fn add_display(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    use std::io::Write as _;
    write!(out, "{name}: {value}\r\n").expect("a vector takes any bytes");
}

/// Adds the headers of `block` whose names `keep` wants.
pub(super) fn add_from(out: &mut Vec<u8>, block: &[u8], keep: impl Fn(&[u8]) -> bool) {
    for (name, value) in header_lines(block) {
        if keep(name) {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Ends the block.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Whether a block has no header.
pub(super) fn is_bare(block: &[u8]) -> bool {
    block == FIRST_LINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_copied_without_what_is_not_wanted() {
        let block = b"NATS/1.0\r\nA: 1\r\nNats-TTL: 2\r\nB:3\r\n\r\n";
        let mut out = Vec::new();
        begin(&mut out);
        add_from(&mut out, block, |name| !name.starts_with(b"Nats-"));
        add(&mut out, "C", b"x");
        add_display(&mut out, "D", 7);
        end(&mut out);
        assert_eq!(out, b"NATS/1.0\r\nA: 1\r\nB: 3\r\nC: x\r\nD: 7\r\n\r\n");
        begin(&mut out);
        assert!(is_bare(&out));
        begin_status(&mut out, "204 EOB");
        assert_eq!(out, b"NATS/1.0 204 EOB\r\n");
    }
}
