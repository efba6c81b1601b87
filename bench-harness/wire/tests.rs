//! The frame counter against every split of a stream, and against bytes that are no NATS.

use super::*;

#[derive(Default, Debug, PartialEq, Eq, Clone)]
struct Seen(Vec<String>);

impl Frames for Seen {
    fn frame(&mut self, frame: Frame<'_>) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.0.push(format!("{}|{}|{}", text(frame.subject), text(frame.reply), text(frame.body)));
    }

    fn control(&mut self, control: Control<'_>) {
        self.0.push(format!("{control:?}"));
    }
}

const STREAM: &[u8] = b"INFO {\"a\":1}\r\nMSG a 1 2\r\nhi\r\nMSG a 1 2\r\nho\r\nPING\r\n\
    MSG a 1 3\r\nabc\r\nMSG b.c 2 _INBOX.x 0\r\n\r\nHMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n\
    MSG a 1 12\r\nMSG a 1 2\r\nx\r\n-ERR 'Stale Connection'\r\nPONG\r\n+OK\r\n";

fn whole() -> Vec<String> {
    let error = Control::Error(b"Stale Connection");
    vec![
        "Other".to_string(),
        "a||hi".to_string(),
        "a||ho".to_string(),
        "Ping".to_string(),
        "a||abc".to_string(),
        "b.c|_INBOX.x|".to_string(),
        "a||NATS/1.0\r\n\r\nhi".to_string(),
        "a||MSG a 1 2\r\nx".to_string(),
        format!("{error:?}"),
        "Pong".to_string(),
        "Other".to_string(),
    ]
}

/// Feeds pieces the way `Inbox` does: what was not taken stands before the next piece.
fn fed(pieces: &[&[u8]]) -> Vec<String> {
    let mut scanner = FrameScanner::default();
    let mut seen = Seen::default();
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        let taken = scanner.scan(&kept, &mut seen).expect("valid stream");
        kept.drain(..taken);
    }
    assert!(kept.is_empty(), "everything was whole at the end");
    seen.0
}

#[test]
fn every_split_in_three_finds_the_same_frames() {
    for first in 0..=STREAM.len() {
        for second in first..=STREAM.len() {
            let pieces = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
            assert_eq!(fed(&pieces), whole(), "split at {first} and {second}");
        }
    }
}

#[test]
fn one_byte_at_a_time() {
    let pieces: Vec<&[u8]> = STREAM.chunks(1).collect();
    assert_eq!(fed(&pieces), whole());
}

#[test]
fn a_header_that_begins_like_the_template_is_another_header() {
    // `MSG a 1 1` is a prefix of `MSG a 1 12`: the CRLF in the template keeps them apart.
    let stream = b"MSG a 1 1\r\nx\r\nMSG a 1 12\r\n123456789012\r\nMSG a 1 1\r\ny\r\n";
    assert_eq!(fed(&[stream]), ["a||x", "a||123456789012", "a||y"]);
}

#[test]
fn bytes_that_are_no_nats_are_refused() {
    let scan = |bytes: &[u8]| FrameScanner::default().scan(bytes, &mut Seen::default());
    assert!(matches!(scan(b"HTTP/1.1 200 OK\r\n"), Err(WireError::Verb(_))));
    assert!(matches!(scan(b"MSG a 1 x\r\n"), Err(WireError::Header(_))));
    assert!(matches!(scan(b"HMSG \r\n"), Err(WireError::Header(_))));
    assert!(matches!(scan(b"MSG a 1 18446744073709551615\r\n"), Err(WireError::Header(_))));
    assert!(matches!(scan(b"MSG a\r\n"), Err(WireError::Header(_))));
    assert!(matches!(scan(b"MSG a b c d e f g 1\r\n"), Err(WireError::Header(_))));
    assert!(matches!(scan(b"MSG a 1 99999999999999999999999\r\n"), Err(WireError::Header(_))));
    assert_eq!(scan(b"MSG a 1 2\r\nhixx"), Err(WireError::Tail(2)));
    assert_eq!(scan(&vec![b'x'; LINE_BYTES_MAX + 1]), Err(WireError::Endless));
}
