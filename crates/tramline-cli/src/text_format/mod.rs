//! Protobuf text format, read and written by descriptors.
//!
//! The grammar is that of <https://protobuf.dev/reference/protobuf/textformat-spec/>.
//! Beyond it, for the command line: a message may stand in braces of its own, and several
//! messages may follow each other, in braces or separated by a line `---` or by the
//! octet 0x1E.

mod lexer;
mod literal;
mod parser;
mod printer;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use buffa_descriptor::{DescriptorPool, DynamicMessage, MessageIndex};

use crate::input_error::InputError;
pub(crate) use value::{integer_range, type_name};

/// Reads the messages of type `index` that `source` holds.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(crate) fn read(
    pool: &Arc<DescriptorPool>,
    index: MessageIndex,
    source: &str,
) -> Result<Vec<DynamicMessage>, InputError> {
    parser::Parser::new(pool, source)?.messages(index)
}

/// Writes a message, one field a line, with a line feed after each.
pub(crate) fn write(message: &DynamicMessage) -> String {
    printer::print(message)
}
