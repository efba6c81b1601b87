//! What monitoring shows of the server itself: from the options, and from what a reload cannot
//! change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base::AccountId;
use config::accounts::Accounts;
use config::options::WriteTimeout;
use config::{Launch, Options, limits, version};
use monitor::{AccountFacts, ServerFacts};
use security::Directory;

use crate::identity::{Identity, toolchain};
use crate::tls::Listeners;

/// What stays for the life of the process.
pub struct Standing {
    /// What was typed to start it.
    pub launch: Launch,
    /// Who it is.
    pub identity: Identity,
    /// Where clients are listened for.
    pub clients: SocketAddr,
    /// Where monitoring listens.
    pub http: Option<SocketAddr>,
    /// The cores with a shard.
    pub cores: Vec<usize>,
    /// When it started, nanoseconds since the Unix epoch.
    pub start_ns: u64,
}

/// Nanoseconds since the Unix epoch.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The facts under these options, which were read at `config_load_ns`.
pub fn of(
    options: &Options,
    standing: &Standing,
    directory: &Directory,
    tls: &Listeners,
    config_load_ns: u64,
) -> ServerFacts {
    let Standing { identity, clients, http, cores, start_ns, .. } = standing;
    let system = directory.accounts().name(AccountId::SYSTEM);
    ServerFacts {
        server_id: identity.id.clone(),
        server_name: identity.name.clone(),
        version: version::NATS_VERSION.to_owned(),
        git_commit: version::GIT_COMMIT.unwrap_or_default().to_owned(),
        toolchain: toolchain(),
        host: options.host.clone(),
        port: clients.port(),
        // Also where a user stands for those who say nothing.
        auth_required: options.proxies.required || options.is_auth_required(),
        auth_timeout: options.auth_timeout,
        tls_timeout: options.tls.as_ref().map_or(limits::AUTH_TIMEOUT, |tls| tls.timeout),
        tls_required: options.is_tls_required(),
        tls_verify: options.is_certificate_required(),
        tls_ocsp_peer_verify: options.tls.as_ref().is_some_and(|tls| tls.ocsp_peer.verify),
        tls_cert_not_after: tls.clients.as_ref().map_or("", |tls| tls.not_after()).to_owned(),
        proxies: options.proxies.trusted.clone(),
        http_host: options.http_host.clone().unwrap_or_else(|| options.host.clone()),
        http_port: options.http_port.and(*http).map_or(0, |address| address.port()),
        https_port: options.https_port.and(*http).map_or(0, |address| address.port()),
        http_base_path: options.http_base_path.clone(),
        max_connections: options.max_connections,
        max_subscriptions: options.max_subscriptions,
        ping_interval: options.ping_interval,
        ping_max: options.ping_max,
        max_control_line: options.max_control_line,
        max_payload: options.max_payload,
        max_pending: options.max_pending,
        write_deadline: options.write_deadline,
        write_timeout: match options.write_timeout {
            WriteTimeout::Default => String::new(),
            WriteTimeout::Close => String::from("close"),
            WriteTimeout::Retry => String::from("retry"),
        },
        cores: cores.len(),
        start_ns: *start_ns,
        config_load_ns,
        config_digest: options.config_digest.clone(),
        tags: options.server_tags.clone(),
        metadata: options.server_metadata.clone(),
        feature_flags: options.feature_flags.in_force(),
        system_account: (!options.accounts.no_system).then(|| system.as_ref().to_owned()),
        domain: options.jetstream.domain.clone().unwrap_or_default(),
        jetstream: options.jetstream.enabled,
        ..ServerFacts::default()
    }
}

/// The accounts as monitoring shows them, as these options have them; changed last so long after
/// the Unix epoch.
pub fn accounts(options: &Options, directory: &Directory, update_ns: u64) -> Vec<AccountFacts> {
    let Accounts { declared, global_mappings, .. } = &options.accounts;
    let shown = directory.accounts().iter().map(|account| {
        let found = declared.iter().find(|known| known.name == *account.name);
        let mappings = match found {
            Some(declared) => &declared.mappings[..],
            None if account.id == AccountId::GLOBAL => global_mappings,
            None => &[],
        };
        AccountFacts {
            id: account.id,
            name: account.name.as_ref().to_owned(),
            tag: Arc::clone(&account.tag),
            update_ns,
            jetstream: account.jetstream,
            exports: found.map(|declared| declared.exports.as_slice().into()).unwrap_or_default(),
            imports: found.map(|declared| declared.imports.as_slice().into()).unwrap_or_default(),
            mappings: mappings.into(),
        }
    });
    shown.collect()
}
