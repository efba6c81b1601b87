//! `corewire store`: what is in a stopped server's files, what is wrong with them, and how to get
//! past it.
//!
//! It is a program of its own inside the binary: it takes the folder's lock, so that no server
//! has it, and opens its logs as a start would, over files that are only looked at. `inspect` and
//! `verify` write nothing but that lock. `repair` writes what a start would, puts damaged segments
//! in order over what of them is whole, and keeps a copy of each file before it touches it.
//!
//! An encrypted store needs its key, with `--key-file` or in `COREWIRE_ENCRYPTION_KEY`; a repair
//! writes under keys of its own, as a start does.
//!
//! Invariants: nothing is removed; what is wrong is named with its file and place; the exit code
//! says whether something is.
//!
//! | file | what |
//! |---|---|
//! | `command.rs` | the command line, and what it comes to |
//! | `place.rs` | the folder, its lock, the cores' logs in it |
//! | `report.rs` | what was found, as JSON |
//! | `table.rs` | what was found, for people |
//! | `repair.rs` | files kept aside, and those put in order |

mod command;
mod place;
mod repair;
mod report;
mod table;

pub use command::run;
