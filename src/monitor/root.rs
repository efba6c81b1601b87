//! `/`: a page of links for people.

use hyper::StatusCode;

use crate::reply::{Content, Reply};
use crate::source::ServerFacts;

const LINKS: [(&str, &str); 11] = [
    ("console", "Console"),
    ("varz", "General"),
    ("jsz", "JetStream"),
    ("connz", "Connections"),
    ("accountz", "Accounts"),
    ("subsz", "Subscriptions"),
    ("routez", "Routes"),
    ("leafz", "LeafNodes"),
    ("gatewayz", "Gateways"),
    ("healthz", "Health Probe"),
    ("metrics", "Metrics"),
];

// spec/monitoring.md §1: an HTML index page with links, whose text contains the version.
pub(crate) fn answer(facts: &ServerFacts) -> Reply {
    let base = format!("/{}", facts.http_base_path.trim_matches('/'));
    let base = base.trim_end_matches('/');
    let links: String = LINKS
        .iter()
        .map(|(path, title)| format!("<li><a href=\"{base}/{path}\">{title}</a></li>\n"))
        .collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>Corewire</title></head>\n<body>\n<h1>Corewire</h1>\n\
         <p>NATS v{}</p>\n<ul>\n{links}</ul>\n</body>\n</html>\n",
        facts.version
    );
    Reply { status: StatusCode::OK, content: Content::Html, body: page.into_bytes() }
}
