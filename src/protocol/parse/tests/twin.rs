//! A parser without any care for speed: whole lines, split and compared. Written from the rules
//! of spec/client-protocol.md §1, not from the parser that it checks.

use crate::parse::ParseLimits;

const VERBS: [&str; 10] =
    ["CONNECT", "INFO", "PING", "PONG", "+OK", "-ERR", "PUB", "HPUB", "SUB", "UNSUB"];

/// Every operation of a stream, then its violation if it has one, in the tests' words.
pub(super) fn parse_all(stream: &[u8], limits: &ParseLimits) -> Vec<String> {
    let mut seen = Vec::new();
    let mut rest = stream;
    loop {
        match parse_one(rest, limits) {
            Step::Op(words, len) => {
                seen.push(words);
                rest = &rest[len..];
            }
            Step::Wait => return seen,
            Step::Wrong(violation) => {
                seen.push(violation);
                return seen;
            }
        }
    }
}

enum Step {
    Op(String, usize),
    Wait,
    Wrong(String),
}

fn wrong(violation: &str) -> Step {
    Step::Wrong(violation.to_owned())
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn parse_one(rest: &[u8], limits: &ParseLimits) -> Step {
    let upper = rest.to_ascii_uppercase();
    let Some(verb) = VERBS.iter().find(|verb| upper.starts_with(verb.as_bytes())) else {
        let starts = VERBS.iter().any(|verb| verb.as_bytes().starts_with(&upper));
        return if starts { Step::Wait } else { wrong("UnknownOperation") };
    };
    let line = rest.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
    let after = &line[verb.len()..];
    let args = match *verb {
        "PING" | "PONG" | "+OK" => after,
        _ => {
            let mut args = after;
            while let [b' ' | b'\t', more @ ..] = args {
                args = more;
            }
            let blanks = after.len() - args.len();
            if blanks > limits.control_line_max {
                return wrong("ControlLineTooLong");
            }
            if args.is_empty() {
                return Step::Wait;
            }
            if blanks == 0 && !matches!(*verb, "CONNECT" | "INFO") {
                return wrong("UnknownOperation");
            }
            args
        }
    };
    let whole = args.ends_with(b"\n");
    let args = args.strip_suffix(b"\n").unwrap_or(args);
    let args = args.strip_suffix(b"\r").unwrap_or(args);
    if args.len() > limits.control_line_max {
        return wrong("ControlLineTooLong");
    }
    if !whole {
        return Step::Wait;
    }
    let words = match *verb {
        "PING" => "PING".to_owned(),
        "PONG" => "PONG".to_owned(),
        "+OK" => "OK".to_owned(),
        "-ERR" => format!("ERR<{}>", text(args)),
        "CONNECT" => format!("CONNECT<{}>", text(args)),
        "INFO" => format!("INFO<{}>", text(args)),
        "SUB" => match tokens(args, b" \t\r")[..] {
            [subject, sid] => format!("SUB<{}> None <{}>", text(subject), text(sid)),
            [subject, queue, sid] => {
                let queue = Some(text(queue));
                format!("SUB<{}> {queue:?} <{}>", text(subject), text(sid))
            }
            _ => return wrong("BadArguments(SubArguments)"),
        },
        "UNSUB" => match tokens(args, b" \t\r")[..] {
            [sid] => format!("UNSUB<{}> None", text(sid)),
            [sid, max] => {
                let max = size(max).filter(|&max| max != 0);
                format!("UNSUB<{}> {max:?}", text(sid))
            }
            _ => return wrong("BadArguments(UnsubArguments)"),
        },
        _ => return publish(rest, line, args, limits),
    };
    Step::Op(words, line.len())
}

fn publish(rest: &[u8], line: &[u8], args: &[u8], limits: &ParseLimits) -> Step {
    let with_headers = rest[0].eq_ignore_ascii_case(&b'H');
    if with_headers && !limits.headers {
        return wrong("HeadersNotSupported");
    }
    let (subject, reply, header_size, total_size) = match (with_headers, &tokens(args, b" \t")[..])
    {
        (false, &[subject, total]) => (subject, None, None, total),
        (false, &[subject, reply, total]) => (subject, Some(reply), None, total),
        (true, &[subject, headers, total]) => (subject, None, Some(headers), total),
        (true, &[subject, reply, headers, total]) => (subject, Some(reply), Some(headers), total),
        (false, _) => return wrong("BadArguments(PubArguments)"),
        (true, _) => return wrong("BadArguments(HpubArguments)"),
    };
    let header_len = match header_size.map(size) {
        Some(None) => return wrong("BadArguments(HpubHeaderSize)"),
        Some(Some(len)) => len,
        None => 0,
    };
    let Some(total) = size(total_size) else {
        let fault = if with_headers { "HpubTotalSize" } else { "PubSize" };
        return Step::Wrong(format!("BadArguments({fault})"));
    };
    if header_len > total {
        return wrong("BadArguments(HpubHeadersOverTotal)");
    }
    if total > limits.payload_max {
        let max = limits.payload_max;
        return Step::Wrong(format!("PayloadTooLarge {{ size: {total}, max: {max} }}"));
    }
    let body = &rest[line.len()..];
    let total = total as usize;
    if body.len() < total + 2 {
        let wrong_end = matches!(body.get(total), Some(byte) if *byte != b'\r');
        return if wrong_end { wrong("PayloadNotTerminated") } else { Step::Wait };
    }
    if &body[total..total + 2] != b"\r\n" {
        return wrong("PayloadNotTerminated");
    }
    let (headers, payload) = body[..total].split_at(header_len as usize);
    let headers = (!headers.is_empty()).then(|| text(headers));
    let mut usual = if with_headers { b"HPUB ".to_vec() } else { b"PUB ".to_vec() };
    for token in [Some(subject), reply].into_iter().flatten() {
        usual.extend_from_slice(token);
        usual.push(b' ');
    }
    if with_headers {
        usual.extend_from_slice(format!("{header_len} ").as_bytes());
    }
    usual.extend_from_slice(format!("{total}\r\n").as_bytes());
    let canonical = usual == line && !(with_headers && header_len == 0);
    let words = format!(
        "PUB<{}> {:?} {headers:?} <{}> {}",
        text(subject),
        reply.map(text),
        text(payload),
        if canonical { "canonical" } else { "unusual" },
    );
    Step::Op(words, line.len() + total + 2)
}

fn tokens<'a>(args: &'a [u8], separators: &[u8]) -> Vec<&'a [u8]> {
    args.split(|byte| separators.contains(byte)).filter(|token| !token.is_empty()).collect()
}

fn size(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = digits.len() <= 9 && digits.chars().all(|digit| digit.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
