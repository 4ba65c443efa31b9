//! An Asterisk that says on the wire whatever a test wants: what a real one says but rarely, and what none should.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A call of such an Asterisk.
#[derive(Debug)]
pub struct FakeAsterisk {
    commands: Lines<BufReader<OwnedReadHalf>>,
    bridge: OwnedWriteHalf,
    /// Every command that came.
    pub heard: Vec<String>,
}

impl FakeAsterisk {
    /// Connects, and says nothing yet.
    ///
    /// # Panics
    /// When the bridge does not listen.
    pub async fn connect(bridge: SocketAddr) -> Self {
        let stream = TcpStream::connect(bridge).await.expect("it listens");
        // A line is a packet, as Asterisk sends it.
        stream.set_nodelay(true).expect("a socket takes it");
        let (reader, writer) = stream.into_split();
        Self {
            commands: BufReader::new(reader).lines(),
            bridge: writer,
            heard: Vec::new(),
        }
    }

    /// Asks for a script as a SIP phone's channel.
    ///
    /// # Panics
    /// When the bridge does not listen.
    pub async fn asks(bridge: SocketAddr, script: &str) -> Self {
        let mut own = Self::connect(bridge).await;
        own.says(&environment(script)).await;
        own
    }

    /// Says something; a bridge that has hung up does not hear it.
    pub async fn says(&mut self, text: &str) {
        let _ = self.bridge.write_all(text.as_bytes()).await;
    }

    /// The next command; none where the bridge has hung up.
    ///
    /// # Panics
    /// When neither comes.
    pub async fn hears(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.commands.next_line()).await;
        let line = line
            .expect("the bridge says something or hangs up")
            .ok()??;
        self.heard.push(line.clone());
        Some(line)
    }

    /// Answers commands until the bridge hangs up.
    ///
    /// # Panics
    /// When it does not.
    pub async fn answers(&mut self, mut answer: impl FnMut(&str) -> String) {
        while let Some(command) = self.hears().await {
            let said = answer(&command);
            self.says(&said).await;
        }
    }

    /// What variables were set to, the last time.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.heard.iter().rev().find_map(|command| {
            let set = format!("SET VARIABLE \"{name}\" \"");
            if let Some(value) = command.strip_prefix(&set) {
                return value.strip_suffix('"').map(str::to_owned);
            }
            let list = command
                .strip_prefix("EXEC \"MSet\" \"")?
                .strip_suffix('"')?;
            let mut pairs = list.split(',').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(own, _)| *own == name)
                .map(|(_, value)| value.to_owned())
        })
    }
}

/// What Asterisk tells before it takes commands.
pub fn environment(script: &str) -> String {
    format!(
        "agi_network: yes\nagi_network_script: {script}\nagi_request: agi://127.0.0.1/{script}\nagi_channel: PJSIP/alice-00000001\n\
         agi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1700000000.1\nagi_version: 16.28.0\nagi_callerid: alice\n\
         agi_calleridname: unknown\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\n\
         agi_dnid: 12125552368\nagi_rdnis: unknown\nagi_context: phones\nagi_extension: 12125552368\nagi_priority: 1\n\
         agi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 1\n\n"
    )
}

/// What a well-behaved Asterisk answers to a command, whose dialplan sets these variables. A caller types nothing.
pub fn well_behaved(command: &str, variables: &[(&str, &str)]) -> String {
    if let Some(asked) = command.strip_prefix("GET FULL VARIABLE \"") {
        let mut values = asked.trim_end_matches('"').to_owned();
        // A caller who has no other call.
        if let Some((before, rest)) = values.split_once("${GROUP_COUNT(")
            && let Some((_, after)) = rest.split_once("@tfps)}")
        {
            values = format!("{before}1{after}");
        }
        while let Some(begin) = values.find("${") {
            let end = values[begin..]
                .find('}')
                .map_or(values.len(), |at| begin + at + 1);
            let expression = &values[begin..end];
            let value = variables
                .iter()
                .find(|(name, _)| *name == expression)
                // What is in a value is not an expression.
                .map_or(String::new(), |(_, value)| value.replace("${", "\u{0}"));
            values.replace_range(begin..end, &value);
        }
        let values = values.replace('\u{0}', "${");
        return format!("200 result=1 ({values})\n");
    }
    match command.split(' ').next() {
        Some("SET") => "200 result=1\n".to_owned(),
        Some("STREAM") => "200 result=0 endpos=3520\n".to_owned(),
        Some("GET") => "200 result= (timeout)\n".to_owned(),
        Some("HANGUP") => "200 result=1\n".to_owned(),
        Some("CHANNEL") => "200 result=6\n".to_owned(),
        _ => "200 result=0\n".to_owned(),
    }
}
