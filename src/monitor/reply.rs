//! One answer: status, type and bytes.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::Serializer;

use crate::indent::Indented;

/// What goes back to an HTTP client.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    pub(crate) body: Vec<u8>,
}

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Indented by two spaces, as HTTP answers are (spec/monitoring.md §1).
    Indented,
    /// On one line, as answers of the system services are.
    Compact,
}

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Json,
    JavaScript,
    Html,
    Css,
    Text,
    Metrics,
}

impl Content {
    /// The value of `Content-Type`.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Content::Json => "application/json",
            Content::JavaScript => "application/javascript",
            Content::Html => "text/html; charset=utf-8",
            Content::Css => "text/css; charset=utf-8",
            Content::Text => "text/plain; charset=utf-8",
            Content::Metrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Reply {
    /// 200 with JSON.
    pub(crate) fn json(layout: Layout, value: &impl Serialize) -> Reply {
        let body = match layout {
            Layout::Compact => serde_json::to_vec(value),
            Layout::Indented => {
                let mut body = Vec::new();
                let mut writer = Serializer::with_formatter(&mut body, Indented::default());
                value.serialize(&mut writer).map(|()| body)
            }
        };
        Reply::of(StatusCode::OK, Content::Json, body)
    }

    /// JSON on one line, for `/healthz`.
    pub(crate) fn compact_json(status: StatusCode, value: &impl Serialize) -> Reply {
        Reply::of(status, Content::Json, serde_json::to_vec(value))
    }

    /// A plain text.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Reply {
        Reply { status, content: Content::Text, body: text.into().into_bytes() }
    }

    /// The same as the argument of a call of `callback`, when it is JSON (JSONP).
    pub(crate) fn wrapped(mut self, callback: &str) -> Reply {
        if self.content == Content::Json {
            let mut body = format!("{callback}(").into_bytes();
            body.append(&mut self.body);
            body.push(b')');
            self.content = Content::JavaScript;
            self.body = body;
        }
        self
    }

    fn of(status: StatusCode, content: Content, body: serde_json::Result<Vec<u8>>) -> Reply {
        let body = body.expect("our own structs have string keys only, so they always serialise");
        Reply { status, content, body }
    }
}
