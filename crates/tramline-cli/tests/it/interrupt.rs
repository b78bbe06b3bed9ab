//! Ctrl-C.

use std::io::BufRead as _;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tramline::{CancelReason, Server};

use crate::support::start;

/// The server hears that nobody waits any more: by a reset, while the connection is there.
#[test]
fn ctrl_c_cancels_the_call() {
    let runtime = Runtime::new().expect("starts");
    let _inside = runtime.enter();
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .fallback(move |request, replies| {
            let tell = tell.clone();
            async move {
                replies.send(Bytes::new()).await?;
                let context = request.context().expect("is a call").clone();
                tramline::spawn(async move {
                    let _ = tell.send(context.cancelled().await);
                });
                std::future::pending().await
            }
        })
        .bind("127.0.0.1:0")
        .expect("binds");
    let address = server.local_addr().expect("has one").to_string();
    let _serving = server.start().expect("starts");

    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/chat.proto");
    for method in ["ChatStream", "BidirectionalChat"] {
        let mut child = start(&["call", "--proto", proto, &address, method]);
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().expect("is piped"));
        stdout.read_line(&mut line).expect("prints");
        assert_eq!(line, "{}\n", "the call has begun: {:?}", child.wait_with_output());
        let stopped = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(stopped.expect("runs").success());
        assert_eq!(child.wait().expect("is ours").code(), Some(130), "{method}");
        let reason = told.recv_timeout(Duration::from_secs(10)).expect("the handler is told");
        assert_eq!(reason, CancelReason::Client, "{method}");
    }
}
