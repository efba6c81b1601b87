//! What a syslog daemon receives, over each kind of socket.

use std::io::Read;
use std::net::TcpListener;

use super::*;

const AT_NS: u64 = 1_795_252_936_000_000_000;

fn line(level: Level, text: &str) -> Line {
    Line { level, at_ns: AT_NS, text: text.into() }
}

/// The line as a remote daemon gets it; the host's zone decides the time's form.
fn expected(syslog: &Syslog, severity: u8, text: &str) -> String {
    let at = zoned(AT_NS, &TimeZone::system());
    let time = if at.offset().is_zero() {
        "2026-11-21T09:22:16Z".to_owned()
    } else {
        at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    let pid = std::process::id();
    format!("<{severity}>{time} {} {}[{pid}]: {text}\n", syslog.hostname, syslog.tag)
}

#[test]
fn a_udp_daemon_gets_one_datagram_a_line_with_nats_servers_severities() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let url = format!("udp://{}", daemon.local_addr().unwrap());
    let mut syslog = Syslog::remote(url.parse().unwrap()).unwrap();
    assert!(!syslog.hostname.is_empty() && !syslog.tag.is_empty());
    let severities = [
        (Level::Fatal, 2),
        (Level::Error, 3),
        (Level::Warn, 4),
        (Level::Info, 5),
        (Level::Trace, 5),
        (Level::Debug, 7),
    ];
    for (level, severity) in severities {
        syslog.send(&line(level, "Server is ready")).unwrap();
        let mut datagram = [0; 512];
        let received = daemon.recv(&mut datagram).unwrap();
        let text = str::from_utf8(&datagram[..received]).unwrap();
        assert_eq!(text, expected(&syslog, severity, "Server is ready"));
    }
}

#[test]
fn a_tcp_daemon_that_went_away_is_connected_again() {
    let daemon = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", daemon.local_addr().unwrap());
    let mut syslog = Syslog::remote(url.parse().unwrap()).unwrap();
    let (mut first, _) = daemon.accept().unwrap();
    syslog.send(&line(Level::Info, "one")).unwrap();
    let wanted = expected(&syslog, 5, "one");
    let mut received = vec![0; wanted.len()];
    first.read_exact(&mut received).unwrap();
    assert_eq!(String::from_utf8(received).unwrap(), wanted);

    // The daemon ends the link; sooner or later a write fails and the link is made again.
    drop(first);
    daemon.set_nonblocking(true).unwrap();
    let mut second = loop {
        syslog.send(&line(Level::Info, "two")).unwrap();
        if let Ok((second, _)) = daemon.accept() {
            break second;
        }
    };
    second.set_nonblocking(false).unwrap();
    let wanted = expected(&syslog, 5, "two");
    let mut received = vec![0; wanted.len()];
    second.read_exact(&mut received).unwrap();
    assert_eq!(String::from_utf8(received).unwrap(), wanted);
}

#[test]
fn a_daemon_on_a_unix_socket_gets_datagrams() {
    let path = std::env::temp_dir().join(format!("corewire-syslog-{}", std::process::id()));
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut syslog = Syslog::remote(SyslogUrl::UnixGram(path.clone())).unwrap();
    syslog.send(&line(Level::Warn, "near\n")).unwrap();
    let mut datagram = [0; 512];
    let received = daemon.recv(&mut datagram).unwrap();
    let text = str::from_utf8(&datagram[..received]).unwrap();
    assert_eq!(text, expected(&syslog, 4, "near"));

    // The form for this host's own daemon has no host name and a shorter time.
    syslog.daemon = Daemon::Local;
    syslog.zone = TimeZone::UTC;
    syslog.render(&line(Level::Info, "here"));
    let pid = std::process::id();
    assert_eq!(syslog.text, format!("<5>Nov 21 09:22:16 {}[{pid}]: here\n", syslog.tag));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn nobody_listening_is_an_error_at_start() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url: SyslogUrl = format!("tcp://{free}").parse().unwrap();
    assert_eq!(Syslog::remote(url).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}
