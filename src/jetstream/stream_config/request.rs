//! The body of STREAM.CREATE and STREAM.UPDATE: a configuration, and how strictly to take it.

use serde::Deserialize;

use super::{Pedantry, StreamConfig};
use crate::ApiError;
use crate::request_json::{Decoded, Strictness, decode, decode_with};

/// What a create or update asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRequest {
    /// The configuration as sent.
    pub config: StreamConfig,
    /// Whether silent corrections are errors.
    pub pedantry: Pedantry,
}

/// The one field beside the configuration's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    pedantic: bool,
}

/// Reads a create or update request.
pub fn decode_request(
    body: &[u8],
    strictness: Strictness,
) -> Result<Decoded<StreamRequest>, ApiError> {
    let beside: Decoded<Beside> = decode(body, Strictness::Lenient)?;
    let pedantry = match beside.request.pedantic {
        true => Pedantry::Pedantic,
        false => Pedantry::Lenient,
    };
    let Decoded { request: config, ignored } = decode_with(body, strictness, &["pedantic"])?;
    Ok(Decoded { request: StreamRequest { config, pedantry }, ignored })
}
