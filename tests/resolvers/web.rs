//! A resolver on the web: row N10.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use harness::Server;

use crate::operator::{Account, Operator, ask_json};

/// A web server that has these tokens, for as long as the test runs.
struct Web {
    url: String,
    pages: Arc<Mutex<Vec<(String, String)>>>,
}

/// What is said of an account that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// That it is not.
    Told,
    /// Nothing, for as long as the test runs.
    Silence,
}

impl Web {
    fn new(unknown: Unknown) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/jwt/v1/accounts/", listener.local_addr().expect("bound"));
        let pages: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let known = Arc::clone(&pages);
        // It ends with the process: nothing waits for it.
        std::thread::spawn(move || {
            let mut left_waiting = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let mut first = String::new();
                if reader.read_line(&mut first).is_err() {
                    continue;
                }
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    line.clear();
                }
                let path = first.split(' ').nth(1).unwrap_or_default();
                let last = path.rsplit('/').next().unwrap_or_default();
                let pages = known.lock().expect("nobody panics");
                let page = pages.iter().find(|(name, _)| name == last);
                if page.is_none() && !last.is_empty() && unknown == Unknown::Silence {
                    left_waiting.push(reader);
                    continue;
                }
                let (status, body) = match page {
                    Some((_, token)) => ("200 OK", token.as_str()),
                    None if last.is_empty() => ("200 OK", ""),
                    None => ("404 Not Found", ""),
                };
                let len = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n");
                let answer = format!("{head}Connection: close\r\n\r\n{body}");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Web { url, pages }
    }

    fn forget_all(&self) {
        self.pages.lock().expect("nobody panics").clear();
    }

    fn has(&self, name: String, token: String) {
        self.pages.lock().expect("nobody panics").push((name, token));
    }
}

#[test]
fn n10_accounts_come_from_the_web_when_they_are_used() {
    let operator = Operator::new();
    let web = Web::new(Unknown::Told);
    web.has(operator.system.name(), operator.token(&operator.system));
    let resolver = format!("resolver: URL({})", web.url);
    let server = Server::with_config(&operator.config_without_preload(&resolver));
    let (account, forged) = (Account::new(), Account::new());
    assert!(!account.user().is_let_in(&server));
    web.has(account.name(), operator.token(&account));
    web.has(forged.name(), Operator::new().token(&forged));
    // That nobody had it counts for a moment; then it is asked for again.
    harness::until("the account is asked for again", || {
        account.user().is_let_in(&server).then_some(())
    });
    assert!(!forged.user().is_let_in(&server));
    // It hears of those that it has, and of no others.
    let mut system = operator.system.user().enters(&server);
    let mut push = |account: &Account| {
        let subject = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE", account.name());
        let answer = ask_json(&mut system, &subject, &operator.token(account));
        answer["data"]["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(push(&account), "jwt updated");
    assert_eq!(push(&Account::new()), "jwt update skipped");
}

#[test]
fn names_that_strangers_make_up_keep_nobody_waiting() {
    let operator = Operator::new();
    let web = Web::new(Unknown::Silence);
    web.has(operator.system.name(), operator.token(&operator.system));
    let account = Account::new();
    web.has(account.name(), operator.token(&account));
    let resolver = format!("resolver: URL({})", web.url);
    let server = Server::with_config(&operator.config_without_preload(&resolver));
    let user = account.user();
    user.enters(&server);
    // Each takes the resolver's whole time, and there are more of them than threads.
    let mut strangers: Vec<_> = (0..8).map(|_| Account::new().user().says(&server)).collect();
    // One after the other these would come much too late.
    for _ in 0..3 {
        user.enters(&server);
    }
    for stranger in &mut strangers {
        stranger.expect_error("Authorization Violation");
    }
}

#[test]
fn a_reload_while_the_resolver_is_silent_keeps_the_accounts_that_are_there() {
    let operator = Operator::new();
    let web = Web::new(Unknown::Silence);
    web.has(operator.system.name(), operator.token(&operator.system));
    let accounts: Vec<Account> = (0..4).map(|_| Account::new()).collect();
    for account in &accounts {
        web.has(account.name(), operator.token(account));
    }
    let pinned = |more: &str| {
        let all = accounts.iter().map(Account::name);
        let names: Vec<String> = all.chain([more.to_owned()]).collect();
        format!("resolver: URL({})\nresolver_pinned_accounts: [{}]", web.url, names.join(","))
    };
    let config = operator.config_without_preload(&pinned(&operator.system.name()));
    let builder = Server::builder().cores(1).monitored().args(&["-D"]);
    let server = builder.config(&config).start();
    let mut inside: Vec<_> = accounts.iter().map(|one| one.user().enters(&server)).collect();
    web.forget_all();
    let config = operator.config_without_preload(&pinned(&Account::new().name()));
    std::fs::write(server.folder().join("server.conf"), config).expect("written");
    server.signal(rustix::process::Signal::HUP);
    server.wait_for_log("Trapped \"hangup\" signal");
    // Monitoring does not wait for it.
    assert_eq!(harness::get(server.monitor(), "/healthz").status, 200);
    let done = "Reloaded server configuration";
    assert!(!server.log_text().contains(done), "the reload is not over yet");
    server.wait_for_log(done);
    for raw in &mut inside {
        raw.ping();
    }
}

#[test]
fn n10_a_resolver_that_does_not_answer_stops_the_start() {
    let operator = Operator::new();
    let folder = harness::Folder::new();
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let config =
        operator.config_without_preload(&format!("port: -1\nresolver: URL(http://{port}/jwt/)"));
    let file = folder.write("server.conf", &config);
    let ended = Server::run_to_end(&["-a", "127.0.0.1", "-c", &file.to_string_lossy()]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("resolver"), "{}", ended.stderr);
}
