//! The connection: one task that reads, keeps the replica and matches answers to requests.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::RngExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use crate::{
    Incoming, JsonSplitter, OvsdbError, Replica, SchemaIndex, Txn, apply_updates2,
    messages::{echo_reply, request},
    parse_incoming,
};

const DATABASE: &str = "Open_vSwitch";

/// Tables and columns every agent looks at; statistics and status are left out on purpose, as
/// they change every few seconds and wake everybody.
const MONITORED: &[(&str, &[&str])] = &[
    (
        "Open_vSwitch",
        &[
            "bridges",
            "cur_cfg",
            "datapath_types",
            "external_ids",
            "iface_types",
            "other_config",
            "ovs_version",
        ],
    ),
    (
        "Bridge",
        &[
            "name",
            "ports",
            "controller",
            "datapath_id",
            "datapath_type",
            "external_ids",
            "fail_mode",
            "mcast_snooping_enable",
            "other_config",
            "protocols",
        ],
    ),
    ("Port", &["name", "interfaces", "tag", "trunks", "vlan_mode", "external_ids", "other_config"]),
    (
        "Interface",
        &[
            "name",
            "type",
            "options",
            "ofport",
            "error",
            "external_ids",
            "other_config",
            "mac_in_use",
        ],
    ),
    ("Controller", &["target", "inactivity_probe", "max_backoff", "is_connected"]),
];

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// `tcp:IP:PORT`; the text after `tcp:`.
    Tcp(String),
    /// `unix:PATH`.
    Unix(String),
}

impl FromStr for Remote {
    type Err = OvsdbError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("tcp", address)) if address.parse::<std::net::SocketAddr>().is_ok() => {
                Ok(Self::Tcp(address.to_string()))
            }
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.to_string())),
            _ => Err(OvsdbError::BadRemote(text.to_string())),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// Times of the client.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// How long a request may take (`ovsdb_timeout`).
    pub request_timeout: Duration,
    /// Silence after which the client probes the server; twice that ends the connection.
    pub probe_interval: Duration,
    /// First pause before reconnecting; doubles up to `max_backoff`.
    pub min_backoff: Duration,
    /// Longest pause before reconnecting.
    pub max_backoff: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            probe_interval: Duration::from_secs(10),
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
        }
    }
}

/// What the client knows at one moment.
#[derive(Debug, Clone, Default)]
struct State {
    connected: bool,
    replica: Arc<Replica>,
}

struct Command {
    id: u64,
    bytes: Vec<u8>,
    reply: oneshot::Sender<Result<Value, OvsdbError>>,
}

/// A handle on the connection; clones share it. The connection ends with the last handle.
#[derive(Clone)]
pub struct OvsdbClient {
    remote: Remote,
    options: ClientOptions,
    state: watch::Receiver<State>,
    commands: mpsc::Sender<Command>,
    next_id: Arc<AtomicU64>,
}

impl fmt::Debug for OvsdbClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OvsdbClient({})", self.remote)
    }
}

impl OvsdbClient {
    /// Starts connecting to `remote` and goes on for as long as a handle exists.
    #[must_use]
    pub fn start(remote: Remote, options: ClientOptions) -> Self {
        let (state_tx, state) = watch::channel(State::default());
        let (commands, commands_rx) = mpsc::channel(64);
        let task =
            Connection { remote: remote.clone(), options, state: state_tx, commands: commands_rx };
        tokio::spawn(task.run());
        // Ids below 16 are the connection's own requests.
        Self { remote, options, state, commands, next_id: Arc::new(AtomicU64::new(16)) }
    }

    /// [`OvsdbClient::start`] and waits until the replica is there.
    ///
    /// # Errors
    /// A malformed remote, or no connection within `wait`.
    pub async fn connect(
        remote: &str,
        options: ClientOptions,
        wait: Duration,
    ) -> Result<Self, OvsdbError> {
        let client = Self::start(remote.parse()?, options);
        client.wait_connected(wait).await?;
        Ok(client)
    }

    /// Waits until there is a connection and a fresh replica.
    ///
    /// # Errors
    /// None within `wait`.
    pub async fn wait_connected(&self, wait: Duration) -> Result<(), OvsdbError> {
        let mut state = self.state.clone();
        let connected = async { state.wait_for(|s| s.connected).await.map(|_| ()) };
        match timeout(wait, connected).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(OvsdbError::NotConnected {
                remote: self.remote.to_string(),
                seconds: wait.as_secs(),
            }),
        }
    }

    /// Whether there is a connection now. Without one the replica is the last one seen.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.borrow().connected
    }

    /// The tables as of the last message.
    #[must_use]
    pub fn replica(&self) -> Arc<Replica> {
        self.state.borrow().replica.clone()
    }

    /// A wake-up source: changes whenever the replica or the connection did.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.state.clone())
    }

    /// Runs a transaction. When it returns, the replica holds its effects.
    ///
    /// # Errors
    /// No connection, a connection lost meanwhile, no answer in time, or the server's refusal.
    pub async fn transact(&self, txn: Txn<'_>) -> Result<Vec<Value>, OvsdbError> {
        if txn.is_empty() {
            return Ok(Vec::new());
        }
        let mut params = vec![json!(DATABASE)];
        params.extend(txn.into_operations());
        let result = self.request("transact", &Value::Array(params)).await?;
        let Value::Array(results) = result else {
            return Err(OvsdbError::Protocol("transact result is not an array".into()));
        };
        // RFC 7047 §4.1.3: an operation that failed, or a constraint found at commit, is an
        // object with "error" in the array.
        if let Some(failed) = results.iter().find(|r| r.get("error").is_some_and(|e| !e.is_null()))
        {
            let text =
                |key: &str| failed.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
            return Err(OvsdbError::Refused { error: text("error"), details: text("details") });
        }
        Ok(results)
    }

    /// Runs a transaction and waits until ovs-vswitchd has acted on it: a port added has its device
    /// then, if it ever gets one.
    ///
    /// # Errors
    /// As [`OvsdbClient::transact`]; [`OvsdbError::NotApplied`] when ovs-vswitchd takes longer
    /// than `within`, or does not run.
    pub async fn transact_applied(
        &self,
        mut txn: Txn<'_>,
        within: Duration,
    ) -> Result<Vec<Value>, OvsdbError> {
        txn.bump_next_cfg()?;
        let results = self.transact(txn).await?;
        let Some(next_cfg) = Txn::awaited_cfg(&results) else { return Ok(results) };
        let mut changes = self.changes();
        let applied = async {
            while self.replica().root_column("cur_cfg").as_int() < Some(next_cfg) {
                if !changes.changed().await {
                    return;
                }
            }
        };
        timeout(within, applied).await.map_err(|_| OvsdbError::NotApplied)?;
        Ok(results)
    }

    async fn request(&self, method: &str, params: &Value) -> Result<Value, OvsdbError> {
        self.wait_connected(self.options.request_timeout).await?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let command = Command { id, bytes: request(id, method, params), reply };
        self.commands.send(command).await.map_err(|_| OvsdbError::Disconnected)?;
        match timeout(self.options.request_timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OvsdbError::Disconnected),
            Err(_) => Err(OvsdbError::Timeout(self.options.request_timeout.as_secs())),
        }
    }
}

/// Tells *that* something changed; look at the replica for what.
#[derive(Debug, Clone)]
pub struct Changes(watch::Receiver<State>);

impl Changes {
    /// Waits for a change since the last call. Cancel-safe. Returns false when the client ended.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// The task behind the handles.
struct Connection {
    remote: Remote,
    options: ClientOptions,
    state: watch::Sender<State>,
    commands: mpsc::Receiver<Command>,
}

/// Why a connection ended.
enum End {
    /// Every handle is gone.
    Closed,
    /// Something broke.
    Broken(String),
}

impl Connection {
    async fn run(mut self) {
        let mut backoff = self.options.min_backoff;
        loop {
            let started = Instant::now();
            let end = self.once().await;
            self.state.send_if_modified(|s| std::mem::replace(&mut s.connected, false));
            let reason = match end {
                End::Closed => return,
                End::Broken(reason) => reason,
            };
            if self.state.receiver_count() == 0 {
                return;
            }
            if started.elapsed() > self.options.max_backoff {
                backoff = self.options.min_backoff;
            }
            tracing::debug!(remote = %self.remote, reason, backoff_ms = backoff.as_millis() as u64, "OVSDB connection ended, reconnecting");
            // Jitter, so that many agents do not come back in the same instant.
            let jitter = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(backoff.mul_f64(jitter)).await;
            backoff = (backoff * 2).min(self.options.max_backoff);
        }
    }

    async fn once(&mut self) -> End {
        let connect = async {
            match &self.remote {
                Remote::Tcp(address) => TcpStream::connect(address).await.map(|s| {
                    // Small requests must not wait for Nagle; failing to say so is harmless.
                    let _ = s.set_nodelay(true);
                    Box::new(s) as Box<dyn Stream>
                }),
                Remote::Unix(path) => {
                    UnixStream::connect(path).await.map(|s| Box::new(s) as Box<dyn Stream>)
                }
            }
        };
        match timeout(self.options.request_timeout, connect).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => End::Broken(error.to_string()),
            Err(_) => End::Broken("connecting timed out".into()),
        }
    }

    async fn serve(&mut self, mut stream: Box<dyn Stream>) -> End {
        let mut session = Session::default();
        if let Err(error) =
            stream.write_all(&request(SCHEMA_ID, "get_schema", &json!([DATABASE]))).await
        {
            return End::Broken(error.to_string());
        }
        let mut buffer = vec![0u8; 64 << 10];
        let mut heard = Instant::now();
        let mut probed = false;
        loop {
            let deadline = heard + self.options.probe_interval * if probed { 2 } else { 1 };
            let out = tokio::select! {
                // Cancel-safe: AsyncReadExt::read either read nothing or completes.
                read = stream.read(&mut buffer) => match read {
                    Ok(0) => return End::Broken("the server closed the connection".into()),
                    Ok(n) => {
                        heard = Instant::now();
                        probed = false;
                        match session.take(&buffer[..n], &self.state) {
                            Ok(out) => out,
                            Err(error) => return End::Broken(error.to_string()),
                        }
                    }
                    Err(error) => return End::Broken(error.to_string()),
                },
                // Cancel-safe: mpsc::Receiver::recv loses nothing.
                command = self.commands.recv(), if session.ready => match command {
                    Some(command) => {
                        session.pending.insert(command.id, command.reply);
                        command.bytes
                    }
                    None => return End::Closed,
                },
                // Cancel-safe: a timer.
                () = tokio::time::sleep_until(deadline) => {
                    if probed {
                        return End::Broken("the server does not answer".into());
                    }
                    probed = true;
                    request(PROBE_ID, "echo", &json!([]))
                }
            };
            if !out.is_empty()
                && let Err(error) = stream.write_all(&out).await
            {
                return End::Broken(error.to_string());
            }
            if self.state.receiver_count() == 0 {
                return End::Closed;
            }
        }
    }
}

/// Both kinds of socket.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

const SCHEMA_ID: u64 = 1;
const MONITOR_ID: u64 = 2;
const PROBE_ID: u64 = 3;

/// What lives as long as one connection. Dropping it fails the requests under way.
#[derive(Default)]
struct Session {
    splitter: JsonSplitter,
    schema: SchemaIndex,
    ready: bool,
    pending: HashMap<u64, oneshot::Sender<Result<Value, OvsdbError>>>,
}

impl Session {
    /// Takes bytes from the server; answers bytes to send.
    fn take(&mut self, bytes: &[u8], state: &watch::Sender<State>) -> Result<Vec<u8>, OvsdbError> {
        let mut out = Vec::new();
        self.splitter.push(bytes);
        // Updates of one read become one change of the replica: a burst wakes readers once.
        let mut replica: Option<Arc<Replica>> = None;
        let mut replies = Vec::new();
        while let Some(message) = self.splitter.next_message()? {
            match parse_incoming(&message)? {
                Incoming::Echo { params, id } => out.extend(echo_reply(&params, &id)),
                Incoming::Update(updates) if self.ready => {
                    let slot = replica.get_or_insert_with(|| state.borrow().replica.clone());
                    apply_updates2(Arc::make_mut(slot), &self.schema, &updates)?;
                }
                Incoming::Reply { id: SCHEMA_ID, outcome } => {
                    let schema = outcome.map_err(OvsdbError::Protocol)?;
                    self.schema = SchemaIndex::from_json(&schema);
                    out.extend(request(MONITOR_ID, "monitor_cond", &self.monitor_params()));
                }
                Incoming::Reply { id: MONITOR_ID, outcome } => {
                    let initial = outcome.map_err(OvsdbError::Protocol)?;
                    let mut fresh = Replica::default();
                    apply_updates2(&mut fresh, &self.schema, &initial)?;
                    replica = Some(Arc::new(fresh));
                    self.ready = true;
                }
                Incoming::Reply { id, outcome } => {
                    if let Some(waiting) = self.pending.remove(&id) {
                        let outcome = outcome
                            .map_err(|error| OvsdbError::Refused { error, details: String::new() });
                        replies.push((waiting, outcome));
                    }
                }
                Incoming::Update(_) | Incoming::Other(_) => {}
            }
        }
        if let Some(replica) = replica {
            state.send_modify(|s| {
                s.replica = replica;
                s.connected = true;
            });
        }
        // Only now, so that who gets an answer finds its effects in the replica.
        for (waiting, outcome) in replies {
            // The caller may have given up waiting.
            let _ = waiting.send(outcome);
        }
        Ok(out)
    }

    fn monitor_params(&self) -> Value {
        let mut tables = serde_json::Map::new();
        for (table, columns) in MONITORED {
            let known: Vec<&str> =
                columns.iter().copied().filter(|c| self.schema.has(table, c)).collect();
            tables.insert((*table).to_string(), json!([{"columns": known}]));
        }
        json!([DATABASE, "neutrino", tables])
    }
}
