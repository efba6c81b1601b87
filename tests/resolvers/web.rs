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

impl Web {
    fn new() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/jwt/v1/accounts/", listener.local_addr().expect("bound"));
        let pages: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let known = Arc::clone(&pages);
        // It ends with the process: nothing waits for it.
        std::thread::spawn(move || {
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

    fn has(&self, name: String, token: String) {
        self.pages.lock().expect("nobody panics").push((name, token));
    }
}

#[test]
fn n10_accounts_come_from_the_web_when_they_are_used() {
    let operator = Operator::new();
    let web = Web::new();
    web.has(operator.system.name(), operator.token(&operator.system));
    let resolver = format!("resolver: URL({})", web.url);
    let server = Server::with_config(&operator.config_without_preload(&resolver));
    let (account, forged) = (Account::new(), Account::new());
    assert!(!account.user().is_let_in(&server));
    web.has(account.name(), operator.token(&account));
    web.has(forged.name(), Operator::new().token(&forged));
    account.user().enters(&server);
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
