//! What nats-server 2.9.10 accepts and refuses as CONNECT, and what a log may show of it.

use super::*;

fn decode(json: &[u8]) -> Result<Connect, ConnectError> {
    Connect::decode_over(&Connect::default(), json)
}

#[test]
fn what_is_left_out_stays_as_it_was() {
    assert_eq!(decode(b"{}"), Ok(Connect::default()));
    assert_eq!(decode(b"null"), Ok(Connect::default()));
    let first = decode(br#"{"verbose":false,"name":"x","headers":true}"#).unwrap();
    assert!(!first.verbose && first.pedantic && first.echo && first.headers);
    let second = Connect::decode_over(&first, br#"{"name":"y"}"#).unwrap();
    assert_eq!(second, Connect { name: "y".into(), ..first });
}

#[test]
fn every_key_is_taken() {
    let json = br#"{"verbose":false,"pedantic":false,"echo":false,"tls_required":true,
        "headers":true,"no_responders":true,"protocol":1,"auth_token":"a","user":"b","pass":"c",
        "name":"d","lang":"e","version":"f","nkey":"g","jwt":"h","sig":"i","account":"j",
        "new_account":true,"proxy_sig":"k","unknown":{"a":[1,{"b":null}]}}"#;
    let expected = Connect {
        verbose: false,
        pedantic: false,
        echo: false,
        tls_required: true,
        headers: true,
        no_responders: true,
        protocol: 1,
        auth_token: "a".into(),
        user: "b".into(),
        pass: "c".into(),
        name: "d".into(),
        lang: "e".into(),
        version: "f".into(),
        nkey: "g".into(),
        jwt: "h".into(),
        sig: "i".into(),
        account: "j".into(),
        new_account: true,
        proxy_sig: "k".into(),
    };
    assert_eq!(decode(json), Ok(expected));
}

#[test]
fn accepts_what_nats_server_accepts() {
    // Each leaves `verbose` false.
    let nested = format!("{{\"a\":{}{},\"verbose\":false}}", "[".repeat(2000), "]".repeat(2000));
    let accepted: &[&[u8]] = &[
        br#"{"VERBOSE":false}"#,
        br#"{"verbose":true,"Verbose":false}"#,
        br#"{"ver\u0062ose":false}"#,
        "{\"verbo\u{17f}e\":false}".as_bytes(),
        br#"  {"verbose":false}  "#,
        br#"{"verbose":false,"verbose":null,"name":null,"protocol":null}"#,
        br#"{"verbose":false,"a":1e999}"#,
        b"{\"verbose\":false,\"name\":\"\xff\"}",
        br#"{"verbose":false,"name":"\ud800"}"#,
        br#"{"verbose":false,"name":"a\u0000"}"#,
        br#"{"verbose":false,"account":""}"#,
        nested.as_bytes(),
    ];
    for json in accepted {
        let connect =
            decode(json).unwrap_or_else(|error| panic!("{error}: {}", json.escape_ascii()));
        assert!(!connect.verbose, "{}", json.escape_ascii());
    }
    assert_eq!(decode(b"{\"name\":\"a\xffb\"}").unwrap().name, "a\u{fffd}b");
    assert_eq!(decode(br#"{"protocol":-1}"#).unwrap().protocol, -1);
}

#[test]
fn refuses_what_nats_server_refuses() {
    let malformed: &[&str] = &[
        "",
        "\r",
        "{",
        "{}x",
        "{} {}",
        "{\"verbose\":false,}",
        "{'verbose':false}",
        "{\"a\":01}",
        "\u{feff}{}",
        "{\"name\":\"\x01\"}",
        "{\"\t\":1}",
        "{\"a\":\"\n\"}",
        "{\"a\"}",
        "}",
    ];
    for json in malformed {
        assert_eq!(decode(json.as_bytes()), Err(ConnectError::Malformed), "{json}");
    }
    let wrong: &[&str] = &[
        "[]",
        "5",
        "true",
        "\"x\"",
        r#"{"verbose":0}"#,
        r#"{"verbose":"false"}"#,
        r#"{"protocol":1.0}"#,
        r#"{"protocol":1e0}"#,
        r#"{"protocol":"1"}"#,
        r#"{"protocol":99999999999999999999}"#,
        r#"{"name":5}"#,
        r#"{"name":{}}"#,
        r#"{"version":[]}"#,
        r#"{"lang":false}"#,
        r#"{"headers":1}"#,
        r#"{"jwt":1}"#,
        r#"{"name":[97,98]}"#,
    ];
    for json in wrong {
        assert_eq!(decode(json.as_bytes()), Err(ConnectError::WrongType), "{json}");
    }
}

#[test]
fn secrets_are_redacted_and_nothing_else() {
    let cases = [
        (
            r#"{"user":"u","pass":"p","auth_token": "t","sig":"s","nkey" : "n","proxy_sig":"x"}"#,
            concat!(
                r#"{"user":"u","pass":"[REDACTED]","auth_token": "[REDACTED]","sig":"[REDACTED]","#,
                r#""nkey" : "[REDACTED]","proxy_sig":"[REDACTED]"}"#
            ),
        ),
        (r#"{"PASS":"a","p\u0061ss":"b"}"#, r#"{"PASS":"[REDACTED]","p\u0061ss":"[REDACTED]"}"#),
        (r#"{"pass":"a\"b\\","user":"u"}"#, r#"{"pass":"[REDACTED]","user":"u"}"#),
        (r#"{"pass":5,"user":"u"}"#, r#"{"pass":"[REDACTED]","user":"u"}"#),
        (r#"{"pass":["a",{"b":1}],"user":"u"}"#, r#"{"pass":"[REDACTED]","user":"u"}"#),
        (r#"{"pass":["a","b"}"#, r#"{"pass":"[REDACTED]""#),
        (r#"{"pass":"unfinished"#, r#"{"pass":"[REDACTED]""#),
        (r#"{"pass":"#, r#"{"pass":"[REDACTED]""#),
        (r#"{"name":"pass","jwt":"j"}"#, r#"{"name":"pass","jwt":"j"}"#),
        (r#"{"name":"x"#, r#"{"name":"x"#),
    ];
    for (json, expected) in cases {
        assert_eq!(redacted(json.as_bytes()), expected);
    }
}
