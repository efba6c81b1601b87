//! What a user claims, and what a scoped signing key grants to the users that it signs for.

use nkeys::KeyPairType;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Claims, Content, is_default};

/// What a user claims; its subject is the user's public key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// What it may do.
    #[serde(flatten)]
    pub grant: Grant,
    /// Its account, where a signing key of it is the issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer_account: String,
    /// Words about it, `name:value` for templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What a user may do. All of it stands in the user's own token, or in the template of the scoped
/// signing key that signed it, never in both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// To what it may publish.
    #[serde(rename = "pub", skip_serializing_if = "is_default")]
    pub publish: Subjects,
    /// To what it may subscribe.
    #[serde(rename = "sub", skip_serializing_if = "is_default")]
    pub subscribe: Subjects,
    /// Whether it may answer requests that it got.
    #[serde(rename = "resp", skip_serializing_if = "Option::is_none")]
    pub responses: Option<Responses>,
    /// From which networks, each an address and a prefix length; from anywhere when empty.
    #[serde(rename = "src", skip_serializing_if = "Vec::is_empty", deserialize_with = "networks")]
    pub networks: Vec<String>,
    /// At which times of day; at any when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeRange>,
    /// The time zone of [`Grant::times`] by its IANA name; the host's when empty.
    #[serde(rename = "times_location", skip_serializing_if = "String::is_empty")]
    pub times_location: String,
    /// Subscriptions; below zero without limit.
    #[serde(rename = "subs", skip_serializing_if = "is_default")]
    pub subscriptions: i64,
    /// Bytes; below zero without limit. No server enforces it.
    #[serde(skip_serializing_if = "is_default")]
    pub data: i64,
    /// Bytes in a message; below zero without limit.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: i64,
    /// Whoever has the token is the user: no signature is asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub bearer_token: bool,
    /// Only by way of a trusted proxy.
    #[serde(skip_serializing_if = "is_default")]
    pub proxy_required: bool,
    /// How it may connect; in any way when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_connection_types: Vec<String>,
}

/// What is allowed and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subjects {
    /// Only this, when given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Not this, whatever is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// How requests may be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Responses {
    /// Answers to one request; 0 is one, below zero without limit.
    pub max: i64,
    /// For how long, nanoseconds; 0 is two minutes.
    #[serde(rename = "ttl")]
    pub ttl_ns: i64,
}

/// A time of the day, each `15:04:05`. It goes on over midnight where the end is before the
/// start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeRange {
    /// When it begins.
    pub start: String,
    /// When it ends.
    pub end: String,
}

impl Content for User {
    const KIND: Option<&'static str> = Some("user");

    fn may_issue(kind: &KeyPairType) -> bool {
        *kind == KeyPairType::Account
    }
}

impl Claims<User> {
    /// The public key of the user's account.
    pub fn account(&self) -> &str {
        match self.content.issuer_account.as_str() {
            "" => &self.issuer,
            account => account,
        }
    }
}

impl Grant {
    /// Everything, without limit.
    pub fn everything() -> Grant {
        Grant { subscriptions: -1, data: -1, payload: -1, ..Grant::default() }
    }

    /// Whether nothing at all is said, as a scoped signing key wants it of its users.
    pub fn says_nothing(&self) -> bool {
        *self == Grant::default()
    }
}

/// A list, or, in old tokens, one text with commas.
fn networks<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Said::deserialize(reader)? {
        Said::List(list) => list,
        Said::Text(text) => {
            let parts = text.split(',').map(|part| part.trim().to_ascii_lowercase());
            parts.filter(|part| !part.is_empty()).collect()
        }
    })
}
