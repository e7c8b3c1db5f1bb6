//! Has the linker put what a container's life executes side by side: order.ld, which hack/order writes.

fn main() {
    println!("cargo:rerun-if-changed=order.ld");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}/order.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
