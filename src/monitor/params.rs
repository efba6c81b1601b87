//! A request's parameters, and what is wrong with them in the words of nats-server.

use std::borrow::Cow;
use std::fmt;
use std::num::IntErrorKind;

/// The decoded query of one request.
pub(crate) struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Params<'a> {
    /// Decodes `a=b&c=d`. Never fails: what cannot be decoded is taken as it stands.
    pub(crate) fn parse(query: &'a str) -> Params<'a> {
        Params { pairs: form_urlencoded::parse(query.as_bytes()).collect() }
    }

    /// The first value of `key`; empty when there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.pairs.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    /// The first value of `key`, when it is not empty.
    pub(crate) fn some_text(&self, key: &str) -> Option<&str> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    /// A boolean; false when absent or empty.
    pub(crate) fn boolean(&self, key: &'static str) -> Result<bool, BadRequest> {
        // spec/monitoring.md §1: Go ParseBool.
        match self.text(key) {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            value => Err(BadRequest::Boolean { key, value: value.into() }),
        }
    }

    /// An integer; 0 when absent or empty.
    pub(crate) fn int(&self, key: &'static str) -> Result<i64, BadRequest> {
        let value = self.text(key);
        if value.is_empty() {
            return Ok(0);
        }
        value.parse().map_err(|error: std::num::ParseIntError| BadRequest::Int {
            key,
            value: value.into(),
            fault: Fault::of(error.kind()),
        })
    }

    /// An unsigned integer; 0 when absent or empty.
    pub(crate) fn uint(&self, key: &'static str) -> Result<u64, BadRequest> {
        let value = self.text(key);
        let bad = |fault| BadRequest::Uint { key, value: value.into(), fault };
        match value.parse() {
            _ if value.is_empty() => Ok(0),
            // Rust takes a sign here, Go does not.
            _ if value.starts_with('+') => Err(bad(Fault::Syntax)),
            Ok(number) => Ok(number),
            Err(error) => Err(bad(Fault::of(error.kind()))),
        }
    }

    /// `offset` and `limit` as they apply: negative offsets are 0, limits below 1 are 1024.
    pub(crate) fn paging(&self) -> Result<Paging, BadRequest> {
        Ok(Paging::of(self.int("offset")?, self.int("limit")?))
    }

    /// The name of the function that a JSONP answer calls.
    pub(crate) fn callback(&self) -> Result<Option<&str>, BadRequest> {
        const LEN_MAX: usize = 128;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_$.".contains(&byte);
        match self.some_text("callback") {
            // nats-server takes anything, so that a link may carry code.
            Some(name) if name.len() > LEN_MAX || !name.bytes().all(is_plain) => {
                Err(BadRequest::Callback)
            }
            name => Ok(name),
        }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Paging {
    /// As both apply: negative offsets are 0, limits below 1 are 1024.
    pub(crate) fn of(offset: i64, limit: i64) -> Paging {
        // spec/monitoring.md §2: limit (1024).
        const LIMIT: usize = 1024;
        let offset = usize::try_from(offset).unwrap_or(0);
        let limit = usize::try_from(limit).ok().filter(|&limit| limit > 0);
        Paging { offset, limit: limit.unwrap_or(LIMIT) }
    }
}

/// Why a number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Syntax,
    Range,
}

impl Fault {
    fn of(kind: &IntErrorKind) -> Fault {
        match kind {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Fault::Range,
            _ => Fault::Syntax,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Fault::Syntax => "invalid syntax",
            Fault::Range => "value out of range",
        }
    }
}

/// A request that cannot be answered, by its sender's fault: HTTP 400 with this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadRequest {
    Boolean { key: &'static str, value: String },
    Int { key: &'static str, value: String, fault: Fault },
    Uint { key: &'static str, value: String, fault: Fault },
    State(String),
    Sort(String),
    SortNeedsClosed(&'static str),
    TestSubject(String),
    UnknownAccount(String),
    FilterNeedsAccount,
    Callback,
    Unexplained,
}

// spec/monitoring.md §1, errors. The texts are those that nats-server 2.9.10 answers.
impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRequest::Boolean { key, value } => write!(
                f,
                "Error decoding boolean for '{key}': strconv.ParseBool: parsing {value:?}: \
                 invalid syntax"
            ),
            BadRequest::Int { key, value, fault } => write!(
                f,
                "Error decoding int for '{key}': strconv.Atoi: parsing {value:?}: {}",
                fault.text()
            ),
            BadRequest::Uint { key, value, fault } => write!(
                f,
                "Error decoding uint64 for '{key}': strconv.ParseUint: parsing {value:?}: {}",
                fault.text()
            ),
            BadRequest::State(state) => write!(f, "Error decoding state for {state}"),
            BadRequest::Sort(option) => write!(f, "invalid sorting option: {option}"),
            BadRequest::SortNeedsClosed(option) => {
                write!(f, "sort by {option} only valid on closed connections")
            }
            BadRequest::TestSubject(subject) => {
                write!(f, "invalid test subject, must be valid publish subject: {subject}")
            }
            BadRequest::UnknownAccount(account) => write!(f, "Account {account} does not exist"),
            BadRequest::FilterNeedsAccount => {
                f.write_str("filter by subject only valid with account filtering")
            }
            BadRequest::Unexplained => {
                f.write_str("say what to explain: client=ID, or a valid subject=SUBJECT")
            }
            BadRequest::Callback => f.write_str("invalid callback name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_and_takes_the_first_of_two() {
        let params = Params::parse("limit=1&limit=2&acc=%24G&user=a+b&empty=&x");
        assert_eq!(params.int("limit"), Ok(1));
        assert_eq!(params.text("acc"), "$G");
        assert_eq!(params.text("user"), "a b");
        assert_eq!(params.some_text("empty"), None);
        assert_eq!(params.boolean("x"), Ok(false));
        assert_eq!(params.uint("none"), Ok(0));
    }

    #[test]
    fn booleans_are_gos() {
        for yes in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(Params::parse(&format!("b={yes}")).boolean("b"), Ok(true));
        }
        for no in ["0", "f", "F", "FALSE", "false", "False", ""] {
            assert_eq!(Params::parse(&format!("b={no}")).boolean("b"), Ok(false));
        }
        for bad in ["tRUE", "yes", "on", "2"] {
            assert!(Params::parse(&format!("b={bad}")).boolean("b").is_err());
        }
    }

    #[test]
    fn paging_has_nats_servers_defaults() {
        let cases = [
            ("", 0, 1024),
            ("offset=-1&limit=-5", 0, 1024),
            ("limit=0", 0, 1024),
            ("offset=7&limit=3", 7, 3),
        ];
        for (query, offset, limit) in cases {
            assert_eq!(Params::parse(query).paging(), Ok(Paging { offset, limit }), "{query}");
        }
    }

    #[test]
    fn wrong_values_are_named_as_nats_server_names_them() {
        type Read = fn(&Params<'_>) -> Option<BadRequest>;
        let boolean: Read = |params| params.boolean("k").err();
        let int: Read = |params| params.int("k").err();
        let uint: Read = |params| params.uint("k").err();
        let cases = [
            (boolean, "k=zz", "boolean for 'k': strconv.ParseBool: parsing \"zz\": invalid syntax"),
            (int, "k=a", "int for 'k': strconv.Atoi: parsing \"a\": invalid syntax"),
            (int, "k=+5", "int for 'k': strconv.Atoi: parsing \" 5\": invalid syntax"),
            (
                int,
                "k=99999999999999999999",
                "int for 'k': strconv.Atoi: parsing \"99999999999999999999\": value out of range",
            ),
            (uint, "k=-1", "uint64 for 'k': strconv.ParseUint: parsing \"-1\": invalid syntax"),
            (uint, "k=%2B5", "uint64 for 'k': strconv.ParseUint: parsing \"+5\": invalid syntax"),
        ];
        for (read, query, expected) in cases {
            let error = read(&Params::parse(query)).unwrap().to_string();
            assert_eq!(error, format!("Error decoding {expected}"));
        }
    }
}
