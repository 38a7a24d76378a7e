//! What the operator is told when it starts: flags, or environment variables of the same meaning.

use std::net::SocketAddr;

use clap::Args;

/// Settings of `storage-operator run`.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Namespaces to watch, with commas between. Unset: all.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// The namespace of the operator itself: its Lease is there, and nodes admit its pods to their peer port.
    #[arg(long, env = "POD_NAMESPACE", default_value = "storage-operator")]
    pub pod_namespace: String,
    /// The operator's pod, part of its identity in elections.
    #[arg(long, env = "POD_NAME", default_value = "storage-operator")]
    pub pod_name: String,
    /// The UID of that pod.
    #[arg(long, env = "POD_UID", default_value = "")]
    pub pod_uid: String,
    /// The image of nodes whose element names none.
    #[arg(long, env = "NODE_IMAGE", default_value = concat!("storage-node:", env!("CARGO_PKG_VERSION")))]
    pub node_image: String,
    /// The namespace that may read metrics of nodes. Unset: any.
    #[arg(long, env = "MONITORING_NAMESPACE")]
    pub monitoring_namespace: Option<String>,
    /// Address and port of health and metrics.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Act only while holding the Lease `storage-operator`, so that several replicas can stand by.
    #[arg(long, env = "LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,
    /// How much is logged: a level, or a filter such as `info,kube=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Elements that are worked on at the same time.
    #[arg(long, env = "WORKERS", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub workers: u8,
    /// For tests: end the process after this many writes to the API server.
    #[arg(long, env = "EXIT_AFTER_WRITES", hide = true)]
    pub exit_after_writes: Option<u64>,
}

impl Settings {
    /// The namespaces to watch; `None` is all of them.
    pub fn scopes(&self) -> Vec<Option<String>> {
        let mut named: Vec<String> =
            self.watch_namespaces.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        named.sort();
        named.dedup();
        if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() }
    }
}
