//! What an Asterisk says, environment and replies, is read or refused, and a call always comes to an end.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tfps_asterisk_bridge::agi::{Boundary, Environment, Lines, Patience, Session};

fuzz_target!(|said: &[u8]| {
    // Nothing is waited for: all that comes is there.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        let mut lines = Lines::new(said);
        let patience = Patience::of(Duration::from_secs(1));
        if let Ok(environment) = Environment::read(&mut lines, patience).await {
            let _ = environment.script();
        }
        let mut call = Session::new(lines, tokio::io::sink(), Boundary::of("#b#"));
        while call.answer().await.is_ok() {
            let values = call.evaluate(["${A}", "${B}"]).await;
            let _ = call.play("sound", true).await;
            let typed = call.digits("sound", Duration::from_secs(1), 4).await;
            if values.is_err() && typed.is_err() {
                break;
            }
        }
        let _ = call.hang_up(21).await;
    });
});
