//! Views of a publish, its canonical form and its way to another core.

use super::*;
use crate::parse::{Op, ParseLimits, Parsed, parse};

fn publish(wire: &[u8]) -> Publish<'_> {
    let limits = ParseLimits { headers: true, ..ParseLimits::default() };
    match parse(wire, &limits) {
        Ok(Parsed::Op { op: Op::Publish(publish), len }) if len == wire.len() => publish,
        other => panic!("{other:?}"),
    }
}

#[test]
fn views_of_a_message_with_everything() {
    let message = publish(b"HPUB a.b re.ply 12 15\r\nNATS/1.0\r\n\r\nabc\r\n");
    assert_eq!(message.subject(), b"a.b");
    assert_eq!(message.reply(), Some(&b"re.ply"[..]));
    assert_eq!(message.headers(), Some(&b"NATS/1.0\r\n\r\n"[..]));
    assert_eq!(message.payload(), b"abc");
    assert_eq!(message.total_len(), 15);
    assert_eq!(message.head(), b"HPUB a.b");
    assert_eq!(message.tail(), b" re.ply 12 15\r\nNATS/1.0\r\n\r\nabc\r\n");
    assert_eq!(message.control_line(), b"HPUB a.b re.ply 12 15");
}

#[test]
fn layout_brings_it_back_on_another_core() {
    for wire in [
        &b"PUB foo 2\r\nhi\r\n"[..],
        b"PUB foo bar 0\r\n\r\n",
        b"HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n",
        b"HPUB foo bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    ] {
        let here = publish(wire);
        let bytes = wire.to_vec();
        let there = Publish::from_layout(&bytes, here.layout());
        assert_eq!(there, here);
        assert_eq!(there.parts(), here.parts());
    }
}

#[test]
fn unusual_spellings_are_rewritten() {
    let cases: &[(&[u8], &[u8])] = &[
        (b"pub\tfoo  bar 002\nhi\r\n", b"PUB foo bar 2\r\nhi\r\n"),
        (b"HPUB foo 0 2\r\nhi\r\n", b"PUB foo 2\r\nhi\r\n"),
        (b"hpub foo 2 4\r\nhhpp\r\n", b"HPUB foo 2 4\r\nhhpp\r\n"),
    ];
    for (unusual, usual) in cases {
        let unusual = publish(unusual);
        assert!(!unusual.is_canonical());
        let mut bytes = b"left over".to_vec();
        let rewritten = canonical(unusual.parts(), &mut bytes);
        assert_eq!(rewritten.wire(), *usual);
        assert_eq!(rewritten.parts(), unusual.parts());
        assert_eq!(rewritten, publish(usual));
    }
}
