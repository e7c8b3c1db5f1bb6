//! `kill -9` of the client, a monitor or an init while something happens to a pod: the next command reads it rightly, and
//! `pod rm -f` leaves nothing.

use std::time::Duration;

use ketch_integration::kills::{Random, strike};
use ketch_integration::{Engine, leftovers};

use super::chaos::truth;

const ROUNDS: u32 = 60;

#[test]
fn sixty_kills() {
    let mut random = Random::from_environment();
    let engine = Engine::with_busybox();
    for round in 0..ROUNDS {
        let scene = one_round(&engine, &mut random);
        let about = format!("round {round} ({scene}), seed {}", random.seed);
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

/// An operation, and a kill in it.
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
    strike(engine, lines[operation], Duration::from_millis(30), random)
}
