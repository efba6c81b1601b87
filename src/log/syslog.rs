//! Lines for a syslog daemon, in the form that Go's log/syslog gives them (nats-server uses it).

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use base::Level;
use base::log::Line;
use jiff::tz::TimeZone;

use crate::format::zoned;
use crate::options::SyslogUrl;

/// Where the daemon of this host listens, in the order tried.
const LOCAL_SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// A daemon that does not take a line or a connection within this time counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection to a syslog daemon; made again when it breaks.
#[derive(Debug)]
pub(crate) struct Syslog {
    daemon: Daemon,
    link: Option<Link>,
    hostname: String,
    tag: String,
    zone: TimeZone,
    text: String,
}

#[derive(Debug)]
enum Daemon {
    Local,
    Remote(SyslogUrl),
}

#[derive(Debug)]
enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unix(UnixStream),
    UnixGram(UnixDatagram),
}

impl Syslog {
    /// Connects to the daemon of this host.
    pub(crate) fn local() -> io::Result<Syslog> {
        Syslog::connect(Daemon::Local)
    }

    /// Connects to the daemon at `url`.
    pub(crate) fn remote(url: SyslogUrl) -> io::Result<Syslog> {
        Syslog::connect(Daemon::Remote(url))
    }

    fn connect(daemon: Daemon) -> io::Result<Syslog> {
        let link = Some(daemon.link()?);
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Syslog {
            daemon,
            link,
            hostname: hostname.trim_end().to_owned(),
            tag: tag(),
            zone: TimeZone::system(),
            text: String::new(),
        })
    }

    /// Sends a line. A broken link is made again once.
    pub(crate) fn send(&mut self, line: &Line) -> io::Result<()> {
        self.render(line);
        if let Some(link) = &mut self.link
            && link.send(&self.text).is_ok()
        {
            return Ok(());
        }
        self.link = None;
        let mut link = self.daemon.link()?;
        link.send(&self.text)?;
        self.link = Some(link);
        Ok(())
    }

    fn render(&mut self, line: &Line) {
        let at = zoned(line.at_ns, &self.zone);
        let severity = severity(line.level);
        let source = format_args!("{}[{}]", self.tag, std::process::id());
        let said = line.text.trim_end_matches('\n');
        self.text = match self.daemon {
            Daemon::Local => {
                format!("<{severity}>{} {source}: {said}\n", at.strftime("%b %e %H:%M:%S"))
            }
            Daemon::Remote(_) => {
                let time = at.strftime("%Y-%m-%dT%H:%M:%S");
                let offset = offset_text(&at);
                format!("<{severity}>{time}{offset} {} {source}: {said}\n", self.hostname)
            }
        };
    }
}

impl Daemon {
    fn link(&self) -> io::Result<Link> {
        match self {
            Daemon::Local => local_link(),
            Daemon::Remote(SyslogUrl::Udp(address)) => udp(address),
            Daemon::Remote(SyslogUrl::Tcp(address)) => tcp(address),
            Daemon::Remote(SyslogUrl::Unix(path)) => unix(path),
            Daemon::Remote(SyslogUrl::UnixGram(path)) => unix_gram(path),
        }
    }
}

impl Link {
    fn send(&mut self, text: &str) -> io::Result<()> {
        match self {
            Link::Udp(socket) => socket.send(text.as_bytes()).map(drop),
            Link::UnixGram(socket) => socket.send(text.as_bytes()).map(drop),
            Link::Tcp(stream) => stream.write_all(text.as_bytes()),
            Link::Unix(stream) => stream.write_all(text.as_bytes()),
        }
    }
}

fn local_link() -> io::Result<Link> {
    let missing = io::Error::new(io::ErrorKind::NotFound, "Unix syslog delivery error");
    LOCAL_SOCKETS
        .iter()
        .find_map(|path| unix_gram(Path::new(path)).or_else(|_| unix(Path::new(path))).ok())
        .ok_or(missing)
}

fn udp(address: &str) -> io::Result<Link> {
    try_each(address, |peer| {
        let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(peer)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Link::Udp(socket))
    })
}

fn tcp(address: &str) -> io::Result<Link> {
    try_each(address, |peer| {
        let stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Link::Tcp(stream))
    })
}

fn unix(path: &Path) -> io::Result<Link> {
    let stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Link::Unix(stream))
}

fn unix_gram(path: &Path) -> io::Result<Link> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(Link::UnixGram(socket))
}

/// The first link that can be made to one of the addresses behind a name.
fn try_each(address: &str, link: impl Fn(SocketAddr) -> io::Result<Link>) -> io::Result<Link> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address behind that name");
    for peer in address.to_socket_addrs()? {
        match link(peer) {
            Ok(made) => return Ok(made),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Syslog's severity. The facility is 0, as nats-server sends it; a local daemon replaces it.
fn severity(level: Level) -> u8 {
    match level {
        Level::Fatal => 2,
        Level::Error => 3,
        Level::Warn => 4,
        // nats-server sends traces as notices too.
        Level::Info | Level::Trace => 5,
        Level::Debug => 7,
    }
}

/// `Z` for UTC, else `+hh:mm`.
fn offset_text(at: &jiff::Zoned) -> String {
    if at.offset().is_zero() { "Z".into() } else { at.strftime("%:z").to_string() }
}

/// The program's name.
fn tag() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or(program.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
