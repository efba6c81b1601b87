//! Accounts that somebody wants to use and that others have: fetched on a few threads of their own,
//! which live while there is something to fetch, so that a resolver that is slow, or asked for
//! names that a stranger made up, keeps nobody waiting whose account is here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::Log;
use runtime::host;
use security::resolver::FetchError;
use security::{
    AccountError, AccountKey, Admission, Directory, Fetches, Next, SeenAccount, Step, Wanted,
};
use tokio::sync::mpsc;

use crate::cores::Cores;
use crate::logins::answer;
use crate::{facts, workers};

/// What is wanted, and where what was fetched goes.
pub struct Fetching {
    fetches: Mutex<Fetches<Step>>,
    admissions: mpsc::Sender<Admission>,
    cores: Arc<Cores>,
    log: Log,
}

impl Fetching {
    /// Nothing is wanted yet.
    pub fn new(admissions: mpsc::Sender<Admission>, cores: Arc<Cores>, log: Log) -> Fetching {
        Fetching { fetches: Mutex::default(), admissions, cores, log }
    }

    /// Has an account fetched for a login. What nobody else must be asked for is fetched at once.
    pub fn fetch(self: &Arc<Fetching>, account: AccountKey, step: Step) {
        if !step.directory().must_ask(account.as_str()) {
            let found = step.directory().fetch(account.as_str(), facts::now_ns());
            self.hand_over(found, vec![step]);
            return;
        }
        let wanted = self.lock().ask(account, step, facts::now_ns());
        match wanted {
            Wanted::Waits => {}
            Wanted::Begin => self.begin(),
            Wanted::Refused(step, why) => self.refuse(vec![step], &why.to_string()),
        }
    }

    fn begin(self: &Arc<Fetching>) {
        let fetching = Arc::clone(self);
        let thread = std::thread::Builder::new().name(String::from("resolver"));
        let begun = thread.spawn(move || {
            host::give_way();
            while let Some(Next { account, said: directory }) = fetching.next() {
                fetching.fetch_one(&account, &directory);
            }
        });
        if let Err(error) = begun {
            let nobody = self.lock().give_up();
            self.refuse(nobody, &format!("nobody can look for accounts: {error}"));
        }
    }

    /// The next account, and where to ask for it.
    fn next(&self) -> Option<Next<Arc<Directory>>> {
        let now_ns = facts::now_ns();
        self.lock().next(|step| step.is_late(now_ns), |step| Arc::clone(step.directory()))
    }

    fn fetch_one(&self, account: &AccountKey, directory: &Directory) {
        let fetch = || directory.fetch(account.as_str(), facts::now_ns());
        let failed = || Err(FetchError::Unreachable("the thread that asked failed".into()).into());
        let found = workers::survive(fetch).unwrap_or_else(failed);
        let steps = self.lock().done(account, found.as_ref().err(), facts::now_ns());
        self.hand_over(found, steps);
    }

    fn hand_over(&self, found: Result<Vec<Arc<SeenAccount>>, AccountError>, steps: Vec<Step>) {
        match found {
            // Without a control thread the server is at its end.
            Ok(accounts) => drop(self.admissions.blocking_send(Admission { accounts, steps })),
            Err(error) => self.refuse(steps, &error.to_string()),
        }
    }

    fn refuse(&self, steps: Vec<Step>, why: &str) {
        for step in steps {
            answer(&self.cores, step.refused(why.to_owned()), &self.log);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Fetches<Step>> {
        // Whoever panicked has left the tables whole: each change is one call.
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
