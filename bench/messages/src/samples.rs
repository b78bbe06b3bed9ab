//! The four messages. Their content is made by rule, so that every run measures the same.

use crate::prost_messages::{Address, Login, MetricBatch, Order, OrderLine, OrderState, Photo, Series};

const PLACED_AT_MS: i64 = 1_767_225_600_000;

pub(crate) fn login() -> Login {
    Login {
        user: "ada.lovelace@example.com".to_owned(),
        device_id: "9f8b1c5e-52d3-4f0a-8a57-3c1f0e6d2b71".to_owned(),
        issued_at_ms: PLACED_AT_MS as u64,
        remember: true,
    }
}

pub(crate) fn order() -> Order {
    let address = |name: &str| Address {
        name: name.to_owned(),
        street: "12 Analytical Row, Flat 3".to_owned(),
        city: "Cambridge".to_owned(),
        postal_code: "CB2 1TN".to_owned(),
        country: "GB".to_owned(),
    };
    let lines: Vec<OrderLine> = (0..12).map(order_line).collect();
    Order {
        id: 918_273_645,
        customer_id: "cus_8K2jf0Qm".to_owned(),
        placed_at_ms: PLACED_AT_MS,
        state: OrderState::Paid.into(),
        ship_to: Some(address("Ada Lovelace")),
        bill_to: Some(address("Lovelace & Babbage Ltd")),
        total_cents: lines.iter().map(|line| line.price_cents * u64::from(line.count)).sum(),
        lines,
        labels: [("channel", "web"), ("campaign", "winter"), ("gift", "no")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        currency: "GBP".to_owned(),
    }
}

fn order_line(n: u32) -> OrderLine {
    OrderLine {
        sku: format!("SKU-{:05}", 31_337 + n * 17),
        title: format!("Brass gear, {} teeth, hand-finished", 12 + n * 4),
        count: 1 + n % 3,
        price_cents: 1_299 + u64::from(n) * 250,
        options: vec!["polished".to_owned(), format!("bore {} mm", 4 + n)],
    }
}

pub(crate) fn metrics() -> MetricBatch {
    let names = ["http.server.duration", "process.cpu.time", "process.memory.resident", "queue.depth"];
    MetricBatch { host: "api-7c9d4.eu-west-2.internal".to_owned(), series: names.map(series).into() }
}

fn series(name: &str) -> Series {
    let count = 120;
    Series {
        name: name.to_owned(),
        at_ms: (0..count).map(|n| PLACED_AT_MS + n * 10_000).collect(),
        // Measured values have all their digits.
        values: (0..count).map(|n| (n as f64 * 0.37).sin() * 40.0 + 55.125).collect(),
        buckets: (0..16).map(|n| (n * n * 37) % 1000).collect(),
    }
}

pub(crate) fn photo() -> Photo {
    let mut state: u32 = 0x2545_f491;
    let mut octet = || {
        // xorshift: compressed pictures look like noise.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    Photo {
        id: "img_01HZX3T9".to_owned(),
        caption: "The difference engine, second of its kind, in the east gallery".to_owned(),
        width: 1920,
        height: 1280,
        latitude: 51.497_49,
        longitude: -0.174_52,
        jpeg: (0..64 * 1024).map(|_| octet()).collect(),
    }
}
