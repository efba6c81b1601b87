//! `host:port` as `listen`, `http` and `client_advertise` take it.

use crate::options::{Advertise, Port};
use crate::problem::ValueError;

/// The lowest port that can be written: any free one.
pub const PORT_MIN: i64 = -1;

/// The highest port that can be written.
pub const PORT_MAX: i64 = u16::MAX as i64;

/// A port as written: -1 is any free one, 0 is none.
pub fn port(number: i64) -> Result<Option<Port>, ValueError> {
    match number {
        -1 => Ok(Some(Port::Random)),
        0 => Ok(None),
        number => match u16::try_from(number) {
            Ok(number) => Ok(Some(Port::Fixed(number))),
            Err(_) => Err(ValueError::Bounds { value: number, min: PORT_MIN, max: PORT_MAX }),
        },
    }
}

/// Host and port; the host is empty, and the port `None`, where nothing or 0 is written. An IPv6
/// address stands in brackets.
pub fn host_port(text: &str) -> Result<(&str, Option<Port>), ValueError> {
    let wrong = || ValueError::Address(text.to_owned());
    let (host, digits) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (host, rest.strip_prefix(':').ok_or_else(wrong)?)
        }
        None => text.split_once(':').ok_or_else(wrong)?,
    };
    if digits.contains(':') {
        return Err(wrong());
    }
    let number = digits.trim().parse().map_err(|_| ValueError::Port(digits.to_owned()))?;
    Ok((host, port(number)?))
}

/// An address to advertise: the port may be missing.
pub fn advertise(text: &str) -> Result<Advertise, ValueError> {
    let bare = !text.contains(':') || (text.starts_with('[') && text.ends_with(']'));
    if bare {
        let host = text.trim_start_matches('[').trim_end_matches(']').to_owned();
        return if host.is_empty() {
            Err(ValueError::Empty)
        } else {
            Ok(Advertise { host, port: None })
        };
    }
    let (host, port) = host_port(text)?;
    if host.is_empty() {
        return Err(ValueError::Empty);
    }
    let port = match port {
        Some(Port::Fixed(port)) => Some(port),
        Some(Port::Random) | None => None,
    };
    Ok(Advertise { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        assert_eq!(host_port("localhost:-1"), Ok(("localhost", Some(Port::Random))));
        assert_eq!(host_port(":4222"), Ok(("", Some(Port::Fixed(4222)))));
        assert_eq!(host_port("[::1]:80"), Ok(("::1", Some(Port::Fixed(80)))));
        assert_eq!(host_port("a:0"), Ok(("a", None)));
        for wrong in ["abc", "::1:4222", "[::1]", "[::1"] {
            assert_eq!(host_port(wrong), Err(ValueError::Address(wrong.to_owned())));
        }
        assert_eq!(host_port("x:y"), Err(ValueError::Port("y".to_owned())));
        let error = ValueError::Bounds { value: 99999, min: -1, max: 65535 };
        assert_eq!(host_port("a:99999"), Err(error));
    }

    #[test]
    fn an_advertised_port_may_be_missing() {
        let of = |text| advertise(text).map(|found| (found.host, found.port));
        assert_eq!(of("abc"), Ok(("abc".to_owned(), None)));
        assert_eq!(of("abc:5"), Ok(("abc".to_owned(), Some(5))));
        assert_eq!(of("[::1]"), Ok(("::1".to_owned(), None)));
        assert_eq!(of("[::1]:5"), Ok(("::1".to_owned(), Some(5))));
        assert_eq!(of(""), Err(ValueError::Empty));
        assert_eq!(of(":5"), Err(ValueError::Empty));
    }
}
