//! A folder of the accounts that were used: `resolver { type: cache }`, which asks in the system
//! account for what it lacks.

use harness::{Raw, Server};

use crate::operator::{Account, Operator, ask_json};

fn cache(operator: &Operator, more: &str) -> Server {
    let builder = Server::builder().cores(2);
    let dir = builder.folder().join("jwt");
    let resolver = format!("resolver {{ type: cache, dir: \"{}\", {more} }}", dir.display());
    builder.config(&operator.config(&resolver)).start()
}

/// Answers one question for a token.
fn answer(system: &mut Raw, token: &str) {
    let (line, _) = system.message();
    let words: Vec<&str> = line.split(' ').collect();
    let ["MSG", subject, _, reply, _] = words[..] else { panic!("no question: {line}") };
    assert!(subject.ends_with(".CLAIMS.LOOKUP"), "{line}");
    system.publish(reply, token);
}

#[test]
fn n11_a_cache_asks_the_system_account_and_remembers() {
    let operator = Operator::new();
    let server = cache(&operator, "timeout: \"5s\"");
    let mut system = operator.system.user().enters(&server);
    let account = Account::new();
    assert!(!account.user().is_let_in(&server), "nobody could be asked");
    system.send("SUB $SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP 7");
    system.ping();
    let user = account.user();
    let mut waiting = user.says(&server);
    answer(&mut system, &operator.token(&account));
    waiting.expect("PONG");
    let listed = ask_json(&mut system, "$SYS.REQ.CLAIMS.LIST", "");
    let names = listed["data"].as_array().expect("a list");
    assert!(names.contains(&account.name().into()), "{listed}");
    user.enters(&server);
    // Whoever answers with nothing has none.
    let stranger = Account::new().user();
    let mut refused = stranger.says(&server);
    answer(&mut system, "");
    refused.expect_error("Authorization Violation");
    // What is not cached is not kept.
    let update = "$SYS.REQ.CLAIMS.UPDATE";
    let other = Account::new();
    let skipped = ask_json(&mut system, update, &operator.token(&other));
    assert_eq!(skipped["data"]["message"], "jwt update cache skipped", "{skipped}");
    let updated = ask_json(&mut system, update, &operator.token(&account));
    assert_eq!(updated["data"]["message"], "jwt updated cache", "{updated}");
}
