//! The system services: what `$SYS` subjects are answered with, and the events that are told on
//! them (spec/monitoring.md §13, §14). Messages in, messages out: no socket, no shard.
//!
//! | file | what |
//! |---|---|
//! | `question.rs` | from a subject to what is asked |
//! | `options.rs` | the bodies of requests: options, and which servers are meant |
//! | `claims.rs` | requests about the tokens of accounts |
//! | `envelope.rs` | who answers: the server's introduction and the envelope of answers |
//! | `statsz.rs` `subscribers.rs` `user.rs` | answers that HTTP does not have |
//! | `events.rs` | what is told without being asked |
//! | `latency.rs` `traces.rs` | how long services took, and the ways of traced messages |
//! | `peers.rs` | clients whose certificates do not pass |
//! | `encoding.rs` | answers compressed for those who ask for it |

use std::future::Future;
use std::rc::Rc;

use base::snapshot::{ConnectionSnapshot, UserSnapshot};
use base::{AccountId, ClientId, ConnSlot, ShardId};

use crate::answer::{Desk, Scene};
use crate::params::BadRequest;
use crate::reply::{Layout, Reply};
use crate::source::Source;
use crate::{
    accountz, accstatz, connz, expvars, healthz, ipqueuesz, jsz, subsz, switched_off, varz,
};

mod claims;
mod encoding;
mod envelope;
mod events;
mod latency;
mod options;
mod peers;
mod question;
mod statsz;
mod subscribers;
mod traces;
mod user;

use claims::Worded;
use encoding::Encoding;
use envelope::Envelope;
use options::{Filter, decode};
use question::{AccountTopic, Question, Topic};

pub use claims::{
    Claims, ClaimsAnswer, ClaimsRequest, ClaimsRole, ClaimsSubject, subjects_of_claims,
};
pub use events::Happened;
pub use question::{subjects_in, subjects_of_system};

/// Bytes of a request's payload. Over it: the request is dropped by whoever passes requests on.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// A message that came on a subject of the system services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRequest {
    /// The account in which it was published.
    pub account: AccountId,
    /// Who published it.
    pub asker: Asker,
    /// Its subject.
    pub subject: Vec<u8>,
    /// Where the answer goes.
    pub reply: Option<Vec<u8>>,
    /// Its header block; empty without.
    pub headers: Vec<u8>,
    /// Its payload, at most [`REQUEST_BYTES_MAX`].
    pub payload: Vec<u8>,
}

/// Where the connection lives that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its shard.
    pub shard: ShardId,
    /// Its place there.
    pub slot: ConnSlot,
}

/// A message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The account to publish in.
    pub account: AccountId,
    /// The subject.
    pub subject: Vec<u8>,
    /// Where answers go, if some are wanted.
    pub reply: Option<Vec<u8>>,
    /// The header block; empty without.
    pub headers: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What system requests may make the server do.
pub trait Operator {
    /// Ends a client's connection; whether there is such a client.
    fn kick(&self, client: ClientId) -> impl Future<Output = bool>;

    /// Tells one client that the server will soon be gone; whether there is such a client.
    fn warn_of_end(&self, client: ClientId) -> impl Future<Output = bool>;

    /// Reads the configuration again. The error says why everything stays as it was.
    fn reload(&self) -> impl Future<Output = Result<(), String>>;

    /// The connections at these places of a shard, in this order; nothing for one that is gone.
    fn connections_at(
        &self,
        shard: ShardId,
        slots: Vec<ConnSlot>,
    ) -> impl Future<Output = Vec<Option<ConnectionSnapshot>>>;

    /// The user that asked, if it is still there.
    fn who(&self, asker: Asker) -> impl Future<Output = Option<UserSnapshot>>;
}

/// Why a request is not answered with data.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// The request cannot be read: code 400.
    Unreadable(String),
    /// It cannot be fulfilled: code 500.
    Failed(String),
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Refusal {
        Refusal::Failed(bad.to_string())
    }
}

/// What is said to a question.
enum Said {
    /// Data, in the envelope.
    Data(Vec<u8>),
    /// Success without data, in the envelope.
    Done,
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Nothing: the question is not for this server, or there is nothing to tell.
    Nothing,
}

impl From<Reply> for Said {
    fn from(reply: Reply) -> Said {
        Said::Data(reply.body)
    }
}

/// Answers system requests and words events. Control thread only.
pub struct SystemDesk<S> {
    source: Rc<S>,
    desk: Rc<Desk<S>>,
    envelope: Envelope,
}

impl<S: Source + Operator + Claims> SystemDesk<S> {
    /// Beside the HTTP endpoints that `desk` answers.
    pub fn new(source: Rc<S>, desk: Rc<Desk<S>>) -> SystemDesk<S> {
        SystemDesk { source, desk, envelope: Envelope::default() }
    }

    /// What is to be published in answer to `request`, in this order.
    pub async fn answer(&self, request: &SystemRequest) -> Vec<Announcement> {
        let about_tokens = claims::request(&request.subject, &request.payload);
        match about_tokens.filter(|_| request.account == AccountId::SYSTEM) {
            Some(about_tokens) => self.answer_claims(request, about_tokens).await,
            None => self.answer_question(request).await.into_iter().collect(),
        }
    }

    async fn answer_claims(
        &self,
        request: &SystemRequest,
        about_tokens: ClaimsRequest,
    ) -> Vec<Announcement> {
        // An update is obeyed whether or not somebody waits for the answer.
        let answer = self.source.claims(about_tokens).await;
        let Some(reply) = &request.reply else { return Vec::new() };
        let (facts, now_ns) = (self.source.facts(), self.desk.scene(Layout::Compact).now_ns);
        let payloads = match claims::worded(answer) {
            Worded::Data(data) => vec![self.envelope.with_data(&facts, now_ns, &data)],
            Worded::Error(error) => vec![self.envelope.with_error(&facts, now_ns, &error)],
            Worded::Raw(messages) => messages,
        };
        let announce = |payload| Announcement {
            account: request.account,
            subject: reply.clone(),
            reply: None,
            headers: Vec::new(),
            payload,
        };
        payloads.into_iter().map(announce).collect()
    }

    async fn answer_question(&self, request: &SystemRequest) -> Option<Announcement> {
        let facts = self.source.facts();
        let question = Question::of(&request.subject, &facts.server_id)?;
        let question = match self.asking_account(request.account)? {
            None => question,
            // spec/monitoring.md §13: from a normal account, one's own account only.
            Some(own) => question.about_own(own)?,
        };
        let subject = match (&request.reply, &question) {
            (Some(reply), _) => reply.clone(),
            (None, Question::Server(Topic::Statsz)) => events::statsz_subject(&facts),
            (None, _) => return None,
        };
        let scene = self.desk.scene(Layout::Compact);
        let payload = match self.say(&scene, &question, request).await {
            Ok(Said::Raw(body)) => body,
            Ok(Said::Data(body)) => self.envelope.with_data(&facts, scene.now_ns, &body),
            Ok(Said::Done) => self.envelope.alone(&facts, scene.now_ns),
            Ok(Said::Nothing) => return None,
            Err(refusal) => self.envelope.with_refusal(&facts, scene.now_ns, &refusal),
        };
        let encoding = Encoding::wanted_by(&request.headers);
        let (headers, payload) = encoding.apply(payload);
        let account = request.account;
        Some(Announcement { account, subject, reply: None, headers, payload })
    }

    /// The name of the asker's account where it is not the system account; nothing for an
    /// account that is no more.
    #[expect(clippy::option_option, reason = "no such account, and an account with all rights")]
    fn asking_account(&self, id: AccountId) -> Option<Option<String>> {
        if id == AccountId::SYSTEM {
            return Some(None);
        }
        let accounts = self.source.accounts();
        let account = accounts.iter().find(|account| account.id == id)?;
        Some(Some(account.name.clone()))
    }

    async fn say(
        &self,
        scene: &Scene<'_, S>,
        question: &Question,
        request: &SystemRequest,
    ) -> Result<Said, Refusal> {
        let payload = &request.payload[..];
        if let Question::Subscribers = question {
            return Ok(subscribers::answer(scene, request.account, payload).await);
        }
        let filter: Filter = match question {
            // Seen of nats-server 2.14.5: who asks who is there, or who it is itself, says no more.
            Question::Server(Topic::Idz) | Question::User => Filter::default(),
            _ => decode(payload)?,
        };
        if !filter.admits(&scene.source.facts()) {
            return Ok(Said::Nothing);
        }
        match question {
            Question::Server(topic) => self.say_of_server(scene, *topic, payload).await,
            Question::Account(name, topic) => {
                self.say_of_account(scene, name, *topic, payload).await
            }
            Question::AllAccounts => {
                let request = accstatz::Request::from_options(decode(payload)?);
                let answer = accstatz::answer_if_any(scene, &request).await;
                Ok(answer.map_or(Said::Nothing, Said::from))
            }
            Question::User => Ok(user::answer(scene, self.source.who(request.asker).await)),
            Question::Subscribers => Ok(Said::Nothing),
        }
    }

    async fn say_of_server(
        &self,
        scene: &Scene<'_, S>,
        topic: Topic,
        payload: &[u8],
    ) -> Result<Said, Refusal> {
        let facts = scene.source.facts();
        let reply = match topic {
            Topic::Idz => return Ok(Said::Raw(envelope::id_card(&facts))),
            Topic::Statsz => {
                let stats = statsz::stats(scene).await;
                return Ok(Said::Raw(self.envelope.with_stats(&facts, scene.now_ns, &stats)));
            }
            Topic::Varz => varz::answer(scene),
            Topic::Connz => {
                connz::answer(scene, &connz::Request::from_options(decode(payload)?)?).await?
            }
            Topic::Subsz => {
                subsz::answer(scene, &subsz::Request::from_options(decode(payload)?)?).await
            }
            Topic::Routez => {
                decode::<switched_off::RoutezOptions>(payload)?;
                switched_off::routez(scene)
            }
            Topic::Gatewayz => {
                decode::<switched_off::GatewayzOptions>(payload)?;
                switched_off::gatewayz(scene)
            }
            Topic::Leafz => {
                decode::<switched_off::LeafzOptions>(payload)?;
                switched_off::leafz(scene)
            }
            Topic::Accountz => {
                accountz::answer(scene, &accountz::Request::from_options(decode(payload)?)).await?
            }
            Topic::Jsz => jsz::answer(scene, &jsz::Request::from_options(decode(payload)?)).await,
            Topic::Healthz => {
                let request = healthz::Request::from_options(decode(payload)?);
                healthz::answer(scene, &request).await
            }
            Topic::Expvarz => expvars::answer(scene),
            Topic::Profilez => {
                decode::<switched_off::ProfilezOptions>(payload)?;
                switched_off::profilez(scene)
            }
            Topic::Ipqueuesz => {
                ipqueuesz::answer(scene, &ipqueuesz::Request::from_options(decode(payload)?))
            }
            Topic::Raftz => {
                decode::<switched_off::RaftzOptions>(payload)?;
                switched_off::raftz_groups(scene)
            }
            Topic::Reload => {
                self.source.reload().await.map_err(Refusal::Failed)?;
                return Ok(Said::Done);
            }
            Topic::Kick => {
                let one: options::OneClient = decode(payload)?;
                let found = self.source.kick(one.client()).await;
                return done(found, "no such client or leafnode id");
            }
            Topic::LameDuck => {
                let one: options::OneClient = decode(payload)?;
                let found = self.source.warn_of_end(one.client()).await;
                return done(found, "no such client id");
            }
        };
        Ok(reply.into())
    }

    async fn say_of_account(
        &self,
        scene: &Scene<'_, S>,
        name: &str,
        topic: AccountTopic,
        payload: &[u8],
    ) -> Result<Said, Refusal> {
        let reply = match topic {
            AccountTopic::Connz => {
                let request = connz::Request::of_account(decode(payload)?, name)?;
                connz::answer(scene, &request).await?
            }
            AccountTopic::Subsz => {
                let request = subsz::Request::from_options(decode(payload)?)?.of_account(name);
                subsz::answer(scene, &request).await
            }
            AccountTopic::Leafz => {
                decode::<switched_off::LeafzOptions>(payload)?;
                switched_off::leafz(scene)
            }
            AccountTopic::Jsz => {
                let answer = jsz::answer_of_account(scene, name, decode(payload)?).await;
                answer.map_err(Refusal::Failed)?
            }
            AccountTopic::Info => {
                let known = scene.source.accounts();
                scene.json(&accountz::info(scene, &known, name).await?)
            }
            AccountTopic::Statz => {
                let request = accstatz::Request::from_options(decode(payload)?).of_account(name);
                let answer = accstatz::answer_if_any(scene, &request).await;
                return Ok(answer.map_or(Said::Nothing, Said::from));
            }
            AccountTopic::Conns => {
                let usage = accstatz::usage(scene.source).await.get(name).copied();
                let used = usage.filter(|usage| usage.connections > 0);
                return Ok(match (used, scene.account(name)) {
                    (Some(usage), Some(account)) => {
                        Said::Raw(self.connections_event(scene, &account, &usage))
                    }
                    _ => Said::Nothing,
                });
            }
        };
        Ok(reply.into())
    }
}

fn done(found: bool, otherwise: &str) -> Result<Said, Refusal> {
    match found {
        true => Ok(Said::Done),
        false => Err(Refusal::Failed(otherwise.into())),
    }
}

#[cfg(test)]
mod tests;
