//! Hot path: one client. Before it: `connection::reading`; after it: `publish.rs`, which hands
//! messages to the shard.
//!
//! ```text
//! Expected ──CONNECT──▶ Done      a login is required: anything else first is refused
//!     └────▶ Checking ──▶ Done      it takes long, and another thread checks it meanwhile
//! Unnamed ──anything──▶ Open        `no_auth_user` stands for who says nothing
//! Open ────CONNECT────▶ Done        no login is required: any operation may come first
//! ```

use std::rc::Rc;
use std::sync::Arc;

use base::snapshot::{
    ConnectionSnapshot, PermissionsSnapshot, ResponsesSnapshot, RulesSnapshot, TokenSnapshot,
    UserSnapshot,
};
use base::{AccountId, ConnSlot, Counter, Level};
use bytes::Bytes;
use config::accounts::TraceDestination;
use config::limits;
use connection::{Context, Dialect, Input, Link, Next, Pause, Progress, Reconfigured};
use protocol::{
    CloseReason, Connect, ErrorText, Op, ParseLimits, Parsed, Run, Violation, parse, parse_publish,
};
use security::{Denied, Expiry, Mappings, PublishGate, Session};
use shard::{Echo, Publisher};

use crate::settings::{Current, Settings};

/// Payload that a connection may announce before CONNECT, bytes: with the control line it stays
/// below what a stranger may make us hold.
pub(crate) const STRANGER_PAYLOAD_MAX: u64 =
    (limits::PRE_CONNECT_BYTES_MAX - 2 * limits::CONTROL_LINE_MAX) as u64;

/// How far the login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// A CONNECT with credentials must come first, by this monotonic time.
    Expected { until_ns: u64 },
    /// CONNECT came, and is being checked; it must be known by this monotonic time.
    Checking { until_ns: u64 },
    /// The same, and a service was asked, in this account.
    Asking { until_ns: u64, account: AccountId },
    /// Who says something else before CONNECT is the user that stands for such clients.
    Unnamed,
    /// The client is in, and CONNECT has not come.
    Open,
    /// CONNECT was accepted.
    Done,
}

/// What follows an operation.
pub(crate) enum Flow {
    /// The next one.
    Continue,
    /// A wait.
    Pause(Pause),
    /// The end.
    Close(CloseReason),
}

/// One NATS client.
pub struct Client {
    pub(crate) settings: Arc<Settings>,
    /// Where new settings are found.
    pub(crate) current: Rc<Current>,
    pub(crate) connect: Box<Connect>,
    pub(crate) session: Session,
    /// What it may publish, if not everything.
    pub(crate) gate: Option<Box<PublishGate>>,
    /// What its subjects become, if anything.
    pub(crate) mappings: Option<Arc<Mappings>>,
    /// Where its messages are traced that carry a sampled `traceparent`, if they are.
    pub(crate) trace_destination: Option<Arc<TraceDestination>>,
    /// What its user's token says, as monitoring shows it.
    pub(crate) token: Option<Arc<TokenSnapshot>>,
    /// What it was sent to sign; empty when nothing.
    pub(crate) nonce: String,
    pub(crate) login: Login,
    /// When its login is over, monotonic nanoseconds.
    pub(crate) expires_ns: Option<u64>,
    /// The keep-alive has begun.
    pub(crate) is_alive: bool,
    pub(crate) limits: ParseLimits,
    pub(crate) publisher: Publisher,
    /// The INFO that follows the first PONG was sent.
    pub(crate) introduced: bool,
    /// Whether the log knows that it wants more subscriptions than it may have.
    pub(crate) said_full: bool,
    pub(crate) trace: bool,
}

impl Client {
    /// A client that was just accepted.
    pub fn new(current: Rc<Current>, trace: bool) -> Client {
        let settings = current.get();
        let limits = ParseLimits {
            control_line_max: settings.control_line_max,
            payload_max: settings.payload_max.min(STRANGER_PAYLOAD_MAX),
            headers: false,
        };
        Client {
            settings,
            current,
            connect: Box::default(),
            session: Session::default(),
            gate: None,
            mappings: None,
            trace_destination: None,
            token: None,
            nonce: String::new(),
            login: Login::Open,
            expires_ns: None,
            is_alive: false,
            limits,
            publisher: Publisher { slot: ConnSlot(0), account: AccountId::GLOBAL, echo: Echo::On },
            introduced: false,
            said_full: false,
            trace,
        }
    }

    /// Handles one operation.
    #[inline]
    fn handle(
        &mut self,
        context: &mut Context<'_>,
        operation: Op<'_>,
        shared: Option<&Bytes>,
    ) -> Flow {
        if self.trace {
            self.trace_in(context, &operation);
        }
        match operation {
            Op::Publish(publish) => self.publish(context, &publish, shared, &[]),
            Op::Subscribe { subject, queue, sid } => self.subscribe(context, subject, queue, sid),
            Op::Unsubscribe { sid, max } => self.unsubscribe(context, sid, max),
            Op::Ping => self.ping_received(context),
            Op::Pong => {
                context.link.liveness.pong(context.now);
                self.say_who_asks(context);
                Flow::Continue
            }
            Op::Connect(json) => self.connect(context, json),
            Op::Info(json) => match protocol::info::check(json) {
                Ok(()) => Flow::Continue,
                Err(_) => Flow::Close(CloseReason::ProtocolViolation),
            },
            Op::Ok => Flow::Continue,
            Op::Err(text) => {
                let text = String::from_utf8_lossy(text);
                self.say(context, Level::Error, &format!("Client Error {text}"));
                Flow::Close(CloseReason::ParseError)
            }
        }
    }

    /// Tells a client what it did wrong.
    pub(crate) fn error(&self, context: &mut Context<'_>, error: ErrorText<'_>) {
        let mut line = Vec::with_capacity(64);
        protocol::encode::write_error(&error, &mut line);
        context.shard.write(context.slot, &line);
        if self.trace {
            let text = format!("->> [-ERR {error}]");
            self.say(context, Level::Trace, &text);
        }
    }

    /// In verbose mode, acknowledges an operation.
    #[inline]
    pub(crate) fn ok(&self, context: &mut Context<'_>) {
        if self.connect.verbose {
            context.shard.write(context.slot, protocol::encode::OK);
            if self.trace {
                self.say(context, Level::Trace, "->> [OK]");
            }
        }
    }

    #[cold]
    fn violated(&mut self, context: &mut Context<'_>, violation: Violation) -> CloseReason {
        if let Some(text) = violation.error_text() {
            self.error(context, text);
        }
        self.say(context, Level::Error, &violation.to_string());
        violation.close_reason()
    }

    /// How a connection that has not sent CONNECT ends before the operation that begins with
    /// `first`, if it must.
    #[cold]
    fn refuses_stranger(&mut self, context: &mut Context<'_>, first: u8) -> Option<Next> {
        if !first.eq_ignore_ascii_case(&b'C') {
            match self.login {
                Login::Expected { .. } | Login::Checking { .. } | Login::Asking { .. } => {
                    return Some(Next::Close(self.refuse(context, Denied::Credentials)));
                }
                Login::Unnamed => {
                    if let Some(reason) = self.enter_unnamed(context) {
                        return Some(Next::Close(reason));
                    }
                }
                Login::Open | Login::Done => {}
            }
        }
        // One who asks and never takes the answers would make us hold them all.
        let outbox = context.shard.outbox(context.slot)?;
        let max = limits::PRE_CONNECT_PENDING_MAX;
        if !outbox.is_under_way() || outbox.pending_bytes() <= max {
            return None;
        }
        context.shard.counters().add(Counter::SlowConsumers, 1);
        let text = format!("Slow Consumer Detected: MaxPending of {max} before CONNECT Exceeded");
        self.say(context, Level::Info, &text);
        Some(Next::Drop(CloseReason::SlowConsumerPendingBytes))
    }

    pub(crate) fn say(&self, context: &Context<'_>, level: Level, text: &str) {
        if context.log.wants(level) {
            let prefix = self.log_prefix(context.link);
            context.log.say(level, format!("{prefix} - {text}"));
        }
    }
}

impl Dialect for Client {
    fn opened(&mut self, context: &mut Context<'_>) {
        self.publisher.slot = context.slot;
        self.begin_login(context);
        self.label_deliveries(context);
        self.send_info(context, |_| {});
    }

    #[inline]
    fn consume(&mut self, context: &mut Context<'_>, input: Input<'_>) -> Progress {
        let bytes = input.bytes();
        let mut at = 0;
        let active = bytes.len();
        let mut worked = false;
        let next = loop {
            let Some(&first) = bytes.get(at) else { break Next::More { need: 1 } };
            if self.login != Login::Done
                && let Some(end) = self.refuses_stranger(context, first)
            {
                break end;
            }
            let shared = match input {
                Input::Shared(whole) if at == 0 => Some(whole),
                _ => None,
            };
            if !self.trace
                && let Some((publish, _)) = parse_publish(&bytes[at..], &self.limits)
            {
                worked = true;
                let ahead = &bytes[at..];
                let run = Run::of(publish, ahead, limits::RUN_BYTES_MAX);
                let (flow, taken) = self.publish_all(context, &run, shared, ahead);
                at += taken;
                match flow {
                    Flow::Continue => continue,
                    Flow::Pause(pause) => break Next::Pause(pause),
                    Flow::Close(reason) => break Next::Close(reason),
                }
            }
            match parse(&bytes[at..], &self.limits) {
                Ok(Parsed::Op { op, len }) => {
                    at += len;
                    let shared = shared.filter(|whole| whole.len() == len);
                    worked |= !matches!(op, Op::Ping | Op::Pong | Op::Ok);
                    match self.handle(context, op, shared) {
                        Flow::Continue => {}
                        Flow::Pause(pause) => break Next::Pause(pause),
                        Flow::Close(reason) => break Next::Close(reason),
                    }
                }
                Ok(Parsed::Incomplete { need, message_end }) => {
                    break Next::More { need: message_end.unwrap_or(need) };
                }
                Err(violation) => break Next::Close(self.violated(context, violation)),
            }
        };
        if active > 0 {
            context.link.liveness.active(context.now);
        }
        if worked {
            context.link.liveness.worked(context.now);
        }
        Progress { consumed: at, next }
    }

    fn visible(&mut self, context: &mut Context<'_>) {
        self.send_pong(context);
    }

    fn ping(&mut self, context: &mut Context<'_>) {
        self.send_ping(context);
    }

    fn stale(&mut self, context: &mut Context<'_>) {
        self.error(context, ErrorText::StaleConnection);
    }

    fn login_deadline_ns(&self) -> Option<u64> {
        match self.login {
            Login::Expected { until_ns }
            | Login::Checking { until_ns }
            | Login::Asking { until_ns, .. } => Some(until_ns),
            Login::Open | Login::Unnamed | Login::Done => self.expires_ns,
        }
    }

    fn login_timed_out(&mut self, context: &mut Context<'_>) -> CloseReason {
        match self.login {
            Login::Open | Login::Unnamed | Login::Done => {
                let (text, said) = match self.session.expiry {
                    Expiry::User => {
                        (ErrorText::UserAuthenticationExpired, "User Authentication Expired")
                    }
                    Expiry::Account => {
                        (ErrorText::AccountAuthenticationExpired, "Account Authentication Expired")
                    }
                };
                self.error(context, text);
                self.say(context, Level::Debug, said);
                CloseReason::AuthenticationExpired
            }
            // spec/security.md §5: no answer is a refusal.
            Login::Asking { account, .. } => self.refuse(context, Denied::ByService(account)),
            Login::Expected { .. } | Login::Checking { .. } => {
                self.error(context, ErrorText::AuthenticationTimeout);
                self.say(context, Level::Error, "authentication timeout");
                CloseReason::AuthenticationTimeout
            }
        }
    }

    fn login_asked(&mut self, context: &mut Context<'_>, account: AccountId) {
        if let Login::Checking { .. } = self.login {
            self.login = self.asking(context, account);
        }
    }

    fn login_checked(
        &mut self,
        context: &mut Context<'_>,
        session: Result<Session, Denied>,
    ) -> Option<CloseReason> {
        // Its account may be one that the settings of before do not know.
        if let Reconfigured::Closes(reason) = self.take_new_settings(context) {
            return Some(reason);
        }
        match self.logged_in(context, session) {
            Flow::Close(reason) => Some(reason),
            Flow::Continue | Flow::Pause(_) => None,
        }
    }

    fn lame_duck(&mut self, context: &mut Context<'_>) {
        // spec/client-protocol.md §9: to clients with protocol 1 that got their first PONG.
        if self.introduced {
            self.send_info(context, |info| {
                info.ldm = true;
                info.connect_urls.clear();
            });
        }
    }

    fn reconfigured(&mut self, context: &mut Context<'_>) -> Reconfigured {
        self.take_new_settings(context)
    }

    fn describe(&self, snapshot: &mut ConnectionSnapshot) {
        snapshot.name.clone_from(&self.connect.name);
        snapshot.lang.clone_from(&self.connect.lang);
        snapshot.version.clone_from(&self.connect.version);
        self.known_by().shown().clone_into(&mut snapshot.authorized_user);
        let account = self.account();
        snapshot.account = account.name.as_ref().to_owned();
        snapshot.account_tag = Arc::clone(&account.tag);
        snapshot.proxy.clone_from(&self.session.proxy);
        snapshot.token.clone_from(&self.token);
    }

    fn user(&self) -> UserSnapshot {
        let account = self.account();
        UserSnapshot {
            user: self.known_by().shown().to_owned(),
            name: self.token.as_ref().map(|token| token.name_tag.clone()).unwrap_or_default(),
            account: account.name.as_ref().to_owned(),
            account_tag: Arc::clone(&account.tag),
            permissions: self.session.permissions.as_ref().map(|known| shown(known.config())),
            expires_ns: self.session.expires_ns,
        }
    }

    fn log_prefix(&self, link: &Link) -> String {
        let Connect { name, lang, version, .. } = &*self.connect;
        let mut prefix = format!("{} - cid:{}", link.peer, link.cid);
        if self.login != Login::Done {
            return prefix;
        }
        if !(name.is_empty() && lang.is_empty() && version.is_empty()) {
            let about: Vec<String> = [("v", version), ("", lang), ("", name)]
                .iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(mark, text)| format!("{mark}{text}"))
                .collect();
            prefix.push_str(&format!(" - {:?}", about.join(":")));
        }
        if let Some(label) = self.label() {
            prefix.push_str(&format!(" - {label:?}"));
        }
        prefix
    }
}

/// Permissions as monitoring shows them.
fn shown(permissions: &config::permissions::Permissions) -> PermissionsSnapshot {
    let rules = |rules: &config::permissions::SubjectRules| RulesSnapshot {
        allow: rules.allow.clone().unwrap_or_default(),
        deny: rules.deny.clone(),
    };
    PermissionsSnapshot {
        publish: rules(&permissions.publish),
        subscribe: rules(&permissions.subscribe),
        responses: permissions.responses.map(|responses| ResponsesSnapshot {
            max: responses.max.map_or(-1, i64::from),
            ttl_ns: u64::try_from(responses.ttl.as_nanos()).unwrap_or(u64::MAX),
        }),
    }
}
