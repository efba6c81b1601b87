//! `$SYS.DEBUG.SUBSCRIBERS`: how many subscribers a subject has, as a plain decimal number.

use base::AccountId;

use super::Said;
use crate::answer::Scene;
use crate::source::{Source, SubscriptionQuery};

/// Subscribers that are counted. Beyond it the number stays.
const COUNTED_MAX: usize = 1 << 20;

// spec/monitoring.md §13: the payload is `subject [queue]`.
pub(super) async fn answer<S: Source>(
    scene: &Scene<'_, S>,
    account: AccountId,
    payload: &[u8],
) -> Said {
    let text = String::from_utf8_lossy(payload);
    let mut words = text.split_ascii_whitespace();
    let accounts = scene.source.accounts();
    let account = accounts.iter().find(|known| known.id == account);
    let (Some(subject), Some(account)) = (words.next(), account) else { return none() };
    if !subject::name::is_valid_subscription(subject.as_bytes()) {
        return none();
    }
    let queue = words.next();
    let query = SubscriptionQuery {
        account: Some(account.name.clone()),
        overlapping: Some(subject.to_owned()),
        take: COUNTED_MAX,
        ..SubscriptionQuery::default()
    };
    let found = scene.source.subscriptions(query).await.subscriptions;
    let count = found.iter().filter(|one| queue.is_none_or(|queue| one.queue == queue)).count();
    Said::Raw(count.to_string().into_bytes())
}

fn none() -> Said {
    Said::Raw(b"0".to_vec())
}
