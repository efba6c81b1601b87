//! What the operator decided, as the services of all cores need it.

use std::sync::Arc;

use config::{Options, feature_flags};

use crate::consumer::ReplyForm;
use crate::ledger::Ledger;
use crate::meta::registry::ServerBounds;
use crate::request_json::Strictness;
use crate::stream::Bounds;
use crate::stream_config::ServerLimits;

/// The same for every core.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's name.
    pub server: String,
    /// Its id.
    pub server_id: String,
    /// This JetStream's domain.
    pub domain: Option<String>,
    /// How subjects of acknowledgements and flow control are written.
    pub reply_form: ReplyForm,
    /// What becomes of fields that nobody knows.
    pub strictness: Strictness,
    /// What streams may ask for.
    pub streams: ServerLimits,
    /// What every stream is allowed.
    pub stream_bounds: Bounds,
    /// Bytes of all streams.
    pub bounds: ServerBounds,
    /// API requests that may wait and change something.
    pub requests_max: usize,
    /// Those that may wait and only ask for information.
    pub infos_max: usize,
    /// The most `max_ack_pending` of a consumer; 0 without a bound.
    pub ack_pending_max: i64,
    /// Consumers of a stream that neither it nor its account bounds; 0 without a bound.
    pub consumers_default_max: i64,
    /// Messages that one pull request may ask for; 0 without a bound.
    pub request_batch_max: i64,
    /// How many cores there are.
    pub cores: usize,
    /// What all of them hold.
    pub ledger: Arc<Ledger>,
}

impl Settings {
    /// From what the operator wrote; `bounds` are what he left open, measured. The server is told
    /// by name and id.
    #[must_use]
    pub fn new(
        options: &Options,
        (server, id): (&str, &str),
        cores: usize,
        bounds: ServerBounds,
    ) -> Settings {
        let is_scoped = options.feature_flags.is_on(feature_flags::ACK_FORMAT_V2);
        let options = &options.jetstream;
        Settings {
            server: server.to_owned(),
            server_id: id.to_owned(),
            domain: options.domain.clone(),
            reply_form: if is_scoped { ReplyForm::Scoped } else { ReplyForm::Short },
            strictness: match options.strict {
                true => Strictness::Strict,
                false => Strictness::Lenient,
            },
            streams: ServerLimits { duplicate_window_max: options.duplicate_window_max },
            stream_bounds: Bounds { ingest: options.ingest, batches: options.batches },
            bounds,
            requests_max: options.requests_max,
            // spec/cli-and-config.md §7.7: the default of info_queue_limit is request_queue_limit
            infos_max: options.infos_max.unwrap_or(options.requests_max),
            ack_pending_max: options.ack_pending_max.map_or(0, i64::from),
            consumers_default_max: options.consumers_default_max.map_or(0, i64::from),
            request_batch_max: options.request_batch_max.map_or(0, i64::from),
            cores,
            ledger: Arc::new(Ledger::new(cores)),
        }
    }
}
