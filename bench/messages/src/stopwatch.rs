//! Times of short operations.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time of one encoding and of one decoding.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) encode_us: f64,
    pub(crate) decode_us: f64,
}

const ROUND_COUNT: usize = 15;
/// How long a round lasts, about.
const ROUND: Duration = Duration::from_millis(20);

pub(crate) fn measure<
    A,
    B,
    E: std::error::Error + Send + Sync + 'static,
    F: std::error::Error + Send + Sync + 'static,
>(
    encode: impl Fn() -> Result<A, E>,
    decode: impl Fn() -> Result<B, F>,
) -> anyhow::Result<Times> {
    Ok(Times { encode_us: least_us(encode)?, decode_us: least_us(decode)? })
}

/// The least time of one operation over all rounds: what is left when nothing disturbs.
fn least_us<A, E: std::error::Error + Send + Sync + 'static>(
    operate: impl Fn() -> Result<A, E>,
) -> anyhow::Result<f64> {
    let mut count: u32 = 1;
    loop {
        let begin = Instant::now();
        for _ in 0..count {
            black_box(operate()?);
        }
        if begin.elapsed() > ROUND {
            break;
        }
        count *= 2;
    }
    let mut least = f64::INFINITY;
    for _ in 0..ROUND_COUNT {
        let begin = Instant::now();
        for _ in 0..count {
            black_box(operate()?);
        }
        least = least.min(begin.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    Ok(least)
}
