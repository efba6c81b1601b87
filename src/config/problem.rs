//! What can be wrong with a configuration or a command line, in words, and how it is shown.

use std::path::PathBuf;

use crate::cores::CoreListError;
use crate::duration::DurationError;
use crate::limits;
use crate::place::{Place, Sources};
use crate::word::WordError;

/// A text that is not in the configuration language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// Something else where a key must stand.
    #[error("expected a key")]
    KeyMissing,
    /// A key and nothing behind it.
    #[error("config is invalid: \"{0}\" has no value")]
    ValueMissing(String),
    /// A comma or an end where a value must stand.
    #[error("expected a value")]
    ElementMissing,
    /// Something behind a value that does not end it.
    #[error(
        "expected a new line, ',', ';' or the end of the block after this value, found \
             '{0}'"
    )]
    AfterValue(char),
    /// Something behind a list's value that does not end it.
    #[error("expected ',', a new line or ']' after this value, found '{0}'")]
    AfterElement(char),
    /// A block that does not end.
    #[error("this block is never closed; '}}' is missing")]
    MapOpen,
    /// A list that does not end.
    #[error("this list is never closed; ']' is missing")]
    ArrayOpen,
    /// A quote that does not end.
    #[error("this quote is never closed")]
    QuoteOpen,
    /// A block string that does not end.
    #[error("this block string is never closed; ')' must stand alone on its line, at its start")]
    BlockOpen,
    /// A backslash before something that it does not escape.
    #[error("invalid escape; the escapes are \\t \\n \\r \\\" \\\\ and \\xHH")]
    Escape,
    /// Bytes that are no text.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// A word that begins like a number and is none.
    #[error(transparent)]
    Word(#[from] WordError),
    /// Blocks or lists too deep inside each other.
    #[error("blocks and lists are more than {} deep inside each other", limits::CONFIG_DEPTH_MAX)]
    TooDeep,
    /// Variables made the configuration too large.
    #[error("the configuration takes more than {} bytes", limits::CONFIG_MEMORY_MAX)]
    TooLarge,
    /// A variable that nothing defines.
    #[error("variable reference for '{name}' on line {line} can not be found")]
    VariableMissing {
        /// Its name.
        name: String,
        /// Where it is used.
        line: u32,
    },
    /// A variable from the environment whose value is no value.
    #[error("variable reference for '{name}' on line {line} could not be parsed: {reason}")]
    VariableInvalid {
        /// Its name.
        name: String,
        /// Where it is used.
        line: u32,
        /// What is wrong with the value.
        reason: Box<SyntaxError>,
    },
    /// Environment variables that stand for each other.
    #[error("variable reference cycle for '{0}'")]
    VariableCycle(String),
    /// A file that cannot be read.
    #[error("error parsing include file '{}', {reason}", path.display())]
    Include {
        /// As it was resolved.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Files that include each other.
    #[error("files include each other more than {} deep", limits::CONFIG_INCLUDE_DEPTH_MAX)]
    IncludeDepth,
    /// Too many files.
    #[error("more than {} files are included", limits::CONFIG_FILES_MAX)]
    IncludeCount,
    /// A file that is too large.
    #[error("the file has more than {} bytes", limits::CONFIG_FILE_BYTES_MAX)]
    FileTooLarge,
    /// A profile that is not in TOML, in the words of its parser.
    #[error("not TOML: {0}")]
    Toml(String),
}

/// A value that an option cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Another kind of value.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A number beyond what is allowed.
    #[error("{value} is out of bounds: {min} to {max}")]
    Bounds {
        /// The number.
        value: i64,
        /// The lowest allowed.
        min: i64,
        /// The highest allowed.
        max: i64,
    },
    /// Below zero.
    #[error("needs to be positive")]
    NotPositive,
    /// Shorter than allowed.
    #[error("{value} is too short, minimum is {min}")]
    TooShort {
        /// The duration.
        value: String,
        /// The shortest allowed.
        min: String,
    },
    /// Not a duration.
    #[error("invalid duration \"{text}\": {reason}")]
    Duration {
        /// As written.
        text: String,
        /// What is wrong with it.
        reason: DurationError,
    },
    /// Not one of the words that are allowed.
    #[error("unknown value \"{value}\"; use one of {allowed}")]
    Choice {
        /// As written.
        value: String,
        /// The words.
        allowed: String,
    },
    /// A profile that nobody made.
    #[error(
        "unknown profile \"{name}\"{}; name one of default, latency, throughput, shared-host, or \
         a file such as ./my.toml",
        near.map(did_you_mean).unwrap_or_default()
    )]
    UnknownProfile {
        /// As written.
        name: String,
        /// What may have been meant.
        near: Option<&'static str>,
    },
    /// A number that has to be a power of two.
    #[error("{value} is no power of two; the nearest are {below} and {above}")]
    NotPowerOfTwo {
        /// As written.
        value: u32,
        /// The next below.
        below: u32,
        /// The next above.
        above: u32,
    },
    /// Not `host:port`.
    #[error("could not parse address string \"{0}\"; expected host:port")]
    Address(String),
    /// A port that is no number.
    #[error("could not parse port \"{0}\"")]
    Port(String),
    /// Not a list of cores.
    #[error(transparent)]
    Cores(#[from] CoreListError),
    /// A server name with white space.
    #[error("server name cannot contain spaces")]
    NameWithSpaces,
    /// Nothing where something must be.
    #[error("must not be empty")]
    Empty,
    /// Not a syslog address.
    #[error("\"{0}\" is no syslog address; expected udp://, tcp:// or unix://")]
    SyslogAddress(String),
    /// Not a number of bytes.
    #[error("\"{0}\" is no size; expected a number, as it is or with K, M, G or T")]
    Size(String),
    /// A storage directory in two places.
    #[error("Duplicate 'store_dir' configuration")]
    StoreDirTwice,
    /// A domain that is no token.
    #[error("invalid domain name, must not contain '.', '*', '>' or white space")]
    Domain,
    /// A user with a key and a name.
    #[error("Nkey users do not take usernames or passwords")]
    NkeyWithUser,
    /// Not the public key of a user.
    #[error("Not a valid public nkey for a user")]
    UserKey,
    /// Not a public curve key.
    #[error("Not a valid public curve nkey")]
    CurveKey,
    /// No public key at all.
    #[error("Not a valid public nkey")]
    PublicKey,
    /// Not the public key of an account.
    #[error("Not a valid public nkey for an account")]
    AccountKey,
    /// Not a subject.
    #[error("subject \"{0}\" is not a valid subject")]
    Subject(String),
    /// A queue group where only a subject may stand.
    #[error("publish permissions can not contain queue definitions \"{0}\"")]
    QueueInPublish(String),
    /// Not a share.
    #[error("expected a number from 1 to 100")]
    Percent,
    /// Weights that are more than all.
    #[error("the weights of a mapping's destinations may be 100 together, at most")]
    Weights,
    /// A mapping to nothing.
    #[error("a mapping names its destination: dest")]
    DestinationMissing,
    /// A destination that takes no share.
    #[error("missing weight for mapping destination \"{0}\"")]
    WeightMissing(String),
    /// An import or export of nothing, or of both.
    #[error("name either a stream or a service")]
    StreamOrService,
    /// A key of services on a stream.
    #[error("response, threshold and latency belong to services only")]
    OnlyOfServices,
    /// A key of streams on a service.
    #[error("only streams take a prefix")]
    OnlyOfStreams,
    /// Two names for one import.
    #[error("name either a prefix or to")]
    PrefixAndTo,
    /// An import without account or subject.
    #[error("an import names an account and a subject")]
    ImportIncomplete,
    /// Latency of more than one answer.
    #[error("latency of services can only be measured with single responses")]
    LatencyOfStreams,
    /// A token that cannot name an account.
    #[error("account_token_position must be that of a \"*\" in \"{0}\"")]
    AccountToken(String),
    /// Not the address of a responder.
    #[error("\"{0}\" is no http:// address")]
    ResponderUrl(String),
    /// Not a SHA-256.
    #[error("\"{0}\" is no SHA-256 in hex, which has 64 digits")]
    PinnedCertificate(String),
    /// Not a public key of an operator.
    #[error("trusted key \"{0}\" is required to be a valid public operator nkey")]
    OperatorKey(String),
    /// Not a resolver.
    #[error("\"{0}\" is no resolver; use MEMORY, URL(http://…) or a block with type full or cache")]
    Resolver(String),
    /// A key that another type of resolver has.
    #[error("a resolver of type {0} does not accept {1}")]
    NotOfThisFolder(&'static str, &'static str),
    /// `hard_delete` alone.
    #[error("hard_delete needs allow_delete")]
    HardDelete,
    /// A resolver without a folder.
    #[error("dir has no value and needs to point to a directory")]
    NoFolder,
    /// A file where a folder must be.
    #[error("dir needs to point to an accessible directory, \"{}\" is none", .0.display())]
    NotAFolder(PathBuf),
    /// More certificates than can be shown.
    #[error("a resolver is shown one certificate: name one in certs, or cert_file and key_file")]
    OneCertificate,
    /// A list entry without a user.
    #[error("User entry requires a user")]
    UserMissing,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not in the language.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The file cannot be read.
    #[error("open {}: {reason}", path.display())]
    Unreadable {
        /// As it was named.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A key that neither NATS nor Corewire knows.
    #[error("unknown field \"{key}\"{}", near.map(did_you_mean).unwrap_or_default())]
    UnknownField {
        /// As written.
        key: String,
        /// What may have been meant.
        near: Option<&'static str>,
    },
    /// A key that NATS knows and Corewire does not have yet.
    #[error("\"{key}\" is known to NATS but not built yet in Corewire; {remedy}")]
    NotBuilt {
        /// As written.
        key: String,
        /// What to do instead.
        remedy: String,
    },
    /// A value that its option cannot take.
    #[error("{key}: {error}")]
    Value {
        /// The option.
        key: String,
        /// What is wrong.
        error: ValueError,
    },
    /// Options that exclude each other, or lack each other.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Worth saying, but no error at start.
    #[error(transparent)]
    Warning(#[from] Warning),
}

fn did_you_mean(near: &str) -> String {
    format!(", did you mean \"{near}\"?")
}

/// Options that do not go together. Texts are those of spec/cli-and-config.md §9.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A message would not fit its subscriber's queue.
    #[error("max_payload ({payload}) cannot be higher than max_pending ({pending})")]
    PayloadAbovePending {
        /// `max_payload`
        payload: usize,
        /// `max_pending`
        pending: usize,
    },
    /// Lame duck would never close anyone.
    #[error(
        "lame duck grace period ({grace}) should be strictly lower than lame duck duration \
             ({duration})"
    )]
    GraceNotBelowDuration {
        /// `lame_duck_grace_period`
        grace: String,
        /// `lame_duck_duration`
        duration: String,
    },
    /// Two ways to authenticate.
    #[error("Cannot have a user/pass and token")]
    UserAndToken,
    /// Two ways to authenticate.
    #[error("Can not have a single user/pass and a users array")]
    UserAndUsers,
    /// Two ways to authenticate.
    #[error("Can not have a token and a users array")]
    TokenAndUsers,
    /// A name that is there already.
    #[error("Duplicate user \"{0}\" detected")]
    DuplicateUser(String),
    /// An account that is there already.
    #[error("Duplicate account \"{0}\" detected")]
    DuplicateAccount(String),
    /// `$G` under `accounts`.
    #[error("\"$G\" is a Reserved Account")]
    ReservedAccount,
    /// A user that nobody declared.
    #[error(
        "no_auth_user: \"{0}\" not present as user or nkey in authorization block or account \
         configuration"
    )]
    NoAuthUserUnknown(String),
    /// An account that nobody declared.
    #[error("system_account: account \"{0}\" is not configured")]
    SystemAccountUnknown(String),
    /// A service that nobody can believe.
    #[error("Authorization callouts require an issuer to be specified")]
    CalloutIssuer,
    /// A service that cannot log in.
    #[error("Authorization callouts require authorized users to be specified")]
    CalloutUsers,
    /// The service's user is not there.
    #[error("auth_callout user \"{0}\" not present as user or nkey in the configuration")]
    CalloutUserUnknown(String),
    /// The service's account, or one that it may be asked about, is not there.
    #[error("auth_callout: account \"{0}\" is not configured")]
    CalloutAccountUnknown(String),
    /// A token is no user, as which the service could log in.
    #[error("Can not have a token and an authorization callout")]
    CalloutAndToken,
    /// Accounts of operators name their own services.
    #[error("operators do not allow authorization callouts to be configured directly")]
    CalloutAndOperator,
    /// Named, and not wanted.
    #[error("system_account and no_system_account can not both be set")]
    SystemAccountTwice,
    /// Operators, and nowhere to get their accounts from.
    #[error("operators require an account resolver to be configured")]
    OperatorNeedsResolver,
    /// Accounts are those of the operators.
    #[error("operators do not allow Accounts to be configured directly")]
    OperatorAndAccounts,
    /// Users are those of the operators' accounts.
    #[error("operators do not allow users to be configured directly")]
    OperatorAndUsers,
    /// Who brings no token is nobody.
    #[error("no_auth_user not compatible with Trusted Operator")]
    OperatorAndNoAuthUser,
    /// Two ways to say whom to trust.
    #[error("conflicting options for 'TrustedKeys' and 'TrustedOperators'")]
    OperatorAndTrustedKeys,
    /// A token that nobody could have signed.
    #[error("default sentinel requires operators and accounts")]
    SentinelWithoutOperator,
    /// JetStream of the server's own events.
    #[error("Not allowed to enable JetStream on the system account")]
    JetStreamOnSystem,
    /// A certificate without key, or a key without certificate.
    #[error("missing '{0}' in TLS configuration")]
    TlsIncomplete(&'static str),
    /// Two ways to name certificates.
    #[error("tls.certs and tls.cert_file, tls.key_file exclude each other")]
    CertificatesTwice,
    /// Nobody to vouch for clients.
    #[error("tls.verify needs tls.ca_file: the certificate authority of the clients")]
    TlsVerifyWithoutCa,
    /// Certificates to compare with, and none asked for.
    #[error("tls.pinned_certs needs tls.verify: true")]
    PinnedWithoutVerify,
    /// Certificates to ask about, and none asked for.
    #[error(
        "OCSP peer verification for client connections requires TLS verify (mTLS) to be enabled: \
         tls.ocsp_peer needs tls.verify: true"
    )]
    OcspPeerWithoutVerify,
    /// HTTPS and nothing to do it with.
    #[error("TLS cert and key required for HTTPS")]
    HttpsWithoutTls,
    /// Two monitoring ports.
    #[error("can't specify both HTTP ({http}) and HTTPs ({https}) ports")]
    HttpAndHttps {
        /// `http_port`
        http: String,
        /// `https_port`
        https: String,
    },
    /// A password that belongs to nobody.
    #[error("a password needs a user")]
    PasswordWithoutUser,
    /// A profile's key for cores that sleep, where none does.
    #[error("{0} means nothing where idle = \"spin\", since such a core never sleeps; remove it")]
    NeverSleeps(&'static str),
    /// A real-time thread that never sleeps.
    #[error(
        "scheduling = \"realtime\" with idle = \"spin\" leaves the core to nobody, not even the \
         kernel; choose one of the two"
    )]
    Starves,
}

/// What is said at start, and fatal with `-t`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A bare number of seconds.
    #[error("invalid use of field \"{0}\": {0} should be converted to a duration")]
    BareSeconds(String),
    /// Nothing in the file.
    #[error("config has no values or is empty")]
    Empty,
    /// Strangers may hold connections for long.
    #[error(
        "authorization timeout of {0} is longer than a minute; unauthenticated connections \
             are held that long"
    )]
    LongAuthTimeout(String),
    /// Whoever reads the file can log in.
    #[error("Plaintext passwords detected, use nkeys or bcrypt")]
    PlainPasswords,
    /// Large messages cost every subscriber's memory.
    #[error(
        "Maximum payloads over {:.2} MB are generally discouraged and could lead to poor \
             performance",
        mebibytes(limits::PAYLOAD_WARN)
    )]
    LargePayload,
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A problem and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where; nothing for what concerns the whole.
    pub place: Option<Place>,
    /// What.
    pub problem: Problem,
}

impl Diagnostic {
    /// One line: `file:line:column: what`.
    pub fn headline(&self, sources: &Sources) -> String {
        match self.place {
            Some(place) => format!("{}: {}", sources.locate(place), self.problem),
            None => self.problem.to_string(),
        }
    }

    /// The headline, then the line itself with a caret.
    pub fn show(&self, sources: &Sources) -> String {
        let mut shown = self.headline(sources);
        let Some(place) = self.place else { return shown };
        if let Some(excerpt) = sources.excerpt(place) {
            shown.push('\n');
            shown.push_str(&excerpt);
        }
        shown
    }
}

/// Problems that are shown with their line and a suggestion; the others only with their place.
pub const SHOWN_IN_FULL_MAX: usize = 20;

/// All that was found, in the order of finding.
#[derive(Debug, Default)]
pub struct Diagnostics {
    /// What stops the server.
    pub errors: Vec<Diagnostic>,
    /// What stops only `-t`.
    pub warnings: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Notes a problem; a [`Warning`] among the warnings, all else among the errors.
    pub fn note(&mut self, place: Option<Place>, problem: impl Into<Problem>) {
        let problem = problem.into();
        let list = match problem {
            Problem::Warning(_) => &mut self.warnings,
            _ => &mut self.errors,
        };
        list.push(Diagnostic { place, problem });
    }

    /// Warnings first, then errors, each by place. spec/cli-and-config.md §6.
    pub fn show(&mut self, sources: &Sources) -> Vec<String> {
        self.warnings.sort_by_key(|diagnostic| diagnostic.place);
        self.errors.sort_by_key(|diagnostic| diagnostic.place);
        let all = self.warnings.iter().chain(&self.errors).enumerate();
        all.map(|(place, found)| match place {
            0..SHOWN_IN_FULL_MAX => found.show(sources),
            _ => found.headline(sources),
        })
        .collect()
    }
}
