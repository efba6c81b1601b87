//! One answer: status, type and bytes.

use hyper::StatusCode;
use serde::Serialize;

/// What goes back to an HTTP client.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    pub(crate) body: Vec<u8>,
}

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Json,
    Html,
    Text,
    Metrics,
}

impl Content {
    /// The value of `Content-Type`.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Content::Json => "application/json",
            Content::Html => "text/html; charset=utf-8",
            Content::Text => "text/plain; charset=utf-8",
            Content::Metrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Reply {
    /// 200 with JSON, indented by two spaces (spec/monitoring.md §1).
    pub(crate) fn json(value: &impl Serialize) -> Reply {
        Reply::of(StatusCode::OK, Content::Json, serde_json::to_vec_pretty(value))
    }

    /// JSON on one line, for `/healthz`.
    pub(crate) fn compact_json(status: StatusCode, value: &impl Serialize) -> Reply {
        Reply::of(status, Content::Json, serde_json::to_vec(value))
    }

    /// A plain text.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Reply {
        Reply { status, content: Content::Text, body: text.into().into_bytes() }
    }

    fn of(status: StatusCode, content: Content, body: serde_json::Result<Vec<u8>>) -> Reply {
        let body = body.expect("our own structs have string keys only, so they always serialise");
        Reply { status, content, body }
    }
}
