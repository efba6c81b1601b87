//! The options inside `jetstream`, declared once. spec/cli-and-config.md §7.7
//!
//! A block switches JetStream on unless it says `enabled: false`; the flags `-js` and `-sd` set
//! the same options.

use std::time::Duration;

use crate::declaration::Reload::{Applies, NeedsRestart};
use crate::declaration::{BareNumber, Declaration, Inside, Kind, Known, Off};
use crate::draft::Draft;
use crate::known::key;
use crate::limits;
use crate::options::Flush;
use crate::problem::ValueError;

const fn built(
    key: &'static str,
    default: &'static str,
    doc: &'static str,
    kind: Kind,
) -> Declaration {
    Declaration::built(key, default, NeedsRestart, doc, kind)
}

const fn not_built(key: &'static str, off: Off, doc: &'static str) -> Declaration {
    Declaration::not_built(key, off, doc)
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
    Declaration::built(
        "max_memory_store",
        "",
        Applies,
        "Bytes of all memory streams; three quarters of the memory when unset",
        Kind::Size(|d, bytes| d.options.jetstream.memory_max = bytes),
    )
    .or(&["max_mem_store", "max_mem"]),
    Declaration::built(
        "max_file_store",
        "",
        Applies,
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
    not_built("encryption_key", Off::Never, "Encryption at rest").or(&["key", "ek"]),
    not_built("prev_encryption_key", Off::Never, "The key before the last change")
        .or(&["prev_key", "prev_ek"]),
    not_built("cipher", Off::Never, "The cipher of encryption at rest"),
    not_built("tpm", Off::Empty, "The encryption key in a TPM").with(Inside::Block(TPM)),
    not_built("unique_tag", Off::Never, "Spread replicas over servers with different tags"),
    not_built("extension_hint", Off::Never, "Whether a leafnode extends this JetStream"),
    not_built("max_outstanding_catchup", Off::Zero, "Bytes under way to a replica catching up"),
    not_built("max_buffered_msgs", Off::Zero, "Messages of one stream that wait to be stored"),
    not_built("max_buffered_size", Off::Zero, "Bytes of one stream that wait to be stored"),
    built(
        "request_queue_limit",
        "10000",
        "API requests that may wait; all that wait are dropped above it",
        limit(|d, n| d.options.jetstream.requests_max = or_default(n, limits::API_REQUESTS_MAX)),
    ),
    not_built("info_queue_limit", Off::Zero, "Information requests that may wait"),
    not_built("meta_compact", Off::Zero, "When a cluster's catalogue is compacted"),
    not_built("meta_compact_size", Off::Zero, "When a cluster's catalogue is compacted"),
    not_built("meta_compact_sync", Off::False, "How a cluster's catalogue is compacted"),
    not_built("max_concurrent_io", Off::Zero, "Disk operations at a time"),
    built("limits", "", "What streams and consumers may ask for", Kind::Block(LIMITS)),
];

/// `jetstream.limits`
pub static LIMITS: &[Declaration] = &[
    built(
        "max_ack_pending",
        "",
        "The most max_ack_pending of a consumer",
        limit(|d, n| {
            d.options.jetstream.ack_pending_max = u32::try_from(n).ok().filter(|n| *n > 0)
        }),
    ),
    not_built("max_ha_assets", Off::Zero, "Replicated streams and consumers on this server"),
    built(
        "max_request_batch",
        "",
        "Messages that one pull request may ask for",
        limit(|d, n| {
            d.options.jetstream.request_batch_max = u32::try_from(n).ok().filter(|n| *n > 0);
        }),
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
    not_built("batch", Off::Empty, "Atomic publishes under way").with(Inside::Block(BATCH)),
];

const BATCH: &[Known] = &[
    key(&["max_inflight_per_stream"]),
    key(&["max_inflight_total"]),
    key(&["max_msgs"]),
    key(&["timeout"]),
];

const TPM: &[Known] = &[
    key(&["keys_file"]),
    key(&["encryption_password"]),
    key(&["srk_password"]),
    key(&["pcr"]),
    key(&["cipher"]),
];

fn or_default(number: i64, default: usize) -> usize {
    match usize::try_from(number) {
        Ok(0) | Err(_) => default,
        Ok(number) => number,
    }
}
