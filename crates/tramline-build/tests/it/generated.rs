//! The text of generated code.

use tramline_build::{Buffa, Messages, Prost};

use crate::support::Scratch;

const GREETER: &str = include_str!("../../../tramline-cli/proto/greeter.proto");

fn greeter(messages: Messages) -> String {
    let scratch = Scratch::new(&[("greeter.proto", GREETER)]);
    let output = scratch.compile(&scratch.builder().messages(messages), &["greeter.proto"]).unwrap();
    output.file("greeter.rs").to_owned()
}

#[test]
fn greeter_reads_as_a_user_expects() {
    for messages in [Buffa, Prost] {
        let text = greeter(messages);
        if std::env::var_os("SHOW").is_some() {
            println!("{text}");
        }
        assert!(text.contains("pub trait Greeter"), "{text}");
    }
}
