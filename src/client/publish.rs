//! Hot path: PUB and HPUB. Before it: the parser; after it: [`shard::Shard::publish`].

use base::{AccountId, Level};
use bytes::Bytes;
use connection::{Context, Pause};
use protocol::error::GoQuoted;
use protocol::{ErrorText, MessageParts, Publish, Run};
use security::MappedTo;
use shard::{Message, Published, Reached};

use crate::client::{Client, Flow};

impl Client {
    /// Publishes a run until the flow stops, and says how many bytes that took. `ahead` begins with
    /// the run; `shared` is the buffer of a message that fills one.
    #[inline]
    pub(crate) fn publish_all(
        &mut self,
        context: &mut Context<'_>,
        run: &Run<'_>,
        shared: Option<&Bytes>,
        ahead: &[u8],
    ) -> (Flow, usize) {
        let len = run.bytes().len();
        if run.count() == 1 {
            let shared = shared.filter(|whole| whole.len() == len);
            return (self.publish(context, run.first(), shared, ahead), len);
        }
        if let Some(flow) = self.publish_run(context, run) {
            return (flow, len);
        }
        let mut taken = 0;
        for message in run.messages() {
            let flow = self.publish(context, &message, None, &ahead[taken..]);
            taken += message.wire().len();
            if !matches!(flow, Flow::Continue) {
                return (flow, taken);
            }
        }
        (Flow::Continue, taken)
    }

    /// Publishes messages that differ in their payload only, where what is decided for the first
    /// holds for all. `None` when it does not; then nothing was done.
    #[inline]
    fn publish_run(&mut self, context: &mut Context<'_>, run: &Run<'_>) -> Option<Flow> {
        let first = run.first();
        if first.has_headers()
            || first.reply().is_some()
            || self.mappings.is_some()
            || self.connect.verbose
            || self.connect.pedantic
            || self.is_reserved(first.subject())
        {
            return None;
        }
        if let Some(gate) = &mut self.gate
            && !gate.admits(first.subject())
        {
            return None;
        }
        let published = context.shard.publish_run(&self.publisher, run)?;
        context.link.in_msgs += run.count() as u64;
        context.link.in_bytes += (run.count() * first.total_len()) as u64;
        Some(flow_after(published))
    }

    #[inline]
    pub(crate) fn publish(
        &mut self,
        context: &mut Context<'_>,
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
        ahead: &[u8],
    ) -> Flow {
        context.link.in_msgs += 1;
        context.link.in_bytes += publish.total_len() as u64;
        // Told of first, of the subject as it was sent; the message goes on.
        if self.connect.pedantic && !subject::name::is_valid_literal(publish.subject()) {
            self.error(context, ErrorText::InvalidPublishSubject);
        }
        if publish.has_headers()
            && let Some(flow) = self.publish_traced(context, publish, shared)
        {
            return flow;
        }
        self.publish_untraced(context, publish, shared, ahead)
    }

    #[inline]
    pub(crate) fn publish_untraced(
        &mut self,
        context: &mut Context<'_>,
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
        ahead: &[u8],
    ) -> Flow {
        match self.mappings.is_some() {
            false => self.publish_checked(context, publish, shared, ahead),
            true => self.publish_mapped(context, publish, shared),
        }
    }

    /// spec/security.md §6: mapped once, before permissions and interest are looked at.
    fn publish_mapped(
        &mut self,
        context: &mut Context<'_>,
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
    ) -> Flow {
        let Some(mappings) = &self.mappings else { return Flow::Continue };
        let mut subject = Vec::new();
        match mappings.map(publish.subject(), &mut fastrand::Rng::new(), &mut subject) {
            MappedTo::Same => self.publish_checked(context, publish, shared, &[]),
            MappedTo::Nothing => {
                context.shard.count_refused(publish);
                self.ok(context);
                Flow::Continue
            }
            MappedTo::Other => {
                context.shard.trace_mapped(&subject);
                let mut wire = Vec::new();
                let parts = MessageParts { subject: &subject, ..publish.parts() };
                let mapped = protocol::canonical(parts, &mut wire);
                self.publish_checked(context, &mapped, None, &[])
            }
        }
    }

    #[inline]
    fn publish_checked(
        &mut self,
        context: &mut Context<'_>,
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
        ahead: &[u8],
    ) -> Flow {
        let subject = publish.subject();
        let is_denied = self.is_reserved(subject)
            || self.gate.as_mut().is_some_and(|gate| {
                !gate.admits(subject) && !context.shard.may_answer(context.slot, subject)
            });
        if is_denied {
            context.shard.count_refused(publish);
            self.deny_publish(context, subject);
            context.shard.trace_refused(|| denial(subject));
            return Flow::Continue;
        }
        if let Some(reply) = publish.reply()
            && is_reserved_reply(reply)
        {
            context.shard.count_refused(publish);
            self.deny_reply(context, reply);
            context.shard.trace_refused(|| ErrorText::PublishReplyDenied { reply }.to_string());
            return Flow::Continue;
        }
        self.ok(context);
        match (publish.is_canonical(), shared) {
            (true, Some(shared)) => self.send(context, Message::over(publish, shared.clone())),
            (true, None) => self.send(context, Message::borrowed(publish).followed_by(ahead)),
            (false, _) => {
                let mut wire = Vec::new();
                let canonical = protocol::canonical(publish.parts(), &mut wire);
                self.send(context, Message::borrowed(&canonical))
            }
        }
    }

    /// Subjects that only servers may use, `$NRG.` outside the system account
    /// (spec/client-protocol.md §10).
    #[inline]
    pub(crate) fn is_reserved(&self, subject: &[u8]) -> bool {
        matches!(subject.first(), Some(b'_' | b'$'))
            && (subject.starts_with(b"_GR_.")
                || (subject.starts_with(b"$NRG.") && self.publisher.account != AccountId::SYSTEM))
    }

    #[cold]
    pub(crate) fn deny_publish(&self, context: &mut Context<'_>, subject: &[u8]) {
        self.error(context, ErrorText::PublishDenied { subject });
        let text = format!("Publish Violation - Subject {}", GoQuoted(subject));
        self.say(context, Level::Error, &text);
    }

    #[cold]
    fn deny_reply(&self, context: &mut Context<'_>, reply: &[u8]) {
        self.error(context, ErrorText::PublishReplyDenied { reply });
        let text = format!("Publish Violation - Reply {}", GoQuoted(reply));
        self.say(context, Level::Error, &text);
    }

    #[inline]
    fn send(&mut self, context: &mut Context<'_>, mut message: Message<'_>) -> Flow {
        let published = context.shard.publish(&self.publisher, &mut message);
        // spec/client-protocol.md §6: 503 to a requestor whom nobody can answer.
        if published.reached == Reached::Nobody && self.connect.no_responders {
            context.shard.answer_no_responders(&self.publisher, &message);
        }
        flow_after(published)
    }
}

/// A publisher waits for cores whose rings are full.
#[inline]
fn flow_after(published: Published) -> Flow {
    match published.congested.is_empty() {
        true => Flow::Continue,
        false => Flow::Pause(Pause::Congested(published.congested)),
    }
}

fn denial(subject: &[u8]) -> String {
    ErrorText::PublishDenied { subject }.to_string()
}

/// Replies that only servers may use (spec/client-protocol.md §10).
#[inline]
fn is_reserved_reply(reply: &[u8]) -> bool {
    matches!(reply.first(), Some(b'_' | b'$'))
        && (reply.starts_with(b"_R_.")
            || reply.starts_with(b"$JS.ACK.")
            || reply.starts_with(b"_GR_."))
}
