//! Request bodies: JSON into a typed request, strictly or leniently.
//!
//! Strict (the default since 2.12) refuses a field that nobody knows, by name; lenient hands the
//! names back, to be logged. In both, `null` is the same as a field that is left out, as in Go.
//! Source: spec/jetstream.md §1 Strict JSON.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{ApiError, ErrorCode};

/// What to do with a field that the request does not have (`jetstream.strict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Refuse the request: 10025.
    Strict,
    /// Take it, and say what was ignored.
    Lenient,
}

/// A request, and what in it was ignored.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The request.
    pub request: T,
    /// The first unknown field; `None` when all were known.
    pub ignored: Option<String>,
}

/// Reads a request from `body`. An error is 10025 with the reason.
pub fn decode<T: DeserializeOwned>(
    body: &[u8],
    strictness: Strictness,
) -> Result<Decoded<T>, ApiError> {
    decode_with(body, strictness, &[])
}

/// Reads a request whose body may say nothing: what is neither object nor array is not looked at.
// Seen of nats-server 2.15.2: lists, descriptions, purges and pauses are read so.
pub fn decode_if_any<T: DeserializeOwned + Default>(
    body: &str,
    strictness: Strictness,
) -> Result<T, ApiError> {
    match body.trim_start().as_bytes().first() {
        Some(b'{' | b'[') => Ok(decode(body.as_bytes(), strictness)?.request),
        _ => Ok(T::default()),
    }
}

/// The same, where fields named in `beside` are known and read by the caller.
pub fn decode_with<T: DeserializeOwned>(
    body: &[u8],
    strictness: Strictness,
    beside: &[&str],
) -> Result<Decoded<T>, ApiError> {
    let invalid = |reason: &dyn std::fmt::Display| ApiError::with(ErrorCode::InvalidJson, reason);
    // Seen of nats-server 2.15.2: no body at all is an object without fields.
    let mut value = match body.trim_ascii() {
        b"" => Value::Null,
        body => serde_json::from_slice(body).map_err(|error| invalid(&error))?,
    };
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    if value.is_array() {
        return Err(invalid(&"json: cannot unmarshal array into a request"));
    }
    drop_nulls(&mut value);
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !beside.contains(&name.as_str()));
    }
    let mut ignored = None;
    let request = serde_ignored::deserialize(value, |path| {
        let name = path.to_string();
        let field = name.rsplit('.').next().unwrap_or_default().to_owned();
        ignored.get_or_insert(field);
    })
    .map_err(|error: serde_json::Error| invalid(&error))?;
    match ignored {
        // spec/jetstream.md §1: `invalid JSON: json: unknown field "x"`
        Some(field) if strictness == Strictness::Strict => {
            Err(invalid(&format_args!("json: unknown field \"{field}\"")))
        }
        ignored => Ok(Decoded { request, ignored }),
    }
}

/// Whether a body says nothing: empty, `{}`, or the `null` that some clients write for that.
#[must_use]
pub fn is_empty(body: &str) -> bool {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(fields)) => fields.is_empty(),
        Ok(value) => value.is_null(),
        Err(_) => body.trim().is_empty(),
    }
}

/// Removes fields whose value is `null`, at any depth that the parser lets through.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        n: i64,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Request {
        name: String,
        inner: Option<Inner>,
    }

    #[test]
    fn an_unknown_field_is_refused_by_name_or_handed_back() {
        for (body, field) in
            [(r#"{"name":"a","x":1}"#, "x"), (r#"{"inner":{"n":1,"deep":[{}]}}"#, "deep")]
        {
            let error = decode::<Request>(body.as_bytes(), Strictness::Strict).unwrap_err();
            let said = format!("invalid JSON: json: unknown field \"{field}\"");
            assert_eq!((error.code, error.err_code), (400, 10025));
            assert_eq!(error.description, said);
            let lenient = decode::<Request>(body.as_bytes(), Strictness::Lenient).unwrap();
            assert_eq!(lenient.ignored.as_deref(), Some(field));
        }
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let decoded: Decoded<Request> =
            decode(br#"{"name":null,"inner":{"n":null}}"#, Strictness::Strict).unwrap();
        assert_eq!(decoded.request, Request { name: String::new(), inner: Some(Inner { n: 0 }) });
    }

    #[test]
    fn a_body_that_is_no_object_may_say_nothing() {
        for body in ["", " ", "null", "x", "1", "\"x\""] {
            assert_eq!(decode_if_any(body, Strictness::Strict), Ok(Request::default()), "{body}");
        }
        let read: Request = decode_if_any(r#" {"name":"a"}"#, Strictness::Strict).unwrap();
        assert_eq!(read.name, "a");
        for body in ["{bad", "[]", r#"{"x":1}"#] {
            let error = decode_if_any::<Request>(body, Strictness::Strict).unwrap_err();
            assert!(error.is(ErrorCode::InvalidJson), "{body}: {error}");
        }
        let empty: Decoded<Request> = decode(b" ", Strictness::Strict).unwrap();
        assert_eq!(empty.request, Request::default());
    }

    #[test]
    fn bodies_that_say_nothing_are_empty() {
        for empty in ["", " ", "{}", " { } ", "null"] {
            assert!(is_empty(empty), "{empty}");
        }
        for other in ["x", "0", "[]", r#"{"a":1}"#, "\"\""] {
            assert!(!is_empty(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["{", "[1", r#"{"name":3}"#, "\u{7f}"] {
            let error = decode::<Request>(body.as_bytes(), Strictness::Lenient).unwrap_err();
            assert!(error.is(ErrorCode::InvalidJson), "{body}: {error}");
            assert!(error.description.starts_with("invalid JSON: "), "{error}");
        }
    }
}
