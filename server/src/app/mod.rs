//! Puts the server together, starts it and brings it to an end.

mod chores;
mod data_dir;
mod listen;
mod private;

use std::{fs::File, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use tfps_daemon::{log::LogLevel, open_files, secret_file};
use tfps_proto::v1::{
    admin_service_server::AdminServiceServer, check_service_server::CheckServiceServer,
    learn_service_server::LearnServiceServer, verify_service_server::VerifyServiceServer,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tonic::service::Routes;
use tower::{
    Layer, ServiceBuilder,
    layer::util::{Identity as NoLayer, Stack},
};

use crate::{
    accounts::Book,
    admin::{Admin, ListKeeper, Places},
    auth::Tokens,
    calls::CallWatch,
    check::{Checker, Parts, Settings},
    clock::Clock,
    config::{Config, Overrides},
    connections::{Connections, GrpcServer, LiveTls, accept},
    feeds::{Feeds, Fetcher},
    geo::{Geography, LiveGeography},
    grpc::{
        AdminRpc, CheckRpc, Dispatch, Endings, LARGEST_BULK, LARGEST_CALL, LARGEST_OTHER, LearnRpc,
        VerifyRpc,
        layers::{
            AdmissionLayer, AuthenticationLayer, BudgetLayer, DeadlineLayer, Deadlines,
            LARGEST_MESSAGE, OpenLayer, RequestLogLayer,
        },
    },
    habits,
    http_endpoint::{self, Told},
    journal::{Journal, JournalLimits, Shipper},
    learn::Learner,
    operation::Operation,
    reputation::{LiveReputations, Reputations, ServiceSettings},
    restore::{restore, seed},
    store::{SqliteStore, Store},
    telemetry::Metrics,
    train::{Trainer, every_night},
    verify::Verifier,
};

use chores::{disown_every_second, fade_every_day, prune_every, sync_every};
use data_dir::{first_token, prepare_data_dir};
use listen::{HTTP, bind, limits_of};

type Layers = Stack<
    DeadlineLayer,
    Stack<
        AdmissionLayer,
        Stack<
            BudgetLayer,
            Stack<AuthenticationLayer, Stack<OpenLayer, Stack<RequestLogLayer, NoLayer>>>,
        >,
    >,
>;
/// What answers gRPC requests.
type Services = <Layers as Layer<Dispatch>>::Service;

/// A server that has started.
pub struct App {
    operation: Arc<Operation>,
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    reputations: Arc<LiveReputations>,
    stopping: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    server: Arc<GrpcServer<Services>>,
    connections: Arc<Connections>,
    http_connections: Arc<Connections>,
    grpc: TcpListener,
    http: Option<(TcpListener, axum::Router)>,
    shipping: JoinHandle<()>,
    stop_shipping: oneshot::Sender<()>,
    admin: Arc<Admin>,
    calls: Arc<CallWatch>,
    trainer: Arc<Trainer>,
    clock: Clock,
    config: Config,
    _lock: File,
}

impl App {
    /// Opens the database and the journal, brings what they hold to memory and takes the addresses.
    ///
    /// # Errors
    /// Says what is not as it should be, and where.
    pub async fn start(
        config: Config,
        file: Option<PathBuf>,
        overrides: Overrides,
        log: Option<LogLevel>,
    ) -> anyhow::Result<Self> {
        let clock = Clock::System;
        let at = clock.now();
        let services = ServiceSettings::of(&config)?;
        let tls = LiveTls::open(&config.tls)?;
        for (key, path) in config.secret_files() {
            secret_file::warn_if_exposed(&key, path);
        }
        let room = open_files::raise(config.connections.max, "connections.max");
        let lock = prepare_data_dir(&config.data_dir)?;
        let database = config.database_path();
        let store: Arc<dyn Store> = Arc::new(
            SqliteStore::open(&database)
                .await
                .with_context(|| format!("the database {}", database.display()))?
                .with_longest_query(Duration::from_millis(config.requests.query_ms)),
        );
        seed(&*store, &config, at).await?;
        let limits = JournalLimits {
            segment_bytes: config.journal.segment_bytes,
            max_bytes: config.journal.max_bytes,
        };
        let shipped = store.position().await?;
        let journal = Arc::new(Journal::open(
            &config.data_dir.join("journal"),
            limits,
            shipped,
        )?);
        let (state, position) = restore(&*store, &journal, &config, at).await?;
        let state = Arc::new(state);
        let metrics = Metrics::default();
        let tokens = Arc::new(Tokens::default());
        tokens.replace(&store.tokens().await?);
        let (shipper, shipper_handle) = Shipper::new(
            Arc::clone(&journal),
            Arc::clone(&store),
            position,
            config.journal.ship_per_second,
        );
        let reputations = Arc::new(
            LiveReputations::open(
                &config,
                services,
                Arc::clone(&store),
                clock.clone(),
                metrics.reputation.clone(),
            )
            .await?,
        );
        let geo = config.geo.clone();
        let geography = spawn_blocking(move || LiveGeography::open(&geo)).await;
        let geography = Arc::new(geography?.context("the built-in database of countries")?);
        let checker = Arc::new(Checker::new(Parts {
            state: Arc::clone(&state),
            journal: Arc::clone(&journal),
            reputations: Arc::clone(&reputations) as Arc<dyn Reputations>,
            geography: Arc::clone(&geography) as Arc<dyn Geography>,
            clock: clock.clone(),
            metrics: metrics.clone(),
            settings: Settings::of(&config),
            instance: std::process::id(),
        }));
        let book = Arc::new(Book::new(Arc::clone(&state), Arc::clone(&store)));
        let lists = Arc::new(ListKeeper::new(
            Arc::clone(&state),
            Arc::clone(&store),
            clock.clone(),
        ));
        let feeds = Feeds::new(
            Arc::clone(&lists),
            config.data_dir.join("lists"),
            clock.clone(),
        );
        let feeds = Arc::new(feeds);
        let fetcher = Fetcher::of(&config)?;
        feeds.take(&config.list, fetcher).await;
        let admin = Arc::new(Admin {
            state: Arc::clone(&state),
            store: Arc::clone(&store),
            book: Arc::clone(&book),
            lists: Arc::clone(&lists),
            tokens: Arc::clone(&tokens),
            journal: Arc::clone(&journal),
            shipper: shipper_handle.clone(),
            clock: clock.clone(),
            domains: config.domains.clone(),
            bounding_policy: config.domain_admins.bounding_policy.clone(),
            queries: Places::for_queries(),
            changes: Places::for_changes(),
            imports: Places::for_changes(),
            turns: tokio::sync::Mutex::new(()),
        });
        first_token(&admin, &config).await?;
        let verifier = Arc::new(Verifier::new(
            Arc::clone(&state),
            Arc::clone(&store),
            Arc::clone(&book),
            clock.clone(),
            metrics.clone(),
        ));
        let trainer = Arc::new(Trainer {
            state: Arc::clone(&state),
            store: Arc::clone(&store),
            book: Arc::clone(&book),
            clock: clock.clone(),
        });
        let calls = Arc::new(CallWatch {
            state: Arc::clone(&state),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let learner = Arc::new(Learner {
            state: Arc::clone(&state),
            store: Arc::clone(&store),
            book,
            lists,
            checker: Arc::clone(&checker),
            journal: Arc::clone(&journal),
            shipper: shipper_handle.clone(),
            calls: Arc::clone(&calls),
            domains: config.domains.clone(),
            clock: clock.clone(),
        });
        let deadlines = Arc::new(Deadlines::of(&config.requests));
        let operation = Arc::new(Operation {
            file,
            overrides,
            config: Mutex::new(config.clone()),
            state: Arc::clone(&state),
            checker: Arc::clone(&checker),
            feeds,
            shipper: shipper_handle,
            journal: Arc::clone(&journal),
            reputations: Arc::clone(&reputations),
            geography,
            deadlines: Arc::clone(&deadlines),
            tls: tls.clone(),
            log,
            metrics: metrics.clone(),
            started_at: at,
        });
        let (stopping, watch_stopping) = watch::channel(false);
        let endings = Endings::new(watch_stopping.clone(), Arc::clone(&tokens), clock.clone());
        let (health, health_service) = tonic_health::server::health_reporter();
        health
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        for service in [
            "tfps.v1.CheckService",
            "tfps.v1.LearnService",
            "tfps.v1.VerifyService",
            "tfps.v1.AdminService",
        ] {
            health
                .set_service_status(service, tonic_health::ServingStatus::Serving)
                .await;
        }
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tfps_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let open = Routes::new(health_service.max_decoding_message_size(LARGEST_MESSAGE))
            .add_service(reflection.max_decoding_message_size(LARGEST_MESSAGE));
        let check = CheckRpc::new(Arc::clone(&checker), Arc::clone(&state), endings.clone());
        let administration = AdminServiceServer::new(AdminRpc::new(
            Arc::clone(&admin),
            Arc::clone(&calls),
            checker,
            Arc::clone(&operation),
            Arc::clone(&trainer),
            endings,
        ));
        let learning = LearnServiceServer::new(LearnRpc::new(learner));
        let verifying = VerifyServiceServer::new(VerifyRpc::new(verifier));
        let checking = CheckServiceServer::new(check.clone());
        // Room for a message is set aside when its length is told.
        let bulk = administration
            .clone()
            .max_decoding_message_size(LARGEST_BULK);
        let routes = Routes::new(checking.max_decoding_message_size(LARGEST_CALL))
            .add_service(learning.max_decoding_message_size(LARGEST_CALL))
            .add_service(verifying.max_decoding_message_size(LARGEST_CALL))
            .add_service(administration.max_decoding_message_size(LARGEST_OTHER));
        let services = ServiceBuilder::new()
            .layer(RequestLogLayer)
            .layer(OpenLayer::new(
                open,
                watch_stopping.clone(),
                metrics.clone(),
            ))
            .layer(AuthenticationLayer::new(
                tokens,
                clock.clone(),
                metrics.clone(),
            ))
            .layer(BudgetLayer::new(&config.requests, metrics.clone()))
            .layer(AdmissionLayer::new(
                config.requests.max_in_flight,
                metrics.clone(),
            ))
            .layer(DeadlineLayer::new(deadlines, metrics.clone()))
            .service(Dispatch::new(check, Routes::new(bulk), routes));
        let (draining, watch_draining) = watch::channel(false);
        let server = Arc::new(GrpcServer::new(
            services,
            tls,
            Duration::from_millis(config.connections.handshake_ms),
            watch_draining,
            metrics.clone(),
        ));
        let connections = Connections::new(
            limits_of(&config.connections, room),
            "listen",
            metrics.clone(),
        );
        let http_connections = Connections::new(HTTP, "http_listen", metrics.clone());
        let grpc = bind(config.listen, "listen").await?;
        let http = match config.http_address()? {
            None => None,
            Some(address) => {
                let told = Told {
                    metrics,
                    state,
                    admin: Arc::clone(&admin),
                    journal: Arc::clone(&journal),
                    operation: Arc::clone(&operation),
                    stopping: watch_stopping,
                };
                Some((
                    bind(address, "http_listen").await?,
                    http_endpoint::routes(told),
                ))
            }
        };
        let (stop_shipping, stop) = oneshot::channel();
        let shipping = tokio::spawn(shipper.run(stop));
        Ok(Self {
            operation,
            store,
            journal,
            reputations,
            stopping,
            draining,
            server,
            connections,
            http_connections,
            grpc,
            http,
            shipping,
            stop_shipping,
            admin,
            calls,
            trainer,
            clock,
            config,
            _lock: lock,
        })
    }

    /// Where gRPC is served.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.grpc.local_addr()
    }

    /// Serves until SIGTERM or SIGINT; SIGHUP takes the configuration anew.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn run_until_signalled(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let operation = Arc::clone(&self.operation);
        let stop = async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hang_up.recv() => if let Err(error) = operation.reload() {
                        tracing::error!(%error, "the old configuration stays in force");
                    },
                }
            }
        };
        self.run(stop).await
    }

    /// Serves until it is told to stop, then answers what is in flight and flushes the journal.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tracing::info!(
            grpc = %self.grpc.local_addr()?,
            http = self.http.as_ref().and_then(|(http, _)| http.local_addr().ok()).map(|at| at.to_string()),
            data_dir = %self.config.data_dir.display(),
            tls = !self.config.tls.cert_file.is_empty(),
            accounts = self.admin.state.accounts.len(),
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        // Each connection has one of these until it has ended.
        let (open, mut all_ended) = mpsc::channel::<()>(1);
        let disowning = tokio::spawn(disown_every_second(
            Arc::clone(&self.connections),
            self.clock.clone(),
        ));
        let mut accepting = tokio::spawn(accept(self.grpc, self.connections, {
            let server = self.server;
            move |stream, place| {
                let (server, open) = (Arc::clone(&server), open.clone());
                tokio::spawn(async move {
                    server.serve(stream, place).await;
                    drop(open);
                });
            }
        }));
        let http = self.http.map(|(listener, routes)| {
            tokio::spawn(accept(
                listener,
                self.http_connections,
                move |stream, place| {
                    tokio::spawn(http_endpoint::serve(routes.clone(), stream, place));
                },
            ))
        });
        let certificates = self
            .operation
            .tls
            .clone()
            .map(|tls| tokio::spawn(tls.run()));
        let syncing = tokio::spawn(sync_every(
            Arc::clone(&self.journal),
            self.config.journal.sync_ms,
        ));
        let learning = tokio::spawn(habits::learn(
            Arc::clone(&self.store),
            Arc::clone(&self.admin.state),
            self.clock.now(),
        ));
        let fading = tokio::spawn(fade_every_day(Arc::clone(&self.admin.lists)));
        let training = tokio::spawn(every_night(self.trainer));
        let watching_calls = tokio::spawn(self.calls.run());
        let pruning = tokio::spawn(prune_every(
            Arc::clone(&self.store),
            Arc::clone(&self.operation),
            self.clock,
        ));
        let looking_up = tokio::spawn(Arc::clone(&self.reputations).run());
        let watching = tokio::spawn(Arc::clone(&self.operation.geography).run());
        tokio::select! {
            () = stop => {}
            ended = &mut accepting => {
                ended?;
                bail!("serving ended by itself");
            }
        }
        tracing::info!(
            in_flight = self.operation.metrics().in_flight.get(),
            "stopping: requests in flight are answered"
        );
        let _ = self.stopping.send(true);
        accepting.abort();
        let _ = self.draining.send(true);
        let patience = Duration::from_secs(self.operation.drain_seconds());
        if timeout(patience, all_ended.recv()).await.is_err() {
            tracing::warn!(
                seconds = patience.as_secs(),
                "some connections did not end in time and are cut"
            );
        }
        disowning.abort();
        syncing.abort();
        pruning.abort();
        learning.abort();
        training.abort();
        watching_calls.abort();
        fading.abort();
        if let Some(http) = http {
            http.abort();
        }
        if let Some(certificates) = certificates {
            certificates.abort();
        }
        looking_up.abort();
        watching.abort();
        self.reputations.flush().await;
        self.journal.sync()?;
        let _ = self.stop_shipping.send(());
        self.shipping.await?;
        self.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
