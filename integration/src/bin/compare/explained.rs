//! Differences that are meant to be, each with its reason.

/// Scenario, how the line begins, and why ketch does otherwise.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "run-image-config",
        "run --rm --network=none --entrypoint '' special",
        "podman hands the runtime an empty command; ketch says that there is none, before it makes a container",
    ),
    (
        "mounts",
        "run --rm --network=none --name h --hostname h $IMAGE cat /etc/hosts",
        "podman names an address of the host there, which a container without a network cannot reach",
    ),
    (
        "attach",
        "hello\\n | attach one",
        "podman adds an empty line and exits with 0; ketch exits with the container's code, as docker does",
    ),
    ("ps", "ps -a --format '{{.Label", "no methods in templates yet: index .Labels \"tier\" does the same"),
    ("logs", "logs one one", "podman reads them side by side, in no order; ketch one after the other"),
    (
        "logs",
        "logs --names one two",
        "podman reads them side by side, in no order; ketch one after the other",
    ),
    (
        "inspect",
        "inspect --format '{{.Id}}",
        "podman shows its own init as the path, ketch the container's command",
    ),
    (
        "inspect",
        "inspect --format '{{.Config.Env}}",
        "HOME is looked up in the container's root when it starts",
    ),
    ("inspect", "inspect --format '{{json .Mounts}}", "the keys of json in a template are sorted"),
    ("inspect", "inspect --format '{{.RestartCount}}", "the runtime is ketch's own"),
    ("prefixes", "container", "the help has other verbs and words; the exit code is the same"),
    ("rmi", "rmi UPPER", "a name that no image can have is an image that is not there"),
    ("image-inspect", "image inspect --format '{{.Created}}", "times in an image are printed as in its JSON"),
];

pub(crate) fn reason(scenario: &str, line: &str) -> Option<&'static str> {
    let found = EXPLAINED.iter().find(|(name, begin, _)| *name == scenario && line.starts_with(begin));
    found.map(|(_, _, reason)| *reason)
}
