//! A client as others are told of it: in events, to the services of other accounts, in JetStream's
//! advisories (spec/monitoring.md §14, ClientInfo). One list of fields; each place fills in what it
//! may tell.

use serde::Serialize;

use crate::snapshot::TokenSnapshot;

/// The fields, in the order and under the names of nats-server. What is empty is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClientInfo<'a> {
    /// When it came: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Its address, without the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its id on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its account's name.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub acc: &'a str,
    /// The user it authenticated as.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub user: &'a str,
    /// `name` from CONNECT.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'a str,
    /// `lang` from CONNECT.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub lang: &'a str,
    /// `version` from CONNECT.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub ver: &'a str,
    /// The round trip, nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<u64>,
    /// The name of its server.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub server: &'a str,
    /// When it went: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// What the token of its user says.
    #[serde(flatten)]
    pub token: Option<&'a TokenSnapshot>,
    /// What the account is called in what is told of connections, else the user.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name_tag: &'a str,
    /// `Client`, for instance.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub kind: &'static str,
    /// `nats`, for instance.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub client_type: &'static str,
}
