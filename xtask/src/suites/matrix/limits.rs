//! What a peer's program cannot do, and how it shows that itself.

use super::peers::Peer;

/// Cases that one side's program cannot do.
pub(super) struct Limit {
    side: Side,
    cases: &'static [&'static str],
    /// Printed under the matrix.
    pub(super) reason: &'static str,
    /// A run without Tramline that has to fail.
    pub(super) evidence: Evidence,
}

enum Side {
    Client(Peer),
    Server(Peer),
}

/// A foreign client against a foreign server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Evidence {
    pub(super) client: Peer,
    pub(super) server: Peer,
    pub(super) case: &'static str,
}

const fn evidence(client: Peer, server: Peer, case: &'static str) -> Evidence {
    Evidence { client, server, case }
}

const LIMITS: &[Limit] = &[
    Limit {
        side: Side::Client(Peer::Go),
        cases: &["client_compressed_unary", "client_compressed_streaming"],
        reason: "grpc-go's client has no compression cases",
        evidence: evidence(Peer::Go, Peer::Go, "client_compressed_unary"),
    },
    Limit {
        side: Side::Client(Peer::Go),
        cases: &["server_compressed_unary", "server_compressed_streaming"],
        reason: "grpc-go's client has no compression cases",
        evidence: evidence(Peer::Go, Peer::Go, "server_compressed_unary"),
    },
    Limit {
        side: Side::Server(Peer::Go),
        cases: &["client_compressed_unary", "client_compressed_streaming"],
        reason: "grpc-go's server has no gzip and cannot read a compressed message",
        evidence: evidence(Peer::Java, Peer::Go, "client_compressed_unary_noprobe"),
    },
    Limit {
        side: Side::Server(Peer::Go),
        cases: &["server_compressed_unary"],
        reason: "grpc-go's server has no gzip and sends no compressed message",
        evidence: evidence(Peer::NodeHttp2, Peer::Go, "server_compressed_unary"),
    },
    Limit {
        side: Side::Server(Peer::Go),
        cases: &["server_compressed_streaming"],
        reason: "grpc-go's server has no gzip and sends no compressed stream",
        evidence: evidence(Peer::NodeHttp2, Peer::Go, "server_compressed_streaming"),
    },
    Limit {
        side: Side::Server(Peer::Java),
        cases: &["server_compressed_streaming"],
        reason: "grpc-java's server does not compress streams, which its own client does not notice",
        evidence: evidence(Peer::NodeHttp2, Peer::Java, "server_compressed_streaming"),
    },
    Limit {
        side: Side::Server(Peer::Java),
        cases: &["client_compressed_unary"],
        reason: "grpc-java's server ignores expect_compressed",
        evidence: evidence(Peer::Java, Peer::Java, "client_compressed_unary"),
    },
    Limit {
        side: Side::Server(Peer::Java),
        cases: &["client_compressed_streaming"],
        reason: "grpc-java's server ignores expect_compressed",
        evidence: evidence(Peer::Java, Peer::Java, "client_compressed_streaming"),
    },
    Limit {
        side: Side::Server(Peer::Python),
        cases: &["client_compressed_unary", "client_compressed_streaming"],
        reason: "grpcio does not tell a handler whether a message came compressed",
        evidence: evidence(Peer::Python, Peer::Python, "client_compressed_unary"),
    },
    Limit {
        side: Side::Client(Peer::Python),
        cases: &["client_compressed_streaming"],
        reason: "grpcio sets compression by the call, not by the message",
        evidence: evidence(Peer::Python, Peer::Python, "client_compressed_streaming"),
    },
    Limit {
        side: Side::Client(Peer::Node),
        cases: &[
            "client_compressed_unary",
            "client_compressed_streaming",
            "server_compressed_unary",
            "server_compressed_streaming",
        ],
        reason: "grpc-js sets compression by the channel and hides a message's compressed flag",
        evidence: evidence(Peer::Node, Peer::Go, "client_compressed_unary"),
    },
];

/// The limit that stands against a cell, if there is one.
pub(super) fn find(client: Peer, server: Peer, case: &str) -> Option<&'static Limit> {
    LIMITS.iter().find(|limit| {
        let is_side = match limit.side {
            Side::Client(peer) => peer == client,
            Side::Server(peer) => peer == server,
        };
        is_side && limit.cases.contains(&case)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_excused_on_our_side() {
        for limit in LIMITS {
            assert!(!matches!(limit.side, Side::Client(Peer::Tramline) | Side::Server(Peer::Tramline)));
            assert!(limit.evidence.client != Peer::Tramline && limit.evidence.server != Peer::Tramline);
        }
    }

    #[test]
    fn a_limit_stands_against_its_own_cells_only() {
        assert!(find(Peer::Tramline, Peer::Go, "client_compressed_unary").is_some());
        assert!(find(Peer::Tramline, Peer::Go, "large_unary").is_none());
        assert!(find(Peer::Java, Peer::Tramline, "client_compressed_unary").is_none());
    }
}
