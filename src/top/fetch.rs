//! One HTTP GET of `/metrics` or `/explain`. HTTP/1.0, so that the answer comes in one piece and
//! then ends.

use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// How long the server may take for each step of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read at most: many times what a server with all cores sends.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The port of `-m` in most configurations.
const DEFAULT_PORT: u16 = 8222;

/// Where a server's monitoring listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host and port.
    authority: String,
    /// What all paths begin with (`http_base_path`); empty, or with a slash in front only.
    base_path: String,
}

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not plain HTTP.
    #[error("only http:// is spoken here")]
    Scheme,
    /// It has no host, or blanks and the like.
    #[error("write it as http://HOST:PORT")]
    Shape,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody listens there, or the host is not known.
    #[error("cannot reach {0}: {1}; is the server up, and started with -m PORT?")]
    Away(Server, std::io::Error),
    /// It hung up, or took too long.
    #[error("{0} did not answer: {1}")]
    Broken(Server, std::io::Error),
    /// It answered something other than 200.
    #[error("{0} has no {1} (it answered {2:?}): not the monitoring of a Corewire")]
    Refused(Server, String, String),
    /// It answered something other than HTTP.
    #[error("{0} does not speak HTTP: is it the port for clients?")]
    NotHttp(Server),
}

impl FromStr for Server {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Server, AddressError> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(AddressError::Scheme),
            None => text,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // It goes into a request as it is.
        let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, Some(DEFAULT_PORT)),
        };
        let (Some(port), false, true) = (port, host.is_empty(), plain) else {
            return Err(AddressError::Shape);
        };
        let path = path.trim_matches('/');
        let base_path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Server { authority: format!("{host}:{port}"), base_path })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.base_path)
    }
}

impl Server {
    /// What `/metrics` shows now.
    ///
    /// # Errors
    /// [`FetchError`] when the server is away or answers something else.
    pub fn metrics(&self) -> Result<String, FetchError> {
        self.get("/metrics")
    }

    /// What stands at `path`, which may have a query and holds nothing but plain characters.
    ///
    /// # Errors
    /// As [`Server::metrics`].
    pub fn get(&self, path: &str) -> Result<String, FetchError> {
        let mut stream = self.connect().map_err(|error| FetchError::Away(self.clone(), error))?;
        let answer =
            self.ask(&mut stream, path).map_err(|error| FetchError::Broken(self.clone(), error))?;
        self.body(&answer, path)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::ErrorKind::NotFound.into();
        for address in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask(&self, stream: &mut TcpStream, path: &str) -> std::io::Result<String> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Server { authority, base_path } = self;
        let request = format!("GET {base_path}{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
        // A port for clients speaks first and then waits: what it said tells what it is.
        if answer.is_empty() {
            read?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn body(&self, answer: &str, path: &str) -> Result<String, FetchError> {
        if !answer.starts_with("HTTP/") {
            return Err(FetchError::NotHttp(self.clone()));
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            let path = path.split('?').next().unwrap_or_default().to_owned();
            return Err(FetchError::Refused(self.clone(), path, status.to_owned()));
        }
        Ok(body.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(text: &str) -> Result<String, AddressError> {
        Server::from_str(text).map(|server| server.to_string())
    }

    /// What is made of an answer, and the request for it.
    fn fetch(answer: &'static str) -> (Result<String, FetchError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let other_end = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a whole request");
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).expect("somebody reads");
            String::from_utf8(request).expect("text")
        });
        let found = Server::from_str(&format!("http://{address}/base")).unwrap().metrics();
        (found, other_end.join().expect("it answered"))
    }

    #[test]
    fn addresses_are_completed_or_refused() {
        assert_eq!(server("http://a:1").as_deref(), Ok("http://a:1"));
        assert_eq!(server("a").as_deref(), Ok("http://a:8222"));
        assert_eq!(server("http://[::1]/").as_deref(), Ok("http://[::1]:8222"));
        assert_eq!(server("http://a:1/x/y/").as_deref(), Ok("http://a:1/x/y"));
        assert_eq!(server("https://a:1"), Err(AddressError::Scheme));
        for wrong in ["", "http://", ":1", "a:x", "a b:1", "a:1/\r\nx", "u:p@a:1", "a:70000"] {
            assert_eq!(server(wrong), Err(AddressError::Shape), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_is_its_body() {
        let (found, request) = fetch("HTTP/1.0 200 OK\r\nA: b\r\n\r\ncorewire_x 1\n");
        assert_eq!(found.expect("an answer"), "corewire_x 1\n");
        assert!(request.starts_with("GET /base/metrics HTTP/1.0\r\nHost: 127.0.0.1:"));
    }

    #[test]
    fn other_answers_are_named() {
        assert!(matches!(fetch("HTTP/1.1 404 Not Found\r\n\r\n").0, Err(FetchError::Refused(..))));
        assert!(matches!(fetch("INFO {}\r\n").0, Err(FetchError::NotHttp(_))));
        assert!(matches!(fetch("").0, Err(FetchError::NotHttp(_))));
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it has one").to_string();
        drop(free);
        let found = Server::from_str(&address).expect("an address").metrics();
        assert!(matches!(found, Err(FetchError::Away(..))), "{found:?}");
    }
}
