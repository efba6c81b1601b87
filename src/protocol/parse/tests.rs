//! The parser against tables taken from nats-server 2.9.10, and against a naive twin.

use super::*;
use crate::violation::ArgumentFault;
use proptest::prelude::*;

mod twin;

const LIMITS: ParseLimits =
    ParseLimits { control_line_max: 4096, payload_max: 1024 * 1024, headers: true };
const NO_HEADERS: ParseLimits = ParseLimits { headers: false, ..LIMITS };

/// One operation in words, so that borrowed and expected ones compare.
fn describe(op: &Op<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match op {
        Op::Connect(json) => format!("CONNECT<{}>", text(json)),
        Op::Info(json) => format!("INFO<{}>", text(json)),
        Op::Ping => "PING".into(),
        Op::Pong => "PONG".into(),
        Op::Ok => "OK".into(),
        Op::Err(what) => format!("ERR<{}>", text(what)),
        Op::Subscribe { subject, queue, sid } => {
            format!("SUB<{}> {:?} <{}>", text(subject), queue.map(text), text(sid))
        }
        Op::Unsubscribe { sid, max } => format!("UNSUB<{}> {max:?}", text(sid)),
        Op::Publish(publish) => format!(
            "PUB<{}> {:?} {:?} <{}> {}",
            text(publish.subject()),
            publish.reply().map(text),
            publish.headers().map(text),
            text(publish.payload()),
            if publish.is_canonical() { "canonical" } else { "unusual" },
        ),
    }
}

/// Parses a whole stream that arrives in the given pieces: every operation, then what ended it.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &ParseLimits) -> Vec<String> {
    let mut seen = Vec::new();
    let mut buffer = Vec::new();
    let mut need = 1;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while buffer.len() >= need {
            match parse(&buffer, limits) {
                Ok(Parsed::Op { op, len }) => {
                    assert!(0 < len && len <= buffer.len());
                    seen.push(describe(&op));
                    buffer.drain(..len);
                    need = 1;
                }
                Ok(Parsed::Incomplete { need: more, message_end }) => {
                    assert!(more > buffer.len() && message_end.is_none_or(|end| end >= more));
                    need = more;
                }
                Err(violation) => {
                    seen.push(format!("{violation:?}"));
                    return seen;
                }
            }
        }
    }
    seen
}

fn whole(input: &[u8], limits: &ParseLimits) -> Vec<String> {
    feed([input], limits)
}

#[test]
fn every_verb_in_every_form() {
    let forms: &[(&str, &str)] = &[
        ("PING\r\n", "PING"),
        ("ping\n", "PING"),
        ("PiNgxyz foo\r\n", "PING"),
        ("PING\rx\n", "PING"),
        ("PONG\r\n", "PONG"),
        ("pOnG \n", "PONG"),
        ("+OK\r\n", "OK"),
        ("+ok blah\n", "OK"),
        ("-ERR 'foo'\r\n", "ERR<\\'foo\\'>"),
        ("-err\tfoo\n", "ERR<foo>"),
        ("-ERR \r\n", "ERR<>"),
        ("CONNECT {}\r\n", "CONNECT<{}>"),
        ("CONNECT{}\n", "CONNECT<{}>"),
        ("connect \t {} \r\n", "CONNECT<{} >"),
        ("CONNECT\r\n", "CONNECT<>"),
        ("INFO {}\r\n", "INFO<{}>"),
        ("info{}\r\n", "INFO<{}>"),
        ("SUB foo 1\r\n", "SUB<foo> None <1>"),
        ("sUb\tfoo\t\t1\n", "SUB<foo> None <1>"),
        ("SUB  foo  q \t sid-x  \r\n", "SUB<foo> Some(\"q\") <sid-x>"),
        ("SUB foo\r1\r\n", "SUB<foo> None <1>"),
        ("UNSUB 1\r\n", "UNSUB<1> None"),
        ("unsub 1 \n", "UNSUB<1> None"),
        ("UNSUB 1 5\r\n", "UNSUB<1> Some(5)"),
        ("UNSUB 1 999999999\r\n", "UNSUB<1> Some(999999999)"),
        ("UNSUB 1 0\r\n", "UNSUB<1> None"),
        ("UNSUB 1 abc\r\n", "UNSUB<1> None"),
        ("UNSUB 1 -5\r\n", "UNSUB<1> None"),
        ("UNSUB 1 1234567890\r\n", "UNSUB<1> None"),
        ("PUB foo 2\r\nhi\r\n", "PUB<foo> None None <hi> canonical"),
        ("PUB foo 0\r\n\r\n", "PUB<foo> None None <> canonical"),
        ("PUB foo bar 2\r\nhi\r\n", "PUB<foo> Some(\"bar\") None <hi> canonical"),
        ("PUB foo 12 2\r\nhi\r\n", "PUB<foo> Some(\"12\") None <hi> canonical"),
        ("PUB foo 12x 2\r\nhi\r\n", "PUB<foo> Some(\"12x\") None <hi> canonical"),
        ("PUB 5 2\r\nhi\r\n", "PUB<5> None None <hi> canonical"),
        ("PUB a\x01\x0b\x00b 2\r\n\r\n\r\n", "PUB<a\\x01\\x0b\\x00b> None None <\\r\\n> canonical"),
        ("PUB fo\ro 2\r\nhi\r\n", "PUB<fo\\ro> None None <hi> canonical"),
        ("pub foo 2\r\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("PUB  foo 2\r\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("PUB\tfoo 2\r\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("PUB foo\t2\r\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("PUB foo bar  2\r\nhi\r\n", "PUB<foo> Some(\"bar\") None <hi> unusual"),
        ("PUB foo 2 \r\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("PUB foo 2\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("PUB foo 00\r\n\r\n", "PUB<foo> None None <> unusual"),
        ("PUB foo 000000002\r\nhi\r\n", "PUB<foo> None None <hi> unusual"),
        ("HPUB foo 2 4\r\nhhpp\r\n", "PUB<foo> None Some(\"hh\") <pp> canonical"),
        ("HPUB foo 4 4\r\nhhhh\r\n", "PUB<foo> None Some(\"hhhh\") <> canonical"),
        ("HPUB foo bar 2 4\r\nhhpp\r\n", "PUB<foo> Some(\"bar\") Some(\"hh\") <pp> canonical"),
        ("HPUB foo 7 2 4\r\nhhpp\r\n", "PUB<foo> Some(\"7\") Some(\"hh\") <pp> canonical"),
        ("HPUB foo 0 2\r\npp\r\n", "PUB<foo> None None <pp> unusual"),
        ("hpub foo 2 4\r\nhhpp\r\n", "PUB<foo> None Some(\"hh\") <pp> unusual"),
        ("HPUB foo 02 4\r\nhhpp\r\n", "PUB<foo> None Some(\"hh\") <pp> unusual"),
    ];
    for (input, expected) in forms {
        assert_eq!(whole(input.as_bytes(), &LIMITS), [*expected], "{input:?}");
    }
}

#[test]
fn every_violation() {
    use ArgumentFault as Fault;
    let bad = Violation::BadArguments;
    let unknown = Violation::UnknownOperation;
    let cases: &[(&str, Violation)] = &[
        ("X", unknown),
        ("R", unknown),
        ("L", unknown),
        ("A", unknown),
        ("M", unknown),
        ("\r", unknown),
        (" PING\r\n", unknown),
        ("PX", unknown),
        ("PUX", unknown),
        ("PUBf", unknown),
        ("PUB\r", unknown),
        ("HX", unknown),
        ("HPUBx", unknown),
        ("SUB\n", unknown),
        ("SUBx", unknown),
        ("UNSUBx", unknown),
        ("CONNx", unknown),
        ("INx", unknown),
        ("+x", unknown),
        ("-ERR\r", unknown),
        ("-ERRx", unknown),
        ("PUB foo\r\n", bad(Fault::PubArguments)),
        ("PUB \n", bad(Fault::PubArguments)),
        ("PUB a b c 3\r\n", bad(Fault::PubArguments)),
        ("PUB a b c d 3\r\n", bad(Fault::PubArguments)),
        ("PUB foo x\r\n", bad(Fault::PubSize)),
        ("PUB foo -1\r\n", bad(Fault::PubSize)),
        ("PUB foo +1\r\n", bad(Fault::PubSize)),
        ("PUB foo 2\r\r\n", bad(Fault::PubSize)),
        ("PUB foo 1234567890\r\n", bad(Fault::PubSize)),
        ("PUB foo 0000000005\r\n", bad(Fault::PubSize)),
        ("HPUB foo\r\n", bad(Fault::HpubArguments)),
        ("HPUB foo 5\r\n", bad(Fault::HpubArguments)),
        ("HPUB a b c d e\r\n", bad(Fault::HpubArguments)),
        ("HPUB foo x 4\r\n", bad(Fault::HpubHeaderSize)),
        ("HPUB foo 0000000001 2\r\n", bad(Fault::HpubHeaderSize)),
        ("HPUB foo 3000000 x\r\n", bad(Fault::HpubTotalSize)),
        ("HPUB foo 5 4\r\n", bad(Fault::HpubHeadersOverTotal)),
        ("HPUB foo 3000000 2000000\r\n", bad(Fault::HpubHeadersOverTotal)),
        ("SUB a\r\n", bad(Fault::SubArguments)),
        ("SUB \r\n", bad(Fault::SubArguments)),
        ("SUB a b c d\r\n", bad(Fault::SubArguments)),
        ("UNSUB \r\n", bad(Fault::UnsubArguments)),
        ("UNSUB 1 2 3\r\n", bad(Fault::UnsubArguments)),
        ("PUB foo 2\r\nhiX", Violation::PayloadNotTerminated),
        ("PUB foo 2\r\nhi\n", Violation::PayloadNotTerminated),
        ("PUB foo 2\r\nhi\rX", Violation::PayloadNotTerminated),
    ];
    for (input, expected) in cases {
        assert_eq!(parse(input.as_bytes(), &LIMITS), Err(*expected), "{input:?}");
    }
}

/// The answer to a whole control line without its payload, which ends at `body_end`.
fn waiting(body_end: usize) -> Result<Parsed<'static>, Violation> {
    Ok(Parsed::Incomplete { need: body_end + 1, message_end: Some(body_end + 2) })
}

#[test]
fn a_payload_over_the_limit_is_refused_on_the_control_line() {
    let too_large = |size| Err(Violation::PayloadTooLarge { size, max: 1_048_576 });
    assert_eq!(parse(b"PUB foo 1048577\r\n", &LIMITS), too_large(1_048_577));
    assert_eq!(parse(b"PUB foo 999999999\r\n", &LIMITS), too_large(999_999_999));
    assert_eq!(parse(b"HPUB foo 12 2000000\r\n", &LIMITS), too_large(2_000_000));
    let at_limit = parse(b"PUB foo 1048576\r\n", &LIMITS);
    assert_eq!(at_limit, waiting(17 + 1_048_576));
    let unlimited = ParseLimits { payload_max: u64::MAX, ..LIMITS };
    let huge = parse(b"PUB foo 999999999\r\n", &unlimited);
    assert_eq!(huge, waiting(19 + 999_999_999));
}

#[test]
fn hpub_without_negotiated_headers_fails_at_the_end_of_its_line() {
    for line in ["HPUB foo 0 0\r\n", "hpub foo\n", "HPUB foo 1 9999999\r\n"] {
        let violation = Err(Violation::HeadersNotSupported);
        assert_eq!(parse(line.as_bytes(), &NO_HEADERS), violation, "{line:?}");
    }
    let open = parse(b"HPUB foo 9 99999999", &NO_HEADERS);
    assert_eq!(open, Ok(Parsed::Incomplete { need: 20, message_end: None }));
}

#[test]
fn the_control_line_limit_counts_arguments_without_the_line_end() {
    let too_long = Err(Violation::ControlLineTooLong);
    for (verb, args_max) in [("SUB ", 4096), ("PUB ", 4096), ("CONNECT ", 4096), ("PING", 4096)] {
        let line = |args: usize, end: &str| {
            let token = "s".repeat(args - 2);
            format!("{verb}{token} 1{end}").into_bytes()
        };
        for end in ["\r\n", "\n"] {
            assert!(parse(&line(args_max, end), &LIMITS).is_ok(), "{verb}{end:?}");
            assert_eq!(parse(&line(args_max + 1, end), &LIMITS), too_long, "{verb}{end:?}");
        }
        // A CR may yet turn out to be the line's end; one byte more may not.
        for open in [line(args_max, ""), line(args_max, "\r")] {
            let need = open.len() + 1;
            assert_eq!(
                parse(&open, &LIMITS),
                Ok(Parsed::Incomplete { need, message_end: None }),
                "{verb}"
            );
        }
        assert_eq!(parse(&line(args_max + 1, ""), &LIMITS), too_long, "{verb}");
        assert_eq!(parse(&line(args_max, "\rx"), &LIMITS), too_long, "{verb}");
    }
}

#[test]
fn blanks_before_the_arguments_do_not_count_but_are_bounded() {
    let line = |blanks: usize| format!("SUB{}{} 1\r\n", " ".repeat(blanks), "s".repeat(4000));
    assert!(parse(line(4096).as_bytes(), &LIMITS).is_ok());
    let too_long = Err(Violation::ControlLineTooLong);
    assert_eq!(parse(line(4097).as_bytes(), &LIMITS), too_long);
    let open = format!("CONNECT{}", "\t".repeat(4097));
    assert_eq!(parse(open.as_bytes(), &LIMITS), too_long);
}

#[test]
fn incomplete_input_asks_for_what_can_make_progress() {
    let cases: &[(&str, usize, Option<usize>)] = &[
        ("", 1, None),
        ("P", 2, None),
        ("PU", 3, None),
        ("PUB", 4, None),
        ("PUB foo 16", 11, None),
        ("PUB foo 16\r", 12, None),
        ("PUB foo 16\r\n", 29, Some(30)),
        ("PUB foo 16\r\n0123456789abcde", 29, Some(30)),
        ("PUB foo 16\r\n0123456789abcdef", 29, Some(30)),
        ("PUB foo 16\r\n0123456789abcdef\r", 30, Some(30)),
        ("pub foo 16\n", 28, Some(29)),
        ("HPUB foo 2 4\r\n", 19, Some(20)),
        ("PING\r", 6, None),
    ];
    for &(input, need, message_end) in cases {
        let expected = Ok(Parsed::Incomplete { need, message_end });
        assert_eq!(parse(input.as_bytes(), &LIMITS), expected, "{input:?}");
    }
}

/// Limits that short streams reach.
const TIGHT: ParseLimits = ParseLimits { control_line_max: 12, payload_max: 10, headers: true };

/// A publish that is usual in most respects and unusual or wrong in some.
fn publishes() -> impl Strategy<Value = Vec<u8>> {
    let pick = |from: &[&'static str]| prop::sample::select(from.to_vec());
    let verbs = pick(&["PUB", "PUB", "HPUB", "HPUB", "pub", "hPuB"]);
    let blank = pick(&[" ", " ", " ", " ", " ", " ", "  ", "\t"]);
    let blanks = prop::array::uniform4(blank);
    let tokens = prop::collection::vec(pick(&["a", "a.b", "7", "12x", "\x01", "s\rs"]), 0..4);
    let size = |sizes: std::ops::Range<usize>| {
        let zeros = pick(&["", "", "", "", "", "0", "00000000"]);
        (sizes, zeros).prop_map(|(size, zeros)| (size, format!("{zeros}{size}")))
    };
    let line_ends = pick(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", " \r\n", "\r\r\n", "\r"]);
    let ends = pick(&["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\rx", "", "\r"]);
    let sizes = (size(0..5), size(0..13));
    (verbs, blanks, tokens, sizes, line_ends, ends).prop_map(
        |(verb, blanks, tokens, ((_, headers), (len, total)), line_end, end)| {
            let mut words = vec![verb.to_owned()];
            words.extend(tokens.iter().take(2).map(|&token| token.to_owned()));
            if verb.len() == 4 && tokens.len() < 3 {
                words.push(headers);
            }
            words.push(total);
            let mut text = String::new();
            for (word, blank) in words.iter().zip(blanks.iter().cycle()) {
                text.push_str(word);
                text.push_str(blank);
            }
            let line = text.trim_end_matches([' ', '\t']);
            format!("{line}{line_end}{}{end}", &"0123456789ab"[..len]).into_bytes()
        },
    )
}

/// Streams of operations that are mostly right, with stray fragments and bytes between them.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let operations = prop::sample::select(vec![
        "PING\r\n",
        "pong x\n",
        "+OK\r\n",
        "-ERR 'x'\r\n",
        "CONNECT {}\r\n",
        "info{}\n",
        "SUB a 1\r\n",
        "sub a\tq  1 \n",
        "SUB a\r1\r\n",
        "UNSUB 1\r\n",
        "UNSUB 1 5\r\n",
        "unsub 1 x\n",
        "UNSUB 1 2 3\r\n",
        "SUB a\r\n",
        "SUB a b c 1\r\n",
        "PUB a\r\n",
        "SUB 34567890 1\n",
        "SUB 345678901 1\r\n",
        "SUB 3456789012 1\r\n",
        "PING3456789012\r\n",
        "PING34567890123",
        "CONNECT             {}\r\n",
        "PUB a 999999999\r\n",
        "PUB a 1234567890\r\n",
        "PUB a 11\r\n",
        "HPUB a 1 11\r\n",
    ]);
    let fragments = prop::sample::select(vec![
        "PUB ", "HPUB ", "SUB ", "UNSUB ", "CONNECT", "INFO ", "PING", "+OK", "-ERR", "P", "\r\n",
        "\n", "\r", " ", "\t", "foo", "1",
    ]);
    let piece = prop_oneof![
        20 => publishes(),
        20 => operations.prop_map(|text| text.as_bytes().to_vec()),
        2 => fragments.prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// A stream cut into pieces at any places.
fn cut_streams() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    streams().prop_flat_map(|stream| {
        let len = stream.len();
        (Just(stream), prop::collection::vec(0..=len, 0..12))
    })
}

/// No files: a failing input is printed and becomes a row of a table above.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 8000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn agrees_with_the_naive_twin(stream in streams(), headers in any::<bool>()) {
        let limits = ParseLimits { headers, ..TIGHT };
        prop_assert_eq!(whole(&stream, &limits), twin::parse_all(&stream, &limits));
    }

    #[test]
    fn a_token_ends_at_the_first_byte_up_to_space(
        bytes in prop::collection::vec(prop_oneof![0x10..0x30u8, any::<u8>()], 0..40),
        from in 0..45usize,
    ) {
        let naive = (from..bytes.len()).find(|&at| bytes[at] <= b' ');
        prop_assert_eq!(token_end(&bytes, from), naive);
    }

    #[test]
    fn does_not_depend_on_where_reads_end((stream, mut cuts) in cut_streams()) {
        let expected = whole(&stream, &TIGHT);
        let bytes = stream.chunks(1);
        prop_assert_eq!(&feed(bytes, &TIGHT), &expected);
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        prop_assert_eq!(&feed(pieces, &TIGHT), &expected);
    }
}

/// `cargo test --release -p corewire-protocol -- --ignored --nocapture parse_speed`
#[test]
#[ignore = "a measurement, for release builds"]
fn parse_speed() {
    use std::hint::black_box;
    let cases: &[(&str, &str)] = &[
        ("PUB foo.bar 16", "PUB foo.bar 16\r\n0123456789abcdef\r\n"),
        ("PUB long subject", "PUB md.eq.xnas.level2.AAPL.book.7 16\r\n0123456789abcdef\r\n"),
        (
            "PUB with reply",
            "PUB foo.bar _INBOX.abcdefghijklmnopqrstuv.1 16\r\n0123456789abcdef\r\n",
        ),
        ("HPUB", "HPUB foo.bar 12 28\r\nNATS/1.0\r\n\r\n0123456789abcdef\r\n"),
        ("pub, unusual", "pub foo.bar 16\r\n0123456789abcdef\r\n"),
        ("SUB", "SUB foo.bar 1\r\n"),
        ("PING", "PING\r\n"),
    ];
    const OPS: usize = 500;
    for (name, op) in cases {
        let stream = op.repeat(OPS).into_bytes();
        let mut best = f64::MAX;
        for _ in 0..5000 {
            let start = std::time::Instant::now();
            let mut rest = black_box(&stream[..]);
            while !rest.is_empty() {
                match parse(rest, black_box(&LIMITS)) {
                    Ok(Parsed::Op { op, len }) => {
                        black_box(&op);
                        rest = &rest[len..];
                    }
                    other => panic!("{other:?}"),
                }
            }
            best = best.min(start.elapsed().as_nanos() as f64 / OPS as f64);
        }
        println!("{name:<18} {best:5.1} ns");
    }
}
