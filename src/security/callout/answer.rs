//! What a service's answer is worth: who the client is, or that it is nobody.
//! spec/security.md §5

use std::sync::Arc;

use nkeys::XKey;

use super::mandate::{Configured, Mandate};
use super::{ServerKeys, Waiting};
use crate::credentials::{Denied, Session};
use crate::desk::{ATTEMPTS_MAX, Verdict};
use crate::jwt::{AuthorizationResponse, Claims, TimeError, TokenError, User};
use crate::operator::{self, Circumstances, Refusal};

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

/// What an answer leads to.
pub enum Judged {
    /// The end of the login.
    Verdict(Verdict),
    /// Nothing until this account of the user is in the directory.
    Unseen(String, Box<Answer>),
}

/// Why an answer lets nobody in. For the log and the account of the service: the client never
/// hears it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistrust {
    /// It says nothing.
    Empty,
    /// It says no.
    Refused(String),
    /// It is sealed for somebody else, or broken.
    Sealed,
    /// Not a token, or one of another kind.
    Token(TokenError),
    /// Of another time.
    Time(TimeError),
    /// Signed by somebody else.
    Issuer,
    /// Meant for another login.
    Subject,
    /// Meant for another server.
    Audience,
    /// It puts the user nowhere.
    Account(String),
    /// It puts the user where it may not put any.
    NotAllowed(String),
    /// The user is not one, or may not come so.
    User(Worthless),
    /// The user must come by a proxy.
    Proxy,
}

impl Mistrust {
    /// In nats-server's words, of a service in `account`.
    fn worded(&self, account: &str) -> String {
        match self {
            Mistrust::Empty => {
                format!("Auth callout violation: \"no reason supplied\" on account {account:?}")
            }
            Mistrust::Refused(error) => format!("Auth callout service returned an error: {error}"),
            Mistrust::Sealed => {
                format!("Error decrypting auth callout response on account {account:?}")
            }
            Mistrust::Token(error) => format!("Auth callout response is no token: {error}"),
            Mistrust::Time(error) => {
                format!("Authorization response had validation errors: {error}")
            }
            Mistrust::Issuer => String::from("Auth callout signing key is unknown"),
            Mistrust::Subject => String::from(
                "Auth callout violation: auth callout response is not for expected user",
            ),
            Mistrust::Audience => {
                String::from("Auth callout violation: auth callout response is not for server")
            }
            Mistrust::Account(named) => format!(
                "No valid account {named:?} for auth callout response on account {account:?}: \
                 account missing"
            ),
            Mistrust::NotAllowed(named) => format!(
                "Account {named:?} not permitted as valid account option for auth callout for \
                 account {account:?}"
            ),
            Mistrust::User(Worthless(refusal)) => {
                format!("Error validating user JWT: {refusal}")
            }
            Mistrust::Proxy => String::from("Proxy connection required"),
        }
    }
}

impl From<TokenError> for Mistrust {
    fn from(error: TokenError) -> Mistrust {
        Mistrust::Token(error)
    }
}

impl From<TimeError> for Mistrust {
    fn from(error: TimeError) -> Mistrust {
        Mistrust::Time(error)
    }
}

impl From<Worthless> for Mistrust {
    fn from(worthless: Worthless) -> Mistrust {
        Mistrust::User(worthless)
    }
}

/// What a user's own claims are worth: nothing, now and here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Worthless(Refusal);

impl Answer {
    /// Judges it, at `now_s` seconds since the Unix epoch.
    pub fn judge(self, keys: &ServerKeys, now_s: i64) -> Judged {
        let mistrust = match self.session(keys, now_s) {
            Ok(session) => return Judged::Verdict(self.verdict(Ok(session))),
            Err(Mistrust::User(Worthless(Refusal::AccountUnseen(account))))
                if self.waiting.attempts < ATTEMPTS_MAX =>
            {
                return Judged::Unseen(account, Box::new(self));
            }
            Err(mistrust) => mistrust,
        };
        let denied = match mistrust {
            Mistrust::Proxy => Denied::ProxyRequired,
            _ => Denied::ByService(self.waiting.callout.account),
        };
        let Waiting { callout, directory, .. } = &self.waiting;
        let reason = mistrust.worded(directory.accounts().name(callout.account));
        Judged::Verdict(Verdict { reason, ..self.verdict(Err(denied)) })
    }

    /// Whom it lets in, or why it lets in nobody.
    pub(super) fn session(&self, keys: &ServerKeys, now_s: i64) -> Result<Session, Mistrust> {
        session(&self.waiting, &self.payload, keys, now_s)
    }

    /// Nobody is let in, for a reason that is no fault of the answer.
    pub fn refused(self, reason: String) -> Verdict {
        let denied = Denied::ByService(self.waiting.callout.account);
        Verdict { reason, ..self.verdict(Err(denied)) }
    }

    fn verdict(self, session: Result<Session, Denied>) -> Verdict {
        Verdict { ticket: self.waiting.ticket, session, reason: String::new() }
    }
}

fn session(
    waiting: &Waiting,
    payload: &[u8],
    keys: &ServerKeys,
    now_s: i64,
) -> Result<Session, Mistrust> {
    let opened = open(waiting, payload, keys)?;
    let token = str::from_utf8(opened.as_deref().unwrap_or(payload));
    let token = token.map_err(|_| TokenError::Malformed)?;
    if token.is_empty() {
        return Err(Mistrust::Empty);
    }
    let answer = Claims::<AuthorizationResponse>::decode(token)?;
    answer.hold_at(now_s)?;
    check_issuer(waiting, &answer)?;
    if answer.subject != waiting.user {
        return Err(Mistrust::Subject);
    }
    if answer.audience != keys.id() {
        return Err(Mistrust::Audience);
    }
    let AuthorizationResponse { jwt, error, .. } = &answer.content;
    if !error.is_empty() || jwt.is_empty() {
        return Err(Mistrust::Refused(error.clone()));
    }
    let user = Claims::<User>::decode(jwt)?;
    if user.subject != waiting.user {
        return Err(Mistrust::Subject);
    }
    let name = match (user.name.as_str(), waiting.said.as_str()) {
        ("", "") => user.subject.clone(),
        ("", said) => said.to_owned(),
        (name, _) => name.to_owned(),
    };
    let granted = match &waiting.callout.mandate {
        Mandate::Configured(mandate) => configured(waiting, mandate, &user, now_s)?,
        Mandate::Account(_) => of_account(waiting, user, now_s)?,
    };
    let session =
        Session { proxy: waiting.proxy.clone(), ..waiting.callout.vouched(name, granted) };
    waiting.directory.check_proxy(&session).map_err(|_| Mistrust::Proxy)?;
    Ok(session)
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

/// Whether the answer is the service's own.
fn check_issuer(waiting: &Waiting, answer: &Claims<AuthorizationResponse>) -> Result<(), Mistrust> {
    let issuer_account = answer.content.issuer_account.as_str();
    let is_good = match &waiting.callout.mandate {
        // Nobody signs for the issuer there.
        Mandate::Configured(mandate) => {
            answer.issuer == mandate.issuer && issuer_account.is_empty()
        }
        // The account, or one that signs for it and says so.
        Mandate::Account(mandate) => match issuer_account {
            "" => answer.issuer == mandate.key,
            account => {
                let seen = waiting.directory.seen(&mandate.key);
                let signs = |key| seen.is_some_and(|seen| seen.is_signed_for_by(key));
                account == mandate.key && signs(&answer.issuer)
            }
        },
    };
    if is_good { Ok(()) } else { Err(Mistrust::Issuer) }
}

/// The user as it may come in now, in the account that its token names.
fn configured(
    waiting: &Waiting,
    mandate: &Configured,
    user: &Claims<User>,
    now_s: i64,
) -> Result<Session, Mistrust> {
    if user.issuer != mandate.issuer || !user.content.issuer_account.is_empty() {
        return Err(Mistrust::Issuer);
    }
    let account = waiting.directory.accounts().find(&user.audience);
    let account = account.filter(|account| mandate.has(*account));
    let account = account.ok_or_else(|| Mistrust::Account(user.audience.clone()))?;
    let granted = operator::granted(user, &user.content.grant, circumstances(waiting, now_s));
    Ok(Session { account, ..granted.map_err(Worthless)? })
}

/// The user as it may come in now, in the account whose key signed its token.
fn of_account(waiting: &Waiting, user: Claims<User>, now_s: i64) -> Result<Session, Mistrust> {
    let account = user.account();
    if !waiting.callout.may_put_into(account) {
        return Err(Mistrust::NotAllowed(account.to_owned()));
    }
    let vouched = waiting.directory.judge(Arc::new(user), circumstances(waiting, now_s));
    Ok(vouched.map_err(Worthless)?)
}

fn circumstances(waiting: &Waiting, now_s: i64) -> Circumstances {
    let lent = waiting.credentials.lend();
    Circumstances {
        now_ns: u64::try_from(now_s).unwrap_or_default().saturating_mul(SECOND_NS),
        address: lent.address,
        kind: lent.kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_nobody_in_is_told_in_nats_servers_words() {
        for (mistrust, words) in [
            (Mistrust::Empty, r#"Auth callout violation: "no reason supplied" on account "A""#),
            (Mistrust::Refused("no".into()), "Auth callout service returned an error: no"),
            (Mistrust::Sealed, r#"Error decrypting auth callout response on account "A""#),
            (Mistrust::Issuer, "Auth callout signing key is unknown"),
            (
                Mistrust::Subject,
                "Auth callout violation: auth callout response is not for expected user",
            ),
            (Mistrust::Audience, "Auth callout violation: auth callout response is not for server"),
            (
                Mistrust::Account("Z".into()),
                r#"No valid account "Z" for auth callout response on account "A": account missing"#,
            ),
            (Mistrust::Proxy, "Proxy connection required"),
        ] {
            assert_eq!(mistrust.worded("A"), words);
        }
    }
}
