//! `tram`: one command-line tool for everything people do with gRPC by hand.

mod dynamic;
mod flags;
mod input_error;
mod proto_text;
mod suggest;
mod text_format;

fn main() {}
