//! A channel of an Asterisk that runs `AGI(agi://…)`: a thread that tells what the call is, line by line, does what it is told
//! and says so, until the bridge hangs up. What it answers is what [`tfps_tests::fake_asterisk`] does; a real one's thread waits
//! on its socket in the same way.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::ensure;
use tfps_client::v1::CheckRequest;
use tfps_tests::fake_asterisk::{environment, well_behaved};

/// How long the bridge may take for a command.
const PATIENCE: Duration = Duration::from_secs(20);

/// A call that is in a script of the bridge.
#[derive(Debug)]
pub(super) struct Channel {
    bridge: BufReader<TcpStream>,
    variables: Vec<(&'static str, String)>,
    /// What `MSet` was run with.
    set: Vec<String>,
}

impl Channel {
    /// Connects and tells what the call is.
    pub(super) fn asks(
        bridge: SocketAddr,
        script: &str,
        call: &CheckRequest,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(bridge)?;
        // A line is a packet, as Asterisk sends it.
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bridge = BufReader::new(stream);
        for line in environment(script).split_inclusive('\n') {
            bridge.get_mut().write_all(line.as_bytes())?;
        }
        Ok(Self {
            bridge,
            variables: variables(call),
            set: Vec::new(),
        })
    }

    /// Has a variable of the dialplan besides.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Does what it is told until the bridge hangs up, or tells a command that begins like this, which stays undone. Whether it
    /// did.
    pub(super) fn goes_on(&mut self, until: &str) -> anyhow::Result<bool> {
        let told: Vec<_> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut line = String::new();
        loop {
            line.clear();
            if self.bridge.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let command = line.trim_end();
            if !until.is_empty() && command.starts_with(until) {
                return Ok(true);
            }
            let answer = well_behaved(command, &told);
            self.bridge.get_mut().write_all(answer.as_bytes())?;
            if command.starts_with("EXEC \"MSet\"") {
                self.set.push(command.to_owned());
            }
        }
    }

    /// Waits for the command that begins like this, and leaves it undone.
    pub(super) fn stands_in(&mut self, command: &str) -> anyhow::Result<()> {
        ensure!(
            self.goes_on(command)?,
            "the bridge hung up instead of {command}"
        );
        Ok(())
    }

    /// What `MSet` set a variable to, the last time.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.set.iter().rev().find_map(|command| {
            let (_, list) = command.trim_end_matches('"').rsplit_once('"')?;
            list.split(',')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        })
    }
}

/// What the dialplan sets for a call.
fn variables(call: &CheckRequest) -> Vec<(&'static str, String)> {
    let account = call.account.clone().unwrap_or_default();
    vec![
        ("${TFPS_USERNAME}", account.username),
        ("${TFPS_DOMAIN}", account.domain),
        ("${TFPS_NUMBER}", call.dialed_number.clone()),
        ("${TFPS_CALLER}", call.caller_number.clone()),
        ("${TFPS_SOURCE_IP}", call.source_ip.clone()),
        ("${TFPS_USER_AGENT}", call.user_agent.clone()),
        ("${TFPS_CALL_ID}", call.call_id.clone()),
        ("${TFPS_TRUNK}", call.trunk.clone()),
    ]
}
