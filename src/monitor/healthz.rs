//! `/healthz`: whether the server can do its work (spec/monitoring.md §11).

use hyper::StatusCode;
use serde::Serialize;

use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::Health;

/// The switches that only say where to stop; there is no JetStream to look at yet.
const STOPS: [&str; 4] = ["js-server-only", "js-enabled", "js-enabled-only", "js-meta-only"];

pub(crate) fn answer(health: &Health, params: &Params<'_>) -> Result<Reply, BadRequest> {
    for switch in STOPS {
        params.boolean(switch)?;
    }
    let details = if params.boolean("details")? { Details::List } else { Details::Single };
    // Stream needs account, consumer needs stream: else 400.
    for (key, needed) in [("stream", "account"), ("consumer", "stream")] {
        if params.some_text(key).is_some() && params.some_text(needed).is_none() {
            let text = BadRequest::Incomplete(key, needed).to_string();
            let fault = Fault { kind: "BAD_REQUEST", text: &text };
            return Ok(failed(StatusCode::BAD_REQUEST, "error", &fault, details));
        }
    }
    Ok(match health {
        Health::Ok => Reply::compact_json(StatusCode::OK, &Status::ok()),
        Health::NotListening => {
            let fault = Fault { kind: "CONNECTION", text: "not listening for client connections" };
            failed(StatusCode::INTERNAL_SERVER_ERROR, "error", &fault, details)
        }
        Health::Unavailable(text) => {
            let fault = Fault { kind: "CONNECTION", text };
            failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &fault, details)
        }
    })
}

/// How what is wrong is told.
#[derive(Clone, Copy)]
enum Details {
    /// As `error`.
    Single,
    /// As `errors`, with kinds.
    List,
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
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[&'a Fault<'a>; 1]>,
}

impl Status<'_> {
    fn ok() -> Status<'static> {
        Status { status: "ok", error: None, errors: None }
    }
}

fn failed(code: StatusCode, status: &'static str, fault: &Fault<'_>, details: Details) -> Reply {
    let (error, errors) = match details {
        Details::Single => (Some(fault.text), None),
        Details::List => (None, Some([fault])),
    };
    Reply::compact_json(code, &Status { status, error, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

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
                r#"{"status":"error","error":"stream needs account to be named too"}"#,
            ),
            (
                &Health::Ok,
                "account=a&consumer=c&details=1",
                400,
                concat!(
                    r#"{"status":"error","errors":[{"type":"BAD_REQUEST","#,
                    r#""error":"consumer needs stream to be named too"}]}"#
                ),
            ),
        ];
        for (health, query, status, body) in cases {
            let reply = answer(health, &Params::parse(query)).unwrap();
            assert_eq!(reply.status.as_u16(), status, "{query}");
            assert_eq!(String::from_utf8(reply.body).unwrap(), body);
        }
        let error = answer(&Health::Ok, &Params::parse("js-enabled=x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Error decoding boolean for 'js-enabled': strconv.ParseBool: parsing \"x\": \
             invalid syntax"
        );
    }
}
