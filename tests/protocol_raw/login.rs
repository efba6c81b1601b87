//! Who may come in: row A01, and the part of C15 that concerns it.

use harness::{Raw, Server};

/// Says CONNECT with these credentials, then PING.
fn greet(server: &Server, credentials: &str) -> Raw {
    let mut raw = server.connect();
    raw.send(&format!("CONNECT {{\"verbose\":false,{credentials}}}\r\nPING"));
    raw
}

#[track_caller]
fn assert_admitted(server: &Server, credentials: &str) {
    greet(server, credentials).expect("PONG\r\n");
}

#[track_caller]
fn assert_refused(server: &Server, credentials: &str) {
    let mut raw = greet(server, credentials);
    raw.expect_error("Authorization Violation");
    raw.expect_eof();
}

#[test]
fn a01_without_authentication_any_credentials_will_do() {
    let server = Server::start(&[]);
    assert_eq!(server.connect().info().get("auth_required"), None);
    assert_admitted(&server, r#""user":"anybody","pass":"anything""#);
    assert_admitted(&server, r#""auth_token":"any""#);
}

#[test]
fn a01_one_user_by_flags_or_file() {
    let file = "authorization { user: ann, password: one }";
    for server in [Server::start(&["--user", "ann", "--pass", "one"]), Server::with_config(file)] {
        assert_admitted(&server, r#""user":"ann","pass":"one""#);
        assert_refused(&server, r#""user":"ann","pass":"two""#);
        assert_refused(&server, r#""user":"bob","pass":"one""#);
        assert_refused(&server, r#""user":"ann""#);
        assert_refused(&server, r#""auth_token":"one""#);
    }
}

#[test]
fn a01_each_of_several_users_has_an_own_password() {
    let server = Server::with_config(
        "authorization { users: [ { user: ann, password: one }, { user: bob, pass: two } ] }",
    );
    assert_admitted(&server, r#""user":"ann","pass":"one""#);
    assert_admitted(&server, r#""user":"bob","pass":"two""#);
    assert_refused(&server, r#""user":"ann","pass":"two""#);
    assert_refused(&server, r#""user":"cat","pass":"one""#);
    assert_refused(&server, r#""name":"nobody""#);
}

#[test]
fn c15_a_second_connect_authenticates_again() {
    let server = Server::with_config("authorization { user: ann, password: one }");
    let mut raw = greet(&server, r#""user":"ann","pass":"one""#);
    raw.expect("PONG\r\n");
    raw.send(r#"CONNECT {"verbose":false,"user":"ann","pass":"two"}"#);
    raw.expect_error("Authorization Violation");
    raw.expect_eof();
}
