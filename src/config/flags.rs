//! Every flag of the command line, declared once. spec/cli-and-config.md §1
//!
//! A flag that sets an option names it, and takes kind, bounds and help text from the option's
//! declaration in `table.rs`.

use crate::declaration::{Declaration, Status};
use crate::draft::Draft;
use crate::table;
use crate::tls;

/// One flag.
#[derive(Debug)]
pub struct Flag {
    /// Its names without dashes, the one that it is known by first.
    pub names: &'static [&'static str],
    /// What follows it.
    pub takes: Takes,
    /// Under which heading the help shows it.
    pub group: Group,
    /// What it does.
    pub does: Does,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, or `=true` or `=false`.
    Switch,
    /// A value, shown under this name.
    Value(&'static str),
}

/// What a flag does.
pub enum Does {
    /// Sets the option at this path.
    Option(&'static str),
    /// Sets several options; with the help text.
    Several(fn(&mut Draft, bool), &'static str),
    /// `-c`
    ConfigFile,
    /// `-t`
    Check,
    /// `-sl`
    Signal,
    /// `-v`
    Version,
    /// `-h`
    Help,
    /// `--help_tls`
    HelpTls,
    /// `--profile`: a name or path sets `corewire.profile`, a number is nats-server's profiling
    /// port.
    Profile,
    /// NATS has it, Corewire does not yet; with what it would do.
    NotBuilt(&'static str),
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Does::Option(path) => path,
            Does::Several(..) => "several",
            Does::ConfigFile => "config file",
            Does::Check => "check",
            Does::Signal => "signal",
            Does::Version => "version",
            Does::Help => "help",
            Does::HelpTls => "help tls",
            Does::Profile => "profile",
            Does::NotBuilt(_) => "not built",
        })
    }
}

/// The headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What the server is and where it listens.
    Server,
    /// Logging.
    Logging,
    /// Who may connect.
    Authorization,
    /// TLS.
    Tls,
    /// Streams.
    JetStream,
    /// Cores and the trade between latency and throughput.
    Corewire,
    /// What nats-server has and Corewire does not yet.
    NotBuilt,
    /// Help and version.
    Common,
}

impl Group {
    /// All, in the order of the help.
    pub const ALL: [Group; 8] = [
        Group::Server,
        Group::Logging,
        Group::Authorization,
        Group::Tls,
        Group::JetStream,
        Group::Corewire,
        Group::Common,
        Group::NotBuilt,
    ];

    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Server => "Server Options",
            Group::Logging => "Logging Options",
            Group::Authorization => "Authorization Options",
            Group::Tls => "TLS Options",
            Group::JetStream => "JetStream Options",
            Group::Corewire => "Corewire Options",
            Group::NotBuilt => "Known to NATS, not built yet (refused)",
            Group::Common => "Common Options",
        }
    }
}

impl Flag {
    /// The name it is known by.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// What it does, in a line.
    pub fn doc(&self) -> &'static str {
        match self.does {
            Does::Option(_) => self.option().map_or("", |option| option.doc),
            Does::Several(_, doc) | Does::NotBuilt(doc) => doc,
            Does::ConfigFile => "Configuration file",
            Does::Check => "Check the configuration file and exit",
            Does::Signal => {
                "Send a signal (ldm, stop, quit, term, reopen, reload) to a running server; the \
                 process by id, by id*, or by the path of its PID file"
            }
            Does::Version => "Show version",
            Does::Help => "Show this message",
            Does::HelpTls => "TLS help",
            Does::Profile => "default, latency (spin, never park) or throughput",
        }
    }

    /// The default in words; empty when there is none to show.
    pub fn default(&self) -> &'static str {
        match self.option() {
            Some(option) if option.default != "false" && option.default != "0" => option.default,
            _ => "",
        }
    }

    /// The declaration of the option that it sets.
    pub fn option(&self) -> Option<&'static Declaration> {
        match self.does {
            Does::Option(path) => table::find(path),
            _ => None,
        }
    }

    /// Whether using it is refused.
    pub fn is_built(&self) -> bool {
        match self.does {
            Does::NotBuilt(_) => false,
            Does::Option(_) => {
                self.option().is_some_and(|option| matches!(option.status, Status::Built(_)))
            }
            _ => true,
        }
    }
}

/// The flag of this name, without dashes. Names keep their case.
pub fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.names.contains(&name))
}

const fn value(
    names: &'static [&'static str],
    metavar: &'static str,
    group: Group,
    does: Does,
) -> Flag {
    Flag { names, takes: Takes::Value(metavar), group, does }
}

const fn switch(names: &'static [&'static str], group: Group, does: Does) -> Flag {
    Flag { names, takes: Takes::Switch, group, does }
}

const fn missing_value(
    names: &'static [&'static str],
    metavar: &'static str,
    doc: &'static str,
) -> Flag {
    value(names, metavar, Group::NotBuilt, Does::NotBuilt(doc))
}

const fn missing_switch(names: &'static [&'static str], doc: &'static str) -> Flag {
    switch(names, Group::NotBuilt, Does::NotBuilt(doc))
}

/// All flags, in the order of the help.
pub static FLAGS: &[Flag] = &[
    value(&["addr", "a", "net"], "host", Group::Server, Does::Option("host")),
    value(&["port", "p"], "port", Group::Server, Does::Option("port")),
    value(&["server_name", "name", "n"], "name", Group::Server, Does::Option("server_name")),
    value(&["pid", "P"], "file", Group::Server, Does::Option("pidfile")),
    value(&["http_port", "m"], "port", Group::Server, Does::Option("http_port")),
    value(&["config", "c"], "file", Group::Server, Does::ConfigFile),
    switch(&["t"], Group::Server, Does::Check),
    value(&["signal", "sl"], "signal[=process]", Group::Server, Does::Signal),
    value(&["client_advertise"], "host:port", Group::Server, Does::Option("client_advertise")),
    value(&["ports_file_dir"], "dir", Group::Server, Does::Option("ports_file_dir")),
    value(&["log", "l"], "file", Group::Logging, Does::Option("logfile")),
    switch(&["logtime", "T"], Group::Logging, Does::Option("logtime")),
    switch(&["logtime_utc"], Group::Logging, Does::Option("logtime_utc")),
    switch(&["syslog", "s"], Group::Logging, Does::Option("syslog")),
    value(&["remote_syslog", "r"], "addr", Group::Logging, Does::Option("remote_syslog")),
    switch(&["debug", "D"], Group::Logging, Does::Option("debug")),
    switch(&["trace", "V"], Group::Logging, Does::Option("trace")),
    switch(&["VV"], Group::Logging, Does::Option("trace_verbose")),
    switch(
        &["DV"],
        Group::Logging,
        Does::Several(
            |draft, on| {
                draft.options.debug = on;
                draft.options.trace = on;
            },
            "Debug and trace",
        ),
    ),
    switch(
        &["DVV"],
        Group::Logging,
        Does::Several(
            |draft, on| {
                draft.options.debug = on;
                draft.options.trace = on;
                draft.options.trace_verbose = on;
            },
            "Debug and verbose trace (traces system account as well)",
        ),
    ),
    value(&["log_size_limit"], "bytes", Group::Logging, Does::Option("logfile_size_limit")),
    value(&["max_traced_msg_len"], "bytes", Group::Logging, Does::Option("max_traced_msg_len")),
    value(&["user"], "user", Group::Authorization, Does::Option("authorization.user")),
    value(&["pass"], "password", Group::Authorization, Does::Option("authorization.password")),
    value(&["auth"], "token", Group::Authorization, Does::Option("authorization.token")),
    switch(&["jetstream", "js"], Group::JetStream, Does::Option("jetstream.enabled")),
    value(&["store_dir", "sd"], "dir", Group::JetStream, Does::Option("store_dir")),
    value(&["cores"], "list", Group::Corewire, Does::Option("corewire.cores")),
    value(&["profile"], "name|path", Group::Corewire, Does::Profile),
    switch(&["help", "h"], Group::Common, Does::Help),
    switch(&["version", "v"], Group::Common, Does::Version),
    switch(&["help_tls"], Group::Common, Does::HelpTls),
    value(&["https_port", "ms"], "port", Group::Server, Does::Option("https_port")),
    switch(&["tls"], Group::Tls, Does::Several(tls::switch, "Enable TLS, do not verify clients")),
    value(&["tlscert"], "file", Group::Tls, Does::Option("tls.cert_file")),
    value(&["tlskey"], "file", Group::Tls, Does::Option("tls.key_file")),
    switch(&["tlsverify"], Group::Tls, Does::Option("tls.verify")),
    value(&["tlscacert"], "file", Group::Tls, Does::Option("tls.ca_file")),
    missing_value(&["routes"], "urls", "Routes to solicit and connect"),
    missing_value(&["cluster"], "url", "Cluster URL for solicited routes"),
    missing_value(&["cluster_listen"], "url", "Cluster URL from which members can solicit routes"),
    missing_value(&["cluster_name"], "name", "Cluster name"),
    missing_value(&["cluster_advertise"], "host:port", "Cluster URL to advertise to other servers"),
    missing_switch(&["no_advertise"], "Do not advertise known cluster information to clients"),
    missing_value(&["connect_retries"], "number", "Connect retries for implicit routes"),
];
