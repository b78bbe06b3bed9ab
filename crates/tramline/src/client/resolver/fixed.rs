//! Addresses that are given and do not change.

use std::task::{Context, Poll};

use tramline_call::Status;

use super::{Resolution, Resolver};

/// Yields one result.
#[derive(Debug)]
pub struct FixedResolver {
    result: Result<Resolution, Status>,
    is_wanted: bool,
}

impl FixedResolver {
    /// Always these servers.
    #[must_use]
    pub fn new(resolution: Resolution) -> Self {
        FixedResolver { result: Ok(resolution), is_wanted: true }
    }

    /// Always this error.
    pub(crate) fn failing(status: Status) -> Self {
        FixedResolver { result: Err(status), is_wanted: true }
    }
}

impl Resolver for FixedResolver {
    fn poll_resolution(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Resolution, Status>> {
        if std::mem::take(&mut self.is_wanted) { Poll::Ready(self.result.clone()) } else { Poll::Pending }
    }

    fn request_resolution(&mut self) {
        self.is_wanted = self.result.is_err();
    }
}
