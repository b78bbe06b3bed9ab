//! The frame header (RFC 9113 §4.1).

/// Length of a frame header.
pub const HEAD_LEN: usize = 9;

/// Flag bits; their meaning depends on the frame's kind (RFC 9113 §6).
pub mod flags {
    /// DATA, HEADERS: nothing follows on this stream.
    pub const END_STREAM: u8 = 0x1;
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// HEADERS, CONTINUATION: the field block is complete.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS: a pad length stands in front.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: priority fields stand in front.
    pub const PRIORITY: u8 = 0x20;
}

/// The kinds of frames of RFC 9113 §6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// §6.1
    Data,
    /// §6.2
    Headers,
    /// §6.3
    Priority,
    /// §6.4
    RstStream,
    /// §6.5
    Settings,
    /// §6.6
    PushPromise,
    /// §6.7
    Ping,
    /// §6.8
    GoAway,
    /// §6.9
    WindowUpdate,
    /// §6.10
    Continuation,
    /// Any other, which must be ignored (RFC 9113 §5.5).
    Unknown(u8),
}

impl FrameKind {
    const fn from_octet(octet: u8) -> FrameKind {
        match octet {
            0 => FrameKind::Data,
            1 => FrameKind::Headers,
            2 => FrameKind::Priority,
            3 => FrameKind::RstStream,
            4 => FrameKind::Settings,
            5 => FrameKind::PushPromise,
            6 => FrameKind::Ping,
            7 => FrameKind::GoAway,
            8 => FrameKind::WindowUpdate,
            9 => FrameKind::Continuation,
            other => FrameKind::Unknown(other),
        }
    }

    /// The octet on the wire.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            FrameKind::Data => 0,
            FrameKind::Headers => 1,
            FrameKind::Priority => 2,
            FrameKind::RstStream => 3,
            FrameKind::Settings => 4,
            FrameKind::PushPromise => 5,
            FrameKind::Ping => 6,
            FrameKind::GoAway => 7,
            FrameKind::WindowUpdate => 8,
            FrameKind::Continuation => 9,
            FrameKind::Unknown(octet) => octet,
        }
    }
}

/// A frame header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    /// Length of the payload.
    pub len: u32,
    /// What the payload is.
    pub kind: FrameKind,
    /// See [`flags`].
    pub flags: u8,
    /// The stream, 0 for the connection; the reserved bit is cleared.
    pub stream_id: u32,
}

impl FrameHead {
    /// Reads a frame header from the front of `input`, if it is whole.
    #[must_use]
    pub fn parse(input: &[u8]) -> Option<FrameHead> {
        let (front, rest) = input.split_first_chunk()?;
        let ([flags], rest) = rest.split_first_chunk()?;
        let front = u32::from_be_bytes(*front);
        Some(FrameHead {
            len: front >> 8,
            kind: FrameKind::from_octet(front as u8),
            flags: *flags,
            stream_id: u32::from_be_bytes(*rest.first_chunk()?) & super::STREAM_ID_MAX,
        })
    }

    /// The nine octets.
    #[must_use]
    pub fn to_octets(self) -> [u8; HEAD_LEN] {
        let [f0, f1, f2, f3] = (self.len << 8 | u32::from(self.kind.octet())).to_be_bytes();
        let [i0, i1, i2, i3] = self.stream_id.to_be_bytes();
        [f0, f1, f2, f3, self.flags, i0, i1, i2, i3]
    }

    /// Whether `flag` is set.
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire() {
        for octet in 0..=255 {
            let head = FrameHead { len: 0x12_3456, kind: FrameKind::from_octet(octet), flags: 0x25, stream_id: 7 };
            assert_eq!(head.kind.octet(), octet);
            assert_eq!(FrameHead::parse(&head.to_octets()), Some(head));
        }
    }

    #[test]
    fn the_reserved_bit_is_ignored() {
        let head = FrameHead::parse(&[0, 0, 0, 4, 0, 0x80, 0, 0, 1]).unwrap();
        assert_eq!(head.stream_id, 1);
        assert_eq!(FrameHead::parse(&[0; 8]), None);
    }
}
