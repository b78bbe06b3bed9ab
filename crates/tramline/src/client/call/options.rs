//! What can be said of a single call.

use std::time::Duration;

use tramline_call::{Encoding, Metadata, MethodInfo, Status};

use super::shared::CallHead;
use crate::client::profile::Profile;
use crate::clock::Clock;
use crate::drive::scope;

/// The settings of one call, on top of the channel's.
#[derive(Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    /// On the channel's clock.
    pub(crate) deadline: Option<Duration>,
    pub(crate) waits_for_ready: Option<bool>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) metadata: Metadata,
    /// A setting that cannot be: the call fails with it.
    pub(crate) failure: Option<Status>,
}

impl CallOptions {
    pub(crate) fn append(&mut self, key: &str, value: &str) {
        if let Err(error) = self.metadata.append(key, value) {
            self.refuse(key, &error);
        }
    }

    pub(crate) fn append_bin(&mut self, key: &str, value: &[u8]) {
        if let Err(error) = self.metadata.append_bin(key, value) {
            self.refuse(key, &error);
        }
    }

    /// As [`into_head`](Self::into_head), for a call that begins even if it cannot: the
    /// status is what it then ends with.
    pub(crate) fn into_head_or_failed(self, profile: &Profile, method: MethodInfo) -> (CallHead, Option<Status>) {
        match self.into_head(profile, method.clone(), Metadata::new()) {
            Ok(head) => (head, None),
            Err(status) => (CallHead::empty(method), Some(status)),
        }
    }

    /// What a call of `method` says in its head.
    pub(crate) fn into_head(
        self,
        profile: &Profile,
        method: MethodInfo,
        metadata: Metadata,
    ) -> Result<CallHead, Status> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let deadline = self.earliest_deadline(&profile.clock)?;
        let mut metadata = metadata;
        if metadata.is_empty() {
            metadata = self.metadata;
        } else if !self.metadata.is_empty() {
            metadata.merge(&self.metadata);
        }
        Ok(CallHead {
            method,
            metadata,
            deadline,
            encoding: self.encoding.unwrap_or(profile.compression),
            waits_for_ready: self.waits_for_ready.unwrap_or(profile.waits_for_ready),
        })
    }

    /// The earliest of what the caller said, and of the call whose handler this is.
    fn earliest_deadline(&self, clock: &Clock) -> Result<Option<Duration>, Status> {
        let own = match (self.timeout, self.deadline) {
            (None, None) => None,
            (timeout, deadline) => {
                let now = clock.now();
                let at = [timeout.map(|timeout| now.saturating_add(timeout)), deadline].into_iter().flatten().min();
                if at.is_some_and(|at| at <= now) {
                    return Err(Status::deadline_exceeded("the deadline had passed when the call was made"));
                }
                at
            }
        };
        Ok([own, scope::deadline()].into_iter().flatten().min())
    }

    fn refuse(&mut self, key: &str, error: &tramline_call::MetadataError) {
        let status = || Status::internal(format!("the metadata entry `{key}` cannot be sent: {error}"));
        self.failure.get_or_insert_with(status);
    }
}

/// The settings that every kind of call has.
macro_rules! call_settings {
    () => {
        /// The call fails with DEADLINE_EXCEEDED if it takes longer than this, everything
        /// counted: name lookup, connecting, waiting for a stream, sending, the last trailer.
        ///
        /// Without it, a call made in a handler has the deadline of that handler's call.
        pub fn timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }

        /// As [`timeout`](Self::timeout), with a point in time on the clock of the channel.
        pub fn deadline(mut self, deadline: ::std::time::Duration) -> Self {
            self.options.deadline = Some(deadline);
            self
        }

        /// Adds a metadata entry. One that cannot be sent fails the call.
        pub fn metadata(mut self, key: &str, value: &str) -> Self {
            self.options.append(key, value);
            self
        }

        /// Adds a metadata entry of any octets; its key ends in `-bin`.
        pub fn metadata_bin(mut self, key: &str, value: &[u8]) -> Self {
            self.options.append_bin(key, value);
            self
        }

        /// Whether the call waits for a connection while the server cannot be reached,
        /// or fails with UNAVAILABLE (the default).
        pub fn wait_for_ready(mut self, waits_for_ready: bool) -> Self {
            self.options.waits_for_ready = Some(waits_for_ready);
            self
        }

        /// How the call's messages are compressed, in place of the channel's default.
        /// [`Encoding::Identity`](tramline_call::Encoding::Identity) leaves them as they are.
        pub fn compression(mut self, encoding: ::tramline_call::Encoding) -> Self {
            self.options.encoding = Some(encoding);
            self
        }
    };
}
pub(super) use call_settings;
