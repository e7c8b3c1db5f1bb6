//! Differences that are meant to be, each with its reason.

/// Scenario, the whole line, and why ketch does otherwise.
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
        "podman adds an empty line and exits with 0; ketch exits with the container's code, as docker's manual has it",
    ),
    (
        "ps",
        "ps -a --format '{{.Label \"tier\"}}'",
        "no methods in templates yet: index .Labels \"tier\" does the same",
    ),
    ("logs", "logs one one", "podman reads them side by side, in no order; ketch one after the other"),
    (
        "logs",
        "logs --names one two",
        "podman reads them side by side, in no order; ketch one after the other",
    ),
    (
        "inspect",
        "inspect --format '{{.Id}} {{.Name}} {{.Image}} {{.ImageName}} {{.Path}} {{.Args}}' one",
        "podman shows its own init as the path, ketch the container's command",
    ),
    (
        "inspect",
        "inspect --format '{{.Config.Env}}' one",
        "HOME is looked up in the container's root when it starts",
    ),
    ("inspect", "inspect --format '{{json .Mounts}}' one", "the keys of json in a template are sorted"),
    (
        "inspect",
        "inspect --format '{{.RestartCount}} {{.Driver}} {{.OCIRuntime}} {{.MountLabel}}{{.ProcessLabel}}' one",
        "the runtime is ketch's own",
    ),
    ("prefixes", "container", "the help has other verbs and words; the exit code is the same"),
    (
        "image-inspect",
        "image inspect --format '{{.Created}} {{.RootFS.Type}} {{len .RootFS.Layers}} {{len .History}}' special",
        "times in an image are printed as in its JSON",
    ),
    (
        "network",
        "network inspect quiet --format '{{range .Subnets}}{{.LeaseRange.EndIP}}{{end}}'",
        "a network's broadcast address is given to nobody",
    ),
    (
        "network-containers",
        "run --rm --network front:bogus=1 $IMAGE true",
        "podman passes over what it does not know; ketch refuses it",
    ),
    (
        "network-containers",
        "run --rm --network front --dns 10.9.9.9 --dns-search example.org $IMAGE grep -c 10.9.9.9 /etc/resolv.conf",
        "podman names its own server on the network; with ketch names are lines of /etc/hosts, and the server is the one asked for",
    ),
    ("pause", "top one comm", "the processes of a paused container can be looked at"),
    (
        "stats",
        "stats --no-stream --no-reset --format '{{.ID}} {{.Name}} {{.Container}}' one",
        "podman prints what comes before the mistake",
    ),
];

pub(crate) fn reason(scenario: &str, line: &str) -> Option<&'static str> {
    let found = EXPLAINED.iter().find(|(name, whole, _)| *name == scenario && line == *whole);
    found.map(|(_, _, reason)| *reason)
}
