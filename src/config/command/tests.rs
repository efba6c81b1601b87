//! Command lines as a whole: exit codes, streams and texts of spec/cli-and-config.md §1 and §2.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::*;
use crate::options::{Auth, Port, User};
use crate::profile::ProfileName;
use crate::signal::Signal;

/// Files held in memory.
struct Shelf(HashMap<PathBuf, &'static str>);

impl Files for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    }
}

fn run_with(line: &str, file: &'static str) -> Result<Command, Exit> {
    let shelf = Shelf(HashMap::from([(PathBuf::from("f.conf"), file)]));
    let args = std::iter::once("corewire").chain(line.split(' ').filter(|arg| !arg.is_empty()));
    from_args_with(args.map(OsString::from), &|_| None, &shelf)
}

fn options(line: &str, file: &'static str) -> Options {
    match run_with(line, file) {
        Ok(Command::Run { options, .. }) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn exit(line: &str, file: &'static str) -> Exit {
    run_with(line, file).expect_err(line)
}

#[test]
fn top_gets_what_stands_behind_it() {
    let top = |line| match run_with(line, "") {
        Ok(Command::Top(arguments)) => arguments.join(" "),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(top("top"), "");
    assert_eq!(top("top --once --interval 2s -x"), "--once --interval 2s -x");
    assert_eq!(exit("-p 4333 top", "").stderr, "nats-server: usage: corewire top [--help]\n");
}

#[test]
fn without_flags_all_is_default() {
    assert_eq!(options("", ""), Options::default());
}

#[test]
fn flags_set_options_and_win_over_the_file() {
    let found = options("-p -1 -DV -m 8222 -n a -T=false --cores 0,2 --profile latency", "");
    assert_eq!(found.port, Port::Random);
    assert_eq!(found.http_port, Some(Port::Fixed(8222)));
    assert!(found.debug && found.trace && !found.trace_verbose && !found.logtime);
    assert_eq!(found.server_name.as_deref(), Some("a"));
    assert_eq!(found.corewire.cores.unwrap().as_slice(), [0, 2]);
    assert_eq!(found.corewire.profile, ProfileName::parse("latency").unwrap());
    let file = "port: 5000\nhost: 1.2.3.4\ndebug: true";
    let found = options("-c f.conf -p 6000 -D=false", file);
    assert_eq!((found.port, found.host.as_str()), (Port::Fixed(6000), "1.2.3.4"));
    assert!(!found.debug);
    assert_eq!(found.config_file.as_deref(), Some(Path::new("f.conf")));
    assert!(found.config_digest.starts_with("sha256:"));
    assert!(options("-DVV", "").trace_verbose);
    assert_eq!(options("-p 1 -p 0x10", "").port, Port::Fixed(16));
}

#[test]
fn authentication_by_flag_takes_the_place_of_the_files() {
    let user = |name: &str, password: &str| User::with_password(name, password);
    assert_eq!(options("--user a --pass b", "").auth, Auth::User(user("a", "b")));
    assert_eq!(options("--auth t", "").auth, Auth::Token(Secret::new("t")));
    let users = "authorization { users: [{user: x, password: y}] }";
    assert_eq!(options("-c f.conf --user a --pass b", users).auth, Auth::User(user("a", "b")));
    let one = "authorization { user: x, password: y }";
    assert_eq!(options("-c f.conf --pass b", one).auth, Auth::User(user("x", "b")));
    assert_eq!(options("-c f.conf --auth t", one).auth, Auth::Token(Secret::new("t")));
    assert_eq!(
        exit("--user a --auth t", "").stderr,
        "nats-server: Cannot have a user/pass and token\n"
    );
}

#[test]
fn version_and_help_go_to_standard_output() {
    let version = format!("nats-server: v2.14.5 (corewire v{})\n", env!("CARGO_PKG_VERSION"));
    for line in ["-v", "--version", "version", "VERSION", "-p 4333 version", "-h=false -v"] {
        let exit = exit(line, "");
        assert_eq!((exit.code, exit.stdout, exit.stderr), (0, version.clone(), String::new()));
    }
    for line in ["-h", "--help", "help", "Help"] {
        let exit = exit(line, "");
        assert_eq!((exit.code, exit.stdout), (0, usage::usage()));
    }
    assert!(exit("--help_tls", "").stdout.contains("--tlscert"));
}

#[test]
fn misuse_shows_the_usage_and_exits_with_0() {
    for (line, text) in [
        ("-foo", "flag provided but not defined: -foo\n"),
        ("-p", "flag needs an argument: -p\n"),
        ("-sl", "flag needs an argument: -sl\n"),
        ("-p x", "invalid value \"x\" for flag -p: parse error\n"),
        ("-T=maybe", "invalid boolean value \"maybe\" for -T: parse error\n"),
        ("-port=", "invalid value \"\" for flag -port: parse error\n"),
        ("-t=maybe", "invalid boolean value \"maybe\" for -t: parse error\n"),
    ] {
        let exit = exit(line, "");
        assert_eq!((exit.code, exit.stderr.as_str()), (0, text));
        assert_eq!(exit.stdout, usage::usage());
    }
    let word = exit("stop", "");
    assert_eq!(
        (word.code, word.stderr.as_str()),
        (1, "nats-server: unrecognized command: \"stop\"\n")
    );
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let error = |line| {
        let exit = exit(line, "");
        assert_eq!((exit.code, exit.stdout.as_str()), (1, ""));
        exit.stderr
    };
    let refused = |flag| {
        format!(
            "nats-server: flag --{flag} is known to NATS but not built yet in Corewire; remove it\n"
        )
    };
    assert_eq!(error("-ms 1"), "nats-server: TLS cert and key required for HTTPS\n");
    assert_eq!(error("--routes nats://a"), refused("routes"));
    assert!(error("--profile 6060").contains("profiling port"));
    assert_eq!(
        error("--profile fast"),
        "nats-server: flag --profile: unknown profile \"fast\"; name one of default, latency, \
         throughput, shared-host, or a file such as ./my.toml\n"
    );
    assert_eq!(
        error("-p 70000"),
        "nats-server: flag --port: 70000 is out of bounds: -1 to 65535\n"
    );
    assert_eq!(
        options("-js=false --tls=false --no_advertise=false --profile 0", ""),
        Options::default()
    );
}

#[test]
fn every_flag_that_is_not_built_is_refused() {
    for flag in FLAGS.iter().filter(|flag| !flag.is_built()) {
        let value = match flag.takes {
            Takes::Switch => "true",
            Takes::Value(_) => "1",
        };
        for name in flag.names {
            let text = exit(&format!("-{name}={value}"), "").stderr;
            assert!(text.contains(&format!("flag --{} is known to NATS", flag.name())), "{text}");
        }
    }
}

#[test]
fn checking_a_file() {
    let good = exit("-t -c f.conf", "foo bar\nport: $foo");
    assert_eq!(good.code, 1, "{good:?}");
    let good = match run_with("-t -c f.conf", "port: 4222") {
        Ok(Command::Test { options, valid }) => {
            assert_eq!(options.port, Port::Fixed(4222));
            valid
        }
        other => panic!("{other:?}"),
    };
    let expected = "nats-server: configuration file f.conf is valid (sha256:";
    assert!(good.stderr.starts_with(expected), "{}", good.stderr);
    assert_eq!((good.code, good.stderr.len()), (0, expected.len() + 64 + 2));
    let none = exit("-t", "");
    assert_eq!(
        none.stderr,
        "nats-server: must specify [-c, --config] option to check configuration \
        file syntax\n"
    );
    let missing = exit("-t -c no.conf", "");
    assert_eq!(missing.stderr, "nats-server: open no.conf: entity not found\n");
    let warned = exit("-t -c f.conf", "write_deadline: 5\nping_interval: 10");
    assert_eq!(warned.code, 1);
    assert_eq!(
        warned.stderr,
        "nats-server: f.conf:1:1: invalid use of field \"write_deadline\": write_deadline should \
         be converted to a duration\n  1 | write_deadline: 5\n    | ^\nf.conf:2:1: invalid use of \
         field \"ping_interval\": ping_interval should be converted to a duration\n  2 | \
         ping_interval: 10\n    | ^\n"
    );
}

#[test]
fn warnings_do_not_stop_a_start() {
    match run_with("-c f.conf", "ping_interval: 10") {
        Ok(Command::Run { options, warnings, .. }) => {
            assert_eq!(options.ping_interval.as_secs(), 10);
            assert_eq!(warnings.len(), 1);
        }
        other => panic!("{other:?}"),
    }
    match run_with("-c f.conf", "# nothing\n") {
        Ok(Command::Run { warnings, .. }) => {
            assert_eq!(warnings, ["config has no values or is empty"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn signals_are_read() {
    let request = |line| match run_with(line, "") {
        Ok(Command::Signal(request)) => request,
        other => panic!("{other:?}"),
    };
    let found = request("--signal ldm=/run/x.pid");
    assert_eq!((found.signal, found.target.as_str()), (Signal::LameDuck, "/run/x.pid"));
    assert_eq!(request("-sl=quit").target, "");
    assert_eq!(exit("-sl foo", "").stderr, "nats-server: unknown signal \"foo\"\n");
}

#[test]
fn clap_agrees_with_the_declarations() {
    clap_command().debug_assert();
    let mut names: Vec<_> = flag_names().collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for flag in FLAGS {
        if let Does::Option(path) = flag.does {
            assert!(flag.option().is_some(), "{path}");
        }
    }
}

#[test]
fn check_takes_a_profile_before_or_behind_it_and_serves_nothing() {
    for line in ["--profile latency check --json", "check -json --profile=latency"] {
        let Ok(Command::Check(request)) = run_with(line, "") else { panic!("{line}") };
        assert_eq!(request.profile.to_string(), "latency", "{line}");
        assert_eq!(request.form, crate::host_check::CheckForm::Json);
    }
    assert_eq!(exit("-v check", "").code, 0);
    let end = exit("check --jason", "");
    assert_eq!(end.code, 1);
    assert!(end.stderr.starts_with("nats-server: check: unknown argument"), "{}", end.stderr);
}

#[test]
fn words_print_what_documents_the_command_line() {
    let shown = |line: &str| exit(line, "");
    for line in ["options", "options --json", "man", "completions bash", "completions fish"] {
        let Exit { code, stdout, stderr } = shown(line);
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
        assert!(stdout.contains("max_payload") || line.starts_with("completions"), "{line}");
        assert!(stdout.contains("ports_file_dir"), "{line}");
    }
    for (line, said) in [
        ("options --yaml", "usage: corewire options [--json]"),
        ("man extra", "usage: corewire man"),
        ("completions", "usage: corewire completions bash|zsh|fish"),
        ("completions tcsh", "unknown shell \"tcsh\""),
    ] {
        let Exit { code, stderr, .. } = shown(line);
        assert_eq!(code, 1, "{line}");
        assert!(stderr.contains(said), "{line}: {stderr}");
    }
}
