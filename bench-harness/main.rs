//! `corewire-bench`: loads a NATS server and measures what it does, and what that costs it.
//!
//! Never depends on a room of the server: it measures any NATS server from outside. Blocking
//! threads on plain sockets, prebuilt messages, large writes and reads; no `unsafe`.
//!
//! | file | what |
//! |---|---|
//! | `cli.rs`, `modes.rs`, `plans.rs`, `quantity.rs` | flags, the plan of each mode, units |
//! | `server.rs`, `program.rs`, `process.rs` | a server, its program, CPU and memory |
//! | `cores.rs` | pinning |
//! | `session.rs`, `channel.rs` | one connection, plain or TLS |
//! | `wire.rs`, `lines.rs`, `payload.rs` | the frame counter, PUB lines, message bodies |
//! | `lead.rs` | how far publishers may be ahead of subscribers |
//! | `stage.rs`, `crew.rs` | what threads share, the measured window |
//! | `publish.rs`, `subscribe.rs`, `traffic.rs` | both ends of traffic, and their plan |
//! | `request.rs`, `latency.rs` | round trips, open-loop latency |
//! | `connect.rs`, `accounts.rs` | connections and process start |
//! | `limits.rs`, `disk.rs` | the generator alone, the disk alone |
//! | `js_api.rs`, `js_publish.rs`, `js_consume.rs` | JetStream: API, publishes, consumers |
//! | `js_sub.rs`, `js_kv.rs`, `js_recover.rs` | streams read, buckets, start after kill -9 |
//! | `beside.rs` | live traffic without and with something else: |
//! | `js_replay.rs`, `scrape.rs` | a stream replayed, monitoring asked |
//! | `handshakes.rs`, `reload.rs` | TLS handshakes, the configuration reloaded |
//! | `guarded.rs` | what permissions and imports cost |
//! | `measure.rs`, `stats.rs` | quantities, one window's sample, median and spread |
//! | `workload.rs`, `compare.rs` | one work, several servers |
//! | `suite.rs`, `goals.rs` | the tables of goals |
//! | `smoke.rs` | every mode briefly, for CI |
//! | `output.rs`, `report.rs`, `plot.rs`, `hgrm.rs` | where results go |
//! | `fingerprint.rs` | the machine |
//! | `table.rs`, `progress.rs`, `interrupt.rs`, `error.rs` | terminal, Ctrl-C, failures |

mod accounts;
mod beside;
mod channel;
mod cli;
mod compare;
mod connect;
mod cores;
mod crew;
mod disk;
mod error;
mod fingerprint;
mod goals;
mod guarded;
mod handshakes;
mod hgrm;
mod interrupt;
mod js_api;
mod js_consume;
mod js_kv;
mod js_publish;
mod js_recover;
mod js_replay;
mod js_sub;
mod latency;
mod lead;
mod limits;
mod lines;
mod measure;
mod modes;
mod output;
mod pairs;
mod payload;
mod plans;
mod plot;
mod process;
mod program;
mod progress;
mod publish;
mod quantity;
mod reload;
mod report;
mod request;
mod scrape;
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
