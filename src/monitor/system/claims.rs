//! What the system account may ask and say about the tokens of accounts in operator mode
//! (spec/security.md §3, system subjects). Read and worded here; what becomes of it is decided by
//! whoever has the tokens.

use std::future::Future;

use serde::Serialize;

use super::envelope::json;

const UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";
const LIST: &str = "$SYS.REQ.CLAIMS.LIST";
const DELETE: &str = "$SYS.REQ.CLAIMS.DELETE";
const PACK: &str = "$SYS.REQ.CLAIMS.PACK";
const OF_ACCOUNT: &str = "$SYS.REQ.ACCOUNT.";
const OF_ACCOUNT_OLD: &str = "$SYS.ACCOUNT.";

/// The queue group of whoever packs: one server of a cluster answers.
const PACK_QUEUE: &str = "responder";

/// What a server does with the tokens of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsRole {
    /// It has a folder of all of them.
    KeepsAll,
    /// It has a folder of those that were used.
    KeepsUsed,
    /// It keeps none, and hears of those that have changed.
    Hears,
}

/// A subject to listen on, in the system account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsSubject {
    /// The subject.
    pub subject: &'static str,
    /// The queue group, for what one server of a cluster answers.
    pub queue: Option<&'static str>,
}

/// What is asked or said about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimsRequest {
    /// This is an account's token from now on. The account is named where the subject names it.
    Update(Option<String>, String),
    /// An account's token, please.
    Lookup(String),
    /// Which accounts are there?
    List,
    /// These accounts are no more, says this token.
    Delete(String),
    /// All tokens, please, unless they come to this digest.
    Pack(Vec<u8>),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimsAnswer {
    /// It was done; about which account, and in words.
    Done(Option<String>, String),
    /// It was not done; about which account, and why.
    Failed(Option<String>, String),
    /// Names.
    Names(Vec<String>),
    /// Messages as they are, in this order.
    Raw(Vec<Vec<u8>>),
}

/// Whoever has the tokens of accounts.
pub trait Claims {
    /// Obeys or answers. The control thread may write files meanwhile.
    fn claims(&self, request: ClaimsRequest) -> impl Future<Output = ClaimsAnswer>;
}

/// The subjects that a server in this role listens on.
pub fn subjects_of_claims(role: ClaimsRole) -> Vec<ClaimsSubject> {
    let plain = |subject| ClaimsSubject { subject, queue: None };
    let mut subjects =
        vec![plain("$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE"), plain("$SYS.ACCOUNT.*.CLAIMS.UPDATE")];
    if role != ClaimsRole::Hears {
        subjects.extend([UPDATE, LIST, DELETE].map(plain));
    }
    if role == ClaimsRole::KeepsAll {
        subjects.push(plain("$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP"));
        subjects.push(ClaimsSubject { subject: PACK, queue: Some(PACK_QUEUE) });
    }
    subjects
}

/// What a message on `subject` asks, if it is about tokens.
pub(super) fn request(subject: &[u8], payload: &[u8]) -> Option<ClaimsRequest> {
    let text = || String::from_utf8_lossy(payload).trim().to_owned();
    let subject = str::from_utf8(subject).ok()?;
    match subject {
        UPDATE => return Some(ClaimsRequest::Update(None, text())),
        LIST => return Some(ClaimsRequest::List),
        DELETE => return Some(ClaimsRequest::Delete(text())),
        PACK => return Some(ClaimsRequest::Pack(payload.to_vec())),
        _ => {}
    }
    let rest = subject.strip_prefix(OF_ACCOUNT).or(subject.strip_prefix(OF_ACCOUNT_OLD))?;
    let (account, verb) = rest.split_once('.')?;
    match verb {
        "CLAIMS.UPDATE" => Some(ClaimsRequest::Update(Some(account.to_owned()), text())),
        "CLAIMS.LOOKUP" => Some(ClaimsRequest::Lookup(account.to_owned())),
        _ => None,
    }
}

#[derive(Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    code: u16,
    message: String,
}

#[derive(Serialize)]
struct Failed {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    code: u16,
    description: String,
}

/// What an answer is in words.
pub(super) enum Worded {
    /// Under `data`.
    Data(Vec<u8>),
    /// Under `error`.
    Error(Vec<u8>),
    /// In no envelope.
    Raw(Vec<Vec<u8>>),
}

/// Puts an answer into words, as nats-server has them.
pub(super) fn worded(answer: ClaimsAnswer) -> Worded {
    match answer {
        ClaimsAnswer::Done(account, message) => {
            Worded::Data(json(&Done { account, code: 200, message }))
        }
        ClaimsAnswer::Failed(account, description) => {
            Worded::Error(json(&Failed { account, code: 500, description }))
        }
        ClaimsAnswer::Names(names) => Worded::Data(json(&names)),
        ClaimsAnswer::Raw(messages) => Worded::Raw(messages),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_understood() {
        let said = |subject: &str| request(subject.replace('*', "A").as_bytes(), b" t\n");
        for heard in subjects_of_claims(ClaimsRole::KeepsAll) {
            assert!(said(heard.subject).is_some(), "{}", heard.subject);
        }
        let named = Some(ClaimsRequest::Update(Some("A".into()), "t".into()));
        assert_eq!(said("$SYS.REQ.ACCOUNT.A.CLAIMS.UPDATE"), named);
        assert_eq!(said("$SYS.ACCOUNT.A.CLAIMS.UPDATE"), named);
        assert_eq!(said(UPDATE), Some(ClaimsRequest::Update(None, "t".into())));
        assert_eq!(said(PACK), Some(ClaimsRequest::Pack(b" t\n".to_vec())));
        let lookup = said("$SYS.REQ.ACCOUNT.A.CLAIMS.LOOKUP");
        assert_eq!(lookup, Some(ClaimsRequest::Lookup("A".into())));
        for other in ["$SYS.REQ.CLAIMS.NONE", "$SYS.REQ.ACCOUNT.A.CLAIMS", "$SYS.ACCOUNT.A", "x"] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn a_server_listens_to_what_it_can_answer() {
        let counts = [ClaimsRole::KeepsAll, ClaimsRole::KeepsUsed, ClaimsRole::Hears]
            .map(|role| subjects_of_claims(role).len());
        assert_eq!(counts, [7, 5, 2]);
        let queued = |heard: &ClaimsSubject| heard.queue.is_some();
        assert_eq!(
            subjects_of_claims(ClaimsRole::KeepsAll).iter().filter(|h| queued(h)).count(),
            1
        );
    }

    #[test]
    fn answers_are_in_the_words_of_nats_server() {
        let Worded::Data(done) = worded(ClaimsAnswer::Done(Some("A".into()), "jwt updated".into()))
        else {
            panic!("no data");
        };
        assert_eq!(done, br#"{"account":"A","code":200,"message":"jwt updated"}"#);
        let Worded::Error(failed) = worded(ClaimsAnswer::Failed(None, "no".into())) else {
            panic!("no error");
        };
        assert_eq!(failed, br#"{"code":500,"description":"no"}"#);
        let Worded::Data(names) = worded(ClaimsAnswer::Names(vec!["A".into()])) else {
            panic!("no data");
        };
        assert_eq!(names, br#"["A"]"#);
    }
}
