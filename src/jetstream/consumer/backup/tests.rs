//! What is written is read again, and what is read is not believed.

use super::super::simulation::{Bench, SECOND, seqs};
use super::*;

fn durable() -> ConsumerConfig {
    let ack_policy = AckPolicy::Explicit;
    ConsumerConfig { durable_name: "c".to_owned(), ack_policy, ..ConsumerConfig::default() }
}

/// Ten messages, five delivered, 1, 2 and 4 acknowledged, 3 delivered again.
fn halfway() -> Bench {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.publish("a", "x");
    }
    let place = bench.consumer(durable());
    bench.pull(place, "r", "5");
    let sent = bench.turn();
    for at in [0, 1, 3] {
        bench.ack(place, &sent[at], "");
    }
    bench.ack(place, &sent[2], "-NAK");
    bench.pull(place, "r", "1");
    assert_eq!(seqs(&bench.turn()), [3]);
    bench.wait(2 * SECOND);
    bench
}

fn restored(backup: ConsumerBackup) -> (Bench, Result<ConsumerPlace, ApiError>) {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.publish("a", "x");
    }
    let made = bench.with(|consumers, desk| {
        consumers.restore(backup, &Bench::SETTING, 0, Persistence::Log, desk)
    });
    (bench, made)
}

#[test]
fn a_consumer_goes_on_where_it_was() {
    let bench = halfway();
    let backups = bench.consumers.backups(bench.now);
    let [backup] = &backups[..] else { panic!("one: {backups:?}") };
    let read = ConsumerBackup::from_files(&backup.meta(), Some(&backup.state())).unwrap();
    assert_eq!((&read.name, &read.config), (&backup.name, &backup.config));
    assert_eq!(read.state.redelivered, backup.state.redelivered);
    let keys = |state: &BackupState| state.pending.keys().copied().collect::<Vec<_>>();
    assert_eq!((keys(&read.state), keys(&backup.state)), (vec![3, 5], vec![3, 5]));
    let (mut bench, made) = restored(read);
    let place = made.unwrap();
    let info = bench.info(place);
    assert_eq!((info.ack_floor.stream_seq, info.delivered.stream_seq), (2, 5));
    assert_eq!((info.num_ack_pending, info.num_redelivered, info.num_pending), (2, 1, 5));
    bench.pull(place, "r", "10");
    assert_eq!(seqs(&bench.turn()), [6, 7, 8, 9, 10]);
    let again = bench.wait(40 * SECOND);
    assert_eq!(seqs(&again)[..2], [3, 5]);
}

#[test]
fn the_state_has_nats_servers_form() {
    let state = BackupState {
        delivered: Pair { consumer_seq: 6, stream_seq: 5 },
        ack_floor: Pair { consumer_seq: 2, stream_seq: 2 },
        pending: BTreeMap::from([
            (3, Delivery { consumer_seq: 3, sent_ns: 1_700_000_000_000_000_000 }),
            (5, Delivery { consumer_seq: 5, sent_ns: 1_699_999_999_000_000_000 }),
        ]),
        redelivered: BTreeMap::from([(3, 1)]),
    };
    let written = state.write();
    let base = [0x80, 0xc4, 0x9f, 0xd5, 0x0c];
    let expected = [&[22, 2, 2, 2, 6, 5, 2][..], &base, &[1, 1, 0, 3, 3, 2, 1, 1, 1]].concat();
    assert_eq!(written, expected);
    assert_eq!(BackupState::read(&written), Ok(state.clone()));
    let json = br#"{"delivered":{"consumer_seq":6,"stream_seq":5},
        "ack_floor":{"consumer_seq":2,"stream_seq":2},
        "pending":{"3":{"Sequence":3,"Timestamp":1700000000000000000},
            "5":{"Sequence":5,"Timestamp":1699999999000000000}},
        "redelivered":{"3":1}}"#;
    assert_eq!(serde_json::from_slice::<BackupState>(json).unwrap(), state);
    for len in 0..written.len() {
        assert_eq!(BackupState::read(&written[..len]), Err(Damaged), "{len} bytes");
    }
}

#[test]
fn nothing_that_comes_back_is_believed() {
    let far = BackupState {
        delivered: Pair { consumer_seq: 900, stream_seq: 900 },
        ack_floor: Pair { consumer_seq: 0, stream_seq: 4 },
        pending: BTreeMap::from([
            (2, Delivery::default()),
            (6, Delivery { consumer_seq: 9, sent_ns: -1 }),
            (7, Delivery { consumer_seq: 1, sent_ns: i64::MAX }),
            (800, Delivery::default()),
        ]),
        redelivered: BTreeMap::from([(7, u64::MAX)]),
    };
    let created = WireTime::ZERO;
    let backup = ConsumerBackup { name: "c".into(), created, config: durable(), state: far };
    let (mut bench, made) = restored(backup.clone());
    let place = made.unwrap();
    bench.turn();
    let info = bench.info(place);
    assert_eq!((info.delivered.stream_seq, info.num_ack_pending, info.num_pending), (10, 2, 0));
    bench.write();
    assert!(!bench.state(place).is_empty());
    for name in ["", "a.b", "a/b", "x*"] {
        let config = ConsumerConfig { durable_name: name.into(), ..durable() };
        let (_, made) = restored(ConsumerBackup { name: name.into(), config, ..backup.clone() });
        assert!(made.is_err(), "{name:?}");
    }
}
