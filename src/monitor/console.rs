//! `/console`: the server at a glance, for people. A page, its script and its style, inside the
//! program; the script reads the other endpoints, so the console shows nothing that tools cannot
//! have.

use hyper::StatusCode;

use crate::reply::{Content, Reply};

pub(crate) fn page() -> Reply {
    file(Content::Html, include_str!("console/index.html"))
}

pub(crate) fn script() -> Reply {
    file(Content::JavaScript, include_str!("console/console.js"))
}

pub(crate) fn style() -> Reply {
    file(Content::Css, include_str!("console/console.css"))
}

fn file(content: Content, text: &str) -> Reply {
    Reply { status: StatusCode::OK, content, body: text.as_bytes().to_vec() }
}
