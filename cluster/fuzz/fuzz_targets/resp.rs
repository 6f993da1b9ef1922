#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (squall_fuzz::Target::find("resp").expect("it is one of them").read)(bytes);
});
