//! `container clone`: podman 5.8's names, words and exit codes.

use ketch_integration::Engine;
use serde_json::json;

#[test]
fn after_another_one() {
    let engine = Engine::with_busybox();
    engine
        .line("create --name one --network none -e A=1 -l x=y -v /anonymous -v kept:/kept busybox sleep 1000")
        .ok();
    let id = engine.line("container clone one").ok();
    engine.run(["inspect", "-f", "{{.Id}}", "one-clone"]).ok().assert_stdout(id.text());
    engine.line("container clone one").ok();
    engine.line("container clone one two").ok();
    engine.line("container clone --cpus 0.5 -m 64m --name three one").ok();
    engine
        .run(["ps", "-a", "--format", "{{.Names}}", "--sort", "names"])
        .ok()
        .assert_stdout("one\none-clone\none-clone1\nthree\ntwo");
    let whole = |name: &str| engine.run(["inspect", name]).ok().json()[0].clone();
    let (one, two, three) = (whole("one"), whole("two"), whole("three"));
    assert_eq!(two["Config"]["Labels"], json!({"x": "y"}));
    assert_eq!(two["Config"]["Cmd"], one["Config"]["Cmd"]);
    assert_eq!(two["Config"]["CreateCommand"], one["Config"]["CreateCommand"]);
    assert!(two["Config"]["Env"].as_array().unwrap().contains(&json!("A=1")), "{two:#}");
    assert_eq!(three["HostConfig"]["Memory"], 64 << 20);
    assert_eq!(three["HostConfig"]["NanoCpus"], 500_000_000);
    assert_eq!(one["HostConfig"]["Memory"], 0);
    // The named volume is the same, and the other one is not.
    let volumes = |whole: &serde_json::Value| -> Vec<String> {
        whole["Mounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mount| mount["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (of_one, of_two) = (volumes(&one), volumes(&two));
    assert!(of_two.contains(&"kept".to_owned()), "{of_two:?}");
    assert_eq!(of_one.iter().filter(|name| of_two.contains(name)).count(), 1);

    engine
        .line("container clone one two")
        .assert_exit(125)
        .assert_stderr_has("the container name \"two\" is already in use");
    engine.line("container clone nobody").assert_exit(125).assert_stderr_has("no such container");
    engine
        .line("container clone")
        .assert_exit(125)
        .assert_stderr_has("accepts between 1 and 3 arg(s), received 0");
    engine
        .line("container clone --force one x")
        .assert_exit(125)
        .assert_stderr_has("cannot set --force without --destroy");

    engine.line("container clone --run two four").ok();
    engine
        .line("container clone --destroy four five")
        .assert_exit(125)
        .assert_stderr_has("cannot be removed without force");
    engine.line("container exists five").assert_exit(1);
    engine.line("container clone --destroy -f four five").ok();
    engine.line("container exists four").assert_exit(1);
    engine.line("rm -f -v -t 0 -a").ok();
    engine.line("volume rm -a").ok();
}

#[test]
fn with_another_image_and_in_a_pod() {
    let engine = Engine::with_busybox();
    engine.line("tag busybox other").ok();
    engine.line("create --name one busybox sleep 1000").ok();
    engine.line("container clone one two other").ok();
    engine.run(["inspect", "-f", "{{.ImageName}}", "two"]).ok().assert_stdout("localhost/other:latest");
    engine.line("container clone one three nowhere/none:1").assert_exit(125);
    engine.line("pod create --name shop").ok();
    engine.line("container clone --pod shop one four").ok();
    let of = |name: &str, field: &str| engine.run(["inspect", "-f", field, name]).ok().text().to_owned();
    assert_ne!(of("four", "{{.Pod}}"), "");
    assert!(of("four", "{{.HostConfig.NetworkMode}}").starts_with("container:"));
    engine.line("container clone --pod none one five").assert_exit(125).assert_stderr_has("no such pod");
    engine.line("pod rm -f -t 0 shop").ok();
}

#[test]
fn whole_pods() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --label a=b").ok();
    engine.line("run -d --pod shop --name web busybox sleep 1000").ok();
    engine.line("create --pod shop --name apart --network none busybox sleep 1000").ok();
    let id = engine.line("pod clone shop").ok();
    engine.run(["pod", "inspect", "-f", "{{.Id}}", "shop-clone"]).ok().assert_stdout(id.text());
    engine
        .run([
            "ps",
            "-a",
            "--filter",
            "pod=shop-clone",
            "--filter",
            "name=-clone$",
            "--format",
            "{{.Names}}",
            "--sort",
            "names",
        ])
        .ok()
        .assert_stdout("apart-clone\nweb-clone");
    let mode = |name: &str| {
        engine.run(["inspect", "-f", "{{.HostConfig.NetworkMode}}", name]).ok().text().to_owned()
    };
    assert_eq!(mode("apart-clone"), "none");
    let infra = engine.run(["pod", "inspect", "-f", "{{.InfraContainerID}}", "shop-clone"]).ok();
    assert_eq!(mode("web-clone"), format!("container:{}", infra.text()));
    engine.line("pod clone --start -m 64m shop other").ok();
    engine.run(["pod", "inspect", "-f", "{{.State}}", "other"]).ok().assert_stdout("Running");
    engine.run(["exec", "web-clone1", "hostname"]).ok().assert_stdout("other");
    engine.line("pod clone --destroy shop last").ok();
    engine.line("pod exists shop").assert_exit(1);
    engine.line("pod clone nobody").assert_exit(125).assert_stderr_has("no such pod");
    for name in ["shop-clone", "other", "last"] {
        engine.run(["pod", "rm", "-f", "-t", "0", name]).ok();
    }
}
