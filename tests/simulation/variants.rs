//! Build script of the two crates that are compiled with the broken variants in them.

#![expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=../variants.rs");
    println!("cargo:rustc-cfg=variants");
}
