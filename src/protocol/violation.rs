//! What a client can do wrong on the wire, what it is told and how its connection ends.

use crate::close_reason::CloseReason;
use crate::error::ErrorText;

/// A breach of the protocol. Every one closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No verb begins like this, or a client may not send it.
    #[error("unknown protocol operation")]
    UnknownOperation,
    /// Too few or too many arguments, or a bad size.
    #[error("{}", .0.as_str())]
    BadArguments(ArgumentFault),
    /// More argument bytes than `max_control_line`, counted without the line's end.
    #[error("maximum control line exceeded")]
    ControlLineTooLong,
    /// Headers and payload are announced larger than `max_payload`.
    #[error("maximum payload exceeded: {size} vs {max}")]
    PayloadTooLarge {
        /// Announced, in bytes.
        size: u64,
        /// Allowed, in bytes.
        max: u64,
    },
    /// CRLF does not follow the payload.
    #[error("payload is not followed by CRLF")]
    PayloadNotTerminated,
    /// HPUB on a connection that did not negotiate headers.
    #[error("message headers not supported")]
    HeadersNotSupported,
}

/// Which arguments were bad. The words are those that nats-server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentFault {
    /// PUB without two or three arguments.
    PubArguments,
    /// PUB with a size that is not 1 to 9 digits.
    PubSize,
    /// HPUB without three or four arguments.
    HpubArguments,
    /// HPUB with a header size that is not 1 to 9 digits.
    HpubHeaderSize,
    /// HPUB with a total size that is not 1 to 9 digits.
    HpubTotalSize,
    /// HPUB with more headers than total.
    HpubHeadersOverTotal,
    /// SUB without two or three arguments.
    SubArguments,
    /// UNSUB without one or two arguments.
    UnsubArguments,
}

impl ArgumentFault {
    /// For the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            ArgumentFault::PubArguments => "processPub Parse Error",
            ArgumentFault::PubSize => "processPub Bad or Missing Size",
            ArgumentFault::HpubArguments => "processHeaderPub Parse Error",
            ArgumentFault::HpubHeaderSize => "processHeaderPub Bad or Missing Header Size",
            ArgumentFault::HpubTotalSize => "processHeaderPub Bad or Missing Total Size",
            ArgumentFault::HpubHeadersOverTotal => {
                "processHeaderPub Header Size larger then TotalSize"
            }
            ArgumentFault::SubArguments => "processSub Parse Error",
            ArgumentFault::UnsubArguments => "processUnsub Parse Error",
        }
    }
}

impl Violation {
    /// The `-ERR` to send before closing; `None` where nats-server closes without a word.
    // spec/client-protocol.md §1 Parse failure
    pub const fn error_text(self) -> Option<ErrorText<'static>> {
        match self {
            Violation::UnknownOperation | Violation::PayloadNotTerminated => {
                Some(ErrorText::UnknownProtocolOperation)
            }
            Violation::ControlLineTooLong => Some(ErrorText::MaximumControlLineExceeded),
            Violation::PayloadTooLarge { .. } => Some(ErrorText::MaximumPayloadViolation),
            Violation::BadArguments(_) | Violation::HeadersNotSupported => None,
        }
    }

    /// Why the connection ends.
    // spec/client-protocol.md §1 Parse failure, Limits
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Violation::ControlLineTooLong => CloseReason::MaximumControlLineExceeded,
            Violation::PayloadTooLarge { .. } => CloseReason::MaximumMessagePayloadExceeded,
            Violation::UnknownOperation
            | Violation::PayloadNotTerminated
            | Violation::BadArguments(_)
            | Violation::HeadersNotSupported => CloseReason::ProtocolViolation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_and_does_what_nats_server_does() {
        // As seen with nats-server 2.9.10: what is sent, and the reason in its log.
        let payload = Violation::PayloadTooLarge { size: 2, max: 1 };
        let table = [
            (Violation::UnknownOperation, "Unknown Protocol Operation", "Protocol Violation"),
            (Violation::PayloadNotTerminated, "Unknown Protocol Operation", "Protocol Violation"),
            (
                Violation::ControlLineTooLong,
                "maximum control line exceeded",
                "Maximum Control Line Exceeded",
            ),
            (payload, "Maximum Payload Violation", "Maximum Message Payload Exceeded"),
            (Violation::BadArguments(ArgumentFault::PubSize), "", "Protocol Violation"),
            (Violation::HeadersNotSupported, "", "Protocol Violation"),
        ];
        for (violation, text, reason) in table {
            let sent = violation.error_text();
            assert_eq!(sent.map(|text| text.to_string()).unwrap_or_default(), text);
            assert_eq!(violation.close_reason().as_str(), reason);
            // Both ways to the reason agree.
            let by_text = sent.and_then(|text| text.close_reason());
            assert!(by_text.is_none_or(|by_text| by_text == violation.close_reason()));
        }
    }
}
