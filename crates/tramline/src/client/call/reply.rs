//! The one reply to a stream of requests.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tramline_call::{Metadata, Status};

use crate::response::Response;
use crate::streaming::Streaming;

/// The reply that will come when the request stream has ended, or earlier. Dropping it
/// cancels the call.
#[derive(Debug)]
#[must_use = "dropping it cancels the call"]
pub struct Reply<T> {
    replies: Streaming<T>,
    message: Option<T>,
}

impl<T> Reply<T> {
    pub(super) fn new(replies: Streaming<T>) -> Self {
        Reply { replies, message: None }
    }

    /// The initial metadata, as soon as it arrives.
    ///
    /// # Errors
    /// The call's status, if it failed before any came.
    pub async fn metadata(&mut self) -> Result<Metadata, Status> {
        self.replies.metadata().await
    }
}

impl<T> Future for Reply<T> {
    type Output = Result<Response<T>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while let Some(message) = ready!(this.replies.poll_message(cx))? {
            this.message = Some(message);
        }
        let metadata = ready!(this.replies.poll_metadata(cx))?;
        let trailers = this.replies.trailers().cloned().unwrap_or_default();
        let message = this.message.take().ok_or_else(|| Status::internal("a reply was asked for twice"))?;
        let was_compressed = this.replies.was_compressed();
        Poll::Ready(Ok(Response::received(message, metadata, trailers).compressed(was_compressed)))
    }
}

// Messages are not pinned.
impl<T> Unpin for Reply<T> {}
