//! The configuration read again while the server runs: all of it or nothing
//! (spec/cli-and-config.md §8).
//!
//! ```text
//! read, check, compare ──wrong or refused──▶ nothing has changed
//!    └─▶ ports file, log ──cannot be written──▶ nothing has changed
//!           └─▶ every core ─▶ the oldest clients stay ─▶ "Reloaded server configuration"
//! ```

use std::rc::Rc;
use std::sync::Arc;

use base::{ClientId, Counter, Level, Log, Verbosity};
use config::command::Reread;
use config::parser::Disk;
use config::{Options, reload};
use log_writer::LogWriter;
use monitor::Source;
use runtime::host;
use security::Directory;
use tokio::sync::mpsc;

use crate::claims;
use crate::command::Command;
use crate::control::Control;
use crate::facts::{self, Standing};
use crate::files::{self, PortsFile};
use crate::lookups::{self, Lookup};
use crate::settings::Access;
use crate::systemd::{self, Stage};
use crate::{jetstream, logging, settings};

/// What a reload works on.
pub struct Reloadable {
    /// What the operator chose, now.
    pub options: Arc<Options>,
    /// What no reload changes.
    pub standing: Standing,
    /// Who may connect, as made of the options.
    pub access: Access,
    /// What clients obeyed before, until the last one has let go: it may be large, and is taken
    /// apart here rather than on a core.
    pub retired: Vec<Arc<client::Settings>>,
    /// What clients obey now.
    pub clients: Arc<client::Settings>,
    /// Where tokens are asked for that others have.
    pub lookups: mpsc::Sender<Lookup>,
    /// What writes the log.
    pub writer: LogWriter,
    /// The ports file, if there is one.
    pub ports_file: Option<PortsFile>,
}

impl Reloadable {
    /// Takes apart what no client obeys any more. When that is all, the memory of reading the
    /// configuration goes back to the system, too: the allocator would keep it, and giving it back
    /// while cores are at work with the change would hold them up.
    pub fn drop_retired(&mut self) {
        let before = self.retired.len();
        self.retired.retain(|settings| Arc::strong_count(settings) > 1);
        if before > 0 && self.retired.is_empty() {
            host::return_freed_memory();
        }
    }

    /// Whether the new options say other accounts and users.
    fn needs_directory(&self, new: &Options) -> bool {
        let old = &self.options;
        let same_proxies = new.proxies == old.proxies;
        let same_operators = new.operator == old.operator
            && new.resolver == old.resolver
            && new.resolver_tls == old.resolver_tls
            && new.resolver_pinned == old.resolver_pinned;
        // Whether certificates say who clients are is for the directory to know.
        let verify = |options: &Options| options.tls.as_ref().map(|tls| tls.verify);
        let same_verify = verify(new) == verify(old);
        let same_users = new.auth == old.auth && new.accounts == old.accounts;
        !(same_users && same_proxies && same_operators && same_verify)
    }

    /// The accounts and users that the new options say, if they say others. Those of operators are
    /// fetched anew, which may take seconds: beside this thread, which monitoring needs.
    async fn directory(&self, new: &Arc<Options>) -> Result<Option<Directory>, String> {
        if !self.needs_directory(new) {
            return Ok(None);
        }
        let (new, before) = (Arc::clone(new), Arc::clone(&self.access.directory));
        let making = tokio::task::spawn_blocking(move || Directory::new(&new, Some(&before)));
        let made = making.await.map_err(|error| error.to_string())?;
        made.map(Some).map_err(|error| error.to_string())
    }

    /// Writes what has to be written before anything is changed.
    fn prepare(&mut self, new: &Options, log: &Log) -> Result<(), String> {
        let old = &*self.options;
        let Standing { clients, http, .. } = self.standing;
        let ports_file = match &new.ports_file_dir {
            directory if *directory == old.ports_file_dir => None,
            None => Some(None),
            Some(directory) => Some(Some(files::write_ports(directory, new, clients, http)?)),
        };
        let settings = logging::settings(new)?;
        if settings != logging::settings(old)? {
            self.writer.replace(settings).map_err(|error| logging::cannot_open(new, &error))?;
        }
        if let Some(ports_file) = ports_file {
            self.ports_file = ports_file;
        }
        if new.pid_file != old.pid_file
            && let Some(path) = &new.pid_file
            && let Err(error) = files::write_pid(path)
        {
            // As in nats-server: the server runs as well without it.
            log.say(Level::Error, format!("Failed to write pidfile {}: {error}", path.display()));
        }
        Ok(())
    }
}

impl Control {
    /// Reads the configuration again and obeys it, or leaves everything as it was and says why,
    /// in the log and in the error.
    ///
    /// # Errors
    /// What is wrong with the new configuration, or what cannot be changed without a restart.
    pub async fn reload(&mut self) -> Result<(), String> {
        systemd::tell(&self.log, Stage::Reloading);
        let reloaded = self.try_reload().await;
        if let Err(error) = &reloaded {
            let text = format!("Failed to reload server configuration: {error}");
            self.log.say(Level::Error, text);
        }
        systemd::tell(&self.log, Stage::Ready);
        reloaded
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let environment = |name: &str| std::env::var(name).ok();
        let Reread { options: new, warnings } =
            self.reloadable.standing.launch.reread(&environment, &Disk)?;
        let changes = reload::diff(&self.reloadable.options, &new).map_err(|e| e.to_string())?;
        let new = Arc::new(new);
        let directory = self.reloadable.directory(&new).await?;
        let tls = self.reloadable.access.tls.renewed(&new);
        let mut tls = tls.map_err(|error| error.to_string())?;
        let stapled = tls.staple(&new, &self.log, &self.gather.orders).await;
        stapled.map_err(|error| error.to_string())?;
        if let Some(view) = &self.gather.jetstream {
            jetstream::check_accounts(&new, view.bounds(&new))?;
        }
        self.reloadable.prepare(&new, &self.log)?;
        // Nothing can fail from here on.
        for warning in
            warnings.into_iter().chain(new.log_warnings().iter().map(ToString::to_string))
        {
            self.log.say(Level::Warn, warning);
        }
        let digest = new.config_digest.clone();
        self.reloadable.access.tls.replace(tls);
        self.obey(new, directory).await;
        for change in changes {
            self.log.say(Level::Info, format!("Reloaded: {}", change.text));
        }
        self.log.say(Level::Info, format!("Reloaded server configuration ({digest})"));
        Ok(())
    }

    async fn obey(&mut self, new: Arc<Options>, directory: Option<Directory>) {
        self.log.set_verbosity(Verbosity { debug: new.debug, trace: new.trace });
        if let Some(directory) = directory {
            claims::say_folder(&directory, &self.log);
            lookups::attach(&directory, &new, &self.reloadable.lookups);
            self.take_directory(directory, &new);
        }
        let Control { reloadable, gather, .. } = self;
        let Reloadable { standing, access, .. } = reloadable;
        let now_ns = facts::now_ns();
        let facts = facts::of(&new, standing, &access.directory, &access.tls, now_ns);
        gather.facts.replace(Rc::new(facts));
        gather.ocsp_cache.replace(access.tls.answers());
        gather.closed.borrow_mut().resize(new.max_closed_clients);
        self.tell_cores(new).await;
        self.close_newest().await;
    }

    /// Other accounts and users under the same options.
    pub async fn obey_directory(&mut self, directory: Directory) {
        let options = Arc::clone(&self.reloadable.options);
        self.take_directory(directory, &options);
        self.tell_cores(Arc::clone(&self.reloadable.options)).await;
    }

    /// What the control thread itself knows of accounts and users.
    fn take_directory(&mut self, directory: Directory, options: &Options) {
        let Control { reloadable, gather, .. } = self;
        reloadable.access.directory = Arc::new(directory);
        let directory = &reloadable.access.directory;
        let accounts = facts::accounts(options, directory, facts::now_ns());
        gather.accounts.replace(accounts.into());
    }

    /// Every core, and every connection, obeys these options when this is done.
    async fn tell_cores(&mut self, new: Arc<Options>) {
        let Control { reloadable, cores, log, .. } = self;
        let standing = &reloadable.standing;
        let info = standing.identity.info(&new, standing.clients.port());
        let core_settings = Arc::new(settings::of_core(&new, info, &reloadable.access, log));
        let clients = Arc::clone(&core_settings.clients);
        reloadable.retired.push(std::mem::replace(&mut reloadable.clients, clients));
        cores.ask_all(|answer| Command::Reconfigure(Arc::clone(&core_settings), answer)).await;
        reloadable.options = new;
    }

    /// spec/cli-and-config.md §7.1, max_connections: reducing closes the newest excess clients.
    async fn close_newest(&self) {
        let max = self.reloadable.options.max_connections as usize;
        let counters = self.cores.counters().iter();
        if counters.map(|core| core.get(Counter::Connections)).sum::<u64>() <= max as u64 {
            return;
        }
        let open = self.gather.connections().await;
        let mut cids: Vec<ClientId> = open.into_iter().map(|connection| connection.cid).collect();
        cids.sort_unstable();
        let newest: Arc<[ClientId]> = cids.get(max..).unwrap_or_default().into();
        // Some may have left while the cores were asked.
        if newest.is_empty() {
            return;
        }
        self.cores.ask_all(|answer| Command::Close(Arc::clone(&newest), answer)).await;
        let count = newest.len();
        let text = format!("Closed {count} connections to fall within max_connections");
        self.log.say(Level::Info, text);
    }
}
