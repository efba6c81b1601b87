//! Permissions of scoped signing keys, with what is known of a user filled in
//! (spec/security.md §3, scoped template functions).

use config::limits;
use config::permissions::split_queue;
use subject::name;

use crate::jwt::{Account, Claims, Grant, Subjects, User};

/// A permission that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PermissionError {
    /// No subject, or a queue group where there is none.
    #[error("a permission is no subject")]
    Subject,
    /// A denial that would deny nothing.
    #[error("a denial does not come to a subject")]
    Denial,
    /// More than [`limits::TEMPLATE_SUBJECTS_MAX`] subjects.
    #[error("a permission comes to too many subjects")]
    TooMany,
}

/// Whose facts are filled in.
#[derive(Clone, Copy)]
struct Facts<'a> {
    user: &'a Claims<User>,
    account: &'a Claims<Account>,
}

/// What a list does with an entry that comes to no subject.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unusable {
    IsDropped,
    IsRefused,
}

/// The grant with its templates filled in.
///
/// # Errors
/// [`PermissionError`]
pub(super) fn fill_in(
    template: &Grant,
    user: &Claims<User>,
    account: &Claims<Account>,
) -> Result<Grant, PermissionError> {
    let facts = Facts { user, account };
    let mut grant = template.clone();
    fill_in_rules(&mut grant.publish, facts)?;
    fill_in_rules(&mut grant.subscribe, facts)?;
    Ok(grant)
}

/// Whether all permissions of a grant are subjects.
///
/// # Errors
/// [`PermissionError::Subject`]
pub(super) fn check_permissions(grant: &Grant) -> Result<(), PermissionError> {
    let all = |rules: &Subjects, is_good: fn(&str) -> bool| {
        rules.allow.iter().flatten().chain(&rules.deny).all(|entry| is_good(entry))
    };
    let is_plain = |entry: &str| split_queue(entry).1.is_none() && is_usable(entry);
    match all(&grant.publish, is_plain) && all(&grant.subscribe, is_usable) {
        true => Ok(()),
        false => Err(PermissionError::Subject),
    }
}

/// A subject, perhaps with a queue group behind it.
fn is_usable(entry: &str) -> bool {
    let (subject, queue) = split_queue(entry);
    let is_subject = |text: &str| name::is_valid_subscription(text.as_bytes());
    is_subject(subject) && queue.is_none_or(is_subject)
}

fn fill_in_rules(rules: &mut Subjects, facts: Facts<'_>) -> Result<(), PermissionError> {
    rules.deny = fill_in_list(&rules.deny, facts, Unusable::IsRefused)?;
    if let Some(allow) = &rules.allow {
        let filled = fill_in_list(allow, facts, Unusable::IsDropped)?;
        // Nothing is left that was to be allowed: so nothing is.
        if filled.is_empty() && !allow.is_empty() {
            rules.deny.push(">".to_owned());
        }
        rules.allow = Some(filled);
    }
    Ok(())
}

fn fill_in_list(
    list: &[String],
    facts: Facts<'_>,
    unusable: Unusable,
) -> Result<Vec<String>, PermissionError> {
    let mut filled = Vec::with_capacity(list.len());
    for entry in list {
        if !entry.contains("{{") {
            filled.push(entry.clone());
            continue;
        }
        let subjects = expand(entry, facts)?;
        let is_refused = unusable == Unusable::IsRefused;
        if is_refused && (subjects.is_empty() || !subjects.iter().all(|text| is_usable(text))) {
            return Err(PermissionError::Denial);
        }
        filled.extend(subjects.into_iter().filter(|text| is_usable(text)));
        if filled.len() > limits::TEMPLATE_SUBJECTS_MAX {
            return Err(PermissionError::TooMany);
        }
    }
    Ok(filled)
}

/// Every subject to which an entry comes, one for each combination of the values filled in.
fn expand(entry: &str, facts: Facts<'_>) -> Result<Vec<String>, PermissionError> {
    let mut heads = vec![String::new()];
    let mut rest = entry;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((function, after)) = after.split_once("}}") else { break };
        let mut values = facts.values(function.trim());
        // With a blank in it, a value would name a queue group.
        values.retain(|value| !value.contains(char::is_whitespace));
        if heads.len().saturating_mul(values.len()) > limits::TEMPLATE_SUBJECTS_MAX {
            return Err(PermissionError::TooMany);
        }
        let joined = |head: &String| {
            values.iter().map(|value| format!("{head}{before}{value}")).collect::<Vec<_>>()
        };
        heads = heads.iter().flat_map(joined).collect();
        rest = after;
    }
    heads.iter_mut().for_each(|head| head.push_str(rest));
    Ok(heads)
}

impl<'a> Facts<'a> {
    /// What a function stands for; nothing where there is no such function or tag.
    fn values(self, function: &str) -> Vec<&'a str> {
        let lower = function.to_ascii_lowercase();
        let one = |value: &'a String| vec![value.as_str()];
        match lower.as_str() {
            "name()" => one(&self.user.name),
            "subject()" => one(&self.user.subject),
            "account-name()" => one(&self.account.name),
            "account-subject()" => one(&self.account.subject),
            _ => match lower.strip_suffix(')').and_then(|call| call.split_once('(')) {
                Some(("tag", tag)) => tagged(&self.user.content.tags, tag),
                Some(("account-tag", tag)) => tagged(&self.account.content.tags, tag),
                _ => Vec::new(),
            },
        }
    }
}

/// The values of the tags `tag:value`.
fn tagged<'t>(tags: &'t [String], tag: &str) -> Vec<&'t str> {
    let tag = tag.trim();
    let values = tags.iter().filter_map(|text| {
        let (key, value) = text.split_once(':')?;
        key.eq_ignore_ascii_case(tag).then_some(value)
    });
    values.collect()
}
