//! The plans of the core modes: who publishes what to whom, made of the flags.

use std::sync::Arc;
use std::time::Duration;

use crate::error::BenchError;
use crate::modes::{Load, Subjects};
use crate::payload::VERIFIED_BYTES_MIN;
use crate::publish::Amount;
use crate::request::{Reply, RequestPlan, SUBJECT};
use crate::subscribe::Share;
use crate::traffic::{Conduct, Interest, PublisherPlan, SubscriberPlan, TrafficPlan};
use crate::workload::Work;

/// A number of things that there must be.
///
/// # Errors
/// [`BenchError::Usage`] names the flag.
pub fn positive(flag: &str, number: usize) -> Result<usize, BenchError> {
    if number == 0 {
        return Err(BenchError::Usage(format!("{flag} must be at least 1")));
    }
    Ok(number)
}

/// Publishers and subscribers with the amounts and checks of the flags.
///
/// # Errors
/// Flags without sense.
pub fn traffic(
    load: &Load,
    publishers: Vec<PublisherPlan>,
    subscribers: Vec<SubscriberPlan>,
) -> Result<TrafficPlan, BenchError> {
    if load.verify && load.size < VERIFIED_BYTES_MIN {
        let text = format!("--verify needs --size of at least {VERIFIED_BYTES_MIN}");
        return Err(BenchError::Usage(text));
    }
    let batch = load.batch.map(|batch| positive("--batch", batch as usize)).transpose()?;
    let rate = load.rate.map(|rate| positive("--rate", rate as usize)).transpose()?;
    let readers = load.readers.map(|readers| positive("--readers", readers)).transpose()?;
    Ok(TrafficPlan {
        publishers,
        subscribers,
        amount: load.amount(),
        warmup: Amount::Time(load.warmup),
        size: load.size,
        batch,
        rate: rate.map(|rate| rate as f64),
        verify: load.verify(),
        share: Share::All,
        readers,
        logins: [None, None],
    })
}

/// One publisher and one subscriber as fast as it goes: the live traffic of other modes.
///
/// # Errors
/// None with these numbers.
pub fn live_flood(duration: Duration, warmup: Duration) -> Result<TrafficPlan, BenchError> {
    let (size, msgs, batch, rate, readers) = (128, None, None, None, None);
    let load = Load { size, msgs, duration, warmup, batch, rate, verify: false, readers };
    pubsub(&load, 1, 1, Subjects::Own)
}

/// Publishing threads with one connection each.
///
/// # Errors
/// None of them.
pub fn publishers(
    count: usize,
    subjects: Subjects,
    copies: u64,
) -> Result<Vec<PublisherPlan>, BenchError> {
    let publisher =
        |index| PublisherPlan { subjects: vec![subject(index, subjects)], connections: 1, copies };
    Ok((0..positive("--pubs", count)?).map(publisher).collect())
}

fn subject(index: usize, subjects: Subjects) -> String {
    match subjects {
        Subjects::Shared => "bench".to_string(),
        Subjects::Own => format!("bench.{index}"),
    }
}

fn listener(subject: String, group: Option<&str>) -> SubscriberPlan {
    let interest = Interest { subject, group: group.map(str::to_string) };
    SubscriberPlan { interests: vec![interest], conduct: Conduct::Reads }
}

/// Publishers to subscribers, all on one subject or in pairs.
///
/// # Errors
/// Flags without sense.
pub fn pubsub(
    load: &Load,
    pubs: usize,
    subs: usize,
    subjects: Subjects,
) -> Result<TrafficPlan, BenchError> {
    positive("--subs", subs)?;
    let mut publishers = publishers(pubs, subjects, subs as u64)?;
    if subjects == Subjects::Own {
        for (index, publisher) in publishers.iter_mut().enumerate() {
            publisher.copies = (0..subs).filter(|sub| sub % pubs == index).count() as u64;
        }
    }
    let subscribers = (0..subs).map(|sub| listener(subject(sub % pubs, subjects), None)).collect();
    traffic(load, publishers, subscribers)
}

/// Publishers to one queue group.
///
/// # Errors
/// Flags without sense.
pub fn queue(load: &Load, pubs: usize, subs: usize) -> Result<TrafficPlan, BenchError> {
    positive("--subs", subs)?;
    let publishers = publishers(pubs, Subjects::Shared, 1)?;
    let member = |_| listener(subject(0, Subjects::Shared), Some("group"));
    let plan = traffic(load, publishers, (0..subs).map(member).collect())?;
    Ok(TrafficPlan { share: Share::Some, ..plan })
}

/// Distinct wildcard subscriptions, one message to each in disorder.
///
/// # Errors
/// Flags without sense.
pub fn wildcard(load: &Load, subscriptions: u64, subs: usize) -> Result<TrafficPlan, BenchError> {
    positive("--subscriptions", subscriptions as usize)?;
    positive("--subs", subs)?;
    let mut subscribers =
        vec![SubscriberPlan { interests: Vec::new(), conduct: Conduct::Reads }; subs];
    for index in 0..subscriptions {
        let interest = Interest { subject: format!("bench.{index}.*"), group: None };
        subscribers[index as usize % subs].interests.push(interest);
    }
    let mut subjects: Vec<String> =
        (0..subscriptions).map(|index| format!("bench.{index}.x")).collect();
    shuffle(&mut subjects);
    let publisher = PublisherPlan { subjects, connections: 1, copies: 1 };
    let share = if subs > 1 { Share::Some } else { Share::All };
    Ok(TrafficPlan { share, ..traffic(load, vec![publisher], subscribers)? })
}

/// The same disorder each time: neighbours in the index are not neighbours in time.
pub fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

/// Many connections, one message a write, at a fixed rate in all.
///
/// # Errors
/// Flags without sense.
pub fn unbatched(load: &Load, conns: usize, subs: usize) -> Result<TrafficPlan, BenchError> {
    let publisher = PublisherPlan {
        subjects: vec![subject(0, Subjects::Shared)],
        connections: positive("--conns", conns)?,
        copies: subs as u64,
    };
    let load = Load { batch: Some(1), rate: load.rate.or(Some(100_000)), ..load.clone() };
    let subscribers = (0..subs).map(|_| listener(subject(0, Subjects::Shared), None)).collect();
    traffic(&load, vec![publisher], subscribers)
}

/// One publisher, without and with subscribers that have stopped reading.
///
/// # Errors
/// Flags without sense.
pub fn stalling(
    load: &Load,
    subs: usize,
    stalled: usize,
    pairs: usize,
) -> Result<Work, BenchError> {
    if stalled == 0 || stalled >= subs {
        return Err(BenchError::Usage("--stalled must be at least 1 and below --subs".to_string()));
    }
    let without = pubsub(load, 1, subs - stalled, Subjects::Shared)?;
    let mut with = without.clone();
    // First to subscribe: a server that serves subscribers in order meets them first.
    for _ in 0..stalled {
        let mut plan = listener(subject(0, Subjects::Shared), None);
        plan.conduct = Conduct::Stalls;
        with.subscribers.insert(0, plan);
    }
    Ok(Work::Stalled { plans: [without, with], pairs })
}

/// Requesters and a queue group of responders.
///
/// # Errors
/// Flags without sense.
pub fn request(
    load: &Load,
    requesters: usize,
    responders: usize,
    in_flight: usize,
) -> Result<RequestPlan, BenchError> {
    if load.rate.is_some() || load.batch.is_some() || load.verify {
        let text = "request takes no --rate, --batch or --verify: replies set the pace";
        return Err(BenchError::Usage(text.to_string()));
    }
    Ok(RequestPlan {
        requesters: positive("--requesters", requesters)?,
        responders: positive("--responders", responders)?,
        in_flight: positive("--in-flight", in_flight)?,
        amount: load.amount(),
        warmup: Amount::Time(load.warmup),
        size: load.size,
        subjects: Arc::new([SUBJECT.to_string()]),
        reply: Reply::Any,
        logins: [None, None],
    })
}
