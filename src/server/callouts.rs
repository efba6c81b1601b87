//! Logins that a service decides, on the threads that check logins: what was asked and is not
//! answered yet (spec/security.md §5, `security::callout`).
//!
//! Questions leave through the first core, whose system service listens for the answers, in each
//! account in which somebody was asked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{AccountId, Level, Log};
use monitor::Announcement;
use security::callout::{self, Answer, Callout, Question, SUBJECT, ServerKeys, Waiting};
use security::jwt::ServerId;
use security::{Checked, Denied, LoginRequest, ServiceAnswer, Verdict, nonce};
use shard::Shard;

use crate::command::Command;
use crate::cores::Cores;
use crate::system;

/// Logins that may wait for an answer. At it: one more is refused.
const WAITING_MAX: usize = 8192;

/// A question on its way to a core.
pub struct AskService {
    /// The subject of answers, on which to listen if nobody does yet.
    listen: Option<String>,
    /// In the account in which the service listens.
    question: Announcement,
}

/// What was asked and is not answered.
pub struct Callouts {
    keys: Arc<ServerKeys>,
    server: ServerId,
    /// What the subjects of all answers begin with.
    inbox: String,
    log: Log,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    by_token: HashMap<String, Waiting>,
    /// Tokens in the order in which they end, as a rule, with when, seconds since the Unix epoch.
    ends: VecDeque<(i64, String)>,
    /// Accounts in which answers are listened for.
    heard: HashSet<AccountId>,
}

impl Callouts {
    /// Nothing was asked yet.
    pub fn new(keys: Arc<ServerKeys>, server: ServerId, log: Log) -> Callouts {
        let inbox = format!("$SYS._INBOX.{}", nonce());
        Callouts { keys, server, inbox, log, asked: Mutex::default() }
    }

    /// Where it logs.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Asks a service about a login.
    ///
    /// # Errors
    /// The refusal, when too many wait already, no core takes the question, or the client did not
    /// come as it must.
    pub fn ask(
        &self,
        service: Arc<Callout>,
        request: LoginRequest,
        cores: &Cores,
        now_s: i64,
    ) -> Result<(), Box<Verdict>> {
        let ticket = request.ticket;
        let question = callout::ask(service, request, &self.keys, &self.server, now_s)?;
        let Question { account, headers, payload, waiting } = question;
        let token = nonce();
        let refusal = || {
            let session = Err(Denied::ByService(account));
            Box::new(Verdict { ticket, session, reason: String::new() })
        };
        let mut asked = self.lock();
        asked.forget_late(now_s);
        if asked.by_token.len() >= WAITING_MAX {
            self.log.say(Level::Error, "too many logins wait for an authorization service");
            return Err(refusal());
        }
        let listen = (!asked.heard.contains(&account)).then(|| format!("{}.*", self.inbox));
        let (subject, reply) = (SUBJECT.into(), Some(format!("{}.{token}", self.inbox).into()));
        let question = Announcement { account, subject, reply, headers, payload };
        let ask = AskService { listen, question };
        // The answer waits for this lock until the question is known.
        if !cores.send(system::HOME.index(), Command::AskService(Box::new(ask))) {
            return Err(refusal());
        }
        // A core whose queue is full lets the client wait for as long as for a check.
        cores.send(usize::from(ticket.shard.0), Command::LoginAsked(ticket, account));
        asked.heard.insert(account);
        asked.ends.push_back((waiting.until_s, token.clone()));
        asked.by_token.insert(token, waiting);
        Ok(())
    }

    /// What an answer leads to; nothing if nobody waits for it.
    pub fn judge(&self, answer: ServiceAnswer, now_s: i64) -> Option<Checked> {
        let ServiceAnswer { subject, payload } = answer;
        let token = str::from_utf8(&subject).ok()?.strip_prefix(&self.inbox)?.strip_prefix('.')?;
        let waiting = {
            let mut asked = self.lock();
            asked.forget_late(now_s);
            asked.by_token.remove(token)?
        };
        Some(self.conclude(Answer { waiting, payload }, now_s))
    }

    /// The same for an answer whose login was found already.
    pub fn conclude(&self, answer: Answer, now_s: i64) -> Checked {
        answer.judge(&self.keys, now_s).into()
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // Whoever panicked has left the tables whole: each change is one call.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    /// Forgets those whose time is over; their clients were refused.
    fn forget_late(&mut self, now_s: i64) {
        while let Some((until_s, token)) = self.ends.front()
            && *until_s < now_s
        {
            self.by_token.remove(token);
            self.ends.pop_front();
        }
    }
}

/// Publishes a question. On the first core.
pub fn publish(shard: &mut Shard, ask: &AskService) {
    if let Some(subject) = &ask.listen {
        system::listen_for_answers(shard, ask.question.account, subject.as_bytes());
    }
    system::publish(shard, &ask.question);
}
