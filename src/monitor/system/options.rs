//! The bodies of system requests: JSON objects, or nothing at all.

use base::ClientId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Refusal;
use crate::source::ServerFacts;

/// Reads options. An empty body is the same as none; unknown keys are ignored, and keys with
/// `null`, which Go writes for empty lists, are as if they were not there.
pub(super) fn decode<T: DeserializeOwned + Default>(payload: &[u8]) -> Result<T, Refusal> {
    if payload.is_empty() {
        return Ok(T::default());
    }
    let unreadable = |error: serde_json::Error| Refusal::Unreadable(error.to_string());
    let mut body: Value = serde_json::from_slice(payload).map_err(unreadable)?;
    match &mut body {
        Value::Object(fields) => fields.retain(|_, value| !value.is_null()),
        Value::Null => return Ok(T::default()),
        _ => return Err(Refusal::Unreadable("options must be an object".into())),
    }
    serde_json::from_value(body).map_err(unreadable)
}

/// Which servers are meant; all conditions must hold (spec/monitoring.md §13, EventFilterOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    server_name: String,
    cluster: String,
    host: String,
    exact_match: bool,
    tags: Vec<String>,
    domain: String,
}

impl Filter {
    /// Whether a server with these facts is meant.
    pub(super) fn admits(&self, facts: &ServerFacts) -> bool {
        let fits = |wanted: &str, own: &str| match self.exact_match {
            _ if wanted.is_empty() => true,
            true => wanted == own,
            false => own.contains(wanted),
        };
        // nats-server keeps its tags in lower case.
        let has = |tag: &String| facts.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
        fits(&self.server_name, &facts.server_name)
            && fits(&self.host, &facts.host)
            // A server alone has no cluster.
            && fits(&self.cluster, "")
            && (self.domain.is_empty() || self.domain == facts.domain)
            && self.tags.iter().all(has)
    }
}

/// `{"cid": n}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OneClient {
    cid: u64,
}

impl OneClient {
    pub(super) fn client(&self) -> ClientId {
        ClientId(self.cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(body: &str) -> bool {
        let facts = ServerFacts {
            server_name: "north-1".into(),
            host: "10.0.0.1".into(),
            tags: vec!["region:north".into(), "fast".into()],
            domain: "hub".into(),
            ..ServerFacts::default()
        };
        decode::<Filter>(body.as_bytes()).unwrap().admits(&facts)
    }

    #[test]
    fn servers_are_chosen_by_parts_or_by_the_whole() {
        for meant in [
            "",
            "null",
            "{}",
            r#"{"server_name":"north"}"#,
            r#"{"server_name":"north-1","exact_match":true}"#,
            r#"{"host":"10.","tags":["FAST"],"unknown":1}"#,
            r#"{"tags":null}"#,
            r#"{"domain":"hub"}"#,
        ] {
            assert!(admits(meant), "{meant}");
        }
        for other in [
            r#"{"server_name":"south"}"#,
            r#"{"server_name":"north","exact_match":true}"#,
            r#"{"tags":["fast","slow"]}"#,
            r#"{"cluster":"c"}"#,
            r#"{"domain":"hu"}"#,
            r#"{"server_name":"north-1","host":"10.0.0.2"}"#,
        ] {
            assert!(!admits(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_object_of_the_right_types_is_refused() {
        for bad in [" ", "x", "{", "[]", "7", r#"{"tags":"t"}"#, r#"{"exact_match":1}"#] {
            let refused = decode::<Filter>(bad.as_bytes());
            assert!(matches!(refused, Err(Refusal::Unreadable(_))), "{bad}");
        }
    }
}
