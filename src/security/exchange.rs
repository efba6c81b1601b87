//! What accounts have of each other, checked once and turned into ways that messages take
//! (spec/security.md §6).
//!
//! Both kinds of import are ways out of an account: a message of a stream goes from the exporter
//! to each importer, a request from the importer to the exporter.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use base::AccountId;
use config::accounts::{Account, Export, ExportKind, Import, ImportKind, Latency, ResponseKind};
use subject::{Transform, TransformError, name};

use crate::account::Accounts;

/// One way out of an account.
#[derive(Clone, Debug)]
pub struct Way {
    /// What takes it, wildcards included.
    pub source: Box<[u8]>,
    /// The account at its end.
    pub to: AccountId,
    /// What the subject becomes; the same without it.
    pub transform: Option<Transform>,
    /// What flows.
    pub kind: WayKind,
    /// Whether the traces of messages follow.
    pub trace: TraceBeyond,
}

/// Whether a trace follows its message into another account (`allow_trace`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceBeyond {
    /// It does.
    Allowed,
    /// It ends there.
    Refused,
}

impl TraceBeyond {
    fn new(allowed: bool) -> TraceBeyond {
        if allowed { TraceBeyond::Allowed } else { TraceBeyond::Refused }
    }
}

/// What flows on a way.
#[derive(Clone, Debug)]
pub enum WayKind {
    /// Messages; they go no further than the account at its end.
    Stream,
    /// Requests; their answers come back.
    Service(ServiceWay),
}

/// How a request and its answers flow.
#[derive(Clone, Debug)]
pub struct ServiceWay {
    /// The place of its export among those of its account.
    pub export: usize,
    /// How many answers there are.
    pub response: ResponseKind,
    /// How long answers may take, or pause.
    pub threshold: Duration,
    /// Whether the exporter is told who asks.
    pub share: Share,
    /// Whether its times are published.
    pub latency: Option<Latency>,
}

/// Whether the exporter is told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The account only.
    Account,
    /// Everything about the client.
    All,
}

/// An import that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Of an account that nobody declared.
    #[error("account \"{importer}\": \"{exporter}\" account not defined for {kind} import")]
    UnknownAccount {
        /// Who imports.
        importer: String,
        /// From whom.
        exporter: String,
        /// `stream` or `service`.
        kind: &'static str,
    },
    /// An export to an account that nobody declared.
    #[error("account \"{exporter}\": \"{importer}\" account not defined for {kind} export")]
    UnknownImporter {
        /// Who exports.
        exporter: String,
        /// To whom.
        importer: String,
        /// `stream` or `service`.
        kind: &'static str,
    },
    /// Of what is not exported, or not to this account.
    #[error("account \"{importer}\": {kind} import of \"{subject}\" not authorized")]
    NotAuthorized {
        /// Who imports.
        importer: String,
        /// What.
        subject: String,
        /// `stream` or `service`.
        kind: &'static str,
    },
    /// The same twice.
    #[error("account \"{importer}\": {kind} import of \"{subject}\" already exists")]
    Duplicate {
        /// Who imports.
        importer: String,
        /// What.
        subject: String,
        /// `stream` or `service`.
        kind: &'static str,
    },
    /// Under a name that the subject cannot be given.
    #[error("account \"{importer}\": import of \"{subject}\": {error}")]
    Transform {
        /// Who imports.
        importer: String,
        /// What.
        subject: String,
        /// Why not.
        error: TransformError,
    },
    /// What an account imports comes back to it.
    #[error("account \"{importer}\": import of \"{subject}\" forms a cycle")]
    Cycle {
        /// Who imports.
        importer: String,
        /// What.
        subject: String,
    },
    /// A mapping that is none.
    #[error("account \"{account}\": mapping of \"{source_subject}\": {error}")]
    Mapping {
        /// Whose.
        account: String,
        /// Of what.
        source_subject: String,
        /// Why not.
        error: TransformError,
    },
}

impl ImportError {
    /// Whose it is.
    pub fn account(&self) -> &str {
        match self {
            ImportError::UnknownAccount { importer, .. }
            | ImportError::NotAuthorized { importer, .. }
            | ImportError::Duplicate { importer, .. }
            | ImportError::Transform { importer, .. }
            | ImportError::Cycle { importer, .. } => importer,
            ImportError::UnknownImporter { exporter: account, .. }
            | ImportError::Mapping { account, .. } => account,
        }
    }
}

/// A way and the account that it leaves.
struct Placed {
    from: AccountId,
    importer: String,
    subject: String,
    way: Way,
}

/// The first export to an account that is not there.
pub(crate) fn unknown_importer(declared: &[Account]) -> Option<ImportError> {
    let known: HashSet<&str> = declared.iter().map(|account| account.name.as_str()).collect();
    declared.iter().find_map(|exporter| {
        let unknown = |export: &Export| {
            let named = export.accounts.iter().flatten();
            let importer = named.into_iter().find(|name| !known.contains(name.as_str()))?;
            let kind = match export.kind {
                ExportKind::Stream => "stream",
                ExportKind::Service(_) => "service",
            };
            let (exporter, importer) = (exporter.name.clone(), importer.clone());
            Some(ImportError::UnknownImporter { exporter, importer, kind })
        };
        exporter.exports.iter().find_map(unknown)
    })
}

/// All ways, by the account that they leave, and the imports that cannot be and are left out.
pub(crate) fn ways(
    declared: &[Account],
    accounts: &Accounts,
) -> (Vec<(AccountId, Way)>, Vec<ImportError>) {
    let mut placed: Vec<Placed> = Vec::new();
    let mut faults = Vec::new();
    let by_name: HashMap<&str, &Account> =
        declared.iter().map(|account| (account.name.as_str(), account)).collect();
    for importer in declared {
        let mut seen: Vec<&Import> = Vec::new();
        for import in &importer.imports {
            if seen.iter().any(|earlier| is_repeated(earlier, import)) {
                faults.push(ImportError::Duplicate {
                    importer: importer.name.clone(),
                    subject: import.subject.clone(),
                    kind: kind_of(import),
                });
                continue;
            }
            seen.push(import);
            match place(importer, import, &by_name, accounts) {
                Ok(way) => placed.push(way),
                Err(fault) => faults.push(fault),
            }
        }
    }
    while let Some(closing) = closes_cycle(&placed) {
        let Placed { importer, subject, .. } = placed.remove(closing);
        faults.push(ImportError::Cycle { importer, subject });
    }
    (placed.into_iter().map(|placed| (placed.from, placed.way)).collect(), faults)
}

/// Whether `import` says again what `earlier` says: a stream of one account is imported once, under
/// whatever name, and a name stands once for services of one account.
fn is_repeated(earlier: &Import, import: &Import) -> bool {
    let repeated = match (&earlier.kind, &import.kind) {
        (ImportKind::Stream { .. }, ImportKind::Stream { .. }) => earlier.subject == import.subject,
        (ImportKind::Service { to: earlier_name, .. }, ImportKind::Service { to: name, .. }) => {
            earlier_name.as_ref().unwrap_or(&earlier.subject)
                == name.as_ref().unwrap_or(&import.subject)
        }
        _ => false,
    };
    repeated && earlier.account == import.account
}

fn kind_of(import: &Import) -> &'static str {
    match import.kind {
        ImportKind::Stream { .. } => "stream",
        ImportKind::Service { .. } => "service",
    }
}

fn place(
    importer: &Account,
    import: &Import,
    by_name: &HashMap<&str, &Account>,
    accounts: &Accounts,
) -> Result<Placed, ImportError> {
    let name = || importer.name.clone();
    let exporter = by_name.get(import.account.as_str());
    let ids = (accounts.find(&importer.name), accounts.find(&import.account));
    let (Some(exporter), (Some(here), Some(there))) = (exporter, ids) else {
        let kind = kind_of(import);
        let exporter = import.account.clone();
        return Err(ImportError::UnknownAccount { importer: name(), exporter, kind });
    };
    let place = exporter.exports.iter().position(|e| is_offered(e, import, &importer.name));
    let Some(place) = place else {
        let (subject, kind) = (import.subject.clone(), kind_of(import));
        return Err(ImportError::NotAuthorized { importer: name(), subject, kind });
    };
    let way = way(&exporter.exports[place], place, import, here, there);
    let (from, way) = way.map_err(|error| ImportError::Transform {
        importer: name(),
        subject: import.subject.clone(),
        error,
    })?;
    Ok(Placed { from, importer: name(), subject: import.subject.clone(), way })
}

/// Whether `export` offers `import` to the account `importer`.
fn is_offered(export: &Export, import: &Import, importer: &str) -> bool {
    let same_kind = matches!(
        (&export.kind, &import.kind),
        (ExportKind::Stream, ImportKind::Stream { .. })
            | (ExportKind::Service(_), ImportKind::Service { .. })
    );
    let listed = export.accounts.as_ref().is_none_or(|list| list.iter().any(|a| a == importer));
    let mut tokens = import.subject.split('.');
    let own_token = export.account_token.is_none_or(|at| tokens.nth(at - 1) == Some(importer));
    same_kind
        && listed
        && own_token
        && name::is_subset(import.subject.as_bytes(), export.subject.as_bytes())
}

fn way(
    export: &Export,
    place: usize,
    import: &Import,
    here: AccountId,
    there: AccountId,
) -> Result<(AccountId, Way), TransformError> {
    let subject = &import.subject;
    match (&import.kind, &export.kind) {
        (ImportKind::Service { to, share }, ExportKind::Service(service)) => {
            let back = |to: &String| Transform::import_reversed(subject, to);
            let transform = to.as_ref().filter(|to| *to != subject).map(back).transpose()?;
            let source = transform.as_ref().map_or(subject.as_bytes(), |t| t.source()).into();
            let kind = WayKind::Service(ServiceWay {
                export: place,
                response: service.response,
                threshold: service.threshold,
                share: if *share { Share::All } else { Share::Account },
                latency: service.latency.clone(),
            });
            let trace = TraceBeyond::new(export.allow_trace);
            Ok((here, Way { source, to: there, transform, kind, trace }))
        }
        (ImportKind::Stream { to, .. }, _) | (ImportKind::Service { to, .. }, _) => {
            let forth = |to: &String| Transform::import(subject, to);
            let transform = to.as_ref().filter(|to| *to != subject).map(forth).transpose()?;
            let source = subject.as_bytes().into();
            let allowed = matches!(import.kind, ImportKind::Stream { allow_trace: true, .. });
            let (kind, trace) = (WayKind::Stream, TraceBeyond::new(allowed));
            Ok((there, Way { source, to: here, transform, kind, trace }))
        }
    }
}

impl Way {
    /// The pattern of what arrives at its end.
    fn arriving(&self) -> Vec<u8> {
        match &self.transform {
            None => self.source.to_vec(),
            Some(transform) => transform.destination_pattern(),
        }
    }

    fn is_service(&self) -> bool {
        matches!(self.kind, WayKind::Service(_))
    }
}

/// How far a way was followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// It is on the way that is being followed.
    Open,
    /// It leads to no cycle.
    Fine,
}

/// A way on which a message could come back to where it was.
fn closes_cycle(placed: &[Placed]) -> Option<usize> {
    let mut leaving: HashMap<AccountId, Vec<usize>> = HashMap::new();
    for (number, placed) in placed.iter().enumerate() {
        leaving.entry(placed.from).or_default().push(number);
    }
    let mut marks = vec![Mark::New; placed.len()];
    for start in 0..placed.len() {
        // Each way that is followed, and how many of those behind it were looked at.
        let mut path = vec![(start, 0)];
        while let Some((at, looked)) = path.last_mut() {
            marks[*at] = Mark::Open;
            let way = &placed[*at].way;
            let behind = leaving.get(&way.to).map(Vec::as_slice).unwrap_or_default();
            let follows = |other: &usize| {
                let other_way = &placed[*other].way;
                marks[*other] != Mark::Fine
                    && other_way.is_service() == way.is_service()
                    && name::overlap(&other_way.source, &way.arriving())
            };
            let found = behind[*looked..].iter().position(follows);
            match found.map(|at| (at, behind[*looked + at])) {
                Some((_, other)) if marks[other] == Mark::Open => return Some(other),
                Some((skipped, other)) => {
                    *looked += skipped + 1;
                    path.push((other, 0));
                }
                None => {
                    marks[*at] = Mark::Fine;
                    path.pop();
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
