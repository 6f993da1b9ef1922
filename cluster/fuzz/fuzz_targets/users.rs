#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (squall_fuzz::Target::find("users").expect("it is one of them").read)(bytes);
});
