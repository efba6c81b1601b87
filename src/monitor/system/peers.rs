//! Clients whose certificates do not pass, by the word of those who issued them
//! (spec/monitoring.md §14, OCSP advisories).

use base::AccountId;
use base::observed::{CertificateFacts, PeerFault, PeerPart};
use serde::{Serialize, Serializer};

use super::envelope::json;
use super::events::Typed;
use super::{Announcement, Operator, SystemDesk};
use crate::source::Source;

/// OCSPPeerRejectEventMsg
#[derive(Serialize)]
struct PeerRejected<'a> {
    #[serde(flatten)]
    typed: Typed<'a>,
    kind: &'static str,
    peer: CertInfo<'a>,
    reason: &'a str,
}

/// OCSPPeerChainlinkInvalidEventMsg
#[derive(Serialize)]
struct LinkInvalid<'a> {
    #[serde(flatten)]
    typed: Typed<'a>,
    link: CertInfo<'a>,
    peer: CertInfo<'a>,
    reason: &'a str,
}

#[derive(Serialize)]
struct CertInfo<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    issuer: &'a str,
    fingerprint: &'a str,
    #[serde(serialize_with = "base64")]
    raw: &'a [u8],
}

impl<'a> CertInfo<'a> {
    fn of(facts: &'a CertificateFacts) -> CertInfo<'a> {
        let CertificateFacts { subject, issuer, fingerprint, der } = facts;
        CertInfo { subject, issuer, fingerprint, raw: der }
    }
}

fn base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&data_encoding::BASE64.encode(bytes))
}

impl<S: Source + Operator> SystemDesk<S> {
    /// Where a client's fault is told.
    pub fn peer_subject(&self, fault: &PeerFault) -> String {
        let what = match fault.about {
            PeerPart::Connection => "CONN.REJECT",
            PeerPart::Link(_) => "LINK.INVALID",
        };
        format!("$SYS.SERVER.{}.OCSP.PEER.{what}", self.source.facts().server_id)
    }

    /// A client's fault.
    pub fn of_peer(&self, fault: &PeerFault, now_ns: u64) -> Announcement {
        let facts = self.source.facts();
        let (peer, reason) = (CertInfo::of(&fault.peer), &fault.reason[..]);
        let payload = match &fault.about {
            PeerPart::Connection => {
                let typed = self.typed(&facts, "ocsp_peer_reject", now_ns);
                json(&PeerRejected { typed, kind: "Client", peer, reason })
            }
            PeerPart::Link(link) => {
                let typed = self.typed(&facts, "ocsp_peer_link_invalid", now_ns);
                json(&LinkInvalid { typed, link: CertInfo::of(link), peer, reason })
            }
        };
        let subject = self.peer_subject(fault).into_bytes();
        let account = AccountId::SYSTEM;
        Announcement { account, subject, reply: None, headers: Vec::new(), payload }
    }
}
