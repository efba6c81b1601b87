//! Who this server is: its id, its name, and what INFO tells every client.

use std::sync::Arc;

use config::{Options, version};
use protocol::Info;
use security::callout::ServerKeys;
use security::jwt::ServerId;

/// Decided once at start.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The server's public nkey, `N…`.
    pub id: String,
    /// Its name; the id when none was given.
    pub name: String,
    /// Its keys, of which the id is the public half of one.
    pub keys: Arc<ServerKeys>,
}

impl Identity {
    /// A new id; the name from the options.
    pub fn new(options: &Options) -> Identity {
        let keys = Arc::new(ServerKeys::new());
        let id = keys.id();
        let name = options.server_name.clone().unwrap_or_else(|| id.clone());
        Identity { id, name, keys }
    }

    /// INFO as every client gets it (spec/client-protocol.md §2.3). `port` is the bound one.
    pub fn info(&self, options: &Options, port: u16) -> Info {
        let advertised = options.client_advertise.as_ref();
        Info {
            server_id: self.id.clone(),
            server_name: self.name.clone(),
            version: version::NATS_VERSION.to_owned(),
            proto: 1,
            git_commit: version::GIT_COMMIT.unwrap_or_default().chars().take(7).collect(),
            go: toolchain(),
            host: advertised.map_or(&options.host, |advertise| &advertise.host).clone(),
            port: advertised.and_then(|advertise| advertise.port).unwrap_or(port),
            // spec/client-protocol.md §2.3
            tls_required: options.is_tls_required(),
            tls_available: options.tls.is_some() && options.allow_non_tls,
            tls_verify: options.is_certificate_required(),
            headers: !options.no_header_support,
            max_payload: options.max_payload as i64,
            jetstream: options.jetstream.enabled,
            domain: options.jetstream.domain.clone().unwrap_or_default(),
            // spec/client-protocol.md §2.3: the API level, with JetStream.
            api_lvl: if options.jetstream.enabled { u64::from(jetstream::API_LEVEL) } else { 0 },
            xkey: self.keys.xkey(),
            ..Info::default()
        }
    }

    /// Who asks a service about logins (spec/security.md §5).
    pub fn asker(&self, options: &Options) -> ServerId {
        ServerId {
            name: self.name.clone(),
            host: options.host.clone(),
            id: self.id.clone(),
            version: version::NATS_VERSION.to_owned(),
            tags: options.server_tags.clone(),
            ..ServerId::default()
        }
    }
}

/// What stands where nats-server names its Go version.
pub fn toolchain() -> String {
    format!("corewire{}", version::COREWIRE_VERSION)
}
