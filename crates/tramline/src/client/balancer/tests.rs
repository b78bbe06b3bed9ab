use std::collections::HashMap;

use tramline_call::Code;

use super::*;
use crate::client::state::ConnectivityState::{Connecting, Idle, Ready, TransientFailure};

/// A channel without connections: it writes down what a policy asks for.
#[derive(Default)]
struct Desk {
    now: Duration,
    subchannels: Vec<Subchannel>,
    connecting: Vec<u16>,
    removed: Vec<u16>,
    state: Option<ConnectivityState>,
    picker: Option<Arc<dyn Picker>>,
    resolution_count: usize,
}

fn port(subchannel: &Subchannel) -> u16 {
    subchannel.address().ip().unwrap().port()
}

impl BalancerControl for Desk {
    fn now(&self) -> Duration {
        self.now
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn add_subchannel(&mut self, address: &Address) -> Subchannel {
        let subchannel = Subchannel::new(self.subchannels.len() as u64, address.clone());
        self.subchannels.push(subchannel.clone());
        subchannel
    }

    fn connect(&mut self, subchannel: &Subchannel) {
        self.connecting.push(port(subchannel));
    }

    fn remove_subchannel(&mut self, subchannel: &Subchannel) {
        self.removed.push(port(subchannel));
    }

    fn update(&mut self, state: ConnectivityState, picker: Arc<dyn Picker>) {
        self.state = Some(state);
        self.picker = Some(picker);
    }

    fn request_resolution(&mut self) {
        self.resolution_count += 1;
    }
}

struct Bench<B> {
    balancer: B,
    desk: Desk,
}

impl<B: Balancer> Bench<B> {
    fn new(balancer: B, ports: &[u16]) -> Self {
        let mut bench = Bench { balancer, desk: Desk::default() };
        bench.resolve(ports).unwrap();
        bench
    }

    fn resolve(&mut self, ports: &[u16]) -> Result<(), Status> {
        let addresses = ports.iter().map(|port| Address::Ip(([127, 0, 0, 1], *port).into()));
        self.balancer.handle_resolution(&Resolution::from_addresses(addresses), &mut self.desk)
    }

    /// The newest subchannel to this port changes its state.
    fn report(&mut self, to: u16, state: ConnectivityState) {
        let subchannel = self.desk.subchannels.iter().rfind(|s| port(s) == to).unwrap().clone();
        let error = (state == TransientFailure).then(|| Status::unavailable(format!("port {to}")));
        self.balancer.handle_subchannel(&subchannel, state, error.as_ref(), &mut self.desk);
    }

    fn pass(&mut self, ms: u64) {
        self.desk.now += Duration::from_millis(ms);
        if self.balancer.poll_timeout().is_some_and(|at| at <= self.desk.now) {
            self.balancer.handle_timeout(&mut self.desk);
        }
    }

    fn connecting(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.desk.connecting)
    }

    fn pick(&self) -> Pick {
        let metadata = Metadata::new();
        self.desk.picker.as_ref().unwrap().pick(&PickInfo::new("/a.B/C", &metadata))
    }

    fn picked(&self) -> u16 {
        match self.pick() {
            Pick::Subchannel { subchannel, .. } => port(&subchannel),
            other => panic!("{other:?}"),
        }
    }

    fn failure(&self) -> String {
        match self.pick() {
            Pick::Fail(status) => {
                assert_eq!(status.code(), Code::Unavailable);
                status.message().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn pick_first_takes_the_first_that_answers_and_lets_go_of_the_rest() {
    let mut bench = Bench::new(PickFirst::new(), &[1, 2, 3]);
    assert_eq!(bench.desk.state, Some(Connecting));
    assert!(matches!(bench.pick(), Pick::Queue));
    assert_eq!(bench.connecting(), [1]);
    bench.report(1, Connecting);
    bench.report(1, TransientFailure);
    assert_eq!(bench.connecting(), [2], "a failure starts the next at once");
    bench.report(2, Connecting);
    bench.report(2, Ready);
    assert_eq!(bench.desk.state, Some(Ready));
    assert_eq!(bench.picked(), 2);
    assert_eq!(bench.desk.removed, [1]);
}

#[test]
fn pick_first_tries_the_next_address_beside_a_slow_one() {
    let mut bench = Bench::new(PickFirst::new(), &[1, 2, 3]);
    assert_eq!(bench.connecting(), [1]);
    bench.report(1, Connecting);
    bench.pass(249);
    assert!(bench.connecting().is_empty());
    bench.pass(1);
    assert_eq!(bench.connecting(), [2]);
    bench.report(2, Connecting);
    bench.pass(250);
    assert_eq!(bench.connecting(), [3]);
    assert_eq!(bench.balancer.poll_timeout(), None, "no address is left");
    bench.report(1, Ready);
    assert_eq!(bench.picked(), 1);
    assert_eq!(bench.desk.removed, [2, 3]);
}

#[test]
fn pick_first_fails_when_all_failed_and_stays_so_until_one_is_ready() {
    let mut bench = Bench::new(PickFirst::new(), &[1, 2]);
    bench.report(1, Connecting);
    bench.report(1, TransientFailure);
    assert_eq!(bench.desk.state, Some(Connecting));
    bench.report(2, Connecting);
    bench.report(2, TransientFailure);
    assert_eq!(bench.desk.state, Some(TransientFailure));
    assert_eq!(bench.failure(), "port 2");
    assert_eq!(bench.desk.resolution_count, 1);
    bench.connecting();
    bench.report(1, Idle);
    assert_eq!(bench.connecting(), [1], "each is tried again after its own pause");
    bench.report(1, Connecting);
    assert_eq!(bench.desk.state, Some(TransientFailure), "sticky");
    bench.report(1, TransientFailure);
    assert_eq!(bench.failure(), "port 1", "the latest error is told");
    bench.report(2, Idle);
    bench.report(2, Connecting);
    bench.report(2, Ready);
    assert_eq!((bench.desk.state, bench.picked()), (Some(Ready), 2));
}

#[test]
fn pick_first_is_idle_after_a_loss_until_somebody_calls() {
    let mut bench = Bench::new(PickFirst::new(), &[1, 2]);
    bench.report(1, Connecting);
    bench.report(1, Ready);
    bench.connecting();
    bench.report(1, Idle);
    assert_eq!(bench.desk.state, Some(Idle));
    assert!(matches!(bench.pick(), Pick::Queue));
    assert_eq!((bench.connecting(), bench.desk.resolution_count), (vec![], 1));
    bench.balancer.exit_idle(&mut bench.desk);
    assert_eq!((bench.connecting(), bench.desk.state), (vec![1], Some(Connecting)));
}

#[test]
fn pick_first_keeps_its_connection_if_the_new_list_has_it() {
    let mut bench = Bench::new(PickFirst::new(), &[1, 2]);
    bench.report(1, Connecting);
    bench.report(1, Ready);
    bench.connecting();
    bench.resolve(&[3, 1]).unwrap();
    assert_eq!((bench.picked(), bench.connecting()), (1, vec![]));
    bench.resolve(&[3, 4]).unwrap();
    assert_eq!((bench.desk.removed.clone(), bench.connecting()), (vec![1], vec![3]));
    assert_eq!(bench.desk.state, Some(Connecting));
}

/// Or a resolver that answers at once would keep the policy busy.
#[test]
fn pick_first_does_not_begin_anew_with_the_same_list() {
    let mut bench = Bench::new(PickFirst::new(), &[1]);
    bench.report(1, Connecting);
    bench.report(1, TransientFailure);
    assert_eq!((bench.connecting(), bench.desk.resolution_count), (vec![1], 1));
    bench.resolve(&[1]).unwrap();
    assert_eq!((bench.connecting(), bench.desk.resolution_count), (vec![], 1));
    bench.resolve(&[2, 1]).unwrap();
    assert_eq!(bench.connecting(), [2]);
}

#[test]
fn no_addresses_are_a_failure() {
    let mut bench = Bench { balancer: PickFirst::new(), desk: Desk::default() };
    assert!(bench.resolve(&[]).is_err());
    assert_eq!(bench.desk.state, Some(TransientFailure));
    assert!(bench.failure().contains("no address"));
    let mut bench = Bench { balancer: RoundRobin::new(), desk: Desk::default() };
    assert!(bench.resolve(&[]).is_err());
    assert!(bench.failure().contains("no address"));
}

#[test]
fn a_resolver_that_fails_counts_only_without_addresses() {
    let error = Status::unavailable("no such name");
    let mut bench = Bench { balancer: PickFirst::new(), desk: Desk::default() };
    bench.balancer.handle_resolution_error(&error, &mut bench.desk);
    assert_eq!(bench.failure(), "no such name");
    bench.resolve(&[1]).unwrap();
    bench.report(1, Connecting);
    bench.report(1, Ready);
    bench.balancer.handle_resolution_error(&error, &mut bench.desk);
    assert_eq!(bench.picked(), 1);
}

#[test]
fn address_families_take_turns() {
    let text = ["[::1]:1", "[::1]:2", "[::1]:3", "127.0.0.1:4", "127.0.0.1:5"];
    let addresses = text.map(|text| Address::Ip(text.parse().unwrap()));
    let mut bench = Bench { balancer: PickFirst::new(), desk: Desk::default() };
    bench.balancer.handle_resolution(&Resolution::from_addresses(addresses), &mut bench.desk).unwrap();
    for _ in 0..4 {
        bench.pass(250);
    }
    assert_eq!(bench.connecting(), [1, 4, 2, 5, 3]);
}

#[test]
fn round_robin_goes_round_those_that_are_ready() {
    let mut bench = Bench::new(RoundRobin::new(), &[1, 2, 3]);
    assert_eq!(bench.connecting(), [1, 2, 3]);
    assert!(matches!(bench.pick(), Pick::Queue));
    for port in [1, 3] {
        bench.report(port, Connecting);
        bench.report(port, Ready);
    }
    let mut counts = HashMap::new();
    for _ in 0..100 {
        *counts.entry(bench.picked()).or_insert(0) += 1;
    }
    assert_eq!(counts, HashMap::from([(1, 50), (3, 50)]));
    bench.report(1, Idle);
    assert_eq!((bench.connecting(), bench.desk.resolution_count), (vec![1], 1), "a lost one is replaced");
    assert_eq!((bench.picked(), bench.picked()), (3, 3));
}

#[test]
fn round_robin_fails_when_all_failed() {
    let mut bench = Bench::new(RoundRobin::new(), &[1, 2]);
    bench.report(1, TransientFailure);
    assert_eq!(bench.desk.state, Some(Connecting));
    bench.report(2, TransientFailure);
    assert_eq!((bench.desk.state, bench.failure()), (Some(TransientFailure), "port 2".to_owned()));
    bench.connecting();
    bench.report(1, Idle);
    bench.report(1, Connecting);
    assert_eq!((bench.connecting(), bench.desk.state), (vec![1], Some(TransientFailure)), "sticky");
    bench.report(1, Ready);
    assert_eq!((bench.desk.state, bench.picked()), (Some(Ready), 1));
}

#[test]
fn round_robin_follows_the_list() {
    let mut bench = Bench::new(RoundRobin::new(), &[1, 2]);
    for port in [1, 2] {
        bench.report(port, Connecting);
        bench.report(port, Ready);
    }
    bench.connecting();
    bench.resolve(&[2, 3]).unwrap();
    assert_eq!((bench.desk.removed.clone(), bench.connecting()), (vec![1], vec![3]));
    assert_eq!((bench.picked(), bench.picked()), (2, 2));
}
