//! Why a connection ended, in the words that NATS uses in `/connz`, disconnect advisories and
//! the log.

macro_rules! close_reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// Why a connection ended.
        // spec/client-protocol.md §3 Close reasons
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $(#[doc = $text] $(#[$doc])* $variant,)*
        }

        impl CloseReason {
            /// All of them.
            pub const ALL: &'static [CloseReason] = &[$(CloseReason::$variant,)*];

            /// The exact words.
            pub const fn as_str(self) -> &'static str {
                match self { $(CloseReason::$variant => $text,)* }
            }
        }
    };
}

close_reasons! {
    ClientClosed = "Client Closed";
    AuthenticationTimeout = "Authentication Timeout";
    AuthenticationFailure = "Authentication Failure";
    TlsHandshakeFailure = "TLS Handshake Failure";
    SlowConsumerPendingBytes = "Slow Consumer (Pending Bytes)";
    SlowConsumerWriteDeadline = "Slow Consumer (Write Deadline)";
    WriteError = "Write Error";
    ReadError = "Read Error";
    ParseError = "Parse Error";
    StaleConnection = "Stale Connection";
    ProtocolViolation = "Protocol Violation";
    BadClientProtocolVersion = "Bad Client Protocol Version";
    IncorrectPort = "Incorrect Port";
    MaximumAccountConnectionsExceeded = "Maximum Account Connections Exceeded";
    MaximumConnectionsExceeded = "Maximum Connections Exceeded";
    MaximumMessagePayloadExceeded = "Maximum Message Payload Exceeded";
    MaximumControlLineExceeded = "Maximum Control Line Exceeded";
    MaximumSubscriptionsExceeded = "Maximum Subscriptions Exceeded";
    DuplicateRoute = "Duplicate Route";
    RouteRemoved = "Route Removed";
    ServerShutdown = "Server Shutdown";
    AuthenticationExpired = "Authentication Expired";
    WrongGateway = "Wrong Gateway";
    MissingAccount = "Missing Account";
    CredentialsRevoked = "Credentials Revoked";
    InternalClient = "Internal Client";
    MessageHeaderViolation = "Message Header Violation";
    NoRespondersRequiresHeaders = "No Responders Requires Headers";
    ClusterNameConflict = "Cluster Name Conflict";
    DuplicateRemoteLeafNodeConnection = "Duplicate Remote LeafNode Connection";
    DuplicateClientId = "Duplicate Client ID";
    DuplicateServerName = "Duplicate Server Name";
    MinimumVersionRequired = "Minimum Version Required";
    ClusterNamesIdentical = "Cluster Names Identical";
    Kicked = "Kicked";
    ProxyNotTrusted = "Proxy Not Trusted";
    ProxyRequired = "Proxy Required";
    UnknownState = "Unknown State";
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
