//! Where account JWTs come from: `resolver`, `resolver_tls`, `resolver_pinned_accounts`.
//! spec/security.md §3, Resolvers
//!
//! Here stands what was asked for; room `security` fetches and keeps the JWTs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::declaration::{self, BareNumber, Declaration, Inside, Kind, Known, Off, reloadable};
use crate::draft::Draft;
use crate::duration;
use crate::limits;
use crate::place::Place;
use crate::problem::ValueError;
use crate::tls::{self, CertificateFiles, Version};
use crate::tree::Tree;
use crate::users::is_public_key;
use crate::value::{Entry, Map, Node, Value};

/// Where account JWTs come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// From `resolver_preload` alone: `MEMORY`.
    Memory,
    /// From a web server, at this address and the account's key: `URL(…)`.
    Url(String),
    /// From a folder of this server's own.
    Folder(JwtFolder),
}

impl Resolver {
    /// What a reload does not change.
    pub fn kind(&self) -> &'static str {
        match self {
            Resolver::Memory => "MEMORY",
            Resolver::Url(_) => "URL",
            Resolver::Folder(JwtFolder { keeps: Keeps::All { .. }, .. }) => "full",
            Resolver::Folder(JwtFolder { keeps: Keeps::WhatIsUsed { .. }, .. }) => "cache",
        }
    }
}

/// `resolver { type: full }` and `{ type: cache }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtFolder {
    /// Where the files are.
    pub dir: PathBuf,
    /// What it holds.
    pub keeps: Keeps,
    /// JWTs that it holds at most.
    pub limit: usize,
    /// How long other servers may take to say what they know of an account.
    pub timeout: Duration,
}

/// What a folder of JWTs holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Every account there is.
    All {
        /// Whether accounts may be deleted.
        deletion: Deletion,
        /// How often it is compared with those of other servers.
        interval: Duration,
    },
    /// What was asked for; beyond the limit what was not asked for the longest time goes.
    WhatIsUsed {
        /// How long, after which a JWT is asked for again.
        ttl: Option<Duration>,
    },
}

/// What deleting an account does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// It is refused.
    #[default]
    Refused,
    /// The file gets another name: `allow_delete`.
    Renames,
    /// The file is gone: `allow_delete` and `hard_delete`.
    Removes,
}

/// TLS towards a resolver on the web: `resolver_tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolverTls {
    /// What this server shows of itself, PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
    /// Who may vouch for the resolver, PEM; those whom the host trusts without it.
    pub ca_file: Option<PathBuf>,
    /// Whether nobody has to: `insecure`.
    pub trust: ResolverTrust,
    /// Time to connect, handshake included; that of a whole question without it.
    pub timeout: Option<Duration>,
    /// The lowest version spoken.
    pub min_version: Version,
    /// Names of cipher suites, as Go has them; all that are safe when empty.
    pub cipher_suites: Vec<String>,
    /// Names of curves, as Go has them; the usual ones when empty.
    pub curve_preferences: Vec<String>,
}

/// Which certificates of a resolver are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolverTrust {
    /// Those for which somebody vouches.
    #[default]
    Vouched,
    /// All.
    Anybody,
}

/// `resolver`
pub(crate) const RESOLVER: Declaration = reloadable(
    "resolver",
    "",
    "Where account JWTs come from: MEMORY, URL(http://…/) or a folder",
    Kind::Tree("text or a block", Inside::Block(KEYS), read),
)
.or(&["account_resolver", "accounts_resolver"]);

/// `resolver_tls`
pub(crate) const TLS: Declaration =
    reloadable("resolver_tls", "", "TLS towards the resolver", Kind::Block(RESOLVER_TLS));

/// `resolver_pinned_accounts`
pub(crate) const PINNED: Declaration = reloadable(
    "resolver_pinned_accounts",
    "",
    "Public keys of the accounts that may connect here; all may when empty",
    Kind::TextList(pinned),
);

/// The keys of a resolver's block.
pub(crate) const KEYS: &[Known] = &[
    Known::read(&["type"], "text", "full: all accounts; cache: those that were used"),
    Known::read(&["dir"], "text", "The folder of the JWTs"),
    Known::read(&["allow_delete"], "a boolean", "Whether accounts may be deleted"),
    Known::read(&["hard_delete"], "a boolean", "Whether nothing is left of what was deleted"),
    Known::read(&["interval"], "a duration such as 1m", "How often servers compare what they have"),
    Known::read(&["limit"], "an integer", "JWTs in the folder at most"),
    Known::read(&["ttl"], "a duration such as 1h", "How long a cached JWT is good"),
    Known::read(&["timeout"], "a duration such as 2s", "Time in which other servers answer"),
];

/// Reads `resolver`.
fn read(draft: &mut Draft, tree: &mut Tree<'_>, entry: &Entry) {
    draft.options.resolver = match &entry.node.value {
        Value::Text(text) => named(text, entry.node.place, tree),
        Value::Map(map) => folder(map, entry.node.place, tree).map(Resolver::Folder),
        other => {
            let expected = "MEMORY, URL(…) or a block";
            let error = ValueError::Kind { expected, found: other.kind() };
            tree.note(entry.node.place, "resolver", error);
            None
        }
    };
}

/// `MEMORY`, or `URL(http://…)`.
fn named(text: &str, place: Place, tree: &mut Tree<'_>) -> Option<Resolver> {
    if ["memory", "mem"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(Resolver::Memory);
    }
    let url = text.get(..4).filter(|start| start.eq_ignore_ascii_case("url("));
    let url = url.and_then(|_| text[4..].strip_suffix(')'));
    let url = url.map(|url| url.trim_matches('"').trim_end_matches('/'));
    let is_web = |url: &&str| url.starts_with("http://") || url.starts_with("https://");
    match url.filter(is_web) {
        // The account's key comes right behind it.
        Some(url) => Some(Resolver::Url(format!("{url}/"))),
        None => {
            tree.note(place, "resolver", ValueError::Resolver(text.to_owned()));
            None
        }
    }
}

/// What a block said.
#[derive(Default)]
struct Said {
    kind: Option<String>,
    dir: Option<PathBuf>,
    allow_delete: Option<bool>,
    hard_delete: bool,
    interval: Option<Duration>,
    limit: Option<usize>,
    ttl: Option<Duration>,
    timeout: Option<Duration>,
}

fn folder(map: &Map, place: Place, tree: &mut Tree<'_>) -> Option<JwtFolder> {
    let mut said = Said::default();
    tree.block(map, KEYS, |tree, key, entry| said.set(key, &entry.node, tree));
    let kind = said.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
    let mut refuse = |error| {
        tree.note(place, "resolver", error);
        None
    };
    let keeps = match kind.as_str() {
        "full" if said.ttl.is_some() => return refuse(ValueError::NotOfThisFolder("full", "ttl")),
        "full" => Keeps::All {
            deletion: match (said.allow_delete.unwrap_or_default(), said.hard_delete) {
                (false, false) => Deletion::Refused,
                (true, false) => Deletion::Renames,
                (true, true) => Deletion::Removes,
                (false, true) => return refuse(ValueError::HardDelete),
            },
            interval: said.interval.unwrap_or(limits::RESOLVER_SYNC_INTERVAL),
        },
        "cache" if said.interval.is_some() => {
            return refuse(ValueError::NotOfThisFolder("cache", "interval"));
        }
        "cache" if said.allow_delete.is_some() || said.hard_delete => {
            return refuse(ValueError::NotOfThisFolder("cache", "allow_delete"));
        }
        "cache" => Keeps::WhatIsUsed { ttl: said.ttl },
        _ => return refuse(ValueError::Resolver(kind)),
    };
    let Some(dir) = said.dir else { return refuse(ValueError::NoFolder) };
    if is_something_else(&dir) {
        return refuse(ValueError::NotAFolder(dir));
    }
    let whole = match keeps {
        Keeps::All { .. } => limits::RESOLVER_JWTS_MAX,
        Keeps::WhatIsUsed { .. } => limits::RESOLVER_CACHED_MAX,
    };
    Some(JwtFolder {
        dir,
        keeps,
        limit: said.limit.unwrap_or(whole),
        timeout: said.timeout.unwrap_or(limits::RESOLVER_TIMEOUT),
    })
}

/// A folder that is not there yet is made at the start.
fn is_something_else(dir: &Path) -> bool {
    dir.exists() && !dir.is_dir()
}

impl Said {
    fn set(&mut self, key: &str, node: &Node, tree: &mut Tree<'_>) {
        match key {
            "type" => self.kind = tree.text(key, node).map(str::to_owned),
            "dir" => self.dir = tree.text(key, node).filter(|dir| !dir.is_empty()).map(Into::into),
            "allow_delete" => self.allow_delete = tree.switch(key, node),
            "hard_delete" => self.hard_delete = tree.switch(key, node).unwrap_or_default(),
            "limit" => {
                let limit = tree.int(key, node);
                // As in nats-server, nothing above zero is no limit of one's own.
                self.limit = limit.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
            }
            "interval" => self.interval = span(key, node, tree),
            "ttl" => self.ttl = span(key, node, tree),
            _ => self.timeout = span(key, node, tree),
        }
    }
}

fn span(key: &str, node: &Node, tree: &mut Tree<'_>) -> Option<Duration> {
    let text = tree.text(key, node)?;
    match duration::parse(text) {
        Ok(span) => Some(span).filter(|span| !span.is_zero()),
        Err(reason) => {
            let text = text.to_owned();
            tree.note(node.place, key, ValueError::Duration { text, reason });
            None
        }
    }
}

/// Sets `resolver_pinned_accounts`.
fn pinned(draft: &mut Draft, keys: Vec<String>) -> Result<(), ValueError> {
    let is_account = |key: &String| is_public_key(key, nkeys::KeyPairType::Account);
    if !keys.iter().all(is_account) {
        return Err(ValueError::AccountKey);
    }
    draft.options.resolver_pinned = keys.into_iter().collect::<BTreeSet<String>>();
    Ok(())
}

const fn built(key: &'static str, doc: &'static str, kind: Kind) -> Declaration {
    reloadable(key, "", doc, kind)
}

const fn not_built(key: &'static str, off: Off) -> Declaration {
    declaration::not_built(key, off, "Not of a resolver")
}

/// The resolver is shown one certificate, however it is named.
fn certificate(draft: &mut Draft, tree: &mut Tree<'_>, entry: &Entry) {
    match &tls::read_certificates(entry, tree)[..] {
        [] => {}
        [CertificateFiles { cert_file, key_file }] => {
            let own = block(draft);
            own.cert_file = Some(cert_file.clone());
            own.key_file = Some(key_file.clone());
        }
        _ => tree.note(entry.node.place, "certs", ValueError::OneCertificate),
    }
}

fn block(draft: &mut Draft) -> &mut ResolverTls {
    draft.options.resolver_tls.get_or_insert_default()
}

/// The block `resolver_tls`.
pub static RESOLVER_TLS: &[Declaration] = &[
    built(
        "cert_file",
        "Certificate that is shown to the resolver",
        Kind::Text(|d, text| {
            block(d).cert_file = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
    ),
    built(
        "key_file",
        "Its private key",
        Kind::Text(|d, text| {
            block(d).key_file = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
    ),
    built(
        "ca_file",
        "Who vouches for the resolver",
        Kind::Text(|d, text| {
            block(d).ca_file = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
    ),
    built(
        "certs",
        "The same as a list with one block",
        Kind::Tree("a list of blocks", Inside::List(tls::CERTIFICATE_KEYS), certificate),
    )
    .or(&["certificates"]),
    built(
        "insecure",
        "Take any certificate of the resolver",
        Kind::Switch(|d, on| {
            block(d).trust = if on { ResolverTrust::Anybody } else { ResolverTrust::Vouched };
        }),
    ),
    built(
        "timeout",
        "Time to connect, handshake included",
        Kind::Span {
            min: Duration::from_millis(1),
            bare: BareNumber::Seconds,
            set: |d, span| block(d).timeout = Some(span),
        },
    ),
    built(
        "min_version",
        "The lowest version of TLS that is spoken",
        Kind::Choice(Version::WORDS, |d, word| block(d).min_version = Version::of(word)),
    ),
    built(
        "cipher_suites",
        "Names of cipher suites, as Go has them",
        Kind::TextList(|d, names| {
            block(d).cipher_suites = names;
            Ok(())
        }),
    ),
    built(
        "curve_preferences",
        "Names of curves, the best first",
        Kind::TextList(|d, names| {
            block(d).curve_preferences = names;
            Ok(())
        }),
    ),
    declaration::not_built(
        "allow_insecure_cipher_suites",
        Off::False,
        "Cipher suites that are broken",
    ),
    not_built("verify", Off::False),
    not_built("verify_and_map", Off::False),
    not_built("verify_cert_and_check_known_urls", Off::False),
    not_built("pinned_certs", Off::Empty),
    not_built("connection_rate_limit", Off::Zero),
    not_built("handshake_first", Off::False).or(&["first", "immediate"]),
    not_built("ocsp_peer", Off::False),
    not_built("cert_store", Off::Never),
    not_built("cert_match_by", Off::Never),
    not_built("cert_match", Off::Never),
    not_built("cert_match_skip_invalid", Off::False),
    not_built("ca_certs_match", Off::Empty),
];

#[cfg(test)]
mod tests;
