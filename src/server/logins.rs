//! The threads that check logins which take long, beside the cores: a bcrypt comparison lasts
//! longer than a thousand turns, and an account may have to be fetched from far away.
//!
//! ```text
//! core ─▶ desk ─▶ login thread ─▶ core             an answer
//!          ▲            └─▶ control thread          its account is new: into the directory,
//!          └──────────────────────┘                 and once more
//! ```
//! Who must ask others for an account is a thread of its own (`fetching.rs`): logins to accounts
//! that are here wait for no stranger.

use std::sync::Arc;

use base::{Level, Log, ShardId};
use crossbeam_channel::select;
use security::{Admission, Checked, Denied, Desk, Step, Verdict, Work};
use tokio::sync::mpsc;

use crate::callouts::Callouts;
use crate::command::Command;
use crate::control::Control;
use crate::cores::Cores;
use crate::fetching::Fetching;
use crate::{facts, workers};

/// Logins whose accounts may wait to be taken into the directory. At it: the login threads wait.
const ADMISSIONS_MAX: usize = 1024;

/// Where logins wait whose accounts are new.
pub fn admissions() -> (mpsc::Sender<Admission>, mpsc::Receiver<Admission>) {
    mpsc::channel(ADMISSIONS_MAX)
}

/// What a thread that checks logins works with.
#[derive(Clone)]
pub struct Checker {
    /// Where verdicts go.
    pub cores: Arc<Cores>,
    /// Logins about which services are asked.
    pub callouts: Arc<Callouts>,
    /// Logins whose accounts others have.
    pub fetching: Arc<Fetching>,
}

/// Starts the threads. They end when no core asks any more.
///
/// # Errors
/// What the system says when it has no thread left.
pub fn start(work: &Work, checker: &Checker) -> std::io::Result<()> {
    let (work, checker) = (work.clone(), checker.clone());
    workers::start("login", move || {
        loop {
            select! {
                recv(work.logins) -> step => match step {
                    Ok(step) => checker.check(step),
                    Err(_) => return,
                },
                recv(work.answers) -> given => match given {
                    Ok(given) => {
                        if let Some(checked) = checker.callouts.judge(given, now_s()) {
                            checker.go_on(checked);
                        }
                    }
                    Err(_) => return,
                },
            }
        }
    })
}

impl Checker {
    fn check(&self, step: Step) {
        if step.is_late(facts::now_ns()) {
            // Its client was told so. In a storm, checking those would leave no time for others.
            return;
        }
        self.go_on(match step {
            Step::Said(request) => request.check(),
            Step::Answered(answer) => self.callouts.conclude(*answer, now_s()),
        });
    }

    /// Hands a login to whoever comes next.
    fn go_on(&self, checked: Checked) {
        let log = self.callouts.log();
        match checked {
            Checked::Verdict(verdict) => answer(&self.cores, verdict, log),
            Checked::Delegated(service, request) => {
                let asked = self.callouts.ask(service, *request, &self.cores, now_s());
                if let Err(verdict) = asked {
                    answer(&self.cores, *verdict, log);
                }
            }
            Checked::Unseen(account, step) => self.fetching.fetch(account, step),
        }
    }
}

/// Seconds since the Unix epoch.
fn now_s() -> i64 {
    (facts::now_ns() / 1_000_000_000) as i64
}

/// Tells a core what became of a login.
pub fn answer(cores: &Cores, verdict: Verdict, log: &Log) {
    let (reason, cid) = (&verdict.reason, verdict.ticket.cid);
    if !reason.is_empty() {
        if let Err(Denied::ByService(_)) = verdict.session {
            log.say(Level::Warn, reason.clone());
        } else if log.wants(Level::Debug) {
            log.say(Level::Debug, format!("cid:{cid} - {reason}"));
        }
    }
    let ShardId(core) = verdict.ticket.shard;
    // A core whose queue is full lets the client time out.
    cores.send(usize::from(core), Command::Login(verdict));
}

impl Control {
    /// Takes accounts into the directory, those of several logins at once, and lets the logins go
    /// on. Every core knows the accounts then.
    pub async fn admit(&mut self, first: Admission) {
        let mut several = vec![first];
        while let Ok(next) = self.admissions.try_recv() {
            several.push(next);
        }
        let directory = &self.reloadable.access.directory;
        let is_new = |account: &Arc<_>| {
            let account: &security::SeenAccount = account;
            directory.seen(&account.claims.subject).is_none()
        };
        let accounts = several.iter().flat_map(|admission| &admission.accounts);
        let new: Vec<_> = accounts.filter(|account| is_new(account)).map(Arc::clone).collect();
        if !new.is_empty() {
            self.learn(&new).await;
        }
        let access = &self.reloadable.access;
        let desk: Option<&Desk> = access.desk.as_ref();
        for step in several.into_iter().flat_map(|admission| admission.steps) {
            let step = step.under(Arc::clone(&access.directory));
            if let Err(step) = desk.map_or(Ok(()), |desk| desk.submit(step)) {
                let verdict = step.refused(String::from("too many logins wait to be checked"));
                answer(&self.cores, verdict, &self.log);
            }
        }
    }

    /// Takes accounts into the directory, or new tokens of those that are there. Every core obeys
    /// when this is done, and so do all connections.
    pub async fn learn(&mut self, accounts: &[Arc<security::SeenAccount>]) {
        let now_ns = facts::now_ns();
        let (directory, faults) = self.reloadable.access.directory.with_accounts(accounts, now_ns);
        for fault in faults {
            self.log.say(Level::Warn, fault.to_string());
        }
        self.obey_directory(directory).await;
    }

    /// Ends imports whose time is over.
    pub async fn end_imports(&mut self) {
        if self.reloadable.access.directory.is_stale(facts::now_ns()) {
            self.learn(&[]).await;
        }
    }
}
