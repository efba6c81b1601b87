//! What a service's answer is worth: who the client is, or that it is nobody.
//! spec/security.md §5

use std::sync::Arc;

use nkeys::XKey;

use super::{SUBJECT, ServerKeys, Waiting};
use crate::credentials::{Denied, Session};
use crate::desk::Verdict;
use crate::jwt::{AuthorizationResponse, Claims, TimeError, TokenError, User};
use crate::operator::{self, Circumstances, Refusal};
use crate::permissions::Permissions;

/// What sealed bytes begin with.
const SEALED: &[u8] = b"xkv1";
const SECOND_NS: u64 = 1_000_000_000;

/// A service's answer.
pub struct Answer {
    /// The login that waited for it.
    pub waiting: Waiting,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why an answer lets nobody in. For the log: the client never hears it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistrust {
    /// It says nothing.
    #[error("the service refused it")]
    Empty,
    /// It says no.
    #[error("the service refused it: {0:?}")]
    Refused(String),
    /// It is sealed for somebody else, or broken.
    #[error("the answer cannot be opened")]
    Sealed,
    /// Not a token, or one of another kind.
    #[error("the answer is no token: {0}")]
    Token(#[from] TokenError),
    /// Of another time.
    #[error("the answer has {0}")]
    Time(#[from] TimeError),
    /// Signed by somebody else.
    #[error("the answer is signed by another key than that of the service")]
    Issuer,
    /// Meant for another login.
    #[error("the answer is about another user")]
    Subject,
    /// Meant for another server.
    #[error("the answer is for another server")]
    Audience,
    /// It puts the user nowhere.
    #[error("the answer names no account that there is: {0:?}")]
    Account(String),
    /// The user is not one, or may not come so.
    #[error("{0}")]
    User(#[from] Worthless),
    /// The user must come by a proxy.
    #[error("the user must come by a trusted proxy")]
    Proxy,
}

/// What a user's own claims are worth: nothing, now and here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Worthless(Refusal);

impl Answer {
    /// Judges it, at `now_s` seconds since the Unix epoch. Says for the log why nobody is let in.
    pub fn judge(self, keys: &ServerKeys, now_s: i64) -> (Verdict, Option<Mistrust>) {
        let Answer { waiting, payload } = self;
        let (session, mistrust) = match session(&waiting, &payload, keys, now_s) {
            Ok(session) => (Ok(session), None),
            Err(Mistrust::Proxy) => (Err(Denied::ProxyRequired), Some(Mistrust::Proxy)),
            Err(mistrust) => (Err(Denied::ByService(waiting.callout.account)), Some(mistrust)),
        };
        (Verdict { ticket: waiting.ticket, session, reason: String::new() }, mistrust)
    }
}

fn session(
    waiting: &Waiting,
    payload: &[u8],
    keys: &ServerKeys,
    now_s: i64,
) -> Result<Session, Mistrust> {
    let callout = &waiting.callout;
    let opened = open(waiting, payload, keys)?;
    let token = str::from_utf8(opened.as_deref().unwrap_or(payload));
    let token = token.map_err(|_| TokenError::Malformed)?;
    if token.is_empty() {
        return Err(Mistrust::Empty);
    }
    let answer = Claims::<AuthorizationResponse>::decode(token)?;
    answer.hold_at(now_s)?;
    let AuthorizationResponse { jwt, error, issuer_account, .. } = &answer.content;
    // In server configuration nobody signs for the issuer.
    if answer.issuer != callout.issuer || !issuer_account.is_empty() {
        return Err(Mistrust::Issuer);
    }
    if answer.subject != waiting.user {
        return Err(Mistrust::Subject);
    }
    if answer.audience != keys.id() {
        return Err(Mistrust::Audience);
    }
    if !error.is_empty() || jwt.is_empty() {
        return Err(Mistrust::Refused(error.clone()));
    }
    let user = Claims::<User>::decode(jwt)?;
    if user.issuer != callout.issuer || !user.content.issuer_account.is_empty() {
        return Err(Mistrust::Issuer);
    }
    if user.subject != waiting.user {
        return Err(Mistrust::Subject);
    }
    admitted(waiting, user, now_s)
}

/// The answer's bytes, if they were sealed.
fn open(waiting: &Waiting, payload: &[u8], keys: &ServerKeys) -> Result<Option<Vec<u8>>, Mistrust> {
    let Some(service) = &waiting.callout.xkey else { return Ok(None) };
    if !payload.starts_with(SEALED) {
        return Ok(None);
    }
    let service = XKey::from_public_key(service).map_err(|_| Mistrust::Sealed)?;
    keys.curve.open(payload, &service).map(Some).map_err(|_| Mistrust::Sealed)
}

/// The user as it may come in now, in the account that its token names.
fn admitted(waiting: &Waiting, user: Claims<User>, now_s: i64) -> Result<Session, Mistrust> {
    let Waiting { callout, directory, credentials, .. } = waiting;
    let account = directory.accounts().find(&user.audience);
    let account = account.filter(|account| callout.accounts.contains(account));
    let account = account.ok_or_else(|| Mistrust::Account(user.audience.clone()))?;
    let lent = credentials.lend();
    let circumstances = Circumstances {
        now_ns: u64::try_from(now_s).unwrap_or_default().saturating_mul(SECOND_NS),
        address: lent.address,
        kind: lent.kind,
    };
    let name = match (user.name.as_str(), waiting.said.as_str()) {
        ("", "") => user.subject.clone(),
        ("", said) => said.to_owned(),
        (name, _) => name.to_owned(),
    };
    let granted = operator::granted(&user, &user.content.grant, circumstances);
    let granted = granted.map_err(Worthless)?;
    let mut session = Session {
        user: name,
        account,
        proxy: waiting.proxy.clone(),
        callout: Some(Arc::clone(callout)),
        ..granted
    };
    if account == callout.account {
        session.permissions = Some(Arc::new(without_questions(session.permissions.as_deref())));
    }
    directory.check_proxy(&session).map_err(|_| Mistrust::Proxy)?;
    Ok(session)
}

/// Who lives beside the service may not ask it.
fn without_questions(permissions: Option<&Permissions>) -> Permissions {
    let mut config = permissions.map(|known| known.config().clone()).unwrap_or_default();
    config.publish.deny.push(SUBJECT.to_owned());
    Permissions::new(&config)
}
