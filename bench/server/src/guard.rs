//! An interceptor such as most services have: it lets in who shows a token.

use tramline::{CallStart, Interceptor, Started, Status};

const SCHEME: &str = "Bearer ";

pub(crate) struct Guard;

impl Interceptor for Guard {
    type Call = ();
    const SEES_MESSAGES: bool = false;

    async fn start(&self, call: &mut CallStart<'_>) -> Result<Started<()>, Status> {
        match call.metadata().get("authorization") {
            Some(token) if token.starts_with(SCHEME) => Ok(Started::Continue(())),
            _ => Err(Status::unauthenticated("authorization holds no bearer token")),
        }
    }
}
