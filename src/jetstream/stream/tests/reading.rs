//! MSG.GET and direct get: what is found, and the exact words when nothing is.

use storage::Waiter;

use super::*;

fn filled() -> Rig {
    let mut rig = Rig::new(r#""allow_direct":true"#);
    for (subject, headers, payload) in
        [("s.a", "", "1"), ("s.b", "X: y", "2"), ("s.a", "", "3"), ("s.b", "", "4")]
    {
        rig.publish(subject, headers, payload);
        rig.now.wall_ns += SECOND;
    }
    rig
}

/// What a direct get answers: headers and payload of each message.
fn direct(rig: &mut Rig, last_of: Option<&str>, body: &str) -> Vec<(String, String)> {
    let before = rig.out.sent.len();
    let last_of = last_of.map(str::as_bytes);
    rig.with(|stream, turn| stream.direct_get(last_of, b"reply", b"", body.as_bytes(), turn));
    let sent = &rig.out.sent[before..];
    assert!(sent.iter().all(|sent| sent.subject == "reply"));
    sent.iter().map(|sent| (sent.headers.clone(), sent.payload.clone())).collect()
}

fn status(rig: &mut Rig, last_of: Option<&str>, body: &str) -> String {
    let answers = direct(rig, last_of, body);
    assert_eq!(answers.len(), 1, "{body}: {answers:?}");
    assert_eq!(answers[0].1, "");
    answers[0].0.trim_end().to_owned()
}

#[test]
fn one_message_comes_with_its_origin() {
    let mut rig = filled();
    let expected = "NATS/1.0\r\nX: y\r\nNats-Stream: S\r\nNats-Subject: s.b\r\nNats-Sequence: 2\r\n\
                    Nats-Time-Stamp: 2023-11-14T22:13:21Z\r\n\r\n";
    let answers = direct(&mut rig, None, r#"{"seq":2}"#);
    assert_eq!(answers, [(expected.to_owned(), "2".to_owned())]);
    let payload = |answers: Vec<(String, String)>| answers[0].1.clone();
    assert_eq!(payload(direct(&mut rig, None, r#"{"last_by_subj":"s.a"}"#)), "3");
    assert_eq!(payload(direct(&mut rig, Some("s.b"), "")), "4");
    assert_eq!(payload(direct(&mut rig, None, r#"{"next_by_subj":"s.a","seq":2}"#)), "3");
    assert_eq!(payload(direct(&mut rig, None, r#"{"start_time":"2023-11-14T22:13:21.5Z"}"#)), "3");
    let bare = direct(&mut rig, None, r#"{"seq":2,"no_hdr":true}"#);
    assert_eq!(bare, [(String::new(), "2".to_owned())]);
    assert_eq!(direct(&mut rig, Some("s.b"), r#"{"no_hdr":true}"#)[0].0, "");
}

#[test]
fn what_cannot_be_answered_is_said_in_a_status() {
    let mut rig = filled();
    let table = [
        (None, "", "NATS/1.0 408 Empty Request"),
        (None, "{", "NATS/1.0 408 Malformed Request"),
        (None, "[]", "NATS/1.0 408 Malformed Request"),
        (None, "{}", "NATS/1.0 408 Empty Request"),
        (None, r#"{"batch":3}"#, "NATS/1.0 408 Empty Request"),
        (None, r#"{"seq":1,"last_by_subj":"s.a"}"#, "NATS/1.0 408 Bad Request"),
        (None, r#"{"last_by_subj":"s.a","batch":2}"#, "NATS/1.0 408 Bad Request"),
        (None, r#"{"multi_last":["s.a"],"last_by_subj":"s.a"}"#, "NATS/1.0 408 Bad Request"),
        (Some("s.a"), r#"{"seq":1}"#, "NATS/1.0 408 Bad Request"),
        (None, r#"{"seq":9}"#, "NATS/1.0 404 Message Not Found"),
        (Some("s.c"), "", "NATS/1.0 404 Message Not Found"),
        (None, r#"{"multi_last":["s.c"]}"#, "NATS/1.0 404 No Results"),
    ];
    for (last_of, body, expected) in table {
        assert_eq!(status(&mut rig, last_of, body), expected, "{body}");
    }
    let before = rig.out.sent.len();
    let headers = block("Nats-Required-Api-Level: 99");
    rig.with(|stream, turn| {
        stream.direct_get(None, b"reply", headers.as_bytes(), br#"{"seq":1}"#, turn);
    });
    assert_eq!(rig.out.sent[before].headers, "NATS/1.0 412 Required Api Level\r\n\r\n");
    for number in 0..1025 {
        rig.publish(&format!("s.m.{number}"), "", "");
    }
    let body = r#"{"multi_last":["s.m.>"]}"#;
    assert_eq!(status(&mut rig, None, body), "NATS/1.0 413 Too Many Results");
}

#[test]
fn a_batch_counts_down_and_ends() {
    let mut rig = filled();
    let answers = direct(&mut rig, None, r#"{"seq":1,"batch":2,"next_by_subj":"s.>"}"#);
    let payloads: Vec<_> = answers.iter().map(|(_, payload)| &**payload).collect();
    assert_eq!(payloads, ["1", "2", ""]);
    assert!(answers[0].0.ends_with("Nats-Num-Pending: 3\r\nNats-Last-Sequence: 0\r\n\r\n"));
    assert!(answers[1].0.ends_with("Nats-Num-Pending: 2\r\nNats-Last-Sequence: 1\r\n\r\n"));
    assert_eq!(
        answers[2].0,
        "NATS/1.0 204 EOB\r\nNats-Num-Pending: 2\r\nNats-Last-Sequence: 2\r\n\r\n"
    );
    let answers = direct(&mut rig, None, r#"{"seq":1,"batch":9,"max_bytes":1}"#);
    assert_eq!(answers.len(), 2, "the first message goes over the bytes");
}

#[test]
fn the_last_of_many_subjects_come_in_order() {
    let mut rig = filled();
    let answers = direct(&mut rig, None, r#"{"multi_last":["s.a","s.b"]}"#);
    let payloads: Vec<_> = answers.iter().map(|(_, payload)| &**payload).collect();
    assert_eq!(payloads, ["3", "4", ""]);
    assert!(answers[0].0.ends_with("Nats-Num-Pending: 1\r\nNats-Last-Sequence: 0\r\n\r\n"));
    assert_eq!(
        answers[2].0,
        "NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 4\r\n\
         Nats-UpTo-Sequence: 4\r\n\r\n"
    );
    let answers = direct(&mut rig, None, r#"{"multi_last":["s.>"],"up_to_seq":2}"#);
    assert_eq!((&*answers[0].1, &*answers[1].1), ("1", "2"));
    let answers =
        direct(&mut rig, None, r#"{"multi_last":["s.>"],"up_to_time":"2023-11-14T22:13:22.5Z"}"#);
    assert_eq!((&*answers[0].1, &*answers[1].1), ("2", "3"));
}

#[test]
fn a_message_can_be_had_as_json() {
    let mut rig = filled();
    let mut get = |request: MessageGetRequest| {
        let found = rig.stream.message_get(&request, &mut rig.storage, Waiter(0));
        found.map(|found| serde_json::to_string(&found.unwrap()).unwrap()).map_err(|e| e.err_code)
    };
    let request = MessageGetRequest::default;
    assert_eq!(
        get(MessageGetRequest { seq: 2, ..request() }).unwrap(),
        concat!(
            r#"{"message":{"subject":"s.b","seq":2,"hdrs":"TkFUUy8xLjANClg6IHkNCg0K","#,
            r#""data":"Mg==","time":"2023-11-14T22:13:21Z"}}"#
        )
    );
    let last = MessageGetRequest { last_by_subj: "s.*".to_owned(), ..request() };
    assert!(get(last).unwrap().contains(r#""seq":4"#));
    let next = MessageGetRequest { next_by_subj: "s.a".to_owned(), seq: 2, ..request() };
    assert!(get(next).unwrap().contains(r#""seq":3"#));
    let after = WireTime::from_wall_ns(START_NS + 1);
    let by_time = MessageGetRequest { start_time: Some(after), ..request() };
    assert!(get(by_time).unwrap().contains(r#""seq":2"#));
    assert_eq!(get(MessageGetRequest { seq: 9, ..request() }), Err(10037));
    assert_eq!(get(request()), Err(10003));
    let both = MessageGetRequest { seq: 1, last_by_subj: "s.a".to_owned(), ..request() };
    assert_eq!(get(both), Err(10003));
}
