//! Wiring: from a command line to cores that turn and a control thread that watches them.
//!
//! This room knows every other room and is known by none. It never parses the wire and never
//! matches a subject. The control thread (HTTP, signals, files) is an ordinary one; each core has
//! a pinned thread of its own.
//!
//! Invariants: a core's thread runs one function, [`Core::turn`], again and again; control and
//! cores talk by bounded queues of commands and by replies that are values; when a core dies the
//! process says so and ends with an error.
//!
//! | file | what |
//! |---|---|
//! | `run.rs` | the process: arguments, exit codes, signals sent to another server |
//! | `bootstrap.rs` | listeners, mesh, one thread a core, the control thread |
//! | `rate.rs` | how many connections a second a listener with TLS accepts |
//! | `tls.rs` | TLS of all listeners, as the options have it |
//! | `stapling.rs` | OCSP staples: asked for, kept, shown |
//! | `peers.rs` | OCSP of clients: what is kept of it, and its file |
//! | `tuning.rs` | a profile made true: cores, pinning, sockets, rings |
//! | `core.rs` | one core's duty cycle |
//! | `placing.rs` | which core a new connection lives on |
//! | `command.rs` | what the control thread asks of a core |
//! | `core/commands.rs` | how a core handles that |
//! | `control.rs` | the control thread: signals, lame duck, shutdown |
//! | `reload.rs` | the configuration read again: all of it or nothing |
//! | `system.rs` | the system services between the cores and the control thread |
//! | `observing.rs` | what cores saw for others: times of services, traces |
//! | `orders.rs` | what others ask of the control thread |
//! | `claims.rs` | tokens of accounts that the system account brings, deletes or asks for |
//! | `questions.rs`, `lookups.rs` | what the control thread itself asks by a message: tokens |
//! | `systemd.rs` | what systemd is told |
//! | `cores.rs` | the control thread's handle on all cores |
//! | `gather.rs` | what monitoring asks, gathered from the cores page by page |
//! | `settings.rs` | the options in the words of the rooms that obey them |
//! | `jetstream.rs` | JetStream: what is measured, said at start, and run on each core |
//! | `identity.rs` | who this server is: id, name, INFO |
//! | `facts.rs` | what monitoring shows of the server itself |
//! | `files.rs` | pid file and ports file |
//! | `logging.rs` | the log writer from the options, start-up lines, the panic hook |
//! | `workers.rs` | threads beside the cores that outlive a panic |
//! | `handshakes.rs` | the threads that make TLS handshakes |
//! | `logins.rs` | the threads that check logins which take long |
//! | `callouts.rs` | logins that wait for the word of a service |
//! | `fetching.rs` | logins that wait for an account that others have |

mod bootstrap;
mod callouts;
mod claims;
mod command;
mod control;
pub mod core;
mod cores;
mod facts;
mod fetching;
mod files;
mod gather;
mod handshakes;
mod identity;
mod jetstream;
mod logging;
mod logins;
mod lookups;
mod observing;
mod orders;
mod peers;
mod placing;
mod questions;
mod rate;
mod reload;
mod run;
mod settings;
mod stapling;
mod system;
mod systemd;
mod tls;
mod tuning;
mod workers;

pub use self::core::Core;
pub use run::run;
