//! The options inside `authorization`, declared once. spec/cli-and-config.md §7.2

use std::time::Duration;

use crate::callout;
use crate::declaration::{BareNumber, Declaration, Inside, Kind, reloadable};
use crate::limits;
use crate::permissions::{self, Permissions};
use crate::users;

/// The block.
pub static AUTHORIZATION: &[Declaration] = &[
    reloadable(
        "user",
        "",
        "User required for connections",
        Kind::Text(|d, text| {
            d.auth.user = text.to_owned();
            Ok(())
        }),
    )
    .or(&["username"]),
    reloadable(
        "password",
        "",
        "Password required for connections",
        Kind::Secret(|d, text| {
            d.auth.password = text;
        }),
    )
    .or(&["pass"]),
    reloadable(
        "token",
        "",
        "Authorization token required for connections",
        Kind::Secret(|d, text| d.auth.token = text),
    ),
    reloadable(
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
    reloadable(
        "users",
        "",
        "Users, each with a password or an nkey",
        Kind::Tree("a list of users", Inside::List(users::KEYS), |draft, tree, entry| {
            draft.auth.users = Some(users::read(&entry.node, tree));
        }),
    ),
    reloadable(
        "default_permissions",
        "",
        "Permissions of users without their own",
        Kind::Tree(
            "a block of permissions",
            Inside::Block(permissions::KEYS),
            |draft, tree, entry| {
                draft.options.accounts.default_permissions = Permissions::read(entry, tree);
            },
        ),
    )
    .or(&["default_permission", "permissions"]),
    reloadable(
        "auth_callout",
        "",
        "A service that says who may come in",
        Kind::Tree("a block", Inside::Block(callout::KEYS), |draft, tree, entry| {
            draft.options.accounts.callout = callout::read(entry, tree);
        }),
    )
    .or(&["auth_hook"]),
    reloadable(
        "proxy_required",
        "false",
        "Refuse connections without a trusted proxy",
        Kind::Switch(|d, on| d.options.proxies.required = on),
    ),
];
