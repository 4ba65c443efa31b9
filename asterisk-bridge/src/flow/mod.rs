//! What is done with a call: a script of `AGI(agi://host/SCRIPT)`, a file each.

mod change_limits;
mod check;
mod hangup;
mod ivr;
mod limits;
mod prove;
mod verify;

use std::{sync::Arc, time::Duration};

use tfps_client::{
    instances::{Backlog, Instances},
    v1::CheckRequest,
};
use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
};
use tracing::{debug, error, warn};

use crate::{
    agi::{AgiError, Boundary, Environment, Lines, Patience, Session},
    ami::Calls,
    channel::{self, Origin, Verified},
    config::Config,
    telemetry::{CauseLabel, Metrics, ScriptLabel},
    voice::Prompts,
};

/// A call of an Asterisk's.
pub(crate) type Call = Session<OwnedReadHalf, OwnedWriteHalf>;

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) config: Arc<Config>,
    pub(crate) instances: Arc<Instances>,
    pub(crate) backlog: Backlog,
    pub(crate) prompts: Prompts,
    pub(crate) metrics: Metrics,
    /// The calls that are followed by Asterisk's manager interface, where that is used.
    pub(crate) calls: Option<Arc<Calls>>,
    /// Places for callers in the IVR, who stay for half a minute: so many that there is always room for checks.
    pub(crate) in_the_ivr: Semaphore,
}

/// A script that a dialplan can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Check,
    Verify,
    Ivr,
    ChangeLimits,
    Hangup,
}

impl Script {
    fn of(name: &str) -> Option<Self> {
        match name {
            "check" => Some(Self::Check),
            "verify" => Some(Self::Verify),
            "ivr" => Some(Self::Ivr),
            "change-limits" => Some(Self::ChangeLimits),
            "hangup" => Some(Self::Hangup),
            _ => None,
        }
    }

    /// Whether a caller is spoken with.
    fn speaks(self) -> bool {
        matches!(self, Self::Verify | Self::Ivr | Self::ChangeLimits)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Verify => "verify",
            Self::Ivr => "ivr",
            Self::ChangeLimits => "change-limits",
            Self::Hangup => "hangup",
        }
    }
}

/// Serves one call, from its environment to its end.
pub(crate) async fn serve(bridge: &Bridge, stream: TcpStream) {
    let boundary = match Boundary::random() {
        Ok(boundary) => boundary,
        Err(error) => {
            error!(%error, "the machine has no randomness: a call is not served");
            return;
        }
    };
    // A command is a packet, and is waited for.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let mut lines = Lines::new(reader);
    let patience = Duration::from_millis(bridge.config.limits.environment_ms);
    let environment = Environment::read(&mut lines, Patience::of(patience)).await;
    let mut call = Session::new(lines, writer, boundary);
    let done = match environment {
        Ok(environment) => run(bridge, &mut call, &environment).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {}
        Err(AgiError::HungUp) => debug!("the caller hung up"),
        Err(error) => {
            warn!(%error, "a call's script was broken off");
            let label = CauseLabel {
                cause: error.cause(),
            };
            bridge.metrics.broken.get_or_create(&label).inc();
            // It may be broken all the same.
            let why = error.to_string();
            if error.may_be_the_callers_doing() {
                let _ = channel::refused(&mut call, &why).await;
            } else if error.leaves_a_connection() {
                let _ = channel::unavailable(&mut call, &why).await;
            }
        }
    }
}

async fn run(bridge: &Bridge, call: &mut Call, environment: &Environment) -> Result<(), AgiError> {
    let name = environment.script()?;
    let Some(script) = Script::of(name) else {
        warn!(
            script = name,
            "there is no such script; there are check, verify, ivr, change-limits and hangup"
        );
        return channel::unavailable(call, "there is no such script").await;
    };
    let label = ScriptLabel {
        script: script.name(),
    };
    bridge.metrics.calls.get_or_create(&label).inc();
    debug!(
        script = script.name(),
        channel = environment.get("channel"),
        "a call"
    );
    let _place = match script.speaks().then(|| bridge.in_the_ivr.try_acquire()) {
        None => None,
        Some(Ok(place)) => Some(place),
        Some(Err(_)) => return no_place(bridge, call).await,
    };
    match script {
        Script::Check => check::run(bridge, call, environment).await,
        Script::Verify => verify::run(bridge, call, environment).await,
        Script::Ivr => ivr::run(bridge, call, environment).await,
        Script::ChangeLimits => change_limits::run(bridge, call, environment).await,
        Script::Hangup => hangup::run(bridge, call, environment).await,
    }
}

async fn no_place(bridge: &Bridge, call: &mut Call) -> Result<(), AgiError> {
    warn!(
        callers = bridge.config.limits.in_the_ivr(),
        "a caller is not served: three quarters of limits.calls are in the IVR, the others are for checks"
    );
    let label = CauseLabel { cause: "ivr-full" };
    bridge.metrics.refused.get_or_create(&label).inc();
    verify::failed(call, Verified::Unavailable).await
}

/// The Q.850 cause with which a caller who has not proved himself is hung up on: call rejected.
const REJECTED: u8 = 21;
/// The cause of an ordinary end.
const NORMAL: u8 = 16;
/// The cause where no server could be asked: temporary failure.
const TEMPORARY: u8 = 41;

/// The call that is asked about.
async fn attempt(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
    origin: Origin,
) -> Result<CheckRequest, AgiError> {
    channel::attempt(call, environment, &bridge.config.default_domain, origin).await
}
