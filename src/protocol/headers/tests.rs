//! Look-ups in good and in broken header blocks.

use super::*;

const BLOCK: &[u8] =
    b"NATS/1.0\r\nFoo: one\r\nfoo:\t two \r\nFoo: three\r\nBar:\r\nBroken\r\n\r\nBaz: late\r\n";

#[test]
fn the_first_exact_key_counts() {
    assert_eq!(get(BLOCK, b"Foo"), Some(&b"one"[..]));
    assert_eq!(get(BLOCK, b"foo"), Some(&b"two "[..]));
    assert_eq!(get(BLOCK, b"Bar"), Some(&b""[..]));
    for absent in [&b"FOO"[..], b"Fo", b"oo", b"Broken", b"Baz", b"NATS/1.0"] {
        assert_eq!(get(BLOCK, absent), None);
    }
}

#[test]
fn broken_blocks_hold_nothing() {
    for block in [&b""[..], b"\r\n", b"\n\n\n", b"NATS/1.0", b"NATS/1.0\r\nFoo: one"] {
        assert_eq!(get(block, b"Foo"), None);
        assert_eq!(status(block), None);
    }
    assert_eq!(status(b"HTTP/1.1 503\r\n\r\n"), None);
    assert_eq!(status(b"NATS/1.0  \r\n\r\n"), None);
}

#[test]
fn the_status_has_a_code_and_a_description() {
    assert_eq!(status(b"NATS/1.0 503\r\n\r\n"), Some((&b"503"[..], &b""[..])));
    let timeout = status(b"NATS/1.0 408 Request Timeout\r\n\r\n");
    assert_eq!(timeout, Some((&b"408"[..], &b"Request Timeout"[..])));
}

#[test]
fn the_no_responders_block_names_the_subject() {
    let mut block = b"stale".to_vec();
    write_no_responders(b"foo.bar", &mut block);
    assert_eq!(block, b"NATS/1.0 503\r\nNats-Subject: foo.bar\r\n\r\n");
    assert_eq!(block.len(), 32 + 7);
    assert_eq!(status(&block), Some((&b"503"[..], &b""[..])));
    assert_eq!(get(&block, b"Nats-Subject"), Some(&b"foo.bar"[..]));
}

#[test]
fn a_key_is_replaced_in_any_case_and_place() {
    let with = |block: &[u8], value: &[u8]| {
        let mut out = b"before".to_vec();
        replace(block, b"Nats-Request-Info", value, &mut out);
        String::from_utf8(out).expect("text")
    };
    let spoofed = b"NATS/1.0\r\nnats-request-info: {evil}\r\nA: b\r\nNats-Request-Info :x\r\n\r\n";
    assert_eq!(with(spoofed, b"{}"), "NATS/1.0\r\nA: b\r\nNats-Request-Info: {}\r\n\r\n");
    assert_eq!(with(spoofed, b""), "NATS/1.0\r\nA: b\r\n\r\n");
    assert_eq!(with(b"", b"{}"), "NATS/1.0\r\nNats-Request-Info: {}\r\n\r\n");
    assert_eq!(
        with(b"NATS/1.0 503\r\n\r\n", b"{}"),
        "NATS/1.0 503\r\nNats-Request-Info: {}\r\n\r\n"
    );
}
