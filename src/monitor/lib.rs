//! HTTP monitoring.
mod closed;
#[cfg(test)]
mod fake;
mod serve;
mod source;

pub use closed::{CLOSED_SUBSCRIPTIONS_MAX, ClosedRing};
pub use serve::serve;
pub use source::{Fanout, Health, ServerFacts, Source, SubscriptionPage, SubscriptionQuery};
