//! `$SYS.REQ.USER.INFO`: who the asker is (spec/monitoring.md §13, UserInfo).

use base::snapshot::ConnectionSnapshot;
use serde::Serialize;

use super::Said;
use crate::answer::Scene;
use crate::source::Source;

/// Permissions and the time of expiry come with users that have them.
#[derive(Serialize)]
struct UserInfo<'a> {
    user: &'a str,
    account: &'a str,
    account_name: &'a str,
}

/// An asker that is gone gets no answer.
pub(super) fn answer<S: Source>(scene: &Scene<'_, S>, asker: Option<ConnectionSnapshot>) -> Said {
    let Some(asker) = asker else { return Said::Nothing };
    let info = UserInfo {
        user: &asker.authorized_user,
        account: &asker.account,
        account_name: &asker.account,
    };
    scene.json(&info).into()
}
