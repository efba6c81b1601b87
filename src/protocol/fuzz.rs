//! Fuzz entries: each takes any bytes and asserts what must hold for them. Tests replay the
//! corpus in `corpus/` through them and feed them random bytes; a fuzzer can do so for longer.

use crate::connect::{self, Connect};
use crate::encode::{Delivery, HeaderSupport};
use crate::parse::{Op, ParseLimits, Parsed, parse};
use crate::proxy::{self, Found, Header};
use crate::publish::{Publish, canonical};
use crate::run::Run;
use crate::violation::Violation;

/// Small limits, so that short inputs reach them.
const LIMITS: ParseLimits = ParseLimits { control_line_max: 64, payload_max: 256, headers: true };

/// Parses the bytes as one connection's stream, whole and byte by byte, and checks every answer.
pub fn fuzz_parse(input: &[u8]) {
    let mut rest = input;
    loop {
        let whole = parse(rest, &LIMITS);
        check_prefixes(rest, &whole);
        match whole {
            Ok(Parsed::Op { op, len }) => {
                assert!(0 < len && len <= rest.len());
                if let Op::Publish(publish) = op {
                    check_publish(&publish);
                    check_run(publish, rest);
                }
                rest = &rest[len..];
            }
            Ok(Parsed::Incomplete { need, message_end }) => {
                assert!(need > rest.len() && message_end.is_none_or(|end| end >= need));
                return;
            }
            Err(_) => return,
        }
    }
}

/// However little of an operation has arrived, the answer must not contradict the later one.
fn check_prefixes(input: &[u8], whole: &Result<Parsed<'_>, Violation>) {
    let len = match whole {
        Ok(Parsed::Op { len, .. }) => *len,
        _ => input.len(),
    };
    for end in 0..len {
        match parse(&input[..end], &LIMITS) {
            Ok(Parsed::Incomplete { need, message_end }) => {
                assert!(need > end);
                if let Ok(Parsed::Op { .. }) = whole {
                    assert!(need <= len && message_end.is_none_or(|end| end == len));
                }
            }
            Ok(Parsed::Op { .. }) => panic!("a prefix of an operation is no operation"),
            Err(early) => assert_eq!(Err(early), *whole),
        }
    }
}

/// The messages of a run must be those that parsing finds.
fn check_run(first: Publish<'_>, bytes: &[u8]) {
    if !first.is_canonical() {
        return;
    }
    let run = Run::of(first, bytes, bytes.len());
    let mut rest = bytes;
    for message in run.messages() {
        let parsed = parse(rest, &LIMITS);
        assert_eq!(parsed, Ok(Parsed::Op { op: Op::Publish(message), len: message.wire().len() }));
        rest = &rest[message.wire().len()..];
    }
    assert_eq!(run.bytes().len(), bytes.len() - rest.len());
}

/// A publish must survive its canonical form, its layout and its delivery.
fn check_publish(publish: &Publish<'_>) {
    let mut bytes = Vec::new();
    let again = canonical(publish.parts(), &mut bytes);
    assert_eq!(again.parts(), publish.parts());
    assert_eq!(publish.is_canonical(), again.wire() == publish.wire());
    assert_eq!(Publish::from_layout(again.wire(), again.layout()), again);
    for receiver in [HeaderSupport::Supported, HeaderSupport::Unsupported] {
        let delivery = Delivery::new(&again, b"1", receiver);
        let mut appended = Vec::new();
        delivery.append_to(&mut appended);
        let mut written = vec![0; delivery.len()];
        assert_eq!(delivery.write_to(&mut written), appended.len());
        assert_eq!(written, appended);
    }
}

/// Decodes the bytes as the JSON of a CONNECT and redacts them.
pub fn fuzz_connect(input: &[u8]) {
    let defaults = Connect::default();
    let text = connect::redacted(input);
    if let Ok(connect) = Connect::decode_over(&defaults, input) {
        // Decoding the same again changes nothing.
        assert_eq!(Connect::decode_over(&connect, input), Ok(connect.clone()));
        // What may be logged decodes too, to the same but for the secrets.
        let logged = Connect::decode_over(&defaults, text.as_bytes());
        let logged = logged.expect("a redacted CONNECT is as valid as it was");
        assert_eq!(logged.user, connect.user);
        for (shown, secret) in [
            (&logged.pass, &connect.pass),
            (&logged.auth_token, &connect.auth_token),
            (&logged.sig, &connect.sig),
            (&logged.nkey, &connect.nkey),
            (&logged.proxy_sig, &connect.proxy_sig),
        ] {
            assert!(secret.is_empty() || shown == "[REDACTED]");
        }
    }
}

/// Looks for a PROXY header in the bytes, whole and as they would come byte by byte.
pub fn fuzz_proxy(input: &[u8]) {
    let whole = proxy::read(input);
    for end in 0..input.len() {
        match proxy::read(&input[..end]) {
            Ok(Found::Part) => assert!(end < 107, "a part is short"),
            Ok(Found::Absent) => assert_eq!(whole, Ok(Found::Absent)),
            Err(early) => assert_eq!(whole, Err(early)),
            // The same header, however much of what is skipped has come.
            Ok(Found::Header(Header { len, skip, source })) => {
                let Ok(Found::Header(later)) = whole else { panic!("a header stays one") };
                assert!(len <= end && (skip == 0 || len == end));
                assert_eq!((later.len + later.skip, later.source), (len + skip, source));
            }
        }
    }
}

#[cfg(test)]
mod tests;
