//! What an activation claims: that an account may import what another exports to those only whom
//! it let in.

use nkeys::KeyPairType;
use serde::{Deserialize, Serialize};

use super::{Content, ExchangeKind};

/// What an activation claims; its subject is the importing account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activation {
    /// What may be imported.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Messages or answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ExchangeKind>,
    /// The exporting account, where a signing key of it is the issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer_account: String,
    /// Words about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Content for Activation {
    const KIND: Option<&'static str> = Some("activation");

    fn may_issue(kind: &KeyPairType) -> bool {
        matches!(kind, KeyPairType::Account | KeyPairType::Operator)
    }
}
