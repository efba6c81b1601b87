//! Deliveries, byte for byte.

use super::*;
use crate::headers;
use crate::publish::{MessageParts, canonical};

fn delivered(parts: MessageParts<'_>, receiver: HeaderSupport) -> String {
    let mut wire = Vec::new();
    let publish = canonical(parts, &mut wire);
    let delivery = Delivery::new(&publish, b"77", receiver);
    let mut appended = Vec::new();
    delivery.append_to(&mut appended);
    assert_eq!(appended.len(), delivery.len());
    let mut written = vec![b'?'; delivery.len() + 3];
    assert_eq!(delivery.write_to(&mut written), delivery.len());
    assert_eq!(written[..delivery.len()], appended[..]);
    let start = delivery.write_start(&mut written);
    assert_eq!(start + delivery.rest().len(), delivery.len());
    String::from_utf8(appended).unwrap()
}

const PLAIN: MessageParts<'_> =
    MessageParts { subject: b"a.b", reply: None, headers: None, payload: b"hi" };
const RICH: MessageParts<'_> = MessageParts {
    subject: b"a.b",
    reply: Some(b"re"),
    headers: Some(b"NATS/1.0\r\n\r\n"),
    payload: b"hi",
};

#[test]
fn a_message_becomes_msg_or_hmsg() {
    use HeaderSupport::{Supported, Unsupported};
    let replying = MessageParts { reply: Some(b"re"), ..PLAIN };
    for receiver in [Supported, Unsupported] {
        assert_eq!(delivered(PLAIN, receiver), "MSG a.b 77 2\r\nhi\r\n");
        assert_eq!(delivered(replying, receiver), "MSG a.b 77 re 2\r\nhi\r\n");
    }
    let hmsg = "HMSG a.b 77 re 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
    assert_eq!(delivered(RICH, Supported), hmsg);
    assert_eq!(delivered(RICH, Unsupported), "MSG a.b 77 re 2\r\nhi\r\n");
    let no_reply = MessageParts { reply: None, payload: b"", ..RICH };
    assert_eq!(delivered(no_reply, Unsupported), "MSG a.b 77 0\r\n\r\n");
}

#[test]
fn the_no_responders_message_is_an_hmsg_without_payload() {
    let mut block = Vec::new();
    headers::write_no_responders(b"nobody", &mut block);
    let parts = MessageParts { subject: b"in.1", reply: None, headers: Some(&block), payload: b"" };
    let expected = "HMSG in.1 77 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n";
    assert_eq!(delivered(parts, HeaderSupport::Supported), expected);
}

/// `cargo test --release -p corewire-protocol -- --ignored --nocapture delivery_speed`
#[test]
#[ignore = "a measurement, for release builds"]
fn delivery_speed() {
    use std::hint::black_box;
    let mut wire = Vec::new();
    let publish = canonical(MessageParts { payload: &[b'x'; 16], ..PLAIN }, &mut wire);
    let mut chunk = vec![0; 64 * 1024];
    let mut best = f64::MAX;
    for _ in 0..2000 {
        let start = std::time::Instant::now();
        let (mut at, mut count) = (0, 0);
        loop {
            let delivery =
                Delivery::new(black_box(&publish), black_box(b"1"), HeaderSupport::Supported);
            if at + delivery.len() > chunk.len() {
                break;
            }
            at += delivery.write_to(&mut chunk[at..]);
            count += 1;
        }
        black_box(&chunk);
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(count));
    }
    println!("MSG a.b 1 16       {best:5.1} ns");
}
