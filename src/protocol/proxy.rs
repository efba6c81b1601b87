//! The PROXY protocol's header, versions 1 and 2: a proxy in front of the server says with it
//! whose connection it passes on (spec/client-protocol.md §13). It comes before anything else, TLS
//! included, and may be missing: then all bytes are the client's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a header of version 1 begins with.
const FIRST: &[u8] = b"PROXY ";
/// What a header of version 2 begins with.
const SECOND: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 1 at most, its CRLF included.
const FIRST_MAX: usize = 107;
/// Bytes of a header of version 2 before the addresses: what it begins with, command, family, and
/// two bytes that say how much follows.
const SECOND_FIXED: usize = 16;

/// What the bytes at the start of a connection turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The beginning of a header, or nothing yet: more is needed to know.
    Part,
    /// No header: the first byte is the client's.
    Absent,
    /// A header.
    Header(Header),
}

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes among those that were looked at.
    pub len: usize,
    /// Its bytes behind those, which say nothing that matters here.
    pub skip: usize,
    /// Who connected to the proxy; `None` when the proxy speaks for itself or does not know.
    pub source: Option<SocketAddr>,
}

/// A header that cannot be one. The connection ends: what follows is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Version 1 is not words, addresses and ports of its family in one short line.
    #[error("PROXY protocol v1 header is not valid")]
    First,
    /// Version 2 is of another version or command, or shorter than its addresses.
    #[error("PROXY protocol v2 header is not valid")]
    Second,
    /// The connection to the proxy was no TCP connection.
    #[error("PROXY protocol v2 header is of a family that is not supported")]
    Family,
}

/// Looks at the first bytes of a connection. What it answers depends on the bytes alone; a
/// [`Found::Part`] holds at most 107 of them.
///
/// # Errors
/// [`Malformed`] for what begins as a header and is none.
pub fn read(bytes: &[u8]) -> Result<Found, Malformed> {
    if bytes.starts_with(FIRST) {
        return read_first(bytes);
    }
    if bytes.starts_with(SECOND) {
        return read_second(bytes);
    }
    match FIRST.starts_with(bytes) || SECOND.starts_with(bytes) {
        true => Ok(Found::Part),
        false => Ok(Found::Absent),
    }
}

/// `PROXY TCP4 1.2.3.4 5.6.7.8 1234 4222\r\n`
fn read_first(bytes: &[u8]) -> Result<Found, Malformed> {
    let head = &bytes[..bytes.len().min(FIRST_MAX)];
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if head.len() == FIRST_MAX { Err(Malformed::First) } else { Ok(Found::Part) };
    };
    let line = std::str::from_utf8(&head[FIRST.len()..end]).map_err(|_| Malformed::First)?;
    let source = source_of(line).ok_or(Malformed::First)?;
    Ok(Found::Header(Header { len: end + 2, skip: 0, source }))
}

/// The source in a line of version 1; `None` when the line is not one.
fn source_of(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // What follows is to be ignored.
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, _destination) = (address()?, address()?);
    let mut port = || -> Option<u16> {
        let word = words.next()?;
        word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
    };
    let (source_port, _destination_port) = (port()?, port()?);
    words.next().is_none().then_some(Some(SocketAddr::new(source, source_port)))
}

/// ```text
///  0           12       13       14     16
///  | signature | version | family | len | source, destination, ports | what else, `skip` |
/// ```
fn read_second(bytes: &[u8]) -> Result<Found, Malformed> {
    let &[version, family, high, low] = match bytes.get(SECOND.len()..SECOND_FIXED) {
        Some(fixed) => <&[u8; 4]>::try_from(fixed).map_err(|_| Malformed::Second)?,
        None => return Ok(Found::Part),
    };
    let after = usize::from(u16::from_be_bytes([high, low]));
    let addresses = match (version, family) {
        // LOCAL: the proxy itself; whatever follows is to be ignored.
        (0x20, _) | (0x21, 0x00) => 0,
        (0x21, 0x11) => 4 + 4 + 2 + 2,
        (0x21, 0x21) => 16 + 16 + 2 + 2,
        (0x21, _) => return Err(Malformed::Family),
        _ => return Err(Malformed::Second),
    };
    if after < addresses {
        return Err(Malformed::Second);
    }
    let Some(block) = bytes.get(SECOND_FIXED..SECOND_FIXED + addresses) else {
        return Ok(Found::Part);
    };
    let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    let source = match addresses {
        12 => <[u8; 4]>::try_from(&block[..4]).ok().map(|ip| SocketAddr::from((ip, port(8)))),
        36 => <[u8; 16]>::try_from(&block[..16]).ok().map(|ip| SocketAddr::from((ip, port(32)))),
        _ => None,
    };
    let (held, whole) = (bytes.len(), SECOND_FIXED + after);
    let len = whole.min(held);
    Ok(Found::Header(Header { len, skip: whole - len, source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(version: u8, family: u8, after: &[u8]) -> Vec<u8> {
        let len = (after.len() as u16).to_be_bytes();
        [SECOND, &[version, family], &len, after].concat()
    }

    fn source(bytes: &[u8]) -> Option<SocketAddr> {
        match read(bytes) {
            Ok(Found::Header(Header { source, .. })) => source,
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    }

    #[test]
    fn lines_of_version_1() {
        let line = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 4222\r\nCONNECT";
        let Ok(Found::Header(header)) = read(line) else { panic!("a header") };
        assert_eq!(header.source, Some("192.0.2.7:56324".parse().unwrap()));
        assert_eq!((&line[header.len..], header.skip), (&b"CONNECT"[..], 0));
        let six = source(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
        assert_eq!(six, Some("[2001:db8::1]:1".parse().unwrap()));
        assert_eq!(source(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(source(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), None);
    }

    #[test]
    fn what_is_wrong_in_version_1() {
        for line in [
            "PROXY TCP4 2001:db8::1 ::1 1 2",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 2",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 2",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 2",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3",
            "PROXY TCP4  192.0.2.7 10.0.0.1 1 2",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2",
            "PROXY \u{7f}",
            "PROXY ",
        ] {
            assert_eq!(read(format!("{line}\r\n").as_bytes()), Err(Malformed::First), "{line:?}");
        }
        let endless = [b"PROXY ".to_vec(), vec![b'x'; 200]].concat();
        assert_eq!(read(&endless), Err(Malformed::First));
        assert_eq!(read(&endless[..106]), Ok(Found::Part));
    }

    #[test]
    fn headers_of_version_2() {
        let four = [&[192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 4, 0x10, 0x7e][..], b"TLV of any kind"];
        let bytes = second(0x21, 0x11, &four.concat());
        assert_eq!(source(&bytes), Some("192.0.2.7:56324".parse().unwrap()));
        // What follows the addresses need not be there yet.
        let Ok(Found::Header(header)) = read(&bytes[..30]) else { panic!("a header") };
        assert_eq!((header.len, header.skip), (30, bytes.len() - 30));
        let mut six = [0; 36];
        (six[15], six[33]) = (1, 9);
        assert_eq!(source(&second(0x21, 0x21, &six)), Some("[::1]:9".parse().unwrap()));
        assert_eq!(source(&second(0x20, 0x11, b"")), None, "LOCAL");
        assert_eq!(source(&second(0x20, 0xff, b"anything")), None, "LOCAL");
        assert_eq!(source(&second(0x21, 0x00, b"")), None, "unspecified");
    }

    #[test]
    fn what_is_wrong_in_version_2() {
        assert_eq!(read(&second(0x11, 0x11, &[0; 12])), Err(Malformed::Second));
        assert_eq!(read(&second(0x22, 0x11, &[0; 12])), Err(Malformed::Second));
        assert_eq!(read(&second(0x21, 0x11, &[0; 11])), Err(Malformed::Second));
        assert_eq!(read(&second(0x21, 0x21, &[0; 12])), Err(Malformed::Second));
        assert_eq!(read(&second(0x21, 0x12, &[0; 12])), Err(Malformed::Family));
        assert_eq!(read(&second(0x21, 0x31, &[0; 216])), Err(Malformed::Family));
    }

    #[test]
    fn what_is_no_header_is_the_clients() {
        for bytes in ["PUB", "CONNECT {}", "\x16\x03\x01", "PROXy ", "\r\n\r\nx", "PING\r\n"] {
            assert_eq!(read(bytes.as_bytes()), Ok(Found::Absent), "{bytes:?}");
        }
        for bytes in ["", "P", "PROXY", "\r\n\r\n", "\r\n\r\n\0\r\nQUIT\n"] {
            assert_eq!(read(bytes.as_bytes()), Ok(Found::Part), "{bytes:?}");
        }
    }
}
