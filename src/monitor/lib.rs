//! HTTP monitoring with nats-server's endpoints and field names, the system services that answer
//! the same on `$SYS` subjects, and Prometheus metrics.
//!
//! This room never touches a shard: it asks room `server` through [`Source`] and renders what it
//! gets. It belongs to no core; it runs on the control thread, on a current-thread tokio runtime.
//! Only the words of long answers are made on another thread, which steps back behind all others.
//!
//! Invariants: what HTTP clients hold is bounded (connections, heads, replies that wait), and so is
//! the processor time they take; one costly reply is built at a time; subscriptions are asked for
//! after paging, so an answer's size follows the page; no request panics the thread.
//!
//! | file | what |
//! |---|---|
//! | `source.rs` | the seam: what is asked of the server |
//! | `closed.rs` | the ring of closed connections, fed by the server |
//! | `serve.rs` | the listener and its bounds |
//! | `budget.rs` | how much of the processors it may take |
//! | `slow_reader.rs` | the timeout of a reply |
//! | `endpoint.rs`, `straight.rs` | paths, cost, request counts; paths in a roundabout way |
//! | `answer.rs` | from path and query to a reply |
//! | `wording.rs` | where long answers are worded |
//! | `params.rs` | query parameters and the texts of their errors |
//! | `reply.rs`, `indent.rs` | status, type, bytes; JSON over several lines |
//! | `root.rs` `varz.rs` `connz.rs` `subsz.rs` `accountz.rs` `accstatz.rs` | one endpoint each |
//! | `jsz.rs` `healthz.rs` `ipqueuesz.rs` `stacksz.rs` `expvars.rs` `metrics.rs` | likewise |
//! | `exchange.rs` | what accounts have of each other, in `/accountz` |
//! | `system_exchange.rs` | what all accounts have of the system account, there |
//! | `console.rs`, `console/` | `/console`: the page for people, over the endpoints above |
//! | `explain.rs` | where a client or a subject's subscribers live, who is slow, and why |
//! | `switched_off.rs` | endpoints whose feature is not built |
//! | `system.rs` | the same questions asked on `$SYS` subjects, and the events told there |
//! | `process.rs` | memory and processor time from `/proc` |
//! | `text.rs` | times and durations as text |
//! | `fake.rs` | a server that is not there, for tests |

mod accountz;
mod accstatz;
mod answer;
mod budget;
mod closed;
mod connz;
mod console;
mod endpoint;
mod exchange;
mod explain;
mod expvars;
#[cfg(test)]
mod fake;
mod healthz;
mod indent;
mod ipqueuesz;
mod jsz;
mod metrics;
mod params;
mod process;
mod reply;
mod root;
mod serve;
mod slow_reader;
mod source;
mod stacksz;
mod straight;
mod subsz;
mod switched_off;
mod system;
mod system_exchange;
mod text;
mod varz;
mod wording;

pub use answer::Desk;
pub use closed::{CLOSED_SUBSCRIPTIONS_MAX, ClosedRing};
pub use serve::{Admits, HTTP_CONNECTIONS_MAX, Https, HttpsTerms, serve};
pub use source::{
    AccountFacts, AccountUsage, Fanout, Health, IndexFigures, JetStreamFigures, JetStreamLimits,
    JetStreamUse, OcspCacheFigures, QueueDepth, ServerFacts, Source, SubscriptionPage,
    SubscriptionQuery, Traffic, UsageByAccount,
};
pub use system::{
    Announcement, Asker, Claims, ClaimsAnswer, ClaimsRequest, ClaimsRole, ClaimsSubject, Happened,
    Operator, REQUEST_BYTES_MAX, SystemDesk, SystemRequest, subjects_in, subjects_of_claims,
    subjects_of_system,
};
pub use wording::Wording;
