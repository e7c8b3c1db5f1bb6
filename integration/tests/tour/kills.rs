//! The tour with a `kill -9` in it: ten times, of the command itself, of a monitor or of an init. Removing what there is
//! leaves nothing, and all of it on the first try.

use std::process::Stdio;
use std::time::Duration;

use ketch_integration::kills::{end, inits, monitors};
use ketch_integration::page::Step;
use ketch_integration::play::wanted;

use crate::{PAGE, Scene};

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The command itself, so many milliseconds after it began.
    Client(u64),
    /// All monitors, after the command.
    Monitors,
    /// All inits, after the command.
    Inits,
}

/// Where in the page: at the first command that begins so.
const POINTS: [(&str, Victim); 10] = [
    ("ketch run -dt", Victim::Client(0)),
    ("ketch run -dt", Victim::Client(8)),
    ("ketch run -dt", Victim::Client(20)),
    ("ketch run -dt", Victim::Monitors),
    ("ketch pause", Victim::Inits),
    ("ketch stop --latest", Victim::Client(15)),
    ("ketch container checkpoint web", Victim::Client(40)),
    ("ketch container restore", Victim::Monitors),
    ("ketch run -d --pod shop --name front", Victim::Inits),
    ("ketch pod stop", Victim::Monitors),
];

#[test]
fn at_ten_points() {
    let scene = Scene::new();
    let mut steps = wanted(&scene.stage, PAGE);
    steps.retain(|step| !step.other);
    let (load, steps) = steps.split_first().expect("a page with steps");
    play(&scene, load);
    for (prefix, victim) in POINTS {
        let at = steps.iter().position(|step| step.command.starts_with(prefix)).expect("it is on the page");
        // A section of the page stands for itself: the container of an earlier one is removed at its end.
        let first = steps[..at]
            .iter()
            .rposition(|step| step.command == "ketch rm -f -t 1 --latest")
            .map_or(0, |end| end + 1);
        steps[first..at].iter().for_each(|step| play(&scene, step));
        strike(&scene, &steps[at], victim);
        clean(&scene, prefix, victim);
    }
}

/// A step that must do its part, whatever it prints.
fn play(scene: &Scene, step: &Step) {
    let (code, output) = scene.stage.here.shell(&step.command, &scene.stage.dir);
    assert_eq!(code, 0, "line {}: {}\n{output}", step.line, step.command);
}

fn strike(scene: &Scene, step: &Step, victim: Victim) {
    let here = &scene.stage.here;
    match victim {
        Victim::Client(milliseconds) => {
            let mut words = step.command.split_whitespace();
            let mut command = here.command(words.next().expect("a command has a name"), &scene.stage.dir);
            let mut client = here.start(command.args(words).stdout(Stdio::null()).stderr(Stdio::null()));
            // The moment is what varies.
            std::thread::sleep(Duration::from_millis(milliseconds));
            // It may be through by now.
            let _ = client.kill();
            client.wait().expect("a child of our own");
        }
        Victim::Monitors => {
            play(scene, step);
            monitors(scene.dir.path()).into_iter().for_each(end);
        }
        Victim::Inits => {
            play(scene, step);
            inits(scene.dir.path()).into_iter().for_each(end);
        }
    }
}

fn clean(scene: &Scene, prefix: &str, victim: Victim) {
    let here = &scene.stage.here;
    for command in ["ketch pod rm -f -a -t 0", "ketch rm -f -a -t 0", "ketch volume prune -f"] {
        let (code, output) = here.shell(command, &scene.stage.dir);
        assert_eq!(code, 0, "{command} after {victim:?} was killed at {prefix:?}:\n{output}");
    }
    let left = scene.left();
    assert!(left.is_empty(), "{victim:?} was killed at {prefix:?}: {left:#?}");
}
