//! `CONSUMER.CREATE` and `CONSUMER.DURABLE.CREATE`: makes a consumer, or changes one.
//!
//! What the request means stands in `consumer/create.rs`; here it is read, done, listened for and
//! answered. Source: spec/jetstream.md §2 "Consumer create rules".

use crate::advisory::{self, Action};
use crate::api::answer::{Answer, Body};
use crate::api::kind::{Asked, Kind};
use crate::consumer::{
    ConsumerBackup, ConsumerPlace, CreateRequest, Form, Made, Persistence, Setting,
};
use crate::request_json::decode;
use crate::service::held::{Held, Means};
use crate::stream_config::Storage;
use crate::{ApiError, WireTime};

/// The answer. The consumer listens by then on this core, not yet on all.
pub(crate) fn answer(
    asked: Asked<'_>,
    body: &str,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    let decoded = decode::<CreateRequest>(body.as_bytes(), means.settings.strictness)?;
    let form = match (asked.kind, asked.consumer) {
        (Kind::ConsumerDurableCreate, name) => Form::Durable(name),
        (_, "") => Form::Ephemeral,
        (_, name) => Form::Named { name, filter: asked.filter },
    };
    let mut request = decoded.request.resolve(asked.stream, form)?;
    // Clients that have no time to give may write none.
    if let Some(config) = &mut request.config {
        config.pause_until = config.pause_until.filter(|until| *until != WireTime::ZERO);
    }
    let subjects = held.stream.config().subjects.clone();
    let setting = setting(held, &subjects, means);
    let persistence = persistence(held);
    let desk = &mut means.of_consumers();
    let made = held.consumers.apply(request, &setting, held.place, persistence, desk)?;
    match made {
        Made::New(place) => {
            held.begin_listening(place, means);
            tell(place, Action::Created, held, means);
        }
        Made::Updated(_) => held.readers_changed(means),
        Made::Same(_) => {}
    }
    describe(made.place(), held, means)
}

/// Makes a consumer from a backup; it does not listen yet.
pub(crate) fn restore(
    backup: ConsumerBackup,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Result<(), ApiError> {
    let subjects = held.stream.config().subjects.clone();
    let setting = setting(held, &subjects, means);
    let (place, persistence) = (held.place, persistence(held));
    let desk = &mut means.of_consumers();
    held.consumers.restore(backup, &setting, place, persistence, desk).map(drop)
}

/// What the states of the stream's consumers survive.
fn persistence(held: &Held) -> Persistence {
    match held.stream.config().storage {
        Storage::Memory => Persistence::Memory,
        Storage::File => Persistence::Log,
    }
}

/// The body of every answer that describes one consumer.
pub(crate) fn describe(place: ConsumerPlace, held: &mut Held, means: &mut Means<'_>) -> Answer {
    Body::of(&held.consumers.info(place, &mut means.of_consumers())?)
}

/// Says what became of a consumer that is there.
pub(crate) fn tell(place: ConsumerPlace, action: Action, held: &Held, means: &mut Means<'_>) {
    let Some(consumer) = held.consumers.get(place) else { return };
    let names = (&held.stream.config().name[..], consumer.name());
    let (domain, wall_ns) = (means.settings.domain.as_deref(), means.now.wall_ns);
    advisory::consumer_action(means.outlet, held.account(), names, action, wall_ns, domain);
}

/// What a consumer's configuration is judged against.
fn setting<'a>(held: &Held, subjects: &'a [String], means: &Means<'_>) -> Setting<'a> {
    let stream = held.stream.config();
    let lowest = |bounds: [i64; 2]| bounds.into_iter().filter(|&bound| bound > 0).min();
    let limits = means.limits;
    let ack_pending = [means.settings.ack_pending_max, limits.max_ack_pending];
    Setting {
        subjects,
        retention: stream.retention,
        replicas: stream.num_replicas,
        stream_ack_pending_max: stream.consumer_limits.max_ack_pending,
        stream_inactive_max_ns: stream.consumer_limits.inactive_threshold,
        ack_pending_max: lowest(ack_pending).unwrap_or(0),
        request_batch_max: means.settings.request_batch_max,
        consumers_max: lowest([stream.max_consumers, limits.max_consumers])
            .unwrap_or(means.settings.consumers_default_max),
    }
}
