//! The naive twin of a stream: a plain list of messages, searched from end to end. The property
//! tests hold every store to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Filter, Incoming, Kind, Purge, Purged, Seq, StreamState, SubjectState};

/// One message, kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) seq: Seq,
    pub(crate) subject: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) time_ns: u64,
    pub(crate) expires_ns: u64,
}

/// One stream as a list.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    kind: Kind,
    pub(crate) messages: Vec<Kept>,
    first: Seq,
    last: Seq,
    last_time_ns: u64,
}

impl Oracle {
    pub(crate) fn new(kind: Kind, first: Seq) -> Oracle {
        Oracle { kind, messages: Vec::new(), first, last: first.previous(), last_time_ns: 0 }
    }

    pub(crate) fn last_seq(&self) -> Seq {
        self.last
    }

    pub(crate) fn append(&mut self, seq: Seq, message: &Incoming<'_>) {
        assert!(seq > self.last);
        self.messages.push(Kept {
            seq,
            subject: message.subject.to_vec(),
            headers: message.headers.to_vec(),
            payload: message.payload.to_vec(),
            time_ns: message.time_ns,
            expires_ns: message.expires_ns,
        });
        self.last = seq;
        self.last_time_ns = message.time_ns;
        self.settle();
    }

    pub(crate) fn skip(&mut self, upto: Seq) {
        self.last = self.last.max(upto);
        self.settle();
    }

    pub(crate) fn remove(&mut self, seq: Seq) -> Option<u64> {
        let at = self.messages.iter().position(|message| message.seq == seq)?;
        let gone = self.messages.remove(at);
        self.settle();
        Some(self.size(&gone))
    }

    pub(crate) fn purge(&mut self, purge: &Purge<'_>) -> Purged {
        let matching = |message: &&Kept| purge.filter.matches(&message.subject);
        let all: Vec<Seq> = self.messages.iter().filter(matching).map(|m| m.seq).collect();
        let keep = usize::try_from(purge.keep).unwrap_or(usize::MAX);
        let leave = all.len().saturating_sub(keep);
        let mut purged = Purged::default();
        for &seq in all[..leave].iter().filter(|&&seq| seq < purge.below) {
            purged.messages += 1;
            purged.bytes += self.remove(seq).expect("it was listed");
        }
        purged
    }

    /// The first sequence follows the messages.
    fn settle(&mut self) {
        self.first = self.messages.first().map_or(self.last.next(), |message| message.seq);
    }

    fn size(&self, message: &Kept) -> u64 {
        let (subject, headers) = (message.subject.len(), message.headers.len());
        self.kind.size_of(subject, headers, message.payload.len())
    }

    pub(crate) fn state(&self) -> StreamState {
        let subjects: BTreeSet<_> = self.messages.iter().map(|m| &m.subject).collect();
        StreamState {
            messages: self.messages.len() as u64,
            bytes: self.messages.iter().map(|message| self.size(message)).sum(),
            first_seq: self.first,
            first_time_ns: self.messages.first().map_or(0, |message| message.time_ns),
            last_seq: self.last,
            last_time_ns: self.last_time_ns,
            subjects: subjects.len() as u64,
            deleted: self.deleted().iter().map(|(low, high)| high.0 - low.0 + 1).sum(),
        }
    }

    pub(crate) fn get(&self, seq: Seq) -> Option<&Kept> {
        self.messages.iter().find(|message| message.seq == seq)
    }

    fn matching(&self, filter: &Filter) -> impl DoubleEndedIterator<Item = &Kept> {
        self.messages.iter().filter(|message| filter.matches(&message.subject))
    }

    pub(crate) fn first_matching(&self, filter: &Filter, from: Seq) -> Option<Seq> {
        self.matching(filter).map(|message| message.seq).find(|&seq| seq >= from)
    }

    pub(crate) fn last_matching(&self, filter: &Filter, upto: Seq) -> Option<Seq> {
        self.matching(filter).map(|message| message.seq).rfind(|&seq| seq <= upto)
    }

    pub(crate) fn pending(&self, filter: &Filter, from: Seq) -> u64 {
        self.matching(filter).filter(|message| message.seq >= from).count() as u64
    }

    pub(crate) fn last_per_subject(&self, filter: &Filter, upto: Seq) -> Vec<Seq> {
        let early = self.matching(filter).filter(|message| message.seq <= upto);
        let last: BTreeMap<_, _> = early.map(|message| (&message.subject, message.seq)).collect();
        last.into_values().collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn subjects(&self, filter: &Filter) -> BTreeMap<Vec<u8>, SubjectState> {
        let mut subjects = BTreeMap::<_, SubjectState>::new();
        for message in self.matching(filter) {
            let state = subjects.entry(message.subject.clone()).or_default();
            state.messages += 1;
            state.last = message.seq;
            if state.first.is_none() {
                state.first = message.seq;
            }
        }
        subjects
    }

    pub(crate) fn first_at(&self, time_ns: u64) -> Seq {
        let late = self.messages.iter().find(|message| message.time_ns >= time_ns);
        late.map_or(self.last.next(), |message| message.seq)
    }

    pub(crate) fn deleted(&self) -> Vec<(Seq, Seq)> {
        let mut gaps = Vec::new();
        let mut at = self.first;
        for seq in self.messages.iter().map(|message| message.seq).chain([self.last.next()]) {
            if at < seq {
                gaps.push((at, seq.previous()));
            }
            at = seq.next();
        }
        gaps
    }

    pub(crate) fn next_expiry(&self) -> Option<(u64, Seq)> {
        let mortal = self.messages.iter().filter(|message| message.expires_ns != 0);
        mortal.map(|message| (message.expires_ns, message.seq)).min()
    }
}
