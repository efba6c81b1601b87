//! Mirrors and sources: what the origin is asked, and what is stored of what it delivers.

use super::*;

fn token(rig: &Rig) -> Token {
    rig.out.subscribed.last().expect("it listens").1
}

/// Delivers as a consumer of the origin does.
fn deliver(rig: &mut Rig, seqs: (u64, u64), subject: &str, headers: &str, payload: &str) {
    let (stream_seq, consumer_seq) = seqs;
    let time_ns = START_NS - 1000 + stream_seq;
    let reply = format!("$JS.ACK.O.c.1.{stream_seq}.{consumer_seq}.{time_ns}.9");
    let block = block(headers);
    let token = token(rig);
    let letter = SourceLetter {
        subject: subject.as_bytes(),
        reply: Some(reply.as_bytes()),
        headers: block.as_bytes(),
        payload: payload.as_bytes(),
    };
    rig.with(|stream, turn| stream.source_letter(token, &letter, turn));
}

/// The last request for a consumer, with where its answer goes.
fn asked(rig: &Rig) -> (serde_json::Value, String) {
    let created = |sent: &&Sent| sent.subject.contains(".CONSUMER.CREATE.");
    let sent = rig.out.sent.iter().rev().find(created).expect("it asked");
    (serde_json::from_str(&sent.payload).unwrap(), sent.reply.clone())
}

fn answer(rig: &mut Rig, json: &str) {
    let (_, reply) = asked(rig);
    let token = token(rig);
    let letter = SourceLetter {
        subject: reply.as_bytes(),
        reply: None,
        headers: b"",
        payload: json.as_bytes(),
    };
    rig.with(|stream, turn| stream.source_letter(token, &letter, turn));
}

#[test]
fn a_mirror_keeps_sequences_and_times() {
    let mut rig = Rig::of(r#"{"name":"S","mirror":{"name":"O","filter_subject":"o.>"}}"#);
    rig.pass(0);
    let (request, _) = asked(&rig);
    assert_eq!(request["stream_name"], "O");
    let config = &request["config"];
    assert_eq!(config["deliver_policy"], "all");
    assert_eq!((&config["filter_subject"], &config["ack_policy"]), (&"o.>".into(), &"none".into()));
    assert!(config["deliver_subject"].as_str().unwrap().starts_with("$JS.M."));
    answer(&mut rig, r#"{"name":"x"}"#);
    deliver(&mut rig, (5, 1), "o.a", "Nats-Expected-Last-Sequence: 4\nX: y", "five");
    deliver(&mut rig, (7, 2), "o.b", "", "seven");
    assert_eq!(rig.stored(), ["5 o.a five", "7 o.b seven"]);
    assert_eq!(rig.message(5).unwrap().1, "NATS/1.0\r\nX: y\r\n\r\n");
    let stored = rig.storage.stream(rig.stream.id());
    assert_eq!(stored.look(Seq(5)).unwrap().time_ns, START_NS - 995);
    let info = rig.stream.mirror_info(rig.now.wall_ns).unwrap();
    assert_eq!((&*info.name, info.lag, info.active), ("O", 9, 0));
    // After silence it asks from where it stands.
    rig.pass(10 * SECOND);
    rig.pass(SECOND);
    let (request, _) = asked(&rig);
    assert_eq!(request["config"]["opt_start_seq"], 8);
    assert_eq!(rig.out.subscribed.len(), 2, "the old subscriptions are gone");
}

#[test]
fn a_gap_makes_it_ask_again() {
    let mut rig = Rig::of(r#"{"name":"S","sources":[{"name":"O","opt_start_seq":3}]}"#);
    rig.pass(0);
    assert_eq!(asked(&rig).0["config"]["opt_start_seq"], 3);
    answer(&mut rig, "{}");
    deliver(&mut rig, (3, 1), "o.a", "", "three");
    let late = token(&rig);
    deliver(&mut rig, (5, 3), "o.a", "", "five");
    assert_eq!(rig.stored(), ["1 o.a three"], "one is missing between them");
    rig.pass(SECOND);
    assert_eq!(asked(&rig).0["config"]["opt_start_seq"], 4);
    assert_ne!(token(&rig), late, "late letters are known by their token");
    answer(&mut rig, "{}");
    deliver(&mut rig, (4, 1), "o.a", "", "four");
    deliver(&mut rig, (5, 2), "o.a", "", "five");
    assert_eq!(rig.stored(), ["1 o.a three", "2 o.a four", "3 o.a five"]);
}

#[test]
fn a_sourced_message_says_where_it_came_from() {
    let mut rig = Rig::of(
        r#"{"name":"S","sources":[{"name":"O","subject_transforms":[
            {"src":"o.*","dest":"n.{{wildcard(1)}}"},{"src":"p","dest":""}]},{"name":"P"}]}"#,
    );
    rig.pass(0);
    let first = rig.out.sent[0].payload.clone();
    let request: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(request["config"]["filter_subjects"], serde_json::json!(["o.*", "p"]));
    rig.out.subscribed.truncate(2);
    deliver(&mut rig, (9, 1), "o.a", "Nats-Batch-Id: x\nNats-Stream-Source: older", "nine");
    deliver(&mut rig, (10, 2), "p", "", "ten");
    assert_eq!(rig.stored(), ["1 n.a nine", "2 p ten"]);
    assert_eq!(
        rig.message(1).unwrap().1,
        "NATS/1.0\r\nNats-Stream-Source: O 9 o.*\u{c}p n.{{wildcard(1)}}\u{c}> o.a\r\n\r\n"
    );
    assert_eq!(rig.stream.source_infos(rig.now.wall_ns).len(), 2);
    // After a restart it goes on behind the last one.
    let identity = identity();
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity, config, rig.stream.id(), &rig.storage, rig.now);
    rig.out.sent.clear();
    rig.pass(0);
    rig.pass(0);
    let requests: Vec<serde_json::Value> =
        rig.out.sent.iter().map(|sent| serde_json::from_str(&sent.payload).unwrap()).collect();
    assert_eq!(requests[0]["config"]["opt_start_seq"], 11);
    assert_eq!(requests[1]["config"]["deliver_policy"], "all");
}

#[test]
fn errors_of_the_origin_are_shown_and_tried_again() {
    let mut rig = Rig::of(r#"{"name":"S","mirror":{"name":"O"}}"#);
    rig.pass(0);
    let error = r#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
    answer(&mut rig, error);
    let info = rig.stream.mirror_info(rig.now.wall_ns).unwrap();
    assert_eq!(info.active, -1, "the origin was never heard");
    assert_eq!(info.error.unwrap().err_code, 10059);
    let asks = |rig: &Rig| rig.out.sent.iter().filter(|sent| !sent.reply.is_empty()).count();
    let before = asks(&rig);
    rig.pass(SECOND);
    assert_eq!(asks(&rig), before + 1);
    answer(&mut rig, "no json");
    assert_eq!(rig.stream.mirror_info(rig.now.wall_ns).unwrap().error.unwrap().err_code, 10029);
    let mut rig = Rig::of(r#"{"name":"S","sources":[{"name":"O"}]}"#);
    rig.pass(0);
    answer(&mut rig, "no json");
    assert_eq!(rig.stream.source_infos(rig.now.wall_ns)[0].error.as_ref().unwrap().err_code, 10045);
}

#[test]
fn flow_control_and_heartbeats_are_answered() {
    let mut rig = Rig::of(r#"{"name":"S","mirror":{"name":"O"}}"#);
    rig.pass(0);
    answer(&mut rig, "{}");
    deliver(&mut rig, (1, 1), "o", "", "one");
    let status = |rig: &mut Rig, reply: Option<&str>, block: &str| {
        let token = token(rig);
        let letter = SourceLetter {
            subject: b"$JS.M.x",
            reply: reply.map(str::as_bytes),
            headers: block.as_bytes(),
            payload: b"",
        };
        rig.with(|stream, turn| stream.source_letter(token, &letter, turn));
        rig.out.sent.last().unwrap().subject.clone()
    };
    let said = status(&mut rig, Some("$JS.FC.O.c.x"), "NATS/1.0 100 FlowControl Request\r\n\r\n");
    assert_eq!(said, "$JS.FC.O.c.x");
    let beat = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\
                Nats-Consumer-Stalled: $JS.FC.O.c.y\r\n\r\n";
    assert_eq!(status(&mut rig, None, beat), "$JS.FC.O.c.y");
    assert_eq!(rig.out.subscribed.len(), 2);
    status(&mut rig, None, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\n\r\n");
    assert!(rig.out.subscribed.is_empty(), "a delivery was lost: it starts over");
}

#[test]
fn a_promoted_mirror_stops_listening() {
    let mut rig = Rig::of(r#"{"name":"S","mirror":{"name":"O"}}"#);
    rig.pass(0);
    let promoted = StreamConfig {
        mirror: None,
        subjects: vec!["s.>".to_owned()],
        ..rig.stream.config().clone()
    };
    rig.with(|stream, turn| stream.update(promoted, turn));
    assert!(rig.out.subscribed.is_empty());
    assert_eq!(rig.publish("s.a", "", "1"), r#"{"stream":"S","seq":1}"#);
}

#[test]
fn counters_of_several_origins_are_merged() {
    let mut rig = Rig::of(r#"{"name":"S","allow_msg_counter":true,"sources":[{"name":"O"}]}"#);
    rig.pass(0);
    deliver(&mut rig, (1, 1), "c", "Nats-Incr: 5", r#"{"val":"5"}"#);
    deliver(&mut rig, (2, 2), "c", "Nats-Incr: 2", r#"{"val":"7"}"#);
    assert_eq!(rig.message(2).unwrap().2, r#"{"val":"7"}"#);
    let (_, headers, _) = rig.message(2).unwrap();
    assert!(headers.contains(r#"Nats-Counter-Sources: {"O":{"c":"7"}}"#), "{headers}");
    assert_eq!(rig.publish("c", "Nats-Incr: 1", ""), r#"{"stream":"S","seq":3,"val":"8"}"#);
}

#[test]
fn a_durable_consumer_is_told_to_start_over_and_acknowledged_by_answers() {
    let mut rig = Rig::of(
        r#"{"name":"S","sources":[{"name":"O","consumer":{"name":"d","deliver_subject":"to"}}]}"#,
    );
    rig.pass(0);
    let reset = rig.out.sent.last().unwrap().clone();
    assert_eq!((&*reset.subject, &*reset.payload), ("$JS.API.CONSUMER.RESET.O.d", ""));
    assert_eq!(rig.out.subscribed[0].0, "to");
    let hear = |rig: &mut Rig, subject: &str, reply: Option<&str>, headers: &str, payload: &str| {
        let token = token(rig);
        let letter = SourceLetter {
            subject: subject.as_bytes(),
            reply: reply.map(str::as_bytes),
            headers: headers.as_bytes(),
            payload: payload.as_bytes(),
        };
        rig.with(|stream, turn| stream.source_letter(token, &letter, turn));
    };
    // From before it started over.
    deliver(&mut rig, (7, 7), "o.a", "", "seven");
    hear(&mut rig, "to", None, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n", "");
    assert_eq!(rig.stored(), Vec::<String>::new());
    // A message may have any subject, also one that looks like an answer.
    deliver(&mut rig, (1, 1), "o.created", "", "one");
    deliver(&mut rig, (3, 2), "o.a", "", "three");
    let good = r#"{"config":{"ack_policy":"flow_control"},"reset_seq":1}"#;
    hear(&mut rig, &reset.reply, None, "", good);
    assert_eq!(rig.stored(), ["1 o.created one", "2 o.a three"]);
    hear(&mut rig, "to", Some("$JS.FC.x"), "NATS/1.0 100 FlowControl Request\r\n\r\n", "");
    let answer = rig.out.sent.last().unwrap();
    assert_eq!(answer.subject, "$JS.FC.x");
    let headers = "NATS/1.0\r\nNats-Last-Consumer: 2\r\nNats-Last-Stream: 3\r\n\r\n";
    assert_eq!(answer.headers, headers);
    // A consumer that does not wait for answers is of no use.
    let mut rig = Rig::of(
        r#"{"name":"S","mirror":{"name":"O","consumer":{"name":"d","deliver_subject":"to"}}}"#,
    );
    rig.pass(0);
    let reply = rig.out.sent.last().unwrap().reply.clone();
    hear(&mut rig, &reply, None, "", r#"{"config":{"ack_policy":"none"}}"#);
    let info = rig.stream.mirror_info(rig.now.wall_ns).unwrap();
    assert_eq!(info.error.unwrap().err_code, 10214);
}
