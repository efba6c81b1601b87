//! The options inside `jetstream`, declared once. spec/cli-and-config.md §7.7
//!
//! A block switches JetStream on unless it says `enabled: false`; the flags `-js` and `-sd` set
//! the same options.

use std::time::Duration;

use crate::declaration::Reload::NeedsRestart;
use crate::declaration::{
    self, BareNumber, Declaration, Inside, Kind, Known, Off, not_built, reloadable,
};
use crate::draft::Draft;
use crate::known::key;
use crate::limits;
use crate::options::{Cipher, Flush};
use crate::problem::ValueError;

const fn built(
    key: &'static str,
    default: &'static str,
    doc: &'static str,
    kind: Kind,
) -> Declaration {
    declaration::built(key, default, NeedsRestart, doc, kind)
}

/// A limit where 0 means the default.
const fn limit(set: fn(&mut Draft, i64)) -> Kind {
    Kind::Count { min: 0, max: u32::MAX as i64, set }
}

/// `store_dir` here or at the top level, not both.
pub(crate) fn store_dir(draft: &mut Draft, path: &str) -> Result<(), ValueError> {
    let place = &mut draft.options.jetstream.store_dir;
    if place.is_some() {
        return Err(ValueError::StoreDirTwice);
    }
    *place = (!path.is_empty()).then(|| path.into());
    Ok(())
}

fn domain(draft: &mut Draft, domain: &str) -> Result<(), ValueError> {
    if domain.contains(|c: char| c.is_whitespace() || ".*>".contains(c)) {
        return Err(ValueError::Domain);
    }
    draft.options.jetstream.domain = (!domain.is_empty()).then(|| domain.to_owned());
    Ok(())
}

/// The block.
pub static JETSTREAM: &[Declaration] = &[
    built(
        "enabled",
        "true",
        "Enable JetStream functionality",
        Kind::Switch(|d, on| d.options.jetstream.enabled = on),
    )
    .or(&["enable"]),
    built(
        "strict",
        "true",
        "Refuse API requests with fields that nobody knows",
        Kind::Switch(|d, on| d.options.jetstream.strict = on),
    ),
    built("store_dir", "", "Set the storage directory", Kind::Text(store_dir))
        .or(&["store", "storedir"]),
    reloadable(
        "max_memory_store",
        "",
        "Bytes of all memory streams; three quarters of the memory when unset",
        Kind::Size(|d, bytes| d.options.jetstream.memory_max = bytes),
    )
    .or(&["max_mem_store", "max_mem"]),
    reloadable(
        "max_file_store",
        "",
        "Bytes of all file streams; three quarters of the free disk when unset",
        Kind::Size(|d, bytes| d.options.jetstream.file_max = bytes),
    )
    .or(&["max_file"]),
    built(
        "sync_interval",
        "always",
        "How often files are flushed; with always an ack means durable",
        Kind::SpanOrAlways(|d, every| {
            d.flush = Some(every.map_or(Flush::Always, Flush::Every));
        }),
    )
    .or(&["sync"]),
    built("domain", "", "The name of this JetStream among others", Kind::Text(domain)),
    built(
        "encryption_key",
        "",
        "The key that everything on disk is encrypted under; nothing is when unset",
        Kind::Secret(|d, key| d.options.jetstream.encryption.key = key),
    )
    .or(&["key", "ek"]),
    built(
        "prev_encryption_key",
        "",
        "The key before it was changed, for the first start with another one",
        Kind::Secret(|d, key| d.options.jetstream.encryption.previous = key),
    )
    .or(&["prev_key", "prev_ek"]),
    built(
        "cipher",
        "chacha",
        "How what is stored from now on is encrypted",
        Kind::Choice(&["chacha", "chachapoly", "aes"], |d, word| {
            let cipher = if word == "aes" { Cipher::Aes } else { Cipher::ChaCha };
            d.options.jetstream.encryption.cipher = cipher;
        }),
    ),
    not_built("tpm", Off::Empty, "The encryption key in a TPM").with(Inside::Block(TPM)),
    built(
        "unique_tag",
        "",
        "What the tags begin with that servers of one stream's replicas must not share",
        // spec/cli-and-config.md §7.7: lower-cased
        Kind::Text(|d, tag| {
            d.options.jetstream.unique_tag = (!tag.is_empty()).then(|| tag.to_lowercase());
            Ok(())
        }),
    ),
    not_built("extension_hint", Off::Never, "Whether a leafnode extends this JetStream"),
    not_built("max_outstanding_catchup", Off::Zero, "Bytes under way to a replica catching up"),
    built(
        "max_buffered_msgs",
        "100000",
        "Messages of one stream that wait to be stored; publishes above it are refused",
        limit(|d, n| {
            let place = &mut d.options.jetstream.ingest.messages_max;
            *place = positive(n).unwrap_or(limits::JS_INGEST_MESSAGES_MAX);
        }),
    ),
    built(
        "max_buffered_size",
        "128MB",
        "Bytes of one stream that wait to be stored; publishes above it are refused",
        Kind::Size(|d, bytes| {
            let bytes = bytes.filter(|bytes| *bytes > 0);
            d.options.jetstream.ingest.bytes_max = bytes.unwrap_or(limits::JS_INGEST_BYTES_MAX);
        }),
    ),
    built(
        "request_queue_limit",
        "10000",
        "API requests that may wait and change something; all of them are dropped above it",
        limit(|d, n| {
            let place = &mut d.options.jetstream.requests_max;
            *place = positive(n).unwrap_or(limits::API_REQUESTS_MAX);
        }),
    ),
    built(
        "info_queue_limit",
        "",
        "The same for requests that only ask for information; request_queue_limit when unset",
        limit(|d, n| d.options.jetstream.infos_max = positive(n)),
    ),
    not_built("meta_compact", Off::Zero, "When a cluster's catalogue is compacted"),
    not_built("meta_compact_size", Off::Zero, "When a cluster's catalogue is compacted"),
    not_built("meta_compact_sync", Off::False, "How a cluster's catalogue is compacted"),
    built(
        "max_concurrent_io",
        "4096",
        "Disk operations at a time, shared evenly by the cores; the next ones wait",
        Kind::Count {
            min: *limits::DISK_OPERATIONS_BOUNDS.start(),
            max: *limits::DISK_OPERATIONS_BOUNDS.end(),
            set: |d, n| d.options.jetstream.disk_operations_max = n as usize,
        },
    ),
    built("limits", "", "What streams and consumers may ask for", Kind::Block(LIMITS)),
];

/// `jetstream.limits`
pub static LIMITS: &[Declaration] = &[
    built(
        "max_ack_pending",
        "",
        "The most max_ack_pending of a consumer",
        limit(|d, n| d.options.jetstream.ack_pending_max = positive(n)),
    ),
    built(
        "max_ha_assets",
        "",
        "Replicated streams and consumers on this server at most",
        limit(|d, n| d.options.jetstream.ha_assets_max = positive(n)),
    ),
    built(
        "max_request_batch",
        "",
        "Messages that one pull request may ask for",
        limit(|d, n| d.options.jetstream.request_batch_max = positive(n)),
    ),
    built(
        "default_max_consumers",
        "-1",
        "Consumers of a stream that neither it nor its account bounds; -1 for any number",
        Kind::Count {
            min: -1,
            max: u32::MAX as i64,
            set: |d, n| d.options.jetstream.consumers_default_max = positive(n),
        },
    ),
    built(
        "duplicate_window",
        "",
        "The longest duplicate_window of a stream",
        Kind::Span {
            min: Duration::ZERO,
            bare: BareNumber::SecondsWithWarning,
            set: |d, span| {
                d.options.jetstream.duplicate_window_max = (!span.is_zero()).then_some(span);
            },
        },
    ),
    built("batch", "", "Bounds of atomic publishes", Kind::Block(BATCH)),
];

/// `jetstream.limits.batch`
pub static BATCH: &[Declaration] = &[
    built(
        "max_inflight_per_stream",
        "50",
        "Atomic publishes under way in one stream",
        limit(|d, n| {
            let place = &mut d.options.jetstream.batches.per_stream_max;
            *place = positive(n).unwrap_or(limits::JS_BATCHES_PER_STREAM_MAX);
        }),
    ),
    built(
        "max_inflight_total",
        "1000",
        "Atomic publishes under way on the whole server",
        limit(|d, n| {
            let place = &mut d.options.jetstream.batches.total_max;
            *place = positive(n).unwrap_or(limits::JS_BATCHES_MAX);
        }),
    ),
    built(
        "max_msgs",
        "1000",
        "Messages in one atomic publish",
        limit(|d, n| {
            let place = &mut d.options.jetstream.batches.messages_max;
            *place = positive(n).unwrap_or(limits::JS_BATCH_MESSAGES_MAX);
        }),
    ),
    built(
        "timeout",
        "10s",
        "Silence after which an atomic publish is abandoned",
        Kind::Span {
            min: Duration::ZERO,
            bare: BareNumber::SecondsWithWarning,
            set: |d, span| {
                let place = &mut d.options.jetstream.batches.timeout;
                *place = if span.is_zero() { limits::JS_BATCH_TIMEOUT } else { span };
            },
        },
    ),
];

const TPM: &[Known] = &[
    key(&["keys_file"]),
    key(&["encryption_password"]),
    key(&["srk_password"]),
    key(&["pcr"]),
    key(&["cipher"]),
];

/// A number above zero; any other is none.
fn positive<N: TryFrom<i64> + Default + PartialOrd>(number: i64) -> Option<N> {
    N::try_from(number).ok().filter(|number| *number > N::default())
}
