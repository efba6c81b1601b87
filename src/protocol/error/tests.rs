//! Texts and quoting, against what nats-server 2.9.10 sent.

use super::*;
use crate::encode::write_error;

#[test]
fn quotes_as_nats_server_does() {
    // Both sides as seen on the wire of nats-server 2.9.10 (publish denied to this subject).
    let subject = b"a\"b\\c\x01\x07\x08\x0b\x0c\x7f\x1b\xff\xc3\xa9\xc2\x80\xc2\xad\xe2\x80\x8b\
        \xe2\x80\xa8\xe3\x80\x80\xc2\xa0\xcc\x81\xf0\x9f\x98\x80\xee\x80\x80\xef\xbf\xbd\
        \xed\xa0\x80\xf3\xa0\x80\x81\xf4\x8f\xbf\xbf'\xe2\x82";
    let quoted = "\"a\\\"b\\\\c\\x01\\a\\b\\v\\f\\x7f\\x1b\\xff\u{e9}\\u0080\\u00ad\\u200b\
        \\u2028\\u3000\\u00a0\u{301}\u{1f600}\\ue000\u{fffd}\
        \\xed\\xa0\\x80\\U000e0001\\U0010ffff'\\xe2\\x82\"";
    assert_eq!(GoQuoted(subject).to_string(), quoted);
    assert_eq!(GoQuoted("\u{301}".as_bytes()).to_string(), "\"\u{301}\"");
    assert_eq!(GoQuoted(b"").to_string(), "\"\"");
    assert_eq!(GoQuoted(b"\n\r\t ").to_string(), "\"\\n\\r\\t \"");
}

#[test]
fn texts_are_exact_and_close_what_they_should() {
    let (subject, queue, sid) = (&b"a.b"[..], &b"q"[..], &b"7"[..]);
    let table: &[(ErrorText<'_>, &str, Option<&str>)] = &[
        (
            ErrorText::UnknownProtocolOperation,
            "Unknown Protocol Operation",
            Some("Protocol Violation"),
        ),
        (
            ErrorText::AuthorizationViolation,
            "Authorization Violation",
            Some("Authentication Failure"),
        ),
        (
            ErrorText::AuthenticationTimeout,
            "Authentication Timeout",
            Some("Authentication Timeout"),
        ),
        (
            ErrorText::UserAuthenticationExpired,
            "User Authentication Expired",
            Some("Authentication Expired"),
        ),
        (
            ErrorText::AccountAuthenticationExpired,
            "Account Authentication Expired",
            Some("Authentication Expired"),
        ),
        (
            ErrorText::FailedAccountRegistration,
            "Failed Account Registration",
            Some("Missing Account"),
        ),
        (
            ErrorText::MaximumConnectionsExceeded,
            "maximum connections exceeded",
            Some("Maximum Connections Exceeded"),
        ),
        (
            ErrorText::MaximumAccountConnectionsExceeded,
            "maximum account active connections exceeded",
            Some("Maximum Account Connections Exceeded"),
        ),
        (ErrorText::MaximumSubscriptionsExceeded, "maximum subscriptions exceeded", None),
        (
            ErrorText::MaximumPayloadViolation,
            "Maximum Payload Violation",
            Some("Maximum Message Payload Exceeded"),
        ),
        (
            ErrorText::MaximumControlLineExceeded,
            "maximum control line exceeded",
            Some("Maximum Control Line Exceeded"),
        ),
        (ErrorText::InvalidPublishSubject, "Invalid Publish Subject", None),
        (ErrorText::InvalidSubject, "Invalid Subject", None),
        (
            ErrorText::PublishDenied { subject },
            "Permissions Violation for Publish to \"a.b\"",
            None,
        ),
        (
            ErrorText::PublishReplyDenied { reply: subject },
            "Permissions Violation for Publish with Reply of \"a.b\"",
            None,
        ),
        (
            ErrorText::SubscribeDenied { subject },
            "Permissions Violation for Subscription to \"a.b\"",
            None,
        ),
        (
            ErrorText::SubscribeQueueDenied { subject, queue },
            "Permissions Violation for Subscription to \"a.b\" using queue \"q\"",
            None,
        ),
        (
            ErrorText::SubscribeTooManyTokens { subject },
            "Permissions Violation for Subscription to \"a.b\", too many tokens",
            None,
        ),
        (
            ErrorText::SubscriptionRevoked { subject, queue: None, sid },
            "Permissions Violation for Subscription to \"a.b\" (sid \"7\")",
            None,
        ),
        (
            ErrorText::SubscriptionRevoked { subject, queue: Some(queue), sid },
            "Permissions Violation for Subscription to \"a.b\" using queue \"q\" (sid \"7\")",
            None,
        ),
        (ErrorText::StaleConnection, "Stale Connection", Some("Stale Connection")),
        (ErrorText::TlsRequired, "Secure Connection - TLS Required", Some("TLS Handshake Failure")),
        (
            ErrorText::ConnectionThrottling,
            "Connection throttling is active. Please try again later.",
            Some("Maximum Connections Exceeded"),
        ),
        (
            ErrorText::InvalidClientProtocol,
            "invalid client protocol",
            Some("Bad Client Protocol Version"),
        ),
        (
            ErrorText::NoRespondersRequiresHeaders,
            "no responders requires headers support",
            Some("No Responders Requires Headers"),
        ),
    ];
    for (text, words, reason) in table {
        assert_eq!(text.to_string(), *words);
        assert_eq!(text.close_reason().map(CloseReason::as_str), *reason, "{words}");
        let mut line = Vec::new();
        write_error(text, &mut line);
        assert_eq!(line, format!("-ERR '{words}'\r\n").into_bytes());
    }
}
