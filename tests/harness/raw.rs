//! A connection on which every byte sent and received is visible.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::PATIENCE;

/// What becomes of the PINGs that a server sends by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pings {
    /// The test sees them.
    Shown,
    /// They are answered and the test never sees them, as with any client.
    Answered,
}

/// A plain TCP connection to the client port.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    pings: Pings,
    /// Not looked at yet; holds at most a part of one frame when PINGs are answered.
    arrived: Vec<u8>,
    /// What the test will see next.
    received: Vec<u8>,
    info: Value,
    info_line: String,
}

impl Raw {
    /// Connects and reads the INFO line.
    pub fn connect(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        let mut raw = Raw {
            stream,
            pings: Pings::Shown,
            arrived: Vec::new(),
            received: Vec::new(),
            info: Value::Null,
            info_line: String::new(),
        };
        raw.info_line = raw.line();
        raw.info = parse_info(&raw.info_line);
        raw
    }

    /// From now on PINGs are shown or answered.
    pub fn set_pings(&mut self, pings: Pings) {
        self.pings = pings;
    }

    /// The INFO that came on accept, as sent, without its CRLF.
    pub fn info_line(&self) -> &str {
        &self.info_line
    }

    /// The INFO that came on accept.
    pub fn info(&self) -> &Value {
        &self.info
    }

    /// The server's connection id, from INFO.
    pub fn cid(&self) -> u64 {
        self.info["client_id"].as_u64().expect("INFO names the connection")
    }

    /// The socket, for what this client does not offer.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends one line and its CRLF.
    pub fn send(&mut self, line: &str) {
        self.send_bytes(line.as_bytes());
        self.send_bytes(b"\r\n");
    }

    /// Sends bytes. A server that has closed already is no error here: the test reads what it
    /// said before.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
            assert!(closed, "cannot send: {error}");
        }
    }

    /// Publishes `payload` on `subject`.
    pub fn publish(&mut self, subject: &str, payload: &str) {
        self.send_bytes(format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()).as_bytes());
    }

    /// The next line, without its CRLF.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.read_more(), "end of stream inside a line: {}", self.pending());
        }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.read_more(), "end of stream before {count} bytes: {}", self.pending());
        }
        self.received.drain(..count).collect()
    }

    /// The next message: its MSG or HMSG line, and headers and payload as one.
    pub fn message(&mut self) -> (String, Vec<u8>) {
        let line = self.line();
        let size = line.rsplit(' ').next().and_then(|size| size.parse().ok());
        let size = size.unwrap_or_else(|| panic!("a message, not {line:?}"));
        let body = self.bytes(size);
        assert_eq!(self.bytes(2), b"\r\n", "a payload ends in CRLF");
        (line, body)
    }

    /// The next frame with its CRLFs: a line, or a message and its payload. None at the end.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = frame_len(&self.received) {
                return Some(self.received.drain(..length).collect());
            }
            if !self.read_more() {
                assert_eq!(self.pending(), "", "the stream ends with a whole frame");
                return None;
            }
        }
    }

    /// The next message, unless the server stays silent for this long.
    pub fn message_within(&mut self, time: Duration) -> Option<(String, Vec<u8>)> {
        (!self.is_silent_for(time)).then(|| self.message())
    }

    /// Sends PING and takes everything until PONG: the messages on the way.
    pub fn messages_until_pong(&mut self) -> Vec<(String, Vec<u8>)> {
        self.send("PING");
        let mut messages = Vec::new();
        loop {
            while self.received.len() < 6 {
                assert!(self.read_more(), "end of stream before PONG");
            }
            if self.received.starts_with(b"PONG\r\n") {
                self.received.drain(..6);
                return messages;
            }
            messages.push(self.message());
        }
    }

    /// The next bytes are these.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        let mut got = Vec::new();
        while got.len() < expected.len() {
            if self.received.is_empty() && !self.read_more() {
                break;
            }
            let wanted = (expected.len() - got.len()).min(self.received.len());
            got.extend(self.received.drain(..wanted));
            // What differs shows at once, without waiting for bytes that may never come.
            if !expected.as_bytes().starts_with(&got) {
                got.append(&mut self.received);
                break;
            }
        }
        assert_eq!(String::from_utf8_lossy(&got), expected);
    }

    /// The next line is this.
    #[track_caller]
    pub fn expect_line(&mut self, expected: &str) {
        self.expect(&format!("{expected}\r\n"));
    }

    /// `-ERR` with this text.
    #[track_caller]
    pub fn expect_error(&mut self, text: &str) {
        self.expect(&format!("-ERR '{text}'\r\n"));
    }

    /// The server closes, and says nothing more.
    #[track_caller]
    pub fn expect_eof(&mut self) {
        while self.read_more() {}
        assert_eq!(self.pending(), "", "nothing more before the end of the stream");
    }

    /// Sends PING and takes PONG: all before it was handled, and nothing else was sent.
    #[track_caller]
    pub fn ping(&mut self) {
        self.send_bytes(b"PING\r\n");
        self.expect("PONG\r\n");
    }

    /// Whether the server stays silent for this long. Only for facts about time.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a timeout can be set");
        let deadline = Instant::now() + time;
        let mut silent = self.received.is_empty();
        while silent && Instant::now() < deadline {
            match self.try_read() {
                // An answered PING is silence, too.
                Ok(count) => silent = count > 0 && self.received.is_empty(),
                Err(error) if is_timeout(&error) => break,
                Err(_) => silent = false,
            }
        }
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        silent
    }

    /// Says that no more will be sent.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
    }

    /// Everything the server says until it closes.
    pub fn rest(mut self) -> Vec<u8> {
        while self.read_more() {}
        self.received
    }

    fn pending(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// False at the end of the stream.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        match self.try_read() {
            Ok(count) => count > 0,
            // Closing with unread input resets the connection: the same to a client.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) if is_timeout(&error) => {
                panic!("the server said nothing more; so far: {:?}", self.pending())
            }
            Err(error) => panic!("cannot receive: {error}"),
        }
    }

    fn try_read(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 65536];
        let count = self.stream.read(&mut chunk)?;
        self.arrived.extend_from_slice(&chunk[..count]);
        match self.pings {
            Pings::Answered if count > 0 => self.admit_frames()?,
            _ => self.received.append(&mut self.arrived),
        }
        Ok(count)
    }

    /// Moves whole frames to what the test sees, and answers the PINGs among them.
    fn admit_frames(&mut self) -> std::io::Result<()> {
        let mut done = 0;
        while let Some(length) = frame_len(&self.arrived[done..]) {
            let frame = &self.arrived[done..done + length];
            if frame == b"PING\r\n" {
                self.stream.write_all(b"PONG\r\n")?;
            } else {
                self.received.extend_from_slice(frame);
            }
            done += length;
        }
        self.arrived.drain(..done);
        Ok(())
    }
}

/// The length of the frame at the start of `bytes`, once it is there as a whole.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    if !bytes.starts_with(b"MSG ") && !bytes.starts_with(b"HMSG ") {
        return Some(line + 2);
    }
    let text = std::str::from_utf8(&bytes[..line]).ok()?;
    let size: usize = text.rsplit(' ').next()?.parse().ok()?;
    let whole = line + 2 + size + 2;
    (bytes.len() >= whole).then_some(whole)
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The JSON of an INFO line.
fn parse_info(line: &str) -> Value {
    let json = line.strip_prefix("INFO ").unwrap_or_else(|| panic!("INFO, not {line:?}"));
    serde_json::from_str(json).expect("INFO carries JSON")
}
