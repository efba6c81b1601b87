//! `/healthz`: whether the server can do its work (spec/monitoring.md §11).

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::Health;

/// What a system request may ask for (spec/monitoring.md §13, HealthzOptions). The switches that
/// only say where to stop are not looked at: there is no JetStream to look at yet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
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
        for switch in ["js-server-only", "js-enabled", "js-enabled-only", "js-meta-only"] {
            params.boolean(switch)?;
        }
        let text = |key| params.text(key).to_owned();
        let options = Options {
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
            return Some("account must not be empty when checking stream health");
        }
        let lonely = !consumer.is_empty() && stream.is_empty();
        lonely.then_some("stream must not be empty when checking consumer health")
    }
}

pub(crate) fn answer(health: &Health, request: &Request) -> Reply {
    if let Some(text) = request.incomplete() {
        let fault = Fault { kind: "BAD_REQUEST", text };
        return failed(StatusCode::BAD_REQUEST, "error", &fault, request);
    }
    match health {
        Health::Ok => {
            let status = Status { status: "ok", status_code: None, error: None, errors: None };
            told(StatusCode::OK, status, request)
        }
        Health::NotListening => {
            let fault = Fault { kind: "CONNECTION", text: "not listening for client connections" };
            failed(StatusCode::INTERNAL_SERVER_ERROR, "error", &fault, request)
        }
        Health::Unavailable(text) => {
            let fault = Fault { kind: "CONNECTION", text };
            failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &fault, request)
        }
    }
}

#[derive(Serialize)]
struct Fault<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
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
    let (error, errors) = match request.options.details {
        false => (Some(fault.text), None),
        true => (None, Some([fault])),
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

    #[test]
    fn the_system_service_shows_the_code() {
        let request = || Request::from_options(Options { details: true, ..Options::default() });
        let body = |health| String::from_utf8(answer(&health, &request()).body).unwrap();
        assert_eq!(body(Health::Ok), r#"{"status":"ok","status_code":200}"#);
        let failed = body(Health::Unavailable("disk failed".into()));
        assert!(failed.starts_with(r#"{"status":"unavailable","status_code":503,"errors":["#));
    }

    #[test]
    fn each_state_has_its_status_and_body() {
        let unavailable = Health::Unavailable("disk failed".into());
        let cases = [
            (&Health::Ok, "", 200, r#"{"status":"ok"}"#),
            (&Health::Ok, "js-enabled-only=1&details=true&account=x", 200, r#"{"status":"ok"}"#),
            (
                &Health::NotListening,
                "",
                500,
                r#"{"status":"error","error":"not listening for client connections"}"#,
            ),
            (&unavailable, "", 503, r#"{"status":"unavailable","error":"disk failed"}"#),
            (
                &unavailable,
                "details=1",
                503,
                concat!(
                    r#"{"status":"unavailable","errors":["#,
                    r#"{"type":"CONNECTION","error":"disk failed"}]}"#
                ),
            ),
            (
                &Health::Ok,
                "stream=s",
                400,
                concat!(
                    r#"{"status":"error","#,
                    r#""error":"account must not be empty when checking stream health"}"#
                ),
            ),
            (
                &Health::Ok,
                "account=a&consumer=c&details=1",
                400,
                concat!(
                    r#"{"status":"error","errors":[{"type":"BAD_REQUEST","#,
                    r#""error":"stream must not be empty when checking consumer health"}]}"#
                ),
            ),
        ];
        for (health, query, status, body) in cases {
            let request = Request::from_query(&Params::parse(query)).unwrap();
            let reply = answer(health, &request);
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
