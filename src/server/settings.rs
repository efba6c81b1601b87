//! The options in the words of the rooms that obey them: one place, for the machine and for the
//! simulator, so that a test runs what an operator would get; at the start and on each reload.

use std::sync::Arc;

use base::Log;
use config::Options;
use connection::Limits;
use protocol::Info;
use security::{Desk, Directory};
use shard::{TraceLines, Traced, Tracer};
use subject::CachePolicy;

use crate::core::reconfigure::CoreSettings;
use crate::tls::Listeners;
use crate::tuning;

/// Who may connect, and where that is found out.
#[derive(Clone, Debug)]
pub struct Access {
    /// Accounts and users.
    pub directory: Arc<Directory>,
    /// Where logins are checked that take long; on the core itself without one.
    pub desk: Option<Desk>,
    /// How listeners speak TLS.
    pub tls: Listeners,
}

/// What a core is told. `info` is INFO but for what is each client's own; the directory is made
/// of the same options, or is the one of before when they say the same.
pub fn of_core(options: &Arc<Options>, info: Info, access: &Access, log: &Log) -> CoreSettings {
    let trace = options.trace.then(|| Tracer { log: log.clone(), lines: trace_lines(options) });
    CoreSettings {
        options: Arc::clone(options),
        shard: of_shards(options, Arc::clone(&access.directory), trace),
        connections: of_connections(options),
        tls: access.tls.clients.clone(),
        connections_per_second: options.tls.as_ref().and_then(|tls| tls.connections_per_second),
        clients: Arc::new(of_clients(options, info, access)),
        connections_max: u64::from(options.max_connections),
        idle: tuning::idle(&options.corewire.tuning),
    }
}

/// What shards need. `trace` is where deliveries are traced, if they are.
fn of_shards(
    options: &Options,
    directory: Arc<Directory>,
    trace: Option<Tracer>,
) -> shard::Settings {
    shard::Settings {
        cache: match options.disable_sublist_cache {
            true => CachePolicy::Off,
            false => CachePolicy::default(),
        },
        pending_max: options.max_pending,
        slow: options.slow_subscriber,
        trace,
        directory,
    }
}

/// What connections need.
fn of_connections(options: &Options) -> Limits {
    Limits {
        ping_interval: options.ping_interval,
        ping_max: options.ping_max,
        write_deadline: options.write_deadline,
        write_timeout: options.write_timeout,
        pending_max: options.max_pending,
        proxy_protocol: options.proxy_protocol,
    }
}

fn trace_lines(options: &Options) -> TraceLines {
    let traced = match options.trace_headers {
        true => Traced::Headers,
        false => Traced::Whole,
    };
    TraceLines { traced, bytes_max: options.max_traced_msg_len }
}

fn of_clients(options: &Options, info: Info, access: &Access) -> client::Settings {
    client::Settings {
        info,
        directory: Arc::clone(&access.directory),
        desk: access.desk.clone(),
        auth_timeout: options.auth_timeout,
        ping_interval: options.ping_interval,
        control_line_max: options.max_control_line,
        payload_max: options.max_payload as u64,
        subscriptions_max: options.max_subscriptions,
        tokens_max: options.max_sub_tokens,
        trace_lines: trace_lines(options),
    }
}
