//! JetStream end to end: async-nats and raw API requests against a server process. Rows J01 to
//! J06, D07, V01 and what the tutorials do.
//!
//! `COREWIRE_BIN=$(which nats-server) cargo test --test jetstream` proves the tests themselves on
//! the real server, but for what is newer than it.

mod accounts;
mod advisories;
mod alike;
mod answers;
mod api;
mod backups;
mod compression;
mod consumers;
mod crossing;
mod disk;
mod encryption;
mod error_codes;
mod kv;
mod limits;
mod mirrors;
mod objects;
mod pacing;
mod recovery;
mod store;
mod strangers;

use async_nats::jetstream::{self, Context};
use harness::{Builder, Server};
use serde_json::Value;

/// A server with JetStream in a folder of its own.
fn server() -> Server {
    enabled(Server::builder().cores(2)).start()
}

/// Adds `-js` and a folder that goes away with the server.
fn enabled(builder: Builder) -> Builder {
    let folder = builder.folder().join("js").to_string_lossy().into_owned();
    builder.args(&["-js", "-sd", &folder])
}

/// The official client, and what it knows of JetStream.
async fn connect(server: &Server) -> (async_nats::Client, Context) {
    let client = async_nats::connect(server.url()).await.expect("async-nats connects");
    (client.clone(), jetstream::new(client))
}

/// Asks the API and gives the answer.
async fn ask(client: &async_nats::Client, subject: &str, body: &str) -> Value {
    let subject = format!("$JS.API.{subject}");
    let answer = client.request(subject.clone(), body.to_owned().into()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}"));
    serde_json::from_slice(&answer.payload).expect("an answer is JSON")
}
