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
    // Seen of nats-server 2.9.10: of a literal subject all whom it reaches, of a pattern those who
    // listen on nothing beyond it.
    let is_literal = subject::name::is_valid_literal(subject.as_bytes());
    let counts = |listens: &str| is_literal || lies_within(listens, subject);
    let count = found
        .iter()
        .filter(|one| queue.is_none_or(|queue| one.queue == queue) && counts(&one.subject))
        .count();
    Said::Raw(count.to_string().into_bytes())
}

/// Whether every subject that `inner` matches is matched by `outer`, too.
fn lies_within(inner: &str, outer: &str) -> bool {
    let (mut inner, mut outer) = (inner.split('.'), outer.split('.'));
    loop {
        match (inner.next(), outer.next()) {
            (None, None) | (Some(_), Some(">")) => return true,
            (Some(">"), _) => return false,
            (Some(a), Some(b)) if a == b || b == "*" => {}
            _ => return false,
        }
    }
}

fn none() -> Said {
    Said::Raw(b"0".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_lie_within_wider_ones() {
        for (inner, outer) in [("a", "a"), ("a", "*"), ("a.b", "a.>"), ("a.>", ">"), ("*", "*")] {
            assert!(lies_within(inner, outer), "{inner} {outer}");
        }
        for (inner, outer) in [("*", "a"), ("a.>", "a.*"), ("a", "a.>"), ("a.b", "a"), ("b", "a")] {
            assert!(!lies_within(inner, outer), "{inner} {outer}");
        }
    }
}
