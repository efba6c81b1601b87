//! `reload`: a configuration with many users, changed and read again by SIGHUP while live traffic
//! goes on. In force is a change when a user that it adds can log in.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::beside::{BesidePlan, Disturbance, LiveFlags};
use crate::error::{BenchError, Role};
use crate::measure::{Measure, Sample};
use crate::plans::positive;
use crate::program::POLL;
use crate::quantity;
use crate::server::{CONFIG_FILE, Server};
use crate::session::{Endpoint, Login, Session};
use crate::stage::Stage;
use crate::stats::Stats;
use crate::workload::Work;

/// From one reload to the next.
const PAUSE: Duration = Duration::from_millis(400);
/// A change that is not in force by then never will be.
const IN_FORCE_WAIT: Duration = Duration::from_secs(20);

/// How large the configuration is.
#[derive(Debug, Clone)]
pub struct ReloadPlan {
    /// Users in it.
    pub users: u64,
    /// Time between the beginning of the disturbance and the first reload.
    pub wait: Duration,
}

/// A server that can be told to reload.
#[derive(Debug)]
pub struct Reload {
    plan: ReloadPlan,
    config: PathBuf,
    pid: Pid,
    endpoint: Endpoint,
    /// How long each change took to be in force, nanoseconds.
    times: Mutex<Vec<f64>>,
}

/// A configuration with `users` users; the last of them is `added`.
// spec/cli-and-config.md: `authorization { users = [ … ] }`.
pub fn configuration(users: u64, added: &str) -> String {
    let mut text = String::from("authorization {\n  users = [\n");
    for user in 0..users {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {{ user: u{user}, password: p{user} }}");
    }
    let _ = writeln!(text, "    {{ user: {added}, password: {added} }}\n  ]\n}}");
    text
}

/// The user that the live traffic is.
pub fn live_user() -> Login {
    Login::Password { user: "u0".to_string(), password: "p0".to_string() }
}

impl ReloadPlan {
    /// Finds process and file.
    ///
    /// # Errors
    /// A server that we did not start.
    pub fn prepare(&self, server: &mut Server) -> Result<Reload, BenchError> {
        let endpoint = server.endpoint.clone();
        let program = server.program()?;
        let config = program.scratch().path(CONFIG_FILE);
        let pid = Pid::from_raw(program.id().cast_signed()).ok_or(io::ErrorKind::NotFound);
        let pid = pid.map_err(io::Error::from)?;
        Ok(Reload { plan: self.clone(), config, pid, endpoint, times: Mutex::default() })
    }
}

impl Reload {
    /// Changes and reloads until the stage closes.
    ///
    /// # Errors
    /// A change that does not come into force.
    pub fn go(&self, done: &AtomicU64, stage: &Stage) -> Result<(), BenchError> {
        thread::sleep(self.plan.wait);
        while !stage.is_closed() {
            done.fetch_add(1, Ordering::Relaxed);
            let added = format!("added{}", self.count());
            fs::write(&self.config, configuration(self.plan.users, &added))?;
            let begun = Instant::now();
            kill_process(self.pid, Signal::HUP).map_err(io::Error::from)?;
            self.wait_for(&added, begun)?;
            let took = begun.elapsed().as_nanos() as f64;
            self.times.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn wait_for(&self, added: &str, begun: Instant) -> Result<(), BenchError> {
        let login = Login::Password { user: added.to_string(), password: added.to_string() };
        let endpoint = self.endpoint.as_user(Some(&login));
        loop {
            match Session::open(&endpoint, Role::Idler) {
                Ok(_) => return Ok(()),
                Err(BenchError::LoginRefused { .. }) if begun.elapsed() < IN_FORCE_WAIT => {
                    thread::sleep(POLL);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The figures of all reloads.
    pub fn put(&self, sample: &mut Sample) {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = Stats::of(&times) {
            sample.put(Measure::ReloadTime, times.median);
        }
    }
}

/// Flags of the `reload` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct ReloadFlags {
    #[command(flatten)]
    live: LiveFlags,
    /// Users in the configuration
    #[arg(long, default_value = "10k", value_parser = quantity::count)]
    users: u64,
}

impl ReloadFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let (latency, traffic) = self.live.latency()?;
        let pairs = self.live.pairs.pairs;
        let users = positive("--users", self.users as usize)? as u64;
        // The first reload falls into the measured window.
        let wait = self.live.warmup + self.live.duration / 5;
        let title = format!("reload of {users} users, {traffic}");
        let disturbance = Disturbance::Reload(ReloadPlan { users, wait });
        Ok((title, Work::Beside(BesidePlan { latency, flood: None, disturbance, pairs })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_holds_the_live_user_and_the_one_that_is_added() {
        let text = configuration(3, "new");
        assert!(text.contains("user: u0, password: p0") && text.contains("user: new"));
        assert_eq!(text.matches("password").count(), 4);
    }
}
