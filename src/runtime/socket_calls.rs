//! System calls on sockets, and the options that a listener hands down to what it accepts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, RawFd};

/// What the operator wants of every socket; the kernel decides what is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Bytes of `SO_SNDBUF`.
    pub send_buffer_bytes: Option<u32>,
    /// Bytes of `SO_RCVBUF`.
    pub receive_buffer_bytes: Option<u32>,
    /// Microseconds of `SO_BUSY_POLL`.
    pub busy_poll_us: Option<u32>,
}

/// An option that is not as it was wanted. The socket works on without it.
#[derive(Debug)]
pub enum SocketRefused {
    /// Less than was asked for.
    Buffer {
        /// The profile's key.
        key: &'static str,
        /// Bytes asked for.
        asked: u32,
        /// Bytes granted.
        granted: u32,
        /// What bounds it.
        sysctl: &'static str,
    },
    /// No busy polling.
    BusyPoll(io::Error),
}

impl fmt::Display for SocketRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketRefused::Buffer { key, asked, granted, sysctl } => write!(
                f,
                "{key}: {asked} bytes asked for, the kernel grants {granted}; raise it with \
                 `sysctl -w {sysctl}={asked}`"
            ),
            SocketRefused::BusyPoll(error) => write!(
                f,
                "busy_poll_us does not reach the sockets: {error}; it needs CAP_NET_ADMIN, or \
                 that much in `sysctl net.core.busy_read`"
            ),
        }
    }
}

impl std::error::Error for SocketRefused {}

impl SocketOptions {
    /// Sets them on a listener, from which all that it accepts from now on has them. Returns
    /// what was refused.
    pub fn apply(&self, listener: impl AsFd) -> Vec<SocketRefused> {
        let fd = listener.as_fd().as_raw_fd();
        let mut refused = Vec::new();
        let buffers = [
            ("send_buffer_bytes", self.send_buffer_bytes, libc::SO_SNDBUF, "net.core.wmem_max"),
            (
                "receive_buffer_bytes",
                self.receive_buffer_bytes,
                libc::SO_RCVBUF,
                "net.core.rmem_max",
            ),
        ];
        for (key, asked, option, sysctl) in buffers {
            let Some(asked) = asked else { continue };
            // A refusal shows in what is granted.
            let _ = set_option(fd, libc::SOL_SOCKET, option, asked);
            // The kernel shows twice what it grants, its own bookkeeping included.
            let granted = option_of(fd, option) / 2;
            if granted < asked {
                refused.push(SocketRefused::Buffer { key, asked, granted, sysctl });
            }
        }
        if let Some(us) = self.busy_poll_us
            && let Err(error) = set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, us)
        {
            refused.push(SocketRefused::BusyPoll(error));
        }
        refused
    }
}

fn set_option(fd: RawFd, level: i32, option: i32, value: u32) -> io::Result<()> {
    let value = value as libc::c_int;
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: passes the address and size of a live integer.
    match unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The option's value; 0 for a socket that has none.
fn option_of(fd: RawFd, option: i32) -> u32 {
    let mut value: libc::c_int = 0;
    let mut size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: passes the addresses of a live integer and of its size.
    unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut size);
    }
    value as u32
}

pub(crate) fn close_descriptor(fd: RawFd) {
    // SAFETY: the caller owns the descriptor and gives it up here.
    unsafe { libc::close(fd) };
}

pub(crate) fn shut_down(fd: RawFd, how: libc::c_int) {
    // SAFETY: a plain system call on a descriptor that the socket table keeps open. That the
    // other end is gone already is no error here.
    unsafe { libc::shutdown(fd, how) };
}

pub(crate) fn set_no_delay(fd: RawFd) {
    // A socket that is no TCP socket any more fails here and tells so in its next event.
    let _ = set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
}

pub(crate) fn peer_address(fd: RawFd) -> Option<SocketAddr> {
    // SAFETY: the borrow ends with this statement, while the descriptor stays open.
    let stream = std::mem::ManuallyDrop::new(unsafe { std::net::TcpStream::from_raw_fd(fd) });
    stream.peer_addr().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_a_listener_accepts_has_its_options() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = SocketOptions {
            send_buffer_bytes: Some(20_000),
            receive_buffer_bytes: Some(30_000),
            busy_poll_us: None,
        };
        assert!(options.apply(&listener).is_empty());
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(option_of(accepted.as_raw_fd(), libc::SO_SNDBUF), 40_000);
        assert_eq!(option_of(accepted.as_raw_fd(), libc::SO_RCVBUF), 60_000);
    }

    #[test]
    fn busy_polling_is_handed_down_or_its_refusal_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = SocketOptions { busy_poll_us: Some(37), ..SocketOptions::default() };
        let refused = options.apply(&listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let polls = option_of(accepted.as_raw_fd(), libc::SO_BUSY_POLL);
        match &refused[..] {
            [] => assert_eq!(polls, 37),
            refused => assert!(refused[0].to_string().contains("CAP_NET_ADMIN"), "{refused:?}"),
        }
    }

    #[test]
    fn a_buffer_beyond_the_hosts_limit_is_told_with_the_remedy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options =
            SocketOptions { send_buffer_bytes: Some(1 << 30), ..SocketOptions::default() };
        let refused = options.apply(&listener);
        let text = refused.first().expect("no host grants 1 GiB").to_string();
        assert!(text.contains("sysctl -w net.core.wmem_max=1073741824"), "{text}");
    }
}
