//! INFO as the server sends it to clients, and the check of an INFO that a client sends.

use serde::Serialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// What a client is told about the server. The order of fields is the order on the wire.
// spec/client-protocol.md §2.3
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The server's public nkey.
    pub server_id: String,
    /// Defaults to the server's id.
    pub server_name: String,
    /// Which NATS server this one is compatible with.
    pub version: String,
    /// 1: the client may send `echo`, asynchronous INFO is supported.
    pub proto: i32,
    /// Seven characters of the commit it was built from; empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// What it was built with.
    pub go: String,
    /// Configured or advertised host.
    pub host: String,
    /// Resolved or advertised port.
    pub port: u16,
    /// Whether HPUB and HMSG are supported.
    pub headers: bool,
    /// Whether CONNECT must carry credentials.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether the client must start TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Whether the client must show a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Whether the client may start TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// Most bytes of headers and payload; -1 is unlimited.
    pub max_payload: i64,
    /// Whether JetStream is enabled.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// This connection's `cid`; 0 is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub client_id: u64,
    /// The client's address as the server sees it; empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    /// To be signed by nkey users; empty when there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// The cluster's name; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Whether the cluster's name was made up.
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_dynamic: bool,
    /// JetStream domain; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// `host:port` of the cluster's servers; empty for a server alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Lame duck mode has begun.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// This is the INFO that follows the first PING.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The connection's account, with `connect_info`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// Whether that is the system account.
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    /// JetStream API level; 0 is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub api_lvl: u64,
    /// The server's public curve key; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Info {
    /// Appends the whole line: `INFO {json} CRLF`, with the space before CRLF that NATS sends.
    // spec/client-protocol.md §2.2 INFO
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"INFO ");
        let json = serde_json::to_string(self).expect("text, numbers and lists serialise");
        for character in json.chars() {
            match character {
                // As Go writes them. They stand inside strings only, where the escape is equal.
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    out.extend_from_slice(format!("\\u{:04x}", character as u32).as_bytes());
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(b" \r\n");
    }
}

/// An INFO from a client that is not a JSON object: closes with `Protocol Violation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("INFO is not a JSON object")]
pub struct InfoError;

/// Checks the JSON of an INFO that a client sent. It is ignored otherwise.
// spec/client-protocol.md §1 Verbs accepted from a CLIENT connection
pub fn check(json: &[u8]) -> Result<(), InfoError> {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object or null")
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_slice(json);
    json.deserialize_any(Object).and_then(|()| json.end()).map_err(|_| InfoError)
}

#[cfg(test)]
mod tests;
