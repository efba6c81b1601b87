//! Where lines go and how they look.

use std::path::PathBuf;
use std::str::FromStr;

/// How the log is written. `Options::default()` is nats-server without flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where lines go.
    pub target: Target,
    /// The time in each line.
    pub stamp: Stamp,
    /// Which clock face names rotated files, also when lines carry no time.
    pub zone: Zone,
}

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Standard error, coloured when it is a terminal.
    #[default]
    Stderr,
    /// A file, appended to.
    File(FileOptions),
    /// The syslog daemon of this host, by `/dev/log`.
    LocalSyslog,
    /// A syslog daemon elsewhere.
    RemoteSyslog(SyslogUrl),
}

/// A log file and its rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// The file. Created with mode 0640.
    pub path: PathBuf,
    /// Bytes after which it is rotated; 0 never.
    pub size_limit: u64,
    /// Files kept, the current one included; 0 keeps all.
    pub files_max: u64,
}

/// `-T`: whether lines carry the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// With date and time, to the microsecond.
    #[default]
    Time,
    /// Without.
    Bare,
}

/// `logtime_utc`: in which zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// The host's.
    #[default]
    Local,
    /// UTC.
    Utc,
}

/// A checked `udp://host:port`, `tcp://host:port` or `unix://path` (also `unixgram://path`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogUrl {
    /// One datagram a line.
    Udp(String),
    /// A stream of lines.
    Tcp(String),
    /// A stream socket of this host.
    Unix(PathBuf),
    /// A datagram socket of this host.
    UnixGram(PathBuf),
}

/// Why a syslog address was refused. The operator has to correct it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Not one of the known schemes. Shown as nats-server does.
    Scheme(String),
    /// No address after the scheme.
    NoAddress,
}

impl std::fmt::Display for UrlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UrlError::Scheme(scheme) => write!(f, "invalid network type: {scheme:?}"),
            UrlError::NoAddress => f.write_str("error connecting to syslog: missing address"),
        }
    }
}

impl std::error::Error for UrlError {}

/// Where syslog daemons listen unless the address says otherwise.
const SYSLOG_PORT: u16 = 514;

impl FromStr for SyslogUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<SyslogUrl, UrlError> {
        let (scheme, address) = url.split_once("://").unwrap_or((url, ""));
        let build: fn(&str) -> SyslogUrl = match scheme {
            "udp" => |address| SyslogUrl::Udp(with_port(address)),
            "tcp" => |address| SyslogUrl::Tcp(with_port(address)),
            "unix" => |path| SyslogUrl::Unix(path.into()),
            "unixgram" => |path| SyslogUrl::UnixGram(path.into()),
            _ => return Err(UrlError::Scheme(scheme.into())),
        };
        if address.is_empty() {
            return Err(UrlError::NoAddress);
        }
        Ok(build(address))
    }
}

fn with_port(address: &str) -> String {
    let after_host = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    if after_host.contains(':') { address.to_owned() } else { format!("{address}:{SYSLOG_PORT}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_they_are_used() {
        let good = [
            ("udp://localhost:514", SyslogUrl::Udp("localhost:514".into())),
            ("tcp://[::1]:99", SyslogUrl::Tcp("[::1]:99".into())),
            ("udp://[::1]", SyslogUrl::Udp("[::1]:514".into())),
            ("tcp://logs", SyslogUrl::Tcp("logs:514".into())),
            ("unix:///run/log", SyslogUrl::Unix("/run/log".into())),
            ("unixgram:///dev/log", SyslogUrl::UnixGram("/dev/log".into())),
        ];
        for (url, expected) in good {
            assert_eq!(url.parse(), Ok(expected), "{url}");
        }
        assert_eq!("foo://x".parse::<SyslogUrl>(), Err(UrlError::Scheme("foo".into())));
        assert_eq!("udp://".parse::<SyslogUrl>(), Err(UrlError::NoAddress));
        assert_eq!(UrlError::Scheme("foo".into()).to_string(), "invalid network type: \"foo\"");
    }
}
