//! Who gets in, and what is theirs: authentication, permissions and accounts, over raw sockets
//! and with a real client (parity groups A, P, N; issue 6).

mod accounts;
mod advisories;
mod async_nats_client;
mod callout;
mod callout_of_account;
mod latency;
mod login;
mod logins;
mod monitored_tokens;
mod operator;
mod permissions;
mod proxies;
mod traces;
mod verdicts;
mod visitor;
