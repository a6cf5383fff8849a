//! Generated types of `wit/v0`, and their conversion to ours. They are used nowhere else in the
//! crate than in `backend`, and everything that comes from a guest is checked here.

#![allow(
    missing_docs,
    reason = "generated from WIT, which has the documentation"
)]
#![allow(clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit/v0",
    world: "full-plugin",
    exports: { default: async | store },
    with: {
        "wasi:filesystem": wasmtime_wasi::p3::bindings::filesystem,
        "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
        "wasi:random": wasmtime_wasi::p3::bindings::random,
        "wasi:http": wasmtime_wasi_http::p3::bindings::http,
    },
});
