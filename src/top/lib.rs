//! `corewire top`: what each core of a running server does, live in the terminal, or once as text.
//!
//! It is a program of its own inside the binary: it reads `/metrics` of any Corewire over HTTP,
//! and never touches a shard, a ring or this process's own server, of which there is none. It
//! belongs to no core; one ordinary thread fetches, waits and draws.
//!
//! Invariants: every figure is the difference of two samples over the time between them; what the
//! server sends is bounded and never trusted to be well-formed; the terminal is left as it was
//! found, on every way out but a kill.
//!
//! | file | what |
//! |---|---|
//! | `command.rs` | the command line, and the loop of samples |
//! | `explain.rs` | `corewire explain`: the text of `/explain` |
//! | `fetch.rs` | one HTTP GET |
//! | `exposition.rs` | the text of `/metrics` to series |
//! | `sample.rs` | what one look at the server showed, by core |
//! | `interval.rs` | two samples to figures per second and percentiles |
//! | `render.rs` | figures to a table |
//! | `screen.rs` | the terminal: drawing over and over, and the key that quits |

mod command;
mod explain;
mod exposition;
mod fetch;
mod interval;
mod render;
mod sample;
mod screen;

pub use command::run;
pub use explain::run as explain;
