//! Build script of the two crates that are compiled with the broken variants in them.

fn main() {
    println!("cargo:rerun-if-changed=../variants.rs");
    println!("cargo:rustc-cfg=variants");
}
