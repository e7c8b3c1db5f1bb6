//! `kill -9` of the client, a monitor or an init while something happens to a pod: the next command reads it rightly, and
//! `pod rm -f` leaves nothing.

use std::process::Stdio;
use std::time::Duration;

use ketch_integration::{Engine, leftovers};

use super::chaos::{Random, end, inits, monitors, truth};

const ROUNDS: u32 = 30;

/// `KETCH_TEST_SEED` repeats a failed run's choices.
#[test]
fn thirty_kills() {
    let seed = std::env::var("KETCH_TEST_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(u64::from(std::process::id()) + 1);
    let mut random = Random(seed);
    let engine = Engine::with_busybox();
    // The image of infra containers is in the store from here on: what a killed import leaves is cleared by the next import,
    // and another test's matter.
    engine.line("pod create --replace --name p --network none").ok();
    engine.line("pod rm p").ok();
    for round in 0..ROUNDS {
        let scene = one_round(&engine, &mut random);
        let about = format!("round {round} ({scene}), seed {seed}");
        let found = truth(&engine);
        assert!(found.is_empty(), "{about}: {found:#?}");
        let pods = engine.line("pod ps -q --no-trunc").ok().text().to_owned();
        let pods: Vec<String> = pods.lines().map(str::to_owned).collect();
        engine.line("pod inspect p").assert_exit(if pods.is_empty() { 125 } else { 0 });
        let removed = engine.line("pod rm -f -a -t 0");
        assert_eq!(removed.code, 0, "{about}: {removed:#?}");
        assert!(engine.ids().is_empty(), "{about}: {:?}", engine.line("ps -a --pod"));
        let mut left = leftovers::find(engine.dir(), &pods);
        left.extend(engine.wipe());
        assert!(left.is_empty(), "{about}: left behind {left:#?}");
    }
}

/// Starts an operation, waits a random moment, kills a random party of it.
fn one_round(engine: &Engine, random: &mut Random) -> String {
    let lines = [
        "pod create --name p --network none",
        "run -d --pod new:p --network none busybox sleep 1000",
        "run -d --pod p busybox sleep 1000",
        "pod start p",
        "pod restart p",
        "pod stop -t 0 p",
        "pod rm -f -t 0 p",
    ];
    let operation = random.below(lines.len() as u64) as usize;
    if operation >= 2 {
        engine.line("pod create --name p --network none --memory 64m").ok();
        engine.line("create --pod p --name a busybox sleep 1000").ok();
    }
    if operation >= 4 {
        engine.line("pod start p").ok();
    }
    let mut command = engine.command();
    command.args(lines[operation].split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    // Any moment of it is as good as another, however fast the machine is.
    let delay = Duration::from_micros(random.below(30_000));
    std::thread::sleep(delay);
    let victim = random.below(3);
    match victim {
        0 => client.kill().unwrap(),
        1 => monitors(engine.dir()).into_iter().for_each(end),
        _ => inits(engine.dir()).into_iter().for_each(end),
    }
    client.wait().unwrap();
    format!(
        "`{}`, {} killed after {delay:?}",
        lines[operation],
        ["client", "monitors", "inits"][victim as usize]
    )
}
