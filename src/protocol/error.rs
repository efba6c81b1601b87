//! Every `-ERR` text that a client can get, exact to the byte, and whether it ends the
//! connection. Subjects, queues and sids in them are quoted as Go's `%q` does.

use std::fmt::{self, Display, Formatter, Write};

use crate::close_reason::CloseReason;

/// The text between the single quotes of `-ERR '…'`.
// spec/client-protocol.md §3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorText<'a> {
    /// No verb begins like this.
    UnknownProtocolOperation,
    /// Authentication failed, or the first operation was not CONNECT.
    AuthorizationViolation,
    /// No CONNECT within the authorization timeout.
    AuthenticationTimeout,
    /// The user's right to be connected ran out.
    UserAuthenticationExpired,
    /// The user's token was revoked.
    UserAuthenticationRevoked,
    /// The account's right to be used ran out.
    AccountAuthenticationExpired,
    /// The account could not take the connection.
    FailedAccountRegistration,
    /// `max_connections` of the server.
    MaximumConnectionsExceeded,
    /// The account's limit of connections.
    MaximumAccountConnectionsExceeded,
    /// A limit of subscriptions; this SUB is refused.
    MaximumSubscriptionsExceeded,
    /// `max_payload`.
    MaximumPayloadViolation,
    /// `max_control_line`.
    MaximumControlLineExceeded,
    /// In pedantic mode: the subject of a publish is not a valid literal. It is published anyway.
    InvalidPublishSubject,
    /// The subject of a SUB is malformed; it is refused.
    InvalidSubject,
    /// The connection may not publish to this subject.
    PublishDenied {
        /// As received.
        subject: &'a [u8],
    },
    /// The reply subject of a publish is reserved.
    PublishReplyDenied {
        /// As received.
        reply: &'a [u8],
    },
    /// The connection may not subscribe to this subject.
    SubscribeDenied {
        /// As received.
        subject: &'a [u8],
    },
    /// The connection may not subscribe to this subject in this queue group.
    SubscribeQueueDenied {
        /// As received.
        subject: &'a [u8],
        /// As received.
        queue: &'a [u8],
    },
    /// `max_subscription_tokens`.
    SubscribeTooManyTokens {
        /// As received.
        subject: &'a [u8],
    },
    /// A reload took the permission away; the subscription is gone.
    SubscriptionRevoked {
        /// As received.
        subject: &'a [u8],
        /// Its queue group, if it had one.
        queue: Option<&'a [u8]>,
        /// As received.
        sid: &'a [u8],
    },
    /// `ping_max` PINGs without an answer.
    StaleConnection,
    /// The TLS handshake did not come in time.
    TlsRequired,
    /// `tls.connection_rate_limit`.
    ConnectionThrottling,
    /// CONNECT with a `protocol` other than 0 or 1.
    InvalidClientProtocol,
    /// CONNECT with `no_responders` but without `headers`.
    NoRespondersRequiresHeaders,
}

impl ErrorText<'_> {
    /// Why the connection ends after this error; `None` when it stays open.
    pub const fn close_reason(&self) -> Option<CloseReason> {
        Some(match self {
            ErrorText::UnknownProtocolOperation => CloseReason::ProtocolViolation,
            ErrorText::AuthorizationViolation => CloseReason::AuthenticationFailure,
            ErrorText::AuthenticationTimeout => CloseReason::AuthenticationTimeout,
            ErrorText::UserAuthenticationExpired | ErrorText::AccountAuthenticationExpired => {
                CloseReason::AuthenticationExpired
            }
            ErrorText::UserAuthenticationRevoked => CloseReason::CredentialsRevoked,
            ErrorText::FailedAccountRegistration => CloseReason::MissingAccount,
            ErrorText::MaximumConnectionsExceeded | ErrorText::ConnectionThrottling => {
                CloseReason::MaximumConnectionsExceeded
            }
            ErrorText::MaximumAccountConnectionsExceeded => {
                CloseReason::MaximumAccountConnectionsExceeded
            }
            ErrorText::MaximumPayloadViolation => CloseReason::MaximumMessagePayloadExceeded,
            ErrorText::MaximumControlLineExceeded => CloseReason::MaximumControlLineExceeded,
            ErrorText::StaleConnection => CloseReason::StaleConnection,
            ErrorText::TlsRequired => CloseReason::TlsHandshakeFailure,
            ErrorText::InvalidClientProtocol => CloseReason::BadClientProtocolVersion,
            ErrorText::NoRespondersRequiresHeaders => CloseReason::NoRespondersRequiresHeaders,
            ErrorText::MaximumSubscriptionsExceeded
            | ErrorText::InvalidPublishSubject
            | ErrorText::InvalidSubject
            | ErrorText::PublishDenied { .. }
            | ErrorText::PublishReplyDenied { .. }
            | ErrorText::SubscribeDenied { .. }
            | ErrorText::SubscribeQueueDenied { .. }
            | ErrorText::SubscribeTooManyTokens { .. }
            | ErrorText::SubscriptionRevoked { .. } => return None,
        })
    }
}

impl Display for ErrorText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const TO_PUBLISH: &str = "Permissions Violation for Publish";
        const TO_SUBSCRIBE: &str = "Permissions Violation for Subscription to";
        f.write_str(match *self {
            ErrorText::UnknownProtocolOperation => "Unknown Protocol Operation",
            ErrorText::AuthorizationViolation => "Authorization Violation",
            ErrorText::AuthenticationTimeout => "Authentication Timeout",
            ErrorText::UserAuthenticationExpired => "User Authentication Expired",
            ErrorText::UserAuthenticationRevoked => "User Authentication Revoked",
            ErrorText::AccountAuthenticationExpired => "Account Authentication Expired",
            ErrorText::FailedAccountRegistration => "Failed Account Registration",
            ErrorText::MaximumConnectionsExceeded => "maximum connections exceeded",
            ErrorText::MaximumAccountConnectionsExceeded => {
                "maximum account active connections exceeded"
            }
            ErrorText::MaximumSubscriptionsExceeded => "maximum subscriptions exceeded",
            ErrorText::MaximumPayloadViolation => "Maximum Payload Violation",
            ErrorText::MaximumControlLineExceeded => "maximum control line exceeded",
            ErrorText::InvalidPublishSubject => "Invalid Publish Subject",
            ErrorText::InvalidSubject => "Invalid Subject",
            ErrorText::StaleConnection => "Stale Connection",
            ErrorText::TlsRequired => "Secure Connection - TLS Required",
            ErrorText::ConnectionThrottling => {
                "Connection throttling is active. Please try again later."
            }
            ErrorText::InvalidClientProtocol => "invalid client protocol",
            ErrorText::NoRespondersRequiresHeaders => "no responders requires headers support",
            ErrorText::PublishDenied { subject } => {
                return write!(f, "{TO_PUBLISH} to {}", GoQuoted(subject));
            }
            ErrorText::PublishReplyDenied { reply } => {
                return write!(f, "{TO_PUBLISH} with Reply of {}", GoQuoted(reply));
            }
            ErrorText::SubscribeDenied { subject } => {
                return write!(f, "{TO_SUBSCRIBE} {}", GoQuoted(subject));
            }
            ErrorText::SubscribeQueueDenied { subject, queue } => {
                let (subject, queue) = (GoQuoted(subject), GoQuoted(queue));
                return write!(f, "{TO_SUBSCRIBE} {subject} using queue {queue}");
            }
            ErrorText::SubscribeTooManyTokens { subject } => {
                return write!(f, "{TO_SUBSCRIBE} {}, too many tokens", GoQuoted(subject));
            }
            ErrorText::SubscriptionRevoked { subject, queue, sid } => {
                write!(f, "{TO_SUBSCRIBE} {}", GoQuoted(subject))?;
                if let Some(queue) = queue {
                    write!(f, " using queue {}", GoQuoted(queue))?;
                }
                return write!(f, " (sid {})", GoQuoted(sid));
            }
        })
    }
}

/// Bytes as Go's `%q` prints them: double quotes, backslash escapes, invalid UTF-8 byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoQuoted<'a>(pub &'a [u8]);

impl Display for GoQuoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|character| write_quoted(character, f))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

fn write_quoted(character: char, f: &mut Formatter<'_>) -> fmt::Result {
    match character {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        '\0'..' ' | '\x7f' => write!(f, "\\x{:02x}", character as u32),
        _ if is_printable(character) => f.write_char(character),
        '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", character as u32),
        _ => write!(f, "\\U{:08x}", character as u32),
    }
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space. The standard library knows
/// them from its own `Debug`, which besides escapes a mark only at the start of a string.
fn is_printable(character: char) -> bool {
    let mut text = [b'a'; 5];
    let len = 1 + character.encode_utf8(&mut text[1..]).len();
    let text = std::str::from_utf8(&text[..len]).unwrap_or_default();
    character == '\'' || text.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests;
