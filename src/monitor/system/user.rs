//! `$SYS.REQ.USER.INFO`: who the asker is (spec/monitoring.md §13, UserInfo).

use base::snapshot::{RulesSnapshot, UserSnapshot};
use serde::Serialize;

use super::Said;
use crate::answer::Scene;
use crate::source::Source;

#[derive(Serialize)]
struct UserInfo<'a> {
    user: &'a str,
    account: &'a str,
    account_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions<'a>>,
    /// Nanoseconds until it must leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

#[derive(Serialize)]
struct Permissions<'a> {
    publish: Option<Rules<'a>>,
    subscribe: Option<Rules<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<Responses>,
}

#[derive(Serialize)]
struct Rules<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allow: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    deny: &'a [String],
}

#[derive(Serialize)]
struct Responses {
    max: i64,
    ttl: u64,
}

impl Rules<'_> {
    /// Nothing where nothing is limited.
    fn of(rules: &RulesSnapshot) -> Option<Rules<'_>> {
        let RulesSnapshot { allow, deny } = rules;
        (!allow.is_empty() || !deny.is_empty()).then_some(Rules { allow, deny })
    }
}

/// An asker that is gone gets no answer.
pub(super) fn answer<S: Source>(scene: &Scene<'_, S>, asker: Option<UserSnapshot>) -> Said {
    let Some(asker) = asker else { return Said::Nothing };
    let info = UserInfo {
        user: &asker.user,
        account: &asker.account,
        account_name: &asker.account_tag,
        user_name: &asker.name,
        permissions: asker.permissions.as_ref().map(|known| Permissions {
            publish: Rules::of(&known.publish),
            subscribe: Rules::of(&known.subscribe),
            responses: known
                .responses
                .map(|responses| Responses { max: responses.max, ttl: responses.ttl_ns }),
        }),
        expires: asker.expires_ns.map(|until_ns| until_ns.saturating_sub(scene.now_ns)),
    };
    scene.json(&info).into()
}
