//! A call that is told what to do.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tracing::trace;

use super::{
    AgiError, Boundary, Command, Lines, Patience, Reply,
    reply::{self, Line},
};

/// How long Asterisk may take for a command that plays nothing.
const PROMPTLY: Duration = Duration::from_secs(5);
/// How long a sound may last.
const SOUND: Duration = Duration::from_secs(60);
/// Lines that the usage of a command may have.
const USAGE_LINES: usize = 200;
/// What ends a sound, where digits may.
const ANY_DIGIT: &str = "0123456789#*";

/// How much longer Asterisk is listened to once it has said what was not asked for.
const STRAY: Duration = Duration::from_millis(500);
/// The most that values may come to together, in bytes: Asterisk keeps some 4,000 of each.
const MOST_VALUES: usize = 1 << 17;

/// A call.
#[derive(Debug)]
pub struct Session<R, W> {
    lines: Lines<R>,
    writer: W,
    hung_up: bool,
    /// Stands between values.
    boundary: Boundary,
}

/// What came of playing something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Played {
    /// It was heard to its end.
    Whole,
    /// The caller typed this, which ended it.
    Until(char),
    /// There is no such sound.
    Missing,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<R, W> {
    /// Goes on after the environment.
    pub fn new(lines: Lines<R>, writer: W, boundary: Boundary) -> Self {
        Self {
            lines,
            writer,
            hung_up: false,
            boundary,
        }
    }

    /// Whether Asterisk has told that the caller is gone.
    pub fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// Answers the call.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn answer(&mut self) -> Result<(), AgiError> {
        self.living(Command::new("ANSWER"), PROMPTLY).await?;
        Ok(())
    }

    /// What the dialplan makes of some expressions, such as `${EXTEN}`, in one exchange; empty where it knows nothing. Between
    /// them stands what no caller can know, so that nothing that he wrote can pass for another value or for a whole answer.
    ///
    /// # Errors
    /// [`AgiError::Stray`] where anything else was said before; what is asked for next is answered again, where it can be.
    pub async fn evaluate<const N: usize>(
        &mut self,
        expressions: [&str; N],
    ) -> Result<[String; N], AgiError> {
        let together = self.boundary.around(&expressions);
        let told = self
            .told(Command::new("GET FULL VARIABLE").argument(together))
            .await?;
        self.boundary.values(&told).ok_or(AgiError::Stray)
    }

    /// Reads what a caller made Asterisk say beyond what it was asked for, so that answers are those of commands again.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn settle(&mut self) -> Result<(), AgiError> {
        match self.evaluate([""]).await {
            Ok(_) | Err(AgiError::Stray) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sets a channel variable, or writes a function of the dialplan.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn set_variable(&mut self, name: &str, value: &str) -> Result<(), AgiError> {
        let command = Command::new("SET VARIABLE").argument(name).argument(value);
        self.done(command, PROMPTLY).await?;
        Ok(())
    }

    /// Sets channel variables: those whose values can stand in the list of an application, in one exchange.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn set_variables(&mut self, variables: &[(&str, &str)]) -> Result<(), AgiError> {
        let plain = |value: &str| {
            value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@+".contains(&byte))
        };
        let mut list = String::new();
        for (name, value) in variables.iter().filter(|(_, value)| plain(value)) {
            let comma = if list.is_empty() { "" } else { "," };
            list.extend([comma, name, "=", value]);
        }
        self.run("MSet", &list).await?;
        for (name, value) in variables.iter().filter(|(_, value)| !plain(value)) {
            self.set_variable(name, value).await?;
        }
        Ok(())
    }

    /// Plays a sound; where digits may interrupt it, the one that did is told.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn play(&mut self, sound: &str, interruptible: bool) -> Result<Played, AgiError> {
        let digits = if interruptible { ANY_DIGIT } else { "" };
        let command = Command::new("STREAM FILE").argument(sound).argument(digits);
        let (result, _) = self.living(command, SOUND).await?;
        self.played(&result).await
    }

    /// Reads digits out, one by one, in the language of the channel. A digit that is typed ends it.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn say_digits(&mut self, digits: &str) -> Result<Played, AgiError> {
        let command = Command::new("SAY DIGITS")
            .argument(digits)
            .argument(ANY_DIGIT);
        let (result, _) = self.living(command, SOUND).await?;
        self.played(&result).await
    }

    /// Plays a sound (empty: none), which a digit ends, and takes up to `most` digits, each within `wait` after the one before.
    /// None where there is no such sound; empty where nothing was typed. A `#` ends them and is not told.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn digits(
        &mut self,
        sound: &str,
        wait: Duration,
        most: u8,
    ) -> Result<Option<String>, AgiError> {
        let command = Command::new("GET DATA")
            .argument(sound)
            .argument(wait.as_millis().to_string())
            .argument(most.to_string());
        let all = SOUND + wait * u32::from(most.max(1));
        let (typed, _) = self.living(command, all).await?;
        if typed == "-1" {
            self.require_alive().await?;
            return Ok(None);
        }
        Ok(Some(typed))
    }

    /// Runs an application of the dialplan, also for a caller who is gone; whether Asterisk has it.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn run(&mut self, application: &str, arguments: &str) -> Result<bool, AgiError> {
        let command = Command::new("EXEC")
            .argument(application)
            .argument(arguments);
        Ok(self.done(command, PROMPTLY).await?.0 != "-2")
    }

    /// Ends the call with a Q.850 cause.
    ///
    /// # Errors
    /// [`AgiError`]
    pub async fn hang_up(&mut self, cause: u8) -> Result<(), AgiError> {
        // The application leaves the cause at the channel; from here, it does not end the call.
        self.run("Hangup", &cause.to_string()).await?;
        self.living(Command::new("HANGUP"), PROMPTLY).await?;
        self.hung_up = true;
        Ok(())
    }

    async fn played(&mut self, result: &str) -> Result<Played, AgiError> {
        match result.parse::<i32>() {
            Ok(0) => Ok(Played::Whole),
            Ok(code @ 1..=127) => Ok(u32::try_from(code)
                .ok()
                .and_then(char::from_u32)
                .map_or(Played::Whole, Played::Until)),
            _ => {
                self.require_alive().await?;
                Ok(Played::Missing)
            }
        }
    }

    /// A sound that is missing and a caller who hangs up have the same result.
    async fn require_alive(&mut self) -> Result<(), AgiError> {
        self.living(Command::new("CHANNEL STATUS"), PROMPTLY)
            .await?;
        Ok(())
    }

    /// A command that needs a caller who is there.
    async fn living(
        &mut self,
        command: Command,
        limit: Duration,
    ) -> Result<(String, Option<Vec<u8>>), AgiError> {
        if self.hung_up {
            return Err(AgiError::HungUp);
        }
        let (result, note) = self.done(command, limit).await?;
        // What was cut short by the hang-up has a result too.
        if self.hung_up {
            return Err(AgiError::HungUp);
        }
        Ok((result, note))
    }

    async fn done(
        &mut self,
        command: Command,
        limit: Duration,
    ) -> Result<(String, Option<Vec<u8>>), AgiError> {
        let words = command.words();
        let patience = self.send(command, limit).await?;
        match self.reply(patience).await? {
            Reply::Result { result, note, .. } => Ok((result, note)),
            Reply::Refused(why) => Err(AgiError::Refused {
                command: words,
                why,
            }),
            Reply::Dead => {
                self.hung_up = true;
                Err(AgiError::HungUp)
            }
        }
    }

    async fn send(&mut self, command: Command, limit: Duration) -> Result<Patience, AgiError> {
        // What is sent and answered may be digits: only the command is told.
        trace!(command = command.words(), "sent");
        let line = command.line()?;
        let patience = Patience::of(limit);
        patience
            .within(self.writer.write_all(line.as_bytes()))
            .await??;
        Ok(patience)
    }

    /// What is said between the boundaries that a command holds. A caller's line break is a part of it, and the lines that
    /// he wrote into the environment stand before it.
    async fn told(&mut self, command: Command) -> Result<Vec<u8>, AgiError> {
        let mut patience = self.send(command, PROMPTLY).await?;
        let (begin, end) = (self.boundary.begins(), self.boundary.ends());
        let mut stray = false;
        let mut told = loop {
            let line = match self.lines.next(patience).await {
                Err(AgiError::Silent(_)) if stray => return Err(AgiError::Stray),
                line => line?,
            };
            if let Some(rest) = line.strip_prefix(begin.as_bytes()) {
                break rest.to_vec();
            }
            if reply::is_hang_up(&line) {
                self.hung_up = true;
            } else if !stray {
                stray = true;
                patience = Patience::of(STRAY);
            }
        };
        while !told.ends_with(end.as_bytes()) {
            if told.len() > MOST_VALUES {
                return Err(AgiError::Stray);
            }
            told.push(b'\n');
            told.extend(self.lines.next(patience).await?);
        }
        if stray {
            return Err(AgiError::Stray);
        }
        told.pop();
        Ok(told)
    }

    async fn reply(&mut self, patience: Patience) -> Result<Reply, AgiError> {
        loop {
            let line = self.lines.next(patience).await?;
            match reply::read(&line)? {
                Line::Whole(reply) => return Ok(reply),
                Line::HangUp => self.hung_up = true,
                Line::Usage(why) => return self.usage(why, patience).await,
            }
        }
    }

    /// The rest of a command's usage, which nobody reads.
    async fn usage(&mut self, why: String, patience: Patience) -> Result<Reply, AgiError> {
        for _ in 0..USAGE_LINES {
            let line = self.lines.next(patience).await?;
            if reply::is_end_of_usage(&line) {
                return Ok(Reply::Refused(why));
            }
            self.hung_up |= reply::is_hang_up(&line);
        }
        Err(super::BadReply(why).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split};

    type Ours = Session<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

    /// An Asterisk that answers each command in turn with the next of these.
    fn session(answers: &'static [&'static str]) -> (Ours, tokio::task::JoinHandle<Vec<String>>) {
        let (ours, theirs) = duplex(4_096);
        let asterisk = tokio::spawn(async move {
            let (read, mut write) = split(theirs);
            let mut commands = BufReader::new(read).lines();
            let mut heard = Vec::new();
            for answer in answers {
                heard.push(commands.next_line().await.unwrap().unwrap());
                write.write_all(answer.as_bytes()).await.unwrap();
            }
            heard
        });
        let (read, write) = split(ours);
        (
            Session::new(Lines::new(read), write, Boundary::of("#b#")),
            asterisk,
        )
    }

    #[tokio::test]
    async fn values_are_told_apart_whatever_is_in_them() {
        let (mut call, asterisk) = session(&["200 result=1 (#b#a):0:1 #x#\nb) (#b##b#)\n"]);
        let values = call.evaluate(["${A}", "${B}"]).await.unwrap();
        assert_eq!(values, ["a):0:1 #x#\nb) (", ""]);
        assert_eq!(
            asterisk.await.unwrap(),
            ["GET FULL VARIABLE \"#b#${A}#b#${B}#b#\""]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_asked_for_is_no_answer() {
        // Lines of a caller's own before the answer; then answers are those of commands again.
        let (mut call, asterisk) = session(&[
            "200 result=1 (alice)\n510 x\nHANGUP\nagi_rdnis: x\n\n200 result=1 (#b#bob#b#)\n",
            "200 result=1 (#b##b#)\n",
            "200 result=1\n",
        ]);
        let told = call.evaluate(["${A}"]).await;
        assert!(matches!(told, Err(AgiError::Stray)), "{told:?}");
        assert!(call.hung_up());
        call.settle().await.unwrap();
        call.set_variable("A", "b").await.unwrap();
        assert_eq!(asterisk.await.unwrap().len(), 3);
        // No answer at all, and one that is another's.
        for said in [
            "200 result=0\n",
            "200 result=1 (5:alice)\n",
            "510 Invalid or unknown command\n",
        ] {
            let (mut call, _asterisk) = session(Box::leak(Box::new([said, ""])));
            let told = call.evaluate(["${A}"]).await;
            assert!(matches!(told, Err(AgiError::Stray)), "{told:?}");
        }
    }

    #[tokio::test]
    async fn several_variables_are_set_at_once_and_nothing_in_a_value_is_another() {
        let (mut call, asterisk) = session(&["200 result=0\n", "200 result=1\n"]);
        call.set_variables(&[("A", "a@b.c"), ("B", "x,D=y\""), ("C", "")])
            .await
            .unwrap();
        assert_eq!(
            asterisk.await.unwrap(),
            [
                "EXEC \"MSet\" \"A=a@b.c,C=\"",
                "SET VARIABLE \"B\" \"x,D=y\\\"\""
            ]
        );
    }

    #[tokio::test]
    async fn a_digit_interrupts_a_sound_and_a_missing_sound_is_no_hang_up() {
        let (mut call, asterisk) = session(&[
            "200 result=52 endpos=800\n",
            "200 result=-1 endpos=0\n",
            "200 result=6\n",
            "200 result=12 (timeout)\n",
            "200 result=-1\n",
            "200 result=6\n",
        ]);
        assert_eq!(call.play("x", true).await.unwrap(), Played::Until('4'));
        assert_eq!(call.play("x", false).await.unwrap(), Played::Missing);
        let wait = Duration::from_secs(6);
        assert_eq!(
            call.digits("x", wait, 4).await.unwrap(),
            Some("12".to_owned())
        );
        assert_eq!(call.digits("y", wait, 4).await.unwrap(), None);
        let heard = asterisk.await.unwrap();
        assert_eq!(heard[0], "STREAM FILE \"x\" \"0123456789#*\"");
        assert_eq!(heard[1], "STREAM FILE \"x\" \"\"");
        assert_eq!(heard[3], "GET DATA \"x\" \"6000\" \"4\"");
    }

    #[tokio::test]
    async fn a_hang_up_is_noticed_wherever_it_is_told() {
        // Before a reply, after a cut-off sound, in a usage, and by a dead channel.
        for answers in [
            &["HANGUP\n200 result=0 endpos=1\n"][..],
            &[
                "200 result=-1 endpos=0\n",
                "HANGUP\n511 Command Not Permitted\n",
            ],
            &["200 result=-1 endpos=0\n", "511 Command Not Permitted\n"],
        ] {
            let (mut call, _asterisk) = session(answers);
            assert!(matches!(call.play("x", false).await, Err(AgiError::HungUp)));
            assert!(call.hung_up());
        }
        let (mut call, _asterisk) = session(&[
            "520-Invalid command syntax.\nUsage: X\nHANGUP\n520 End of proper usage.\n",
            "200 result=0\n",
        ]);
        assert!(matches!(
            call.answer().await,
            Err(AgiError::Refused {
                command: "ANSWER",
                ..
            })
        ));
        assert!(call.hung_up());
        // Variables can still be set.
        call.set_variable("TFPS_VERIFIED", "HANGUP").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_asterisk_that_does_not_answer_is_given_up() {
        let (ours, _theirs) = duplex(64);
        let (read, write) = split(ours);
        let mut call = Session::new(Lines::new(read), write, Boundary::of("#b#"));
        assert!(matches!(call.answer().await, Err(AgiError::Silent(5_000))));
        // Nor one that does not read.
        let long = "x".repeat(500);
        assert!(matches!(
            call.set_variable("A", &long).await,
            Err(AgiError::Silent(_))
        ));
    }
}
