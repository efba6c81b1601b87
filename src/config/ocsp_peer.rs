//! OCSP of clients: `ocsp_peer` inside `tls` says how strictly responders are believed, and
//! `ocsp_cache` what is kept of their answers. spec/cli-and-config.md §7.9, spec/security.md §8

use std::path::PathBuf;
use std::time::Duration;

use crate::declaration::{BareNumber, Declaration, Kind, reloadable};
use crate::draft::Draft;
use crate::limits;

/// `ocsp_peer`: what is asked about the certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspPeer {
    /// Whether anything is asked.
    pub verify: bool,
    /// Time for one responder.
    pub responder_timeout: Duration,
    /// How far the clocks of responders may be from this one.
    pub clock_skew: Duration,
    /// What a certificate meets that does not pass.
    pub faults: Faults,
    /// Whether a certificate of which its issuer knows nothing passes.
    pub unknown_is_good: bool,
    /// Whether a certificate passes when no responder answers and none ever called it revoked.
    pub allow_when_unreachable: bool,
    /// How long an answer is good that does not say so itself.
    pub unsaid_life: Duration,
}

/// What a certificate meets that does not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// Its client is refused.
    #[default]
    Refused,
    /// The log tells of it: `warn_only`.
    Logged,
}

impl Default for OcspPeer {
    fn default() -> Self {
        OcspPeer {
            verify: false,
            responder_timeout: limits::OCSP_RESPONDER_TIMEOUT,
            clock_skew: limits::OCSP_CLOCK_SKEW,
            faults: Faults::Refused,
            unknown_is_good: false,
            allow_when_unreachable: false,
            unsaid_life: limits::OCSP_UNSAID_LIFE,
        }
    }
}

/// `ocsp_cache`: where answers of responders are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspCache {
    /// Whether they are kept at all.
    pub kind: CacheKind,
    /// The folder of the file in which they outlive the server.
    pub local_store: PathBuf,
    /// Whether it stays known that a certificate was revoked, when the answer is too old to count.
    pub preserve_revoked: bool,
    /// How often the file is written, if there is something new.
    pub save_interval: Duration,
}

/// Whether answers of responders are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheKind {
    /// No: responders are asked for every connection.
    None,
    /// In memory, and in a file.
    #[default]
    Local,
}

impl Default for OcspCache {
    fn default() -> Self {
        OcspCache {
            kind: CacheKind::Local,
            local_store: PathBuf::from("_rc_"),
            preserve_revoked: false,
            save_interval: limits::OCSP_SAVE_INTERVAL,
        }
    }
}

/// The block of the draft.
fn peer(draft: &mut Draft) -> &mut OcspPeer {
    &mut draft.options.tls.get_or_insert_default().ocsp_peer
}

fn cache(draft: &mut Draft) -> &mut OcspCache {
    &mut draft.options.ocsp_cache
}

/// `ocsp_peer: true`, `ocsp_peer: false`, and before the keys of a block.
pub(crate) fn switch_peer(draft: &mut Draft, on: bool) {
    peer(draft).verify = on;
}

/// `ocsp_cache: true`, `ocsp_cache: false`, and before the keys of a block.
pub(crate) fn switch_cache(draft: &mut Draft, on: bool) {
    cache(draft).kind = if on { CacheKind::Local } else { CacheKind::None };
}

/// The block `ocsp_peer`.
pub static OCSP_PEER: &[Declaration] = &[
    reloadable(
        "verify",
        "true",
        "Ask the issuers of clients' certificates whether those are revoked",
        Kind::Switch(switch_peer),
    ),
    reloadable(
        "ca_timeout",
        "2s",
        "Time for one responder",
        Kind::Span {
            min: Duration::from_millis(1),
            bare: BareNumber::Seconds,
            set: |d, span| peer(d).responder_timeout = span,
        },
    ),
    reloadable(
        "allowed_clockskew",
        "30s",
        "How far the clocks of responders may be from this one",
        Kind::Span {
            min: Duration::ZERO,
            bare: BareNumber::Seconds,
            set: |d, span| peer(d).clock_skew = span,
        },
    ),
    reloadable(
        "warn_only",
        "false",
        "Log what is wrong, and let the client in",
        Kind::Switch(|d, on| peer(d).faults = if on { Faults::Logged } else { Faults::Refused }),
    ),
    reloadable(
        "unknown_is_good",
        "false",
        "Let in whose certificate its issuer knows nothing of",
        Kind::Switch(|d, on| peer(d).unknown_is_good = on),
    ),
    reloadable(
        "allow_when_ca_unreachable",
        "false",
        "Let in who was not known as revoked when no responder answers",
        Kind::Switch(|d, on| peer(d).allow_when_unreachable = on),
    ),
    reloadable(
        "cache_ttl_when_next_update_unset",
        "1h",
        "How long an answer is good that does not say so itself",
        Kind::Span {
            min: Duration::ZERO,
            bare: BareNumber::Seconds,
            set: |d, span| peer(d).unsaid_life = span,
        },
    ),
];

/// The block `ocsp_cache`.
pub static OCSP_CACHE: &[Declaration] = &[
    reloadable(
        "type",
        "local",
        "Where answers of OCSP responders are kept: none, or local",
        Kind::Choice(&["none", "local"], |d, text| switch_cache(d, text == "local")),
    ),
    reloadable(
        "local_store",
        "_rc_",
        "Folder of the file in which they outlive the server",
        Kind::Text(|d, text| {
            let folder =
                if text.is_empty() { OcspCache::default().local_store } else { text.into() };
            cache(d).local_store = folder;
            Ok(())
        }),
    ),
    reloadable(
        "preserve_revoked",
        "false",
        "Remember that a certificate was revoked when the answer is too old to count",
        Kind::Switch(|d, on| cache(d).preserve_revoked = on),
    ),
    reloadable(
        "save_interval",
        "5m",
        "How often the file is written, if there is something new",
        Kind::Span {
            min: limits::OCSP_SAVE_INTERVAL_MIN,
            bare: BareNumber::Seconds,
            set: |d, span| cache(d).save_interval = span,
        },
    ),
];
