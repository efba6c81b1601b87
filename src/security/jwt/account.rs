//! What an account claims: what it may use, what it has of others and others of it, and who signs
//! for it.

use std::collections::BTreeMap;

use nkeys::KeyPairType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Content, Grant, Responses, Subjects, is_default};

/// What an account claims; its subject is the account's public key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// What it has of others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// What it lets others have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Export>,
    /// How much it may use.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: AccountLimits,
    /// Who signs for it besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<SigningKey>,
    /// Users whose tokens are void if made up to then, by public key, or `*` for all; seconds
    /// since the Unix epoch.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revocations: BTreeMap<String, i64>,
    /// Permissions of users without their own.
    #[serde(skip_serializing_if = "is_default")]
    pub default_permissions: Permissions,
    /// Subjects that become others when they are published.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mappings: BTreeMap<String, Vec<Weighted>>,
    /// Who says who may come in, if not this account's keys.
    #[serde(skip_serializing_if = "is_default")]
    pub authorization: ExternalAuthorization,
    /// Where its messages are traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// Which account carries what its streams copy between servers: `system`, `owner`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_traffic: String,
    /// Words about it, `name:value` for templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What users may publish and subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// To what they may publish.
    #[serde(rename = "pub", skip_serializing_if = "is_default")]
    pub publish: Subjects,
    /// To what they may subscribe.
    #[serde(rename = "sub", skip_serializing_if = "is_default")]
    pub subscribe: Subjects,
    /// Whether they may answer requests that they got.
    #[serde(rename = "resp", skip_serializing_if = "Option::is_none")]
    pub responses: Option<Responses>,
}

/// How much an account may use. What is not said is 0, and nothing is allowed; below zero is
/// without limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountLimits {
    /// Subscriptions of one connection.
    #[serde(rename = "subs", skip_serializing_if = "is_default")]
    pub subscriptions: i64,
    /// Bytes. No server enforces it.
    #[serde(skip_serializing_if = "is_default")]
    pub data: i64,
    /// Bytes in a message.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: i64,
    /// Imports.
    #[serde(skip_serializing_if = "is_default")]
    pub imports: i64,
    /// Exports.
    #[serde(skip_serializing_if = "is_default")]
    pub exports: i64,
    /// Whether exports may have wildcards.
    #[serde(rename = "wildcards", skip_serializing_if = "is_default")]
    pub wildcard_exports: bool,
    /// Its users must sign.
    #[serde(skip_serializing_if = "is_default")]
    pub disallow_bearer: bool,
    /// Client connections.
    #[serde(rename = "conn", skip_serializing_if = "is_default")]
    pub connections: i64,
    /// Leafnode connections.
    #[serde(rename = "leaf", skip_serializing_if = "is_default")]
    pub leafnodes: i64,
    /// Streams and what they take, where that is not said by tier.
    #[serde(flatten)]
    pub jetstream: JetStreamLimits,
    /// The same by tier: `R1`, `R3`.
    #[serde(rename = "tiered_limits", skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, JetStreamLimits>,
}

/// Streams and what they take; below zero is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JetStreamLimits {
    /// Bytes in memory; 0 none.
    #[serde(rename = "mem_storage", skip_serializing_if = "is_default")]
    pub memory: i64,
    /// Bytes on disk; 0 none.
    #[serde(rename = "disk_storage", skip_serializing_if = "is_default")]
    pub disk: i64,
    /// Streams.
    #[serde(skip_serializing_if = "is_default")]
    pub streams: i64,
    /// Consumers.
    #[serde(rename = "consumer", skip_serializing_if = "is_default")]
    pub consumers: i64,
    /// Messages that wait for their acknowledgement; 0 without limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory; 0 without limit.
    #[serde(rename = "mem_max_stream_bytes", skip_serializing_if = "is_default")]
    pub memory_stream: i64,
    /// Bytes of one stream on disk; 0 without limit.
    #[serde(rename = "disk_max_stream_bytes", skip_serializing_if = "is_default")]
    pub disk_stream: i64,
    /// Every stream must say how large it may become.
    #[serde(skip_serializing_if = "is_default")]
    pub max_bytes_required: bool,
}

/// A key that signs for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SigningKey {
    /// Users, with whatever they claim.
    Plain(String),
    /// Users that get what a template grants, and claim nothing themselves.
    Scoped(Box<Scope>),
}

/// What the users of a scoped signing key get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Always `user_scope`.
    pub kind: ScopeKind,
    /// The public key.
    pub key: String,
    /// What these users are.
    #[serde(default)]
    pub role: String,
    /// What they may do. A limit that it does not name is none.
    #[serde(default = "Grant::everything", deserialize_with = "template")]
    pub template: Grant,
    /// What they are for.
    #[serde(default)]
    pub description: String,
}

/// The limits of a template are -1 unless it says more: other than in a user's own claims, whose
/// unsaid limits are 0.
fn template<'de, D: Deserializer<'de>>(reader: D) -> Result<Grant, D::Error> {
    let mut said = serde_json::Map::deserialize(reader)?;
    for limit in ["subs", "data", "payload"] {
        said.entry(limit).or_insert_with(|| (-1).into());
    }
    Grant::deserialize(serde_json::Value::Object(said)).map_err(serde::de::Error::custom)
}

/// For whom a scope is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScopeKind {
    /// Users.
    #[default]
    #[serde(rename = "user_scope")]
    User,
}

/// Messages or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// Messages.
    Stream,
    /// Answers.
    Service,
}

/// What an account lets others have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// What it is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The subject, wildcards included.
    pub subject: String,
    /// Messages or answers.
    #[serde(rename = "type")]
    pub kind: ExchangeKind,
    /// Only with an activation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub token_req: bool,
    /// Accounts whose activations are void if made up to then, as in [`Account::revocations`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revocations: BTreeMap<String, i64>,
    /// How many answers a request has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_type: Option<ResponseType>,
    /// How long answers may take, nanoseconds; 0 is two minutes.
    #[serde(rename = "response_threshold", default, skip_serializing_if = "is_default")]
    pub response_threshold_ns: i64,
    /// Whether its times are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_latency: Option<Latency>,
    /// The token, counted from 1, in which the importing account's key must stand; 0 none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub account_token_position: u32,
    /// Whether it is to be shown to others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub advertise: bool,
    /// Whether traces go on behind it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_trace: bool,
    /// What it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where more is said about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub info_url: String,
}

/// How many answers a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseType {
    /// One.
    Singleton,
    /// Any number.
    Stream,
    /// One in pieces.
    Chunked,
}

/// Where a service's times are published, and of how many requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Which requests.
    pub sampling: LatencySampling,
    /// A literal subject.
    pub results: String,
}

/// Which requests are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencySampling {
    /// Those whose headers ask for it.
    Headers,
    /// So many percent, 1 to 100.
    Percent(u8),
}

/// What an account has of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// What it is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// For a stream, the subject of the exporter; for a service, that of the exporter, too, but
    /// with the older [`Import::to`] it is the subject here.
    pub subject: String,
    /// The exporting account.
    pub account: String,
    /// An activation, where the export wants one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// Older: the other side's subject of a service, a prefix or the subject here of a stream.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// The subject here, `$1` for the first wildcard.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub local_subject: String,
    /// Messages or answers.
    #[serde(rename = "type")]
    pub kind: ExchangeKind,
    /// Whether the exporter is told who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub share: bool,
    /// Whether traces go on behind it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_trace: bool,
}

/// What a mapped subject becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighted {
    /// The subject, with functions.
    pub subject: String,
    /// Percent of the messages; 0 is all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub weight: u8,
    /// Only on servers of this cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
}

/// Who says who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalAuthorization {
    /// The service's own users, who are let in without being asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auth_users: Vec<String>,
    /// The accounts into which it may let users; `*` any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_accounts: Vec<String>,
    /// The service's public curve key, to which requests are sealed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

/// Where messages are traced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// A literal subject.
    #[serde(rename = "dest", skip_serializing_if = "String::is_empty")]
    pub destination: String,
    /// Percent of the messages; 0 is all.
    #[serde(skip_serializing_if = "is_default")]
    pub sampling: i64,
}

impl Content for Account {
    const KIND: Option<&'static str> = Some("account");

    fn may_issue(kind: &KeyPairType) -> bool {
        matches!(kind, KeyPairType::Account | KeyPairType::Operator)
    }
}

impl Account {
    /// The signing key `key`, if it is one of the account's.
    pub fn signing_key(&self, key: &str) -> Option<&SigningKey> {
        self.signing_keys.iter().find(|signing| signing.key() == key)
    }
}

impl ExternalAuthorization {
    /// Whether users of the account are authorized by a service: it has users of its own.
    pub fn is_on(&self) -> bool {
        !self.auth_users.is_empty()
    }
}

impl AccountLimits {
    /// Everything but streams, without limit: as tools begin.
    pub fn unlimited() -> AccountLimits {
        AccountLimits {
            subscriptions: -1,
            data: -1,
            payload: -1,
            imports: -1,
            exports: -1,
            wildcard_exports: true,
            connections: -1,
            leafnodes: -1,
            ..AccountLimits::default()
        }
    }
}

impl SigningKey {
    /// The public key.
    pub fn key(&self) -> &str {
        match self {
            SigningKey::Plain(key) => key,
            SigningKey::Scoped(scope) => &scope.key,
        }
    }
}

impl Serialize for LatencySampling {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            LatencySampling::Headers => writer.serialize_str("headers"),
            LatencySampling::Percent(percent) => writer.serialize_u8(*percent),
        }
    }
}

impl<'de> Deserialize<'de> for LatencySampling {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<LatencySampling, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Said {
            Percent(u8),
            Text(String),
        }
        match Said::deserialize(reader)? {
            Said::Percent(0) => Ok(LatencySampling::Headers),
            Said::Percent(percent @ 1..=100) => Ok(LatencySampling::Percent(percent)),
            Said::Text(text) if text.eq_ignore_ascii_case("headers") => {
                Ok(LatencySampling::Headers)
            }
            Said::Percent(_) | Said::Text(_) => Err(serde::de::Error::custom("no sampling rate")),
        }
    }
}
