//! Reading `exports` and `imports` of an account. spec/cli-and-config.md §7.3

use std::time::Duration;

use crate::account_block::percent;
use crate::accounts::{Export, ExportKind, Import, ImportKind, Latency, ResponseKind};
use crate::accounts::{Sampling, Service};
use crate::declaration::{Inside, Known};
use crate::duration;
use crate::limits;
use crate::permissions::is_subject;
use crate::place::Place;
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::{Entry, Map, Node, Value};

/// The keys of an export.
pub(crate) const EXPORT_KEYS: &[Known] = &[
    Known::read(&["stream"], "text", "Subjects whose messages others may import"),
    Known::read(&["service"], "text", "Subjects on which others may send requests"),
    Known::read(&["accounts"], "text or a list of text", "Only to these accounts"),
    Known::read(
        &["response", "response_type"],
        "text",
        "How a service answers: single, stream or chunk",
    ),
    Known::read(
        &["threshold", "response_threshold", "response_max_time", "response_time"],
        "a duration such as 10s",
        "Time in which a service answers",
    ),
    Known::read(
        &["latency"],
        "text or a block",
        "Where it is published how long answers of a service take",
    )
    .with(Inside::Block(LATENCY_KEYS)),
    Known::read(
        &["account_token_position"],
        "an integer",
        "The token of the subject that must name the importing account",
    ),
    Known::read(&["allow_trace"], "a boolean", "Traces of messages may follow into this account"),
];

const LATENCY_KEYS: &[Known] = &[
    Known::read(
        &["sampling"],
        "an integer or headers",
        "Percent of the requests, or those that ask",
    ),
    Known::read(&["subject"], "text", "The subject, in the exporting account"),
];

/// The keys of an import.
pub(crate) const IMPORT_KEYS: &[Known] = &[
    Known::read(&["stream"], "a block", "A stream of another account")
        .with(Inside::Block(EXPORTER_KEYS)),
    Known::read(&["service"], "a block", "A service of another account")
        .with(Inside::Block(EXPORTER_KEYS)),
    Known::read(&["prefix"], "text", "What stands before the stream's subjects here"),
    Known::read(&["to"], "text", "The subject here"),
    Known::read(&["share"], "a boolean", "Tell the service who asks"),
    Known::read(&["allow_trace"], "a boolean", "Traces of messages may follow into this account"),
];

const EXPORTER_KEYS: &[Known] = &[
    Known::read(&["account"], "text", "The exporting account"),
    Known::read(&["subject"], "text", "The exported subject"),
];

/// Reads the list.
pub(crate) fn read_exports(node: &Node, tree: &mut Tree<'_>) -> Vec<Export> {
    let nodes = tree.list("exports", node);
    nodes.iter().filter_map(|node| read_export(node, tree)).collect()
}

/// What an export's block said.
#[derive(Default)]
struct ExportDraft {
    stream: Option<String>,
    service: Option<String>,
    accounts: Option<Vec<String>>,
    response: Option<ResponseKind>,
    threshold: Option<Duration>,
    latency: Option<Latency>,
    account_token: Option<usize>,
    allow_trace: bool,
}

fn read_export(node: &Node, tree: &mut Tree<'_>) -> Option<Export> {
    let map = tree.map("exports", node)?;
    let mut draft = ExportDraft::default();
    tree.block(map, EXPORT_KEYS, |tree, key, entry| draft.set(key, entry, tree));
    let (subject, kind) = match (draft.stream, draft.service) {
        (Some(subject), None) => {
            let of_services =
                draft.response.is_some() || draft.threshold.is_some() || draft.latency.is_some();
            if of_services {
                tree.note(node.place, "exports", ValueError::OnlyOfServices);
            }
            (subject, ExportKind::Stream)
        }
        (None, Some(subject)) => {
            let response = draft.response.unwrap_or_default();
            if draft.latency.is_some() && response != ResponseKind::Singleton {
                tree.note(node.place, "latency", ValueError::LatencyOfStreams);
            }
            let threshold = draft.threshold.unwrap_or(limits::SERVICE_RESPONSE_MAX);
            let service = Service { response, threshold, latency: draft.latency };
            (subject, ExportKind::Service(service))
        }
        _ => {
            tree.note(node.place, "exports", ValueError::StreamOrService);
            return None;
        }
    };
    if !is_subject(&subject) {
        tree.note(node.place, "exports", ValueError::Subject(subject));
        return None;
    }
    if let Some(position) = draft.account_token
        && subject.split('.').nth(position - 1) != Some("*")
    {
        tree.note(node.place, "account_token_position", ValueError::AccountToken(subject.clone()));
    }
    Some(Export {
        subject,
        kind,
        accounts: draft.accounts,
        account_token: draft.account_token,
        allow_trace: draft.allow_trace,
    })
}

impl ExportDraft {
    fn set(&mut self, key: &str, entry: &Entry, tree: &mut Tree<'_>) {
        let node = &entry.node;
        match key {
            "stream" => self.stream = tree.text(key, node).map(str::to_owned),
            "service" => self.service = tree.text(key, node).map(str::to_owned),
            "accounts" => self.accounts = Some(tree.texts(key, node)),
            "response" => self.response = response_kind(node, tree),
            "threshold" => self.threshold = span(key, node, tree),
            "latency" => self.latency = latency(node, tree),
            "account_token_position" => {
                let position = tree.int(key, node).and_then(|at| usize::try_from(at).ok());
                self.account_token = position.filter(|at| *at > 0);
            }
            _ => self.allow_trace = tree.switch(key, node).unwrap_or_default(),
        }
    }
}

fn response_kind(node: &Node, tree: &mut Tree<'_>) -> Option<ResponseKind> {
    let text = tree.text("response", node)?;
    match text.to_ascii_lowercase().as_str() {
        "single" | "singleton" => Some(ResponseKind::Singleton),
        "stream" => Some(ResponseKind::Stream),
        "chunk" | "chunked" => Some(ResponseKind::Chunked),
        _ => {
            let allowed = "single, stream, chunk".to_owned();
            let error = ValueError::Choice { value: text.to_owned(), allowed };
            tree.note(node.place, "response", error);
            None
        }
    }
}

fn span(key: &str, node: &Node, tree: &mut Tree<'_>) -> Option<Duration> {
    let text = tree.text(key, node)?;
    match duration::parse(text) {
        Ok(span) if !span.is_zero() => Some(span),
        Ok(_) => None,
        Err(reason) => {
            let text = text.to_owned();
            tree.note(node.place, key, ValueError::Duration { text, reason });
            None
        }
    }
}

/// A subject, or a block with `subject` and `sampling`.
fn latency(node: &Node, tree: &mut Tree<'_>) -> Option<Latency> {
    let mut latency = Latency { subject: String::new(), sampling: Sampling::Percent(100) };
    match &node.value {
        Value::Text(subject) => latency.subject.clone_from(subject),
        Value::Map(map) => {
            tree.block(map, LATENCY_KEYS, |tree, key, entry| match key {
                "subject" => {
                    latency.subject = tree.text(key, &entry.node).unwrap_or_default().to_owned();
                }
                _ => match sampling(&entry.node.value) {
                    Some(sampling) => latency.sampling = sampling,
                    None => tree.note(entry.node.place, key, ValueError::Percent),
                },
            });
        }
        other => {
            let expected = "text or a block";
            tree.note(node.place, "latency", ValueError::Kind { expected, found: other.kind() });
            return None;
        }
    }
    let literal = !latency.subject.split('.').any(|token| token == "*" || token == ">");
    if !is_subject(&latency.subject) || !literal {
        tree.note(node.place, "latency", ValueError::Subject(latency.subject));
        return None;
    }
    Some(latency)
}

fn sampling(value: &Value) -> Option<Sampling> {
    match value {
        Value::Text(text) if text.trim().eq_ignore_ascii_case("headers") => Some(Sampling::Headers),
        value => percent(value).map(Sampling::Percent),
    }
}

/// Reads the list.
pub(crate) fn read_imports(node: &Node, tree: &mut Tree<'_>) -> Vec<Import> {
    let nodes = tree.list("imports", node);
    nodes.iter().filter_map(|node| read_import(node, tree)).collect()
}

fn read_import(node: &Node, tree: &mut Tree<'_>) -> Option<Import> {
    let map = tree.map("imports", node)?;
    let (mut stream, mut service) = (None, None);
    let (mut prefix, mut to) = (None, None);
    let (mut share, mut allow_trace) = (false, false);
    tree.block(map, IMPORT_KEYS, |tree, key, entry| match key {
        "stream" => stream = exporter(key, entry, tree),
        "service" => service = exporter(key, entry, tree),
        "prefix" => prefix = tree.text(key, &entry.node).map(str::to_owned),
        "to" => to = tree.text(key, &entry.node).map(str::to_owned),
        "share" => share = tree.switch(key, &entry.node).unwrap_or_default(),
        _ => allow_trace = tree.switch(key, &entry.node).unwrap_or_default(),
    });
    let place = node.place;
    let prefix = prefix.filter(|prefix: &String| !prefix.is_empty());
    let to = to.filter(|to: &String| !to.is_empty());
    if has(map, "stream") == has(map, "service") {
        tree.note(place, "imports", ValueError::StreamOrService);
        return None;
    }
    let (exporter, kind) = match (stream, service) {
        (Some((account, subject)), None) => {
            if prefix.is_some() && to.is_some() {
                tree.note(place, "imports", ValueError::PrefixAndTo);
            }
            // A prefix is a destination with the whole subject behind it.
            let to = prefix.map(|prefix| prefixed(&prefix, &subject)).or(to);
            ((account, subject), ImportKind::Stream { to, allow_trace })
        }
        (None, Some(exporter)) => {
            if prefix.is_some() {
                tree.note(place, "prefix", ValueError::OnlyOfStreams);
            }
            (exporter, ImportKind::Service { to, share })
        }
        _ => return None,
    };
    let (account, subject) = exporter;
    Some(Import { account, subject, kind })
}

fn has(map: &Map, key: &str) -> bool {
    map.written().iter().any(|(written, _)| written.eq_ignore_ascii_case(key))
}

/// `prefix.` and the subject, its wildcards numbered.
fn prefixed(prefix: &str, subject: &str) -> String {
    let dot = if prefix.ends_with('.') { "" } else { "." };
    let mut nth = 0;
    let tokens = subject.split('.').map(|token| match token {
        "*" => {
            nth += 1;
            format!("${nth}")
        }
        token => token.to_owned(),
    });
    format!("{prefix}{dot}{}", tokens.collect::<Vec<_>>().join("."))
}

/// `{ account: A, subject: "x" }`
fn exporter(key: &str, entry: &Entry, tree: &mut Tree<'_>) -> Option<(String, String)> {
    let map = tree.map(key, &entry.node)?;
    let (mut account, mut subject) = (String::new(), String::new());
    tree.block(map, EXPORTER_KEYS, |tree, key, entry| {
        let text = tree.text(key, &entry.node).unwrap_or_default().to_owned();
        match key {
            "account" => account = text,
            _ => subject = text,
        }
    });
    check_exporter(key, entry.node.place, &account, &subject, tree)?;
    Some((account, subject))
}

fn check_exporter(
    key: &str,
    place: Place,
    account: &str,
    subject: &str,
    tree: &mut Tree<'_>,
) -> Option<()> {
    if account.is_empty() || subject.is_empty() {
        tree.note(place, key, ValueError::ImportIncomplete);
        return None;
    }
    if !is_subject(subject) {
        tree.note(place, key, ValueError::Subject(subject.to_owned()));
        return None;
    }
    Some(())
}
