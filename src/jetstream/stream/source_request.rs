//! What a mirror or source asks its origin, and what the answer says. Source: spec/jetstream.md
//! §11, §2.

use std::time::Duration;

use serde::Deserialize;

use super::source::{Role, Source};
use crate::{ApiError, ErrorCode};

/// What a consumer says when there is nothing to deliver.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long the origin keeps a consumer that nobody listens to.
const INACTIVE: Duration = Duration::from_secs(10);

/// What the origin answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    error: Option<ApiError>,
    config: ToldConfig,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToldConfig {
    ack_policy: String,
}

impl Source {
    /// What the origin is asked: the subject, and the body.
    pub(super) fn request(&self, next: Option<u64>) -> (String, String) {
        let api = self.config.external.as_ref().map_or("$JS.API", |external| &external.api);
        let stream = &self.config.name;
        match &self.config.consumer {
            // spec/jetstream.md §2 CONSUMER.RESET: without a sequence it goes on behind what was
            // acknowledged, which is safe here.
            Some(consumer) => {
                (format!("{api}.CONSUMER.RESET.{stream}.{}", consumer.name), String::new())
            }
            None => (format!("{api}.CONSUMER.CREATE.{stream}"), self.consumer(next).to_string()),
        }
    }

    /// The consumer that is to be made.
    fn consumer(&self, next: Option<u64>) -> serde_json::Value {
        let mut config = serde_json::json!({
            "deliver_subject": self.deliver_to,
            "ack_policy": "none",
            "replay_policy": "instant",
            "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
            "flow_control": true,
            "inactive_threshold": INACTIVE.as_nanos() as u64,
            "mem_storage": true,
            "direct": true,
        });
        let start = match (next, self.config.opt_start_seq, self.config.opt_start_time) {
            (Some(seq), _, _) => ("by_start_sequence", Some(("opt_start_seq", seq.into()))),
            (None, 0, Some(time)) => {
                ("by_start_time", Some(("opt_start_time", time.to_string().into())))
            }
            (None, 0, None) => ("all", None),
            (None, seq, _) => ("by_start_sequence", Some(("opt_start_seq", seq.into()))),
        };
        config["deliver_policy"] = start.0.into();
        if let Some((field, value)) = start.1 {
            config[field] = value;
        }
        if !self.config.filter_subject.is_empty() {
            config["filter_subject"] = self.config.filter_subject.as_str().into();
        }
        match &self.transforms[..] {
            [] => {}
            [(only, _)] => config["filter_subject"] = only.to_string().into(),
            several => {
                let filters: Vec<_> = several.iter().map(|(filter, _)| filter.as_ref()).collect();
                config["filter_subjects"] = filters.into();
            }
        }
        serde_json::json!({ "stream_name": self.config.name, "config": config })
    }

    /// Whether the origin's answer is a consumer that this source can use.
    pub(super) fn read_answer(&self, payload: &[u8]) -> Result<(), ApiError> {
        let (failed, needs_flow) = match self.role {
            Role::Mirror => {
                (ErrorCode::MirrorConsumerSetupFailed, ErrorCode::MirrorConsumerRequiresAckFC)
            }
            Role::Source => {
                (ErrorCode::SourceConsumerSetupFailed, ErrorCode::SourceConsumerRequiresAckFC)
            }
        };
        let told: Told = serde_json::from_slice(payload)
            .map_err(|_| ApiError::with(failed, "the origin's answer is not understood"))?;
        if let Some(error) = told.error {
            return Err(error);
        }
        // spec/jetstream.md §18: 10214, 10217
        if self.config.consumer.is_some() && told.config.ack_policy != "flow_control" {
            return Err(ApiError::new(needs_flow));
        }
        Ok(())
    }
}
