//! How many messages each side of a call may send.

use crate::{MethodKind, Status};

/// Counts the messages of one direction of a call, where exactly one may come.
///
/// A violation is UNIMPLEMENTED (gRPC statuscodes: "Cardinality violation").
///
/// ```
/// use tramline_call::{Code, MethodKind, cardinality::MessageCount};
///
/// let mut count = MessageCount::of_requests(MethodKind::Unary);
/// assert!(count.handle_message().is_ok());
/// assert_eq!(count.handle_message().unwrap_err().code(), Code::Unimplemented);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageCount {
    direction: Direction,
    is_one: bool,
    has_come: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Request,
    Response,
}

impl MessageCount {
    /// For what a server receives.
    #[must_use]
    pub const fn of_requests(kind: MethodKind) -> Self {
        MessageCount { direction: Direction::Request, is_one: kind.takes_one_message(), has_come: false }
    }

    /// For what a client receives.
    #[must_use]
    pub const fn of_responses(kind: MethodKind) -> Self {
        MessageCount { direction: Direction::Response, is_one: kind.replies_once(), has_come: false }
    }

    /// A message begins.
    ///
    /// # Errors
    /// UNIMPLEMENTED: it is one too many.
    #[inline]
    pub fn handle_message(&mut self) -> Result<(), Status> {
        if self.is_one && self.has_come {
            return Err(too_many(self.direction));
        }
        self.has_come = true;
        Ok(())
    }

    /// The direction ended in order (for responses: with status OK).
    ///
    /// # Errors
    /// UNIMPLEMENTED: the one message is missing.
    #[inline]
    pub fn handle_end(&self) -> Result<(), Status> {
        if self.is_one && !self.has_come { Err(missing(self.direction)) } else { Ok(()) }
    }
}

fn too_many(direction: Direction) -> Status {
    Status::unimplemented(match direction {
        Direction::Request => "the request has more than one message, and the method takes one",
        Direction::Response => "the response has more than one message, and the method answers with one",
    })
}

fn missing(direction: Direction) -> Status {
    Status::unimplemented(match direction {
        Direction::Request => "the request has no message, and the method takes one",
        Direction::Response => "the response is OK but has no message, and the method answers with one",
    })
}
