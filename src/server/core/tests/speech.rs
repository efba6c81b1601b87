//! What a server says, as a client hears it: bytes in, lines and messages out.

/// One thing that a client heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// INFO, its JSON.
    Info(String),
    /// MSG or HMSG.
    Message(Message),
    Ping,
    Pong,
    Ok,
    /// -ERR, what stands between the quotes.
    Error(String),
}

/// A message that a client got.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    pub subject: String,
    pub sid: String,
    pub reply: Option<String>,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Message {
    /// Whether this says that nobody listens.
    pub fn is_no_responders(&self) -> bool {
        self.headers.starts_with(b"NATS/1.0 503\r\n") && self.payload.is_empty()
    }

    /// The payload up to its first blank, as text.
    pub fn label(&self) -> &str {
        let end = self.payload.iter().position(|&byte| byte == b' ').unwrap_or(self.payload.len());
        std::str::from_utf8(&self.payload[..end]).expect("labels are text")
    }
}

/// The first whole thing at the front of `bytes`, if there is one, and its length.
pub fn hear(bytes: &[u8]) -> Option<(Heard, usize)> {
    let line_len = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8(bytes[..line_len].to_vec()).expect("control lines are text");
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let verb = words.next().expect("a line begins with a verb");
    let mut body_len = 0;
    let heard = match verb {
        "INFO" => Heard::Info(line["INFO ".len()..].trim_end().to_owned()),
        "PING" => Heard::Ping,
        "PONG" => Heard::Pong,
        "+OK" => Heard::Ok,
        "-ERR" => Heard::Error(line["-ERR '".len()..line.len() - 1].to_owned()),
        "MSG" | "HMSG" => {
            let mut words: Vec<&str> = words.collect();
            let mut size = || words.pop().expect("a size").parse::<usize>().expect("digits");
            let total_len = size();
            let headers_len = if verb == "HMSG" { size() } else { 0 };
            let start = line_len + 2;
            let body = bytes.get(start..start + total_len + 2)?;
            assert_eq!(&body[total_len..], b"\r\n", "a message ends in CRLF");
            body_len = total_len + 2;
            let [subject, sid, reply @ ..] = &words[..] else { panic!("too few words: {line}") };
            Heard::Message(Message {
                subject: (*subject).to_owned(),
                sid: (*sid).to_owned(),
                reply: reply.first().map(|reply| (*reply).to_owned()),
                headers: body[..headers_len].to_vec(),
                payload: body[headers_len..total_len].to_vec(),
            })
        }
        _ => panic!("not of the protocol: {line}"),
    };
    Some((heard, line_len + 2 + body_len))
}

#[test]
fn hears_whole_things_only() {
    let bytes = b"HMSG a 1 r 14 16\r\nNATS/1.0 503\r\nab\r\n-ERR 'x y'\r\n";
    assert_eq!(hear(&bytes[..35]), None);
    let Some((Heard::Message(message), 36)) = hear(bytes) else { panic!("a message") };
    assert_eq!((message.label(), message.reply.as_deref()), ("ab", Some("r")));
    assert_eq!(hear(&bytes[36..]), Some((Heard::Error("x y".into()), 12)));
    assert_eq!(hear(b"INFO {} \r\nPO"), Some((Heard::Info("{}".into()), 10)));
    assert_eq!(hear(b"PO"), None);
}
