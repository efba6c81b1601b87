//! Which imports may be, and where their messages go.

use config::Options;
use config::accounts::Service;

use super::*;
use crate::{Directory, DirectoryError};

fn export(subject: &str, kind: ExportKind, accounts: Option<&[&str]>) -> Export {
    let accounts = accounts.map(|list| list.iter().map(|name| (*name).to_owned()).collect());
    let subject = subject.to_owned();
    Export { subject, kind, accounts, account_token: None, allow_trace: false }
}

fn service() -> ExportKind {
    let (response, threshold) = (ResponseKind::Singleton, Duration::from_secs(1));
    ExportKind::Service(Service { response, threshold, latency: None })
}

fn import(account: &str, subject: &str, kind: ImportKind) -> Import {
    Import { account: account.to_owned(), subject: subject.to_owned(), kind }
}

fn stream_to(to: Option<&str>) -> ImportKind {
    ImportKind::Stream { to: to.map(str::to_owned), allow_trace: false }
}

fn service_to(to: Option<&str>) -> ImportKind {
    ImportKind::Service { to: to.map(str::to_owned), share: false }
}

fn account(name: &str, exports: Vec<Export>, imports: Vec<Import>) -> Account {
    Account { exports, imports, ..Account::new(name) }
}

fn made(declared: Vec<Account>) -> Result<Directory, ImportError> {
    let mut options = Options::default();
    options.accounts.declared = declared;
    Directory::new(&options, None).map_err(|error| match error {
        DirectoryError::Import(error) => error,
        other => panic!("{other}"),
    })
}

#[test]
fn only_what_is_exported_to_an_account_is_imported() {
    let offers = || {
        vec![
            export("open.>", ExportKind::Stream, None),
            export("only.b", ExportKind::Stream, Some(&["B"])),
            Export { account_token: Some(2), ..export("own.*.x", ExportKind::Stream, None) },
            export("ask.*", service(), None),
        ]
    };
    let table = [
        (import("A", "open.x", stream_to(None)), true),
        (import("A", "open.>", stream_to(Some("here.>"))), true),
        (import("A", ">", stream_to(None)), false),
        (import("A", "only.b", stream_to(None)), true),
        (import("A", "own.B.x", stream_to(None)), true),
        (import("A", "own.C.x", stream_to(None)), false),
        (import("A", "own.*.x", stream_to(None)), false),
        (import("A", "ask.x", stream_to(None)), false),
        (import("A", "ask.x", service_to(None)), true),
        (import("A", "ask.*", service_to(Some("mine.$1"))), true),
        (import("A", "ask.*", service_to(Some("mine"))), false),
        (import("A", "open.x", service_to(None)), false),
        (import("Z", "open.x", stream_to(None)), false),
    ];
    for (import, allowed) in table {
        let shown = format!("{import:?}");
        let b = account("B", vec![], vec![import]);
        let made = made(vec![account("A", offers(), vec![]), b]);
        assert_eq!(made.is_ok(), allowed, "{shown}: {:?}", made.err());
    }
    let c = account("C", vec![], vec![import("A", "only.b", stream_to(None))]);
    let b = || account("B", vec![], vec![]);
    let refused = made(vec![account("A", offers(), vec![]), b(), c]).err();
    assert!(matches!(refused, Some(ImportError::NotAuthorized { .. })), "{refused:?}");
    let refused = made(vec![account("A", offers(), vec![])]).err();
    let text = "account \"A\": \"B\" account not defined for stream export";
    assert_eq!(refused.map(|error| error.to_string()).as_deref(), Some(text));
}

#[test]
fn what_would_come_back_is_refused() {
    let exports = || vec![export(">", service(), None), export(">", ExportKind::Stream, None)];
    let cycles = [
        (service_to(None), service_to(None)),
        (stream_to(None), stream_to(None)),
        (service_to(Some("y")), service_to(Some("x"))),
    ];
    for (one, other) in cycles {
        let second = if one == service_to(Some("y")) { "y" } else { "x" };
        let declared = vec![
            account("A", exports(), vec![import("B", "x", one)]),
            account("B", exports(), vec![import("A", second, other)]),
        ];
        let refused = made(declared).err();
        assert!(matches!(refused, Some(ImportError::Cycle { .. })), "{refused:?}");
    }
    let fine = vec![
        account("A", exports(), vec![import("B", "x", service_to(None))]),
        account("B", exports(), vec![import("A", "y", service_to(None))]),
    ];
    assert!(made(fine).is_ok());
}

/// B imports from A, which exports everything.
fn importing(imports: Vec<Import>) -> Result<Directory, ImportError> {
    let exports = vec![export(">", service(), None), export(">", ExportKind::Stream, None)];
    made(vec![account("A", exports, vec![]), account("B", vec![], imports)])
}

#[test]
fn the_same_twice_is_refused() {
    let twice = [
        vec![import("A", "x", stream_to(None)), import("A", "x", stream_to(None))],
        vec![import("A", "x", stream_to(None)), import("A", "x", stream_to(Some("y")))],
        vec![import("A", "s", service_to(None)), import("A", "t", service_to(Some("s")))],
    ];
    for imports in twice {
        let refused = importing(imports).err();
        assert!(matches!(refused, Some(ImportError::Duplicate { .. })), "{refused:?}");
    }
}

#[test]
fn a_service_may_have_two_names_and_a_name_two_kinds() {
    let imports = vec![
        import("A", "s", service_to(None)),
        import("A", "s", service_to(Some("x"))),
        import("A", "x", stream_to(None)),
    ];
    assert!(importing(imports).is_ok());
}
