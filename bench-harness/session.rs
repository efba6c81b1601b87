//! One NATS connection of the generator: address, login, subscribe, flush.
//!
//! Everything here happens outside the measured window, except [`Session::flush`], whose PONG ends
//! a publisher's work, and [`Inbox`], which the reading loops turn.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use memchr::memchr;

use crate::channel::{Channel, Stamps, Trust};
use crate::error::{BenchError, Role};
use crate::wire::{Control, Frame, FrameScanner, Frames, shown};

/// How long the server may take to accept, greet and answer PING before the load starts.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long a flush may take: a full server queue drains meanwhile.
const FLUSH_WAIT: Duration = Duration::from_secs(60);
/// Large reads: a system call for every 8,000 small messages.
const READ_BYTES: usize = 256 * 1024;

/// Where a server listens, and who we are there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// Who we are there; from the URL, or from the flags of a server that we start.
    pub login: Option<Login>,
    /// Certificates to trust; `None` speaks plain TCP.
    pub trust: Option<Trust>,
}

/// What CONNECT carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// `user:password@` in a URL, `--user` and `--pass`.
    Password {
        /// Name.
        user: String,
        /// Secret.
        password: String,
    },
    /// `token@` in a URL, `--auth`.
    Token(String),
}

impl Endpoint {
    /// Reads `nats://[user:password@|token@]host[:port]` or plain `host:port`.
    ///
    /// # Errors
    /// [`BenchError::Usage`] when the scheme is another one or the host is missing.
    pub fn parse(url: &str) -> Result<Endpoint, BenchError> {
        let rest = match url.split_once("://") {
            Some(("nats", rest)) => rest,
            Some((scheme, _)) => {
                return Err(BenchError::Usage(format!("{url}: scheme `{scheme}` is not nats")));
            }
            None => url,
        };
        let (login, host) = match rest.rsplit_once('@') {
            Some((login, host)) => {
                let login = match login.split_once(':') {
                    Some((user, password)) => {
                        let (user, password) = (user.to_string(), password.to_string());
                        Login::Password { user, password }
                    }
                    None => Login::Token(login.to_string()),
                };
                (Some(login), host)
            }
            None => (None, rest),
        };
        let host = host.trim_end_matches('/');
        if host.is_empty() {
            return Err(BenchError::Usage(format!("{url}: the host is missing")));
        }
        let with_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if with_port { host.to_string() } else { format!("{host}:4222") };
        Ok(Endpoint { address, login, trust: None })
    }

    /// The same server as somebody else; `None` as before.
    pub fn as_user(&self, login: Option<&Login>) -> Endpoint {
        let login = login.or(self.login.as_ref()).cloned();
        Endpoint { login, ..self.clone() }
    }

    fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Opens a TCP connection.
    pub fn dial(&self) -> Result<TcpStream, BenchError> {
        let failed = |source| BenchError::Unreachable { address: self.address.clone(), source };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, HANDSHAKE_WAIT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }
}

/// What the server said about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Greeting {
    /// `version` of INFO.
    pub version: String,
    /// `max_payload` of INFO, bytes.
    pub payload_bytes_max: usize,
    /// Whether INFO offers TLS (`tls_required` or `tls_available`).
    pub offers_tls: bool,
}

impl Greeting {
    /// Fails when the server does not take payloads of `size` bytes.
    pub fn check_size(&self, size: usize) -> Result<(), BenchError> {
        let allowed = self.payload_bytes_max;
        if size > allowed {
            return Err(BenchError::Usage(format!("--size {size}: the server takes {allowed}")));
        }
        Ok(())
    }
}

/// An inbox that nobody else has: what is still on its way to an earlier one must not arrive here.
pub fn fresh_inbox() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("_INBOX.b{}x{number}", std::process::id())
}

/// A logged-in connection.
#[derive(Debug)]
pub struct Session {
    channel: Channel,
    role: Role,
    /// What INFO said.
    pub greeting: Greeting,
}

impl Session {
    /// Connects, reads INFO, sends CONNECT and waits for the PONG that accepts it.
    ///
    /// # Errors
    /// Says whether nobody listens, the listener is no NATS server, or it refused the login.
    pub fn open(endpoint: &Endpoint, role: Role) -> Result<Session, BenchError> {
        let stream = endpoint.dial()?;
        let failed = |source| BenchError::Unreachable { address: endpoint.address.clone(), source };
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(HANDSHAKE_WAIT)).map_err(failed)?;
        let greeting = greeting(&plain_line(&stream).map_err(failed)?, endpoint)?;
        let channel = match &endpoint.trust {
            None => Channel::Plain(stream),
            Some(_) if !greeting.offers_tls => {
                return Err(BenchError::NoTls(endpoint.address.clone()));
            }
            Some(trust) => {
                let address = endpoint.address.clone();
                Channel::secure(stream, endpoint.host(), trust)
                    .map_err(|source| BenchError::Handshake { address, source })?
            }
        };
        let mut session = Session { channel, role, greeting };
        session.write(connect_line(endpoint).as_bytes()).map_err(|_| session.refused(endpoint))?;
        match read_line(&mut session.channel).as_deref() {
            Ok("PONG") => {}
            Ok(line) if line.starts_with("-ERR") => {
                let text = line.trim_start_matches("-ERR").trim().to_string();
                return Err(BenchError::LoginRefused { address: endpoint.address.clone(), text });
            }
            Ok(line) => {
                let (address, got) = (endpoint.address.clone(), shown(line.as_bytes()));
                return Err(BenchError::NotNats { address, got });
            }
            Err(_) => return Err(session.refused(endpoint)),
        }
        session.channel.socket().set_read_timeout(None).map_err(failed)?;
        Ok(session)
    }

    /// The server ended the connection during the login without a readable `-ERR`.
    fn refused(&self, endpoint: &Endpoint) -> BenchError {
        let text = "connection closed during CONNECT".to_string();
        BenchError::LoginRefused { address: endpoint.address.clone(), text }
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.channel.write_all(bytes).map_err(|error| self.failed(error))
    }

    /// Explains a write error: the server usually said why before it closed.
    fn failed(&mut self, source: io::Error) -> BenchError {
        let role = self.role;
        if !matches!(source.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
            return BenchError::Connection { role, source };
        }
        let _ = self.channel.socket().set_read_timeout(Some(Duration::from_millis(100)));
        while let Ok(line) = read_line(&mut self.channel) {
            if let Some(text) = line.strip_prefix("-ERR") {
                return BenchError::ServerSaid { role, text: text.trim().to_string() };
            }
        }
        BenchError::Closed(role)
    }

    /// Sends PING and waits for PONG: everything sent before has been handled then.
    pub fn flush(&mut self) -> Result<(), BenchError> {
        self.ping()?;
        self.pong()
    }

    /// First half of [`Session::flush`], so that many sessions can be flushed at once.
    pub fn ping(&mut self) -> Result<(), BenchError> {
        self.write(b"PING\r\n")
    }

    /// Second half of [`Session::flush`].
    pub fn pong(&mut self) -> Result<(), BenchError> {
        let role = self.role;
        let lost = |source| BenchError::Connection { role, source };
        self.channel.socket().set_read_timeout(Some(FLUSH_WAIT)).map_err(lost)?;
        loop {
            let line = match read_line(&mut self.channel) {
                Ok(line) => line,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(BenchError::Closed(role));
                }
                Err(error) => return Err(lost(error)),
            };
            if line == "PONG" {
                return self.channel.socket().set_read_timeout(None).map_err(lost);
            } else if line == "PING" {
                self.write(b"PONG\r\n")?;
            } else if let Some(text) = line.strip_prefix("-ERR") {
                return Err(BenchError::ServerSaid { role, text: text.trim().to_string() });
            }
        }
    }

    /// The connection's bytes, for the loops that read and write them themselves.
    pub fn into_channel(self) -> Channel {
        self.channel
    }

    /// A second handle to the socket, by which the main thread ends a blocked call.
    pub fn closer(&self) -> Result<Closer, BenchError> {
        Ok(Closer(self.channel.socket().try_clone()?))
    }
}

/// Ends a connection from another thread.
#[derive(Debug)]
pub struct Closer(TcpStream);

impl Closer {
    /// Shuts the socket: a blocked read or write on it returns.
    pub fn close(&self) {
        // An error means that the other end was quicker.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Reads one line and nothing behind it.
fn read_line(channel: &mut Channel) -> io::Result<String> {
    let stream = match channel {
        Channel::Plain(stream) => return plain_line(stream),
        Channel::Tls(stream) => stream,
    };
    let mut line = Vec::new();
    // What TLS has decrypted lies in memory: byte by byte costs nothing there.
    while line.last() != Some(&b'\n') && line.len() <= READ_BYTES {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_string())
}

/// A look at what has arrived, then exactly as much as belongs to the line.
fn plain_line(mut stream: &TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut seen = [0; 4096];
    loop {
        let arrived = stream.peek(&mut seen)?;
        if arrived == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let newline = memchr(b'\n', &seen[..arrived]);
        let taken = newline.map_or(arrived, |newline| newline + 1);
        stream.read_exact(&mut seen[..taken])?;
        line.extend_from_slice(&seen[..taken]);
        if newline.is_some() {
            return Ok(String::from_utf8_lossy(&line).trim_end().to_string());
        }
        if line.len() > READ_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn greeting(line: &str, endpoint: &Endpoint) -> Result<Greeting, BenchError> {
    let info = line
        .strip_prefix("INFO ")
        .and_then(|json| serde_json::from_str::<serde_json::Value>(json.trim()).ok());
    let Some(info) = info else {
        let (address, got) = (endpoint.address.clone(), shown(line.as_bytes()));
        return Err(BenchError::NotNats { address, got });
    };
    let says = |key: &str| info[key].as_bool() == Some(true);
    if says("tls_required") && endpoint.trust.is_none() {
        return Err(BenchError::TlsRequired(endpoint.address.clone()));
    }
    Ok(Greeting {
        version: info["version"].as_str().unwrap_or("unknown").to_string(),
        payload_bytes_max: info["max_payload"].as_u64().unwrap_or(1024 * 1024) as usize,
        offers_tls: says("tls_required") || says("tls_available"),
    })
}

/// spec/client-protocol.md: CONNECT with what a plain client sends; PING follows at once.
fn connect_line(endpoint: &Endpoint) -> String {
    let mut options = serde_json::json!({
        "verbose": false, "pedantic": false, "tls_required": endpoint.trust.is_some(),
        "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"), "name": "corewire-bench", "protocol": 1,
        "headers": true, "no_responders": true, "echo": true,
    });
    match &endpoint.login {
        Some(Login::Password { user, password }) => {
            options["user"] = user.as_str().into();
            options["pass"] = password.as_str().into();
        }
        Some(Login::Token(token)) => options["auth_token"] = token.as_str().into(),
        None => {}
    }
    format!("CONNECT {options}\r\nPING\r\n")
}

/// Reads one connection in large pieces and scans them.
#[derive(Debug)]
pub struct Inbox {
    channel: Channel,
    role: Role,
    scanner: FrameScanner,
    /// Received and not yet scanned bytes lie in `buffer[..kept]`, always less than one frame.
    buffer: Vec<u8>,
    kept: usize,
    pongs: u64,
    stamps: Option<Stamps>,
}

/// What one turn of an [`Inbox`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Bytes were read and scanned.
    Read,
    /// The server closed the connection.
    End,
}

impl Inbox {
    /// Takes over the reading of a connection whose frames are at most `frame_bytes_max` long.
    pub fn new(channel: Channel, role: Role, frame_bytes_max: usize) -> Inbox {
        let buffer = vec![0; READ_BYTES.max(2 * frame_bytes_max + 4096)];
        let scanner = FrameScanner::default();
        Inbox { channel, role, scanner, buffer, kept: 0, pongs: 0, stamps: None }
    }

    /// Has the kernel note when bytes come, for [`Sink::arrived`]. Not through TLS.
    ///
    /// # Errors
    /// What the system says.
    pub fn stamp_arrivals(&mut self) -> Result<(), BenchError> {
        self.stamps = Stamps::of(&self.channel)?;
        Ok(())
    }

    /// One read, and for how long the last of its bytes had been there, if that is known.
    fn read(&mut self) -> io::Result<(usize, Option<Duration>)> {
        let room = &mut self.buffer[self.kept..];
        match (&mut self.stamps, &self.channel) {
            (Some(stamps), Channel::Plain(stream)) => stamps.read(stream, room),
            _ => Ok((self.channel.read(room)?, None)),
        }
    }

    /// The socket, for epoll and timeouts.
    pub fn socket(&self) -> &TcpStream {
        self.channel.socket()
    }

    /// Sends what stands in `out`, and empties it.
    pub fn send(&mut self, out: &mut Vec<u8>) -> Result<(), BenchError> {
        let role = self.role;
        let written = self.channel.write_all(out);
        written.map_err(|source| BenchError::Connection { role, source })?;
        out.clear();
        Ok(())
    }

    /// PONGs received so far: each says that everything sent before its PING has been handled.
    pub fn pongs(&self) -> u64 {
        self.pongs
    }

    /// One read, however much it brings, and the scan of it. PING is answered, `-ERR` is an error.
    pub fn turn<S: Sink>(&mut self, sink: &mut S) -> Result<Turn, BenchError> {
        loop {
            let turn = self.read_once(sink)?;
            if turn == Turn::End || !self.channel.has_more() {
                return Ok(turn);
            }
        }
    }

    fn read_once<S: Sink>(&mut self, sink: &mut S) -> Result<Turn, BenchError> {
        let role = self.role;
        let (read, unread) = match self.read() {
            Ok((0, _)) => return Ok(Turn::End),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Turn::Read),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Turn::End),
            Err(source) => return Err(BenchError::Connection { role, source }),
        };
        sink.arrived(unread);
        let filled = self.kept + read;
        let mut visitor = Visitor { sink, pings: 0, pongs: 0, said: None };
        let taken = self
            .scanner
            .scan(&self.buffer[..filled], &mut visitor)
            .map_err(|source| BenchError::Wire { role, source })?;
        let Visitor { pings, pongs, said, .. } = visitor;
        self.pongs += pongs;
        if let Some(text) = said {
            return Err(BenchError::ServerSaid { role, text });
        }
        for _ in 0..pings {
            let written = self.channel.write_all(b"PONG\r\n");
            written.map_err(|source| BenchError::Connection { role, source })?;
        }
        self.buffer.copy_within(taken..filled, 0);
        self.kept = filled - taken;
        Ok(Turn::Read)
    }
}

/// Takes the messages of an [`Inbox`].
pub trait Sink {
    /// Bytes have just been read: the moment at which all messages of this turn arrived. `unread`
    /// is for how long the last of them had been at the socket, if that is known.
    fn arrived(&mut self, _unread: Option<Duration>) {}
    /// One message.
    fn message(&mut self, frame: Frame<'_>);
}

struct Visitor<'a, S> {
    sink: &'a mut S,
    pings: u32,
    pongs: u64,
    said: Option<String>,
}

impl<S: Sink> Frames for Visitor<'_, S> {
    #[inline]
    fn frame(&mut self, frame: Frame<'_>) {
        self.sink.message(frame);
    }

    fn control(&mut self, control: Control<'_>) {
        match control {
            Control::Ping => self.pings += 1,
            Control::Error(text) => self.said = Some(shown(text)),
            Control::Pong => self.pongs += 1,
            Control::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_host_port_and_login() {
        let parse = |url| Endpoint::parse(url).expect("valid");
        assert_eq!(parse("nats://a:1").address, "a:1");
        assert_eq!(parse("127.0.0.1").address, "127.0.0.1:4222");
        assert_eq!(parse("nats://h/").address, "h:4222");
        let with_login = parse("nats://me:p@ss@h:7");
        assert_eq!(with_login.address, "h:7");
        let (user, password) = ("me".to_string(), "p@ss".to_string());
        assert_eq!(with_login.login, Some(Login::Password { user, password }));
        assert_eq!(parse("nats://secret@h").login, Some(Login::Token("secret".to_string())));
        assert_eq!(parse("nats://[::1]:7").host(), "::1");
        assert!(Endpoint::parse("http://a:1").is_err());
        assert!(Endpoint::parse("nats://").is_err());
    }

    #[test]
    fn a_listener_that_is_no_nats_server_is_named() {
        let endpoint = Endpoint::parse("h:1").expect("valid");
        let error = greeting("220 smtp ready", &endpoint).unwrap_err();
        assert!(matches!(error, BenchError::NotNats { .. }), "{error}");
        let info = greeting("INFO {\"version\":\"2.9.10\",\"max_payload\":77}", &endpoint);
        let info = info.expect("valid INFO");
        assert_eq!((info.version.as_str(), info.payload_bytes_max), ("2.9.10", 77));
        assert!(!info.offers_tls);
        let tls = greeting("INFO {\"tls_required\":true}", &endpoint).unwrap_err();
        assert!(matches!(tls, BenchError::TlsRequired(_)), "{tls}");
    }
}
