//! The corpus: `corpus/good/*.conf` with digest and JSON beside each, `corpus/bad/*.conf` with
//! what is printed, `corpus/warned/*.conf` with what `-t` refuses and a start only says. One file
//! for each rule of spec/cli-and-config.md §6, and more.
//!
//! `CORPUS_WRITE=1 cargo test -p corewire-config corpus` writes the expectations anew, to be read
//! before they are committed.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::command::{self, Command, Exit};
use crate::digest;
use crate::fuzz;
use crate::parser::{self, Files};
use crate::place::Sources;

/// Files of one folder of the corpus.
struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(path))
    }
}

fn folder(name: &str) -> Folder {
    Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name))
}

fn cases(folder: &Folder) -> Vec<PathBuf> {
    let names = std::fs::read_dir(&folder.0).expect("the corpus is there");
    let mut cases: Vec<PathBuf> = names
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|name| name.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{cases:?}");
    cases
}

fn expect(folder: &Folder, case: &Path, extension: &str, found: &str) {
    let path = folder.0.join(case.with_extension(extension));
    if std::env::var_os("CORPUS_WRITE").is_some() {
        std::fs::write(&path, found).expect("the corpus can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

fn nowhere(_: &str) -> Option<String> {
    None
}

#[test]
fn good_files_parse_to_their_json_and_digest() {
    let folder = folder("good");
    for case in cases(&folder) {
        let mut sources = Sources::default();
        let root = parser::load(&case, &folder, &nowhere, &mut sources)
            .unwrap_or_else(|problem| panic!("{}", problem.show(&sources)));
        let found = format!("{}\n{}\n", digest::json(&root), digest::digest(&root));
        expect(&folder, &case, "json", &found);
        fuzz::fuzz_config(digest::print(&root).as_bytes());
    }
}

#[test]
fn bad_files_are_refused_with_their_text() {
    let folder = folder("bad");
    for case in cases(&folder) {
        let args = ["corewire", "-c"].into_iter().map(OsString::from);
        let args = args.chain([case.clone().into_os_string()]);
        let exit = command::from_args_with(args, &nowhere, &folder).expect_err("refused");
        let Exit { code, stdout, stderr } = exit;
        assert_eq!((code, stdout.as_str()), (1, ""), "{}", case.display());
        expect(&folder, &case, "txt", &stderr);
    }
}

// spec/cli-and-config.md §9. A rule about what is not built is kept by refusing that by name; its
// case gets the specification's text when it is built.
#[test]
fn every_rule_across_options_has_a_case_with_its_text() {
    let folder = folder("bad");
    let not_built = "is known to NATS but not built yet in Corewire";
    for (case, texts) in [
        ("payload_above_pending", ["cannot be higher than max_pending (1048576)"; 2]),
        ("grace_not_below", ["should be strictly lower than lame duck duration (30s)"; 2]),
        ("server_name", ["server name cannot contain spaces"; 2]),
        ("user_and_token", ["Cannot have a user/pass and token"; 2]),
        ("user_and_users", ["Can not have a single user/pass and a users array"; 2]),
        ("token_and_users", ["Can not have a token and a users array"; 2]),
        ("duplicate_user", ["Duplicate user \"a\" detected"; 2]),
        ("duplicate_user_accounts", ["Duplicate user \"a\" detected"; 2]),
        ("http_and_https", ["can't specify both HTTP (8222) and HTTPs (8443) ports"; 2]),
        ("https_without_tls", ["TLS cert and key required for HTTPS"; 2]),
        ("no_auth_user", ["no_auth_user: \"bob\" not present as user or nkey in"; 2]),
        ("no_auth_user_accounts", ["no_auth_user: \"bob\" not present as user or nkey in"; 2]),
        (
            "operators_and_accounts",
            ["operators do not allow Accounts to be configured directly"; 2],
        ),
        (
            "operator_without_resolver",
            ["operators require an account resolver to be configured"; 2],
        ),
        ("cluster_name_conflict", ["cluster name conflicts between cluster and", not_built]),
        ("jetstream_cluster", ["jetstream cluster requires `server_name`", not_built]),
        ("mqtt_without_jetstream", ["mqtt requires JetStream to be enabled if", not_built]),
        ("websocket_without_tls", ["websocket requires TLS configuration", not_built]),
        (
            "system_account_jetstream",
            ["Not allowed to enable JetStream on the system account", not_built],
        ),
    ] {
        let path = folder.0.join(case).with_extension("txt");
        let told = std::fs::read_to_string(&path).expect("the case has its text");
        assert!(texts.iter().any(|text| told.contains(text)), "{case}: {told}");
    }
}

// spec/cli-and-config.md §2
#[test]
fn warnings_are_fatal_in_a_test_and_said_at_a_start() {
    let folder = folder("warned");
    for case in cases(&folder) {
        let file = || case.clone().into_os_string();
        let run = |flags: &[&str]| {
            let args = flags.iter().map(OsString::from).chain([file()]);
            command::from_args_with(args, &nowhere, &folder)
        };
        let exit = run(&["corewire", "-t", "-c"]).expect_err("a test ends");
        assert_eq!(exit.code, 1, "{}", case.display());
        expect(&folder, &case, "txt", &exit.stderr);
        match run(&["corewire", "-c"]) {
            Ok(Command::Run { warnings, .. }) => {
                assert_eq!(exit.stderr, format!("nats-server: {}\n", warnings.join("\n")));
            }
            other => panic!("{}: {other:?}", case.display()),
        }
    }
}

#[test]
fn all_files_with_a_piece_missing_do_not_panic() {
    for folder in [folder("good"), folder("bad"), folder("warned")] {
        for case in cases(&folder) {
            let text = folder.read(&case).expect("the case is there");
            for cut in 0..text.len() {
                fuzz::fuzz_config(&text[..cut]);
                fuzz::fuzz_config(&text[cut..]);
            }
        }
    }
}
