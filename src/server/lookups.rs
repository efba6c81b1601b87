//! Tokens of accounts that this server has not: asked for in the system account, for the threads
//! that check logins (spec/security.md §3, `$SYS.REQ.ACCOUNT.<acc>.CLAIMS.LOOKUP`).

use std::rc::Rc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use config::Options;
use config::resolver::Resolver;
use security::resolver::FetchError;
use security::{AccountKey, AskOthers, Directory};
use tokio::sync::mpsc;

use crate::system::System;

/// Lookups that may wait or be under way. At it: the login is refused.
const LOOKUPS_MAX: usize = 256;

/// One lookup.
pub struct Lookup {
    account: AccountKey,
    timeout: Duration,
    answer: SyncSender<Result<String, FetchError>>,
}

/// The end of those who ask, and the end of the control thread.
pub fn queue() -> (mpsc::Sender<Lookup>, mpsc::Receiver<Lookup>) {
    mpsc::channel(LOOKUPS_MAX)
}

/// Lets the directory's folder ask by that queue for what it lacks.
pub fn attach(directory: &Directory, options: &Options, queue: &mpsc::Sender<Lookup>) {
    if let (Some(folder), Some(Resolver::Folder(config))) = (directory.folder(), &options.resolver)
    {
        folder.ask_others_by(asking(queue.clone(), config.timeout));
    }
}

/// Asks by that queue, and waits no longer than `timeout`.
fn asking(queue: mpsc::Sender<Lookup>, timeout: Duration) -> AskOthers {
    let unreachable = |why: &str| FetchError::Unreachable(why.to_owned());
    Box::new(move |account| {
        let (answer, answered) = sync_channel(1);
        let lookup = Lookup { account: account.clone(), timeout, answer };
        queue.try_send(lookup).map_err(|_| unreachable("too many accounts are looked up"))?;
        answered.recv_timeout(timeout).unwrap_or_else(|_| Err(unreachable("nobody answered")))
    })
}

/// Looks up what is asked for, for as long as the control thread lives.
pub async fn run(system: Rc<System>, mut wanted: mpsc::Receiver<Lookup>) {
    while let Some(lookup) = wanted.recv().await {
        let system = Rc::clone(&system);
        tokio::task::spawn_local(async move {
            let Lookup { account, timeout, answer } = lookup;
            let subject = format!("$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP");
            let found = match system.ask(&subject, timeout).await {
                None => Err(FetchError::Unreachable(String::from("nobody answered"))),
                // Alone, the first answer is the only one: there is no other server to wait for.
                Some(token) if token.is_empty() => Err(FetchError::Unknown),
                Some(token) => String::from_utf8(token).map_err(|_| FetchError::Unknown),
            };
            // The login may have been given up.
            let _ = answer.try_send(found);
        });
    }
}
