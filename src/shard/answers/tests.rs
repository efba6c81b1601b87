//! Questions and answers: each finds its own, once, in time, from the right account.

use super::*;

const A: AccountId = AccountId(2);
const B: AccountId = AccountId(3);

fn question(reply: &[u8], response: ResponseKind, seconds: u64) -> Question<'_> {
    let threshold = Duration::from_nanos(seconds);
    Question { importer: B, exporter: A, export: 0, reply, response, threshold, measure: None }
}

fn heard(answers: &mut Answers, subject: &[u8], from: AccountId, now_ns: u64) -> Option<Vec<u8>> {
    let mut reply = Vec::new();
    let to = answers.hear(subject, from, false, now_ns, &mut reply)?;
    assert_eq!(to.importer, B);
    Some(reply)
}

#[test]
fn an_answer_goes_back_once_and_only_from_whom_was_asked() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut answers = Answers::new(ServiceId(0), &mut random);
    let asked = answers.ask(question(b"inbox.1", ResponseKind::Singleton, 10), 0, &mut random);
    assert!(asked.subject.starts_with(b"_R_."));
    assert_eq!(heard(&mut answers, &asked.subject, B, 1), None, "another account");
    assert_eq!(heard(&mut answers, &asked.subject, A, 1).as_deref(), Some(&b"inbox.1"[..]));
    assert_eq!(heard(&mut answers, &asked.subject, A, 1), None, "once");
    let next = answers.ask(question(b"inbox.2", ResponseKind::Singleton, 10), 0, &mut random);
    assert_eq!(next.index, asked.index, "the place is used again");
    assert_eq!(heard(&mut answers, &asked.subject, A, 1), None, "under another name");
    for odd in [&b"_R_."[..], b"_R_.aaaaaa.00000000000", b"", b"inbox.2"] {
        assert_eq!(heard(&mut answers, odd, A, 1), None);
    }
}

#[test]
fn answers_of_one_shard_are_a_family_and_nothing_else_is() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut answers = Answers::new(ServiceId(0), &mut random);
    let mut ask = || answers.ask(question(b"i", ResponseKind::Singleton, 10), 0, &mut random);
    let (one, other) = (ask().subject, ask().subject);
    assert_ne!(one, other);
    let all = family(&one).expect("an answer");
    assert_eq!(family(&other), Some(all));
    assert!(answers.number(&all) == Some(0) && all.starts_with(&one[..11]));
    for stranger in [
        &b"_R_.abcdef.0123456789"[..],
        b"_R_.abc.ef.0123456789a",
        b"_R_.abcdef.012345.789a",
        b"_S_.abcdef.0123456789a",
        b"_R_.abcdefg0123456789a",
        b"",
    ] {
        assert_eq!(family(stranger), None, "{}", String::from_utf8_lossy(stranger));
    }
    for apart in [&one[..], b"_R_.*.0123456789a", b"*.*.0123456789a", b"*.abcdef.0123456789a"] {
        assert!(tells_answers_apart(apart), "{}", String::from_utf8_lossy(apart));
    }
    for alike in ["_R_.>", ">", "*.>", "_R_.*.*", "_R_.abcdef.*", "*.*", "a.b.0123456789a", "_R_"] {
        assert!(!tells_answers_apart(alike.as_bytes()), "{alike}");
    }
}

#[test]
fn a_number_that_is_none_is_not_read_as_one() {
    let mut answers = Answers::new(ServiceId(0), &mut fastrand::Rng::with_seed(5));
    answers.shard = *b"abcdef";
    assert_eq!(answers.number(b"_R_.abcdef.F__________"), Some(u64::MAX));
    for odd in ["G0000000000", "0000000000~", "000000000", "0000000000 "] {
        assert_eq!(answers.number(format!("_R_.abcdef.{odd}").as_bytes()), None, "{odd}");
    }
}

#[test]
fn streams_last_until_silence_and_chunks_until_the_empty_one() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut answers = Answers::new(ServiceId(0), &mut random);
    let stream = answers.ask(question(b"s", ResponseKind::Stream, 10), 0, &mut random);
    let chunks = answers.ask(question(b"c", ResponseKind::Chunked, 10), 0, &mut random);
    answers.expire(9);
    assert!(heard(&mut answers, &stream.subject, A, 9).is_some());
    assert!(heard(&mut answers, &chunks.subject, A, 9).is_some());
    answers.expire(18);
    assert_eq!(answers.len(), 2, "each answer gives time again");
    let mut last = Vec::new();
    assert!(answers.hear(&chunks.subject, A, true, 18, &mut last).is_some());
    assert!(heard(&mut answers, &chunks.subject, A, 18).is_none());
    assert_eq!(answers.next_expiry_ns(), Some(19));
    answers.expire(19);
    assert!(heard(&mut answers, &stream.subject, A, 19).is_none());
    assert_eq!((answers.len(), answers.next_expiry_ns()), (0, None));
}

#[test]
fn any_order_of_ends_leaves_a_list_in_order() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut answers = Answers::new(ServiceId(0), &mut random);
    let mut open: Vec<(Asked, u64)> = Vec::new();
    for now_ns in 0..5_000_u64 {
        answers.expire(now_ns);
        open.retain(|(_, until)| *until > now_ns);
        let seconds = if random.bool() { 50 } else { 200 };
        let reply = now_ns.to_string();
        let question = question(reply.as_bytes(), ResponseKind::Singleton, seconds);
        open.push((answers.ask(question, now_ns, &mut random), now_ns + seconds));
        if random.bool() {
            let (asked, _) = open.swap_remove(random.usize(0..open.len()));
            assert!(heard(&mut answers, &asked.subject, A, now_ns).is_some());
        }
        assert_eq!(answers.len(), open.len());
        assert_eq!(answers.next_expiry_ns(), open.iter().map(|(_, until)| *until).min());
    }
}
