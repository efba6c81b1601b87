//! `guarded`: what permissions and imports cost: the same work as a plain user, and as one with 20
//! allowed and 20 denied subjects, or through an import from another account.
//! Measured in pairs (`pairs`).

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::cores::Placement;
use crate::error::BenchError;
use crate::measure::{Measure, Sample};
use crate::pairs::{Half, PairFlags, Pairs};
use crate::plans::live_flood;
use crate::progress::Progress;
use crate::publish::Amount;
use crate::quantity;
use crate::request::{Reply, RequestPlan, SUBJECT};
use crate::server::Server;
use crate::session::Login;
use crate::traffic::TrafficPlan;
use crate::workload::Work;

/// Entries of each list of permissions.
const ENTRIES: usize = 20;
/// Requests under way of the requester.
const IN_FLIGHT: usize = 64;

/// What stands between the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Guard {
    /// Lists of allowed and denied subjects, for publishing and for subscribing.
    Permissions,
    /// A service that one account exports and another imports.
    Import,
}

/// The same work, plain and guarded, in so many pairs.
#[derive(Debug, Clone)]
pub struct GuardedPlan {
    work: GuardedWork,
    pairs: usize,
}

#[derive(Debug, Clone)]
enum GuardedWork {
    /// One publisher, one subscriber.
    Traffic([TrafficPlan; 2]),
    /// One requester, one responder.
    Request([RequestPlan; 2]),
}

fn login(user: &str) -> Option<Login> {
    Some(Login::Password { user: user.to_string(), password: "secret".to_string() })
}

/// The plain user of every generated configuration.
pub fn plain_user() -> Option<Login> {
    login("plain")
}

/// Accounts and users of both guards.
// spec/security.md: `permissions { publish { allow, deny }, subscribe { allow, deny } }`, exports
// and imports of accounts.
pub fn configuration() -> String {
    let list = |kind: &str, last: Option<&str>| {
        let mut list = String::new();
        for entry in 0..ENTRIES - usize::from(last.is_some()) {
            // Writing to a String cannot fail.
            let _ = write!(list, "\"{kind}.{entry}.>\", ");
        }
        last.map_or_else(|| list.clone(), |last| format!("{list}\"{last}\""))
    };
    let (allow, deny) = (list("open", Some("bench.*")), list("closed", None));
    let rules = format!("{{ allow: [{allow}], deny: [{deny}] }}");
    format!(
        "accounts {{\n\
         PLAIN {{ users = [\n\
           {{ user: plain, password: secret }}\n\
           {{ user: guarded, password: secret,\n\
              permissions: {{ publish: {rules}, subscribe: {rules} }} }}\n\
         ] }}\n\
         OWNER {{ users = [ {{ user: owner, password: secret }} ],\n\
           exports = [ {{ service: {SUBJECT} }} ] }}\n\
         GUEST {{ users = [ {{ user: guest, password: secret }} ],\n\
           imports = [ {{ service: {{ account: OWNER, subject: {SUBJECT} }} }} ] }}\n\
         }}\n"
    )
}

impl GuardedPlan {
    /// Runs all pairs. The figures shown are those of the last guarded run.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let pairs = Pairs::run(self.pairs, |half| {
            let index = usize::from(half == Half::With);
            match &self.work {
                GuardedWork::Traffic(plans) => plans[index].run(server, placement, progress),
                GuardedWork::Request(plans) => plans[index].run(server, placement, progress),
            }
        })?;
        let rate = match &self.work {
            GuardedWork::Traffic(_) => Measure::DeliverRate,
            GuardedWork::Request(_) => Measure::RequestRate,
        };
        let mut first = Sample::default();
        pairs.put_share(&mut first, Measure::CpuShare, Measure::CpuPerMillion);
        pairs.put_share(&mut first, Measure::RateShare, rate);
        Ok(pairs.into_last().behind(first))
    }
}

/// Flags of the `guarded` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct GuardedFlags {
    /// What stands between the two ends
    #[arg(value_enum)]
    by: Guard,
    #[command(flatten)]
    pairs: PairFlags,
    /// Length of each window
    #[arg(long, default_value = "2s", value_parser = quantity::duration)]
    duration: Duration,
    /// Time before each of them
    #[arg(long, default_value = "300ms", value_parser = quantity::duration)]
    warmup: Duration,
}

impl GuardedFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let (title, work) = match self.by {
            Guard::Permissions => {
                let traffic = live_flood(self.duration, self.warmup)?;
                let as_user =
                    |user| TrafficPlan { logins: [login(user), login(user)], ..traffic.clone() };
                let plans = [as_user("plain"), as_user("guarded")];
                ("20 allowed and 20 denied subjects, 1 → 1", GuardedWork::Traffic(plans))
            }
            Guard::Import => {
                let requests = RequestPlan {
                    requesters: 1,
                    responders: 1,
                    in_flight: IN_FLIGHT,
                    amount: Amount::Time(self.duration),
                    warmup: Amount::Time(self.warmup),
                    size: 128,
                    subjects: Arc::new([SUBJECT.to_string()]),
                    reply: Reply::Any,
                    logins: [login("owner"), login("owner")],
                };
                let logins = [login("guest"), login("owner")];
                let guarded = RequestPlan { logins, ..requests.clone() };
                ("requests through a service import", GuardedWork::Request([requests, guarded]))
            }
        };
        let plan = GuardedPlan { work, pairs: self.pairs.pairs };
        Ok((format!("{title}, over the plain path"), Work::Guarded(plan)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_have_twenty_entries_and_the_traffic_is_allowed() {
        let text = configuration();
        assert_eq!(text.matches("\"closed.").count(), 2 * ENTRIES);
        assert_eq!(text.matches("\"open.").count() + text.matches("\"bench.*\"").count(), 40);
        assert!(text.contains("bench.request"));
    }
}
