//! The options inside `authorization`, declared once. spec/cli-and-config.md §7.2

use std::time::Duration;

use crate::declaration::Reload::Applies;
use crate::declaration::{BareNumber, Declaration, Kind, Off};
use crate::known;
use crate::limits;

const fn built(
    key: &'static str,
    default: &'static str,
    doc: &'static str,
    kind: Kind,
) -> Declaration {
    Declaration::built(key, default, Applies, doc, kind)
}

const fn not_built(key: &'static str, off: Off, doc: &'static str) -> Declaration {
    Declaration::not_built(key, off, doc)
}

/// The block.
pub static AUTHORIZATION: &[Declaration] = &[
    built(
        "user",
        "",
        "User required for connections",
        Kind::Text(|d, text| {
            d.auth.user = text.to_owned();
            Ok(())
        }),
    )
    .or(&["username"]),
    built(
        "password",
        "",
        "Password required for connections",
        Kind::Secret(|d, text| {
            d.auth.password = text;
        }),
    )
    .or(&["pass"]),
    built(
        "token",
        "",
        "Authorization token required for connections",
        Kind::Secret(|d, text| d.auth.token = text),
    ),
    built(
        "timeout",
        "2s",
        "Time to authenticate in, in seconds or as a duration",
        Kind::Span {
            min: Duration::ZERO,
            bare: BareNumber::Seconds,
            set: |d, span| {
                let none = span.is_zero();
                d.options.auth_timeout = if none { limits::AUTH_TIMEOUT } else { span };
            },
        },
    ),
    built("users", "", "Users, each with a password", Kind::Users(USER)),
    not_built("default_permissions", Off::Empty, "Permissions of users without their own")
        .or(&["default_permission", "permissions"])
        .with(known::PERMISSIONS),
    not_built("auth_callout", Off::Empty, "Authentication by a service")
        .or(&["auth_hook"])
        .with(known::AUTH_CALLOUT),
    not_built("proxy_required", Off::False, "Refuse connections without a trusted proxy"),
];

/// One entry of `users`. It is read as if it were the only user, then moved to the list.
pub static USER: &[Declaration] = &[
    built(
        "user",
        "",
        "Name",
        Kind::Text(|d, text| {
            d.auth.user = text.to_owned();
            Ok(())
        }),
    )
    .or(&["username"]),
    built("password", "", "Password", Kind::Secret(|d, text| d.auth.password = text)).or(&["pass"]),
    not_built("nkey", Off::Never, "Public key instead of a password"),
    not_built("permissions", Off::Empty, "What the user may publish and subscribe to")
        .or(&["permission", "authorization"])
        .with(known::PERMISSIONS),
    not_built("allowed_connection_types", Off::Empty, "How the user may connect")
        .or(&["connection_types", "clients"]),
    not_built("proxy_required", Off::False, "Refuse connections without a trusted proxy"),
];
