//! What the linker needs to know of CUDA.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        // The driver's library shall be found when the program starts, also where one without symbols has stood in for it
        // at link time, on a machine without a driver.
        println!("cargo::rustc-link-arg-bins=-Wl,--push-state,--no-as-needed,-lcuda,--pop-state");
    }
}
