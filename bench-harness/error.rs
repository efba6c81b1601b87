//! What can go wrong, sorted by what the person at the terminal does next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::wire::WireError;

/// Every failure of a run. The text is what the person sees; the exit status follows from it.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Nobody listens, or the name does not resolve.
    #[error("no server at {address}: {source}")]
    Unreachable {
        /// `host:port` as given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// What listens there is no NATS server.
    #[error("{address} does not speak NATS: {got:?}")]
    NotNats {
        /// `host:port`.
        address: String,
        /// First line received, cut short.
        got: String,
    },
    /// The server refused the credentials.
    #[error("{address} refused the login: {text} (give nats://user:password@host:port)")]
    LoginRefused {
        /// `host:port`.
        address: String,
        /// The `-ERR` text.
        text: String,
    },
    /// The server wants TLS, and nothing says whom to trust.
    #[error("{0} requires TLS: give --tls-ca FILE")]
    TlsRequired(String),
    /// TLS was asked for, and the server offers none.
    #[error("{0} offers no TLS; without --tls-ca the load is plain")]
    NoTls(String),
    /// The TLS handshake failed.
    #[error("TLS handshake with {address} failed: {source}")]
    Handshake {
        /// `host:port`.
        address: String,
        /// What rustls or the system said.
        source: io::Error,
    },
    /// Nobody answers the JetStream API.
    #[error("{0} has no JetStream (a spawned server gets -js by itself, others need it)")]
    NoJetStream(String),
    /// The JetStream API, or a publish into a stream, was answered with an error.
    #[error("{subject} was answered with {text}")]
    Refused {
        /// Where the request went.
        subject: String,
        /// The answer, cut short.
        text: String,
    },
    /// The server sent `-ERR`.
    #[error("the server answered -ERR {text} to a {role}")]
    ServerSaid {
        /// Which side of the load received it.
        role: Role,
        /// The text between the quotes.
        text: String,
    },
    /// The connection ended before the work did.
    #[error("the server closed the connection of a {0} before the work was done")]
    Closed(Role),
    /// An I/O error on a connection in use.
    #[error("connection of a {role} failed: {source}")]
    Connection {
        /// Which side of the load it was.
        role: Role,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that no NATS server sends.
    #[error("malformed data from the server on the connection of a {role}: {source}")]
    Wire {
        /// Which side of the load it was.
        role: Role,
        /// What was wrong.
        source: WireError,
    },
    /// Nothing arrived for a while and messages are missing.
    #[error("no progress for {waited:?}: {received} of {expected} deliveries arrived")]
    Stuck {
        /// How long nothing moved.
        waited: Duration,
        /// Deliveries counted.
        received: u64,
        /// Deliveries due.
        expected: u64,
    },
    /// A subscriber counted too many, too few, or in the wrong order.
    #[error("verification failed: {0}")]
    Verify(VerifyError),
    /// The server's program could not be started.
    #[error("cannot start {path}: {source}", path = path.display())]
    Spawn {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("{label} ended ({status}); its last lines:\n{log}")]
    ServerEnded {
        /// Name of the server.
        label: String,
        /// Exit status in words.
        status: String,
        /// The tail of its log.
        log: String,
    },
    /// The server never said where it listens.
    #[error("{label} did not say within {waited:?} where it listens; its last lines:\n{log}")]
    NoPort {
        /// Name of the server.
        label: String,
        /// How long we waited.
        waited: Duration,
        /// The tail of its log.
        log: String,
    },
    /// A flag or its value makes no sense.
    #[error("{0}")]
    Usage(String),
    /// An output file could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process may open too few files.
    #[error("{wanted} open files are needed and {allowed} are allowed: raise `ulimit -n`")]
    FilesLimit {
        /// Descriptors needed.
        wanted: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// A core could not be used.
    #[error("cannot run on cores {cores:?}: {source}")]
    Cores {
        /// The cores asked for.
        cores: Vec<usize>,
        /// What the system said.
        source: io::Error,
    },
    /// Something about the own process could not be read or set.
    #[error("system call failed: {0}")]
    System(#[from] io::Error),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// Which side of the load a connection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends messages.
    Publisher,
    /// Receives messages.
    Subscriber,
    /// Sends requests and waits for replies.
    Requester,
    /// Answers requests.
    Responder,
    /// Opened by the `connect` mode.
    Idler,
    /// Takes what a JetStream consumer delivers.
    Consumer,
    /// Asks the JetStream API before and after the window.
    Asker,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Publisher => "publisher",
            Role::Subscriber => "subscriber",
            Role::Requester => "requester",
            Role::Responder => "responder",
            Role::Idler => "idle connection",
            Role::Consumer => "consumer",
            Role::Asker => "asker of the JetStream API",
        })
    }
}

/// What `--verify` found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Per publisher and subscriber, sequence numbers must rise by one (by any step in a group).
    #[error("publisher {publisher}: message {got} came after message {last}")]
    Order {
        /// Index of the publishing connection.
        publisher: u32,
        /// Sequence number seen before.
        last: u64,
        /// Sequence number that followed.
        got: u64,
    },
    /// The payload does not match its checksum.
    #[error("message {sequence} of publisher {publisher} arrived with a changed payload")]
    Payload {
        /// Index of the publishing connection.
        publisher: u32,
        /// Its sequence number, as received.
        sequence: u64,
    },
    /// The payload is not one of ours.
    #[error("a message of {got} bytes arrived, {expected} were sent")]
    Size {
        /// Bytes received.
        got: usize,
        /// Bytes sent.
        expected: usize,
    },
    /// A stream holds more or fewer messages than were acknowledged.
    #[error("the streams stored {received} messages, {expected} were acknowledged")]
    Stored {
        /// What the streams say.
        received: u64,
        /// Acknowledgements counted.
        expected: u64,
    },
    /// A consumer delivered a stream's messages in the wrong order, twice, or not at all.
    #[error("stream {stream}: sequence {got} was delivered where {expected} was due")]
    Sequence {
        /// The stream.
        stream: String,
        /// The lowest sequence that was due.
        expected: u64,
        /// The sequence that came.
        got: u64,
    },
    /// Acknowledgements that the server has not taken.
    #[error("stream {stream}: {left} messages are not acknowledged after the last one was")]
    Unacknowledged {
        /// The stream.
        stream: String,
        /// Messages delivered and not acknowledged, or not delivered.
        left: u64,
    },
    /// A subscriber received more or fewer messages than were sent to it.
    #[error("{} received {received} messages, {expected} were due", who(*subscriber))]
    Count {
        /// Index of the subscriber; `None` for all together.
        subscriber: Option<usize>,
        /// What it counted.
        received: u64,
        /// What was sent to it.
        expected: u64,
    },
}

fn who(subscriber: Option<usize>) -> String {
    subscriber.map_or("all subscribers together".to_string(), |index| format!("subscriber {index}"))
}

impl BenchError {
    /// Exit status: 2 for what the person typed, 130 for an interruption, 1 for the rest.
    pub fn exit_status(&self) -> u8 {
        match self {
            BenchError::Usage(_) | BenchError::Cores { .. } => 2,
            BenchError::Interrupted => 130,
            _ => 1,
        }
    }
}
