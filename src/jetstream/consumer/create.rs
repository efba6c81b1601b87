//! Requests to create or update a consumer: what name they mean, and what becomes of what is
//! there already.
//!
//! Source: spec/jetstream.md §2 "Consumer create rules". Three subjects ask for it: two legacy
//! ones, for ephemeral and for durable consumers, and the one with the name in it.

use serde::Deserialize;

use super::config::ConsumerConfig;
use super::engine::{Birth, Desk, Persistence};
use super::kept;
use super::levels;
use super::rules::{self, Corrections, Setting};
use super::set::{ConsumerPlace, Consumers};
use super::update;
use crate::wire_time::WireTime;
use crate::{ApiError, ErrorCode};

/// Characters of a name that the server chooses.
const GENERATED_LEN: usize = 8;

/// The body of a create request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// The stream; must be the one in the subject.
    pub stream_name: String,
    /// What is asked for.
    pub config: Option<ConsumerConfig>,
    /// Whether it must be there already, or must not.
    pub action: Action,
    /// Whether silent corrections are refused.
    pub pedantic: bool,
}

/// Whether the consumer must be there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Action {
    /// Either way.
    #[default]
    #[serde(rename = "")]
    CreateOrUpdate,
    /// It must not, unless it is the same.
    #[serde(rename = "create")]
    Create,
    /// It must.
    #[serde(rename = "update")]
    Update,
}

/// The subject that a create request came on. Names and filter are as in the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// `CONSUMER.CREATE.<stream>`
    Ephemeral,
    /// `CONSUMER.DURABLE.CREATE.<stream>.<consumer>`; empty without a consumer.
    Durable(&'a str),
    /// `CONSUMER.CREATE.<stream>.<consumer>[.<filter>]`
    Named {
        /// The consumer.
        name: &'a str,
        /// Its filter, or nothing.
        filter: &'a str,
    },
}

/// What a create request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A consumer.
    New(ConsumerPlace),
    /// Another configuration for one that was there.
    Updated(ConsumerPlace),
    /// Nothing: it was there and is the same.
    Same(ConsumerPlace),
}

impl Made {
    /// The consumer.
    #[must_use]
    pub fn place(self) -> ConsumerPlace {
        let (Made::New(place) | Made::Updated(place) | Made::Same(place)) = self;
        place
    }
}

impl CreateRequest {
    /// Checks the request against the subject it came on, and puts the name into its
    /// configuration. Without any name the consumer gets one when it is made.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn resolve(mut self, stream: &str, form: Form<'_>) -> Result<CreateRequest, ApiError> {
        if self.stream_name != stream {
            return Err(ErrorCode::StreamMismatch.into());
        }
        // As in Go: none is one of zeroes.
        let config = self.config.get_or_insert_default();
        match form {
            Form::Ephemeral if config.is_durable() => {
                return Err(ErrorCode::ConsumerEphemeralWithDurableName.into());
            }
            Form::Ephemeral => {}
            Form::Durable("") => return Err(ErrorCode::ConsumerDurableNameNotInSubject.into()),
            Form::Durable(_) if !config.is_durable() => {
                return Err(ErrorCode::ConsumerDurableNameNotSet.into());
            }
            Form::Durable(name) => {
                match_name(config, name)?;
                // Seen of nats-server 2.15.2: its name is there in both words.
                name.clone_into(&mut config.name);
            }
            Form::Named { name, filter } => {
                rules::check_name(name)?;
                match_name(config, name)?;
                match_filter(config, filter)?;
                name.clone_into(&mut config.name);
            }
        }
        Ok(self)
    }
}

/// The name in the subject is the durable name, if there is one; `name` gives way to it.
fn match_name(config: &ConsumerConfig, name: &str) -> Result<(), ApiError> {
    if config.is_durable() && config.durable_name != name {
        return Err(ErrorCode::ConsumerDurableNameNotMatchSubject.into());
    }
    Ok(())
}

/// The filter in the subject is that of the configuration; with several there is none.
fn match_filter(config: &ConsumerConfig, filter: &str) -> Result<(), ApiError> {
    if filter.is_empty() {
        return Ok(());
    }
    if !config.filter_subjects.is_empty() {
        return Err(ErrorCode::ConsumerMultipleFiltersNotAllowed.into());
    }
    if config.filter_subject != filter {
        return Err(ErrorCode::ConsumerCreateFilterSubjectMismatch.into());
    }
    Ok(())
}

impl Consumers {
    /// Does what a resolved request asks for. `number` is the stream's place in its core's table,
    /// `persistence` what states of the stream's consumers survive.
    ///
    /// # Errors
    /// The rule that is broken; nothing changed.
    pub fn apply(
        &mut self,
        request: CreateRequest,
        setting: &Setting<'_>,
        number: u32,
        persistence: Persistence,
        desk: &mut Desk<'_>,
    ) -> Result<Made, ApiError> {
        let mut config = request.config.unwrap_or_default();
        let chosen = if config.is_durable() { &config.durable_name } else { &config.name };
        let name = if chosen.is_empty() { self.free_name() } else { chosen.clone() };
        // Whether it stays when nobody uses it was said when it was made: nats-server takes both
        // words for the name of what is to be updated, too.
        if request.action != Action::Create
            && let Some(old) = self.find(&name).and_then(|place| self.get(place))
        {
            config.durable_name.clone_from(&old.config().durable_name);
        }
        let corrections = match request.pedantic {
            true => Corrections::Refused,
            false => Corrections::Silent,
        };
        let others = self.configs(Some(&name));
        let mut config = rules::admit(config, setting, &others, corrections)?;
        levels::stamp(&mut config);
        if let Some(place) = self.find(&name) {
            return self.apply_to(place, config, request.action, desk);
        }
        if request.action == Action::Update {
            return Err(ErrorCode::ConsumerDoesNotExist.into());
        }
        let counted = others.iter().filter(|other| !other.is_internal()).count();
        let full =
            usize::try_from(setting.consumers_max).is_ok_and(|most| most > 0 && counted >= most);
        if full && !config.is_internal() {
            return Err(ErrorCode::MaximumConsumersLimit.into());
        }
        let waiter = kept::waiter(number, self.next_place());
        let persistence = if config.mem_storage { Persistence::Memory } else { persistence };
        let birth = Birth {
            name,
            config,
            created: WireTime::from_wall_ns(desk.now.wall_ns),
            persistence,
            waiter,
        };
        Ok(Made::New(self.create(birth, desk)))
    }

    /// What becomes of a consumer that is there.
    fn apply_to(
        &mut self,
        place: ConsumerPlace,
        mut config: ConsumerConfig,
        action: Action,
        desk: &mut Desk<'_>,
    ) -> Result<Made, ApiError> {
        let old = self.get(place).ok_or(ErrorCode::ConsumerNotFound)?.config();
        // spec/jetstream.md §4: CREATE of an existing consumer keeps the old value.
        config.pause_until = old.pause_until;
        levels::stamp(&mut config);
        if update::is_same(old, &config) {
            return Ok(Made::Same(place));
        }
        if action == Action::Create {
            return Err(ErrorCode::ConsumerAlreadyExists.into());
        }
        self.update(place, config, desk)?;
        Ok(Made::Updated(place))
    }

    /// A name that no consumer of this stream has.
    fn free_name(&self) -> String {
        loop {
            let letters = std::iter::repeat_with(fastrand::alphanumeric);
            let name: String = letters.take(GENERATED_LEN).collect();
            if self.find(&name).is_none() {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests;
