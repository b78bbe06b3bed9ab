use tramline_call::Code;

use super::*;

const ALL: [Encoding; 5] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Br, Encoding::Snappy];

fn enabled() -> impl Iterator<Item = Encoding> {
    ALL.into_iter().filter(|encoding| is_supported(*encoding))
}

fn pack(encoding: Encoding, plain: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    compress(encoding, plain, &mut out).unwrap();
    out.split_off(6)
}

/// Text that compresses like ordinary messages do.
fn text(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..len).map(|_| b"aaaabbcd efgh"[random.usize(..13)]).collect()
}

#[test]
fn what_is_packed_comes_back() {
    for encoding in enabled() {
        for plain in [Vec::new(), b"x".to_vec(), text(100), text(200_000), vec![0; 1_000_000]] {
            let packed = pack(encoding, &plain);
            assert_eq!(decompress(encoding, &packed, plain.len()).unwrap(), plain, "{encoding:?} {}", plain.len());
        }
    }
}

#[test]
fn the_limit_holds_while_inflating_and_is_named() {
    for encoding in enabled() {
        let packed = pack(encoding, &text(100_001));
        let status = decompress(encoding, &packed, 100_000).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{encoding:?}");
        assert!(status.message().contains(&packed.len().to_string()), "{status:?}");
        assert!(status.message().contains("limit of 100000 bytes"), "{status:?}");
    }
}

/// Packed as tightly as the format allows: about 1000:1.
fn bomb(encoding: Encoding, len: usize) -> Vec<u8> {
    let plain = vec![0; len];
    match encoding {
        #[cfg(feature = "gzip")]
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            io::Write::write_all(&mut encoder, &plain).unwrap();
            encoder.finish().unwrap()
        }
        #[cfg(feature = "deflate")]
        Encoding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            io::Write::write_all(&mut encoder, &plain).unwrap();
            encoder.finish().unwrap()
        }
        _ => pack(encoding, &plain),
    }
}

/// A bomb under a limit that would let it pass: the ratio gives it away. Snappy cannot
/// reach such ratios.
#[test]
fn bombs_are_told_by_their_ratio() {
    for encoding in enabled().filter(|encoding| *encoding != Encoding::Snappy) {
        let packed = bomb(encoding, 16 * 1024 * 1024);
        assert!(packed.len() < 20_000, "{encoding:?}: {}", packed.len());
        let status = decompress(encoding, &packed, 1 << 30).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{encoding:?}");
        assert!(status.message().contains("256 times"), "{status:?}");
    }
}

/// A bomb of many small members or frames is one message, too.
#[test]
fn bombs_in_many_parts_meet_the_same_limit() {
    for encoding in enabled().filter(|encoding| matches!(encoding, Encoding::Gzip | Encoding::Zstd | Encoding::Snappy))
    {
        let packed = pack(encoding, &vec![0; 1 << 20]).repeat(8);
        let status = decompress(encoding, &packed, 4 << 20).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{encoding:?}");
    }
}

#[test]
fn members_and_frames_in_a_row_are_one_message() {
    for encoding in enabled().filter(|encoding| matches!(encoding, Encoding::Gzip | Encoding::Zstd | Encoding::Snappy))
    {
        let packed = [pack(encoding, b"one "), pack(encoding, b"two")].concat();
        assert_eq!(decompress(encoding, &packed, 100).unwrap(), b"one two", "{encoding:?}");
    }
}

#[test]
fn octets_behind_the_end_are_refused() {
    for encoding in enabled() {
        for garbage in [&b"garbage behind the end"[..], &[0x55; 9000]] {
            let packed = [&pack(encoding, &text(300))[..], garbage].concat();
            let status = decompress(encoding, &packed, 1 << 20).unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{encoding:?}");
        }
    }
}

#[test]
fn cut_and_broken_input_is_refused() {
    for encoding in enabled() {
        let packed = pack(encoding, &text(1000));
        for len in 1..packed.len() {
            let status = decompress(encoding, &packed[..len], 1 << 20).map(|plain| plain.len());
            // A stream of snappy chunks may end behind any of them.
            let is_whole_chunks = encoding == Encoding::Snappy && len == 10;
            assert!(is_whole_chunks || status.is_err_and(|s| s.code() == Code::Internal), "{encoding:?} {len}");
        }
        for garbage in [&b"\xff\xff\xff\xff"[..], b"not compressed at all", &[0; 64]] {
            assert_eq!(decompress(encoding, garbage, 1000).unwrap_err().code(), Code::Internal, "{encoding:?}");
        }
    }
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_windows_over_the_cap_are_refused_before_they_are_allocated() {
    // A frame head that asks for a window of 2^27 octets, and one raw last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x09, 0x00, 0x00, b'x'];
    let status = decompress(Encoding::Zstd, &frame, 1 << 20).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let allowed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (23 - 10) << 3, 0x09, 0x00, 0x00, b'x'];
    assert_eq!(decompress(Encoding::Zstd, &allowed, 1 << 20).unwrap(), b"x");
}

#[test]
fn a_flag_without_an_encoding_is_an_error() {
    assert_eq!(decompress(Encoding::Identity, b"x", 10).unwrap_err().code(), Code::Internal);
}
