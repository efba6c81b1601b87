//! What the service is asked about a client: claims that the server signs, sealed where the
//! service has a curve key. spec/security.md §5

use std::sync::Arc;
use std::time::Duration;

use base::AccountId;
use nkeys::{KeyPair, XKey};

use super::{Callout, ServerKeys};
use crate::credentials::{Denied, KeptCredentials};
use crate::desk::{LoginRequest, Ticket, Verdict};
use crate::directory::Directory;
use crate::jwt::{
    AuthorizationRequest, Claims, ClientInformation, ClientTls, ConnectOptions, ServerId,
};

/// For whom a question is.
const AUDIENCE: &str = "nats-authorization-request";
const SECOND_NS: u64 = 1_000_000_000;

/// What is known of a client that its credentials do not say.
#[derive(Clone, Debug, Default)]
pub struct Applicant {
    /// Of its connection.
    pub information: ClientInformation,
    /// What it said in CONNECT.
    pub options: ConnectOptions,
    /// Of its TLS, where it speaks that.
    pub tls: Option<ClientTls>,
    /// How long it may take until it is known.
    pub timeout: Duration,
}

/// A question that is to be published on [`super::SUBJECT`].
pub struct Question {
    /// In which account.
    pub account: AccountId,
    /// The header block; empty without.
    pub headers: Vec<u8>,
    /// What is asked.
    pub payload: Vec<u8>,
    /// What must be known when the answer comes.
    pub waiting: Waiting,
}

/// A login that waits for the service's answer.
pub struct Waiting {
    /// Whose.
    pub ticket: Ticket,
    /// Until when, seconds since the Unix epoch.
    pub until_s: i64,
    /// What the client said.
    pub(super) credentials: KeptCredentials,
    /// Who it says it is.
    pub(super) said: String,
    /// The proxy that passed it on.
    pub(super) proxy: Option<Arc<str>>,
    /// The public key that the user must have.
    pub(super) user: String,
    pub(super) callout: Arc<Callout>,
    pub(super) directory: Arc<Directory>,
    /// How often an account was fetched for it.
    pub(super) attempts: u8,
}

impl Waiting {
    /// By which rules it is judged.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Whether the client waits no longer.
    pub(crate) fn is_late(&self, now_ns: u64) -> bool {
        self.until_s < (now_ns / SECOND_NS) as i64
    }

    /// The same by newer rules, an account later.
    pub(crate) fn under(&mut self, directory: Arc<Directory>) {
        self.directory = directory;
        self.attempts += 1;
    }
}

/// The question to `callout` about a client. `server` is who asks; `now_s` is when, seconds since
/// the Unix epoch.
///
/// # Errors
/// The refusal, when the client's proxy is not trusted, or when the question cannot be signed or
/// sealed.
pub fn ask(
    callout: Arc<Callout>,
    request: LoginRequest,
    keys: &ServerKeys,
    server: &ServerId,
    now_s: i64,
) -> Result<Question, Box<Verdict>> {
    let ticket = request.ticket;
    let refusal = |denied| Verdict { ticket, session: Err(denied), reason: String::new() };
    question(callout, request, keys, server, now_s).map_err(|denied| Box::new(refusal(denied)))
}

fn question(
    callout: Arc<Callout>,
    request: LoginRequest,
    keys: &ServerKeys,
    server: &ServerId,
    now_s: i64,
) -> Result<Question, Denied> {
    let LoginRequest { ticket, credentials, directory, applicant, .. } = request;
    let Applicant { information, options, tls, timeout } = *applicant.unwrap_or_default();
    let proxy = directory.proxy_of(&credentials.lend())?;
    let user = KeyPair::new_user().public_key();
    let until_s = now_s.saturating_add(timeout.as_secs_f64().ceil() as i64);
    let said = options.user.clone();
    let xkey = if callout.xkey.is_some() { keys.xkey() } else { String::new() };
    let content = AuthorizationRequest {
        server_id: ServerId { id: keys.id(), xkey, ..server.clone() },
        user_nkey: user.clone(),
        client_info: information,
        connect_opts: options,
        client_tls: tls,
        request_nonce: String::new(),
    };
    let mut claims = Claims::new(callout.mandate.subject(), content);
    claims.audience = AUDIENCE.to_owned();
    claims.expires_s = until_s;
    let refused = Denied::ByService(callout.account);
    let token = claims.encode(&keys.pair, now_s).map_err(|_| refused)?;
    let (headers, payload) = match &callout.xkey {
        None => (Vec::new(), token.into_bytes()),
        Some(service) => {
            let service = XKey::from_public_key(service).map_err(|_| refused)?;
            let sealed = keys.curve.seal(token.as_bytes(), &service).map_err(|_| refused)?;
            let headers = format!("NATS/1.0\r\nNats-Server-Xkey: {}\r\n\r\n", keys.xkey());
            (headers.into_bytes(), sealed)
        }
    };
    let account = callout.account;
    let waiting = Waiting {
        ticket,
        until_s,
        credentials,
        said,
        proxy,
        user,
        callout,
        directory,
        attempts: 0,
    };
    Ok(Question { account, headers, payload, waiting })
}
