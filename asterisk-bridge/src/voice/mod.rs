//! What a caller hears, in his language, and what he types.

mod prompt;

use std::{collections::HashSet, sync::Mutex, time::Duration};

use tfps_client::v1::SpokenDigit;
use tracing::warn;

pub(crate) use self::prompt::Prompt;
use crate::{
    agi::{AgiError, Played},
    config::Ivr,
    flow::Call,
    telemetry::{Metrics, PromptLabel},
};

/// What is heard where no prompt is: one of Asterisk's own sounds.
const LAST_RESORT: &str = "beep";
/// How many digits may follow a PIN's first; the server takes sixteen.
pub(crate) const MOST_DIGITS: u8 = 16;

/// The prompts that there are, and those that were found missing.
#[derive(Debug)]
pub(crate) struct Prompts {
    languages: Vec<String>,
    folder: String,
    wait: Duration,
    missing: Mutex<HashSet<String>>,
    metrics: Metrics,
}

impl Prompts {
    /// As the configuration has them.
    pub(crate) fn new(config: &Ivr, metrics: &Metrics) -> Self {
        Self {
            languages: config.languages.clone(),
            folder: config.folder.clone(),
            wait: config.wait(),
            missing: Mutex::default(),
            metrics: metrics.clone(),
        }
    }

    /// The language that comes nearest to a channel's: itself, without its region, or the first.
    fn nearest(&self, channel: &str) -> &str {
        let bare = channel.split(['_', '-']).next().unwrap_or_default();
        [channel, bare]
            .into_iter()
            .find_map(|name| {
                self.languages
                    .iter()
                    .find(|own| own.eq_ignore_ascii_case(name))
            })
            .or(self.languages.first())
            .map_or("en", String::as_str)
    }

    /// Counts a prompt that is missing, and tells of it the first time.
    fn report(&self, language: &str, prompt: Prompt) {
        let label = PromptLabel {
            language: language.to_owned(),
            prompt: prompt.name(),
        };
        self.metrics.prompts_missing.get_or_create(&label).inc();
        let sound = format!("{language}/{}/{}", self.folder, prompt.name());
        let new = match self.missing.lock() {
            Ok(mut missing) => missing.insert(sound.clone()),
            Err(_) => true,
        };
        if new {
            warn!(
                sound,
                "a prompt is missing in Asterisk's sounds: install the prompts of this language"
            );
        }
    }
}

/// A caller who is spoken with.
pub(crate) struct Voice<'a> {
    call: &'a mut Call,
    prompts: &'a Prompts,
    language: &'a str,
    /// What he typed while something was said: it may be the first digit of what he is asked for next.
    ahead: Option<char>,
}

impl<'a> Voice<'a> {
    /// Speaks the language of the channel.
    pub(crate) fn new(call: &'a mut Call, prompts: &'a Prompts, channel_language: &str) -> Self {
        let language = prompts.nearest(channel_language);
        Self {
            call,
            prompts,
            language,
            ahead: None,
        }
    }

    /// Says a sentence, which a digit ends. What follows is not said either, until something is asked for.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn say(&mut self, prompt: Prompt) -> Result<(), AgiError> {
        if self.ahead.is_some() {
            return Ok(());
        }
        for sound in self.sounds(prompt) {
            match self.call.play(&sound.path, true).await? {
                Played::Whole => return Ok(()),
                Played::Until(digit) => {
                    self.ahead = Some(digit);
                    return Ok(());
                }
                Played::Missing => self.prompts.report(&sound.language, prompt),
            }
        }
        self.call.play(LAST_RESORT, false).await?;
        Ok(())
    }

    /// Says a sentence that the caller must hear, whatever he typed before it.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn tell(&mut self, prompt: Prompt) -> Result<(), AgiError> {
        self.ahead = None;
        self.say(prompt).await
    }

    /// Says a sentence and digits behind it.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn tell_number(
        &mut self,
        prompt: Prompt,
        number: u32,
    ) -> Result<(), AgiError> {
        self.tell(prompt).await?;
        if self.ahead.is_none() {
            self.call.say_digits(&number.to_string()).await?;
        }
        Ok(())
    }

    /// Reads a captcha out and takes what is typed; it may be typed before it is read out whole. Empty: nothing was typed.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn captcha(&mut self, digits: &str) -> Result<String, AgiError> {
        // Nobody can have known it.
        self.ahead = None;
        let most = u8::try_from(digits.len()).unwrap_or(MOST_DIGITS);
        if let Played::Until(digit) = self.call.say_digits(digits).await? {
            self.ahead = Some(digit);
        }
        self.ask(Prompt::CaptchaType, most).await
    }

    /// Asks for the sum of two numbers, which are read out digit by digit, and takes what is typed. Empty: nothing was typed.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn sum(
        &mut self,
        first: u32,
        second: u32,
        most: u8,
    ) -> Result<String, AgiError> {
        for (prompt, number) in [(Prompt::SumListen, first), (Prompt::SumSecond, second)] {
            self.tell(prompt).await?;
            self.call.say_digits(&number.to_string()).await?;
        }
        // Nobody can have known it.
        self.ahead = None;
        self.ask(Prompt::SumType, most).await
    }

    /// Reads digits out, before each of them whether to remember it, and takes what is typed. Empty: nothing was typed.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn among_words(
        &mut self,
        spoken: &[SpokenDigit],
        most: u8,
    ) -> Result<String, AgiError> {
        self.tell(Prompt::WordsListen).await?;
        for SpokenDigit { digit, typed } in spoken {
            let prompt = if *typed {
                Prompt::WordsKeep
            } else {
                Prompt::WordsSkip
            };
            self.tell(prompt).await?;
            self.call.say_digits(&digit.to_string()).await?;
        }
        // Nobody can have known them.
        self.ahead = None;
        self.ask(Prompt::CaptchaType, most).await
    }

    /// Asks for digits: those that were typed before it has been said whole count. Empty: nothing was typed.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn ask(&mut self, prompt: Prompt, most: u8) -> Result<String, AgiError> {
        let typed = match self.ahead.take() {
            Some('#') => String::new(),
            Some('*') => {
                let typed = self.call.digits("", self.prompts.wait, most).await?;
                typed.unwrap_or_default()
            }
            Some(first) if most <= 1 => first.to_string(),
            Some(first) => {
                let rest = self.call.digits("", self.prompts.wait, most - 1).await?;
                format!("{first}{}", rest.unwrap_or_default())
            }
            None => self.heard(prompt, most).await?,
        };
        // A star that was hit beside a digit is no digit.
        Ok(typed.chars().filter(char::is_ascii_digit).collect())
    }

    /// Asks for a number that ends with `#`.
    ///
    /// # Errors
    /// [`AgiError`]
    pub(crate) async fn ask_whole(&mut self, prompt: Prompt) -> Result<String, AgiError> {
        self.ask(prompt, MOST_DIGITS).await
    }

    async fn heard(&mut self, prompt: Prompt, most: u8) -> Result<String, AgiError> {
        for sound in self.sounds(prompt) {
            match self
                .call
                .digits(&sound.path, self.prompts.wait, most)
                .await?
            {
                Some(typed) => return Ok(typed),
                None => self.prompts.report(&sound.language, prompt),
            }
        }
        let typed = self
            .call
            .digits(LAST_RESORT, self.prompts.wait, most)
            .await?;
        match typed {
            Some(typed) => Ok(typed),
            None => {
                let typed = self.call.digits("", self.prompts.wait, most).await?;
                Ok(typed.unwrap_or_default())
            }
        }
    }

    /// The sentence in the caller's language, and in the one for all.
    fn sounds(&self, prompt: Prompt) -> Vec<Sound> {
        let mut languages = vec![self.language];
        if let Some(first) = self.prompts.languages.first()
            && first != self.language
        {
            languages.push(first);
        }
        languages
            .into_iter()
            .map(|language| Sound {
                path: format!("{language}/{}/{}", self.prompts.folder, prompt.name()),
                language: language.to_owned(),
            })
            .collect()
    }
}

struct Sound {
    path: String,
    language: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_language_is_spoken() {
        let config = Ivr {
            languages: ["en", "pt", "pt_BR"].map(str::to_owned).to_vec(),
            ..Ivr::default()
        };
        let prompts = Prompts::new(&config, &Metrics::default());
        for (channel, spoken) in [
            ("pt_BR", "pt_BR"),
            ("pt-PT", "pt"),
            ("PT", "pt"),
            ("fr", "en"),
            ("", "en"),
        ] {
            assert_eq!(prompts.nearest(channel), spoken, "{channel}");
        }
    }
}
