//! The options in the words of the rooms that obey them: one place, for the machine and for the
//! simulator, so that a test runs what an operator would get.

use base::Log;
use config::Options;
use connection::Limits;
use protocol::Info;
use security::Authenticator;
use subject::CachePolicy;

/// What shards need. `trace` is where deliveries are traced, if they are.
pub fn of_shards(options: &Options, trace: Option<Log>) -> shard::Settings {
    shard::Settings {
        cache: match options.disable_sublist_cache {
            true => CachePolicy::Off,
            false => CachePolicy::default(),
        },
        pending_max: options.max_pending,
        slow: options.slow_subscriber,
        trace,
    }
}

/// What connections need.
pub fn of_connections(options: &Options) -> Limits {
    Limits {
        ping_interval: options.ping_interval,
        ping_max: options.ping_max,
        write_deadline: options.write_deadline,
        write_timeout: options.write_timeout,
        pending_max: options.max_pending,
    }
}

/// What clients need. `info` is INFO but for what is each client's own.
pub fn of_clients(options: &Options, info: Info) -> client::Settings {
    client::Settings {
        info,
        authenticator: Authenticator::new(options.auth.clone()),
        auth_timeout: options.auth_timeout,
        ping_interval: options.ping_interval,
        control_line_max: options.max_control_line,
        payload_max: options.max_payload as u64,
        subscriptions_max: options.max_subscriptions,
        tokens_max: options.max_sub_tokens,
        traced_payload_max: options.max_traced_msg_len,
    }
}
