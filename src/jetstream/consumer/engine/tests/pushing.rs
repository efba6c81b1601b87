//! Push consumers: who listens, heartbeats, flow control, rates.

use super::*;

#[test]
fn messages_wait_for_somebody_who_listens() {
    let mut bench = Bench::new();
    bench.recorder.deaf.push("d".to_owned());
    let place = bench.consumer(push());
    bench.publish("a", "x");
    assert_eq!(bench.wait(SECOND), []);
    assert!(!bench.info(place).push_bound);
    bench.recorder.deaf.clear();
    let sent = bench.wait(100 * MS);
    assert_eq!((sent[0].to.as_str(), seqs(&sent)), ("d", vec![1]));
    assert!(bench.info(place).push_bound);
    bench.recorder.deaf.push("d".to_owned());
    bench.publish("a", "x");
    assert_eq!(bench.turn(), []);
}

#[test]
fn only_members_of_its_group_take_what_a_consumer_of_a_group_delivers() {
    let group = |name: &str| ConsumerConfig { deliver_group: name.to_owned(), ..push() };
    for (config, others) in [(push(), b"g".to_vec()), (group("g"), b"".to_vec())] {
        let mut bench = Bench::new();
        let own = config.deliver_group.as_bytes().to_vec();
        bench.recorder.deaf_groups.push(own);
        let place = bench.consumer(config);
        bench.publish("a", "x");
        assert_eq!(bench.wait(SECOND), []);
        assert!(!bench.info(place).push_bound);
        bench.recorder.deaf_groups = vec![others];
        assert_eq!(seqs(&bench.wait(100 * MS)), [1]);
        assert!(bench.info(place).push_bound);
    }
}

#[test]
fn who_subscribes_right_after_the_consumer_is_made_hardly_waits() {
    for (deaf_for, within) in [(2 * MS, MS), (100 * MS, 15 * MS), (10 * SECOND, 100 * MS)] {
        let mut bench = Bench::new();
        bench.publish("a", "x");
        bench.recorder.deaf.push("d".to_owned());
        bench.consumer(push());
        assert_eq!(bench.wait(deaf_for), []);
        bench.recorder.deaf.clear();
        assert_eq!(seqs(&bench.wait(within)), [1], "after {deaf_for} ns");
    }
}

#[test]
fn silence_is_broken_by_heartbeats() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { idle_heartbeat: SECOND as i64, ..push() };
    bench.consumer(config);
    bench.turn();
    assert_eq!(bench.wait(SECOND - 1), []);
    let sent = bench.wait(1);
    assert_eq!(sent[0].status(), "100 Idle Heartbeat");
    assert_eq!(sent[0].header("Nats-Last-Consumer"), Some("0"));
    bench.wait(500 * MS);
    bench.publish("a", "x");
    assert_eq!(seqs(&bench.turn()), [1]);
    assert_eq!(bench.wait(SECOND - 1), []);
    let sent = bench.wait(1);
    assert_eq!(sent[0].header("Nats-Last-Stream"), Some("1"));
    assert_eq!(sent[0].header("Nats-Consumer-Stalled"), None);
}

fn flowing() -> ConsumerConfig {
    ConsumerConfig {
        ack_policy: AckPolicy::None,
        flow_control: true,
        idle_heartbeat: SECOND as i64,
        ..push()
    }
}

#[test]
fn a_receiver_that_does_not_answer_is_sent_no_more() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.publish("a", &"x".repeat(10_000));
    }
    let place = bench.consumer(flowing());
    let sent = bench.turn();
    let out = seqs(&sent).len();
    assert!(out < 30, "{out} of 10 kB are more than the window");
    let asked: Vec<_> = sent.iter().filter(|sent| !sent.status().is_empty()).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].to.as_str(), asked[0].status().as_str()),
        ("d", "100 FlowControl Request")
    );
    let subject = asked[0].reply.clone();
    assert!(subject.starts_with("$JS.FC.S.c.") && subject.len() == 15, "{subject}");
    let beat = bench.wait(SECOND);
    assert_eq!(beat.len(), 1);
    assert_eq!(beat[0].header("Nats-Consumer-Stalled"), Some(subject.as_str()));
    bench.with(|consumers, desk| consumers.flow_answered(place, b"$JS.FC.S.c.else", None, desk));
    assert_eq!(bench.turn(), []);
    let mut delivered = out;
    let mut answer = Some(subject);
    while let Some(subject) = answer.take() {
        bench.with(|consumers, desk| {
            consumers.flow_answered(place, subject.as_bytes(), None, desk);
        });
        let sent = bench.turn();
        delivered += seqs(&sent).len();
        answer = sent.iter().find(|sent| sent.reply.starts_with("$JS.FC")).map(|s| s.reply.clone());
    }
    assert_eq!(delivered, 100);
}

#[test]
fn answers_to_flow_control_acknowledge_where_the_policy_says_so() {
    let mut bench = Bench::new();
    let config =
        ConsumerConfig { ack_policy: AckPolicy::FlowControl, max_ack_pending: 4, ..flowing() };
    let place = bench.consumer(config);
    for _ in 0..6 {
        bench.publish("a", "x");
    }
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [1, 2, 3, 4]);
    let asked = sent.iter().find(|sent| sent.reply.starts_with("$JS.FC")).unwrap().clone();
    let answer = |bench: &mut Bench, asked: &Sent, headers: Option<&str>| {
        let (subject, headers) = (asked.reply.as_bytes(), headers.map(str::as_bytes));
        bench.with(|consumers, desk| consumers.flow_answered(place, subject, headers, desk));
    };
    let block = "NATS/1.0\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 3\r\n\r\n";
    answer(&mut bench, &asked, Some(block));
    assert_eq!(bench.info(place).ack_floor.stream_seq, 3);
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [5, 6]);
    // An answer without headers lets more come and acknowledges nothing.
    let asked = sent.iter().find(|sent| sent.reply.starts_with("$JS.FC")).unwrap().clone();
    answer(&mut bench, &asked, None);
    assert_eq!(bench.info(place).ack_floor.stream_seq, 3);
    assert_eq!(bench.turn(), [], "nor is it asked again before the next heartbeat");
    let sent = bench.wait(SECOND);
    let asked = sent.iter().find(|sent| sent.reply.starts_with("$JS.FC")).unwrap().clone();
    let block = "NATS/1.0\r\nNats-Last-Consumer: 9\r\nNats-Last-Stream: 900\r\n\r\n";
    answer(&mut bench, &asked, Some(block));
    assert_eq!(bench.info(place).ack_floor.stream_seq, 6, "no more than was delivered");
}

#[test]
fn the_rate_is_kept() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.publish("a", &"x".repeat(1000 - 40));
    }
    // About a thousand bytes each: one in a second.
    bench.consumer(ConsumerConfig { rate_limit_bps: 8_000, ..push() });
    assert_eq!(seqs(&bench.turn()).len(), 1);
    let sent = bench.wait(5 * SECOND);
    assert!((4..=6).contains(&seqs(&sent).len()), "{}", seqs(&sent).len());
}

#[test]
fn a_moved_deliver_subject_is_used_at_once() {
    let mut bench = Bench::new();
    bench.recorder.deaf.push("d".to_owned());
    bench.consumer(push());
    bench.publish("a", "x");
    assert_eq!(bench.turn(), []);
    bench.consumer(ConsumerConfig { deliver_subject: "e".to_owned(), ..push() });
    assert_eq!(bench.turn()[0].to, "e");
}
