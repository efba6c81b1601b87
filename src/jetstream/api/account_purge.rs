//! `ACCOUNT.PURGE.<account>`: deletes all streams of an account. The system account may ask it.
//! Source: spec/jetstream.md §2.

use serde::Serialize;

use crate::api::answer::{Answer, Body};
use crate::api::kind::{Kind, PREFIX};
use crate::note::{Asker, Question};

#[derive(Serialize)]
struct Initiated {
    initiated: bool,
}

/// The name of the account to purge.
#[must_use]
pub fn account_of(question: &Question) -> Option<&str> {
    let rest = question.subject.strip_prefix(PREFIX)?.strip_prefix(Kind::AccountPurge.subject())?;
    rest.strip_prefix('.')
}

/// What the account itself would ask to have a stream deleted, without waiting for an answer.
#[must_use]
pub fn deletion(account: u32, stream: &str) -> Question {
    let subject = format!("{PREFIX}{}.{stream}", Kind::StreamDelete.subject());
    let (reply, body, asker) = (String::new(), String::new(), Asker::default());
    Question { account, subject, reply, body, asker }
}

/// The answer, whether or not there is such an account.
pub fn answer() -> Answer {
    Body::of(&Initiated { initiated: true })
}
