//! `/healthz`: whether the server can do its work (spec/monitoring.md §11).

use base::snapshot::StreamQuery;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::{Health, Source};

/// What a system request may ask for (spec/monitoring.md §13, HealthzOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    #[serde(rename = "js-enabled")]
    js_enabled: bool,
    #[serde(rename = "js-enabled-only")]
    js_enabled_only: bool,
    #[serde(rename = "js-server-only")]
    js_server_only: bool,
    // Read, so that a wrong value is an error.
    #[serde(rename = "js-meta-only")]
    js_meta_only: bool,
    account: String,
    stream: String,
    consumer: String,
    details: bool,
}

/// What is asked for.
pub(crate) struct Request {
    options: Options,
    code: Code,
}

/// Whether the status stands in the body, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// It is HTTP's.
    Outside,
    /// spec/monitoring.md §11: only in the system service's answer.
    Inside,
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        let text = |key| params.text(key).to_owned();
        let options = Options {
            js_enabled: params.boolean("js-enabled")?,
            js_enabled_only: params.boolean("js-enabled-only")?,
            js_server_only: params.boolean("js-server-only")?,
            js_meta_only: params.boolean("js-meta-only")?,
            account: text("account"),
            stream: text("stream"),
            consumer: text("consumer"),
            details: params.boolean("details")?,
        };
        Ok(Request { options, code: Code::Outside })
    }

    pub(crate) fn from_options(options: Options) -> Request {
        Request { options, code: Code::Inside }
    }

    /// What is missing beside something that needs it.
    fn incomplete(&self) -> Option<&'static str> {
        let Options { account, stream, consumer, .. } = &self.options;
        if !stream.is_empty() && account.is_empty() {
            return Some("\"account\" must not be empty when checking stream health");
        }
        let lonely = !consumer.is_empty() && stream.is_empty();
        lonely.then_some("\"stream\" must not be empty when checking consumer health")
    }
}

/// The answer.
pub(crate) async fn answer<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Reply {
    if let Some(text) = request.incomplete() {
        let fault = Fault { kind: "BAD_REQUEST", text, ..Fault::default() };
        return failed(StatusCode::BAD_REQUEST, "error", &fault, request);
    }
    let health = scene.source.health();
    if health == Health::NotListening {
        let text = "not listening for client connections";
        let fault = Fault { kind: "CONNECTION", text, ..Fault::default() };
        return failed(StatusCode::INTERNAL_SERVER_ERROR, "error", &fault, request);
    }
    // spec/monitoring.md §11: js-server-only stops before JetStream, js-enabled-only when that is
    // switched on; js-meta-only concerns clusters.
    let Options { js_enabled, js_enabled_only, js_server_only, .. } = request.options;
    let stops = js_server_only || js_enabled || js_enabled_only;
    if !stops && let Health::Unavailable(text) = &health {
        let fault = Fault { kind: "JETSTREAM", text, ..Fault::default() };
        return failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &fault, request);
    }
    if !stops
        && scene.source.jetstream().is_some()
        && let Some(missing) = missing(scene, &request.options).await
    {
        let text = missing.text(&request.options);
        let Options { account, stream, consumer, .. } = &request.options;
        let (kind, stream, consumer) = match missing {
            Missing::Account => ("ACCOUNT", "", ""),
            Missing::Stream => ("STREAM", &stream[..], ""),
            Missing::Consumer => ("CONSUMER", &stream[..], &consumer[..]),
        };
        let fault = Fault { kind, account, stream, consumer, text: &text };
        return failed(StatusCode::NOT_FOUND, "unavailable", &fault, request);
    }
    let status = Status { status: "ok", status_code: None, error: None, errors: None };
    told(StatusCode::OK, status, request)
}

/// What is asked about and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Account,
    Stream,
    Consumer,
}

impl Missing {
    fn text(self, options: &Options) -> String {
        let Options { account, stream, consumer, .. } = options;
        match self {
            Missing::Account => format!("JetStream account {account:?} not found"),
            Missing::Stream => {
                format!("JetStream stream {stream:?} not found on account {account:?}")
            }
            Missing::Consumer => format!(
                "JetStream consumer {consumer:?} not found for stream {stream:?} on account \
                 {account:?}"
            ),
        }
    }
}

/// Looks for the account, stream and consumer that are named.
async fn missing<S: Source>(scene: &Scene<'_, S>, options: &Options) -> Option<Missing> {
    if options.account.is_empty() {
        return None;
    }
    let inside = scene.source.jetstream_accounts();
    let account = scene.account(&options.account).map(|account| account.id);
    let account = account.filter(|id| inside.iter().any(|used| used.id == *id));
    let Some(account) = account else { return Some(Missing::Account) };
    if options.stream.is_empty() {
        return None;
    }
    let query = StreamQuery {
        account: Some(account),
        stream: Some(options.stream.clone()),
        consumers: !options.consumer.is_empty(),
        configs: false,
    };
    let streams = scene.source.streams(query).await;
    let Some(stream) = streams.first() else { return Some(Missing::Stream) };
    let is_there = stream.consumers.iter().any(|consumer| consumer.name == options.consumer);
    (!options.consumer.is_empty() && !is_there).then_some(Missing::Consumer)
}

#[derive(Default, Serialize)]
struct Fault<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    stream: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    consumer: &'a str,
    #[serde(rename = "error")]
    text: &'a str,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[&'a Fault<'a>; 1]>,
}

fn failed(code: StatusCode, status: &'static str, fault: &Fault<'_>, request: &Request) -> Reply {
    // spec/monitoring.md §11, seen of nats-server 2.14.5: with details, whatever is wrong is an
    // error.
    let (status, error, errors) = match request.options.details {
        false => (status, Some(fault.text), None),
        true => ("error", None, Some([fault])),
    };
    told(code, Status { status, status_code: None, error, errors }, request)
}

fn told(code: StatusCode, mut status: Status<'_>, request: &Request) -> Reply {
    status.status_code = (request.code == Code::Inside).then_some(code.as_u16());
    Reply::compact_json(code, &status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, FakeServer};
    use crate::reply::Layout;

    fn ask(health: Health, request: &Request) -> Reply {
        let mut server = FakeServer::idle();
        server.health = health;
        let desk = fake::desk(server);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(answer(&desk.scene(Layout::Compact), request))
    }

    #[test]
    fn the_system_service_shows_the_code() {
        let request = || Request::from_options(Options { details: true, ..Options::default() });
        let body = |health| String::from_utf8(ask(health, &request()).body).unwrap();
        assert_eq!(body(Health::Ok), r#"{"status":"ok","status_code":200}"#);
        let failed = body(Health::Unavailable("disk failed".into()));
        assert!(failed.starts_with(r#"{"status":"error","status_code":503,"errors":["#));
    }

    #[test]
    fn each_state_has_its_status_and_body() {
        let unavailable = Health::Unavailable("disk failed".into());
        let cases = [
            (Health::Ok, "", 200, r#"{"status":"ok"}"#),
            (Health::Ok, "js-enabled-only=1&details=true&account=x", 200, r#"{"status":"ok"}"#),
            (
                Health::NotListening,
                "",
                500,
                r#"{"status":"error","error":"not listening for client connections"}"#,
            ),
            (unavailable.clone(), "", 503, r#"{"status":"unavailable","error":"disk failed"}"#),
            (
                unavailable.clone(),
                "details=1",
                503,
                concat!(
                    r#"{"status":"error","errors":["#,
                    r#"{"type":"JETSTREAM","error":"disk failed"}]}"#
                ),
            ),
            (unavailable, "js-enabled-only=1", 200, r#"{"status":"ok"}"#),
            (
                Health::Ok,
                "stream=s",
                400,
                concat!(
                    r#"{"status":"error","#,
                    r#""error":"\"account\" must not be empty when checking stream health"}"#
                ),
            ),
            (
                Health::Ok,
                "account=a&consumer=c&details=1",
                400,
                concat!(
                    r#"{"status":"error","errors":[{"type":"BAD_REQUEST","#,
                    r#""error":"\"stream\" must not be empty when checking consumer health"}]}"#
                ),
            ),
        ];
        for (health, query, status, body) in cases {
            let request = Request::from_query(&Params::parse(query)).unwrap();
            let reply = ask(health, &request);
            assert_eq!(reply.status.as_u16(), status, "{query}");
            assert_eq!(String::from_utf8(reply.body).unwrap(), body);
        }
        let error = Request::from_query(&Params::parse("js-enabled=x")).err().unwrap();
        assert_eq!(
            error.to_string(),
            "Error decoding boolean for 'js-enabled': strconv.ParseBool: parsing \"x\": \
             invalid syntax"
        );
    }
}
