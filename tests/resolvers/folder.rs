//! A folder of all accounts: `resolver { type: full }`, and what tools such as nsc ask of it.

use std::fs;

use harness::Server;
use security::jwt::Claims;
use serde_json::Value;

use crate::operator::{Account, Operator, ask, ask_json, now_s, push};

/// A server with a folder of all accounts, which lies in the server's own folder.
pub fn full(operator: &Operator, more: &str) -> Server {
    let builder = Server::builder().cores(2);
    let dir = builder.folder().join("jwt");
    let resolver = format!("resolver {{ type: full, dir: \"{}\", {more} }}", dir.display());
    builder.config(&operator.config(&resolver)).start()
}

fn error(answer: &Value) -> &str {
    assert_eq!(answer["error"]["code"], 500, "{answer}");
    answer["error"]["description"].as_str().expect("words")
}

#[test]
fn n11_accounts_are_pushed_listed_looked_up_and_pulled() {
    let operator = Operator::new();
    let server = full(&operator, "");
    let mut system = operator.system.user().enters(&server);
    let account = Account::new();
    let user = account.user();
    assert!(!user.is_let_in(&server), "nobody has heard of the account");
    let (name, token) = (account.name(), operator.token(&account));
    let lookup = format!("$SYS.REQ.ACCOUNT.{name}.CLAIMS.LOOKUP");
    assert_eq!(ask(&mut system, &lookup, ""), "");
    let answer = ask_json(&mut system, "$SYS.REQ.CLAIMS.UPDATE", &token);
    let data = &answer["data"];
    assert_eq!((&data["account"], &data["code"]), (&name.as_str().into(), &200.into()));
    assert_eq!(data["message"], "jwt updated");
    assert!(answer["server"]["id"].as_str().is_some_and(|id| id.starts_with('N')));
    user.enters(&server);
    assert_eq!(ask(&mut system, &lookup, ""), token);
    for old in ["$SYS.REQ.ACCOUNT", "$SYS.ACCOUNT"] {
        let answer = ask_json(&mut system, &format!("{old}.{name}.CLAIMS.UPDATE"), &token);
        assert_eq!(answer["data"]["message"], "jwt updated", "{answer}");
    }
    let mut both = [name.clone(), operator.system.name()];
    both.sort();
    let listed = ask_json(&mut system, "$SYS.REQ.CLAIMS.LIST", "");
    assert_eq!(listed["data"], serde_json::json!(both));
    assert_eq!(
        fs::read_to_string(server.folder().join(format!("jwt/{name}.jwt"))).expect("a file"),
        token
    );
    // What `nsc pull` asks: every token behind its account, then nothing.
    system.send("SUB packed 5\r\nPUB $SYS.REQ.CLAIMS.PACK packed 0\r\n");
    let next = || String::from_utf8(system.message().1).expect("text");
    let packed: Vec<String> = std::iter::repeat_with(next).take_while(|t| !t.is_empty()).collect();
    assert_eq!(packed.len(), 2);
    assert!(packed.contains(&format!("{name}|{token}")));
}

#[test]
fn n11_what_is_no_token_of_the_operator_is_refused_in_words() {
    let operator = Operator::new();
    let server = full(&operator, "");
    let mut system = operator.system.user().enters(&server);
    let (account, other) = (Account::new(), Account::new());
    let update = "$SYS.REQ.CLAIMS.UPDATE";
    let of = |name: &str| format!("$SYS.REQ.ACCOUNT.{name}.CLAIMS.UPDATE");
    let token = operator.token(&account);
    let foreign = Operator::new().token(&account);
    for (subject, token, why) in [
        (update, "x", "malformed"),
        (&of(&account.name()), "x.y.z", "malformed"),
        (&of(&other.name()), &token, "subject does not match jwt content"),
        (&of("nobody"), &token, "subject does not match jwt content"),
        (update, &foreign, "trusted"),
        (update, &account.user().token, "claims of another kind"),
    ] {
        let answer = ask_json(&mut system, subject, token);
        let said = error(&answer);
        assert!(said.starts_with("jwt update resulted in error - "), "{said}");
        assert!(said.contains(why), "{why}: {said}");
    }
    let listed = ask_json(&mut system, "$SYS.REQ.CLAIMS.LIST", "");
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "the system account alone");
    // Only the system account is heard.
    let mut user = {
        push(&mut system, &operator, &account);
        account.user().enters(&server)
    };
    user.send(&format!("SUB a 1\r\nPUB {update} a {}\r\n{token}", token.len()));
    assert!(user.message().0.starts_with("HMSG a 1 "), "no responders");
}

#[test]
fn n11_accounts_are_deleted_where_the_operator_lets_it() {
    let operator = Operator::new();
    let delete = "$SYS.REQ.CLAIMS.DELETE";
    let account = Account::new();
    let deletion = operator.deletion(&[account.name()]);
    for (more, suffix) in [
        ("allow_delete: true", Some("jwt.deleted")),
        ("allow_delete: true, hard_delete: true", None),
        ("", Some("jwt")),
    ] {
        let server = full(&operator, more);
        let mut system = operator.system.user().enters(&server);
        push(&mut system, &operator, &account);
        let mut user = account.user().enters(&server);
        for (token, why) in [
            ("x".to_owned(), "malformed"),
            (operator.token(&account), "not self signed"),
            (Operator::new().deletion(&[account.name()]), "not trusted"),
        ] {
            let answer = ask_json(&mut system, delete, &token);
            assert!(error(&answer).contains(why), "{answer}");
        }
        let answer = ask_json(&mut system, delete, &deletion);
        let file = |suffix: &str| {
            server.folder().join(format!("jwt/{}.{suffix}", account.name())).exists()
        };
        assert_eq!(["jwt", "jwt.deleted"].into_iter().find(|suffix| file(suffix)), suffix);
        if more.is_empty() {
            assert!(error(&answer).contains("delete must be enabled in server config"), "{answer}");
            user.ping();
            continue;
        }
        assert_eq!(answer["data"]["message"], "deleted 1 accounts", "{answer}");
        user.expect_error("Authorization Violation");
        user.expect_eof();
        assert!(!account.user().is_let_in(&server));
        let again = ask_json(&mut system, delete, &deletion);
        assert!(error(&again).contains("failed for 1"), "{again}");
    }
}

#[test]
fn no_name_in_a_token_reaches_a_file_outside_the_folder() {
    let operator = Operator::new();
    let server = full(&operator, "allow_delete: true, hard_delete: true");
    let mut system = operator.system.user().enters(&server);
    let outside = server.folder().join("outside.jwt");
    fs::write(&outside, "precious").expect("written");
    let absolute = server.folder().join("outside").display().to_string();
    for name in ["../outside", "./../outside", "..", "x/../../outside", &absolute] {
        // The operator itself has signed both.
        let deletion = operator.deletion(&[name.to_owned()]);
        let answer = ask_json(&mut system, "$SYS.REQ.CLAIMS.DELETE", &deletion);
        assert!(error(&answer).contains("failed for 1"), "{answer}");
        let claims = Claims::new(name, Account::new().claims);
        let token = claims.encode(&operator.key, now_s()).expect("an operator's key");
        let answer = ask_json(&mut system, "$SYS.REQ.CLAIMS.UPDATE", &token);
        assert!(error(&answer).contains("subject does not match jwt content"), "{answer}");
    }
    assert_eq!(fs::read_to_string(&outside).expect("it is still there"), "precious");
    let inside = fs::read_dir(server.folder().join("jwt")).expect("a folder");
    assert_eq!(inside.count(), 1, "the system account alone");
}

#[test]
fn n11_what_is_in_the_folder_is_known_after_a_restart_and_what_is_broken_is_named() {
    let operator = Operator::new();
    let (good, broken) = (Account::new(), Account::new());
    let builder = Server::builder();
    let dir = builder.folder().join("jwt");
    fs::create_dir(&dir).expect("a folder");
    let file = |account: &Account| dir.join(format!("{}.jwt", account.name()));
    fs::write(file(&good), operator.token(&good)).expect("written");
    let half = operator.token(&broken);
    fs::write(file(&broken), &half[..half.len() - 9]).expect("written");
    fs::write(dir.join("..jwt"), "x").expect("written");
    let resolver = format!("resolver {{ type: full, dir: \"{}\" }}", dir.display());
    let server = builder.config(&operator.config(&resolver)).start();
    good.user().enters(&server);
    assert!(!broken.user().is_let_in(&server));
    for name in [broken.name(), "..jwt".to_owned()] {
        let line = server.wait_for_log(&name);
        assert!(line.contains("[ERR]"), "{line}");
    }
    assert!(file(&operator.system).exists(), "what is preloaded is kept, too");
}

#[test]
fn n12_only_pinned_accounts_come_in() {
    let operator = Operator::new();
    let (pinned, other) = (Account::new(), Account::new());
    let builder = Server::builder();
    let dir = builder.folder().join("jwt").display().to_string();
    let config = operator.config(&format!(
        "resolver {{ type: full, dir: \"{dir}\" }}\nresolver_pinned_accounts: [{}]",
        pinned.name()
    ));
    let server = builder.config(&config).args(&["-D"]).start();
    let mut system = operator.system.user().enters(&server);
    for account in [&pinned, &other] {
        push(&mut system, &operator, account);
    }
    assert!(pinned.user().is_let_in(&server));
    assert!(!other.user().is_let_in(&server));
    server.wait_for_log("not listed as operator pinned account");
}
