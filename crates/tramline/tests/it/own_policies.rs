//! A resolver and a balancer of the application's own, by the public API alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tramline::client::{
    BackoffPolicy, Balancer, BalancerControl, ConnectivityState, Pick, PickCompletion, PickInfo, Picker, Resolution,
    Resolver, Subchannel, Target,
};
use tramline::{Address, Channel, Clock, Code, Metadata, Status};

use crate::client_calls::{ECHO_METHOD, SLEEP_METHOD, bytes};
use crate::services::{Running, serve};

/// Hands on what the test pushes.
struct Pushed {
    results: mpsc::UnboundedReceiver<Result<Resolution, Status>>,
    asked: Arc<AtomicUsize>,
}

impl Resolver for Pushed {
    fn poll_resolution(&mut self, cx: &mut Context<'_>) -> Poll<Result<Resolution, Status>> {
        match self.results.poll_recv(cx) {
            Poll::Ready(Some(result)) => Poll::Ready(result),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn request_resolution(&mut self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the test sees of the balancer: the servers of each picker, or its error.
type Published = mpsc::UnboundedSender<Result<Vec<Address>, Status>>;

/// Calls go to the server with the fewest of them; among equals, to that which has not had
/// one for the longest time.
struct LeastBusy {
    members: Vec<(Subchannel, ConnectivityState)>,
    published: Published,
}

impl LeastBusy {
    fn fail(&self, status: &Status, control: &mut dyn BalancerControl) {
        control.update(ConnectivityState::TransientFailure, Arc::new(Failing(status.clone())));
        self.published.send(Err(status.clone())).unwrap();
    }

    /// Publishes once no server is connecting any more.
    fn publish(&self, control: &mut dyn BalancerControl) {
        if self.members.iter().any(|(_, state)| *state == ConnectivityState::Connecting) {
            return;
        }
        let ready = self.members.iter().filter(|(_, state)| *state == ConnectivityState::Ready);
        let ready: Vec<Subchannel> = ready.map(|(subchannel, _)| subchannel.clone()).collect();
        let addresses = ready.iter().map(|subchannel| subchannel.address().clone()).collect();
        let queue = ready.into_iter().map(|subchannel| (subchannel, Arc::default())).collect();
        control.update(ConnectivityState::Ready, Arc::new(BusyPicker { queue: Mutex::new(queue) }));
        self.published.send(Ok(addresses)).unwrap();
    }
}

impl Balancer for LeastBusy {
    fn handle_resolution(&mut self, resolution: &Resolution, control: &mut dyn BalancerControl) -> Result<(), Status> {
        let mut before = std::mem::take(&mut self.members);
        for address in resolution.addresses() {
            let known = before.iter().position(|(subchannel, _)| subchannel.address() == address);
            self.members.push(match known {
                Some(at) => before.remove(at),
                None => {
                    let subchannel = control.add_subchannel(address);
                    control.connect(&subchannel);
                    (subchannel, ConnectivityState::Connecting)
                }
            });
        }
        before.iter().for_each(|(subchannel, _)| control.remove_subchannel(subchannel));
        self.publish(control);
        Ok(())
    }

    fn handle_resolution_error(&mut self, error: &Status, control: &mut dyn BalancerControl) {
        if self.members.is_empty() {
            self.fail(error, control);
        }
    }

    fn handle_subchannel(
        &mut self,
        subchannel: &Subchannel,
        state: ConnectivityState,
        _error: Option<&Status>,
        control: &mut dyn BalancerControl,
    ) {
        let Some(member) = self.members.iter_mut().find(|(other, _)| other == subchannel) else { return };
        member.1 = state;
        if state == ConnectivityState::Idle {
            control.request_resolution();
        }
        self.publish(control);
    }

    fn exit_idle(&mut self, _control: &mut dyn BalancerControl) {}
}

#[derive(Debug)]
struct Failing(Status);

impl Picker for Failing {
    fn pick(&self, _info: &PickInfo<'_>) -> Pick {
        Pick::Fail(self.0.clone())
    }
}

/// The server that had a call last stands last.
#[derive(Debug)]
struct BusyPicker {
    queue: Mutex<Vec<(Subchannel, Arc<AtomicUsize>)>>,
}

impl Picker for BusyPicker {
    fn pick(&self, info: &PickInfo<'_>) -> Pick {
        assert!(info.path.starts_with("/test.Test/"));
        let mut queue = self.queue.lock().unwrap();
        let at = (0..queue.len()).min_by_key(|at| queue[*at].1.load(Ordering::SeqCst)).unwrap();
        let chosen = queue.remove(at);
        queue.push(chosen.clone());
        let (subchannel, active) = chosen;
        active.fetch_add(1, Ordering::SeqCst);
        Pick::Subchannel { subchannel, completion: Some(Box::new(Done(active))) }
    }
}

#[derive(Debug)]
struct Done(Arc<AtomicUsize>);

impl PickCompletion for Done {
    fn complete(self: Box<Self>, _outcome: Result<&Metadata, &Status>) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A channel whose addresses and balancer are the test's.
struct Fleet {
    channel: Channel,
    results: mpsc::UnboundedSender<Result<Resolution, Status>>,
    asked: Arc<AtomicUsize>,
    published: mpsc::UnboundedReceiver<Result<Vec<Address>, Status>>,
}

impl Fleet {
    fn new() -> Fleet {
        let (results, receiver) = mpsc::unbounded_channel();
        let (sender, published) = mpsc::unbounded_channel();
        let asked = Arc::new(AtomicUsize::default());
        let resolver = Mutex::new(Some(Pushed { results: receiver, asked: Arc::clone(&asked) }));
        let channel = Channel::builder("directory:///fleet")
            .resolver(move |target: &Target, _: &Clock| {
                assert_eq!((target.scheme(), target.endpoint()), ("directory", "fleet"));
                Box::new(resolver.lock().unwrap().take().unwrap()) as Box<dyn Resolver>
            })
            .balancer(move || LeastBusy { members: Vec::new(), published: sender.clone() })
            .backoff(BackoffPolicy { initial: Duration::from_millis(20), ..BackoffPolicy::default() })
            .build()
            .unwrap();
        Fleet { channel, results, asked, published }
    }

    fn push(&self, servers: &[&Running]) {
        let addresses = servers.iter().map(|server| Address::Ip(server.address));
        self.results.send(Ok(Resolution::from_addresses(addresses))).unwrap();
    }

    /// Waits until calls go to these servers.
    async fn until_published(&mut self, servers: &[&Running]) {
        let wanted: Vec<Address> = servers.iter().map(|server| Address::Ip(server.address)).collect();
        let waiting = async { while self.published.recv().await.unwrap().unwrap() != wanted {} };
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
    }

    async fn echo(&self) -> Result<Bytes, Status> {
        self.channel.unary(&ECHO_METHOD, bytes("m")).await.map(|reply| reply.into_inner())
    }

    /// How many of ten calls in a row each server got.
    async fn spread(&self, servers: &[&Running]) -> Vec<usize> {
        let before: Vec<usize> = servers.iter().map(|server| started(server)).collect();
        for _ in 0..10 {
            self.echo().await.unwrap();
        }
        servers.iter().zip(before).map(|(server, before)| started(server) - before).collect()
    }
}

fn started(server: &Running) -> usize {
    server.witness.started.load(Ordering::SeqCst)
}

fn peers(server: &Running) -> std::collections::HashSet<String> {
    let contexts = server.witness.contexts.lock().unwrap();
    contexts.iter().map(|context| context.connection().peer().to_string()).collect()
}

#[tokio::test]
async fn calls_follow_a_resolver_and_a_balancer_of_the_applications_own() {
    let (a, b, c) = (serve().await, serve().await, serve().await);
    let all = [&a, &b, &c];
    let mut fleet = Fleet::new();
    // An error before any address fails calls, with its words; and the channel asks again.
    fleet.results.send(Err(Status::internal("the directory is closed"))).unwrap();
    let status = fleet.echo().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("the directory is closed"), "{status:?}");
    assert!(fleet.published.recv().await.unwrap().is_err());
    while fleet.asked.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    fleet.push(&[&a, &b]);
    fleet.until_published(&[&a, &b]).await;
    assert_eq!(fleet.spread(&all).await, [5, 5, 0]);

    // The second list: what is in both keeps its connection.
    fleet.push(&[&b, &c]);
    fleet.until_published(&[&b, &c]).await;
    assert_eq!(fleet.spread(&all).await, [0, 5, 5]);
    assert_eq!(peers(&b).len(), 1);

    // An error behind it changes nothing.
    fleet.results.send(Err(Status::unavailable("closed again"))).unwrap();
    assert_eq!(fleet.spread(&all).await, [0, 5, 5]);
}

#[tokio::test]
async fn a_balancer_learns_how_its_calls_end_and_when_a_server_is_lost() {
    let (a, b) = (serve().await, serve().await);
    let all = [&a, &b];
    let mut fleet = Fleet::new();
    fleet.push(&all);
    fleet.channel.state(true).unwrap();
    fleet.until_published(&all).await;

    let slow = tokio::spawn({
        let channel = fleet.channel.clone();
        async move { channel.unary(&SLEEP_METHOD, bytes("1000")).await }
    });
    a.until_alive(1).await;
    assert_eq!(fleet.spread(&all).await, [0, 10], "the first server is busy");
    slow.await.unwrap().unwrap();
    assert_eq!(fleet.spread(&all).await, [5, 5]);

    let asked = fleet.asked.load(Ordering::SeqCst);
    a.handle.abort();
    fleet.until_published(&[&b]).await;
    assert_eq!(fleet.spread(&all).await, [0, 10]);
    assert!(fleet.asked.load(Ordering::SeqCst) > asked, "the balancer's wish reaches the resolver");
}
