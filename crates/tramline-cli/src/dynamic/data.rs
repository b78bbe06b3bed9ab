//! Messages between people and octets.

use buffa_descriptor::{DynamicMessage, MessageIndex};

use super::{Format, Schema, json};
use crate::input_error::InputError;
use crate::text_format;

/// How messages are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    pub(crate) format: Format,
    /// JSON on one line.
    pub(crate) is_compact: bool,
}

/// The messages of type `index` that `data` holds, in the format that it is in.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(crate) fn read(schema: &Schema, index: MessageIndex, data: &str) -> Result<Vec<DynamicMessage>, InputError> {
    match Format::of(data) {
        Format::Json => json::read(schema.pool(), index, data),
        Format::Text => text_format::read(schema.pool(), index, data),
    }
}

/// The message for a person, its last line closed.
///
/// # Errors
/// JSON has no way to say it: an Any whose type is not in the schema, for one.
pub(crate) fn write(message: &DynamicMessage, shape: Shape) -> Result<String, String> {
    match shape.format {
        Format::Text => Ok(text_format::write(message)),
        Format::Json => json::write(message, shape.is_compact),
    }
}
