//! What accounts of operators have of each other: activations are checked, then the rules are
//! those of configured accounts (`crate::exchange`).

use std::collections::HashMap;

use base::AccountId;
use config::accounts::{Account, ImportKind};
use subject::name;

use super::OperatorMode;
use super::activation::{self, Until};
use super::seen::SeenAccount;
use crate::account::Accounts;
use crate::exchange::{self, ImportError, Way};

impl OperatorMode {
    /// Gives each account the ways that leave it. An import that cannot be is left out; all of
    /// those are returned.
    pub(crate) fn open_ways(&mut self, accounts: &mut Accounts, now_s: i64) -> Vec<ImportError> {
        let (declared, mut faults) = self.declared(now_s);
        let (ways, more) = exchange::ways(&declared, accounts);
        faults.extend(more);
        let mut leaving: HashMap<AccountId, Vec<Way>> = HashMap::new();
        for (from, way) in ways {
            leaving.entry(from).or_default().push(way);
        }
        let ids = self.seen.values().map(|(id, _)| *id);
        for id in ids.chain([AccountId::GLOBAL, AccountId::SYSTEM]) {
            let ways = leaving.remove(&id).unwrap_or_default();
            // An account that nothing leaves is not touched: there may be many.
            if !ways.is_empty() || !accounts.get(id).ways.is_empty() {
                accounts.change(id, |account| account.ways = ways.into());
            }
        }
        faults
    }

    /// Those that import or export, in the order of their numbers, with the importers that each
    /// private export lets in.
    fn declared(&mut self, now_s: i64) -> (Vec<Account>, Vec<ImportError>) {
        let exchanging =
            |seen: &SeenAccount| !seen.config.imports.is_empty() || !seen.config.exports.is_empty();
        let mut all: Vec<&(AccountId, _)> =
            self.seen.values().filter(|(_, seen)| exchanging(seen)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        let at: HashMap<&str, usize> =
            all.iter().enumerate().map(|(at, (_, seen))| (&*seen.config.name, at)).collect();
        let mut declared: Vec<Account> = all.iter().map(|(_, seen)| seen.config.clone()).collect();
        let (mut faults, mut ends) = (Vec::new(), None::<i64>);
        for (number, (_, importer)) in all.iter().enumerate() {
            let mut kept = Vec::new();
            for (claimed, import) in
                importer.claims.content.imports.iter().zip(&importer.config.imports)
            {
                let exporter_at = at.get(claimed.account.as_str()).copied();
                let grant = match exporter_at {
                    Some(at) => grant(claimed, &import.subject, importer, &all[at].1, now_s),
                    None => Grant::NotPrivate,
                };
                match (grant, exporter_at) {
                    (Grant::NotPrivate, _) | (_, None) => {}
                    (Grant::Refused, _) => {
                        faults.push(not_authorized(importer, import));
                        continue;
                    }
                    (Grant::Given(export, Until(until)), Some(at)) => {
                        let list = declared[at].exports[export].accounts.get_or_insert_default();
                        list.push(importer.config.name.clone());
                        if until > 0 {
                            ends = Some(ends.map_or(until, |earlier| earlier.min(until)));
                        }
                    }
                }
                kept.push(import.clone());
            }
            declared[number].imports = kept;
        }
        self.import_ends_s = ends;
        (declared, faults)
    }
}

/// What the exports of an account say of an import.
enum Grant {
    /// No activation is asked for.
    NotPrivate,
    /// By this export, until then.
    Given(usize, Until),
    /// The activation is none.
    Refused,
}

fn grant(
    import: &crate::jwt::Import,
    subject: &str,
    importer: &SeenAccount,
    exporter: &SeenAccount,
    now_s: i64,
) -> Grant {
    let exports = exporter.claims.content.exports.iter().enumerate();
    let covering = exports.filter(|(_, export)| {
        export.kind == import.kind && name::is_subset(subject.as_bytes(), export.subject.as_bytes())
    });
    let covering: Vec<_> = covering.collect();
    if covering.is_empty() || covering.iter().any(|(_, export)| !export.token_req) {
        return Grant::NotPrivate;
    }
    let name = &importer.config.name;
    let mut given = covering.into_iter().filter_map(|(at, export)| {
        let until = activation::check(import, subject, name, exporter, export, now_s)?;
        Some(Grant::Given(at, until))
    });
    given.next().unwrap_or(Grant::Refused)
}

fn not_authorized(importer: &SeenAccount, import: &config::accounts::Import) -> ImportError {
    let kind = match import.kind {
        ImportKind::Stream { .. } => "stream",
        ImportKind::Service { .. } => "service",
    };
    let (importer, subject) = (importer.config.name.clone(), import.subject.clone());
    ImportError::NotAuthorized { importer, subject, kind }
}
