//! Flags, the configuration language, the options that both decide, and every limit of the
//! server.
//!
//! This room never opens a socket, never sends a signal and never pins a thread: it says what
//! shall be done. It reads files only at start and on reload, through [`parser::Files`]. It
//! belongs to no core; the control thread calls it, and what it returns is plain data.
//!
//! Invariants:
//! - An [`Options`] in hand is complete and checked: no value is out of bounds, none is missing.
//! - Every key and flag that NATS knows is declared once; what is not built yet is refused by
//!   name, what nobody knows is refused too, and nothing is ignored.
//! - No input panics, whatever its bytes; depth, number of files and memory are bounded.
//! - No error and no `Debug` shows a password or token.
//!
//! | file | what |
//! |---|---|
//! | `limits.rs` | every limit and default, with what happens there |
//! | `options.rs` | [`Options`]: what the server was told to do |
//! | `version.rs` | the NATS level spoken and our own version |
//! | `cores.rs` | `0,2-5` as a list of cores |
//! | `profile.rs` | tuning profiles: which there are, and what they say |
//! | `profile/keys.rs`, `profile/read.rs` | every key of a profile; its text to values |
//! | `command.rs` | command line and file to [`Command`] or [`Exit`] |
//! | `flags.rs` | every flag, declared once |
//! | `normalise.rs` | Go's way of writing flags, turned into clap's |
//! | `words.rs` | the words that may stand in place of flags |
//! | `reference.rs` | every option listed, from the declarations |
//! | `manual.rs` | man page and completions, from the declarations |
//! | `usage.rs` | the help text, from the flags |
//! | `signal.rs` | `--signal`: which signal to which process |
//! | `declaration.rs` | how an option is declared |
//! | `table.rs` | every option, declared once |
//! | `authorization.rs` | the options inside `authorization` |
//! | `corewire.rs` | the options inside `corewire` |
//! | `tree.rs` | reading blocks that are too deep for a table |
//! | `proxies.rs`, `callout.rs` | proxies that are trusted; a service that says who may come in |
//! | `users.rs`, `permissions.rs` | users, and what they may do |
//! | `accounts.rs` | accounts, imports and exports as plain data |
//! | `account_block.rs`, `account_jetstream.rs`, `exchange.rs`, `mapping.rs` | reading them |
//! | `jetstream.rs` | the options inside `jetstream` |
//! | `feature_flags.rs` | features of nats-server that can be switched |
//! | `known.rs` | what NATS knows inside blocks that are not built yet |
//! | `operator.rs`, `resolver.rs` | operator mode: whose word is taken, where accounts come from |
//! | `apply.rs` | parsed values to options |
//! | `reload.rs` | two sets of options compared: what a reload changes, what it refuses |
//! | `draft.rs` | options on their way, and the checks across them |
//! | `address.rs` | `host:port` |
//! | `duration.rs` | Go's durations |
//! | `parser.rs` | the language: structure, variables, includes |
//! | `tls.rs` | the options inside `tls` |
//! | `ocsp.rs`, `ocsp_peer.rs` | the options inside `ocsp`; OCSP of clients |
//! | `scanner.rs` | the language: characters, strings, comments |
//! | `word.rs` | the language: what a bare word means |
//! | `value.rs` | what was parsed, each value with its place |
//! | `digest.rs` | the digest, and a configuration printed |
//! | `place.rs` | where something stands, and the line quoted |
//! | `problem.rs` | what can be wrong, in words |
//! | `suggest.rs` | "did you mean" |
//! | `host_check.rs` | the words behind `corewire check` |
//! | `fuzz.rs` | entries for the fuzzer |
//! | `corpus.rs`, `corpus/` | files that must parse, and files that must be refused |

mod account_block;
mod account_jetstream;
pub mod accounts;
mod address;
mod apply;
mod authorization;
pub mod callout;
pub mod command;
pub mod cores;
mod corewire;
#[cfg(test)]
mod corpus;
pub mod declaration;
pub mod digest;
pub mod draft;
pub mod duration;
mod exchange;
pub mod feature_flags;
pub mod flags;
pub mod fuzz;
pub mod host_check;
pub(crate) mod jetstream;
mod known;
pub mod limits;
mod manual;
mod mapping;
mod normalise;
pub mod ocsp;
pub mod ocsp_peer;
pub mod operator;
pub mod options;
pub mod parser;
pub mod permissions;
pub mod place;
pub mod problem;
pub mod profile;
pub mod proxies;
pub mod reference;
pub mod reload;
pub mod resolver;
mod scanner;
pub mod signal;
mod suggest;
pub mod table;
pub mod tls;
mod tree;
mod usage;
pub mod users;
pub mod value;
pub mod version;
pub mod word;
mod words;

pub use command::{Command, Exit, Launch, from_args};
pub use options::Options;
