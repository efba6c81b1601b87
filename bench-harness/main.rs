//! `corewire-bench`: loads a NATS server and measures what it does, and what that costs it.
//!
//! Never depends on a room of the server: it measures any NATS server from outside. Blocking
//! threads on plain sockets, prebuilt messages, large writes and reads; no `unsafe`.
//!
//! | file | what |
//! |---|---|
//! | `cli.rs`, `modes.rs`, `quantity.rs` | flags, the plan each mode stands for, units |
//! | `server.rs`, `process.rs`, `cores.rs` | start and stop a server, its CPU and memory, pinning |
//! | `session.rs`, `wire.rs`, `payload.rs` | one connection, the frame counter, message bodies |
//! | `lead.rs` | how far publishers may be ahead of subscribers |
//! | `stage.rs`, `crew.rs` | what threads share, the measured window |
//! | `publish.rs`, `subscribe.rs`, `traffic.rs` | both ends of traffic, and their plan |
//! | `request.rs`, `latency.rs` | round trips, open-loop latency |
//! | `connect.rs`, `limits.rs` | connections and process start, the generator alone |
//! | `measure.rs`, `stats.rs` | quantities, one window's sample, median and spread |
//! | `workload.rs`, `compare.rs`, `suite.rs` | one work, several servers, the table of goals |
//! | `smoke.rs` | every mode briefly, for CI |
//! | `output.rs`, `report.rs`, `plot.rs`, `hgrm.rs` | where results go |
//! | `fingerprint.rs` | the machine |
//! | `table.rs`, `progress.rs`, `interrupt.rs`, `error.rs` | terminal, Ctrl-C, failures |

mod cli;
mod compare;
mod connect;
mod cores;
mod crew;
mod error;
mod fingerprint;
mod hgrm;
mod interrupt;
mod latency;
mod lead;
mod limits;
mod measure;
mod modes;
mod output;
mod payload;
mod plot;
mod process;
mod progress;
mod publish;
mod quantity;
mod report;
mod request;
mod server;
mod session;
mod smoke;
mod stage;
mod stats;
mod subscribe;
mod suite;
mod table;
mod traffic;
mod wire;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    match interrupt::install().and_then(|()| cli::run(std::env::args_os())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("corewire-bench: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
