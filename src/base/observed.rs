//! What a core, or a thread beside it, saw on somebody's behalf and leaves to the control thread to
//! word: how long services took to answer, the ways of traced messages, and whose certificates do
//! not pass. Plain data.

use crate::{AccountId, ClientId, ConnSlot, ServiceId, ShardId};

/// Takes what was seen; `false` where there is no room, and it is lost. Must not wait.
pub type Observer = std::sync::Arc<dyn Fn(Observed) -> bool + Send + Sync>;

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// A service of another account was asked, and answered or did not.
    Service(Box<ServiceSample>),
    /// A traced message came in.
    Traced(Box<TraceStart>),
    /// Where it went from one core on.
    Went(Box<TracePart>),
    /// A client's certificate does not pass, by the word of those who issued it.
    Peer(Box<PeerFault>),
}

/// A client's certificate does not pass (OCSP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFault {
    /// What that is about.
    pub about: PeerPart,
    /// The certificate that the client showed as its own.
    pub peer: CertificateFacts,
    /// Why it does not pass.
    pub reason: String,
}

/// What a certificate's fault is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerPart {
    /// The client, which is refused.
    Connection,
    /// One certificate between the client and the authority that vouches for it.
    Link(CertificateFacts),
}

/// What is told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its subject, as Go writes it.
    pub subject: String,
    /// Its issuer, as Go writes it.
    pub issuer: String,
    /// SHA-256 of it, base64.
    pub fingerprint: String,
    /// All of it, DER.
    pub der: Vec<u8>,
}

/// Where a connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its shard.
    pub shard: ShardId,
    /// Its place there.
    pub slot: ConnSlot,
}

/// One request to a service whose times are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSample {
    /// The account that exports the service.
    pub exporter: AccountId,
    /// Where it wants to hear of it.
    pub subject: Vec<u8>,
    /// How it ended.
    pub outcome: ServiceOutcome,
    /// When it was asked, nanoseconds since the Unix epoch.
    pub asked_wall_ns: u64,
    /// How long it took until the answer came in, or until it was clear that none will,
    /// nanoseconds.
    pub took_ns: u64,
    /// How long the answer was on its way through the server, nanoseconds.
    pub system_ns: u64,
    /// Who asked.
    pub requestor: Place,
    /// How much of that the exporter may know.
    pub told: Told,
    /// Who answered.
    pub responder: Option<Place>,
    /// The headers by which the request asked to be measured.
    pub headers: Vec<(String, String)>,
}

/// How a request to a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceOutcome {
    /// With an answer.
    Answered,
    /// It asked for none.
    NoReply,
    /// Whoever asked does not listen any more.
    RequestorGone,
    /// Nobody heard it.
    NobodyThere,
    /// No answer came in time.
    TooLate,
}

/// How much an exporter is told of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// How far away it is.
    Distance,
    /// Everything.
    All,
}

/// Names one trace on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub u64);

/// A traced message as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStart {
    /// Which trace this is.
    pub id: TraceId,
    /// Who published it.
    pub publisher: Place,
    /// Its id.
    pub cid: ClientId,
    /// Its account, in which the trace is published, too.
    pub account: AccountId,
    /// Where the trace goes.
    pub destination: Vec<u8>,
    /// The subject that was published to.
    pub subject: Vec<u8>,
    /// The header block.
    pub headers: Vec<u8>,
    /// Bytes of headers and payload.
    pub message_bytes: usize,
    /// Why it went nowhere.
    pub error: Option<String>,
    /// When it came, nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// The same, monotonic.
    pub mono_ns: u64,
}

/// Where a traced message went from one core on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracePart {
    /// Which trace this belongs to.
    pub id: TraceId,
    /// The core.
    pub shard: ShardId,
    /// When, monotonic nanoseconds.
    pub mono_ns: u64,
    /// In order.
    pub steps: Vec<TraceStep>,
    /// How many cores it was sent on to; each has a part of its own.
    pub sent_on: u32,
}

/// One step of a traced message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceStep {
    /// A mapping gave it another subject.
    Mapped {
        /// That subject.
        to: Vec<u8>,
    },
    /// It went to an account that imports the stream.
    Exported {
        /// That account.
        account: AccountId,
        /// Its subject there.
        to: Vec<u8>,
    },
    /// It went to an account whose service is imported.
    Imported {
        /// That account.
        account: AccountId,
        /// What was published to.
        from: Vec<u8>,
        /// Its subject there.
        to: Vec<u8>,
    },
    /// It reached a subscription, or would have.
    Reached(Egress),
    /// It came to a stream.
    Streamed(Streamed),
}

/// What a stream did with a traced message, or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Its name.
    pub stream: String,
    /// The message's subject there.
    pub subject: Vec<u8>,
    /// Whether no consumer wants it and it is therefore not kept.
    pub unwanted: bool,
    /// Why it was refused.
    pub error: Option<String>,
}

/// A subscription that a traced message reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The subscription's account.
    pub account: AccountId,
    /// Who subscribed.
    pub to: Receiver,
    /// To what.
    pub subject: Vec<u8>,
    /// In which queue group.
    pub queue: Option<Vec<u8>>,
    /// Why it was not delivered.
    pub refused: Option<&'static str>,
}

/// Who gets a traced message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A client.
    Client {
        /// Its id.
        cid: ClientId,
        /// Its place on the part's core.
        slot: ConnSlot,
    },
    /// A subscriber inside the server.
    Service(ServiceId),
}
