//! What a user may publish, subscribe to and answer: rows P01 to P06.

use harness::Signal;

use crate::visitor::{Visitor, one_core};

fn server(permissions: &str) -> harness::Server {
    one_core(&format!(
        "authorization {{ users: [ {{ user: ann, password: a, permissions: {permissions} }}, \
         {{ user: bob, password: b }} ] }}"
    ))
}

#[test]
fn p01_what_is_not_allowed_is_refused_with_its_text_and_the_connection_stays() {
    let server = server(r#"{ publish: { allow: ["a.*"], deny: "a.x" }, subscribe: "s.>" }"#);
    let mut ann = Visitor::named(&server, "ann", "a");
    assert!(ann.publishes("a.b").is_empty());
    for subject in ["a.x", "b", "a.b.c"] {
        let text = format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'");
        assert_eq!(ann.publishes(subject), [text]);
    }
    assert!(ann.tells("SUB s.a 1").is_empty());
    let refused = ann.tells("SUB t 2");
    assert_eq!(refused, ["-ERR 'Permissions Violation for Subscription to \"t\"'"]);
    let refused = ann.tells("SUB t q 3");
    let text = "-ERR 'Permissions Violation for Subscription to \"t\" using queue \"q\"'";
    assert_eq!(refused, [text]);
    server.wait_for_log(" - \"$G/user:ann\" - Publish Violation - Subject \"a.x\"");
    server.wait_for_log("Subscription Violation - Subject \"t\", SID 2");
    server.wait_for_log("Subscription Violation - Subject \"t\", Queue: \"q\", SID 3");
}

#[test]
fn p02_a_wildcard_over_a_denial_is_filtered_message_by_message() {
    let server = server(r#"{ subscribe: { deny: ["a.secret", "b.>"] } }"#);
    let mut ann = Visitor::named(&server, "ann", "a");
    let mut bob = Visitor::named(&server, "bob", "b");
    assert!(ann.tells("SUB a.* 1\r\nSUB > 2").is_empty());
    for subject in ["a.secret", "a.open", "b.c", "b.c.d", "c"] {
        assert!(bob.publishes(subject).is_empty());
    }
    let heard = ann.tells("");
    let lines: Vec<&str> = heard.iter().map(String::as_str).filter(|l| !l.is_empty()).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.contains(&"MSG a.open 1 0") && lines.contains(&"MSG a.open 2 0"));
    assert!(lines.contains(&"MSG c 2 0"));
}

#[test]
fn p03_an_entry_with_a_queue_is_for_that_queue() {
    let server = server(r#"{ subscribe: { allow: ["foo v1", "bar"], deny: "bar v2.*" } }"#);
    let mut ann = Visitor::named(&server, "ann", "a");
    for (line, fine) in [
        ("SUB foo v1 1", true),
        ("SUB foo v2 2", false),
        ("SUB foo 3", false),
        ("SUB bar 4", true),
        ("SUB bar any 5", true),
        ("SUB bar v2.x 6", false),
    ] {
        assert_eq!(ann.tells(line).is_empty(), fine, "{line}");
    }
}

#[test]
fn p04_an_answer_may_be_published_once_to_whom_asked() {
    let server = server(r#"{ subscribe: "q", allow_responses: true }"#);
    let mut ann = Visitor::named(&server, "ann", "a");
    let mut bob = Visitor::named(&server, "bob", "b");
    assert!(ann.tells("SUB q 1").is_empty());
    assert_eq!(ann.publishes("inbox").len(), 1, "nobody asked");
    assert!(bob.tells("SUB inbox 1\r\nPUB q inbox 0\r\n").is_empty());
    assert_eq!(ann.tells(""), ["MSG q 1 inbox 0", ""]);
    assert!(ann.publishes("inbox").is_empty());
    assert_eq!(bob.tells(""), ["MSG inbox 1 0", ""]);
    assert_eq!(ann.publishes("inbox").len(), 1, "once");
}

#[test]
fn p01_an_empty_list_of_what_is_allowed_restricts_nothing() {
    for permissions in ["{ publish: [] }", "{ publish: { allow: [], deny: b } }"] {
        let server = server(permissions);
        let mut ann = Visitor::named(&server, "ann", "a");
        assert!(ann.publishes("a").is_empty(), "{permissions}");
    }
    let server = server("{ publish: { allow: [] }, allow_responses: true }");
    let mut ann = Visitor::named(&server, "ann", "a");
    assert_eq!(ann.publishes("a").len(), 1, "answers are all that it may publish");
}

#[test]
fn p01_the_right_to_publish_is_looked_at_before_the_reply() {
    let server = server("{ publish: { deny: a } }");
    let mut ann = Visitor::named(&server, "ann", "a");
    let refused = ann.tells("PUB a _R_.x.y 0\r\n");
    assert_eq!(refused, ["-ERR 'Permissions Violation for Publish to \"a\"'"]);
    let refused = ann.tells("PUB b _R_.x.y 0\r\n");
    assert_eq!(refused, ["-ERR 'Permissions Violation for Publish with Reply of \"_R_.x.y\"'"]);
    server.wait_for_log(" - \"$G/user:ann\" - Publish Violation - Reply \"_R_.x.y\"");
}

#[test]
fn p05_users_without_permissions_have_the_default_ones() {
    let server = one_core(
        "authorization { default_permissions: { publish: a }, users: [ {user: ann, password: a}, \
         {user: bob, password: b, permissions: { publish: b }} ] }",
    );
    let mut ann = Visitor::named(&server, "ann", "a");
    let mut bob = Visitor::named(&server, "bob", "b");
    assert!(ann.publishes("a").is_empty() && !ann.publishes("b").is_empty());
    assert!(bob.publishes("b").is_empty() && !bob.publishes("a").is_empty());
}

#[test]
fn p06_a_reload_ends_what_is_no_longer_allowed() {
    let config = |subscribe: &str| {
        format!(
            "authorization {{ users: [ {{ user: ann, password: a, permissions: \
             {{ subscribe: {subscribe}, publish: {subscribe} }} }}, \
             {{ user: bob, password: b }} ] }}"
        )
    };
    let server = one_core(&config("[a, b]"));
    let mut ann = Visitor::named(&server, "ann", "a");
    let mut bob = Visitor::named(&server, "bob", "b");
    assert!(ann.tells("SUB a 1\r\nSUB b 2").is_empty());
    std::fs::write(server.folder().join("server.conf"), config("[b]")).expect("writes");
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    let told = ann.tells("");
    assert_eq!(told, ["-ERR 'Permissions Violation for Subscription to \"a\" (sid \"1\")'"]);
    server.wait_for_log("] Removed sub \"a\" (sid \"1\") for User \"ann\" - not authorized");
    bob.publishes("a");
    bob.publishes("b");
    assert_eq!(ann.tells(""), ["MSG b 2 0", ""]);
    assert!(!ann.publishes("a").is_empty() && ann.publishes("b").len() <= 2);
}
