//! INFO's key order and its omissions.

use super::*;

fn line(info: &Info) -> String {
    let mut out = Vec::new();
    info.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_plain_server_sends_what_nats_server_sends() {
    // As nats-server 2.9.10 sent it, with a shorter id.
    let expected = "INFO {\"server_id\":\"NB\",\"server_name\":\"NB\",\"version\":\"2.9.10\",\
        \"proto\":1,\"go\":\"go1.19.8\",\"host\":\"0.0.0.0\",\"port\":39271,\"headers\":true,\
        \"max_payload\":1048576,\"client_id\":4,\"client_ip\":\"127.0.0.1\"} \r\n";
    let info = Info {
        server_id: "NB".into(),
        server_name: "NB".into(),
        version: "2.9.10".into(),
        proto: 1,
        go: "go1.19.8".into(),
        host: "0.0.0.0".into(),
        port: 39271,
        headers: true,
        max_payload: 1_048_576,
        client_id: 4,
        client_ip: "127.0.0.1".into(),
        ..Info::default()
    };
    assert_eq!(line(&info), expected);
}

#[test]
fn every_key_in_the_order_of_the_spec() {
    let text = || "x".to_owned();
    let info = Info {
        server_id: text(),
        server_name: text(),
        version: text(),
        proto: 1,
        git_commit: text(),
        go: text(),
        host: text(),
        port: 1,
        headers: true,
        auth_required: true,
        tls_required: true,
        tls_verify: true,
        tls_available: true,
        max_payload: -1,
        jetstream: true,
        client_id: 1,
        client_ip: text(),
        nonce: text(),
        cluster: text(),
        cluster_dynamic: true,
        domain: text(),
        connect_urls: vec![text()],
        ldm: true,
        connect_info: true,
        remote_account: text(),
        acc_is_sys: true,
        api_lvl: 5,
        xkey: text(),
    };
    let line = line(&info);
    // spec/client-protocol.md §2.3, without the keys that plain clients never get.
    let keys = [
        "server_id",
        "server_name",
        "version",
        "proto",
        "git_commit",
        "go",
        "host",
        "port",
        "headers",
        "auth_required",
        "tls_required",
        "tls_verify",
        "tls_available",
        "max_payload",
        "jetstream",
        "client_id",
        "client_ip",
        "nonce",
        "cluster",
        "cluster_dynamic",
        "domain",
        "connect_urls",
        "ldm",
        "connect_info",
        "remote_account",
        "acc_is_sys",
        "api_lvl",
        "xkey",
    ];
    let places: Vec<_> =
        keys.iter().map(|key| line.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted());
    assert_eq!(line.matches("\":").count(), keys.len());
}

#[test]
fn text_is_escaped_as_go_does() {
    let info = Info { server_name: "a<b>&\"\\\u{2028}\u{e9}".into(), ..Info::default() };
    let line = line(&info);
    let expected = "\"server_name\":\"a\\u003cb\\u003e\\u0026\\\"\\\\\\u2028\u{e9}\"";
    assert!(line.contains(expected), "{line}");
}

#[test]
fn a_clients_info_must_be_an_object_or_null() {
    for good in ["{}", " {\"a\":[1,{}]} ", "null"] {
        assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
    }
    for bad in ["", "garbage", "5", "[1]", "{", "{}x", "\"x\""] {
        assert_eq!(check(bad.as_bytes()), Err(InfoError), "{bad}");
    }
}
