//! RFC 9113 §5.1, every state against every input.

use tramline_h2::Reason;
use tramline_h2::state::Input::{
    ReceiveData, ReceiveHeaders, ReceiveReset, ReceiveWindowUpdate, SendData, SendHeaders, SendReset,
};
use tramline_h2::state::State::{self, Closed, HalfClosedLocal, HalfClosedRemote, Idle, Open};
use tramline_h2::state::{Input, Violation};

const INPUTS: [Input; 11] = [
    SendHeaders { end_stream: false },
    SendHeaders { end_stream: true },
    ReceiveHeaders { end_stream: false },
    ReceiveHeaders { end_stream: true },
    SendData { end_stream: false },
    SendData { end_stream: true },
    ReceiveData { end_stream: false },
    ReceiveData { end_stream: true },
    SendReset,
    ReceiveReset,
    ReceiveWindowUpdate,
];

#[test]
fn every_state_and_input_is_as_the_rfc_says() {
    const LOCAL: Result<State, Violation> = Err(Violation::Local);
    const PROTOCOL: Result<State, Violation> = Err(Violation::Connection(Reason::PROTOCOL_ERROR));
    const STREAM: Result<State, Violation> = Err(Violation::Stream(Reason::STREAM_CLOSED));
    const CLOSED: Result<State, Violation> = Err(Violation::Connection(Reason::STREAM_CLOSED));
    let table: [(State, [Result<State, Violation>; 11]); 5] = [
        (
            Idle,
            [
                Ok(Open),
                Ok(HalfClosedLocal),
                Ok(Open),
                Ok(HalfClosedRemote),
                LOCAL,
                LOCAL,
                PROTOCOL,
                PROTOCOL,
                LOCAL,
                PROTOCOL,
                PROTOCOL,
            ],
        ),
        (
            Open,
            [
                Ok(Open),
                Ok(HalfClosedLocal),
                Ok(Open),
                Ok(HalfClosedRemote),
                Ok(Open),
                Ok(HalfClosedLocal),
                Ok(Open),
                Ok(HalfClosedRemote),
                Ok(Closed),
                Ok(Closed),
                Ok(Open),
            ],
        ),
        (
            HalfClosedLocal,
            [
                LOCAL,
                LOCAL,
                Ok(HalfClosedLocal),
                Ok(Closed),
                LOCAL,
                LOCAL,
                Ok(HalfClosedLocal),
                Ok(Closed),
                Ok(Closed),
                Ok(Closed),
                Ok(HalfClosedLocal),
            ],
        ),
        (
            HalfClosedRemote,
            [
                Ok(HalfClosedRemote),
                Ok(Closed),
                STREAM,
                STREAM,
                Ok(HalfClosedRemote),
                Ok(Closed),
                STREAM,
                STREAM,
                Ok(Closed),
                Ok(Closed),
                Ok(HalfClosedRemote),
            ],
        ),
        (Closed, [LOCAL, LOCAL, CLOSED, CLOSED, LOCAL, LOCAL, CLOSED, CLOSED, LOCAL, Ok(Closed), Ok(Closed)]),
    ];
    for (state, row) in table {
        for (input, expected) in INPUTS.into_iter().zip(row) {
            assert_eq!(state.next(input), expected, "{state:?} on {input:?}");
        }
    }
    assert_eq!(table.map(|(state, _)| state), State::ALL);
}
