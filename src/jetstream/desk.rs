//! What the registry and the streams' cores answer with: the way out, the time, and who they are.

use std::collections::HashMap;

use base::{AccountId, Level, Log, ShardId};
use protocol::MessageParts;

use crate::Outlet;
use crate::advisory::{self, Parties};
use crate::api::answer::{self, Answer};
use crate::api::kind::Kind;
use crate::note::{self, Audit, Note, Question};
use crate::settings::Settings;

/// The means of one turn.
pub struct Desk<'a> {
    /// The way out.
    pub out: &'a mut dyn Outlet,
    /// Now, nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// This core.
    pub here: ShardId,
    /// What the operator decided.
    pub settings: &'a Settings,
    /// The names of accounts that may use JetStream.
    pub names: &'a HashMap<AccountId, String>,
    /// Where it logs.
    pub log: &'a Log,
}

impl<'a> Desk<'a> {
    /// Tells a core's service something.
    pub fn send(&mut self, to: ShardId, note: &Note) {
        let (subject, payload) = (note::subject(to), note.write());
        let parts =
            MessageParts { subject: &subject, reply: None, headers: None, payload: &payload };
        self.out.publish(AccountId::SYSTEM, &parts);
    }

    /// Answers a request, and says so to whoever audits the account. Without a kind the request
    /// is one that nobody knows.
    pub fn answer(&mut self, question: &Question, kind: Option<Kind>, answer: &Answer) {
        let written = match kind {
            Some(kind) => answer::write(kind, answer),
            None => answer::unknown(),
        };
        // spec/jetstream.md §1: no reply subject: processed, no answer.
        self.reply(question.account(), &question.reply, &written);
        if advisory::is_audited(self.out, question.account()) {
            let Question { account, asker, subject, body, .. } = question.clone();
            let response = String::from_utf8_lossy(&written).into_owned();
            let audit = Audit { account, asker, subject, request: body, response };
            match ShardId(asker.shard) {
                here if here == self.here => self.tell_audit(&audit),
                there => self.send(there, &Note::Audit(audit)),
            }
        }
    }

    /// Says what was asked and answered to those who audit the account. The asker lives here.
    pub fn tell_audit(&mut self, audit: &Audit) {
        let parties = self.parties(AccountId(audit.account));
        let who = audit.asker.slot.and_then(|slot| self.out.who(slot));
        advisory::api_audit(self.out, audit, who.as_deref(), parties, self.wall_ns);
    }

    /// Sends what answers to a reply subject, if there is one.
    pub fn reply(&mut self, account: AccountId, to: &str, written: &[u8]) {
        if !to.is_empty() {
            let subject = to.as_bytes();
            let parts = MessageParts { subject, reply: None, headers: None, payload: written };
            self.out.publish(account, &parts);
        }
    }

    /// Who takes part in what an advisory tells of.
    #[must_use]
    pub fn parties(&self, account: AccountId) -> Parties<'a> {
        Parties {
            server: &self.settings.server,
            account: self.names.get(&account).map_or("", String::as_str),
            domain: self.settings.domain.as_deref(),
        }
    }

    /// Logs a field that a lenient server passed over.
    // spec/jetstream.md §1 Strict JSON
    pub fn complain(&mut self, question: &Question, ignored: Option<&str>) {
        if let Some(field) = ignored {
            let account = self.names.get(&question.account()).map_or("", String::as_str);
            let subject = &question.subject;
            let text = format!(
                "Invalid JetStream request '{account} > {subject}': json: unknown field \"{field}\""
            );
            self.log.say(Level::Warn, text);
        }
    }
}
