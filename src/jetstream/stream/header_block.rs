//! Header blocks made from others: some headers left out, some added.
//!
//! Used where the stream itself makes a message: republish, sources, schedules, counters, direct
//! gets, markers. Blocks are written into a buffer that the caller keeps.

use base::decimal;

use super::publication::header_lines;
use crate::WireTime;

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

/// Adds a header whose value is a number.
pub(super) fn add_number(out: &mut Vec<u8>, name: &str, value: u64) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    decimal::push(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Adds a header whose value is a time, Unix nanoseconds.
pub(super) fn add_time(out: &mut Vec<u8>, name: &str, wall_ns: u64) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    WireTime::from_wall_ns(wall_ns).write(out);
    out.extend_from_slice(b"\r\n");
}

/// Adds all headers of `block`.
pub(super) fn add_all(out: &mut Vec<u8>, block: &[u8]) {
    let lines = block.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_suffix(b"\r\n"));
    match lines {
        Some(lines) => out.extend_from_slice(lines),
        // A first line of another form, or no end.
        None => add_from(out, block, |_| true),
    }
}

/// Adds a header whose value is a text made for it.
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
        add_display(&mut out, "D", 'y');
        add_number(&mut out, "E", 7);
        add_time(&mut out, "F", 1_500_000_000);
        end(&mut out);
        let times = "E: 7\r\nF: 1970-01-01T00:00:01.5Z\r\n\r\n";
        let expected = format!("NATS/1.0\r\nA: 1\r\nB: 3\r\nC: x\r\nD: y\r\n{times}");
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        for block in [&block[..], b"NATS/1.0 \r\nA: 1\r\nNats-TTL: 2\r\nB:3\r\n\r\n"] {
            begin(&mut out);
            add_all(&mut out, block);
            end(&mut out);
            let values: Vec<_> = header_lines(&out).collect();
            assert_eq!(values, header_lines(block).collect::<Vec<_>>());
        }
        begin(&mut out);
        assert!(is_bare(&out));
        begin_status(&mut out, "204 EOB");
        assert_eq!(out, b"NATS/1.0 204 EOB\r\n");
    }
}
