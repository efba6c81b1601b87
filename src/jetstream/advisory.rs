//! Advisories and metrics: what happened in JetStream, said on `$JS.EVENT.>` in the account that
//! it happened in, to whoever listens. Where nobody does, nothing is written.
//!
//! Source: spec/jetstream.md §16.

use base::{AccountId, ClientInfo};
use protocol::MessageParts;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::note::Audit;
use crate::settings::Settings;
use crate::{Outlet, WireTime};

/// What every advisory begins with; the fields of its kind follow.
#[derive(Serialize)]
struct Event<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: String,
    timestamp: WireTime,
    #[serde(flatten)]
    fields: &'a T,
}

/// Says it on `$JS.EVENT.<subject>`, as `io.nats.jetstream.<kind>`. `wall_ns` is now, nanoseconds
/// since the Unix epoch.
pub fn say<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    subject: &str,
    kind: &str,
    wall_ns: u64,
    fields: &impl Serialize,
) {
    let subject = format!("$JS.EVENT.{subject}");
    if !out.has_interest(account, subject.as_bytes()) {
        return;
    }
    let kind = &format!("io.nats.jetstream.{kind}");
    let timestamp = WireTime::from_wall_ns(wall_ns);
    let event = Event { kind, id: unique_id(), timestamp, fields };
    let payload = serde_json::to_vec(&event).expect("an advisory is text and numbers");
    let subject = subject.as_bytes();
    out.publish(account, &MessageParts { subject, reply: None, headers: None, payload: &payload });
}

/// 22 characters that nobody has had before, as in NATS's unique ids.
#[must_use]
pub fn unique_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(22).collect()
}

/// `ADVISORY.STREAM.<CREATED|DELETED|UPDATED>.<stream>`
#[derive(Serialize)]
struct StreamAction<'a> {
    stream: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

/// What became of a stream or a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Created,
    /// It was deleted.
    Deleted,
    /// Its configuration was changed.
    Updated,
}

impl Action {
    const fn in_subject(self) -> &'static str {
        match self {
            Action::Created => "CREATED",
            Action::Deleted => "DELETED",
            Action::Updated => "UPDATED",
        }
    }

    const fn in_body(self) -> &'static str {
        match self {
            Action::Created => "create",
            Action::Deleted => "delete",
            Action::Updated => "modify",
        }
    }
}

/// A stream was made, changed or deleted.
pub fn stream_action<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    stream: &str,
    action: Action,
    wall_ns: u64,
    domain: Option<&str>,
) {
    let subject = format!("ADVISORY.STREAM.{}.{stream}", action.in_subject());
    let fields = StreamAction { stream, action: action.in_body(), domain };
    say(out, account, &subject, "advisory.v1.stream_action", wall_ns, &fields);
}

#[derive(Serialize)]
struct ConsumerAction<'a> {
    stream: &'a str,
    consumer: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

/// A consumer was made or deleted.
pub fn consumer_action<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    (stream, consumer): (&str, &str),
    action: Action,
    wall_ns: u64,
    domain: Option<&str>,
) {
    let subject = format!("ADVISORY.CONSUMER.{}.{stream}.{consumer}", action.in_subject());
    let fields = ConsumerAction { stream, consumer, action: action.in_body(), domain };
    say(out, account, &subject, "advisory.v1.consumer_action", wall_ns, &fields);
}

/// Who asked, where the connection is gone.
fn of_account<'a>(acc: &'a str, server: &'a str) -> ClientInfo<'a> {
    ClientInfo { acc, server, ..ClientInfo::default() }
}

/// A backup of a stream, or a stream made of one.
#[derive(Serialize)]
struct Backup<'a, S> {
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<WireTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<WireTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    client: ClientInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a, S> Backup<'a, S> {
    fn of(stream: &'a str, parties: Parties<'a>) -> Backup<'a, S> {
        let Parties { server, account, domain } = parties;
        let client = of_account(account, server);
        Backup {
            stream,
            state: None,
            start: None,
            end: None,
            bytes: None,
            client,
            domain,
            error: None,
        }
    }

    /// From then until then, Unix nanoseconds.
    fn during(self, (start_ns, end_ns): (u64, u64)) -> Backup<'a, S> {
        let (start, end) = (WireTime::from_wall_ns(start_ns), WireTime::from_wall_ns(end_ns));
        Backup { start: Some(start), end: Some(end), ..self }
    }
}

/// `ADVISORY.STREAM.SNAPSHOT_CREATE`: a backup was asked for.
pub fn snapshot_create<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    parties: Parties<'_>,
    stream: &str,
    state: &impl Serialize,
    wall_ns: u64,
) {
    let subject = format!("ADVISORY.STREAM.SNAPSHOT_CREATE.{stream}");
    let fields = Backup { state: Some(state), ..Backup::of(stream, parties) };
    say(out, account, &subject, "advisory.v1.snapshot_create", wall_ns, &fields);
}

/// `ADVISORY.STREAM.SNAPSHOT_COMPLETE`: it is over; the times are its begin and now.
pub fn snapshot_complete<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    parties: Parties<'_>,
    stream: &str,
    times: (u64, u64),
    error: Option<&str>,
) {
    let subject = format!("ADVISORY.STREAM.SNAPSHOT_COMPLETE.{stream}");
    let fields = Backup::<()> { error, ..Backup::of(stream, parties).during(times) };
    say(out, account, &subject, "advisory.v1.snapshot_complete", times.1, &fields);
}

/// `ADVISORY.STREAM.RESTORE_CREATE`: a stream waits for its backup.
pub fn restore_create<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    parties: Parties<'_>,
    stream: &str,
    wall_ns: u64,
) {
    let subject = format!("ADVISORY.STREAM.RESTORE_CREATE.{stream}");
    let fields = Backup::<()>::of(stream, parties);
    say(out, account, &subject, "advisory.v1.restore_create", wall_ns, &fields);
}

/// `ADVISORY.STREAM.RESTORE_COMPLETE`: so many bytes came; the times are the begin and now.
pub fn restore_complete<O: Outlet + ?Sized>(
    out: &mut O,
    account: AccountId,
    parties: Parties<'_>,
    stream: &str,
    times: (u64, u64),
    bytes: u64,
) {
    let subject = format!("ADVISORY.STREAM.RESTORE_COMPLETE.{stream}");
    let fields = Backup::<()> { bytes: Some(bytes), ..Backup::of(stream, parties).during(times) };
    say(out, account, &subject, "advisory.v1.restore_complete", times.1, &fields);
}

#[derive(Serialize)]
struct ApiAudit<'a, C> {
    server: &'a str,
    client: C,
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request: &'a str,
    response: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

/// The parties of an API request.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The asker's account's name.
    pub account: &'a str,
    /// This JetStream's domain.
    pub domain: Option<&'a str>,
}

/// Whether somebody listens to what an account asks the API.
pub fn is_audited(out: &mut dyn Outlet, account: AccountId) -> bool {
    out.has_interest(account, b"$JS.EVENT.ADVISORY.API")
}

/// `ADVISORY.API`: a request of the API and its answer. `who` is what the asker's connection says
/// of itself: JSON.
pub fn api_audit<O: Outlet + ?Sized>(
    out: &mut O,
    audit: &Audit,
    who: Option<&str>,
    parties: Parties<'_>,
    wall_ns: u64,
) {
    let Parties { server, account, domain } = parties;
    let Audit { subject, request, response, .. } = audit;
    let id = AccountId(audit.account);
    let (place, kind) = ("ADVISORY.API", "advisory.v1.api_audit");
    match who.and_then(|who| serde_json::from_str::<&RawValue>(who).ok()) {
        Some(client) => {
            let fields = ApiAudit { server, client, subject, request, response, domain };
            say(out, id, place, kind, wall_ns, &fields);
        }
        None => {
            let client = of_account(account, server);
            let fields = ApiAudit { server, client, subject, request, response, domain };
            say(out, id, place, kind, wall_ns, &fields);
        }
    }
}

#[derive(Serialize)]
struct LimitReached<'a> {
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    dropped: usize,
}

/// `ADVISORY.API.LIMIT_REACHED`, in the system account: requests were dropped unanswered.
pub fn limit_reached<O: Outlet + ?Sized>(
    out: &mut O,
    server: &str,
    domain: Option<&str>,
    dropped: usize,
    wall_ns: u64,
) {
    let kind = "advisory.v1.api_limit_reached";
    let fields = LimitReached { server, domain, dropped };
    say(out, AccountId::SYSTEM, "ADVISORY.API.LIMIT_REACHED", kind, wall_ns, &fields);
}

#[derive(Serialize)]
struct OutOfStorage<'a> {
    server: &'a str,
    server_id: &'a str,
    cluster: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

/// `ADVISORY.SERVER.OUT_OF_STORAGE`, in the system account: a core's disk takes nothing more. No
/// stream is named: all of that core share its log.
pub fn out_of_storage<O: Outlet + ?Sized>(out: &mut O, settings: &Settings, wall_ns: u64) {
    let fields = OutOfStorage {
        server: &settings.server,
        server_id: &settings.server_id,
        cluster: "",
        domain: settings.domain.as_deref(),
    };
    let (subject, kind) = ("ADVISORY.SERVER.OUT_OF_STORAGE", "advisory.v1.server_out_of_space");
    say(out, AccountId::SYSTEM, subject, kind, wall_ns, &fields);
}
