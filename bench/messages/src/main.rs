//! "Protobuf is 3–10 times smaller and 20–100 times faster than JSON": what is true of it.
//!
//! Four realistic messages, each message library, and serde_json over the same Rust structs
//! with the names and the base64 of canonical JSON. Prints a Markdown table. Times are the
//! least of several rounds, on whatever CPU this runs; run it pinned.

mod base64_text;
mod samples;
mod stopwatch;

use std::io::Write;

use anyhow::ensure;
use serde::{Serialize, de::DeserializeOwned};
use stopwatch::{Times, measure};

mod prost_messages {
    include!(concat!(env!("OUT_DIR"), "/prost/messages.rs"));
}

#[allow(warnings, clippy::all, reason = "generated code")]
mod buffa_generated {
    include!(concat!(env!("OUT_DIR"), "/buffa_messages.rs"));
}

use buffa_generated::messages as buffa_messages;

/// One row: how long the encoded message is, and what it takes.
struct Row {
    library: &'static str,
    len: usize,
    gzip_len: usize,
    times: Times,
}

fn row(library: &'static str, encoded: &[u8], times: Times) -> anyhow::Result<Row> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(encoded)?;
    Ok(Row { library, len: encoded.len(), gzip_len: gzip.finish()?.len(), times })
}

fn compare<P, B>(name: &str, message: &P) -> anyhow::Result<()>
where
    P: prost::Message + Default + Serialize + DeserializeOwned + PartialEq,
    B: buffa::Message + Default + PartialEq,
{
    let wire = message.encode_to_vec();
    let json = serde_json::to_vec(message)?;
    let other = <B as buffa::Message>::decode_from_slice(&wire)?;
    ensure!(P::decode(&*wire)? == *message, "prost does not read what it wrote");
    ensure!(B::decode_from_slice(&other.encode_to_vec())? == other, "buffa does not read what it wrote");
    // serde_json may read a double one unit in the last place off, so that only lengths are compared.
    let reread = serde_json::from_slice::<P>(&json)?;
    ensure!(reread.encoded_len() == message.encoded_len(), "serde_json does not read what it wrote");
    let rows = [
        row(
            "serde_json",
            &json,
            measure(|| serde_json::to_vec(message).map(|octets| octets.len()), || serde_json::from_slice::<P>(&json))?,
        )?,
        row(
            "prost",
            &wire,
            measure(|| Ok::<_, prost::DecodeError>(message.encode_to_vec().len()), || P::decode(&*wire))?,
        )?,
        row(
            "buffa",
            &other.encode_to_vec(),
            measure(|| Ok::<_, buffa::DecodeError>(other.encode_to_vec().len()), || B::decode_from_slice(&wire))?,
        )?,
    ];
    print(name, &rows);
    Ok(())
}

fn print(name: &str, rows: &[Row; 3]) {
    let [json, ..] = rows;
    for row in rows {
        println!(
            "| {name} | {} | {} | {:.1}× | {} | {:.1}× | {:.2} | {:.1}× | {:.2} | {:.1}× |",
            row.library,
            row.len,
            json.len as f64 / row.len as f64,
            row.gzip_len,
            json.gzip_len as f64 / row.gzip_len as f64,
            row.times.encode_us,
            json.times.encode_us / row.times.encode_us,
            row.times.decode_us,
            json.times.decode_us / row.times.decode_us,
        );
    }
}

fn main() -> anyhow::Result<()> {
    println!("| message | library | octets | smaller | gzipped | smaller | encode µs | faster | decode µs | faster |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    compare::<_, buffa_messages::Login>("login", &samples::login())?;
    compare::<_, buffa_messages::Order>("order", &samples::order())?;
    compare::<_, buffa_messages::MetricBatch>("metrics", &samples::metrics())?;
    compare::<_, buffa_messages::Photo>("photo", &samples::photo())?;
    Ok(())
}
