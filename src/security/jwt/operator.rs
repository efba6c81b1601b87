//! What an operator claims: which keys sign for it, and what holds for all its servers.

use nkeys::KeyPairType;
use serde::{Deserialize, Serialize};

use super::{Content, is_default};

/// What an operator claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operator {
    /// Keys that sign like its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<String>,
    /// Where account tokens are to be had.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account_server_url: String,
    /// Where its servers are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operator_service_urls: Vec<String>,
    /// The account of system events.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub system_account: String,
    /// The oldest server that may run for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assert_server_version: String,
    /// Its own key, and those of its accounts, sign nothing but their own claims.
    #[serde(skip_serializing_if = "is_default")]
    pub strict_signing_key_usage: bool,
    /// Words about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Content for Operator {
    const KIND: Option<&'static str> = Some("operator");

    fn may_issue(kind: &KeyPairType) -> bool {
        *kind == KeyPairType::Operator
    }
}
