//! `run` and `create`: exit codes, names, input, identity files.

use super::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "run-codes",
        lines: &[
            "run --rm --network=none $IMAGE true",
            "run --rm --network=none $IMAGE false",
            "run --rm --network=none $IMAGE sh -c 'exit 42'",
            "run --rm --network=none $IMAGE sh -c 'echo out; echo err >&2; exit 255'",
            "run --rm --network=none --init $IMAGE sh -c 'kill -9 $$'",
            "run --rm --network=none --init $IMAGE sh -c 'kill -15 $$'",
            "run --rm --network=none $IMAGE no-such-command",
            "run --rm --network=none $IMAGE /no/such/command",
            "run --rm --network=none $IMAGE /etc/passwd",
            "run --rm --network=none $IMAGE /etc",
            "run --rm --network=none -d $IMAGE no-such-command",
            "run --rm --network=none --no-such-flag $IMAGE true",
            "run --rm --network=none localhost/no-such-image true",
            "run --rm --network=none UPPER/case true",
            "run",
            "run --rm --network=none --pull=never no-such-image true",
            "run --rm --network=none -w /new/dir $IMAGE pwd",
            "ps -a -q",
        ],
    },
    Scenario {
        name: "run-image-config",
        lines: &[
            "run --rm --network=none special",
            "run --rm --network=none special more words",
            "run --rm --network=none --entrypoint id special",
            "run --rm --network=none --entrypoint pwd special",
            "run --rm --network=none --entrypoint '' special id -u",
            "run --rm --network=none --entrypoint '[\"echo\",\"a b\"]' special c",
            "run --rm --network=none --entrypoint '' special",
            "run --rm --network=none --user 0 --entrypoint id special",
        ],
    },
    Scenario {
        name: "run-input",
        lines: &[
            "hello\\n | run --rm -i --network=none $IMAGE cat",
            "hello\\n | run --rm --network=none $IMAGE cat",
            "hello\\n | run --rm -i --network=none $IMAGE sh -c 'read a; echo got $a; exit 3'",
            "hello\\n | run --rm -a stdin -a stdout --network=none $IMAGE cat",
            "run --rm -a stderr --network=none $IMAGE sh -c 'echo out; echo err >&2'",
            "run --rm -a nowhere --network=none $IMAGE true",
            "run --rm -t --network=none $IMAGE tty",
            "run --rm -d -a stdout --network=none $IMAGE true",
        ],
    },
    Scenario {
        name: "run-names",
        lines: &[
            "run -d --network=none --name one $IMAGE sleep 1000",
            "run -d --network=none --name one $IMAGE sleep 1000",
            "create --network=none --name one $IMAGE sleep 1000",
            "run --rm --network=none --name 'bad name' $IMAGE true",
            "run --rm --network=none --name -x $IMAGE true",
            "run --rm --network=none --name '' $IMAGE true",
            "run -d --network=none --replace --name one $IMAGE sleep 1000",
            "run -d --network=none --replace $IMAGE sleep 1000",
            "ps -a --format '{{.Names}} {{.State}}'",
            "run --rm --network=none --hostname one $IMAGE hostname",
            "run --rm --network=none --name two $IMAGE hostname",
        ],
    },
    Scenario {
        name: "run-cidfile",
        lines: &[
            "run --rm --network=none --cidfile $DIR/cid $IMAGE true",
            "run -d --network=none --cidfile $DIR/cid $IMAGE true",
            "run -d --network=none --cidfile $DIR/no/such/dir $IMAGE true",
        ],
    },
    Scenario {
        name: "run-detached",
        lines: &[
            "run -d --network=none --name one $IMAGE sh -c 'echo out; exit 5'",
            "wait one",
            "logs one",
            "ps -a --format '{{.Names}} {{.Status}} {{.ExitCode}}'",
            "run -d --rm --network=none --name two $IMAGE true",
            "start one",
            "wait one",
            "start -a one",
            "rm one",
        ],
    },
];
