//! Messages of one write that differ in their payload only, which the server handles together:
//! each must arrive as if it had come alone. Rows C03, R01, R04.

use harness::{Raw, Server, get};

/// `count` messages of one subject and size, each with its number as payload.
fn alike(verb_and_subject: &str, count: usize) -> String {
    (0..count).map(|number| format!("{verb_and_subject} 3\r\n{number:03}\r\n")).collect()
}

/// The numbers that arrive on `sid` until the PONG.
fn numbers(raw: &mut Raw, line: &str) -> Vec<usize> {
    let number = |payload: &[u8]| std::str::from_utf8(payload).unwrap().parse().unwrap();
    let messages = raw.messages_until_pong();
    messages.iter().filter(|(got, _)| got == line).map(|(_, payload)| number(payload)).collect()
}

#[test]
fn c03_messages_alike_keep_their_order_and_payloads_on_every_core() {
    const COUNT: usize = 1000;
    let server = Server::start(&[]);
    let mut subscribers: Vec<Raw> = (0..4).map(|_| server.quiet()).collect();
    for subscriber in &mut subscribers {
        subscriber.send("SUB a.* 7\r\nSUB done 8");
        subscriber.ping();
    }
    let mut publisher = server.quiet();
    publisher.send_bytes(format!("{}PUB done 0\r\n\r\n", alike("PUB a.b", COUNT)).as_bytes());
    for subscriber in &mut subscribers {
        for number in 0..COUNT {
            let (line, payload) = subscriber.message();
            assert_eq!((line.as_str(), payload), ("MSG a.b 7 3", format!("{number:03}").into()));
        }
        assert_eq!(subscriber.message().0, "MSG done 8 0");
    }
}

#[test]
fn r01_each_goes_to_all_subscriptions_before_the_next() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a.b 1\r\nSUB a.> 2");
    raw.send_bytes(alike("PUB a.b", 3).as_bytes());
    raw.send("PING");
    let got = raw.messages_until_pong();
    let payloads: Vec<&[u8]> = got.iter().map(|(_, payload)| &payload[..]).collect();
    assert_eq!(payloads, [b"000", b"000", b"001", b"001", b"002", b"002"]);
}

#[test]
fn r04_a_subscription_that_is_full_ends_in_their_midst() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1\r\nUNSUB 1 2\r\nSUB a 2");
    raw.send_bytes(alike("PUB a", 5).as_bytes());
    raw.send("PING");
    let got = raw.messages_until_pong();
    let of = |line: &str| got.iter().filter(|(got, _)| got == line).count();
    assert_eq!((of("MSG a 1 3"), of("MSG a 2 3")), (2, 5));
}

#[test]
fn c03_verbose_answers_each_of_them() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":true}"#);
    raw.expect_line("+OK");
    raw.send_bytes(alike("PUB a", 3).as_bytes());
    raw.send("PING");
    for expected in ["+OK", "+OK", "+OK", "PONG"] {
        raw.expect_line(expected);
    }
}

#[test]
fn c03_the_last_may_come_in_pieces() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    let bytes = alike("PUB a", 3);
    let (first, rest) = bytes.split_at(bytes.len() - 2);
    raw.send_bytes(first.as_bytes());
    raw.expect("MSG a 1 3\r\n000\r\nMSG a 1 3\r\n001\r\n");
    raw.send_bytes(rest.as_bytes());
    raw.expect("MSG a 1 3\r\n002\r\n");
}

#[test]
fn c03_their_bytes_and_number_are_counted() {
    let server = Server::builder().monitored().start();
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    raw.send_bytes(alike("PUB a", 100).as_bytes());
    raw.send("PING");
    assert_eq!(numbers(&mut raw, "MSG a 1 3"), (0..100).collect::<Vec<_>>());
    let connz = get(server.monitor(), "/connz").json();
    let connection = &connz["connections"][0];
    for (field, wanted) in
        [("in_msgs", 100), ("in_bytes", 300), ("out_msgs", 100), ("out_bytes", 300)]
    {
        assert_eq!(connection[field], wanted, "{field}");
    }
}
