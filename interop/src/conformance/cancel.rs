//! When the suite wants a call to be cancelled.

use std::time::Duration;

use crate::protos::connectrpc::conformance::v1::ClientCompatRequest;
use crate::protos::connectrpc::conformance::v1::client_compat_request::cancel::CancelTiming;

/// The moment of cancellation, if there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Timing {
    Never,
    /// In place of ending the request stream.
    BeforeCloseSend,
    /// So long after the end of the request stream.
    AfterCloseSend(Duration),
    /// After so many responses.
    AfterResponses(usize),
}

impl Timing {
    pub(super) fn of(request: &ClientCompatRequest) -> Timing {
        let Some(cancel) = request.cancel.as_option() else { return Timing::Never };
        match &cancel.cancel_timing {
            None => Timing::AfterCloseSend(Duration::ZERO),
            Some(CancelTiming::BeforeCloseSend(_)) => Timing::BeforeCloseSend,
            Some(CancelTiming::AfterCloseSendMs(delay)) => {
                Timing::AfterCloseSend(Duration::from_millis((*delay).into()))
            }
            Some(CancelTiming::AfterNumResponses(count)) => Timing::AfterResponses(*count as usize),
        }
    }

    /// The delay after the end of the request stream, if that is the moment.
    pub(super) fn delay(self) -> Option<Duration> {
        match self {
            Timing::AfterCloseSend(delay) => Some(delay),
            _ => None,
        }
    }
}
