//! `tram demo`.

use std::io::Read as _;

use crate::support::{Demo, tram};

#[test]
fn once_greets_and_ends() {
    let stdout = tram(&["demo", "--once", "--addr", "127.0.0.1:0"]).success();
    assert!(stdout.lines().any(|line| line == "Greeter client received: Hello, Alice!"), "{stdout}");
    assert!(!stdout.contains("Try next"), "{stdout}");
}

#[test]
fn it_keeps_serving_and_says_what_to_try() {
    let mut demo = Demo::start();
    assert!(demo.call(&["SayHello"]).success().contains("Hello, !"));
    assert!(demo.call(&["SayHello", "name: 'again'"]).success().contains("Hello, again!"));
    let stopped = std::process::Command::new("kill").args(["-INT", &demo.id().to_string()]).status().expect("runs");
    assert!(stopped.success());
    assert_eq!(demo.ended(), Some(0));
    let mut rest = String::new();
    demo.stdout.read_to_string(&mut rest).expect("prints");
    for command in ["tram ls", "tram describe", "tram call"] {
        assert!(rest.contains(&format!("{command} ")), "{rest}");
    }
}

/// What it proposes works as it stands there.
#[test]
fn the_commands_that_it_proposes_work() {
    let mut demo = Demo::start();
    let mut proposed = Vec::new();
    let mut line = String::new();
    while std::io::BufRead::read_line(&mut demo.stdout, &mut line).expect("prints") > 0 && !line.contains("Ctrl-C") {
        if line.trim().starts_with(env!("CARGO_BIN_EXE_tram")) {
            proposed.push(line.trim().to_owned());
        }
        line.clear();
    }
    assert!(proposed.len() >= 7, "{proposed:?}");
    for command in proposed {
        let output = std::process::Command::new("sh").arg("-c").arg(&command).output().expect("runs");
        assert!(output.status.success(), "{command}: {output:?}");
    }
}

#[test]
fn a_taken_port_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("has one").to_string();
    let stderr = tram(&["demo", "--once", "--addr", &address]).failure(1);
    assert!(stderr.contains(&format!("another program listens on {address}")), "{stderr}");
    assert!(stderr.contains("--addr"), "{stderr}");
}

#[test]
fn an_address_that_is_none_is_explained() {
    let stderr = tram(&["demo", "--once", "--addr", "nowhere"]).failure(1);
    assert!(stderr.contains("127.0.0.1:50051"), "{stderr}");
    assert!(tram(&["demo", "--once", "what"]).failure(2).contains("`what`"));
}
