#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (squall_fuzz::Target::find("snapshot").expect("it is one of them").read)(bytes);
});
