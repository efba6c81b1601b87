//! Who a client is: by what it said in CONNECT, or by saying nothing where that is enough
//! (spec/security.md §1). What takes long is checked on another thread while the client waits.

use std::sync::Arc;

use base::snapshot::{RefusedLogin, TokenSnapshot};
use base::{AccountId, Counter, Level};
use config::limits;
use config::options::ConnectionKinds;
use connection::{Context, Link, Pause};
use protocol::{CloseReason, ErrorText};
use security::{
    Account, Credentials, Denied, Effort, LoginRequest, PublishGate, Session, Step, Ticket,
};

use crate::client::{Client, Flow, Login};

impl Client {
    /// What an accepted connection must do first.
    pub(crate) fn begin_login(&mut self, context: &mut Context<'_>) {
        let directory = Arc::clone(&self.settings.directory);
        if directory.wants_nonce() {
            self.nonce = security::nonce();
        }
        self.login = if directory.is_auth_required() {
            Login::Expected { until_ns: context.now.plus(self.settings.auth_timeout) }
        } else if directory.is_open() {
            Login::Open
        } else {
            // Whoever stands for such clients is asked when one of them says something.
            Login::Unnamed
        };
        // Who need not log in is in the global account from the start.
        if self.login == Login::Open {
            let _ = self.enter(context, Session::default());
        }
    }

    /// Finds out who the client is, by its CONNECT.
    pub(crate) fn log_in(&mut self, context: &mut Context<'_>) -> Flow {
        let directory = Arc::clone(&self.settings.directory);
        self.warn_of_ignored_user(context);
        let credentials = self.credentials(context);
        let effort = directory.effort(&credentials);
        if effort != Effort::Quick
            && let Some(desk) = &self.settings.desk
        {
            let (shard, slot, cid) = (context.shard.id(), context.slot, context.link.cid);
            let ticket = Ticket { shard, slot, cid };
            let may_ask = directory.may_ask_service(effort);
            let applicant = may_ask.then(|| Box::new(self.applicant(context.link)));
            let credentials = credentials.keep();
            let patience = self.settings.auth_timeout.max(limits::LOGIN_CHECK_TIMEOUT);
            let until_ns = context.now.wall_ns.saturating_add(patience.as_nanos() as u64);
            let request =
                LoginRequest { ticket, credentials, directory, applicant, until_ns, attempts: 0 };
            if desk.submit(Step::Said(Box::new(request))).is_err() {
                self.say(context, Level::Error, "too many logins wait to be checked");
                return self.denied(context, Denied::Credentials);
            }
            self.login = match (effort, self.login) {
                (Effort::Asked(account), Login::Expected { until_ns }) => {
                    Login::Asking { until_ns, account }
                }
                (Effort::Asked(account), _) => self.asking(context, account),
                // It came in time; what its check takes now is no fault of its own.
                (Effort::Quick | Effort::Slow, _) => {
                    Login::Checking { until_ns: context.now.plus(patience) }
                }
            };
            return Flow::Pause(Pause::Login);
        }
        let session = directory.login(&credentials);
        self.logged_in(context, session)
    }

    /// A service in `account` has until then to answer. spec/security.md §5
    pub(crate) fn asking(&self, context: &Context<'_>, account: AccountId) -> Login {
        Login::Asking { until_ns: context.now.plus(self.settings.auth_timeout), account }
    }

    /// spec/security.md §8: where certificates say who clients are, CONNECT does not.
    fn warn_of_ignored_user(&self, context: &Context<'_>) {
        let certificate = context.link.tls.as_ref().and_then(|agreed| agreed.certificate.as_ref());
        let said = self.connect.user.as_str();
        if certificate.is_some() && !said.is_empty() {
            let text = format!("User {said:?} found in connect proto, but user required from cert");
            self.say(context, Level::Warn, &text);
        }
    }

    /// Goes on with what the login led to.
    pub(crate) fn logged_in(
        &mut self,
        context: &mut Context<'_>,
        session: Result<Session, Denied>,
    ) -> Flow {
        match session {
            Err(denied) => self.denied(context, denied),
            Ok(session) => match self.enter(context, session) {
                Some(reason) => Flow::Close(reason),
                None => match self.refused() {
                    Some(refused) => {
                        self.say(context, Level::Error, &refused.to_string());
                        self.close_for(context, refused)
                    }
                    None => {
                        self.accepted(context);
                        Flow::Continue
                    }
                },
            },
        }
    }

    /// Lets in who said something else before CONNECT, where that is allowed.
    pub(crate) fn enter_unnamed(&mut self, context: &mut Context<'_>) -> Option<CloseReason> {
        let directory = Arc::clone(&self.settings.directory);
        match directory.login_nobody(ConnectionKinds::STANDARD) {
            None if directory.is_open() => {
                self.login = Login::Open;
                self.enter(context, Session::default())
            }
            None => Some(self.refuse(context, Denied::Credentials)),
            Some(session) => {
                self.login = Login::Open;
                self.enter(context, session)
            }
        }
    }

    /// Puts the client into its account, with its permissions; the reason if there is no place.
    fn enter(&mut self, context: &mut Context<'_>, session: Session) -> Option<CloseReason> {
        if session.account != self.publisher.account {
            self.forget_subscriptions(context);
        }
        if context.shard.enter(context.slot, &session).is_err() {
            // Monitoring shows where it was turned away.
            self.publisher.account = session.account;
            let full = ErrorText::MaximumAccountConnectionsExceeded;
            self.error(context, full);
            self.say(context, Level::Error, "maximum account active connections exceeded");
            return full.close_reason();
        }
        self.publisher.account = session.account;
        self.gate = gate(&session);
        self.token = self.shown_token(&session).map(Arc::new);
        self.take_session(context, session);
        self.take_account(context);
        None
    }

    /// What monitoring shows of the token of its user.
    fn shown_token(&mut self, session: &Session) -> Option<TokenSnapshot> {
        let Some(claims) = &session.claims else {
            // Seen of nats-server 2.15.2: a user with a key of its own counts as its account's.
            let account = self.settings.directory.accounts().name(session.account);
            let issuer_key = account.as_ref().to_owned();
            let shown = session.nkey.as_ref();
            return shown.map(|_| TokenSnapshot { issuer_key, ..TokenSnapshot::default() });
        };
        // spec/monitoring.md §4: not of those whose tokens are all that they need. Where a service
        // lets a client in, what came in CONNECT is not the user's own.
        let lent = session.callout.is_some();
        let hidden = claims.content.grant.bearer_token || lent;
        Some(TokenSnapshot {
            // Moved, not copied: a second CONNECT finds it there.
            jwt: if hidden { String::new() } else { std::mem::take(&mut self.connect.jwt) },
            issuer_key: claims.issuer.clone(),
            // Seen of nats-server 2.15.2: those that a service gives it are not told.
            name_tag: if lent { String::new() } else { claims.name.clone() },
            tags: if lent { Vec::new() } else { claims.content.tags.clone() },
        })
    }

    /// What the client is from now on, and for how long.
    pub(crate) fn take_session(&mut self, context: &Context<'_>, session: Session) {
        let until =
            |wall_ns: u64| context.now.mono_ns + wall_ns.saturating_sub(context.now.wall_ns);
        self.expires_ns = session.expires_ns.map(until);
        self.session = session;
    }

    /// The account that it is in, as its settings have it.
    pub(crate) fn account(&self) -> &Account {
        self.settings.directory.accounts().get(self.publisher.account)
    }

    /// What the directory says of the client's account.
    pub(crate) fn take_account(&mut self, context: &mut Context<'_>) {
        let account = self.settings.directory.accounts().get(self.publisher.account);
        self.mappings.clone_from(&account.mappings);
        self.trace_destination.clone_from(&account.trace);
        self.say_who_asks(context);
    }

    fn denied(&mut self, context: &mut Context<'_>, denied: Denied) -> Flow {
        Flow::Close(self.refuse(context, denied))
    }

    /// Says that it is not let in; the reason for which it is closed.
    pub(crate) fn refuse(&mut self, context: &mut Context<'_>, denied: Denied) -> CloseReason {
        let certificate = context.link.tls.as_ref().and_then(|agreed| agreed.certificate.as_ref());
        if let Some(certificate) = certificate {
            let text = format!("User in cert [{:?}], not found", certificate.described());
            self.say(context, Level::Debug, &text);
        }
        match denied {
            Denied::Credentials | Denied::Revoked | Denied::AccountExpired => {}
            Denied::ByService(account) => {
                let refused = || Box::new(RefusedLogin { account, why: Arc::from("") });
                context.link.refused.get_or_insert_with(refused);
            }
            Denied::NotPinned => context.shard.counters().add(Counter::PinnedAccountFails, 1),
            Denied::ProxyNotTrusted => self.say(context, Level::Debug, "proxy is not trusted"),
            Denied::ProxyRequired => self.say(context, Level::Debug, "proxy connection required"),
        }
        self.say_who_failed(context);
        self.error(context, ErrorText::AuthorizationViolation);
        reason_for(denied)
    }

    /// A line of the log for whoever wants to know who tries to come in.
    pub(crate) fn say_who_failed(&self, context: &Context<'_>) {
        let who = self.known_by().accused().map(|who| format!(" - {who}")).unwrap_or_default();
        self.say(context, Level::Error, &format!("authentication error{who}"));
    }

    fn credentials<'a>(&'a self, context: &'a Context<'_>) -> Credentials<'a> {
        let link: &Link = context.link;
        Credentials {
            address: Some(link.peer.ip()),
            now_ns: context.now.wall_ns,
            certificate: link.tls.as_ref().and_then(|agreed| agreed.certificate.as_ref()),
            user: &self.connect.user,
            pass: &self.connect.pass,
            token: &self.connect.auth_token,
            nkey: &self.connect.nkey,
            jwt: &self.connect.jwt,
            sig: &self.connect.sig,
            proxy_sig: &self.connect.proxy_sig,
            nonce: &self.nonce,
            kind: ConnectionKinds::STANDARD,
        }
    }

    /// Bytes in a message: the least that server, account and user allow.
    pub(crate) fn payload_max(&self) -> u64 {
        let account = self.account();
        let own = [account.limits.payload, self.session.payload_max];
        own.into_iter().flatten().map(u64::from).fold(self.settings.payload_max, u64::min)
    }

    /// Subscriptions: the least that server, account and user allow.
    pub(crate) fn subscriptions_max(&self) -> Option<u32> {
        let account = self.account();
        let own = [account.limits.subscriptions, self.session.subscriptions_max];
        own.into_iter().chain([self.settings.subscriptions_max]).flatten().min()
    }
}

/// What the end of a connection is called that is not let in. spec/security.md §9
pub(crate) fn reason_for(denied: Denied) -> CloseReason {
    match denied {
        Denied::Credentials | Denied::NotPinned | Denied::ByService(_) => {
            CloseReason::AuthenticationFailure
        }
        Denied::ProxyNotTrusted => CloseReason::ProxyNotTrusted,
        Denied::ProxyRequired => CloseReason::ProxyRequired,
        Denied::Revoked => CloseReason::CredentialsRevoked,
        Denied::AccountExpired => CloseReason::AuthenticationExpired,
    }
}

/// What a client hears that is not let in, or may not stay.
pub(crate) fn text_for(denied: Denied) -> ErrorText<'static> {
    match denied {
        Denied::Credentials
        | Denied::NotPinned
        | Denied::ByService(_)
        | Denied::ProxyNotTrusted
        | Denied::ProxyRequired => ErrorText::AuthorizationViolation,
        Denied::Revoked => ErrorText::UserAuthenticationRevoked,
        Denied::AccountExpired => ErrorText::AccountAuthenticationExpired,
    }
}

/// What a client with limited rights to publish is asked for each message.
pub(crate) fn gate(session: &Session) -> Option<Box<PublishGate>> {
    let permissions = session.permissions.as_ref()?;
    permissions.limits_publish().then(|| Box::new(PublishGate::new(Arc::clone(permissions))))
}
