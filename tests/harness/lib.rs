//! What the integration tests stand on: a server under test and a client of raw bytes.
//!
//! This crate never knows what a right answer is; the tests say that. It never sleeps to wait:
//! it reads the server's log as it is written, or asks again until a deadline.
//!
//! The server is the program named by `COREWIRE_BIN`, or the `corewire` that cargo built beside
//! the test. With `COREWIRE_BIN=$(which nats-server)` the same tests prove themselves on the real
//! server; [`Subject::skips`] tells a test that its fact is newer than that server.
//!
//! | file | what |
//! |---|---|
//! | `subject.rs` | which program is under test, and how old its protocol is |
//! | `server.rs` | starts it on free ports, follows its log, signals it, ends it |
//! | `raw.rs` | a connection on which every byte sent and received is visible |
//! | `http.rs` | the smallest HTTP GET, for the monitoring port |
//! | `keys.rs` | the keys of a JSON object in the order in which they were sent |
//! | `folder.rs` | a temporary folder that goes away with its owner |
//! | `wait.rs` | asks until something holds, with a deadline |

mod folder;
mod http;
mod keys;
mod raw;
mod server;
mod subject;
mod wait;

pub use folder::Folder;
pub use http::{Response, get};
pub use keys::keys_in_order;
pub use raw::{Pings, Raw};
pub use rustix::process::Signal;
pub use server::{Builder, Finished, Server};
pub use subject::Subject;
pub use wait::{PATIENCE, until};
