#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pys3local_fuzz::targets::policy(data));
