//! A lane: order across ring, payload queue and spill queue; both or neither; two threads.

use std::thread;

use super::*;

const SIZES: LaneSizes = LaneSizes { ring_bytes: 128, payloads: 2, spill_bytes_max: 1 << 20 };

fn send(sender: &mut LaneSender, bytes: &[u8], payload: Option<Bytes>) -> Sent {
    sender.send(bytes.len(), payload, |place| place.copy_from_slice(bytes)).unwrap()
}

fn receive(receiver: &mut LaneReceiver) -> Vec<(Vec<u8>, Option<Bytes>)> {
    let mark = receiver.note_tail();
    let mut records = Vec::new();
    while let Some((record, payload)) = receiver.next_until(mark) {
        records.push((record.to_vec(), payload));
    }
    let _ = receiver.release();
    records
}

#[test]
fn a_payload_comes_with_its_record() {
    let (mut sender, mut receiver) = lane(SIZES);
    let payload = Bytes::from(vec![9; 5000]);
    assert_eq!(send(&mut sender, b"small", None), Sent::InRing);
    assert_eq!(send(&mut sender, b"large", Some(payload.clone())), Sent::InRing);
    assert_eq!(sender.flush(), Published::New);
    let records = receive(&mut receiver);
    assert_eq!(records[0], (b"small".to_vec(), None));
    assert_eq!(
        records[1].1.as_ref().map(|payload| payload.as_ptr()),
        Some(payload.as_ptr()),
        "not copied"
    );
    assert!(receiver.is_empty());
}

#[test]
fn what_does_not_fit_waits_in_order_and_is_counted() {
    let (mut sender, mut receiver) = lane(SIZES);
    let mut sent = Vec::new();
    for byte in 0..40u8 {
        let payload = byte.is_multiple_of(5).then(|| Bytes::from(vec![byte; 10]));
        let to = send(&mut sender, &[byte; 20], payload.clone());
        assert_eq!(to == Sent::Spilled, byte >= 4, "128 bytes hold four records of 28");
        sent.push((vec![byte; 20], payload));
    }
    assert_eq!(sender.spilled(), Spill { records: 36, bytes: 36 * 20 + 7 * 10 });
    let mut received = Vec::new();
    while received.len() < sent.len() {
        assert_eq!(sender.flush(), Published::New);
        received.extend(receive(&mut receiver));
    }
    assert_eq!(received, sent);
    assert_eq!(sender.spilled(), Spill::default());
    assert_eq!(send(&mut sender, b"after", None), Sent::InRing);
}

#[test]
fn a_full_payload_queue_spills_the_record_too() {
    let (mut sender, mut receiver) = lane(SIZES);
    let payload = || Some(Bytes::from_static(b"payload"));
    assert_eq!(send(&mut sender, b"1", payload()), Sent::InRing);
    assert_eq!(send(&mut sender, b"2", payload()), Sent::InRing);
    assert_eq!(send(&mut sender, b"3", payload()), Sent::Spilled);
    assert_eq!(send(&mut sender, b"4", None), Sent::Spilled, "behind the third");
    assert_eq!(sender.flush(), Published::New);
    assert_eq!(sender.spilled().records, 2);
    assert_eq!(receive(&mut receiver).len(), 2);
    assert!(sender.spill_can_move());
    assert_eq!(sender.flush(), Published::New);
    let rest = receive(&mut receiver);
    assert_eq!(rest, [(b"3".to_vec(), payload()), (b"4".to_vec(), None)]);
}

#[test]
fn limits_refuse_and_leave_nothing() {
    let sizes = LaneSizes { spill_bytes_max: 30, ..SIZES };
    let (mut sender, mut receiver) = lane(sizes);
    let longest = 128 / 2 - 8;
    assert_eq!(sender.send(longest + 1, None, |_| ()), Err(SendError::TooLong));
    for _ in 0..2 {
        assert_eq!(sender.send(longest, None, |place| place.fill(1)), Ok(Sent::InRing));
    }
    assert_eq!(sender.send(10, None, |place| place.fill(2)), Ok(Sent::Spilled));
    let payload = Some(Bytes::from_static(&[0; 20]));
    assert_eq!(sender.send(1, payload, |_| ()), Err(SendError::SpillFull));
    assert_eq!(sender.send(20, None, |place| place.fill(3)), Ok(Sent::Spilled));
    assert_eq!(sender.send(longest + 1, None, |_| ()), Err(SendError::TooLong));
    assert_eq!(sender.spilled(), Spill { records: 2, bytes: 30 });
    assert_eq!(sender.flush(), Published::New);
    assert_eq!(receive(&mut receiver).len(), 2);
    assert_eq!(sender.flush(), Published::New);
    let rest: Vec<u8> = receive(&mut receiver).iter().map(|(record, _)| record[0]).collect();
    assert_eq!(rest, [2, 3]);
}

#[test]
fn two_threads_keep_records_and_payloads_together() {
    const RECORDS: u32 = if cfg!(miri) { 120 } else { 300_000 };
    let (mut sender, mut receiver) =
        lane(LaneSizes { ring_bytes: 1024, payloads: 8, spill_bytes_max: usize::MAX });
    let writer = thread::spawn(move || {
        let mut rng = fastrand::Rng::with_seed(7);
        for number in 0..RECORDS {
            let payload = rng.u8(..4) == 0;
            let payload = payload.then(|| Bytes::copy_from_slice(&number.to_le_bytes()));
            let len = 4 + rng.usize(..60);
            sender
                .send(len, payload, |place| {
                    place[..4].copy_from_slice(&number.to_le_bytes());
                    place[4..].fill(number as u8);
                })
                .unwrap();
            if rng.u8(..4) == 0 {
                let _ = sender.flush();
            }
            while sender.spilled().records > 100 {
                thread::yield_now();
                let _ = sender.flush();
            }
        }
        while sender.spilled().records > 0 {
            let _ = sender.flush();
            thread::yield_now();
        }
        let _ = sender.flush();
    });
    let (mut seen, mut payloads) = (0u32, 0u32);
    while seen < RECORDS {
        let mark = receiver.note_tail();
        while let Some((record, payload)) = receiver.next_until(mark) {
            assert_eq!(record[..4], seen.to_le_bytes());
            assert!(record[4..].iter().all(|&byte| byte == seen as u8));
            if let Some(payload) = payload {
                assert_eq!(payload[..], seen.to_le_bytes());
                payloads += 1;
            }
            seen += 1;
        }
        if receiver.release() == Released::Nothing {
            thread::yield_now();
        }
    }
    writer.join().unwrap();
    assert!(payloads > RECORDS / 8);
}
