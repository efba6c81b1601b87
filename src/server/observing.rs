//! What was seen on somebody's behalf, on its way to those who want to hear of it: times of
//! services, traces, whose parts come from several cores, and clients whose certificates do not
//! pass.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::observed::{Observed, Observer, TraceId, TracePart, TraceStart};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::facts;
use crate::system::System;

/// What may wait for the control thread. At it: dropped, `Counter::SystemDropped` rises.
const OBSERVED_MAX: usize = 4096;

/// How long a trace waits for the parts of other cores.
const TRACE_WAIT: Duration = Duration::from_millis(500);

/// Traces that may wait for parts. At it: the parts of one more are dropped.
const TRACES_MAX: usize = 4096;

/// The cores' end of the queue.
#[derive(Clone)]
pub struct Observations(mpsc::Sender<Observed>);

/// A new queue: the cores' end, and the control thread's.
pub fn queue() -> (Observations, mpsc::Receiver<Observed>) {
    let (sender, inbox) = mpsc::channel(OBSERVED_MAX);
    (Observations(sender), inbox)
}

impl Observations {
    /// What a core tells.
    pub fn observer(&self) -> Observer {
        let queue = self.0.clone();
        Arc::new(move |observed| queue.try_send(observed).is_ok())
    }
}

/// A trace of which something came.
struct Collected {
    since: Instant,
    start: Option<Box<TraceStart>>,
    parts: Vec<TracePart>,
}

impl Collected {
    /// Whether nothing more will come.
    fn is_whole(&self) -> bool {
        let sent_on: usize = self.parts.iter().map(|part| part.sent_on as usize).sum();
        self.start.is_some() && self.parts.len() > sent_on
    }
}

/// Words what comes, for as long as cores send something.
pub async fn tell(system: Rc<System>, mut inbox: mpsc::Receiver<Observed>) {
    let mut traces: HashMap<TraceId, Collected> = HashMap::new();
    loop {
        let oldest = traces.values().map(|trace| trace.since).min();
        let observed = match oldest {
            None => inbox.recv().await,
            Some(since) => match tokio::time::timeout_at(since + TRACE_WAIT, inbox.recv()).await {
                Ok(observed) => observed,
                Err(_) => {
                    give_up(&system, &mut traces).await;
                    continue;
                }
            },
        };
        match observed {
            None => return,
            Some(Observed::Service(sample)) => system.tell_service(&sample, facts::now_ns()).await,
            Some(Observed::Peer(fault)) => system.tell_peer(&fault, facts::now_ns()).await,
            Some(Observed::Traced(start)) => {
                let id = start.id;
                let Some(trace) = place(&mut traces, id) else { continue };
                trace.start = Some(start);
                tell_if_whole(&system, &mut traces, id).await;
            }
            Some(Observed::Went(part)) => {
                let id = part.id;
                let Some(trace) = place(&mut traces, id) else { continue };
                trace.parts.push(*part);
                tell_if_whole(&system, &mut traces, id).await;
            }
        }
    }
}

fn place(traces: &mut HashMap<TraceId, Collected>, id: TraceId) -> Option<&mut Collected> {
    if traces.len() >= TRACES_MAX && !traces.contains_key(&id) {
        return None;
    }
    let new = || Collected { since: Instant::now(), start: None, parts: Vec::new() };
    Some(traces.entry(id).or_insert_with(new))
}

async fn tell_if_whole(system: &System, traces: &mut HashMap<TraceId, Collected>, id: TraceId) {
    if traces.get(&id).is_some_and(Collected::is_whole)
        && let Some(trace) = traces.remove(&id)
    {
        tell_trace(system, trace).await;
    }
}

/// Tells what is known of the traces that waited long enough.
async fn give_up(system: &System, traces: &mut HashMap<TraceId, Collected>) {
    let now = Instant::now();
    let late: Vec<TraceId> = traces
        .iter()
        .filter(|(_, trace)| trace.since + TRACE_WAIT <= now)
        .map(|(id, _)| *id)
        .collect();
    for trace in late.iter().filter_map(|id| traces.remove(id)).collect::<Vec<_>>() {
        tell_trace(system, trace).await;
    }
}

async fn tell_trace(system: &System, trace: Collected) {
    let Collected { start: Some(start), mut parts, .. } = trace else { return };
    // The publisher's core first.
    parts.sort_by_key(|part| (part.shard != start.publisher.shard, part.mono_ns));
    system.tell_trace(&start, &parts).await;
}
