//! The bytes of one connection, plain or through TLS, and whom TLS trusts.
//!
//! Reading is blocking in both. A TLS connection may hold bytes that have left the socket already:
//! whoever waits for a socket asks [`Channel::has_more`] first.

use std::fmt;
use std::io::{self, BufReader, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::error::BenchError;

/// Large reads: rustls alone asks the socket for 4 KiB at a time.
const CIPHERTEXT_BYTES: usize = 256 * 1024;

/// Certificates that TLS trusts. Every handshake is a full one: none is resumed.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// Trusts the certificates in a PEM file, and nothing else.
    ///
    /// # Errors
    /// [`BenchError::Usage`] names the file that cannot be read or holds no certificate.
    pub fn from_file(path: &Path) -> Result<Trust, BenchError> {
        let wrong = |what: String| BenchError::Usage(format!("{}: {what}", path.display()));
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("holds no certificate".to_string()));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Trust(Arc::new(config)))
    }
}

/// One connection's bytes.
#[derive(Debug)]
pub enum Channel {
    /// As they are.
    Plain(TcpStream),
    /// Through TLS.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

/// A socket below TLS, read in large pieces.
#[derive(Debug)]
pub struct Socket(BufReader<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

impl Channel {
    /// Shakes hands over `stream` and goes on through TLS. `host` must be on the certificate.
    ///
    /// # Errors
    /// What rustls or the socket said.
    pub fn secure(stream: TcpStream, host: &str, trust: &Trust) -> io::Result<Channel> {
        let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
        let session =
            ClientConnection::new(Arc::clone(&trust.0), name).map_err(io::Error::other)?;
        let socket = Socket(BufReader::with_capacity(CIPHERTEXT_BYTES, stream));
        let mut stream = StreamOwned::new(session, socket);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Channel::Tls(Box::new(stream)))
    }

    /// The socket below, for epoll, timeouts and a second handle.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Channel::Plain(stream) => stream,
            Channel::Tls(stream) => stream.sock.0.get_ref(),
        }
    }

    /// Whether a read would find bytes that the socket no longer shows.
    pub fn has_more(&self) -> bool {
        match self {
            Channel::Plain(_) => false,
            Channel::Tls(stream) => !stream.conn.wants_read() || !stream.sock.0.buffer().is_empty(),
        }
    }
}

/// Reads plain bytes with the moments at which they came to the socket, as the kernel noted them:
/// what a reader waits for a core of its own host is told from what the server took.
#[derive(Debug)]
pub struct Stamps {
    /// Room for what the kernel says beside the bytes.
    control: Vec<u8>,
}

impl Stamps {
    /// Asks the kernel for them. `None` through TLS: there the bytes of a message come in records.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(channel: &Channel) -> io::Result<Option<Stamps>> {
        let Channel::Plain(stream) = channel else { return Ok(None) };
        setsockopt(stream, sockopt::ReceiveTimestampns, &true)?;
        Ok(Some(Stamps { control: cmsg_space!(TimeSpec) }))
    }

    /// One read, and for how long the last of its bytes had been there. `None` for what came before
    /// the kernel had begun to note it, which takes it a moment.
    ///
    /// # Errors
    /// What the socket says.
    pub fn read(
        &mut self,
        stream: &TcpStream,
        buffer: &mut [u8],
    ) -> io::Result<(usize, Option<Duration>)> {
        let mut parts = [IoSliceMut::new(buffer)];
        let control = Some(&mut self.control[..]);
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, control, flags)?;
        let stamped = message.cmsgs()?.find_map(|said| match said {
            ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
            _ => None,
        });
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok((message.bytes, stamped.map(|at| now.saturating_sub(at))))
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(stream) => stream.read(buffer),
            Channel::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(stream) => stream.write(bytes),
            Channel::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Channel::Plain(stream) => stream.flush(),
            Channel::Tls(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        for path in ["/nonexistent/ca.pem", "/dev/null"] {
            let error = Trust::from_file(Path::new(path)).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
    }

    #[test]
    fn the_kernel_says_for_how_long_bytes_had_been_there() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let reader = TcpStream::connect(listener.local_addr().expect("bound")).expect("listening");
        let (mut writer, _) = listener.accept().expect("connected");
        let channel = Channel::Plain(reader.try_clone().expect("a second handle"));
        let mut stamps = Stamps::of(&channel).expect("a TCP socket").expect("a plain one");
        let mut buffer = [0; 16];
        for _ in 0..100_000 {
            let written = Instant::now();
            writer.write_all(b"hello").expect("connected");
            let (read, unread) = stamps.read(&reader, &mut buffer).expect("connected");
            assert_eq!(&buffer[..read], b"hello");
            if let Some(unread) = unread {
                assert!(unread <= written.elapsed(), "{unread:?}");
                return;
            }
        }
        panic!("no read was stamped");
    }
}
