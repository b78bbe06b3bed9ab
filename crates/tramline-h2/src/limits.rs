//! Every budget against abuse, each with the attack that it stops.

use core::time::Duration;

/// The named limits of one connection.
///
/// The engine degrades before it kills: it merges, withholds window or stops
/// reading, and only then sends GOAWAY(ENHANCE_YOUR_CALM) with the name of the
/// budget as debug data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Streams that the peer may hold at once, advertised as
    /// SETTINGS_MAX_CONCURRENT_STREAMS. A stream counts until the driver forgets
    /// it, so a reset does not free its place before its handler is gone
    /// (rapid reset, CVE-2023-44487).
    pub concurrent_streams_max: u32,
    /// Length of a field section, advertised as SETTINGS_MAX_HEADER_LIST_SIZE
    /// (HPACK bomb, CVE-2016-6581). Four times as much ends the connection.
    pub header_list_len_max: usize,
    /// Fields in a section, cookie crumbs counted (HTTP/2 bomb, CVE-2026-49975).
    pub field_count_max: usize,
    /// CONTINUATION frames in a field block, empty ones counted
    /// (CONTINUATION flood, VU#421644).
    pub continuation_count_max: u32,
    /// Time for a field block from its first octet to END_HEADERS (drip-fed blocks).
    pub header_block_timeout: Duration,
    /// Time for the peer's preface and first SETTINGS (half-open connections).
    pub preface_timeout: Duration,
    /// Time for the peer to acknowledge our SETTINGS (RFC 9113 §6.5.3).
    pub settings_ack_timeout: Duration,
    /// Time without progress while output waits (slow read, CVE-2019-9511).
    pub write_stall_timeout: Duration,
    /// Time that data of a stream may wait for window without a single octet going out
    /// (window 0 forever, CVE-2019-9511, -9517); a server resets that stream alone, between
    /// once and twice this time after its last progress. An application that pauses with a
    /// message in its hands is no attack, so the default is long.
    pub window_stall_timeout: Duration,
    /// Answers to control frames that may wait for a peer that does not read,
    /// before the engine stops reading (PING and SETTINGS floods, CVE-2019-9512, -9515).
    pub control_queue_max: usize,
    /// Encoded octets that may wait in the output before the engine stops reading.
    pub output_len_max: usize,
    /// Unsent octets of one stream before its producer gets back-pressure.
    pub send_queue_len_max: usize,
    /// Unsent octets of all streams above which new streams are refused (peers that ask
    /// for much and never open their windows, CVE-2019-9517).
    pub unsent_len_max: usize,
    /// Octets delivered and not yet released, over all streams, above which no
    /// connection window is given back (the byte ledger).
    pub retained_len_max: usize,
    /// Resets before a response, and errors that cost us a RST_STREAM
    /// (rapid reset; MadeYouReset, CVE-2025-8671): burst.
    pub reset_burst: u32,
    /// The same: how many a second come back.
    pub reset_refill_per_s: u32,
    /// PING frames beyond one for each DATA frame that we sent: burst (CVE-2019-9512).
    /// Peers measure the path with one PING a round trip while data flows to them.
    pub ping_burst: u32,
    /// PING frames: how many a second come back.
    pub ping_refill_per_s: u32,
    /// SETTINGS frames: burst (CVE-2019-9515).
    pub settings_burst: u32,
    /// SETTINGS frames: how many a second come back.
    pub settings_refill_per_s: u32,
    /// DATA frames without payload and without END_STREAM: burst (CVE-2019-9518).
    pub empty_data_burst: u32,
    /// The same: how many a second come back.
    pub empty_data_refill_per_s: u32,
    /// PRIORITY and unknown frames: burst (CVE-2019-9513).
    pub ignored_burst: u32,
    /// The same: how many a second come back.
    pub ignored_refill_per_s: u32,
    /// WINDOW_UPDATE frames beyond two for each DATA frame that we sent: burst.
    pub window_update_burst: u32,
    /// The same: how many a second come back.
    pub window_update_refill_per_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            concurrent_streams_max: 256,
            header_list_len_max: 16 * 1024,
            field_count_max: 128,
            continuation_count_max: 20,
            header_block_timeout: Duration::from_secs(5),
            preface_timeout: Duration::from_secs(10),
            settings_ack_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_secs(60),
            window_stall_timeout: Duration::from_secs(300),
            control_queue_max: 100,
            output_len_max: 1024 * 1024,
            send_queue_len_max: 64 * 1024,
            unsent_len_max: 256 * 1024 * 1024,
            retained_len_max: 16 * 1024 * 1024,
            reset_burst: 400,
            reset_refill_per_s: 100,
            ping_burst: 200,
            ping_refill_per_s: 50,
            settings_burst: 50,
            settings_refill_per_s: 5,
            empty_data_burst: 1000,
            empty_data_refill_per_s: 100,
            ignored_burst: 1000,
            ignored_refill_per_s: 100,
            window_update_burst: 10_000,
            window_update_refill_per_s: 10_000,
        }
    }
}
