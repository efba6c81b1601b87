//! OCSP of clients (spec/security.md §8, `ocsp_peer`): whether those who issued a client's
//! certificates still stand for them.
//!
//! A client is let in when one chain from its certificate to an authority is good: each link that
//! names a responder is said to be good, by an answer that is kept or by the responder itself. A
//! chain whose links name none is good. The authority's own certificate is not asked about.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base::observed::{CertificateFacts, Observed, Observer, PeerFault, PeerPart};
use base::{Level, Log};
use config::limits;
use config::ocsp_peer::{Faults, OcspPeer};
use config::tls::Tls;
use data_encoding::BASE64;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_parser::certificate::X509Certificate;

use super::ocsp::{OcspError, Question, Said, Status, responders};
use super::responder::ask_responder;
use super::response_cache::{KeptAnswer, ResponseCache};
use super::{TlsError, certificates};
use crate::distinguished_name::go_text;

/// What is said to whoever looks why a client was refused, as in nats-server.
const REJECTED: &str = "client not OCSP valid";

/// Checks the clients of one listener. Immutable but for what it remembers.
pub struct PeerCheck {
    rules: OcspPeer,
    anchors: Vec<TrustAnchor<'static>>,
    /// The authorities' certificates, in the order of `anchors`.
    authorities: Vec<Certificate>,
    /// Time for a handshake, in which all must be done.
    handshake_timeout: Duration,
    outside: PeerOutside,
    flights: Flights,
}

/// What checks of clients use of the server.
#[derive(Clone)]
pub struct PeerOutside {
    /// Where they log.
    pub log: Log,
    /// Where they tell of clients that are refused.
    pub observer: Observer,
    /// What responders said before; `None` where nothing is kept.
    pub cache: Option<Arc<ResponseCache>>,
}

/// Responders that are being asked, by the certificate: whoever needs the same answer waits for it.
type Flights = Mutex<HashMap<String, Arc<OnceLock<Result<Said, AskError>>>>>;

/// Whether responders may be asked, which takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// No: only what is known counts.
    No,
    /// Yes; the thread waits for them.
    Yes,
}

/// What becomes of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may stay.
    Good,
    /// It may not, and why.
    Refused(&'static str),
    /// That is not known without asking responders.
    MustAsk,
}

/// One certificate of a chain whose responders can be asked.
pub(super) struct Link {
    facts: CertificateFacts,
    question: Question,
    responders: Vec<String>,
}

/// Why a link does not pass.
enum Fault {
    /// What is said of it, or that nothing is said.
    Bad(String),
    /// Responders would have to be asked.
    MustAsk,
}

/// Why a responder's word does not count.
#[derive(Clone, Debug, thiserror::Error)]
enum AskError {
    /// None answered.
    #[error("Failed OCSP response fetch: {0}")]
    Unreachable(String),
    /// It may not be believed.
    #[error("Failed OCSP response parse: {0}")]
    Unbelievable(#[from] OcspError),
    /// It is about another time.
    #[error("OCSP response not in effectivity window")]
    NotCurrent,
}

/// What a check found out, told when it is over.
#[derive(Default)]
struct Findings {
    lines: Vec<(Level, String)>,
    links: Vec<(CertificateFacts, String)>,
    hits: u64,
    misses: u64,
}

impl PeerCheck {
    /// For a listener that asks its clients for certificates; `None` if nothing is to be checked.
    ///
    /// # Errors
    /// `ca_file`, if it cannot be read.
    pub fn new(tls: &Tls, outside: PeerOutside) -> Result<Option<PeerCheck>, TlsError> {
        let (Some(path), true) = (&tls.ca_file, tls.ocsp_peer.verify) else { return Ok(None) };
        let (anchors, authorities) = authorities(path)?;
        Ok(Some(PeerCheck {
            rules: tls.ocsp_peer.clone(),
            anchors,
            authorities,
            handshake_timeout: tls.timeout,
            outside,
            flights: Flights::default(),
        }))
    }

    /// After so long nobody waits for a judgement any more.
    pub fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// Judges a client by the certificates that it showed, its own first, and tells of what is
    /// wrong with them. `now_s` is seconds since the Unix epoch.
    pub fn judge(&self, shown: &[CertificateDer<'_>], asking: Asking, now_s: u64) -> Judgement {
        let mut findings = Findings::default();
        let judgement = self.judge_chains(&self.chains(shown, now_s), asking, now_s, &mut findings);
        if judgement != Judgement::MustAsk {
            self.tell(shown, &judgement, findings);
        }
        judgement
    }

    fn judge_chains(
        &self,
        chains: &[Vec<Link>],
        asking: Asking,
        now_s: u64,
        findings: &mut Findings,
    ) -> Judgement {
        for chain in chains {
            let fault = chain.iter().find_map(|link| {
                let passed = self.judge_link(link, asking, now_s, findings);
                passed.err().map(|fault| (link, fault))
            });
            match fault {
                None => return Judgement::Good,
                Some((_, Fault::MustAsk)) => return Judgement::MustAsk,
                Some((link, Fault::Bad(reason))) => {
                    findings.links.push((link.facts.clone(), reason));
                }
            }
        }
        Judgement::Refused(REJECTED)
    }

    /// Whether one link passes. The order is nats-server's.
    fn judge_link(
        &self,
        link: &Link,
        asking: Asking,
        now_s: u64,
        findings: &mut Findings,
    ) -> Result<(), Fault> {
        let kept = self.kept(link, now_s);
        let said = match (kept.filter(|said| self.is_current(said, now_s)), asking) {
            (Some(said), _) => {
                findings.hits += 1;
                said
            }
            (None, Asking::No) => return Err(Fault::MustAsk),
            (None, Asking::Yes) => {
                findings.misses += 1;
                match self.ask(link, now_s) {
                    Ok(said) => said,
                    Err(error) => return self.without_answer(link, kept, &error, findings),
                }
            }
        };
        match said.status {
            Status::Good => return Ok(()),
            Status::Unknown if self.rules.unknown_is_good => return Ok(()),
            Status::Unknown | Status::Revoked => {}
        }
        let reason = format!("Invalid OCSP response status: {}", said.status.word());
        self.fault(link, reason, findings)
    }

    /// What is known of a link, whether or not it counts still.
    fn kept(&self, link: &Link, now_s: u64) -> Option<Said> {
        let answer = self.outside.cache.as_ref()?.answer(&link.facts.fingerprint)?;
        link.question.read(&answer, now_s).ok()
    }

    /// No answer counts. What was known of the link, which counts no more, still says whether it
    /// was revoked.
    fn without_answer(
        &self,
        link: &Link,
        kept: Option<Said>,
        error: &AskError,
        findings: &mut Findings,
    ) -> Result<(), Fault> {
        let subject = link.facts.subject.escape_debug();
        if let AskError::Unreachable(reason) = error {
            let text = format!(
                "Attempt to obtain OCSP response from CA responder for [{subject}] failed: {reason}"
            );
            findings.lines.push((Level::Warn, text));
            let was_revoked = kept.is_some_and(|said| said.status == Status::Revoked);
            let passes = self.rules.allow_when_unreachable && !was_revoked;
            if passes && self.rules.faults == Faults::Refused {
                let text = format!(
                    "Failed to obtain OCSP CA response for [{subject}] but \
                     allow_when_ca_unreachable set; no cached revocation so allowing"
                );
                findings.lines.push((Level::Warn, text));
                return Ok(());
            }
        }
        self.fault(link, error.to_string(), findings)
    }

    /// The link does not pass; which only matters where it is not merely to be logged.
    fn fault(&self, link: &Link, reason: String, findings: &mut Findings) -> Result<(), Fault> {
        let subject = link.facts.subject.escape_debug();
        findings.lines.push((Level::Warn, format!("{reason} [{subject}]")));
        match self.rules.faults {
            Faults::Refused => Err(Fault::Bad(reason)),
            Faults::Logged => {
                let text =
                    format!("OCSP verify fail for [{subject}] but warn_only set so allowing");
                findings.lines.push((Level::Warn, text));
                Ok(())
            }
        }
    }

    /// Whether an answer counts now.
    fn is_current(&self, said: &Said, now_s: u64) -> bool {
        let skew_s = self.rules.clock_skew.as_secs();
        said.from_s <= now_s + skew_s && now_s <= self.until_s(said) + skew_s
    }

    /// When an answer ends, seconds since the Unix epoch.
    fn until_s(&self, said: &Said) -> u64 {
        said.until_s.unwrap_or(said.from_s + self.rules.unsaid_life.as_secs())
    }

    /// What the responders of a link say, once for all who ask at the same time.
    fn ask(&self, link: &Link, now_s: u64) -> Result<Said, AskError> {
        let flights = || self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let fingerprint = &link.facts.fingerprint;
        let flight = Arc::clone(flights().entry(fingerprint.clone()).or_default());
        let said = flight.get_or_init(|| self.fetch(link, now_s)).clone();
        flights().remove(fingerprint);
        said
    }

    /// Asks one responder after the other until one answers. What may be believed is kept.
    fn fetch(&self, link: &Link, now_s: u64) -> Result<Said, AskError> {
        if let Some(said) = self.kept(link, now_s) {
            if self.is_current(&said, now_s) {
                // Somebody else has asked since this thread looked.
                return Ok(said);
            }
            self.outside.cache.iter().for_each(|cache| cache.forget(&link.facts.fingerprint));
        }
        let request = link.question.request()?;
        let mut unreachable = String::new();
        for url in &link.responders {
            match ask_responder(url, &request, self.rules.responder_timeout) {
                Ok(answer) => return self.take_in(link, &answer, now_s),
                Err(reason) => unreachable = reason,
            }
        }
        Err(AskError::Unreachable(unreachable))
    }

    fn take_in(&self, link: &Link, answer: &[u8], now_s: u64) -> Result<Said, AskError> {
        let said = link.question.read(answer, now_s)?;
        if !self.is_current(&said, now_s) {
            return Err(AskError::NotCurrent);
        }
        if let Some(cache) = &self.outside.cache {
            let kept = KeptAnswer {
                answer: answer.into(),
                subject: link.facts.subject.clone(),
                status: said.status,
                kept_at_s: now_s,
                until_s: self.until_s(&said),
            };
            cache.keep(&link.facts.fingerprint, kept, now_s);
        }
        Ok(said)
    }

    /// The chains from the first certificate to an authority, each as its links with responders.
    /// None for certificates that are not valid now.
    fn chains(&self, shown: &[CertificateDer<'_>], now_s: u64) -> Vec<Vec<Link>> {
        let Some((own, others)) = shown.split_first() else { return Vec::new() };
        let Ok(own) = EndEntityCert::try_from(own) else { return Vec::new() };
        let found = RefCell::new(Vec::new());
        let collect = |path: &VerifiedPath<'_>| {
            found.borrow_mut().push(self.links(path));
            match found.borrow().len() < limits::OCSP_CHAINS_MAX {
                // Not this one: so the next one is looked for.
                true => Err(webpki::Error::UnknownIssuer),
                false => Ok(()),
            }
        };
        // Whether one was right is told by what was found.
        let _ = own.verify_for_usage(
            aws_lc_rs::default_provider().signature_verification_algorithms.all,
            &self.anchors,
            others,
            UnixTime::since_unix_epoch(Duration::from_secs(now_s)),
            KeyUsage::client_auth(),
            None,
            Some(&collect),
        );
        found.into_inner().into_iter().flatten().collect()
    }

    /// The links of a path that name responders; `None` for one that cannot be asked about.
    fn links(&self, path: &VerifiedPath<'_>) -> Option<Vec<Link>> {
        let place = self.anchors.iter().position(|anchor| anchor == path.anchor())?;
        let mut links = Vec::new();
        let mut ders = vec![path.end_entity().der()];
        ders.extend(path.intermediate_certificates().map(|certificate| certificate.der()));
        for (number, der) in ders.iter().enumerate() {
            let issuer = match ders.get(number + 1) {
                Some(issuer) => Certificate::from_der(issuer).ok()?,
                None => self.authorities[place].clone(),
            };
            links.extend(link(der, issuer)?);
        }
        Some(links)
    }

    fn tell(&self, shown: &[CertificateDer<'_>], judgement: &Judgement, findings: Findings) {
        let Findings { lines, links, hits, misses } = findings;
        if let Some(cache) = &self.outside.cache {
            cache.count(hits, misses);
        }
        for (level, text) in lines {
            self.outside.log.say(level, text);
        }
        let Some(own) = shown.first() else { return };
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(own) else { return };
        let peer = facts(own, &parsed);
        let tell = |about, reason: String| {
            let fault = PeerFault { about, peer: peer.clone(), reason };
            // An event for which there is no room is lost; the log has told of it.
            let _ = (self.outside.observer)(Observed::Peer(Box::new(fault)));
        };
        for (link, reason) in links {
            tell(PeerPart::Link(link), reason);
        }
        if let Judgement::Refused(reason) = judgement {
            tell(PeerPart::Connection, (*reason).to_owned());
        }
    }
}

/// The authorities of a file, as chains end in them and as they sign answers.
fn authorities(path: &Path) -> Result<(Vec<TrustAnchor<'static>>, Vec<Certificate>), TlsError> {
    let wrong = |reason: String| TlsError::File {
        what: "certificate authority",
        path: path.to_owned(),
        reason,
    };
    let (mut anchors, mut authorities) = (Vec::new(), Vec::new());
    for der in certificates(path, "certificate authority")? {
        let anchor = webpki::anchor_from_trusted_cert(&der);
        anchors.push(anchor.map_err(|error| wrong(error.to_string()))?.to_owned());
        let authority = Certificate::from_der(&der);
        authorities.push(authority.map_err(|error| wrong(error.to_string()))?);
    }
    Ok((anchors, authorities))
}

/// A certificate with the responders that it names: `Some(None)` if it names none, `None` if it
/// cannot be asked about.
#[expect(clippy::option_option, reason = "nothing to ask, and no way to ask")]
pub(super) fn link(der: &[u8], issuer: Certificate) -> Option<Option<Link>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let mut responders = responders(&parsed);
    responders.retain(|url| url.starts_with("http://") || url.starts_with("https://"));
    if responders.is_empty() {
        return Some(None);
    }
    let question = Question::new(&Certificate::from_der(der).ok()?, issuer).ok()?;
    Some(Some(Link { facts: facts(der, &parsed), question, responders }))
}

fn facts(der: &[u8], parsed: &X509Certificate<'_>) -> CertificateFacts {
    CertificateFacts {
        subject: go_text(parsed.subject()),
        issuer: go_text(parsed.issuer()),
        fingerprint: fingerprint(der),
        der: der.to_vec(),
    }
}

/// The SHA-256 of a certificate: its name in the cache.
fn fingerprint(der: &[u8]) -> String {
    BASE64.encode(&Sha256::digest(der))
}

#[cfg(test)]
mod tests;
