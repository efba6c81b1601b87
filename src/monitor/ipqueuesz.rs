//! `/ipqueuesz`: what waits in the queues inside the server (spec/monitoring.md §12).

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::{Content, Layout, Reply};
use crate::source::Source;

/// What a system request may ask for (spec/monitoring.md §13, IpqueueszOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    all: bool,
    filter: String,
}

/// What is asked for, checked.
pub(crate) struct Request {
    empty: Empty,
    /// Part of the names that are shown.
    filter: String,
}

/// What becomes of queues in which nothing waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    LeftOut,
    Shown,
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        let all = params.boolean("all")?;
        Ok(Request::from_options(Options { all, filter: params.text("queues").to_owned() }))
    }

    pub(crate) fn from_options(options: Options) -> Request {
        let empty = if options.all { Empty::Shown } else { Empty::LeftOut };
        Request { empty, filter: options.filter }
    }
}

#[derive(Serialize)]
struct Queue {
    pending: usize,
}

pub(crate) fn answer<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Reply {
    let queues: BTreeMap<String, Queue> = scene
        .source
        .queues()
        .into_iter()
        .filter(|queue| queue.pending > 0 || request.empty == Empty::Shown)
        .filter(|queue| queue.name.contains(&request.filter))
        .map(|queue| (queue.name, Queue { pending: queue.pending }))
        .collect();
    match scene.layout {
        Layout::Compact => scene.json(&queues),
        Layout::Indented => {
            let body = indented_by_three(&queues);
            Reply { status: StatusCode::OK, content: Content::Json, body }
        }
    }
}

/// nats-server indents this one by three.
fn indented_by_three(value: &impl Serialize) -> Vec<u8> {
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut body = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut body, formatter);
    value.serialize(&mut serializer).expect("our own structs have string keys only");
    body
}
