//! The envelope of every answer: `type`, then the error or the body.
//!
//! An answer that is an error leaves out the body, but for the fields that nats-server always
//! writes; they stand at their zero. Source: spec/jetstream.md §1 Envelope.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::kind::{Kind, UNKNOWN};
use crate::{ApiError, ErrorCode};

/// What a request led to.
pub type Answer = Result<Body, ApiError>;

/// The body of an answer: a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// `body` as JSON. It must be written as an object.
    pub fn of(body: &impl Serialize) -> Answer {
        let json = serde_json::to_vec(body)
            .map_err(|error| ApiError::with(ErrorCode::StreamGeneralError, error))?;
        debug_assert!(json.starts_with(b"{") && json.ends_with(b"}"));
        Ok(Body(json))
    }

    /// A body that is JSON already.
    #[must_use]
    pub fn raw(json: &RawValue) -> Body {
        Body(json.get().as_bytes().to_vec())
    }

    /// The body as it travels in a note.
    #[must_use]
    pub fn into_raw(self) -> Box<RawValue> {
        let json = String::from_utf8(self.0).expect("JSON is text");
        RawValue::from_string(json).expect("a body is JSON")
    }

    /// Nothing beside the type.
    pub fn empty() -> Answer {
        Ok(Body(b"{}".to_vec()))
    }

    /// What every deletion answers.
    pub fn success() -> Answer {
        Ok(Body(br#"{"success":true}"#.to_vec()))
    }
}

/// The whole answer as JSON.
#[must_use]
pub fn write(kind: Kind, answer: &Answer) -> Vec<u8> {
    match answer {
        Ok(Body(body)) => {
            let mut out = Vec::with_capacity(kind.response().len() + body.len() + 12);
            push_type(&mut out, kind.response());
            if body.len() > 2 {
                out.push(b',');
            }
            out.extend_from_slice(&body[1..]);
            out
        }
        Err(error) => write_error(kind.response(), error, zeroes(kind)),
    }
}

/// The answer to a subject that nobody knows.
#[must_use]
pub fn unknown() -> Vec<u8> {
    write_error(UNKNOWN, &ApiError::new(ErrorCode::BadRequest), "")
}

fn push_type(out: &mut Vec<u8>, response: &str) {
    out.extend_from_slice(br#"{"type":""#);
    out.extend_from_slice(response.as_bytes());
    out.push(b'"');
}

fn write_error(response: &str, error: &ApiError, zeroes: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    push_type(&mut out, response);
    out.extend_from_slice(br#","error":"#);
    let described = serde_json::to_writer(&mut out, error);
    described.expect("an error of numbers and text is written to memory");
    if !zeroes.is_empty() {
        out.push(b',');
        out.extend_from_slice(zeroes.as_bytes());
    }
    out.push(b'}');
    out
}

/// The fields that an error does not leave out, as nats-server writes them.
const fn zeroes(kind: Kind) -> &'static str {
    match kind {
        Kind::StreamNames => r#""total":0,"offset":0,"limit":0,"streams":null"#,
        Kind::StreamList => r#""total":0,"offset":0,"limit":0,"streams":[]"#,
        Kind::StreamInfo => r#""total":0,"offset":0,"limit":0"#,
        Kind::ConsumerNames | Kind::ConsumerList => {
            r#""total":0,"offset":0,"limit":0,"consumers":[]"#
        }
        Kind::StreamPurge => r#""purged":0"#,
        Kind::StreamRestore => r#""deliver_subject":"""#,
        Kind::ConsumerPause => r#""paused":false,"pause_until":"0001-01-01T00:00:00Z""#,
        Kind::ConsumerReset => r#""reset_seq":0"#,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_as_nats_server_writes_them() {
        #[derive(Serialize)]
        struct Nested {
            state: [u8; 0],
            inner: Option<()>,
        }
        let text = |kind, answer: Answer| String::from_utf8(write(kind, &answer)).unwrap();
        assert_eq!(
            text(Kind::StreamDelete, Body::success()),
            r#"{"type":"io.nats.jetstream.api.v1.stream_delete_response","success":true}"#
        );
        assert_eq!(
            text(Kind::StreamInfo, Body::of(&Nested { state: [], inner: None })),
            r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","state":[],"inner":null}"#
        );
        let missing = || Err(ApiError::new(ErrorCode::StreamNotFound));
        assert_eq!(
            text(Kind::StreamInfo, missing()),
            concat!(
                r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","#,
                r#""error":{"code":404,"err_code":10059,"description":"stream not found"},"#,
                r#""total":0,"offset":0,"limit":0}"#
            )
        );
        for &kind in Kind::ALL {
            let written = write(kind, &missing());
            let value: serde_json::Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(value["type"], kind.response());
        }
        let unknown: serde_json::Value = serde_json::from_slice(&unknown()).unwrap();
        assert_eq!(unknown["error"]["err_code"], 10003);
    }
}
